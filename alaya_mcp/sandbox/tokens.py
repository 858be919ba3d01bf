"""Text as tokens, without a tokenizer."""

import re
from collections.abc import Sequence
from itertools import accumulate

CJK = r"\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef"
_TOKEN = re.compile(rf"[{CJK}]|\s?[^\W{CJK}]+|\s?[^\w\s]|\s")


def estimate_tokens(text: str) -> int:
    """Estimate the tokens of a prompt: one per CJK character and one per four others."""
    wide = len(re.findall(f"[{CJK}]", text))
    return wide + -(-(len(text) - wide) // 4)


def cut(text: str) -> list[str]:
    """Cut a text into tokens: CJK characters, words, signs; nothing is lost."""
    return _TOKEN.findall(text)


def skip(tokens: Sequence[str], characters: int) -> list[str]:
    """Return the tokens without a number of characters at the front."""
    left: list[str] = []
    for token in tokens:
        if len(token) > characters:
            left.append(token[characters:])
        characters = max(0, characters - len(token))
    return left


def stop(tokens: list[str], stops: Sequence[str]) -> tuple[list[str], str | None]:
    """Cut at the stop string that is complete first; tokens of which nothing is left count all the same.

    Recorded (stop_string): the stop string is left out of the text, its token is in the usage.
    """
    text = "".join(tokens)
    found = [(text.index(each) + len(each), each) for each in stops if each in text]
    if not found:
        return tokens, None
    complete, matched = min(found)
    end = complete - len(matched)
    ends = list(accumulate(len(token) for token in tokens))
    needed = next(count for count, reached in enumerate(ends, start=1) if reached >= complete)
    starts = [0, *ends]
    return [token[: max(0, end - starts[index])] for index, token in enumerate(tokens[:needed])], matched
