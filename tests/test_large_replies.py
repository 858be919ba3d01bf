"""Replies larger than a host takes: cut at a boundary, kept whole for a while, read on part by part."""

import json
import math
from dataclasses import dataclass, field
from typing import Any

import mcp_types as types
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp import Client, MCPError

from alaya_mcp.chat.reading import Outcome, Reading
from alaya_mcp.chat.replies import ReplyStore
from alaya_mcp.chat.reply_window import ReplyWindow, cut, size_of
from alaya_mcp.chat.stored_reply import End, Heading, StopReason, StoredReply
from alaya_mcp.errors import InvalidArguments
from alaya_mcp.progress import Phase
from alaya_mcp.results import ChatResult, Timing
from alaya_mcp.serving.server import create_server
from tests.calls import CHAT, ERAS, Era, call, connected, content_of, error_of, text_of
from tests.upstream import DONE, Exchange, Request, Upstream, replies, text_chunk

pytestmark = [pytest.mark.anyio]

LATIN = [f"Sentence number {number} of a long reply. " for number in range(2_000)]
CHINESE = [f"这是第{number}句，一篇很长的回答里的一句话。" for number in range(1_500)]  # noqa: RUF001 Chinese punctuation
CAP = 30_000


@pytest.mark.parametrize("words", [LATIN, CHINESE], ids=["Latin", "Chinese"])
async def test_a_reply_over_the_cap_is_cut_and_the_rest_is_had_by_reading_on(words: list[str]) -> None:
    whole = "".join(words)
    async with Upstream(chat=replies(*words)) as upstream, connected(upstream.settings()) as client:
        result = await client.call_tool(CHAT, {"prompt": "x"})
        first = part = content_of(result)
        parts = [first["content"]]
        while "read_on" in part:
            part = content_of(await client.call_tool(CHAT, {"read_on": part["read_on"]}))
            parts.append(part["content"])
        uri, _, _ = first["read_on"].partition("?")
        resource = await client.read_resource(uri)
        listed = await client.list_resources()

        assert len(upstream.chats) == 1
    assert (first["truncated"], first["truncated_reason"], first.get("finish_reason")) == (True, "size_cap", None)
    assert CAP - 1_000 <= size_of(first["content"]) <= CAP
    assert first["content"].endswith((". ", "。"))
    assert "".join(parts) == whole
    assert len(parts) > 2
    assert (part["truncated"], part["model"], part["finish_reason"]) == (False, "base", "stop")
    assert resource.contents[0].model_dump()["text"] == whole
    assert [str(each.uri) for each in listed.resources] == ["alaya://deployments", uri]
    assert f"\nread_on: {first['read_on']}\n" in text_of(result).split("\n---\n")[0]
    assert json.dumps(first).count(uri) == text_of(result).count(uri) == 1


async def test_the_conversation_of_a_reply_in_parts_is_too_large_to_be_returned() -> None:
    async with Upstream(chat=replies(*LATIN)) as upstream, connected(upstream.settings()) as client:
        parts = await read_to_its_end(client, prompt="x", return_messages=True)

    assert not any("messages" in part for part in parts)
    assert any("too large to be returned" in warning for warning in parts[-1]["warnings"])


async def read_to_its_end(client: Client, **arguments: object) -> list[dict[str, Any]]:
    """All parts of a reply."""
    parts = [content_of(await client.call_tool(CHAT, arguments))]
    while "read_on" in parts[-1]:
        parts.append(content_of(await client.call_tool(CHAT, {"read_on": parts[-1]["read_on"]})))
    return parts


async def test_a_reply_up_to_the_cap_is_shown_whole() -> None:
    text = "x" * CAP
    async with Upstream(chat=replies(*[text[start : start + 7] for start in range(0, CAP, 7)])) as upstream:
        content = content_of(await call(upstream.settings(), CHAT, prompt="x"))

    assert content["content"] == text
    assert (content["truncated"], content["warnings"]) == (False, [])


async def test_the_cap_can_be_set() -> None:
    async with Upstream(chat=replies(*LATIN)) as upstream:
        content = content_of(await call(upstream.settings(ALAYA_MAX_REPLY_BYTES="5000"), CHAT, prompt="x"))

    assert 4_000 < size_of(content["content"]) <= 5_000


async def test_what_cut_the_reply_itself_is_told_with_its_last_part() -> None:
    async def ends_at_max_tokens(_: Request, exchange: Exchange) -> None:
        await exchange.events(text_chunk("".join(LATIN)), text_chunk(finish_reason="length"), DONE)

    async with Upstream(chat=ends_at_max_tokens) as upstream, connected(upstream.settings()) as client:
        *parts, last = await read_to_its_end(client, prompt="x")

    assert {part["truncated_reason"] for part in parts} == {"size_cap"}
    assert any("max_tokens" in warning for warning in last["warnings"])
    assert last["truncated_reason"] == "max_tokens"


@pytest.mark.parametrize("interval", ["0", "60000"])
@pytest.mark.parametrize("sentences", [10, 800, 2_000], ids=["small", "just below the cap", "over the cap"])
async def test_the_notes_joined_are_the_content_that_is_shown(interval: str, sentences: int) -> None:
    notes: list[str] = []

    async def keep(progress: float, total: float | None, message: str | None) -> None:
        del progress, total
        notes.append(message or "")

    async with Upstream(chat=replies(*LATIN[:sentences])) as upstream:
        server = create_server(upstream.settings(ALAYA_PROGRESS_INTERVAL_MS=interval))
        async with Client(server) as client:
            content = content_of(await client.call_tool(CHAT, {"prompt": "x"}, progress_callback=keep))

    first = next(index for index, note in enumerate(notes) if note.startswith("Sentence number 0 "))
    assert "".join(notes[first:]) == content["content"]
    assert sentences != 800 or CAP - 1_000 < size_of(content["content"]) < CAP


async def test_thinking_has_a_third_of_the_room_and_data_and_conversation_are_left_out_when_too_large() -> None:
    async def thinks(_: Request, exchange: Exchange) -> None:
        thought = text_chunk()
        thought["choices"][0]["delta"] = {"reasoning": "".join(LATIN)}
        text = json.dumps({"text": "".join(LATIN)})
        await exchange.events(thought, text_chunk(text), text_chunk(finish_reason="stop"), DONE)

    history = [{"role": "user", "content": "y" * 50_000}]
    async with Upstream(chat=thinks) as upstream, connected(upstream.settings()) as client:
        asked = {"messages": history, "return_messages": True, "response_schema": {"type": "object"}}
        *_, content = await read_to_its_end(client, **asked)

    assert any("follows response_schema; parsed is left out" in warning for warning in content["warnings"])
    assert size_of(content["reasoning"]) <= CAP // 3
    assert "messages" not in content
    assert "parsed" not in content
    assert any("of the thinking are shown" in warning for warning in content["warnings"])
    assert len(json.dumps(content)) < 50_000


async def test_a_conversation_that_is_too_large_is_not_returned() -> None:
    history = [{"role": "user", "content": "y" * 70_000}]
    async with Upstream(chat=replies("ok")) as upstream:
        content = content_of(await call(upstream.settings(), CHAT, messages=history, return_messages=True))

    assert "messages" not in content
    assert any("too large to be returned" in warning for warning in content["warnings"])


@pytest.mark.parametrize("era", ERAS)
async def test_a_reply_that_is_not_kept_is_told_so_in_both_ways(era: Era) -> None:
    async with Upstream() as upstream, connected(upstream.settings(), era) as client:
        gone = await client.call_tool(CHAT, {"read_on": "alaya://replies/gone?from=3"})
        nonsense = await client.call_tool(CHAT, {"read_on": "file:///etc/passwd"})
        both = await client.call_tool(CHAT, {"read_on": "alaya://replies/gone", "prompt": "x"})
        with pytest.raises(MCPError) as raised:
            await client.read_resource("alaya://replies/gone")
        templates = await client.list_resource_templates()

        assert upstream.requests == []
    for result, word in ((gone, "another server process"), (nonsense, "exactly as returned"), (both, "alone")):
        assert error_of(result)["code"] == "invalid_arguments"
        assert word in text_of(result)
    assert raised.value.error.code == -32602
    assert raised.value.error.data == {
        "uri": "alaya://replies/gone",
        "code": "invalid_arguments",
        "retryable": False,
    }
    assert "alaya://replies/{reply_id}" in [template.uri_template for template in templates.resource_templates]


FACTS = ChatResult(service_id="s", model="m", content="", truncated=False, timing=Timing(total_seconds=1), warnings=[])

BESIDE = 3 * 2**10 + len(FACTS.model_dump_json())
"""Bytes of a reply beside its text."""


class Nobody:
    """A writer that has written everything."""

    def stop(self, reason: StopReason) -> None:
        """Nothing is being written."""

    def extend(self, until: float) -> None:
        """Nothing is being written."""


class Shelf:
    """The replies of one account that have ended."""

    def __init__(self, store: ReplyStore | None = None) -> None:
        self.store = store or ReplyStore()

    def keep(self, text: str) -> StoredReply:
        """A reply that has ended, and that somebody knows."""
        reply = self.store.put("mine", Nobody(), 60)
        reply.is_known = True
        reply.begin(Heading("s", "m", (), 0))
        reply.write(text)
        self.store.end(reply, End(FACTS))
        return reply

    def part(self, uri: str, room: int) -> Outcome:
        """What one call reads of it."""
        reply, start = self.store.find("mine", uri)
        reading = Reading(Told(), start=start, room=room, until=math.inf)
        with self.store.follow(reply, reading, start=start, until=0):
            return reading.outcome(reply)

    def parts(self, uri: str, room: int) -> list[str]:
        """The texts of all parts from there on."""
        texts: list[str] = []
        read_on: str | None = uri
        while read_on:
            result = self.part(read_on, room).result
            texts.append(result.content)
            read_on = result.read_on
        return texts


async def test_the_oldest_go_when_the_budget_is_full() -> None:
    shelf = Shelf(ReplyStore(budget=100 + 2 * BESIDE))
    first, second, third = (shelf.keep(char * 40) for char in "abc")

    assert shelf.store.all("mine") == [second, third]
    with pytest.raises(InvalidArguments):
        shelf.part(first.uri, 100)


async def test_a_reply_over_the_whole_budget_drives_no_other_out() -> None:
    shelf = Shelf(ReplyStore(budget=1_000 + BESIDE))
    small = shelf.keep("small")
    huge = shelf.keep("x" * 1_001)

    assert shelf.store.all("mine") == [small]
    with pytest.raises(InvalidArguments):
        shelf.part(huge.uri, 100)


async def test_a_reply_that_is_being_written_stays_whatever_the_budget() -> None:
    shelf = Shelf(ReplyStore(budget=BESIDE + 1))
    written = shelf.store.put("mine", Nobody(), 60)
    written.begin(Heading("s", "m", (), 0))
    written.write("x" * 1_000)
    last = [shelf.keep("y") for _ in range(4)][-1]

    assert shelf.store.all("mine") == [written, last]


async def test_they_go_when_their_time_is_over() -> None:
    now = 0.0
    shelf = Shelf(ReplyStore(seconds=60, now=lambda: now))
    entry = shelf.keep("text")
    now = 61.0

    assert shelf.store.all("mine") == []
    with pytest.raises(InvalidArguments):
        shelf.part(entry.uri, 100)


async def test_a_reply_that_nobody_was_told_of_goes_with_its_call() -> None:
    shelf = Shelf()
    reply = shelf.store.put("mine", Nobody(), 60)
    reading = Reading(Told(), room=100, until=math.inf)
    with shelf.store.follow(reply, reading, until=0):
        reply.write("text")
        shelf.store.end(reply, End(FACTS))
        assert reading.outcome(reply).result.content == "text"

    assert shelf.store.all("mine") == []


@pytest.mark.parametrize("start", range(12))
async def test_reading_may_start_anywhere(start: int) -> None:
    shelf = Shelf()
    entry = shelf.keep("a你👩b")

    text = shelf.part(f"{entry.uri}?from={start}", 1_000).result.content
    assert "a你👩b".endswith(text)
    assert len(text.encode()) <= max(0, 9 - start)


@pytest.mark.parametrize(
    ("text", "room", "kept"),
    [
        ("short", 10, "short"),
        ("one two three", 9, "one two "),
        ("One. Two three four", 14, "One. Two "),
        ("para one\n\npara two and", 18, "para one\n\n"),
        ("abcdefghij", 4, "abcd"),
        ("你好世界", 7, "你好"),
        ("一二三。四五", 17, "一二三。"),
        ("abce\u0301f", 5, "abc"),
        ("ab👩\u200d🚀cd", 9, "ab"),
        ("abc", 0, ""),
    ],
)
def test_a_cut_is_at_a_boundary(text: str, room: int, kept: str) -> None:
    assert cut(text, room) == kept


@dataclass
class Told:
    """Keeps what a host would be told."""

    text: list[str] = field(default_factory=list[str])

    def status(self, phase: Phase, words: str, detail: str = "") -> None:
        """Not asked for here."""

    def think(self, pieces: int = 1) -> None:
        """Not asked for here."""

    def write(self, text: str) -> None:
        """Keep it."""
        self.text.append(text)


TEXTS = st.lists(st.text(alphabet=st.characters(codec="utf-8"), max_size=400), max_size=30)


@given(TEXTS, st.integers(1_000, 4_000))
@settings(max_examples=200, deadline=None)
def test_the_window_shows_a_beginning_that_fits_however_the_text_comes(pieces: list[str], cap: int) -> None:
    whole = "".join(pieces)
    told = Told()
    window = ReplyWindow(cap, told)
    for piece in pieces:
        window.take(piece)
    window.finish()
    given_out = "".join(told.text)

    assert given_out == window.shown
    assert whole.startswith(given_out)
    assert size_of(given_out) <= cap
    assert window.is_full is (size_of(whole) > cap)
    assert window.is_full or given_out == whole


@given(st.text(alphabet="ab \n\u0301你👩\u200d🚀。", max_size=200), st.integers(0, 300))
@settings(max_examples=300, deadline=None)
def test_a_cut_fits_and_is_a_beginning(text: str, room: int) -> None:
    kept = cut(text, room)

    assert text.startswith(kept)
    assert size_of(kept) <= room or kept == text
    assert kept or not text or room < 100  # something comes of any room worth the name


@pytest.mark.parametrize("start", range(1, 8))
async def test_reading_on_from_the_middle_of_a_character_misses_and_repeats_nothing(start: int) -> None:
    shelf, text = Shelf(), "你好世界" * 100
    parts = shelf.parts(f"{shelf.keep(text).uri}?from={start}", 100)

    assert "".join(parts) == text.encode()[start:].decode("utf-8", "ignore")


async def test_every_part_of_any_text_is_read_once() -> None:
    shelf = Shelf()
    text = ("word " * 50 + "你好，世界。" * 30 + "👩‍🚀" * 40) * 9  # noqa: RUF001 Chinese punctuation

    assert "".join(shelf.parts(shelf.keep(text).uri, 700)) == text


CLIPPED = {"Cline": 8_000, "github-copilot-cli": 20_000, "qwen-cli-mcp-client-alaya": 25_000}


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("name", CLIPPED)
@pytest.mark.parametrize("words", [LATIN, CHINESE], ids=["Latin", "Chinese"])
async def test_hosts_that_clip_results_get_ones_that_fit_in_both_forms(name: str, era: Era, words: list[str]) -> None:
    info = types.Implementation(name=name, version="1")
    async with (
        Upstream(chat=replies(*words)) as upstream,
        Client(create_server(upstream.settings()), mode=era, client_info=info) as client,
    ):
        result = await client.call_tool(CHAT, {"prompt": "x", "return_messages": True})
        content = content_of(result)
        part = await client.call_tool(CHAT, {"read_on": content["read_on"]})

    for each in (result, part):
        both = f"{text_of(each)}{json.dumps(content_of(each), ensure_ascii=False)}"
        assert len(both) <= CLIPPED[name]
    assert "".join(words).startswith(content["content"] + content_of(part)["content"])


async def test_what_is_set_goes_before_what_is_known_of_a_host() -> None:
    info = types.Implementation(name="Cline", version="1")
    async with (
        Upstream(chat=replies(*LATIN)) as upstream,
        Client(create_server(upstream.settings(ALAYA_MAX_REPLY_BYTES="20000")), client_info=info) as client,
    ):
        content = content_of(await client.call_tool(CHAT, {"prompt": "x"}))

    assert 19_000 < size_of(content["content"]) <= 20_000
