"""MCP server for deployed language models on the Alaya NeW cloud.

`create_server` and `load_settings` are the public surface; they are loaded when first asked for.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alaya_mcp.config.settings import Settings, load_settings
    from alaya_mcp.serving.server import create_server

__version__ = "0.1.0"

__all__ = ["Settings", "__version__", "create_server", "load_settings"]


def __getattr__(name: str) -> object:
    if name == "create_server":
        from alaya_mcp.serving.server import create_server  # noqa: PLC0415 importing a submodule must not load the rest

        return create_server
    if name in {"Settings", "load_settings"}:
        from alaya_mcp.config import settings  # noqa: PLC0415 as above

        return getattr(settings, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
