"""Parting `<think>` text from the reply, for engines that run without a reasoning parser. Pure."""

import re
from collections.abc import Iterable
from typing import Final, Literal

Prefilled = Literal["no", "maybe", "surely"]
"""Whether the chat template itself opens the thinking, so that only `</think>` arrives."""

_OPEN: Final = "<think>"
_CLOSE: Final = "</think>"
_BLANK: Final = 1_000
"""Characters of nothing but space at the beginning, after which no tag is waited for."""
_ALWAYS_THINKS = re.compile(
    r"qwen3[^/]*-thinking(?!-(?:off|no))|deepseek[-_]?r1\b|\bqwq\b|minimax-m[12]\b", re.IGNORECASE
)
"""Families whose templates end with `<think>`: DeepSeek-R1 and its distillations, QwQ, Qwen3-...-Thinking,
MiniMax-M1 and M2 (their published chat templates)."""


def prefilled(thinking: Literal["auto", "on", "off"], names: Iterable[str], *, has_parser: bool) -> Prefilled:
    """Whether a reply may begin in the middle of the thinking.

    Args:
        thinking: What the caller asked for.
        names: The model's names, which tell its family.
        has_parser: Whether the engine is known to part the thinking by itself.
    """
    if thinking == "off" or has_parser:
        return "no"
    if any(_ALWAYS_THINKS.search(name) for name in names):
        return "surely"
    return "maybe" if thinking == "on" else "no"


def part_orphan(content: str) -> tuple[str, str] | None:
    """(thinking, reply) of a text with a `</think>` that nothing opened, None where there is none.

    It must end its line, as templates have it; in a sentence, or after an opening tag, it is text about tags.
    """
    thinking, closed, reply = content.partition(_CLOSE)
    if not closed or _OPEN in thinking or (reply and not reply.startswith(("\n", "\r"))):
        return None
    return thinking.strip(), reply.lstrip()


def _held_back(text: str, tag: str) -> int:
    """How many characters at the end of `text` may be the beginning of `tag`."""
    return next((n for n in range(min(len(tag) - 1, len(text)), 0, -1) if tag.startswith(text[-n:])), 0)


class ThinkSplitter:
    """Takes content piece by piece and gives out (thinking, reply) pieces.

    Only a tag at the very beginning counts: later in a reply it is text about tags. Where the template may have opened
    the thinking, nothing is given out as reply before `</think>` or the end has settled what it was.
    """

    def __init__(self, prefilled: Prefilled = "no") -> None:
        self._state: Literal["start", "thinking", "undecided", "after", "reply"] = "start"
        self._prefilled: Prefilled = prefilled
        self._held = ""
        self._undecided: list[str] = []

    @property
    def is_thinking(self) -> bool:
        """Whether what arrives is, or may be, thinking."""
        return self._state in {"thinking", "undecided"}

    def no_prefill(self) -> None:
        """Take note that the engine parts the thinking by itself."""
        self._prefilled = "no"

    def feed(self, piece: str) -> tuple[str, str]:
        """What of the text so far is certain by now."""
        if self._state == "reply":
            return "", piece
        text = self._held + piece
        self._held = ""
        thinking = ""
        if self._state == "start":
            text = self._begin(text)
            if self._state in {"start", "reply"}:
                return "", text
        if self.is_thinking:
            thinking, closed, rest = text.partition(_CLOSE)
            if not closed:
                held = _held_back(text, _CLOSE)
                self._held = text[len(text) - held :]
                return self._thought(text[: len(text) - held]), ""
            thinking = self._thought(thinking)
            if self._state == "undecided":
                thinking = self._settle()
            self._state, text = "after", rest
        text = text.lstrip()
        if text:
            self._state = "reply"
        return thinking, text

    def finish(self, *, stopped: bool = False) -> tuple[str, str]:
        """What was held back when the text ended.

        Args:
            stopped: Whether the model itself ended its answer. One that surely thinks first and was cut off before
                its `</think>` had only thought.
        """
        held, self._held = self._held, ""
        if self._state == "undecided":
            held = self._settle() + held
            thought_only = self._prefilled == "surely" and not stopped
            return (held, "") if thought_only else ("", held)
        return (held, "") if self._state == "thinking" else ("", held)

    def _begin(self, text: str) -> str:
        """Decide by the beginning what the text is; what is left of it, nothing while that cannot be said."""
        head = text.lstrip()
        if head.startswith(_OPEN):
            self._state = "thinking"
            return head.removeprefix(_OPEN)
        if _OPEN.startswith(head) and len(text) <= _BLANK:
            self._held = text
            return ""
        self._state = "reply" if self._prefilled == "no" else "undecided"
        return text

    def _thought(self, text: str) -> str:
        """`text` if it is certainly thinking; what is not settled is kept."""
        if self._state != "undecided":
            return text
        self._undecided.append(text)
        return ""

    def _settle(self) -> str:
        text = "".join(self._undecided)
        self._undecided.clear()
        return text
