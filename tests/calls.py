"""Calling a server's tools as a host does, in memory, in either protocol era."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Literal, cast

import anyio
import mcp_types as types
from mcp import Client

from alaya_mcp.config.settings import Settings, load_settings
from alaya_mcp.errors import NotConfigured
from alaya_mcp.sandbox import Sandbox
from alaya_mcp.serving.errors import ERROR_META_KEY
from alaya_mcp.serving.server import create_server
from tests.patience import PATIENCE

Era = Literal["auto", "legacy"]
ERAS: tuple[Era, ...] = ("auto", "legacy")
CHAT = "chat_with_deployment"
COMPARE = "compare_models"


def environ_of(sandbox: Sandbox) -> dict[str, str]:
    """What a server needs to use a sandbox."""
    return {
        "ALAYA_BASE_URL": sandbox.base_url,
        "ALAYA_ACCESS_KEY": sandbox.access_key,
        "ALAYA_SECRET_KEY": sandbox.secret_key,
        "ALAYA_SERVICE_ID": sandbox.default_service_id,
    }


def over(sandbox: Sandbox) -> Settings:
    """Settings for a sandbox."""
    return load_settings(environ_of(sandbox))


@asynccontextmanager
async def connected(settings: Settings | NotConfigured, era: Era = "auto") -> AsyncGenerator[Client]:
    """A client of a new server over `settings`, for as long as a test has patience."""
    with anyio.fail_after(PATIENCE):
        async with Client(create_server(settings), mode=era) as client:
            yield client


async def call(
    settings: Settings | NotConfigured, tool: str, era: Era = "auto", **arguments: object
) -> types.CallToolResult:
    """One call to a new server."""
    async with connected(settings, era) as client:
        return await client.call_tool(tool, arguments)


def text_of(result: types.CallToolResult) -> str:
    """The text form."""
    (block,) = result.content
    assert isinstance(block, types.TextContent)
    return block.text


def error_of(result: types.CallToolResult) -> dict[str, Any]:
    """The machine-readable part of an error, after checking what holds for every error."""
    assert result.is_error
    assert result.structured_content is None
    detail: dict[str, Any] = (result.meta or {})[ERROR_META_KEY]
    assert text_of(result).startswith(f"{detail['code']}: ")
    assert ("Trying again unchanged will not help." in text_of(result)) is not detail["retryable"]
    assert not detail["retryable"] or "Trying again" in text_of(result)
    return detail


def content_of(result: types.CallToolResult) -> dict[str, Any]:
    """The structured form of a success."""
    assert not result.is_error, text_of(result)
    content: Any = result.structured_content
    assert isinstance(content, dict)
    return cast("dict[str, Any]", content)
