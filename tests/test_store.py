"""Replies of several servers in a real Valkey: each reads on what another one writes."""

import base64
from contextlib import AsyncExitStack
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp import Client

from tests.calls import CHAT, ERAS, Era, content_of, error_of
from tests.http_host import KEYS, client_of, http_settings, serving
from tests.server_group import Told, begun, call, group, part, says_all, server_of
from tests.upstream import DONE, Exchange, Request, Upstream, text_chunk
from tests.valkey import Valkey, needs_valkey

pytestmark = [pytest.mark.anyio, needs_valkey]

ANSWER = "答案是四十二。The answer is 42. 👩‍🔬 " * 40


@pytest.mark.parametrize("era", ERAS)
async def test_a_reply_is_read_at_another_server_while_it_is_written(era: Era) -> None:
    engine, told, heard = Told(), list[str](), anyio.Event()

    async def keep(progress: float, total: float | None, message: str | None) -> None:
        del progress, total
        told.append(message or "")
        if "四十二" in "".join(told):
            heard.set()

    async with Upstream(chat=engine) as upstream, group(upstream, era) as (_, (first, second)):
        read_on = await begun(first)
        results: list[types.CallToolResult] = []

        async def read() -> None:
            arguments = {"read_on": read_on, "timeout_seconds": 900}
            results.append(await second.call_tool(CHAT, arguments, progress_callback=keep))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            engine.think("hm")
            engine.say("答案是", "四十二。")
            await heard.wait()
            assert not results
            engine.say(*ANSWER)
            engine.end()
        again = await part(first, read_on)

    found = content_of(results[0])
    assert found["content"] == "答案是四十二。" + ANSWER
    assert (found["finish_reason"], found["usage"]["completion_tokens"], found["reasoning"]) == ("stop", 20, "hm")
    assert found["model"] == "base"
    assert found == again


async def test_the_parts_of_a_large_reply_are_read_at_any_server() -> None:
    text = "".join(f"{number} 答案是四十二。👩‍🔬\n\n" for number in range(3_000))
    async with Upstream(chat=says_all(text)) as upstream, group(upstream, count=3) as (_, clients):
        found = await call(clients[0], prompt="x")
        parts, reason = [found["content"]], found["truncated_reason"]
        while "read_on" in found:
            found = await part(clients[len(parts) % 3], found["read_on"])
            parts.append(found["content"])
    assert reason == "size_cap"
    assert len(parts) > 3
    assert "".join(parts) == text
    assert found["finish_reason"] == "stop"


async def test_reading_begins_at_any_byte() -> None:
    text = ANSWER * 30
    whole = text.encode()
    async with Upstream(chat=says_all(text)) as upstream, group(upstream) as (_, (first, second)):
        uri = str((await call(first, prompt="x"))["read_on"]).partition("?")[0]
        for start in (0, 1, 2, 3, 32_767, 32_768, 32_769, len(whole) - 1, len(whole), len(whole) + 5):
            here, there = [await part(client, f"{uri}?from={start}") for client in (first, second)]
            assert here["content"] == there["content"], start
            assert ("read_on" in here) == ("read_on" in there), start


async def test_a_reply_that_nothing_has_come_of_is_still_generating_anywhere() -> None:
    async with Upstream(chat=Told()) as upstream, group(upstream) as (_, (first, second)):
        found = await part(second, await begun(first), seconds=1)
    assert (found["content"], found["truncated_reason"]) == ("", "still_generating")
    assert "has not begun to answer" in found["warnings"][-1]


async def test_a_call_that_is_cancelled_at_another_server_frees_the_engine() -> None:
    engine, heard = Told(), anyio.Event()

    async def keep(progress: float, total: float | None, message: str | None) -> None:
        del progress, total
        if message == "a":
            heard.set()

    async with Upstream(chat=engine) as upstream, group(upstream) as (_, (first, second)):
        read_on = await begun(first)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: second.call_tool(CHAT, {"read_on": read_on}, progress_callback=keep))
            engine.say("a")
            await heard.wait()
            tasks.cancel_scope.cancel()
        await engine.left.wait()
        found = await part(second, read_on)
    assert (found["content"], found["truncated_reason"]) == ("a", "cancelled")


async def test_a_call_at_another_server_keeps_a_reply_from_being_abandoned_and_its_end_does_not() -> None:
    engine = Told()
    async with Upstream(chat=engine) as upstream, group(upstream, ALAYA_ABANDON_SECONDS="2") as (_, (first, second)):
        read_on = await begun(first)
        await part(second, read_on, seconds=5)
        assert not engine.left.is_set()
        await engine.left.wait()
        found = await part(second, read_on)
    assert found["truncated_reason"] == "abandoned"


async def test_the_engines_error_is_the_same_at_each_server() -> None:
    refuse = anyio.Event()

    async def refuses(_: Request, exchange: Exchange) -> None:
        await refuse.wait()
        await exchange.answer_json(400, {"error": {"message": "no such thing as <x>"}})

    async with Upstream(chat=refuses) as upstream, group(upstream) as (_, (first, second)):
        read_on = await begun(first)
        refuse.set()
        here, there = [await client.call_tool(CHAT, {"read_on": read_on}) for client in (first, second)]
    assert error_of(here)["code"] == "request_rejected"
    assert here.content == there.content
    assert error_of(here) == error_of(there)


async def test_another_account_and_another_group_find_nothing_and_the_store_shows_nothing() -> None:
    secrets = (b"planted", b"answer is 42", "四十二".encode(), b"svc-1", b"base", b"SECRET-PROMPT")
    other = {**KEYS, "X-Alaya-Access-Key": "another-access-key"}
    async with Upstream(chat=says_all(ANSWER * 30)) as upstream, Valkey() as store, AsyncExitStack() as owned:
        mine, theirs = [await owned.enter_async_context(server_of(upstream, store)) for _ in range(2)]
        first = await owned.enter_async_context(client_of(mine, headers=KEYS))
        read_on = str((await call(first, prompt="SECRET-PROMPT"))["read_on"])
        stranger = await owned.enter_async_context(client_of(theirs, headers=other))
        refused = await stranger.call_tool(CHAT, {"read_on": read_on})
        settings = http_settings(mode="keys", store_url=store.url, store_key=base64.b64encode(bytes(32)).decode())
        outsider = await owned.enter_async_context(serving(upstream, settings))
        outside = await owned.enter_async_context(client_of(outsider, headers=KEYS))
        unknown = await outside.call_tool(CHAT, {"read_on": read_on})
        kept = await store.dump()
        found = await part(await owned.enter_async_context(client_of(theirs, headers=KEYS)), read_on)
    assert found["content"]
    for result in (refused, unknown):
        assert error_of(result)["code"] == "invalid_arguments"
        assert "no longer kept" in str(result.content)
    reply_id = read_on.partition("?")[0].rpartition("/")[2].encode()
    assert b"alaya:reply:" in kept
    assert not [secret for secret in (*secrets, reply_id) if secret in kept]


async def test_without_the_store_chats_go_on_without_read_on() -> None:
    engine = Told()
    async with Upstream(chat=engine) as upstream, group(upstream) as (store, (first, second)):
        read_on = await begun(first)
        await store.stop()
        engine.say("a")
        here = await part(first, read_on, seconds=1)
        gone = await second.call_tool(CHAT, {"read_on": read_on})
        refused = await first.call_tool(CHAT, {"service_id": "svc-1", "prompt": "x", "background": True})
        upstream.chat = other = Told()
        other.say(ANSWER)
        cut = await call(first, prompt="x", timeout_seconds=1)
        upstream.chat = says_all("short")
        short = await call(first, prompt="x")
        upstream.chat = says_all(ANSWER * 30)
        large = await call(first, prompt="x")
    assert (here["content"], here["truncated_reason"]) == ("a", "still_generating")
    for result in (gone, refused):
        assert error_of(result)["code"] == "upstream_unavailable"
        assert "store of replies" in str(result.content)
    assert (cut["content"], cut["truncated_reason"]) == (ANSWER, "deadline")
    assert (short["content"], "truncated_reason" in short) == ("short", False)
    assert large["truncated_reason"] == "size_cap"
    for found in (cut, large):
        assert "read_on" not in found
        assert "store of replies could not be reached" in " ".join(found["warnings"])


async def test_a_store_that_comes_back_empty_gets_what_is_still_written_once_more() -> None:
    engine = Told()
    async with Upstream(chat=engine) as upstream, group(upstream) as (store, (first, second)):
        read_on = await begun(first)
        engine.say("a" * 40_000, "b")
        await part(second, read_on)
        await store.stop()
        await store.start()
        engine.say("c")
        engine.end()
        content = ""
        while True:
            result = await second.call_tool(CHAT, {"read_on": read_on})
            if not result.is_error:
                found = content_of(result)
                content += found["content"]
                if "read_on" not in found:
                    break
                read_on = str(found["read_on"])
    assert content == "a" * 40_000 + "bc"


async def test_a_reply_is_a_resource_at_each_server() -> None:
    engine = Told()
    async with Upstream(chat=engine) as upstream, group(upstream) as (_, (first, second)):
        read_on = await begun(first)
        engine.say("a", "b")
        engine.end()
        await part(first, read_on)
        found = await part(second, read_on)
        (content,) = (await second.read_resource(read_on.partition("?")[0])).contents
    assert isinstance(content, types.TextResourceContents)
    assert content.text == found["content"] == "ab"


async def test_at_the_end_of_its_grace_a_server_hands_over_what_has_come() -> None:
    engine = Told()
    async with Upstream(chat=engine) as upstream, Valkey() as store, server_of(upstream, store) as second:
        async with server_of(upstream, store) as first:
            async with client_of(first, headers=KEYS) as here:
                read_on = await begun(here)
            engine.say("a")
            await first.drain(0)
        async with client_of(second, headers=KEYS) as there:
            found = await part(there, read_on)
    assert (found["content"], found["truncated_reason"]) == ("a", "server_lost")
    assert "since the server that read it was stopped" in " ".join(found["warnings"])


async def test_within_its_grace_a_server_ends_what_is_read_at_another() -> None:
    engine = Told()
    async with Upstream(chat=engine) as upstream, Valkey() as store, server_of(upstream, store) as second:
        async with server_of(upstream, store) as first:
            async with client_of(first, headers=KEYS) as here:
                read_on = await begun(here)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(first.drain, 0)
                await anyio.wait_all_tasks_blocked()
                engine.say("a")
                engine.end()
        async with client_of(second, headers=KEYS) as there:
            found = await part(there, read_on)
    assert (found["content"], found["finish_reason"]) == ("a", "stop")


async def test_records_of_somebody_else_are_passed_over() -> None:
    engine, other = Told(), Told()
    async with Upstream(chat=engine) as upstream, group(upstream) as (store, (first, second)):
        read_on = await begun(first)
        await part(second, read_on, seconds=1)
        for stream in await store.ask("KEYS", "alaya:control:*"):
            await store.ask("XADD", stream, "*", "x", "y")
        (taken,) = await store.ask("KEYS", "alaya:reply:*")
        await store.ask("DEL", taken)
        await store.ask("SET", taken, "x")
        engine.say("a")
        here = await part(first, read_on, seconds=1)
        there = await second.call_tool(CHAT, {"read_on": read_on})

        upstream.chat = other
        read_on = await begun(first)
        heard = anyio.Event()

        async def keep(progress: float, total: float | None, message: str | None) -> None:
            del progress, total
            if message == "b":
                heard.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: second.call_tool(CHAT, {"read_on": read_on}, progress_callback=keep))
            other.say("b")
            await heard.wait()
            tasks.cancel_scope.cancel()
        await other.left.wait()
    assert here["content"] == "a"
    assert error_of(there)["code"] == "invalid_arguments"


async def test_a_reply_of_which_the_store_has_lost_a_part_is_not_told_as_whole() -> None:
    text = "x" * 100_000
    async with Upstream(chat=says_all(text)) as upstream, group(upstream) as (store, (first, second)):
        uri = str((await call(first, prompt="x"))["read_on"]).partition("?")[0]
        (stream,) = await store.ask("KEYS", "alaya:reply:*")
        await store.ask("XDEL", stream, "100000-0", "98304-0")
        lost = await second.call_tool(CHAT, {"read_on": f"{uri}?from=65536"})
    assert error_of(lost)["code"] == "invalid_arguments"


async def whole(client: Client, beginning: str) -> dict[str, Any]:
    """The first part once the reply has ended, also for this client's server."""
    while "read_on" in (found := await part(client, beginning)):
        pass
    return found


async def test_thinking_that_its_end_shows_is_left_out_at_another_server_too() -> None:
    async def thinks(_: Request, exchange: Exchange) -> None:
        thoughts = [text_chunk("a secret thought. " * 100) for _ in range(200)]
        await exchange.events(*thoughts, text_chunk("\n</think>\n\n"), text_chunk("The answer."))
        await exchange.event(text_chunk(finish_reason="stop"))
        await exchange.event(DONE)

    async with Upstream(chat=thinks) as upstream, group(upstream) as (_, (first, second)):
        beginning = f"{(await begun(first)).partition('?')[0]}?from=0"
        here, there = [await whole(client, beginning) for client in (first, second)]
    assert there["content"].strip() == here["content"].strip() == "The answer."
