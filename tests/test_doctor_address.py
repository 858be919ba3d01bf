"""The doctor over an address: a real server behind a real nginx, which is wrong in one way at a time."""

import io
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, redirect_stderr
from pathlib import Path

import anyio
import pytest
from rich.console import Console

from alaya_mcp.cli.arguments import parsed
from alaya_mcp.cli.doctor import run
from alaya_mcp.clock import Clock
from alaya_mcp.config.http import PATH, HttpSettings
from alaya_mcp.config.tokens import TokenFile
from alaya_mcp.doctor.address import Call as ToolCall
from alaya_mcp.doctor.address import about_caller, about_discovery, about_endpoint, about_get, about_health
from alaya_mcp.doctor.address_examination import Address, examine_address
from alaya_mcp.doctor.address_faults import fault_in
from alaya_mcp.doctor.address_headers import headers_of
from alaya_mcp.doctor.check import ADDRESS_TITLES
from alaya_mcp.doctor.connection import Network
from alaya_mcp.doctor.network import system_addresses
from alaya_mcp.doctor.probe import Answer
from alaya_mcp.doctor.report import as_json, show_check, show_end
from alaya_mcp.origins import Origin
from alaya_mcp.serving.http.server import HttpServer
from tests.doctor_patient import Examined, account, no_proxies_of_the_developers_own
from tests.http_host import KEYS, http_settings, serving, url_of
from tests.nginx import needs_nginx, nginx
from tests.patience import PATIENCE
from tests.test_commands import refusal_of
from tests.test_doctor_command import doctor
from tests.test_doctor_network import closed_port
from tests.upstream import SERVICE, Exchange, Handler, Request, Upstream, replies, text_chunk

__all__ = ["no_proxies_of_the_developers_own"]
pytestmark = pytest.mark.anyio
KEYED = http_settings(mode="keys")
ECHO = '{"jsonrpc": "2.0", "id": null, "error": {"code": 1, "message": "not $http_x_alaya_secret_key"}}'
HOST = "proxy_set_header Host $http_host;"


@asynccontextmanager
async def a_server(
    chat: Handler | None = None, settings: HttpSettings = KEYED, **variables: str
) -> AsyncGenerator[HttpServer]:
    """A server over an account with one deployment."""
    async with Upstream(chat=chat) as upstream:
        upstream.control = account(upstream)
        async with serving(upstream, settings, **variables) as server:
            yield server


async def examined(
    port: int,
    headers: Mapping[str, str] = KEYS,
    *,
    service: str | None = SERVICE,
    chats: bool = False,
    clock: Clock | None = None,
) -> Examined:
    """What the doctor finds at a port of this machine."""
    output = io.StringIO()
    console = Console(file=output, width=100, soft_wrap=True)
    address = Address(f"http://127.0.0.1:{port}{PATH}", headers, service, chats=chats)
    with anyio.fail_after(PATIENCE):
        network = Network({}, system_addresses)
        checks = await examine_address(address, network, lambda check: show_check(console, check), clock)
    show_end(console, checks)
    return Examined(checks, output.getvalue(), as_json(checks))


@needs_nginx
async def test_a_good_proxy_and_a_good_server_are_well(tmp_path: Path) -> None:
    async with a_server() as server, nginx([server.port], tmp_path) as port:
        found = await examined(port)

    assert (found.troubles, found.status) == ([], 0)
    assert list(found.verdicts) == list(ADDRESS_TITLES)
    assert found.verdicts["endpoint"] == "mcp_answers"
    assert found.verdicts["caller"] == "accepted"
    assert found.text.splitlines()[-1] == "No problem found. Not checked: Progress, Long calls."


@needs_nginx
@pytest.mark.parametrize(
    ("extra", "trouble"),
    [
        (f'{HOST} proxy_set_header X-Alaya-Secret-Key "";', ("failed", "caller", "credentials_refused")),
        (
            f'{HOST} proxy_set_header X-Alaya-Secret-Key ""; proxy_set_header X-Alaya-Access-Key "";',
            ("failed", "caller", "headers_lost"),
        ),
        ("proxy_set_header Host rewritten.invalid;", ("failed", "endpoint", "host_refused")),
        (f'{HOST} proxy_set_header Mcp-Method "";', ("failed", "endpoint", "headers_changed")),
        (f'{HOST} proxy_set_header MCP-Protocol-Version "";', ("failed", "endpoint", "headers_changed")),
        ("client_max_body_size 1m;", ("failed", "body", "body_limit")),
        ("rewrite ^/mcp /elsewhere break;", ("failed", "endpoint", "path_changed")),
        ("default_type text/html; return 200 '<html>';", ("failed", "endpoint", "not_mcp")),
        ("return 301 https://other.invalid$uri?planted=1;", ("failed", "endpoint", "redirected")),
        ("return 401;", ("failed", "endpoint", "proxy_asks")),
        ("return 403;", ("failed", "endpoint", "refused_on_the_way")),
        ("return 404;", ("failed", "endpoint", "not_routed")),
        ("return 429;", ("failed", "endpoint", "refused_on_the_way")),
        ("return 500;", ("failed", "endpoint", "not_mcp")),
        ("return 503;", ("failed", "endpoint", "no_server_behind")),
        ("return 504;", ("failed", "endpoint", "server_too_slow")),
        (f"default_type application/json; return 400 '{ECHO}';", ("failed", "endpoint", "refused")),
        ("return 444;", ("failed", "endpoint", "connection_cut")),
        ("location /mcp/ { return 404; }", ("warning", "slash", "slash_differs")),
        ("limit_except POST { deny all; }", ("warning", "get", "get_elsewhere")),
        ("location /.well-known/ { return 404; }", ("warning", "discovery", "page_not_json")),
        (
            "location /.well-known/ { default_type application/json; return 200 '{}'; }",
            ("failed", "discovery", "offered_by_another"),
        ),
    ],
)
async def test_a_proxy_that_is_wrong_is_named(tmp_path: Path, extra: str, trouble: tuple[str, str, str]) -> None:
    async with a_server() as server, nginx([server.port], tmp_path, extra) as port:
        found = await examined(port)

    assert trouble in found.troubles
    assert len([each for each in found.troubles if each[0] == "failed"]) <= 1
    assert found.check(trouble[1]).next_step
    assert not [secret for secret in (*KEYS.values(), "planted=1") if secret in found.shown]


@needs_nginx
async def test_a_proxy_without_a_server_is_told_from_no_proxy(tmp_path: Path) -> None:
    held, nobody = closed_port()
    with held:
        async with nginx([nobody], tmp_path) as port:
            proxied = await examined(port)
        direct = await examined(nobody)

    assert proxied.verdicts["endpoint"] == "no_server_behind"
    assert direct.verdicts["endpoint"] == "unreachable"
    assert [check.level for check in direct.checks[4:]] == ["skipped"] * (len(ADDRESS_TITLES) - 4)


@needs_nginx
async def test_a_removed_authorization_is_told_from_a_wrong_token(tmp_path: Path) -> None:
    settings = http_settings(mode="tokens", tokens_file=tmp_path / "tokens.json")
    token = {"Authorization": "Bearer planted-token-of-nobody"}
    removing = f'{HOST} proxy_set_header Authorization "";'
    async with a_server(settings=settings) as server:
        async with nginx([server.port], tmp_path, removing) as port:
            lost = await examined(port, token)
        wrong = await examined(server.port, token)
        nobody = await examined(server.port, {})

    assert lost.troubles == [("failed", "caller", "headers_lost")]
    assert "A proxy removes Authorization" in lost.check("caller").next_step
    assert wrong.troubles == [("failed", "caller", "credentials_refused")]
    assert "not known to this server" in wrong.check("caller").found
    assert (nobody.troubles, nobody.check("caller").level) == ([], "skipped")
    assert "planted" not in lost.shown + wrong.shown


async def test_a_token_that_is_known_is_accepted(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    token = TokenFile(file).add("ana", "support")
    config = tmp_path / "config.toml"
    config.write_text('[profiles.support]\naccess_key = "planted-a"\nsecret_key = "planted-s"\n')
    settings = http_settings(mode="tokens", tokens_file=file)
    async with a_server(settings=settings, ALAYA_CONFIG=str(config)) as server:
        found = await examined(server.port, {"Authorization": f"Bearer {token}"})

    assert found.troubles == []
    assert found.verdicts["caller"] == "accepted"
    assert token not in found.shown


class Slow:
    """An engine whose second piece comes ten seconds later, by the doctor's clock, than the first.

    Before, it waits until the doctor was told of a note, or for so many seconds.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._is_asked, self._noted = False, anyio.Event()
        self._time = 0.0

    def now(self) -> float:
        """The doctor's clock, which it reads when something comes."""
        if self._is_asked:
            self._noted.set()
        return self._time

    async def __call__(self, _: Request, exchange: Exchange) -> None:
        self._is_asked = True
        await exchange.events(text_chunk("1 "))
        with anyio.move_on_after(self._patience):
            await self._noted.wait()
        self._time += 10
        await exchange.event(text_chunk("2", finish_reason="stop"))
        await exchange.event("[DONE]")


async def test_notes_that_come_one_by_one_are_seen_as_such() -> None:
    engine = Slow(PATIENCE)
    async with a_server(engine) as server:
        found = await examined(server.port, chats=True, clock=Clock(now=engine.now))

    assert found.verdicts["progress"] == "one_by_one"


@needs_nginx
async def test_a_proxy_that_buffers_is_named(tmp_path: Path) -> None:
    engine = Slow(0.6)
    buffering = "gzip on; gzip_types text/event-stream; proxy_ignore_headers X-Accel-Buffering;"
    async with a_server(engine) as server, nginx([server.port], tmp_path, buffering) as port:
        found = await examined(port, chats=True, clock=Clock(now=engine.now))

    assert found.troubles == [("failed", "progress", "buffered")]


@needs_nginx
async def test_a_proxy_that_cuts_a_silent_call_is_named(tmp_path: Path) -> None:
    async def silent(_: Request, exchange: Exchange) -> None:
        await exchange.events()
        await exchange.hang()

    cutting = (
        "if ($http_mcp_name = chat_with_deployment) { rewrite ^ /cut/mcp last; }"
        "location /cut/ { proxy_pass http://servers/; proxy_read_timeout 1s; }"
    )
    async with a_server(silent) as server, nginx([server.port], tmp_path, cutting) as port:
        found = await examined(port, chats=True)

    (trouble,) = found.troubles
    assert trouble in {("failed", "progress", "cut"), ("failed", "progress", "server_too_slow")}
    assert "proxy_read_timeout" in found.check("progress").next_step


async def test_a_chat_too_short_to_tell_and_one_without_a_deployment_are_not_judged() -> None:
    async with a_server(replies("hello")) as server:
        short = await examined(server.port, chats=True, clock=Clock(now=lambda: 0.0))
        unnamed = await examined(server.port, chats=True, service=None)

    assert (short.troubles, unnamed.troubles) == ([], [])
    assert "too soon to tell" in short.check("progress").found
    assert "no default deployment" in unnamed.check("progress").found


async def test_what_is_wrong_with_the_account_or_the_engine_is_not_the_proxys() -> None:
    async def refuses(_: Request, exchange: Exchange) -> None:
        await exchange.answer_json(401, {"code": 401, "msg": "no"})

    async def fails(_: Request, exchange: Exchange) -> None:
        await exchange.answer_json(400, {"message": "no"})

    async with Upstream(control=refuses) as upstream, serving(upstream, KEYED) as server:
        refused = await examined(server.port)
    own = http_settings()
    async with Upstream(control=refuses) as upstream, serving(upstream, own) as server:
        own_refused = await examined(server.port, {})
    async with a_server(fails) as server:
        failed = await examined(server.port, chats=True)

    assert refused.troubles == [("failed", "caller", "credentials_refused")]
    assert own_refused.troubles == [("warning", "caller", "call_failed")]
    assert failed.troubles == [("warning", "progress", "chat_failed")]


async def test_a_name_that_does_not_resolve_ends_it() -> None:
    network = Network({}, system_addresses)
    checks = await examine_address(Address("https://mcp.invalid/mcp"), network, lambda _: None)
    found = Examined(checks, "", as_json(checks))

    assert found.verdicts["dns"] == "dns_failed"
    assert "--url" in found.check("dns").next_step
    assert [check.level for check in found.checks[2:]] == ["skipped"] * (len(ADDRESS_TITLES) - 2)


def of_json(status: int, message: dict[str, object], **headers: str) -> Answer:
    """An answer of JSON-RPC."""
    return Answer(status, {"content-type": "application/json", **headers}, b"", ((0.0, message),))


def test_an_account_that_is_open_to_anybody_is_warned_of_unless_it_is_this_machines() -> None:
    done = ToolCall(of_json(200, {"result": {"content": []}}))

    here, there = (about_caller(done, None, (), Origin.of(url)) for url in ("http://127.0.0.1", "https://a.example"))

    assert (here.verdict, there.level, there.verdict) == ("own_account", "warning", "open_to_anybody")


URL = "https://mcp.example.com/mcp"
CHALLENGE = 'Bearer resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"'


@pytest.mark.parametrize(
    ("status", "body", "challenge", "verdict"),
    [
        (200, b'{"resource": "https://mcp.example.com/mcp"}', CHALLENGE, "offered"),
        (200, b'{"resource": "https://other.example.com/mcp"}', CHALLENGE, "metadata_of_another"),
        (404, b"", CHALLENGE, "metadata_missing"),
        (200, b"<html>", "Bearer", "offered_by_another"),
        (404, b"<html>", "Bearer", "page_not_json"),
    ],
)
def test_oauth_is_offered_where_the_challenge_says_so(status: int, body: bytes, challenge: str, verdict: str) -> None:
    assert about_discovery(Answer(status, {}, body), challenge, URL).verdict == verdict


def test_another_server_and_one_that_is_stopping_and_a_stream_are_named() -> None:
    other = of_json(200, {"result": {"serverInfo": {"name": "another", "version": "1"}}})
    stopping = Answer(503, {}, b'{"status": "stopping"}')

    assert about_endpoint(other, other).verdict == "another_server"
    assert about_health(Answer(200, {}, b'{"status": "ok"}'), stopping).verdict == "stopping"
    assert about_get(Answer(200, {"content-type": "text/event-stream"})).verdict == "get_streams"


@pytest.mark.parametrize(
    "failure", ["refused", "connect_timeout", "proxy", "timeout", "reset", "too_large", "encoding"]
)
def test_each_way_to_get_no_answer_has_a_step(failure: str) -> None:
    fault = fault_in(Answer(failure=failure))  # pyright: ignore[reportArgumentType] each is one

    assert fault
    assert fault.next_step


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["planted"], "'Name: value'"),
        (["A b: planted"], "'Name: value'"),
        (["A:"], "--header A: the value is empty"),
        (["A: planted\nB: c"], "visible ASCII"),
        (["A: plänted"], "visible ASCII"),
        (["A: ${MISSING}"], "the variable MISSING is not set"),
        (["A: planted", "a: planted"], "more than once"),
    ],
)
def test_a_header_that_cannot_be_sent_is_refused_without_its_value(texts: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)) as refused:
        headers_of(texts, {})

    assert "planted" not in str(refused.value).lower()


def test_a_header_takes_its_value_from_the_environment() -> None:
    assert headers_of(["Authorization: Bearer ${TOKEN}", "X-A:b: c"], {"TOKEN": " planted "}) == {
        "Authorization": "Bearer planted",
        "X-A": "b: c",
    }


def test_options_that_do_not_go_together_are_refused() -> None:
    assert "--header needs --url" in refusal_of("doctor", "--header", "A: b")
    assert "exclude each other" in refusal_of("doctor", "--url", "http://localhost/mcp", "--host", "cursor")


async def test_the_command_says_what_is_wrong_and_no_secret(tmp_path: Path) -> None:
    settings = http_settings(mode="tokens", tokens_file=tmp_path / "tokens.json")
    async with a_server(settings=settings) as server:
        arguments = ("--url", url_of(server), "--header", "Authorization: Bearer ${PLANTED}", "--json")
        ran = await doctor(*arguments, home=tmp_path, PLANTED="planted-token")

    assert (ran.returncode, ran.stderr) == (3, b"")
    assert b'"credentials_refused"' in ran.stdout
    assert b"planted-token" not in ran.stdout


async def test_an_address_or_a_header_that_cannot_be_used_is_a_wrong_argument() -> None:
    said = io.StringIO()
    with redirect_stderr(said):
        plain = await run(parsed(["doctor", "--url", "http://mcp.invalid/mcp"]))
        unset = await run(parsed(["doctor", "--url", "https://mcp.invalid/mcp", "--header", "A: ${PLANTED_NOWHERE}"]))

    assert (plain, unset) == (2, 2)
    assert "--url must use https" in said.getvalue()
    assert "--header A: the variable PLANTED_NOWHERE is not set" in said.getvalue()
