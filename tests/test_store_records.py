"""What is written into the store is what is read from it, at this server and at one of another version."""

import json
from dataclasses import fields, replace
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alaya_mcp.chat.remark import CutKind, PlainKind, Remark, ToolKind
from alaya_mcp.chat.stored_reply import End
from alaya_mcp.error_causes import Cause
from alaya_mcp.errors import AlayaError, InternalError, Setting, UpstreamUnavailable
from alaya_mcp.results import ChatResult, Timing, Usage
from alaya_mcp.store.encryption import Encryption, Unreadable
from alaya_mcp.store.records import end_record, read_end
from tests.test_error_sentences import example

FACTS = ChatResult(
    service_id="svc-1",
    model="base",
    truncated=False,
    warnings=[],
    content="",
    finish_reason="stop",
    usage=Usage(completion_tokens=3),
    timing=Timing(total_seconds=1.5),
    parsed={"a": None, "b": [1, 2.5, "ö", {"c": False}]},
)
KINDS: tuple[Any, ...] = (*get_args(CutKind), *get_args(ToolKind), *get_args(PlainKind))
TEXTS = st.text(max_size=20)
REMARKS = st.builds(
    Remark, st.sampled_from(KINDS), name=TEXTS, detail=TEXTS, shown=st.integers(0), seconds=st.floats(0, 9)
)


@pytest.mark.parametrize("cause", get_args(Cause))
def test_an_error_is_the_same_with_all_that_it_is_about(cause: Cause) -> None:
    about = replace(
        example(cause),
        because=UpstreamUnavailable("upstream_failing", plane="control", http_status=500),
        settings=(Setting("A", "missing", "B", "c"),),
        candidates=("x", "y"),
        retry_after=1.5,
        is_chat=True,
    )
    end = read_end(end_record(End(error=about)))

    assert type(end.error) is type(about)
    assert isinstance(end.error, AlayaError)
    for field in fields(about):
        found, expected = getattr(end.error, field.name), getattr(about, field.name)
        if field.name == "because":
            found, expected = found.__dict__, expected.__dict__
        assert found == expected, field.name


def test_a_bug_tells_another_server_nothing_of_itself() -> None:
    record = end_record(End(error=ValueError("a secret")))
    assert b"secret" not in record
    assert isinstance(read_end(record).error, InternalError)


@given(remarks=st.lists(REMARKS, max_size=5), begins=st.integers(0, 10**9))
def test_an_end_is_the_same_with_its_facts_and_remarks(remarks: list[Remark], begins: int) -> None:
    end = End(FACTS, tuple(remarks), begins)
    assert read_end(end_record(end)) == end


def test_what_a_later_version_adds_is_left_out() -> None:
    known = End(FACTS, (Remark("no_text"),), 3)
    record = json.loads(end_record(known)[1:])
    record["facts"]["tomorrow"] = 1
    record["later"] = 2
    record["remarks"][0]["more"] = 3
    record["remarks"].append({"kind": "of_tomorrow"})
    assert read_end(b"E" + json.dumps(record).encode()) == known

    record["error"] = {"code": "of_tomorrow", "cause": "of_tomorrow"}
    assert isinstance(read_end(b"E" + json.dumps(record).encode()).error, InternalError)


def test_a_record_is_read_where_it_was_written_and_nowhere_else() -> None:
    mine, other = Encryption(bytes(32)), Encryption(bytes(31) + b"\1")
    stream = mine.stream("account", "reply")
    record = mine.encrypted(b"text", stream, "5-0")

    assert mine.decrypted(record, stream, "5-0") == b"text"
    assert mine.encrypted(b"text", stream, "5-0") != record
    elsewhere = [
        (mine, mine.stream("account", "another"), "5-0", record),
        (mine, stream, "6-0", record),
        (other, stream, "5-0", record),
        (mine, stream, "5-0", record[:-1]),
        (mine, stream, "5-0", b""),
    ]
    for encryption, place, id_, data in elsewhere:
        with pytest.raises(Unreadable):
            encryption.decrypted(data, place, id_)
    assert (
        len(
            {
                stream,
                mine.stream("another", "reply"),
                mine.stream("account", "another"),
                other.stream("account", "reply"),
            }
        )
        == 4
    )
