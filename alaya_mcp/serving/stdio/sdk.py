"""Load the SDK's server without its client, HTTP server and framework.

Importing any part of the SDK first runs all of `mcp` and `mcp.server`, of which a stdio server uses little (the cost is
in docs/performance.md). So these two packages are registered without being run, and run at the first missing attribute:
code that imports them sees them complete.
"""

import sys
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Final

_PACKAGES: Final = ("mcp", "mcp.server")


class _Unrun(ModuleType):
    """A package whose code runs at the first missing attribute; its modules can be imported without it."""

    _has_run = False

    def __getattr__(self, name: str) -> object:
        loader = self.__spec__.loader if self.__spec__ else None
        if self._has_run or loader is None or name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        self._has_run = True
        loader.exec_module(self)
        return getattr(self, name)


def defer_packages() -> None:
    """Register the SDK's packages without running them, unless they are loaded."""
    for name in _PACKAGES:
        spec = None if name in sys.modules else find_spec(name)
        if spec is not None:
            package = module_from_spec(spec)
            package.__class__ = _Unrun
            sys.modules[name] = package
            parent, _, own = name.rpartition(".")
            if parent:
                setattr(sys.modules[parent], own, package)
