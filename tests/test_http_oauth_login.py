"""A whole login: the MCP SDK's client, an authorization server as a process of its own, and this server."""

import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

from alaya_mcp.serving.http.server import HttpServer
from tests.calls import CHAT, ERAS, Era, content_of
from tests.http_host import NO_CERTIFICATES, http_settings, serving
from tests.issuer import CONFIG, PUBLIC_URL
from tests.patience import PATIENCE
from tests.upstream import SERVICE, Upstream, replies

pytestmark = pytest.mark.anyio

CALLBACK = "http://127.0.0.1:1/callback"


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """The authorization server's issuer."""
    command = [sys.executable, "-m", "tests.authorization_server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:  # noqa: S603 our own command
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


class Gateway(httpx2.AsyncBaseTransport):
    """A client's way to the server at its public URL, through a proxy that ends TLS, and to everything else."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._direct = httpx2.AsyncHTTPTransport(verify=NO_CERTIFICATES)
        self.statuses: list[int] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        is_ours = url.host == httpx2.URL(PUBLIC_URL).host
        if is_ours:
            url = url.copy_with(scheme="http", host="127.0.0.1", port=self._port)
        passed = httpx2.Request(
            request.method, url, headers=request.headers, stream=request.stream, extensions=request.extensions
        )
        response = await self._direct.handle_async_request(passed)
        if is_ours:
            self.statuses.append(response.status_code)
        return response

    async def aclose(self) -> None:
        await self._direct.aclose()


@dataclass
class Person:
    """Somebody who logs in, and the host's memory of that.

    Attributes:
        name: What the authorization server knows them by.
        consents: The scopes that they agree to, one answer for each login; all that are asked for when none is left.
        asked: The scopes that each login asked for.
    """

    name: str
    consents: list[str] = field(default_factory=list[str])
    asked: list[str] = field(default_factory=list[str])
    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None
    answer: AuthorizationCodeResult | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info

    async def log_in(self, url: str) -> None:
        """Open the authorization server's page, and agree."""
        query = dict(parse_qsl(urlsplit(url).query))
        self.asked.append(query["scope"])
        assert query["resource"] == PUBLIC_URL
        consent = {"consent": self.consents.pop(0)} if self.consents else {}
        async with httpx2.AsyncClient(timeout=PATIENCE, verify=NO_CERTIFICATES) as browser:
            answer = await browser.get(url, params={**query, "user": self.name, **consent})
        back = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
        self.answer = AuthorizationCodeResult(code=back["code"], state=back["state"])

    async def come_back(self) -> AuthorizationCodeResult:
        """Return what the page sent back."""
        assert self.answer is not None
        return self.answer


@asynccontextmanager
async def host_of(person: Person, server: HttpServer, era: Era) -> AsyncGenerator[tuple[Client, Gateway]]:
    """A host that a person uses."""
    metadata = OAuthClientMetadata(
        client_name="a host",
        redirect_uris=[AnyUrl(CALLBACK)],
        grant_types=["authorization_code"],
        token_endpoint_auth_method="none",
    )
    provider = OAuthClientProvider(PUBLIC_URL, metadata, person, person.log_in, person.come_back)
    gateway = Gateway(server.port)
    async with (
        httpx2.AsyncClient(auth=provider, transport=gateway, timeout=PATIENCE) as http,
        Client(streamable_http_client(PUBLIC_URL, http_client=http), mode=era) as client,
    ):
        yield client, gateway


@asynccontextmanager
async def guarded(tmp_path: Path, issuer: str) -> AsyncGenerator[tuple[HttpServer, Upstream]]:
    """A server that knows the authorization server's groups."""
    async with Upstream(chat=replies("hello")) as upstream:
        (tmp_path / "config.toml").write_text(CONFIG.format(base_url=upstream.environ["ALAYA_BASE_URL"]))
        settings = http_settings(
            mode="oauth",
            public_url=PUBLIC_URL,
            oauth_issuer=issuer,
            oauth_groups={"support": "support", "research": "research"},
        )
        async with serving(upstream, settings, ALAYA_CONFIG=str(tmp_path / "config.toml")) as server:
            yield server, upstream


@pytest.mark.parametrize("era", ERAS)
async def test_a_host_finds_the_login_by_itself_and_then_works(tmp_path: Path, issuer: str, era: Era) -> None:
    ana, bo = Person("ana"), Person("bo")
    async with guarded(tmp_path, issuer) as (server, upstream):
        async with host_of(ana, server, era) as (host, gateway):
            assert len((await host.list_tools()).tools) == 5
            assert content_of(await host.call_tool(CHAT, {"prompt": "x"}))["content"] == "hello"
        async with host_of(bo, server, era) as (host, _):
            assert content_of(await host.call_tool("get_deployment", {}))["service_id"] == SERVICE

    assert ana.asked == bo.asked == ["alaya:read alaya:chat"]
    assert gateway.statuses[:2] == [401, 200], "the challenge, and the metadata that it names"
    assert 401 not in gateway.statuses[2:]
    used = [request.headers["authorization"].partition("-")[0] for request in upstream.asked(SERVICE)]
    assert used == ["plain Credential=support", "plain Credential=research"]


@pytest.mark.parametrize("era", ERAS)
async def test_a_host_that_was_let_read_asks_for_more_when_it_is_to_chat(tmp_path: Path, issuer: str, era: Era) -> None:
    ana = Person("ana", consents=["alaya:read"])
    async with guarded(tmp_path, issuer) as (server, _), host_of(ana, server, era) as (host, gateway):
        assert content_of(await host.call_tool("get_deployment", {}))["service_id"] == SERVICE
        assert len(ana.asked) == 1
        assert content_of(await host.call_tool(CHAT, {"prompt": "x"}))["content"] == "hello"

    assert ana.asked == ["alaya:read alaya:chat"] * 2
    assert gateway.statuses.count(403) == 1


async def test_after_the_authorization_server_changed_its_key_new_tokens_are_accepted_and_old_ones_not(
    tmp_path: Path, issuer: str
) -> None:
    before, after = Person("ana"), Person("ana")
    async with guarded(tmp_path, issuer) as (server, _):
        async with host_of(before, server, "auto") as (host, _):
            await host.list_tools()
        async with httpx2.AsyncClient(timeout=PATIENCE, verify=NO_CERTIFICATES) as http:
            await http.post(f"{issuer}/rotate")
    async with guarded(tmp_path, issuer) as (server, _):
        async with host_of(after, server, "auto") as (host, _):
            await host.list_tools()
        async with host_of(before, server, "auto") as (host, gateway):
            await host.list_tools()

    assert len(after.asked) == 1
    assert len(before.asked) == 2, "its old token was refused, and it signed in again"
    assert gateway.statuses[0] == 401
