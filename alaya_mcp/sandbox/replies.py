"""The stand-in for a language model: fixed texts, quoting the question, cut into tokens."""
# ruff: noqa: RUF001 - the Chinese texts use Chinese punctuation on purpose

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alaya_mcp.sandbox.models import Target
    from alaya_mcp.sandbox.refusals import Message

_CJK = r"\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef"
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_TOKEN = re.compile(rf"[{_CJK}]|\s?[^\W{_CJK}]+|\s?[^\w\s]|\s")
_REPEAT = re.compile(r"\s*sandbox:\s*repeat\s+([0-9]{1,9})\s+(\S+)\s*")
_SILENCE = re.compile(r"\s*sandbox:\s*silence\s+([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*")
_LONGEST_SILENCE = 600.0
_QUOTED = {"zh": 20, "en": 60}
_BASE = ""

_STYLES: dict[str, dict[str, str]] = {
    _BASE: {
        "zh": "我是沙箱里的{name}，不是真的大模型。您说的是：“{quote}”。{notes}真正的部署会在这里给出回答。",
        "en": 'This is {name} in the sandbox, not a real language model. You wrote: "{quote}". {notes}A real '
        "deployment would answer here; the sandbox only shows how an answer travels.",
    },
    "support-zh": {
        "zh": "您好，我是客服{name}，很高兴为您服务！您的问题“{quote}”已经收到。{notes}"
        "请稍候，我们会尽快为您处理，感谢您的耐心！",
    },
    "sql-writer": {
        "zh": "```sql\n-- {name}：{quote}\n{notes}SELECT id, name, total\nFROM orders\nWHERE status = 'open'"
        "\nORDER BY total DESC\nLIMIT 10;\n```",
        "en": "```sql\n-- {name}: {quote}\n{notes}SELECT id, name, total\nFROM orders\nWHERE status = 'open'"
        "\nORDER BY total DESC\nLIMIT 10;\n```",
    },
    "tone-formal": {
        "zh": "尊敬的用户：{name}谨此答复。您所询“{quote}”一事，业已知悉。{notes}特此函告，顺颂时祺。",
        "en": 'Dear Sir or Madam, {name} acknowledges your enquiry, "{quote}", and begs to state that it has '
        "been received with due attention. {notes}We remain, with the highest regard, yours faithfully.",
    },
    "tone-casual": {
        "zh": "嗨！我是{name}。你刚说“{quote}”，对吧？{notes}小事一桩，包在我身上，有空再聊哈！",
        "en": 'Hey! {name} here. So you said "{quote}", right? {notes}No worries at all, I have totally got '
        "this one for you. Catch you later, and shout if there is anything else!",
    },
    "legal-zh": {
        "zh": "{name}法律意见：一、关于“{quote}”，本意见仅供参考。{notes}"
        "二、依照有关法律规定，当事人应当遵循诚信原则。三、具体事宜请咨询执业律师。",
    },
    "poet": {
        "zh": "{name}作：\n“{quote}”入我诗，\n云山万里月来迟。\n{notes}沙箱一曲无真意，\n且待春风为尔吹。",
        "en": '{name} sings:\nYou came to me with "{quote}",\nI put it in a little boat,\n{notes}It sailed '
        "upon a sandbox sea,\nAnd brought these rhymes to you from me.",
    },
}

_NOTES: dict[str, tuple[str, str]] = {
    "zh": ("已看到系统提示。", "此前有{turns}轮对话。"),
    "en": ("A system message was seen. ", "Earlier turns: {turns}. "),
}

_THOUGHTS: dict[str, str] = {
    "zh": "用户说的是“{quote}”。我是沙箱，应当说明自己不是真的模型。",
    "en": 'The user wrote "{quote}". I am a sandbox, so I should say that I am not a real model.',
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer as tokens: first the reasoning, then the content, and how it ended.

    `pause` is how many seconds of silence go before the first token.
    """

    reasoning: tuple[str, ...]
    content: tuple[str, ...]
    finish_reason: str
    stop_reason: str | None = None
    pause: float = 0.0

    @property
    def tokens(self) -> int:
        """Count the tokens, as usage reports them."""
        return len(self.reasoning) + len(self.content)


def estimate_tokens(text: str) -> int:
    """Estimate the tokens of a prompt: one per CJK character and one per four others."""
    wide = len(re.findall(f"[{_CJK}]", text))
    return wide + -(-(len(text) - wide) // 4)


def compose(messages: Sequence[Message], target: Target, *, thinks: bool, limit: int, stops: Sequence[str]) -> Answer:
    """Answer a conversation within a number of tokens. The same request always gets the same answer."""
    question = next((each.text for each in reversed(messages) if each.role == "user"), "")
    language = "zh" if _HAN.search(question) else "en"
    quote = _shorten(question, _QUOTED[language])
    reasoning = _cut(_THOUGHTS[language].format(quote=quote)) if thinks else []
    repeat, silence = _REPEAT.fullmatch(question), _SILENCE.fullmatch(question)
    if repeat:
        # One more than fits is enough to be cut off, however many were asked for.
        count, word = min(int(repeat[1]), limit + 1), repeat[2]
        content = [word if index == 0 else f" {word}" for index in range(count)]
    else:
        content = _cut(_write(messages, target, language, quote))
    pause = min(float(silence[1]), _LONGEST_SILENCE) if silence else 0.0
    content, stop_reason = _stop(content or [""], stops)
    thought = tuple(reasoning[:limit])
    said = tuple(content[: limit - len(thought)])
    cut_off = len(thought) + len(said) < len(reasoning) + len(content)
    if cut_off:
        return Answer(thought, said, "length", None, pause)
    return Answer(thought, said, "stop", stop_reason, pause)


def _write(messages: Sequence[Message], target: Target, language: str, quote: str) -> str:
    turns = sum(each.role == "assistant" for each in messages)
    system = any(each.role in ("system", "developer") for each in messages)
    style = _STYLES.get(target.adapter or _BASE, _STYLES[_BASE])
    if language not in style:
        language = "zh"  # an adapter with one language answers in it always
    seen, earlier = _NOTES[language]
    notes = (seen if system else "") + (earlier.format(turns=turns) if turns else "")
    if target.adapter == "sql-writer" and notes:
        notes = f"-- {notes.strip()}\n"
    name = f"{target.adapter} ({target.base})" if target.adapter else target.base
    return style[language].format(name=name, quote=quote, notes=notes)


def _shorten(question: str, most: int) -> str:
    # A backtick would close the code fence of an answer that has one.
    line = " ".join(question.split()).replace("`", "'")
    return line if len(line) <= most else f"{line[:most]}…"


def _cut(text: str) -> list[str]:
    return _TOKEN.findall(text)


def _stop(tokens: list[str], stops: Sequence[str]) -> tuple[list[str], str | None]:
    """Cut at the stop string that is complete first; tokens of which nothing is left count all the same.

    Recorded (stop_string): the stop string is left out of the text, its token is in the usage.
    """
    text = "".join(tokens)
    found = [(text.index(stop) + len(stop), stop) for stop in stops if stop in text]
    if not found:
        return tokens, None
    complete, stop = min(found)
    end = complete - len(stop)
    ends = list(accumulate(len(token) for token in tokens))
    needed = next(count for count, reached in enumerate(ends, start=1) if reached >= complete)
    starts = [0, *ends]
    return [token[: max(0, end - starts[index])] for index, token in enumerate(tokens[:needed])], stop
