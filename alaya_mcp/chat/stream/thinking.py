"""Separate tagged thinking from the reply, for engines without a reasoning parser, or whose parser leaks."""

import re
from collections.abc import Iterable
from typing import Final, Literal

Prefilled = Literal["no", "maybe", "surely"]
"""Whether the chat template itself opens the thinking, so that only the closing tag arrives."""

_CLOSED_BY: Final = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "<reasoning>": "</reasoning>",
    "<mm:think>": "</mm:think>",
    "<seed:think>": "</seed:think>",
    "[THINK]": "[/THINK]",
    "◁think▷": "◁/think▷",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|START_THINKING|>": "<|END_THINKING|>",
}
"""Opening tags of model families (Qwen and DeepSeek, MiniMax, Seed, Magistral, Kimi, Sky-T1, Command), each with what
closes it (their published chat templates)."""
_CLOSING: Final = tuple(_CLOSED_BY.values())
_ANY_CLOSING: Final = re.compile("|".join(map(re.escape, _CLOSING)))
_BLANK: Final = 1_000
"""Leading whitespace characters, after which no tag is expected."""
_JSON_BEGINS: Final = re.compile(r"""\s*(?:[{\["]|```|-?\d|(?:true|false|null)\b)""")
_ALWAYS_THINKS = re.compile(
    r"qwen3[^/]*-thinking(?!-(?:off|no))|deepseek[-_]?r1\b|\bqwq\b|minimax-m[12]\b", re.IGNORECASE
)
"""Families whose templates end with the opening tag: DeepSeek-R1 and its distillations, QwQ, Qwen3-...-Thinking,
MiniMax-M1 and M2 (their published chat templates)."""


def prefilled(thinking: Literal["auto", "on", "off"], names: Iterable[str]) -> Prefilled:
    """Return whether a reply may begin inside the thinking.

    Args:
        thinking: The caller's setting.
        names: The model's names, which identify its family.
    """
    if thinking == "off":
        return "no"
    if any(_ALWAYS_THINKS.search(name) for name in names):
        return "surely"
    return "maybe" if thinking == "on" else "no"


def split_orphan(content: str, *, before_json: bool = False) -> tuple[str, str] | None:
    """Return (thinking, reply) of a text with a closing tag but no opening one, None if there is none.

    The tag must end its line, as in templates, or precede JSON if JSON was requested; within a sentence, or after an
    opening tag, it is text about tags.
    """
    closing = _ANY_CLOSING.search(content)
    if closing is None or any(tag in content[: closing.start()] for tag in _CLOSED_BY):
        return None
    thinking, reply = content[: closing.start()].rstrip(), content[closing.end() :]
    ends_its_line = not reply or reply.startswith(("\n", "\r"))
    if ends_its_line or (before_json and _JSON_BEGINS.match(reply)):
        return thinking, reply.lstrip()
    return None


def _held_back(text: str, tags: Iterable[str]) -> int:
    """Return how many characters at the end of `text` may be the start of one of the tags."""
    longest = max(map(len, tags)) - 1
    starts = (n for n in range(min(longest, len(text)), 0, -1) if any(tag.startswith(text[-n:]) for tag in tags))
    return next(starts, 0)


class ThinkSplitter:
    """Splits content, piece by piece, into (thinking, reply).

    Only a tag at the very start counts: later in a reply it is text about tags. If the template may have opened the
    thinking, nothing is returned as reply before a closing tag or the end decides what it was.
    """

    def __init__(self, prefilled: Prefilled = "no") -> None:
        self._state: Literal["start", "thinking", "undecided", "after", "reply"] = "start"
        self._prefilled: Prefilled = prefilled
        self._closing: tuple[str, ...] = _CLOSING
        self._was_parted = False
        self._held = ""
        self._undecided: list[str] = []

    @property
    def is_thinking(self) -> bool:
        """Whether the current text is, or may be, thinking."""
        return self._state in {"thinking", "undecided"}

    @property
    def is_past(self) -> bool:
        """Whether all further text is the reply."""
        return self._state == "reply"

    def parted(self) -> None:
        """Record that the engine separates the thinking itself: only a leaked closing tag may still follow."""
        self._prefilled = "no"
        self._was_parted = True

    def feed(self, piece: str) -> tuple[str, str]:
        """Return the text that is now decided."""
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
            thinking, closed, rest = self._partition(text)
            if not closed:
                held = _held_back(text, self._closing)
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
        """Return the text held back, at the end.

        Args:
            stopped: Whether the model ended its answer itself. If a model that surely thinks first was cut off before
                its closing tag, the text is all thinking.
        """
        held, self._held = self._held, ""
        if self._state == "undecided":
            held = self._settle() + held
            thought_only = self._prefilled == "surely" and not stopped
            return (held, "") if thought_only else ("", held)
        return (held, "") if self._state == "thinking" else ("", held)

    def _begin(self, text: str) -> str:
        """Decide from its start what the text is; return the rest of it, empty while undecided."""
        head = text.lstrip()
        for opening, closing in _CLOSED_BY.items():
            if head.startswith(opening):
                self._state, self._closing = "thinking", (closing,)
                return head.removeprefix(opening)
        tags = (*_CLOSED_BY, *_CLOSING) if self._was_parted else (*_CLOSED_BY,)
        if self._was_parted and (leaked := _ANY_CLOSING.match(head)):
            self._state = "after"
            return head[leaked.end() :]
        if len(text) <= _BLANK and any(tag.startswith(head) for tag in tags):
            self._held = text
            return ""
        self._state = "reply" if self._prefilled == "no" else "undecided"
        return text

    def _partition(self, text: str) -> tuple[str, str, str]:
        """Return (before, tag, after) of the first closing tag; the tag is empty if there is none."""
        found = [(at, tag) for tag in self._closing if (at := text.find(tag)) >= 0]
        if not found:
            return text, "", ""
        at, tag = min(found)
        return text[:at], tag, text[at + len(tag) :]

    def _thought(self, text: str) -> str:
        """Return `text` if it is certainly thinking; keep undecided text."""
        if self._state != "undecided":
            return text
        self._undecided.append(text)
        return ""

    def _settle(self) -> str:
        text = "".join(self._undecided)
        self._undecided.clear()
        return text
