"""Server-sent events, however the bytes are cut."""

import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from alaya_mcp.chat.stream.events import EventSplitter, EventTooLarge, body_kind
from tests.patience import PATIENCE
from tests.recordings import chats

BOM = b"\xef\xbb\xbf"


def split(*pieces: bytes, cap: int = 2**20) -> list[str]:
    splitter = EventSplitter(cap)
    events = [event for piece in pieces for event in splitter.feed(piece)]
    return events + splitter.finish()


@pytest.mark.parametrize(
    ("body", "events"),
    [
        pytest.param(b"data: a\n\ndata: b\n\n", ["a", "b"], id="LF"),
        pytest.param(b"data: a\r\n\r\ndata: b\r\n\r\n", ["a", "b"], id="CRLF"),
        pytest.param(b"data: a\r\rdata: b\r\r", ["a", "b"], id="CR"),
        pytest.param(b"data: a\r\n\ndata: b\n\r\ndata: c\r\r\n", ["a", "b", "c"], id="mixed line endings"),
        pytest.param(BOM + b"data: a\n\n", ["a"], id="byte order mark"),
        pytest.param(BOM + BOM + b"data: a\n\n", ["a"], id="two byte order marks"),
        pytest.param(b"data: a\n\n" + BOM + b"data: b\n\n", ["a", "b"], id="byte order mark later"),
        pytest.param(b": ping\n\ndata: a\n: inside\n\n:\n\n", ["a"], id="comments"),
        pytest.param(b"event: message\nid: 7\nretry: 10\ndata: a\n\n", ["a"], id="other fields"),
        pytest.param(b"event: ping\n\ndata: a\n\n", ["a"], id="an event without data is none"),
        pytest.param(b"data: a\ndata: b\ndata:\ndata: c\n\n", ["a\nb\n\nc"], id="several data lines"),
        pytest.param(b"data: a\n\ndata: b", ["a", "b"], id="last event without line end"),
        pytest.param(b"data: a\n\ndata: b\n", ["a", "b"], id="last event without blank line"),
        pytest.param(
            "data: a\u2028b\u2029c\x85d\x0ce\x0bf\n\n".encode(), ["a\u2028b\u2029c\x85d\x0ce\x0bf"], id="U+2028"
        ),
        pytest.param(b"data:\n\n", [""], id="empty data"),
        pytest.param(b"data\n\n", [""], id="data without a colon"),
        pytest.param(b"data:a\n\n", ["a"], id="no space after the colon"),
        pytest.param(b"data:  a \n\n", [" a "], id="one space is taken off, no more"),
        pytest.param(b"data: a:b: c\n\n", ["a:b: c"], id="colons in data"),
        pytest.param(b"database: a\n\ndata-base\n\n", [], id="fields whose name is not data"),
        pytest.param(b"data: \xff\xe4\xb8\n\n", ["\ufffd\ufffd"], id="invalid UTF-8 is replaced"),
        pytest.param(
            b"DATA: a\n\n data: b\n\n\tdata:c\n\ndata : d\n\n", ["a", "b", "c", "d"], id="data, not as most write it"
        ),
        pytest.param(b'data: {"a":1}\n{"b":2}\n[DONE]\n', ['{"a":1}', '{"b":2}', "[DONE]"], id="bare lines"),
        pytest.param(
            b'data: {"a":1}\ndata: {"b":2}\ndata: [DONE]', ['{"a":1}', '{"b":2}', "[DONE]"], id="no blank lines"
        ),
        pytest.param(
            b'data: {\n  "a": {}\n}\n\ndata: {"b":2}\n\n',
            ['{\n  "a": {}\n}', '{"b":2}'],
            id="JSON over lines, bare but the first",
        ),
        pytest.param(
            b"Bad Gateway\n\nerror: boom\n\n<p>\n\n", ["Bad Gateway", "error: boom", "<p>"], id="lines of no format"
        ),
        pytest.param(b"data: a\x00b\n\n", ["a\x00b"], id="NUL"),
        pytest.param(b"\n\n\r\n\r\r\n", [], id="blank lines alone"),
        pytest.param(b"", [], id="nothing"),
    ],
)
def test_an_event_stream_gives_the_data_of_each_event_wherever_it_is_cut(body: bytes, events: list[str]) -> None:
    assert split(body) == events
    assert split(*(body[i : i + 1] for i in range(len(body)))) == events
    for cut in range(len(body) + 1):
        assert split(body[:cut], b"", body[cut:]) == events, f"cut at {cut}"


def test_an_event_is_given_out_as_soon_as_its_blank_line_came() -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"data: a\n") == []
    assert splitter.feed(b"\nda") == ["a"]
    assert splitter.feed(b"ta: b\r\n\r") == ["b"]
    assert splitter.feed(b"\ndata: c") == []
    assert splitter.finish() == ["c"]


line_ends = st.sampled_from([b"\n", b"\r\n", b"\r"])
lines = st.one_of(
    st.text(max_size=8).map(lambda text: b"data: " + text.encode("utf-8", "replace")),
    st.binary(max_size=6).map(lambda data: b"data:" + data),
    st.sampled_from([b"", b": ping", b"event: x", b"id: 1", b"data", b"data:", b"retry: 3", BOM, b"nonsense"]),
)
streams = st.tuples(
    st.sampled_from([b"", BOM]),
    st.lists(st.tuples(lines, line_ends).map(b"".join), max_size=12).map(b"".join),
    lines,
).map(b"".join)


@given(streams)
@settings(max_examples=120, deadline=None)
@example(b"data: a\r\n\r\ndata: \xe4\xb8\x96\r\r")
def test_one_cut_anywhere_changes_no_event(body: bytes) -> None:
    whole = split(body)
    for cut in range(len(body) + 1):
        assert split(body[:cut], body[cut:]) == whole


@given(streams, st.lists(st.integers(0, 200), max_size=12))
@settings(max_examples=150, deadline=None)
def test_many_cuts_change_no_event(body: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    assert split(*(body[a:b] for a, b in pairwise(edges))) == split(body)


@pytest.mark.parametrize("pieces", [1, 7, 1000], ids=["bytes", "small pieces", "one piece"])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"data: " + b"x" * 100, id="one long line"),
        pytest.param(b"data: xxxx\n" * 12, id="many lines of one event"),
        pytest.param(b": " + b"x" * 100, id="one long comment"),
        pytest.param(b"data: a\n\ndata: " + b"x" * 100 + b"\n\n", id="a later event"),
    ],
)
def test_an_event_over_the_cap_is_refused(body: bytes, pieces: int) -> None:
    with pytest.raises(EventTooLarge):
        split(*(body[i : i + pieces] for i in range(0, len(body), pieces)), cap=64)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"data: " + b"x" * 50 + b"\n\n", id="an event below the cap"),
        pytest.param(b"data: xxxxxxxx\n\n" * 100, id="many events"),
        pytest.param(b": ping ping ping\n" * 100 + b"data: a\n\n", id="many comments before one event"),
    ],
)
def test_the_cap_is_one_events_not_the_streams(body: bytes) -> None:
    assert split(body, cap=64) == split(body)
    assert split(body) != []


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"", None),
        (b" \r\n\t", None),
        (BOM[:1], None),
        (BOM[:2], None),
        (BOM, None),
        (b"da", None),
        (b"data", None),
        (b"retry", None),
        (b"data: x", "events"),
        (b"data:", "events"),
        (BOM + b"data:", "events"),
        (b"\r\n\r\ndata:", "events"),
        (b": ping", "events"),
        (b"event: x", "events"),
        (b"id: 1", "events"),
        (b"retry: 1", "events"),
        (b"{", "json"),
        (b"[", "json"),
        (b" \n {", "json"),
        (BOM + b"{", "json"),
        (b"<html>", "other"),
        (b"<!DOCTYPE html>", "other"),
        (b"dates", "other"),
        (b"upstream connect error", "other"),
        (b"\x1f\x8b", "other"),
        (b"\xef\xbbx", "other"),
        (b" " * 5000, "other"),
    ],
)
def test_a_body_is_known_by_its_first_bytes(start: bytes, kind: str | None) -> None:
    assert body_kind(start) == kind


@pytest.mark.parametrize("body", [one.body for one in chats()], ids=[one.name for one in chats()])
def test_a_recorded_answers_kind_once_said_stays(body: bytes) -> None:
    said = [kind for end in range(1, 200) if (kind := body_kind(body[:end])) is not None]
    assert set(said) == {"events" if body.startswith(b"data:") else "json"}


@pytest.mark.parametrize(("line", "times"), [("data:x\\nevent: error\\n", 400_000), ("data:", 3_000_000)])
def test_no_line_costs_more_for_what_came_before_it(line: str, times: int) -> None:
    """In a process of its own, which can be ended: what grows with the square of this takes many minutes."""
    module = "from alaya_mcp.chat.stream.events import EventSplitter"
    script = f"{module}\nEventSplitter().feed(b'{line}' * {times} + b'\\n')"

    subprocess.run([sys.executable, "-c", script], check=True, timeout=PATIENCE)  # noqa: S603 our own words
