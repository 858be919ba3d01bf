"""Progress notes: alive by the clock, then exactly the text."""

import asyncio
from typing import Any

import anyio
import anyio.lowlevel
import mcp_types as types
import pytest
from mcp import Client

from alaya_mcp import progress
from alaya_mcp.config.settings import Settings
from alaya_mcp.errors import UpstreamUnavailable
from alaya_mcp.progress import Phase, ProgressNotes
from alaya_mcp.serving.caller import PHASE_META_KEY
from alaya_mcp.serving.server import create_server
from tests.calls import CHAT, content_of
from tests.patience import PATIENCE
from tests.upstream import DONE, Exchange, Request, Upstream, in_turn, replies, says, text_chunk

pytestmark = [pytest.mark.anyio]

Note = tuple[float, str, str]


async def notes_of(settings: Settings, prompt: str = "x", **arguments: object) -> tuple[list[Note], dict[str, object]]:
    """The notes of one chat, and its result; over the handshake era's real framing."""
    notes: list[Note] = []

    async def keep(message: object) -> None:
        if isinstance(message, types.ProgressNotification):
            params = message.params
            notes.append((params.progress, params.message or "", (params.meta or {})[PHASE_META_KEY]))

    async def wants_notes(progress: float, total: float | None, message: str | None) -> None:
        pass

    with anyio.fail_after(PATIENCE):
        async with Client(create_server(settings), mode="legacy", message_handler=keep) as client:
            result = await client.call_tool(CHAT, {"prompt": prompt, **arguments}, progress_callback=wants_notes)
            content = content_of(result)
            # The client hands notes to tasks of its own, which may run after the result is here.
            while len(text_in(notes)) < len(content["content"]):
                await anyio.lowlevel.checkpoint()
    return notes, content


def text_in(notes: list[Note]) -> str:
    return "".join(message for _, message, phase in notes if phase == "writing")


async def test_the_writing_notes_joined_are_the_content() -> None:
    words = [f"word{number} " for number in range(200)]
    async with Upstream(chat=replies(*words)) as upstream:
        notes, content = await notes_of(upstream.settings(ALAYA_PROGRESS_INTERVAL_MS="5"))

    assert text_in(notes) == content["content"]
    assert content["content"] == "".join(words)


async def test_a_call_is_told_on_entry_and_progress_only_grows() -> None:
    async with Upstream(chat=replies("a", "b")) as upstream:
        notes, _ = await notes_of(upstream.settings(ALAYA_PROGRESS_INTERVAL_MS="0"))

    values = [progress for progress, _, _ in notes]
    assert notes[0][1:] == ("looking up the deployment", "waiting")
    assert "waiting for the first token" in [message for _, message, _ in notes]
    assert values == sorted(set(values))


@pytest.mark.parametrize("tagged", [False, True])
async def test_thinking_is_told_as_a_status_and_never_quoted(tagged: bool) -> None:
    release = anyio.Event()

    async def thinks(_: Request, exchange: Exchange) -> None:
        thought = text_chunk("<think>secret plan</think>") if tagged else text_chunk()
        if not tagged:
            thought["choices"][0]["delta"] = {"reasoning_content": "secret plan", "content": None}
        await exchange.events(thought)
        release.set()
        await exchange.event(text_chunk("hello"))
        await exchange.event(DONE)

    async with Upstream(chat=thinks) as upstream:
        notes, content = await notes_of(upstream.settings())

    assert content["reasoning"] == "secret plan"
    assert content["content"] == "hello"
    assert "secret plan" not in "".join(message for _, message, _ in notes)
    assert text_in(notes) == "hello"


async def test_thinking_that_goes_on_is_told_with_how_much_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "STATUS_SECONDS", 0.02)
    recorder = Recorder()
    notes = ProgressNotes(recorder, interval=0)

    async def work() -> None:
        for _ in range(340):
            notes.think()
        while not recorder.has(" s, about 340 tokens"):
            await anyio.lowlevel.checkpoint()
        notes.write("Hi")

    with anyio.fail_after(PATIENCE):
        await notes.during(work)

    thinking = [message for _, message, phase in recorder.notes if phase == "thinking"]
    assert all(message.startswith("the model is thinking") for message in thinking)
    assert len(thinking) < 340
    assert text_in(recorder.notes) == "Hi"


async def test_without_a_token_there_are_no_notes() -> None:
    seen: list[object] = []

    async def keep(message: object) -> None:
        seen.append(message)

    async with Upstream(chat=replies("a")) as upstream:
        with anyio.fail_after(PATIENCE):
            async with Client(create_server(upstream.settings()), mode="legacy", message_handler=keep) as client:
                content_of(await client.call_tool(CHAT, {"prompt": "x"}))

    assert not [message for message in seen if isinstance(message, types.ProgressNotification)]


class Recorder:
    """Takes notes as a host would."""

    def __init__(self) -> None:
        self.notes: list[Note] = []
        self.first_text = anyio.Event()

    async def __call__(self, progress: float, message: str, phase: Phase) -> None:
        self.notes.append((progress, message, phase))
        if phase == "writing":
            self.first_text.set()

    def has(self, end: str) -> bool:
        """Whether a note ended in this."""
        return any(said.endswith(end) for _, said, _ in self.notes)


async def test_the_first_text_is_told_at_once_and_the_rest_is_flushed_before_the_result() -> None:
    recorder = Recorder()
    notes = ProgressNotes(recorder, interval=3600)

    async def work() -> str:
        notes.write("a")
        await recorder.first_text.wait()
        notes.write("b")
        notes.write("c")
        return "done"

    with anyio.fail_after(PATIENCE):
        assert await notes.during(work) == "done"

    assert [message for _, message, phase in recorder.notes if phase == "writing"] == ["a", "bc"]


async def test_a_note_that_is_being_sent_when_the_work_ends_is_neither_lost_nor_sent_twice() -> None:
    recorder = Recorder()
    sending, ended = anyio.Event(), anyio.Event()

    async def slow_host(progress: float, message: str, phase: Phase) -> None:
        if phase == "writing" and not ended.is_set():
            sending.set()
            await ended.wait()
            await anyio.lowlevel.checkpoint()
        await recorder(progress, message, phase)

    notes = ProgressNotes(slow_host, interval=0)

    async def work() -> None:
        notes.write("a")
        await sending.wait()
        notes.write("b")
        ended.set()

    with anyio.fail_after(PATIENCE):
        await notes.during(work)

    assert text_in(recorder.notes) == "ab"


@pytest.mark.parametrize("how", ["scope", "task"])
async def test_a_cancelled_call_does_not_wait_for_a_host_that_takes_no_notes(how: str) -> None:
    sending, left = asyncio.Event(), asyncio.Event()

    async def stuck_host(progress: float, message: str, phase: Phase) -> None:
        del progress, message
        if phase == "writing":
            sending.set()
            try:
                await asyncio.Event().wait()
            finally:
                left.set()

    notes = ProgressNotes(stuck_host, interval=0)

    async def work() -> None:
        notes.write("a")
        await asyncio.Event().wait()

    with anyio.fail_after(PATIENCE):
        if how == "scope":
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(notes.during, work)
                await sending.wait()
                tasks.cancel_scope.cancel()
        else:
            call = asyncio.ensure_future(notes.during(work))
            await sending.wait()
            call.cancel()
            await asyncio.wait([call])
            assert call.cancelled()

    assert left.is_set()


@pytest.mark.quick
async def test_nothing_is_told_after_the_result() -> None:
    recorder = Recorder()
    notes = ProgressNotes(recorder, interval=0)
    await notes.during(anyio.lowlevel.checkpoint)
    told = list(recorder.notes)

    notes.status("waiting", "too late")
    await anyio.sleep(2 * progress.STATUS_SECONDS)  # of the quick loop's clock

    assert recorder.notes == told


async def test_a_host_that_cannot_be_told_fails_the_call() -> None:
    async def broken_host(progress: float, message: str, phase: Phase) -> None:
        del progress, message
        if phase == "writing":
            raise BrokenPipeError

    notes = ProgressNotes(broken_host, interval=0)

    async def work() -> None:
        notes.write("a")
        await anyio.lowlevel.checkpoint()

    with pytest.raises(BrokenPipeError):
        await notes.during(work)


async def test_of_two_errors_that_of_the_work_counts() -> None:
    async def broken_host(progress: float, message: str, phase: Phase) -> None:
        del progress, message
        if phase == "writing":
            raise BrokenPipeError

    notes = ProgressNotes(broken_host, interval=0)

    async def work() -> None:
        notes.write("a")
        await anyio.lowlevel.checkpoint()
        raise UpstreamUnavailable("connection_closed")

    with pytest.raises(UpstreamUnavailable):
        await notes.during(work)


async def test_an_error_passes_through_as_itself() -> None:
    async def work() -> None:
        raise UpstreamUnavailable("connection_closed")

    with pytest.raises(UpstreamUnavailable, match="connection_closed"):
        await ProgressNotes(Recorder(), interval=0).during(work)


async def test_waiting_to_ask_again_is_told_as_that() -> None:
    chat = in_turn(says(429, {}, retry_after="1"), replies("ok"))
    async with Upstream(chat=chat) as upstream:
        notes, _ = await notes_of(upstream.settings())

    words = [message for _, message, _ in notes]
    waiting = words.index("the engine limits requests (HTTP 429); trying again in 1 s")
    assert "waiting for the first token" in words[waiting:]


async def test_a_status_just_told_is_not_repeated_by_the_clock_that_began_with_the_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    begin_timer, timers = loop.call_later, list[asyncio.TimerHandle]()

    def keep(*arguments: Any) -> asyncio.TimerHandle:  # noqa: ANN401 the event loop's own
        timers.append(begin_timer(*arguments))
        return timers[-1]

    async def notify(progress: float, message: str, phase: Phase) -> None:
        del progress, message, phase

    async def work() -> None:
        assert not timers[0].cancelled()
        notes.status("waiting", "loading")
        assert timers[0].cancelled()

    monkeypatch.setattr(loop, "call_later", keep)
    notes = ProgressNotes(notify, interval=0.1)
    await notes.during(work)
