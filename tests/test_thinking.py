"""`<think>` text apart from the reply, wherever the text is cut."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alaya_mcp.chat.thinking import ThinkSplitter


def part(*pieces: str) -> tuple[str, str]:
    splitter = ThinkSplitter()
    parted = [splitter.feed(piece) for piece in pieces] + [splitter.finish()]
    return "".join(thinking for thinking, _ in parted), "".join(reply for _, reply in parted)


@pytest.mark.parametrize(
    ("text", "thinking", "reply"),
    [
        pytest.param("Hello", "", "Hello", id="no tag"),
        pytest.param("", "", "", id="nothing"),
        pytest.param("<think>hm</think>Hello", "hm", "Hello", id="thinking, then a reply"),
        pytest.param("\n <think>hm</think>\n\nHello \n", "hm", "Hello \n", id="space around the tags is dropped"),
        pytest.param("<think></think>Hello", "", "Hello", id="empty thinking"),
        pytest.param("<think>hm</think>", "hm", "", id="no reply"),
        pytest.param("<think>hm</think> \n", "hm", "", id="space for a reply"),
        pytest.param("<think>all of it", "all of it", "", id="unclosed tag"),
        pytest.param("<think>all of it</thin", "all of it</thin", "", id="unfinished closing tag"),
        pytest.param("<think>a < b </ c </thick>", "a < b </ c </thick>", "", id="what is no closing tag"),
        pytest.param("<think>a<think>b</think>c", "a<think>b", "c", id="a second opening tag is thought"),
        pytest.param("<think>a</think>b</think>c", "a", "b</think>c", id="a second closing tag is text"),
        pytest.param("<think>a</think><think>b</think>", "a", "<think>b</think>", id="a second pair is text"),
        pytest.param("Use <think>x</think> tags", "", "Use <think>x</think> tags", id="a tag in the middle is text"),
        pytest.param("<thi", "", "<thi", id="unfinished opening tag"),
        pytest.param("<thinker>x", "", "<thinker>x", id="another tag"),
        pytest.param("<THINK>x</THINK>y", "", "<THINK>x</THINK>y", id="case matters"),
        pytest.param("</think>x", "", "</think>x", id="closing tag alone"),
        pytest.param("  \n x", "", "  \n x", id="space before a reply stays"),
        pytest.param(" \n", "", " \n", id="space alone is the reply"),
        pytest.param("<think>世界</think>你好", "世界", "你好", id="Chinese"),
    ],
)
def test_thinking_and_reply_are_parted_wherever_the_text_is_cut(text: str, thinking: str, reply: str) -> None:
    assert part(text) == (thinking, reply)
    assert part(*text) == (thinking, reply)
    for cut in range(len(text) + 1):
        assert part(text[:cut], text[cut:]) == (thinking, reply), f"cut at {cut}"


tagged = st.lists(
    st.sampled_from(["<think>", "</think>", "<thi", "nk>", "</", "<", ">", " ", "\n", "a", "世"]), max_size=12
).map("".join)


@given(tagged, st.lists(st.integers(0, 80), max_size=8))
@settings(max_examples=400, deadline=None)
def test_cuts_change_nothing(text: str, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    assert part(*(text[a:b] for a, b in pairwise(edges))) == part(text)


@given(tagged)
@settings(max_examples=300, deadline=None)
def test_text_that_does_not_open_with_the_tag_is_all_reply(text: str) -> None:
    thinking, reply = part("." + text)
    assert (thinking, reply) == ("", "." + text)


def test_plain_text_is_not_held_back() -> None:
    splitter = ThinkSplitter()
    assert splitter.feed("H") == ("", "H")
    assert splitter.feed("<th") == ("", "<th")


def test_only_what_may_be_the_closing_tag_is_held_back() -> None:
    splitter = ThinkSplitter()
    assert splitter.feed("<think>one </th") == ("one ", "")
    assert splitter.feed("ree") == ("</three", "")
    assert splitter.feed("</think>Hi") == ("", "Hi")
    assert splitter.finish() == ("", "")
