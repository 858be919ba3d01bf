"""Accounts: all of one credential's in one place, over what they share; nothing of one reaches another."""

import json
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx2
import pytest

from alaya_mcp.accounts import Account, Accounts, Shared
from alaya_mcp.chat.concurrency import Places
from alaya_mcp.chat.request import ChatRequest, Turn
from alaya_mcp.clock import Clock
from alaya_mcp.config.settings import Settings, load_settings
from alaya_mcp.deadline import Deadline
from alaya_mcp.errors import InvalidArguments, RateLimited
from alaya_mcp.progress import Phase, ProgressNotes
from alaya_mcp.upstream.routes import Routes
from alaya_mcp.upstream.transport import Transport
from tests.upstream import SERVICE, Exchange, Request, Upstream, text_chunk

pytestmark = [pytest.mark.anyio]

API = "https://api.invalid/v1"


def settings_of(name: str, **more: str) -> Settings:
    """Settings of an account of that name."""
    return load_settings(
        {"ALAYA_ACCESS_KEY": f"ak-{name}", "ALAYA_SECRET_KEY": f"sk-{name}", "ALAYA_BASE_URL": API, **more}
    )


async def silent(progress: float, message: str, phase: Phase) -> None:
    del progress, message, phase


def notes() -> ProgressNotes:
    return ProgressNotes(silent, 0)


DEPLOYMENT = {
    "serviceId": SERVICE,
    "status": "running",
    "serviceUrl": "https://engine.invalid",
    "apiKey": "k",
    "servedName": "m",
    "instance": [{"baseModelReady": True}],
}


@dataclass
class Wire:
    """Answers without a socket, and keeps what was asked."""

    chat: Callable[[httpx2.Request], httpx2.Response]
    requests: list[httpx2.Request] = field(default_factory=list[httpx2.Request])

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        if request.url.path.endswith("/chat/completions"):
            return self.chat(request)
        return httpx2.Response(200, json={"code": 0, "data": DEPLOYMENT})

    def shared(self, clock: Clock | None = None) -> Shared:
        """What accounts share, over this."""
        return Shared(4, Transport(Routes({}, httpx2.MockTransport(self))), clock or Clock())


def says(*texts: str) -> Callable[[httpx2.Request], httpx2.Response]:
    """An answer of a stream."""
    chunks = [text_chunk(text) for text in texts] + [text_chunk(finish_reason="stop")]
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    return lambda _: httpx2.Response(200, text=body, headers={"content-type": "text/event-stream"})


async def chat(account: Account, prompt: str = "x", **more: Any) -> Any:  # noqa: ANN401 a result, or its absence
    request = ChatRequest((Turn("user", prompt),), **more)
    return (await account.chats.run(SERVICE, request, Deadline.after(600), notes())).result


async def rest(account: Account, read_on: str) -> Any:  # noqa: ANN401 a result
    """The next part of a reply."""
    return (await account.chats.read_on(read_on, Deadline.after(600), notes())).result


async def test_a_chat_needs_no_socket() -> None:
    wire = Wire(says("Hello"))
    async with wire.shared() as shared:
        with Accounts(shared).using(settings_of("a")) as account:
            result = await chat(account)

    assert result.content == "Hello"
    assert [request.url.host for request in wire.requests] == ["api.invalid", "engine.invalid"]


async def test_what_is_waited_for_takes_no_time_where_the_clock_is_given() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    outcomes = [httpx2.Response(503), httpx2.Response(429, headers={"retry-after": "7"})]
    wire = Wire(lambda request: outcomes.pop(0) if outcomes else says("Hello")(request))
    async with wire.shared(Clock(sleep=sleep, chance=lambda: 0.5)) as shared:
        with Accounts(shared).using(settings_of("a")) as account:
            result = await chat(account)

    assert result.content == "Hello"
    assert slept == [0.125, 7.0]


async def test_a_deployment_that_moved_while_a_chat_was_queued_is_found_again() -> None:
    deployment = {**DEPLOYMENT}
    first, release = anyio.Event(), anyio.Event()

    async def answer(request: httpx2.Request) -> httpx2.Response:
        if not request.url.path.endswith("/chat/completions"):
            return httpx2.Response(200, json={"code": 0, "data": deployment})
        if not first.is_set():
            first.set()
            await release.wait()
        elif request.url.host == "engine.invalid":
            raise httpx2.ConnectError("refused")
        return says("Hello")(request)

    async with Shared(1, Transport(Routes({}, httpx2.MockTransport(answer)))) as shared:
        with Accounts(shared).using(settings_of("a")) as account:
            replies: list[str] = []

            async def ask() -> None:
                replies.append((await chat(account)).content)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask)
                await first.wait()
                account.cache.forget(SERVICE)  # so that the second chat looks it up, and it is kept by the time it asks
                tasks.start_soon(ask)
                await anyio.wait_all_tasks_blocked()
                deployment["serviceUrl"] = "https://moved.invalid"
                release.set()

    assert replies == ["Hello", "Hello"]


async def test_one_account_for_one_credential() -> None:
    async with Wire(says("x")).shared() as shared:
        accounts = Accounts(shared)
        with accounts.using(settings_of("a")) as first, accounts.using(settings_of("a")) as same:
            with accounts.using(settings_of("b")) as other:
                assert first is same
                assert first is not other
                assert len(accounts) == 2
            assert settings_of("a", ALAYA_BASE_URL=f"{API}/x").credential != settings_of("a").credential


async def test_a_credential_names_the_pair_and_tells_nothing_of_it() -> None:
    settings = settings_of("a")

    assert "ak-a" not in settings.credential
    assert "sk-a" not in settings.credential
    assert len(settings.credential) == 64


async def test_accounts_share_their_connections_and_their_certificates() -> None:
    async with Shared(4, Transport(Routes({}))) as shared:
        control, engine = (settings_of(name).control_plane for name in "ab")
        routes = {id(shared.transport.routes.to(origin, "control")[0]) for origin in (control, engine)}
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            accounts = [shared.account(settings_of(str(number))) for number in range(50)]
            each = (tracemalloc.get_traced_memory()[0] - before) / 50
        finally:
            tracemalloc.stop()

    assert len(routes) == 1
    assert len(accounts) == 50
    assert each < 50_000


async def test_accounts_that_were_idle_for_long_are_closed_and_those_in_use_are_not() -> None:
    now = 0.0
    async with Wire(says("x")).shared(Clock(now=lambda: now)) as shared:
        accounts = Accounts(shared, idle_seconds=100)
        with accounts.using(settings_of("busy")):
            with accounts.using(settings_of("idle")):
                pass
            now = 101.0
            with accounts.using(settings_of("new")):
                assert len(accounts) == 2
            with accounts.using(settings_of("busy")):
                assert len(accounts) == 2


async def test_an_idle_account_is_closed_when_another_is_used() -> None:
    now = 0.0
    async with Wire(says("x")).shared(Clock(now=lambda: now)) as shared:
        accounts = Accounts(shared, idle_seconds=100)
        for name in ("idle", "other"):
            with accounts.using(settings_of(name)):
                pass
        now = 60.0
        with accounts.using(settings_of("other")):
            pass
        now = 120.0
        with accounts.using(settings_of("other")):
            assert len(accounts) == 1


async def test_a_caller_has_its_own_settings_and_the_replies_of_its_credential() -> None:
    async with Wire(says("long " * 2_000)).shared() as shared:
        accounts = Accounts(shared)
        other = settings_of("a", ALAYA_TIMEOUT_SECONDS="7")
        with accounts.using(settings_of("a")) as first, accounts.using(other) as second:
            assert (first.settings.timeout_seconds, second.settings.timeout_seconds) == (50, 7)
            reply = await chat(first, reply_bytes=4_000)
            assert (await rest(second, reply.read_on)).content


async def test_there_are_no_more_than_so_many_and_none_is_closed_under_a_call() -> None:
    async with Wire(says("x")).shared() as shared:
        accounts = Accounts(shared, most=2)
        with accounts.using(settings_of("a")) as kept:
            with accounts.using(settings_of("b")):
                with pytest.raises(RateLimited) as full, accounts.using(settings_of("c")):
                    pass
                assert full.value.retryable
            with accounts.using(settings_of("c")), accounts.using(settings_of("a")) as same:
                assert same is kept
                assert len(accounts) == 2


async def test_a_large_reply_is_read_on_by_its_own_account_alone() -> None:
    async with Wire(says("long " * 2_000)).shared() as shared:
        accounts = Accounts(shared)
        with accounts.using(settings_of("a")) as mine, accounts.using(settings_of("b")) as other:
            first = await chat(mine, reply_bytes=4_000)
            more = await rest(mine, first.read_on)
            with pytest.raises(InvalidArguments):
                await rest(other, first.read_on)

            assert first.content + more.content == "long " * 2_000
            assert (len(mine.chats.replies()), other.chats.replies()) == (1, [])


async def test_an_upstreams_cookies_are_neither_kept_nor_sent() -> None:
    async def handler(_: Request, exchange: Exchange) -> None:
        body = f"data: {json.dumps(text_chunk('x', finish_reason='stop'))}\n\n".encode()
        await exchange.answer(
            200, body, headers={"content-type": "text/event-stream", "set-cookie": "session=of-another; Path=/"}
        )

    async with Upstream(chat=handler) as upstream, Shared(4, Transport(Routes({}))) as shared:
        accounts = Accounts(shared)
        for name in "ab":
            pair = {"ALAYA_ACCESS_KEY": f"ak-{name}", "ALAYA_SECRET_KEY": f"sk-{name}"}
            with accounts.using(upstream.settings(**pair)) as account:
                await chat(account)

        assert len(upstream.chats) == 2
        assert not any("cookie" in request.headers for request in upstream.requests)


async def test_an_account_that_has_many_chats_does_not_hold_up_another() -> None:
    places = Places(2)
    order: list[str] = []

    async def run(name: str, done: anyio.Event) -> None:
        await places.take(name)
        order.append(name)
        await done.wait()
        places.give_back(name)

    done = [anyio.Event() for _ in range(6)]
    async with anyio.create_task_group() as tasks:
        for name, event in zip("aaaabb", done, strict=True):
            tasks.start_soon(run, name, event)
            await anyio.wait_all_tasks_blocked()
        for event in done[:2]:
            event.set()
            await anyio.wait_all_tasks_blocked()
        assert order == ["a", "a", "b", "a"], "one of each, although four of a's came first"
        assert (places.taken("a"), places.taken("b")) == (1, 1)
        for event in done[2:]:
            event.set()

    assert sorted(order) == ["a", "a", "a", "a", "b", "b"]
    assert places.taken("a") == places.taken("b") == 0


async def test_one_account_alone_has_every_place_and_those_who_wait_are_served_in_turn() -> None:
    places = Places(3)

    assert [places.take_nowait("a") for _ in range(4)] == [True, True, True, False]
    order: list[int] = []

    async def wait(number: int) -> None:
        await places.take("a")
        order.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(3):
            tasks.start_soon(wait, number)
            await anyio.wait_all_tasks_blocked()
        for _ in range(3):
            places.give_back("a")

    assert order == [0, 1, 2]


async def test_an_account_has_no_more_than_its_share_and_twice_as_many_may_wait() -> None:
    places = Places(4, share=1)
    assert places.take_nowait("a")
    assert not places.take_nowait("a")
    async with anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(places.take, "a")
            await anyio.wait_all_tasks_blocked()
        with pytest.raises(RateLimited) as refused:
            await places.take("a")
        assert refused.value.retry_after
        assert places.take_nowait("b"), "those that wait for their own share hold up nobody"
        for _ in range(2):
            places.give_back("a")

    assert places.taken("a") == 1


@pytest.mark.parametrize("when", ["while it waits", "when its turn comes"])
async def test_who_gives_up_takes_no_place(when: str) -> None:
    places = Places(1)
    assert places.take_nowait("a")

    async def run() -> None:
        await places.take("b")
        places.give_back("b")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await anyio.wait_all_tasks_blocked()
        if when == "when its turn comes":
            places.give_back("a")
        tasks.cancel_scope.cancel()
    if when == "while it waits":
        places.give_back("a")

    assert places.take_nowait("c")
