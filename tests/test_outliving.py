"""A reply outlives its call: it goes on when the call has returned, and is read on until it is complete."""

import asyncio
import json
import random
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp import Client
from mcp.client import ClientRequestContext
from mcp.shared.exceptions import MCPError

from alaya_mcp.accounts import open_account
from alaya_mcp.chat.request import ChatRequest, Turn
from alaya_mcp.deadline import Deadline
from alaya_mcp.errors import RequestRejected
from alaya_mcp.progress import Phase, ProgressNotes
from alaya_mcp.serving.server import create_server
from tests.calls import CHAT, ERAS, Era, content_of, error_of, text_of
from tests.registry import Registry, row
from tests.upstream import DONE, SERVICE, Exchange, Request, Upstream, says, text_chunk

pytestmark = [pytest.mark.anyio, pytest.mark.quick]

ABANDON = 120
CALL = 5
IMAGE = "https://images.invalid/cat.png"
ANSWER = "答案是四十二。The answer is 42. 👩‍🔬"


def thought(text: str) -> dict[str, Any]:
    """A chunk of thinking, as an engine's reasoning parser sends it."""
    return {"model": "base", "choices": [{"index": 0, "delta": {"reasoning_content": text}}]}


async def thinks(_: Request, exchange: Exchange) -> None:
    """Think for three minutes, then answer within six seconds."""
    await exchange.events()
    for number in range(60):
        await exchange.event(thought(f"thought {number}. "))
        await anyio.sleep(3)
    for char in ANSWER:
        await exchange.event(text_chunk(char))
        await anyio.sleep(6 / len(ANSWER))
    usage = {"prompt_tokens": 3, "completion_tokens": 200, "total_tokens": 203}
    await exchange.event(text_chunk(finish_reason="stop") | {"usage": usage})
    await exchange.event(DONE)


def writes(*words: str, apart: float = 1.0) -> Callable[[Request, Exchange], Any]:
    """Write words, so many seconds apart."""

    async def handler(_: Request, exchange: Exchange) -> None:
        await exchange.events()
        for word in words:
            await exchange.event(text_chunk(word))
            await anyio.sleep(apart)
        await exchange.event(text_chunk(finish_reason="stop"))
        await exchange.event(DONE)

    return handler


@asynccontextmanager
async def host(upstream: Upstream, era: Era = "auto", **settings: str) -> AsyncGenerator[Client]:
    """A host over a new server, whose calls have five seconds."""
    limits = {"ALAYA_TIMEOUT_SECONDS": str(CALL), "ALAYA_IDLE_SECONDS": "600", **settings}
    async with Client(create_server(upstream.settings(**limits)), mode=era) as client:
        yield client


async def collected(client: Client, **arguments: object) -> list[types.CallToolResult]:
    """The results of a chat and of all that its results say to call next, each in time."""
    results: list[types.CallToolResult] = []
    while True:
        began = anyio.current_time()
        results.append(await client.call_tool(CHAT, arguments))
        assert anyio.current_time() - began <= 4 * CALL, "a busy machine adds to the clock"
        if results[-1].is_error or "read_on" not in content_of(results[-1]):
            return results
        arguments = {"read_on": content_of(results[-1])["read_on"]}


@pytest.mark.parametrize("era", ERAS)
async def test_a_model_that_thinks_for_minutes_answers_in_calls_of_seconds(era: Era) -> None:
    async with Upstream(chat=thinks) as upstream, host(upstream, era) as client:
        results = await collected(client, prompt="x", return_messages=True)

    *parts, last = [content_of(result) for result in results]
    assert len(upstream.chats) == 1
    assert "".join(part["content"] for part in (*parts, last)) == ANSWER
    assert len(parts) > 10
    for part in parts:
        assert part["truncated_reason"] == "still_generating"
        assert not {"finish_reason", "usage", "reasoning", "messages"} & set(part)
    thinking = [part["warnings"][-1] for part in parts if not part["content"]]
    assert all("still thinking" in warning and "read_on" in warning for warning in thinking)
    assert last["finish_reason"] == "stop"
    assert last["usage"]["completion_tokens"] == 200
    assert last["reasoning"].startswith("thought 0. ")
    assert last["reasoning"].endswith("thought 59.")
    assert last["messages"][-1] == {"role": "assistant", "content": ANSWER}
    assert last["timing"]["total_seconds"] > 180
    assert "truncated_reason" not in last


async def test_an_agent_that_reads_only_the_text_gets_the_whole_answer_too() -> None:
    async with Upstream(chat=thinks) as upstream, host(upstream) as client:
        arguments: dict[str, object] = {"prompt": "x"}
        answer = ""
        while arguments:
            text = text_of(await client.call_tool(CHAT, arguments))
            head, ruler, reply = text.partition("\n---\n")
            assert ruler
            shown = reply.partition("\n---\n")[0]
            answer += "" if shown == "(nothing yet)" else shown
            read_on = [line.removeprefix("read_on: ") for line in head.splitlines() if line.startswith("read_on: ")]
            arguments = {"read_on": read_on[0]} if read_on else {}

    assert answer == ANSWER


async def test_notes_joined_over_all_calls_are_the_content() -> None:
    notes: list[str] = []

    async def note(message: object) -> None:
        if isinstance(message, types.ProgressNotification):
            meta = message.params.meta or {}
            notes.append(f"{meta['com.alayanew.mcp/phase']}: {message.params.message}")

    async def wanted(progress: float, total: float | None, message: str | None) -> None:
        del progress, total, message

    words = [f"word{number} " for number in range(12)]
    async with Upstream(chat=writes(*words)) as upstream:
        settings = upstream.settings(ALAYA_TIMEOUT_SECONDS=str(CALL))
        async with Client(create_server(settings), mode="legacy", message_handler=note) as client:
            arguments: dict[str, object] = {"prompt": "x"}
            while arguments:
                result = content_of(await client.call_tool(CHAT, arguments, progress_callback=wanted))
                arguments = {"read_on": result["read_on"]} if "read_on" in result else {}
            await anyio.sleep(1)  # of the quick loop's clock, for the client's own tasks

    assert "".join(note.removeprefix("writing: ") for note in notes if note.startswith("writing")) == "".join(words)


async def test_what_fails_after_the_deadline_is_the_error_of_each_later_call() -> None:
    async def fails(_: Request, exchange: Exchange) -> None:
        await anyio.sleep(60)
        await exchange.answer_json(500, {"error": {"message": "CUDA out of memory"}})

    async with Upstream(chat=fails) as upstream, host(upstream) as client:
        *waiting, failed = await collected(client, prompt="x")
        again = await client.call_tool(CHAT, {"read_on": content_of(waiting[-1])["read_on"]})

    assert {content_of(part)["truncated_reason"] for part in waiting} == {"still_generating"}
    assert "has not begun" in content_of(waiting[0])["warnings"][-1]
    assert error_of(failed)["code"] == error_of(again)["code"] == "upstream_unavailable"
    assert "CUDA out of memory" in text_of(failed)


async def test_a_reply_in_the_background_returns_at_once_and_several_are_collected() -> None:
    async with Upstream(chat=writes("a", "b", "c")) as upstream, host(upstream) as client:
        began = anyio.current_time()
        begun = [content_of(await client.call_tool(CHAT, {"prompt": "x", "background": True})) for _ in range(4)]
        assert anyio.current_time() - began < CALL
        whole = [await collected(client, read_on=each["read_on"]) for each in begun]

    assert {(each["content"], each["truncated_reason"]) for each in begun} == {("", "still_generating")}
    assert ["".join(content_of(part)["content"] for part in parts) for parts in whole] == ["abc"] * 4
    assert len(upstream.chats) == 4


async def test_a_background_chat_that_cannot_begin_is_an_error() -> None:
    async with Upstream(chat=writes("a")) as upstream, host(upstream) as client:
        upstream.deployment["status"] = "stopped"
        result = await client.call_tool(CHAT, {"prompt": "x", "background": True})

    assert error_of(result)["code"] == "deployment_not_ready"


async def test_a_call_that_is_cancelled_stops_its_reply_at_once() -> None:
    left = asyncio.Event()
    began = asyncio.Event()

    async def hangs(_: Request, exchange: Exchange) -> None:
        await exchange.events(text_chunk("a"))
        began.set()
        try:
            await exchange.hang()
        finally:  # by a reset, where something was unread
            left.set()

    async with Upstream(chat=hangs) as upstream, host(upstream, ALAYA_TIMEOUT_SECONDS="50") as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.call_tool, CHAT, {"prompt": "x"})
            await began.wait()
            tasks.cancel_scope.cancel()
        now = anyio.current_time()
        await left.wait()
        assert anyio.current_time() - now < CALL


async def quiet(progress: float, message: str, phase: Phase) -> None:
    """A host that asked for no notes."""


def request(**options: Any) -> ChatRequest:  # noqa: ANN401 fields of the request
    """A chat that may outlive its call."""
    return ChatRequest((Turn("user", "x"),), outlives=True, **options)


def notes() -> ProgressNotes:
    """Notes for nobody."""
    return ProgressNotes(quiet, 0)


async def test_a_reply_that_another_call_reads_goes_on_when_the_first_is_cancelled() -> None:
    got: list[str] = []
    first = anyio.CancelScope()
    async with (
        Upstream(chat=writes(*"abcdefghij")) as upstream,
        open_account(upstream.settings()) as account,
        anyio.create_task_group() as tasks,
    ):
        begun = await account.chats.run(SERVICE, request(background=True), Deadline.after(CALL), notes())
        uri = str(begun.result.read_on)

        async def read() -> None:
            with first:
                await account.chats.read_on(uri, Deadline.after(50), notes())

        tasks.start_soon(read)
        await anyio.sleep(2)  # of the quick loop's clock
        async with anyio.create_task_group() as both:

            async def read_too() -> None:
                got.append((await account.chats.read_on(uri, Deadline.after(50), notes())).result.content)

            both.start_soon(read_too)
            await anyio.sleep(2)  # of the quick loop's clock
            first.cancel()

    assert got == ["abcdefghij"]
    assert first.cancelled_caught


async def test_what_was_cancelled_is_read_as_far_as_it_came() -> None:
    async with Upstream(chat=writes(*"abcdefghij")) as upstream, open_account(upstream.settings()) as account:
        begun = await account.chats.run(SERVICE, request(background=True), Deadline.after(CALL), notes())
        with anyio.move_on_after(2.5):
            await account.chats.read_on(str(begun.result.read_on), Deadline.after(50), notes())
        result = (await account.chats.read_on(str(begun.result.read_on), Deadline.after(50), notes())).result

    assert result.content
    assert "abc".startswith(result.content)
    assert (result.truncated_reason, result.read_on) == ("cancelled", None)


async def test_a_reply_that_nobody_reads_on_is_stopped_in_time_and_what_came_is_kept() -> None:
    stopped: list[float] = []

    async def goes_on(_: Request, exchange: Exchange) -> None:
        await exchange.events()
        try:
            while True:
                await exchange.event(text_chunk("a"))
                await anyio.sleep(4)
        finally:
            stopped.append(anyio.current_time())

    async with (
        Upstream(chat=goes_on) as upstream,
        open_account(upstream.settings(ALAYA_ABANDON_SECONDS=str(ABANDON))) as account,
    ):
        first = await account.chats.run(SERVICE, request(), Deadline.after(CALL), notes())
        left = anyio.current_time()
        await anyio.sleep(10 * ABANDON)  # of the quick loop's clock
        rest = await account.chats.read_on(str(first.result.read_on), Deadline.after(CALL), notes())

        assert 0 < stopped[0] - left - ABANDON < ABANDON
        assert rest.result.truncated_reason == "abandoned"
        assert ABANDON / 2 <= 4 * len(rest.result.content) <= ABANDON + 8
        assert [each.uri for each in account.chats.replies()] == [str(first.result.read_on).partition("?")[0]]


async def test_a_reply_ends_at_the_limit_of_its_generation_unless_a_call_waits_longer() -> None:
    forever = writes(*"a" * 2_000, apart=2)
    async with Upstream(chat=forever) as upstream:
        settings = upstream.settings(ALAYA_GENERATION_SECONDS="60", ALAYA_ABANDON_SECONDS="1000")
        async with open_account(settings) as account:
            begun = await account.chats.run(SERVICE, request(background=True), Deadline.after(CALL), notes())
            await anyio.sleep(200)  # of the quick loop's clock
            late = await account.chats.read_on(str(begun.result.read_on), Deadline.after(CALL), notes())
            patient = await account.chats.run(SERVICE, request(), Deadline.after(90), notes())
            begun = await account.chats.run(SERVICE, request(background=True), Deadline.after(CALL), notes())
            joined = await account.chats.read_on(str(begun.result.read_on), Deadline.after(90), notes())

    assert late.result.truncated_reason == "deadline"
    assert 20 <= len(late.result.content) <= 30
    assert 30 < len(patient.result.content) <= 46
    assert 30 < len(joined.result.content) <= 46


async def test_without_generation_seconds_the_deadline_cuts_as_ever() -> None:
    async def silent(_: Request, exchange: Exchange) -> None:
        await exchange.hang()

    async with (
        Upstream(chat=writes(*"abcdefghij")) as upstream,
        host(upstream, ALAYA_GENERATION_SECONDS="0") as client,
    ):
        cut = content_of(await client.call_tool(CHAT, {"prompt": "x"}))
        refused = await client.call_tool(CHAT, {"prompt": "x", "background": True})
        upstream.chat = silent
        nothing = await client.call_tool(CHAT, {"prompt": "x"})

    assert cut["content"]
    assert "abcdef".startswith(cut["content"])
    assert cut["truncated_reason"] == "deadline"
    assert "read_on" not in cut
    assert error_of(refused)["code"] == "invalid_arguments"
    assert error_of(nothing)["code"] == "upstream_timeout"


async def test_the_end_of_the_server_stops_all_replies_at_once() -> None:
    began, left = asyncio.Event(), asyncio.Event()

    async def hangs(_: Request, exchange: Exchange) -> None:
        await exchange.events(text_chunk("a"))
        began.set()
        try:
            await exchange.hang()
        finally:  # by a reset, where something was unread
            left.set()

    async with Upstream(chat=hangs) as upstream:
        async with open_account(upstream.settings()) as account:
            await account.chats.run(SERVICE, request(background=True), Deadline.after(CALL), notes())
            await began.wait()
            now = anyio.current_time()
        await left.wait()
        assert anyio.current_time() - now < CALL


async def test_a_reply_keeps_its_place_until_it_ends() -> None:
    async with Upstream(chat=writes(*"abcdefgh")) as upstream:
        settings = upstream.settings(ALAYA_MAX_CONCURRENCY="1")
        async with open_account(settings) as account:
            await account.chats.run(SERVICE, request(background=True), Deadline.after(CALL), notes())
            began = anyio.current_time()
            second = await account.chats.run(SERVICE, request(background=True), Deadline.after(50), notes())

            assert anyio.current_time() - began > 6
            assert second.result.truncated_reason == "still_generating"


async def test_data_tool_calls_and_cuts_are_told_with_the_last_part() -> None:
    text = json.dumps({"answer": "x" * 40})

    async with Upstream(chat=writes(*text, apart=0.3)) as upstream, host(upstream) as client:
        schema = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
        parts = [content_of(part) for part in await collected(client, prompt="x", response_schema=schema)]

    assert len(parts) > 2
    assert "".join(part["content"] for part in parts) == text
    assert [part.get("parsed") for part in parts] == [None] * (len(parts) - 1) + [{"answer": "x" * 40}]


async def test_a_part_may_be_read_again_and_past_the_end_there_is_an_empty_last_one() -> None:
    async with Upstream(chat=writes(*"abcdefgh")) as upstream, open_account(upstream.settings()) as account:
        begun = await account.chats.run(SERVICE, request(background=True), Deadline.after(CALL), notes())
        uri = str(begun.result.read_on).partition("?")[0]
        wanted = [f"{uri}?from=0", f"{uri}?from=4", f"{uri}?from=4", f"{uri}?from=99"]
        parts = [(await account.chats.read_on(each, Deadline.after(50), notes())).result for each in wanted]

    assert [part.content for part in parts] == ["abcdefgh", "efgh", "efgh", ""]
    assert {part.finish_reason for part in parts} == {"stop"}


async def test_an_engine_error_before_the_deadline_is_the_error_of_the_call() -> None:
    async with Upstream(chat=says(400, {"error": {"message": "bad"}})) as upstream, host(upstream) as client:
        result = await client.call_tool(CHAT, {"prompt": "x"})

    assert error_of(result)["code"] == "request_rejected"


async def test_running_replies_are_resources_with_their_state() -> None:
    async with Upstream(chat=writes(*"abcdefgh")) as upstream, host(upstream) as client:
        begun = content_of(await client.call_tool(CHAT, {"prompt": "x", "background": True}))
        uri = begun["read_on"].partition("?")[0]
        await anyio.sleep(3.5)  # of the quick loop's clock
        listed = {str(each.uri): each for each in (await client.list_resources()).resources}
        text = (await client.read_resource(uri)).contents[0]
        await collected(client, read_on=begun["read_on"])
        at_the_end = {str(each.uri): each for each in (await client.list_resources()).resources}

    assert listed[uri].description == "Still being written."
    assert 1 < (listed[uri].size or 0) < 8
    assert "abcdefgh".startswith(text.model_dump()["text"])
    assert (at_the_end[uri].description, at_the_end[uri].size) == ("Complete.", 8)


async def test_a_plain_chat_leaves_nothing_behind() -> None:
    async with Upstream(chat=writes("a", "b")) as upstream, open_account(upstream.settings()) as account:
        outcome = await account.chats.run(SERVICE, request(), Deadline.after(50), notes())

        assert (outcome.result.content, outcome.result.read_on) == ("ab", None)
        assert account.chats.replies() == []


async def test_thinking_that_only_its_end_shows_is_left_out_of_the_last_part_alone() -> None:
    async with Upstream(chat=writes("I wonder. ", "</think>", "\n\nIt is 42.")) as upstream, host(upstream) as client:
        whole = content_of(await client.call_tool(CHAT, {"prompt": "x"}))
        parts = [content_of(part) for part in await collected(client, prompt="x", timeout_seconds=1)]

    assert (whole["content"], whole["reasoning"]) == ("It is 42.", "I wonder.")
    assert parts[0]["content"] == "I wonder. "
    assert parts[-1]["content"].endswith("It is 42.")
    assert parts[-1]["reasoning"] == "I wonder."


async def test_a_cut_of_the_engine_is_told_in_the_part_where_it_belongs() -> None:
    async def breaks(_: Request, exchange: Exchange) -> None:
        await exchange.events()
        for word in "abcdefgh":
            await exchange.event(text_chunk(word))
            await anyio.sleep(1)
        exchange.reset()

    async with Upstream(chat=breaks) as upstream, host(upstream) as client:
        first, *more = [content_of(part) for part in await collected(client, prompt="x")]

    last = more[-1]
    assert first["content"] + "".join(part["content"] for part in more) == "abcdefgh"
    assert first["truncated_reason"] == "still_generating"
    assert (last["truncated"], last["truncated_reason"]) == (True, "stream_cut")
    assert "finish_reason" not in last


async def test_a_reply_that_waits_for_its_deployment_and_continues_a_text_is_read_on_like_any_other() -> None:
    async with Upstream(chat=writes(*" and on it goes", apart=0.5)) as upstream, host(upstream) as client:
        upstream.deployment["status"] = "starting"

        async def starts() -> None:
            await anyio.sleep(3)  # of the quick loop's clock
            upstream.deployment["status"] = "running"

        begun = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "It goes on"}]
        parts: list[dict[str, Any]] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(starts)
            asked = {"messages": begun, "continue_reply": True, "wait_seconds": 4, "return_messages": True}
            parts += [content_of(part) for part in await collected(client, **asked)]

    assert "".join(part["content"] for part in parts) == " and on it goes"
    assert len(parts) > 1
    assert parts[-1]["messages"][-1]["content"] == "It goes on and on it goes"


@pytest.mark.parametrize("era", ERAS)
async def test_a_reply_about_an_image_by_the_deployment_that_the_user_chose_is_read_on_too(era: Era) -> None:
    async def chooses(context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
        del context
        assert isinstance(params, types.ElicitRequestFormParams)
        option = params.requested_schema["properties"]["deployment"]["enum"][0]
        return types.ElicitResult(action="accept", content={"deployment": option})

    asked = [{"role": "user", "content": "what is this?", "images": [IMAGE]}]
    async with Upstream(chat=writes(*"a cat")) as upstream:
        Registry(upstream, row(1, "qwen"), row(2, "llama"))
        settings = upstream.settings(ALAYA_TIMEOUT_SECONDS="2", ALAYA_SERVICE_ID="")
        async with Client(create_server(settings), mode=era, elicitation_callback=chooses) as client:
            parts = [content_of(part) for part in await collected(client, messages=asked, return_messages=True)]

    assert len(upstream.chats) == 1
    assert len(parts) > 1
    assert "".join(part["content"] for part in parts) == "a cat"
    assert parts[-1]["messages"] == [*asked, {"role": "assistant", "content": "a cat"}]


async def test_what_had_come_of_a_call_that_was_cancelled_is_a_resource() -> None:
    async with Upstream(chat=writes(*"abcdefgh")) as upstream, open_account(upstream.settings()) as account:
        with anyio.move_on_after(2.5):
            await account.chats.run(SERVICE, request(), Deadline.after(50), notes())
        await anyio.sleep(1)  # of the quick loop's clock
        (reply,) = account.chats.replies()
        result = (await account.chats.read_on(reply.uri, Deadline.after(50), notes())).result

    assert result.content
    assert "abc".startswith(result.content)
    assert result.truncated_reason == "cancelled"


PIECES = ("word ", "你好，", "👩‍🔬", "é", "\n\n", "<", "<think>", "</think>", "think>", '{"a": ', "```", "x" * 700)  # noqa: RUF001 Chinese punctuation


@pytest.mark.parametrize("seed", range(4))
async def test_the_parts_joined_are_the_same_wherever_the_calls_end(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 which pieces, no secret
    words = chance.choices(PIECES, k=30)
    async with Upstream(chat=writes("Begin ", *words, apart=0.6)) as upstream:
        async with host(upstream, ALAYA_MAX_REPLY_BYTES="1000000") as patient:
            whole = content_of(await patient.call_tool(CHAT, {"prompt": "x", "timeout_seconds": 600}))
        async with host(upstream, ALAYA_MAX_REPLY_BYTES="4000") as client:
            began: dict[str, object] = {"prompt": "x", "timeout_seconds": 1 + chance.random() * 4}
            parts = [content_of(part) for part in await collected(client, **began)]

    assert len(parts) > 3
    assert "".join(part["content"] for part in parts) == whole["content"]
    assert parts[-1].get("reasoning") == whole.get("reasoning")


async def test_a_request_that_failed_and_is_not_sent_again_is_an_error_at_the_deadline() -> None:
    async with Upstream(chat=says(503, {"error": "down"}, retry_after="600")) as upstream, host(upstream) as client:
        await client.call_tool("get_deployment")
        told = upstream.deployment

        async def hangs(_: Request, exchange: Exchange) -> None:
            if upstream.chats:
                await exchange.hang()
            await exchange.answer_json(200, {"code": 0, "data": told})

        upstream.control = hangs
        result = await client.call_tool(CHAT, {"prompt": "x"})

    assert error_of(result)["retryable"]


async def test_a_call_that_joins_a_reply_is_told_how_much_has_been_thought() -> None:
    async def thinks_then_stops(_: Request, exchange: Exchange) -> None:
        await exchange.events(*(thought("x") for _ in range(340)))
        await exchange.hang()

    said: list[str] = []

    async def keep(progress: float, message: str, phase: Phase) -> None:
        del progress
        said.append(f"{phase}: {message}")

    async with Upstream(chat=thinks_then_stops) as upstream, open_account(upstream.settings()) as account:
        first = await account.chats.run(SERVICE, request(), Deadline.after(CALL), notes())
        second = ProgressNotes(keep, 0, "reading on")
        await second.during(lambda: account.chats.read_on(str(first.result.read_on), Deadline.after(2 * CALL), second))

    assert any(note.startswith("thinking: ") and "about 340 tokens" in note for note in said)


async def test_reading_on_ends_in_time_while_a_refused_request_waits_for_its_deployment() -> None:
    async def refuses(_: Request, exchange: Exchange) -> None:
        upstream.deployment["status"] = "starting"
        await exchange.answer_json(503, {"error": "down"})

    asked = {"prompt": "x", "background": True, "timeout_seconds": 40, "wait_seconds": 30}
    async with Upstream(chat=refuses) as upstream, host(upstream) as client:
        first = content_of(await client.call_tool(CHAT, asked))
        began = anyio.current_time()
        second = content_of(await client.call_tool(CHAT, {"read_on": first["read_on"], "timeout_seconds": 2}))
        took = anyio.current_time() - began
        listed = (await client.list_resources()).resources

    assert (second["truncated_reason"], second["service_id"], second["model"]) == ("still_generating", SERVICE, "base")
    assert took <= 15, "a busy machine adds to the clock"
    assert len(listed) == 2


@pytest.mark.parametrize("limits", [{"ALAYA_GENERATION_SECONDS": "0"}, {"ALAYA_GENERATION_SECONDS": "3"}])
async def test_data_that_is_whole_when_its_reply_is_stopped_is_checked_and_parsed(limits: dict[str, str]) -> None:
    async def hangs_after_data(_: Request, exchange: Exchange) -> None:
        await exchange.events(text_chunk('{"a": 1}'))
        await exchange.hang()

    schema = {"type": "object", "required": ["a"]}
    async with Upstream(chat=hangs_after_data) as upstream, host(upstream, "auto", **limits) as client:
        last = content_of((await collected(client, prompt="x", response_schema=schema))[-1])

    assert (last["parsed"], last["truncated_reason"]) == ({"a": 1}, "deadline")
    assert "after its complete JSON" in last["warnings"][-1]


async def late(_: Request, exchange: Exchange) -> None:
    """Wait for longer than a call."""
    del exchange
    await anyio.sleep(2 * CALL)


async def test_an_engine_that_refuses_a_field_of_this_server_late_is_asked_without_it() -> None:
    async def refuses(request: Request, exchange: Exchange) -> None:
        if "stream_options" in request.json:
            await late(request, exchange)
            await exchange.answer_json(400, {"error": {"message": "stream_options is not allowed"}})
        else:
            await writes("whole")(request, exchange)

    async with Upstream(chat=refuses) as upstream, host(upstream) as client:
        parts = [content_of(result) for result in await collected(client, prompt="x")]

    assert "".join(part["content"] for part in parts) == "whole"
    assert len(parts) > 1
    assert len(upstream.chats) == 2


async def test_a_key_that_was_refused_late_is_looked_up_anew() -> None:
    async def refuses(request: Request, exchange: Exchange) -> None:
        if request.headers["apikey"] == "new":
            await writes("whole")(request, exchange)
        else:
            await late(request, exchange)
            upstream.deployment["apikey"] = "new"
            await exchange.answer_json(401, {"error": "no"})

    async with Upstream(chat=refuses) as upstream, host(upstream) as client:
        parts = [content_of(result) for result in await collected(client, prompt="x")]

    assert "".join(part["content"] for part in parts) == "whole"


async def test_a_deployment_that_stopped_meanwhile_is_told_late_as_in_time() -> None:
    async def refuses(request: Request, exchange: Exchange) -> None:
        await late(request, exchange)
        upstream.deployment["status"] = "stopped"
        await exchange.answer_json(503, {"error": "down"})

    async with Upstream(chat=refuses) as upstream, host(upstream) as client:
        last = (await collected(client, prompt="x"))[-1]

    assert error_of(last)["code"] == "deployment_not_ready"


async def test_later_parts_without_text_do_not_say_that_there_was_none() -> None:
    async def ends_late(_: Request, exchange: Exchange) -> None:
        await exchange.events(text_chunk("whole"))
        await anyio.sleep(4 * CALL)
        await exchange.event(text_chunk(finish_reason="stop"))
        await exchange.event(DONE)

    async with Upstream(chat=ends_late) as upstream, host(upstream) as client:
        texts = [text_of(result) for result in await collected(client, prompt="x")]

    assert len(texts) > 2
    assert texts[0].endswith("\nwhole")
    assert all(text.endswith("(nothing new yet)") for text in texts[1:-1])
    assert texts[-1].endswith("(no more text)")


async def test_a_tool_call_that_is_being_written_is_no_silence() -> None:
    def piece(**function: str) -> dict[str, Any]:
        call = {"index": 0, "id": "1", "type": "function", "function": function}
        return {"model": "base", "choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}

    async def calls(_: Request, exchange: Exchange) -> None:
        await exchange.events(piece(name="look", arguments='{"a": "'))
        await anyio.sleep(2 * CALL)
        await exchange.event(piece(arguments='b"}'))
        await exchange.event(text_chunk(finish_reason="tool_calls"))
        await exchange.event(DONE)

    tools = [{"type": "function", "function": {"name": "look"}}]
    async with Upstream(chat=calls) as upstream, host(upstream) as client:
        first, *_, last = [content_of(part) for part in await collected(client, prompt="x", tools=tools)]

    assert "The model is writing a tool call" in first["warnings"][-1]
    assert last["tool_calls"][0]["function"]["arguments"] == '{"a": "b"}'


async def test_a_resource_leaves_thinking_out_and_tells_errors_as_reading_on_does() -> None:
    chat = writes("I wonder. ", "</think>", "\n\nIt is 42.", apart=2)
    async with Upstream(chat=chat) as upstream, host(upstream) as client:
        *_, last = await collected(client, prompt="x")
        (_, listed) = (await client.list_resources()).resources
        (read,) = (await client.read_resource(listed.uri)).contents
        upstream.chat = says(400, {"error": {"message": "no such thing"}})
        begun = content_of(await client.call_tool(CHAT, {"prompt": "x", "background": True}))
        uri = begun["read_on"].partition("?")[0]
        failed = await client.call_tool(CHAT, {"read_on": uri})
        with pytest.raises(MCPError) as refused:
            await client.read_resource(uri)

    assert isinstance(read, types.TextResourceContents)
    assert read.text == "It is 42."
    assert content_of(last)["finish_reason"] == "stop"
    assert listed.size == len(read.text)
    assert error_of(failed)["code"] == "request_rejected"
    assert "no such thing" in refused.value.error.message


async def test_reading_a_reply_as_a_resource_keeps_it_going() -> None:
    words = [f"word{number} " for number in range(20)]
    async with Upstream(chat=writes(*words)) as upstream, host(upstream, ALAYA_ABANDON_SECONDS="5") as client:
        begun = content_of(await client.call_tool(CHAT, {"prompt": "x", "background": True}))
        uri = begun["read_on"].partition("?")[0]
        text = ""
        while "word19" not in text:
            await anyio.sleep(2)  # of the quick loop's clock
            (read,) = (await client.read_resource(uri)).contents
            assert isinstance(read, types.TextResourceContents)
            assert len(read.text) > len(text) or not text
            text = read.text

    assert text.split() == [word.strip() for word in words]


async def test_what_a_model_puts_around_a_uri_and_what_it_asks_beside_it_is_tolerated() -> None:
    async with Upstream(chat=writes("whole", apart=CALL)) as upstream, host(upstream) as client:
        begun = content_of(await client.call_tool(CHAT, {"prompt": "x", "background": True}))
        asked = {"read_on": f' "{begun["read_on"]}"\n', "return_messages": True, "background": True, "model": "base"}
        read = content_of(await client.call_tool(CHAT, asked))

    assert read["warnings"][-1] == "read_on only reads, so background, return_messages had no effect."


async def test_only_a_call_that_waits_now_extends_the_limit_of_a_generation() -> None:
    async with (
        Upstream(chat=writes(*["word " * 2_000] * 50, apart=2)) as upstream,
        open_account(upstream.settings(ALAYA_GENERATION_SECONDS="10")) as account,
    ):
        long = Deadline.after(600)
        begun = await account.chats.run(SERVICE, request(background=True), long, notes())
        part = await account.chats.read_on(str(begun.result.read_on), long, notes(), 4_000)
        (reply,) = account.chats.replies()
        while reply.end is None:  # noqa: ASYNC110 nobody reads it, so that nobody is told
            await anyio.sleep(1)  # of the quick loop's clock
        took = anyio.current_time() - (reply.heading.sent if reply.heading else 0)

    assert part.result.truncated_reason == "size_cap"
    assert reply.end.facts
    assert reply.end.facts.truncated_reason == "deadline"
    assert took <= 30, "a busy machine adds to the clock"


async def test_a_reply_that_ends_with_its_call_is_read_to_its_end_though_its_part_is_full() -> None:
    ended = anyio.Event()

    async def large(request: Request, exchange: Exchange) -> None:
        await writes(*["x" * 4_000] * 3)(request, exchange)
        ended.set()

    limits = {"ALAYA_MAX_REPLY_BYTES": "4000", "ALAYA_GENERATION_SECONDS": "0"}
    async with Upstream(chat=large) as upstream, host(upstream, "auto", **limits) as client:
        first = content_of(await client.call_tool(CHAT, {"prompt": "x", "timeout_seconds": 60}))
        assert ended.is_set()
        rest = [content_of(part) for part in await collected(client, read_on=first["read_on"])]

    assert rest[-1]["finish_reason"] == "stop"
    assert len(first["content"] + "".join(part["content"] for part in rest)) == 12_000


async def test_an_error_met_by_reading_on_is_not_mended_by_reading_on() -> None:
    async with Upstream(chat=says(500, {"error": "down"})) as upstream, host(upstream) as client:
        begun = content_of(await client.call_tool(CHAT, {"prompt": "x", "background": True}))
        errors = [await client.call_tool(CHAT, {"read_on": begun["read_on"]}) for _ in range(2)]

    for error in errors:
        assert not error_of(error)["retryable"]
        assert text_of(error).endswith("Ask the model again, without read_on.")


async def test_a_chat_in_the_background_that_finds_no_engine_is_an_error_at_once() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        async with Upstream() as upstream, host(upstream) as client:
            upstream.deployment["serviceUrl"] = f"http://127.0.0.1:{closed.getsockname()[1]}/serve"
            refused = await client.call_tool(CHAT, {"prompt": "x", "background": True})

    assert error_of(refused)["code"] == "upstream_unavailable"


async def test_an_error_that_is_kept_holds_nothing_of_its_request() -> None:
    async with Upstream(chat=says(400, {"error": "no"})) as upstream, open_account(upstream.settings()) as account:
        begun = await account.chats.run(SERVICE, request(background=True), Deadline.after(CALL), notes())
        with pytest.raises(RequestRejected):
            await account.chats.read_on(str(begun.result.read_on), Deadline.after(CALL), notes())
        (reply,) = account.chats.replies()

    assert reply.end
    assert reply.end.error
    assert (reply.end.error.__traceback__, reply.end.error.__context__, reply.end.error.__cause__) == (None,) * 3


async def test_a_reply_read_on_is_not_taken_for_the_default_deployments() -> None:
    async def gone(_: Request, exchange: Exchange) -> None:
        await anyio.sleep(2 * CALL)
        await exchange.answer_json(403, {"error": "no"})

    async with Upstream(chat=gone) as upstream, host(upstream, ALAYA_SERVICE_ID="my-default") as client:
        begun = content_of(await client.call_tool(CHAT, {"prompt": "x", "service_id": SERVICE, "background": True}))

        async def is_gone(_: Request, exchange: Exchange) -> None:
            await exchange.answer_json(404, {"code": -1, "msg": "deployment does not exist"})

        upstream.control = is_gone
        last = (await collected(client, read_on=begun["read_on"]))[-1]

    assert error_of(last)["code"] == "deployment_not_found"
    assert "my-default" not in text_of(last)
