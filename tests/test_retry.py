"""What is sent again, and after how long."""

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alaya_mcp.deadline import Deadline
from alaya_mcp.upstream.failures import Failure, Kind
from alaya_mcp.upstream.retry import (
    chat_may_be_resent,
    partial_adapter_chat_may_be_resent,
    read_may_be_resent,
    resending,
    retry_after_seconds,
)

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)

# kind: (a control-plane read, a chat)
KINDS: dict[Kind, tuple[bool, bool]] = {
    "dns": (True, True),
    "refused": (True, True),
    "not_public": (False, False),
    "connect_timeout": (True, True),
    "tls": (False, False),  # a certificate does not get better
    "proxy": (False, False),  # nor does a setting
    "reset": (True, False),  # a chat may be generating
    "timeout": (False, False),
    "encoding": (False, False),
    "broken_http": (False, False),  # each try is paid for
    "unusable_url": (False, False),
    "too_large": (False, False),
}
# status: (a control-plane read, a chat)
STATUSES: dict[int, tuple[bool, bool]] = {
    200: (False, False),
    307: (False, False),
    400: (False, False),
    401: (False, False),
    403: (False, False),
    404: (False, False),
    405: (False, False),
    408: (True, False),
    409: (False, False),
    413: (False, False),
    422: (False, False),
    425: (False, False),
    429: (True, True),
    500: (True, False),
    501: (False, False),
    502: (True, False),
    503: (True, True),
    504: (True, False),
    520: (False, False),
}


def test_the_table_has_every_kind() -> None:
    assert {*KINDS, "status"} == set(get_args(Kind))


@pytest.mark.parametrize(("kind", "again"), KINDS.items())
def test_what_is_sent_again_by_kind(kind: Kind, again: tuple[bool, bool]) -> None:
    read, chat = again
    assert read_may_be_resent(Failure("control", kind)) == read
    assert chat_may_be_resent(Failure("data", kind)) == chat
    assert partial_adapter_chat_may_be_resent(Failure("data", kind)) == chat


@pytest.mark.parametrize(("status", "again"), STATUSES.items())
def test_what_is_sent_again_by_status(status: int, again: tuple[bool, bool]) -> None:
    read, chat = again
    assert read_may_be_resent(Failure("control", "status", status=status)) == read
    assert chat_may_be_resent(Failure("data", "status", status=status)) == chat
    partial = partial_adapter_chat_may_be_resent(Failure("data", "status", status=status))
    assert partial == (chat or status == 404)


@pytest.mark.parametrize("bug", [ValueError("x"), TimeoutError(), ConnectionResetError()], ids=repr)
@pytest.mark.anyio
async def test_nothing_else_is_sent_again(bug: Exception) -> None:
    sent: list[None] = []

    async def send() -> None:
        sent.append(None)
        raise bug

    with pytest.raises(type(bug)):
        await resending(send, lambda _: True, Deadline.after(9))
    assert len(sent) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        pytest.param(None, None, id="absent"),
        pytest.param("0", 0, id="at once"),
        pytest.param("7", 7, id="seconds"),
        pytest.param(" 7 ", 7, id="spaces"),
        pytest.param("007", 7, id="leading zeros"),
        pytest.param("3600", 3600, id="an hour"),
        pytest.param("Thu, 01 Jan 2026 12:00:30 GMT", 30, id="a date"),
        pytest.param("Thu, 01 Jan 2026 20:01:00 +0800", 60, id="a date elsewhere"),
        pytest.param("Thu, 01 Jan 2026 12:00:30 -0000", 30, id="a date without a zone"),
        pytest.param("Thursday, 01-Jan-26 12:00:30 GMT", 30, id="an old date form"),
        pytest.param("Thu Jan  1 12:00:30 2026", 30, id="the oldest date form"),
        pytest.param("Thu, 01 Jan 2026 11:00:00 GMT", 0, id="a past date"),
        pytest.param("Mon, 01 Jan 0001 00:00:00 +2300", 0, id="a date before all dates"),
        pytest.param("", None, id="empty"),
        pytest.param("soon", None, id="a word"),
        pytest.param("-5", None, id="negative"),
        pytest.param("2.5", 2.5, id="a fraction"),
        pytest.param("299.997", 299.997, id="a longer fraction"),
        pytest.param("1e3", None, id="an exponent"),
        pytest.param("inf", None, id="without end"),
        pytest.param("1.2.3", None, id="two points"),
        pytest.param("5s", None, id="a unit"),
        pytest.param("\u0667", None, id="digits of another script"),
        pytest.param("Thu, 99 Jan 2026 12:00:30 GMT", None, id="no such day"),
        pytest.param("Thu, 01 Jan 99999999999999999999 00:00:00 GMT", None, id="a year beyond counting"),
        pytest.param("Thu, 99999999999999999999 Jan 2026 00:00:00 GMT", None, id="a day beyond counting"),
        pytest.param("Thu, 01 Jan 2026 12:00:30 +99999999999999999", None, id="a zone beyond counting"),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, NOW) == seconds


@given(st.integers(0, 10**9 - 1))
@settings(max_examples=50, deadline=None)
def test_any_number_of_seconds_is_read(seconds: int) -> None:
    assert retry_after_seconds(str(seconds), NOW) == seconds


@given(st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)))  # noqa: DTZ001 hypothesis wants naive bounds
@settings(max_examples=100, deadline=None)
def test_any_http_date_is_read_and_never_negative(at: datetime) -> None:
    at = at.replace(microsecond=0, tzinfo=UTC)
    expected = max(timedelta(0), at - NOW).total_seconds()
    assert retry_after_seconds(at.strftime("%a, %d %b %Y %H:%M:%S GMT"), NOW) == expected


words = st.sampled_from(["Thu,", "01", "Jan", "2026", "12:00:30", "GMT", "+0800", "-9999", "99999999", ":", "9" * 30])


@given(st.text(max_size=30) | st.lists(words, max_size=8).map(" ".join))
@settings(max_examples=400, deadline=None)
def test_nonsense_is_none_and_never_fails(header: str) -> None:
    seconds = retry_after_seconds(header, NOW)
    assert seconds is None or seconds >= 0


@pytest.mark.anyio
@pytest.mark.parametrize(("wait", "cut_short"), [("9", True), ("0", False)])
async def test_a_failure_says_whether_the_callers_time_was_too_short_for_another_try(
    wait: str, *, cut_short: bool
) -> None:
    async def send() -> None:
        raise Failure("control", "status", status=503, retry_after_header=wait)

    with pytest.raises(Failure) as raised:
        await resending(send, read_may_be_resent, Deadline.after(5))

    assert raised.value.is_cut_short is cut_short
