"""Load the SDK's server without what a stdio server does not use (what that saves is in docs/performance.md).

Importing any part of the SDK first runs all of `mcp` and `mcp.server`: its client, its HTTP server, its framework. So
these two packages are registered without being run, and run at the first missing attribute: code that imports them sees
them complete. Pydantic builds the validators of its some 500 types when they are first used, not when they are defined.
"""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Final

import pydantic

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


@contextmanager
def deferring() -> Generator[None]:
    """Defer what is imported meanwhile: the SDK's packages, unless they are loaded, and the types' validators."""
    _defer_packages()
    pydantic.BaseModel.model_config = pydantic.ConfigDict(defer_build=True)
    try:
        yield
    finally:
        pydantic.BaseModel.model_config = pydantic.ConfigDict()


def _defer_packages() -> None:
    for name in _PACKAGES:
        spec = None if name in sys.modules else find_spec(name)
        if spec is not None:
            package = module_from_spec(spec)
            package.__class__ = _Unrun
            sys.modules[name] = package
            parent, _, own = name.rpartition(".")
            if parent:
                setattr(sys.modules[parent], own, package)
