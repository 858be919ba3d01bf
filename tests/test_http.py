"""The server over HTTP: what is answered to whom, over real sockets and in both protocol eras."""

from collections.abc import AsyncGenerator
from typing import Any

import anyio
import httpx2
import pytest

from alaya_mcp.serving.http.gate import BODY_CAP
from tests.calls import CHAT, ERAS, Era, content_of, error_of, text_of
from tests.http_host import KEYS, RAW, asked, body_of, client_of, http_settings, serving, url_of
from tests.upstream import API_KEY, SERVICE, Exchange, Request, Upstream, replies, text_chunk

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]


async def pieces() -> AsyncGenerator[bytes]:
    """A body of which nobody knows beforehand how large it is."""
    for _ in range(BODY_CAP // 2**20 + 1):
        yield b"x" * 2**20


KEYED = http_settings(mode="keys")


@pytest.mark.parametrize("era", ERAS)
async def test_tools_are_listed_and_called_as_over_stdio(era: Era) -> None:
    async with Upstream(chat=replies("hello")) as upstream, serving(upstream) as server, client_of(server, era) as host:
        tools = [tool.name for tool in (await host.list_tools()).tools]
        found = content_of(await host.call_tool("get_deployment", {}))
        reply = content_of(await host.call_tool(CHAT, {"prompt": "x"}))

    assert tools == ["list_deployments", "get_deployment", "list_lora_models", CHAT, "compare_models"]
    assert found["service_id"] == SERVICE
    assert reply["content"] == "hello"


@pytest.mark.parametrize("era", ERAS)
async def test_progress_comes_before_the_result(era: Era) -> None:
    told: list[str] = []

    async def keep(progress: float, total: float | None, message: str | None) -> None:
        del progress, total
        told.append(message or "")

    async with Upstream(chat=replies("hello")) as upstream, serving(upstream) as server, client_of(server, era) as host:
        content_of(await host.call_tool(CHAT, {"prompt": "x"}, progress_callback=keep))

    assert "hello" in "".join(told)


class Endless:
    """An engine that begins to answer and goes on until its client has gone."""

    def __init__(self) -> None:
        self.began, self.ended = anyio.Event(), anyio.Event()

    async def __call__(self, _: Request, exchange: Exchange) -> None:
        await exchange.events(text_chunk("text"))
        self.began.set()
        try:
            await exchange.hang()
        finally:  # by a reset, where something was unread
            self.ended.set()


async def test_a_cancelled_call_stops_the_engine() -> None:
    engine = Endless()
    async with Upstream(chat=engine) as upstream, serving(upstream) as server, client_of(server) as host:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(host.call_tool, CHAT, {"prompt": "x"})
            await engine.began.wait()
            tasks.cancel_scope.cancel()
        await engine.ended.wait()


async def test_a_closed_connection_stops_the_engine_in_the_handshake_era_too() -> None:
    engine = Endless()
    called = body_of("tools/call", name=CHAT, arguments={"prompt": "x"})
    async with Upstream(chat=engine) as upstream, serving(upstream) as server, httpx2.AsyncClient() as http:
        async with http.stream("POST", url_of(server), headers=RAW, json=called) as answer:
            assert answer.status_code == 200
            await engine.began.wait()
        await engine.ended.wait()


async def test_a_client_that_does_not_read_holds_up_neither_the_deadline_nor_the_engine() -> None:
    ended = anyio.Event()

    async def floods(_: Request, exchange: Exchange) -> None:
        await exchange.events()
        try:
            while True:
                await exchange.event(text_chunk("x" * 20_000))
        except ConnectionError:
            ended.set()

    limits = {"ALAYA_ABANDON_SECONDS": "1", "ALAYA_PROGRESS_INTERVAL_MS": "0", "ALAYA_MAX_REPLY_BYTES": "10000000"}
    arguments = {"prompt": "x", "timeout_seconds": 1}
    called = body_of("tools/call", name=CHAT, arguments=arguments, _meta={"progressToken": 1})
    async with (
        Upstream(chat=floods) as upstream,
        serving(upstream, None, **limits) as server,
        httpx2.AsyncClient() as http,
        http.stream("POST", url_of(server), headers=RAW, json=called) as answer,
    ):
        assert answer.status_code == 200  # and nothing more is read
        await ended.wait()


@pytest.mark.parametrize("era", ERAS)
async def test_a_reply_outlives_its_call_here_too(era: Era) -> None:
    go_on = anyio.Event()

    async def slowly(_: Request, exchange: Exchange) -> None:
        await exchange.events(text_chunk("first "))
        await go_on.wait()
        await exchange.event(text_chunk("second", finish_reason="stop"))
        await exchange.event("[DONE]")

    async with Upstream(chat=slowly) as upstream, serving(upstream) as server, client_of(server, era) as host:
        first = content_of(await host.call_tool(CHAT, {"prompt": "x", "timeout_seconds": 1}))
        go_on.set()
        second = content_of(await host.call_tool(CHAT, {"read_on": first["read_on"]}))

    assert (first["truncated_reason"], first["content"] + second["content"]) == ("still_generating", "first second")


async def test_a_reply_of_another_server_behind_the_same_address_is_told_as_such() -> None:
    async with Upstream(chat=replies("hello")) as upstream, serving(upstream) as one, serving(upstream) as another:
        async with client_of(one) as host:
            begun = content_of(await host.call_tool(CHAT, {"prompt": "x", "background": True}))
        async with client_of(another) as host:
            refused = await host.call_tool(CHAT, {"read_on": begun["read_on"]})

    assert error_of(refused)["code"] == "invalid_arguments"
    assert "another server of the same address" in text_of(refused)


async def test_health_and_readiness_need_nobody_and_no_host() -> None:
    async with Upstream() as upstream, serving(upstream, http_settings(mode="tokens")) as server:
        for path in ("/healthz", "/readyz"):
            health = await asked(server, "GET", path, headers={"host": "10.0.0.1"})
            assert (health.status_code, health.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        ({"path": "/"}, 404, "the server is at /mcp"),
        ({"path": "/.well-known/oauth-protected-resource", "method": "GET"}, 404, "nothing here"),
        ({"path": "/.well-known/oauth-protected-resource/mcp", "method": "GET"}, 404, "nothing here"),
        ({"method": "GET"}, 405, "Only POST"),
        ({"method": "DELETE"}, 405, "Only POST"),
        ({"method": "OPTIONS"}, 405, "Only POST"),
        ({"headers": {"host": "rebound.invalid"}}, 421, "--public-url"),
        ({"headers": {"origin": "https://page.invalid"}}, 403, "--allow-origin"),
        ({"headers": {"origin": "null"}}, 403, "--allow-origin"),
        ({"headers": {"origin": "http://localhost.invalid"}}, 403, "--allow-origin"),
        ({"headers": {"origin": "http://[::1"}}, 403, "--allow-origin"),
        ({"json": None, "content": b"x" * (BODY_CAP + 1)}, 413, "24 MiB"),
        ({"headers": {"content-type": "text/plain"}}, 400, "Content-Type"),
        ({"json": {}}, 400, "no message of JSON-RPC"),
    ],
)
async def test_what_is_no_call_is_refused_in_json(options: dict[str, Any], status: int, words: str) -> None:
    async with Upstream() as upstream, serving(upstream) as server:
        answer = await asked(server, **options)

    assert answer.status_code == status
    assert words in answer.json()["error"]["message"]
    assert ("allow" in answer.headers) is (status == 405)
    assert "www-authenticate" not in answer.headers


async def test_a_body_that_turns_out_too_large_is_refused_in_json_too() -> None:
    async with Upstream() as upstream, serving(upstream) as server:
        answer = await asked(server, json=None, content=pieces())

    assert answer.status_code == 413
    assert "too large" in answer.json()["error"]["message"]


async def test_two_origins_are_none_that_may_call() -> None:
    origins = [("origin", "http://localhost"), ("origin", "https://page.invalid")]
    async with Upstream() as upstream, serving(upstream) as server, httpx2.AsyncClient() as http:
        answer = await http.post(url_of(server), headers=[*RAW.items(), *origins], json=body_of("tools/list"))

    assert answer.status_code == 403


async def test_both_spellings_of_the_path_answer_without_a_redirect() -> None:
    async with Upstream() as upstream, serving(upstream) as server:
        answers = [await asked(server, path=path) for path in ("/mcp", "/mcp/")]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].text == answers[1].text


@pytest.mark.parametrize("origin", ["http://localhost:6274", "http://127.0.0.1", "http://[::1]:1"])
async def test_a_page_of_this_machine_may_call_on_loopback_but_is_not_shown_the_answer(origin: str) -> None:
    async with Upstream() as upstream, serving(upstream) as server:
        answer = await asked(server, headers={"origin": origin})

    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


async def test_a_listed_page_may_call_and_is_told_so() -> None:
    page = "https://inspector.example"
    settings = http_settings(mode="keys", allow_origin=[page])
    async with Upstream() as upstream, serving(upstream, settings) as server:
        preflight = await asked(server, "OPTIONS", headers={"origin": page})
        answer = await asked(server, headers={"origin": page})
        elsewhere = await asked(server, "OPTIONS", headers={"origin": f"{page}.invalid"})

    assert preflight.status_code == 204
    assert "x-alaya-secret-key" in preflight.headers["access-control-allow-headers"]
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == page
    assert "access-control-allow-origin" not in elsewhere.headers


@pytest.mark.parametrize("era", ERAS)
async def test_each_caller_brings_its_own_keys_and_lists_need_none(era: Era) -> None:
    async with Upstream(chat=replies("hello")) as upstream, serving(upstream, KEYED) as server:
        async with client_of(server, era) as nobody:
            assert len((await nobody.list_tools()).tools) == 5
            refused = await nobody.call_tool("get_deployment", {"service_id": SERVICE})
        assert upstream.requests == []
        async with client_of(server, era, KEYS) as host:
            reply = content_of(await host.call_tool(CHAT, {"service_id": SERVICE, "prompt": "x"}))
            unnamed = await host.call_tool("get_deployment", {})

    assert error_of(refused)["code"] == "not_configured"
    assert "without X-Alaya-Access-Key and X-Alaya-Secret-Key" in text_of(refused)
    assert reply["content"] == "hello"
    assert error_of(unnamed)["code"] == "invalid_arguments", "the server's own default is nobody else's"
    sent = upstream.asked(SERVICE)[0].headers["authorization"]
    assert sent == "plain Credential=planted-access-key,Signature=planted-secret-key"


async def test_alayas_own_scheme_is_a_key_pair_too() -> None:
    pair = {"authorization": "plain Credential=other-access, Signature=other-secret"}
    async with Upstream() as upstream, serving(upstream, KEYED) as server, client_of(server, headers=pair) as host:
        content_of(await host.call_tool("get_deployment", {"service_id": SERVICE}))

    assert upstream.requests[0].headers["authorization"] == "plain Credential=other-access,Signature=other-secret"


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ([*KEYS.items(), ("X-Alaya-Access-Key", "another")], "more than once"),
        ([*KEYS.items(), ("Authorization", "plain Credential=a,Signature=b")], "send the key pair once"),
        ([("Authorization", "Bearer planted-token")], "must be"),
        ([("Authorization", "plain Credential=planted,Signature=")], "must be"),
        ([("X-Alaya-Access-Key", "planted key"), ("X-Alaya-Secret-Key", "b")], "visible ASCII"),
        ([("X-Alaya-Access-Key", "a"), ("X-Alaya-Secret-Key", "schlüssel-planted".encode())], "visible ASCII"),
    ],
)
async def test_key_headers_that_are_unclear_are_refused_without_their_values(
    headers: list[tuple[str, Any]], words: str
) -> None:
    async with Upstream() as upstream, serving(upstream, KEYED) as server, httpx2.AsyncClient() as http:
        answer = await http.post(
            url_of(server), headers=[*RAW.items(), *headers], json=body_of("tools/call", name="list_deployments")
        )

    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]
    assert "planted" not in answer.text
    assert upstream.requests == []


@pytest.mark.parametrize("empty", ["", "${ALAYA_ACCESS_KEY}", "%ALAYA_ACCESS_KEY%"])
async def test_a_header_that_the_host_did_not_fill_is_missing(empty: str) -> None:
    headers = {**KEYS, "X-Alaya-Access-Key": empty}
    async with Upstream() as upstream, serving(upstream, KEYED) as server, client_of(server, headers=headers) as host:
        refused = await host.call_tool("list_deployments", {})

    assert "without X-Alaya-Access-Key." in text_of(refused)


async def test_alayas_own_scheme_that_the_host_did_not_fill_is_missing_too() -> None:
    headers = {"Authorization": "plain Credential=${env:ALAYA_ACCESS_KEY},Signature=${env:ALAYA_SECRET_KEY}"}
    async with Upstream() as upstream, serving(upstream, KEYED) as server, client_of(server, headers=headers) as host:
        refused = await host.call_tool("list_deployments", {})

    assert "without X-Alaya-Access-Key and X-Alaya-Secret-Key." in text_of(refused)
    assert not upstream.requests


async def test_a_pair_that_alaya_refuses_is_no_http_error_and_is_not_tried_again_at_once() -> None:
    async def refuses(_: Request, exchange: Exchange) -> None:
        await exchange.answer_json(401, {"code": 401, "msg": "no"})

    async with Upstream(control=refuses) as upstream, serving(upstream, KEYED) as server:
        async with client_of(server, headers=KEYS) as host:
            errors = [await host.call_tool("get_deployment", {"service_id": SERVICE}) for _ in range(3)]
        other = {**KEYS, "X-Alaya-Access-Key": "another"}
        async with client_of(server, headers=other) as host:
            await host.call_tool("list_deployments", {})

    assert [error_of(error)["code"] for error in errors] == ["credentials_rejected"] * 3
    assert "the request's headers" in text_of(errors[0])
    assert len(upstream.requests) == 2


async def test_no_secret_is_in_an_answer() -> None:
    async with Upstream(chat=replies("hello")) as upstream, serving(upstream, KEYED) as server:
        arguments = {"service_id": SERVICE, "prompt": "x"}
        called = body_of("tools/call", name=CHAT, arguments=arguments)
        answer = await asked(server, headers=KEYS, json=called)

    assert "hello" in answer.text
    everything = answer.text + str(answer.headers)
    assert not any(secret in everything for secret in (*KEYS.values(), API_KEY))
