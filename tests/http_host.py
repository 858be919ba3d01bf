"""A server over HTTP on a loopback port, and clients of it in both protocol eras."""

import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from alaya_mcp.config.http import PATH, HttpSettings
from alaya_mcp.config.settings import load_settings
from alaya_mcp.serving.http.key_headers import ACCESS_KEY_HEADER, SECRET_KEY_HEADER
from alaya_mcp.serving.http.server import HttpServer, http_server
from tests.calls import Era
from tests.patience import PATIENCE
from tests.upstream import Upstream

KEYS = {ACCESS_KEY_HEADER: "planted-access-key", SECRET_KEY_HEADER: "planted-secret-key"}
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For plain http: to load the system's takes longer than a request."""


def http_settings(**settings: object) -> HttpSettings:
    """Settings on a free loopback port, with engines on loopback."""
    return HttpSettings.model_validate({"port": 0, "allow_engine_host": ["127.0.0.1"], **settings})


@asynccontextmanager
async def serving(
    upstream: Upstream, settings: HttpSettings | None = None, **variables: str
) -> AsyncGenerator[HttpServer]:
    """A server over an upstream, which listens."""
    settings = settings or http_settings()
    environ = {**upstream.environ, **variables}
    own = load_settings(environ) if settings.mode == "environment" else None
    with anyio.fail_after(PATIENCE):
        async with http_server(settings, environ, own) as server:
            yield server


def url_of(server: HttpServer) -> str:
    """Where it is."""
    return f"http://127.0.0.1:{server.port}{PATH}"


@asynccontextmanager
async def client_of(
    server: HttpServer, era: Era = "auto", headers: Mapping[str, str] | None = None
) -> AsyncGenerator[Client]:
    """A client that sends these headers with each request."""
    async with client_at(url_of(server), era, headers) as client:
        yield client


@asynccontextmanager
async def client_at(url: str, era: Era = "auto", headers: Mapping[str, str] | None = None) -> AsyncGenerator[Client]:
    """A client of a server that is somewhere, as `client_of`."""
    async with (
        httpx2.AsyncClient(headers=dict(headers or {}), timeout=PATIENCE, verify=NO_CERTIFICATES) as http,
        Client(streamable_http_client(url, http_client=http), mode=era) as client,
    ):
        yield client


def body_of(method: str, **params: object) -> dict[str, Any]:
    """One request of the handshake era, which needs no handshake before it."""
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


RAW = {"accept": "application/json, text/event-stream", "content-type": "application/json"}


async def asked(server: HttpServer, method: str = "POST", path: str = PATH, **options: Any) -> httpx2.Response:  # noqa: ANN401 of the HTTP client
    """The answer to one raw request, by default for the tools."""
    headers = {**RAW, **options.pop("headers", {})}
    options.setdefault("json", body_of("tools/list"))
    async with httpx2.AsyncClient(timeout=PATIENCE, verify=NO_CERTIFICATES) as http:
        return await http.request(method, f"http://127.0.0.1:{server.port}{path}", headers=headers, **options)
