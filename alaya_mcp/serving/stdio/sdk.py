"""Loading the SDK's server without its client, its HTTP server and its own framework.

Importing any part of the SDK first runs the whole of `mcp` and `mcp.server`, of which a server on pipes uses little
(docs/performance.md tells what that costs). So these two packages are put in place unrun, and run when something is
asked of them that is not there: whoever imports them sees them whole.
"""

import sys
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Final

_PACKAGES: Final = ("mcp", "mcp.server")


class _Unrun(ModuleType):
    """A package whose own code runs when an attribute is missing; its modules can be imported without."""

    _has_run = False

    def __getattr__(self, name: str) -> object:
        loader = self.__spec__.loader if self.__spec__ else None
        if self._has_run or loader is None or name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        self._has_run = True
        loader.exec_module(self)
        return getattr(self, name)


def defer_packages() -> None:
    """Put the SDK's packages in place unrun, where they are not loaded yet."""
    for name in _PACKAGES:
        spec = None if name in sys.modules else find_spec(name)
        if spec is not None:
            package = module_from_spec(spec)
            package.__class__ = _Unrun
            sys.modules[name] = package
            parent, _, own = name.rpartition(".")
            if parent:
                setattr(sys.modules[parent], own, package)
