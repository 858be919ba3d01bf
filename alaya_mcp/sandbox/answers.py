"""The stand-in for a language model: what it answers to a request, and which tools it calls, as tokens.

Its texts are those of `canned_replies.json` and quote the question; a style is an adapter's, or the base model's.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from alaya_mcp.sandbox.chat_request import ChatRequest, Function, Message
from alaya_mcp.sandbox.deployments import Deployment
from alaya_mcp.sandbox.schema_answers import make_instance
from alaya_mcp.sandbox.tokens import cut, skip, stop

_REPEAT = re.compile(r"\s*sandbox:\s*repeat\s+([0-9]{1,9})\s+(\S+)\s*")
_SECONDS = r"\s+([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*"
_SILENCE = re.compile(rf"\s*sandbox:\s*silence{_SECONDS}")
_QUEUE = re.compile(rf"\s*sandbox:\s*queue{_SECONDS}")
_THINK = re.compile(rf"\s*sandbox:\s*think{_SECONDS}")
_SLOW = re.compile(rf"\s*sandbox:\s*slow{_SECONDS}")
_MOST_SECONDS = 600.0
_THOUGHTS_A_SECOND = 10
_SAY = re.compile(r"\s*sandbox:\s*say (.*)", re.DOTALL)
_THINKING_SWITCHES = ("enable_thinking", "thinking")  # Qwen's and DeepSeek's chat templates
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_QUOTED = {"zh": 20, "en": 60}
_TEXTS: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("canned_replies.json").read_bytes())
_GAPS = re.compile(r"[\s_-]+")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool: the name, which counts as one token, and the arguments, JSON in pieces of a token."""

    name: str
    pieces: tuple[str, ...]

    @property
    def tokens(self) -> int:
        """Count the tokens of name and arguments."""
        return 1 + len(self.pieces)

    @property
    def arguments(self) -> str:
        """Return the arguments, which are not whole JSON if the call was cut off."""
        return "".join(self.pieces)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer as tokens: first the reasoning, then the content or calls of tools, and how it ended."""

    reasoning: Sequence[str]
    content: Sequence[str]
    finish_reason: str
    stop_reason: str | None = None
    queue: float = 0.0  # seconds before the response begins
    pause: float = 0.0  # seconds of silence before the first token
    calls: Sequence[Call] = ()
    delay: float | None = None  # seconds before each token, if not those of the sandbox

    @property
    def tokens(self) -> int:
        """Count the tokens, as usage reports them."""
        return len(self.reasoning) + len(self.content) + sum(call.tokens for call in self.calls)

    def within(self, limit: int) -> "Answer":
        """Return the answer cut off after a number of tokens."""
        if self.tokens <= limit:
            return self
        reasoning = self.reasoning[:limit]
        content = self.content[: limit - len(reasoning)]
        left = limit - len(reasoning) - len(content)
        calls: list[Call] = []
        for call in self.calls:
            if left > 0:
                calls.append(Call(call.name, call.pieces[: left - 1]))
            left -= call.tokens
        return Answer(reasoning, content, "length", None, self.queue, self.pause, calls, self.delay)


def compose(chat: ChatRequest, adapter: str | None, deployment: Deployment, limit: int) -> Answer:
    """Return the answer to a request, cut off after `limit` tokens. The same request always gets the same answer."""
    question = next((each.text for each in reversed(chat.answered) if each.role == "user"), "")
    queue, pause, thinking, slow = (_seconds(knob, question) for knob in (_QUEUE, _SILENCE, _THINK, _SLOW))
    is_knob = any(knob.fullmatch(question) for knob in (_REPEAT, _QUEUE, _SILENCE, _THINK, _SLOW, _SAY))
    calls = _make_calls(chat, "" if is_knob else question)
    # Without a parser the grammar rules from the first token on, and leaves no room for thoughts (assumed).
    parsed = deployment.thinking == "parsed"
    may_think = parsed or not (chat.wants_json or calls)
    switches = chat.chat_template_kwargs or {}
    switched_off = any(switches.get(name) is False for name in _THINKING_SWITCHES)
    thinks = (deployment.thinking or thinking) and may_think and not switched_off
    thoughts = cut(_quoting("thoughts", question)) if thinks else []
    if thoughts and thinking:
        count = int(thinking * _THOUGHTS_A_SECOND) + 1
        thoughts = (thoughts * (count // len(thoughts) + 1))[:count]
    reasoning = thoughts if parsed and chat.begun is None else []
    if calls:
        # A call of a named tool ends with `stop` on vLLM, on SGLang with `tool_calls` as any call does (its source).
        named = deployment.engine == "vllm" and chat.named_tool is not None
        return Answer(reasoning, (), "stop" if named else "tool_calls", None, queue, pause, calls).within(limit)
    reply = _reply(chat, question, limit, deployment.model, adapter)
    # Thoughts in the content, as Qwen3's and DeepSeek-R1's templates and models mark them.
    opening = "" if deployment.thinking == "prefilled" else "<think>\n"
    tagged = [*cut(opening), *thoughts, *cut("\n</think>\n\n")] if thoughts and not parsed else []
    # A grammar knows nothing of the prompt, so under one an answer always starts from nothing (assumed).
    begun = None if chat.wants_json and not is_knob else chat.begun
    whole = tagged + reply if begun is None else _go_on(begun, question, tagged, reply)
    content, stop_reason = stop(whole or [""], chat.stops)
    delay = thinking / len(thoughts) if thinking and thoughts else slow / len(content) if slow and content else None
    return Answer(reasoning, content, "stop", stop_reason, queue, pause, delay=delay).within(limit)


def _seconds(knob: re.Pattern[str], question: str) -> float:
    """Return the seconds that a message with a special effect names, 0 for any other."""
    found = knob.fullmatch(question)
    return min(float(found[1]), _MOST_SECONDS) if found else 0.0


def _reply(chat: ChatRequest, question: str, limit: int, model: str, adapter: str | None) -> list[str]:
    """Return the whole reply to the question, without thoughts."""
    if repeat := _REPEAT.fullmatch(question):
        # One more than fits is enough to be cut off, however many were asked for.
        count = min(int(repeat[1]), limit + 1 + len(chat.begun or ""))
        return [repeat[2] if index == 0 else f" {repeat[2]}" for index in range(count)]
    if say := _SAY.fullmatch(question):
        return cut(say[1])
    text = _speak(chat.answered, question, model, adapter)
    if not chat.wants_json:
        return cut(text)
    instance = {"answer": text} if chat.schema_wanted is None else make_instance(chat.schema_wanted, question)
    return cut(json.dumps(instance, ensure_ascii=False))


def _go_on(begun: str, question: str, tagged: list[str], reply: list[str]) -> list[str]:
    """Return what is still to be said; a client may have kept the text with the thoughts or without."""
    for whole in (tagged + reply, reply):
        if "".join(whole).startswith(begun):
            return skip(whole, len(begun))
    return cut(_quoting("more", question))


def _make_calls(chat: ChatRequest, question: str) -> list[Call]:
    """Return the calls of tools; an empty question mentions no tool."""
    functions = _choose(chat, question)
    calls: list[Call] = []
    for each in functions[:1] if chat.parallel_tool_calls is False else functions:
        arguments = make_instance({"type": "object"} | (each.parameters or {}), question)
        calls.append(Call(each.name, tuple(cut(json.dumps(arguments, ensure_ascii=False)))))
    return calls


def _choose(chat: ChatRequest, question: str) -> list[Function]:
    """Return the functions to call; where the model chooses, those that the question mentions by name."""
    functions = {each.function.name: each.function for each in reversed(chat.tools or [])}
    if not chat.tools or chat.tool_choice == "none":
        return []
    if chat.named_tool is not None:
        return [each for each in functions.values() if each.name == chat.named_tool]
    if chat.tool_choice == "required":
        return [chat.tools[0].function]
    # After a result, or where JSON or the rest of a text is wanted, it answers in text.
    in_text = chat.wants_json or chat.begun is not None or chat.messages[-1].role == "tool"
    return [] if in_text else _mentioned(functions, question)


def _mentioned(functions: dict[str, Function], question: str) -> list[Function]:
    """Find the functions named in a question, in its order; of two names in one place the longer counts."""
    spoken = {_flat(name): function for name, function in functions.items() if _flat(name)}
    names = "|".join(re.escape(name) for name in sorted(spoken, key=len, reverse=True))
    # Not \b: there may be no space between a name and the Chinese characters around it.
    found = re.findall(rf"(?<![0-9a-z])(?:{names})(?![0-9a-z])", _flat(question)) if names else []
    return [spoken[name] for name in dict.fromkeys(found)]


def _flat(text: str) -> str:
    return _GAPS.sub(" ", text.casefold()).strip()


def _speak(messages: Sequence[Message], question: str, model: str, adapter: str | None) -> str:
    """Answer the question, as the adapter or the base model does."""
    language = _language(question)
    style: dict[str, str] = _TEXTS["styles"].get(adapter or "base") or _TEXTS["styles"]["base"]
    spoken = language if language in style else "zh"  # an adapter with one language answers in it always
    notes = _note(messages, spoken)
    if adapter == "sql-writer" and notes:
        notes = f"-- {notes.strip()}\n"
    name = f"{adapter} ({model})" if adapter else model
    return style[spoken].format(name=name, quote=_shorten(question, language), notes=notes)


def _quoting(kind: str, question: str) -> str:
    """Return the thoughts that go before an answer, or more words that can follow any beginning of one."""
    language = _language(question)
    return _TEXTS[kind][language].format(quote=_shorten(question, language))


def _note(messages: Sequence[Message], language: str) -> str:
    """Return what was seen besides the question."""
    notes = _TEXTS["notes"][language]
    turns = sum(each.role == "assistant" for each in messages)
    images = sum(len(each.images) for each in messages)
    results = list(takewhile(lambda each: each.role == "tool", reversed(messages)))
    said = notes["system"] if any(each.role in ("system", "developer") for each in messages) else ""
    said += notes["turns"].format(turns=turns) if turns else ""
    said += notes["images"].format(images=images) if images else ""
    return said + "".join(notes["result"].format(result=_shorten(each.text, language)) for each in reversed(results))


def _language(question: str) -> str:
    return "zh" if _HAN.search(question) else "en"


def _shorten(text: str, language: str) -> str:
    # A backtick would close the code fence of an answer that has one.
    line, most = " ".join(text.split()).replace("`", "'"), _QUOTED[language]
    return line if len(line) <= most else f"{line[:most]}…"
