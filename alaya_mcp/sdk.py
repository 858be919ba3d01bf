"""Loading the SDK's server without its client, its HTTP server and its own framework.

Importing any part of the SDK first runs the whole of `mcp` and `mcp.server`, of which a server on pipes uses little
(docs/performance.md tells what that costs). This is about what is loaded and when: the classes are the same.
"""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec
from typing import Final

_PACKAGES: Final = ("mcp", "mcp.server")


@contextmanager
def without_its_packages() -> Generator[None]:
    """Import the SDK's modules here without running the packages that they are in.

    Meanwhile these packages have no contents of their own; afterwards whoever imports them gets them whole.
    """
    bare = [name for name in _PACKAGES if name not in sys.modules]
    try:
        for name in bare:
            found = find_spec(name)
            spec = ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = found.submodule_search_locations if found else []
            sys.modules[name] = module_from_spec(spec)
        yield
    finally:
        for name in bare:
            sys.modules.pop(name, None)
