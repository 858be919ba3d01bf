"""Text in pieces, broken between words."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from alaya_mcp.terminal.wrapping import WordWrap


def wrapped(*pieces: str, width: int | None = 10) -> str:
    wrap = WordWrap(width)
    return "".join([*map(wrap.feed, pieces), wrap.finish()])


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one two three four", ["one two", "three four"]),
        ("one\n\ntwo", ["one", "", "two"]),
        ("a-word-that-is-longer than", ["a-word-that-is-longer", "than"]),
        ("十个字的一行放不下它", ["十个字的一", "行放不下它"]),
        ("ab 中文字 cd", ["ab 中文字", "cd"]),
        ("exactly te n", ["exactly te", "n"]),
        ("", [""]),
    ],
)
def test_lines_end_between_words(text: str, lines: list[str]) -> None:
    assert wrapped(text).split("\n") == lines
    assert wrapped(*text).split("\n") == lines


def test_without_a_width_nothing_changes() -> None:
    assert wrapped("one two three four", " five", width=None) == "one two three four five"


@given(st.text(alphabet="ab \n中🙂", max_size=60), st.lists(st.integers(0, 60), max_size=5))
@settings(max_examples=200, deadline=None)
def test_cuts_change_nothing_and_no_word_is_lost(text: str, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    shown = wrapped(*(text[a:b] for a, b in pairwise(edges)))

    assert shown == wrapped(text)
    assert shown.replace(" ", "").replace("\n", "") == text.replace(" ", "").replace("\n", "")
    words = [word for line in shown.split("\n") for word in line.split() if cell_len(word) > 10]
    assert all(word in text for word in words)
