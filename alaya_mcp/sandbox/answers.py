"""The stand-in for a language model: what it answers to a request, as tokens."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from alaya_mcp.sandbox.canned_replies import go_on, speak, think
from alaya_mcp.sandbox.chat_request import ChatRequest
from alaya_mcp.sandbox.deployments import Deployment
from alaya_mcp.sandbox.models import Target
from alaya_mcp.sandbox.schema_answers import make_instance
from alaya_mcp.sandbox.tokens import cut, skip, stop
from alaya_mcp.sandbox.tool_calls import Call, fit_calls, make_calls

_REPEAT = re.compile(r"\s*sandbox:\s*repeat\s+([0-9]{1,9})\s+(\S+)\s*")
_SILENCE = re.compile(r"\s*sandbox:\s*silence\s+([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*")
_SAY = re.compile(r"\s*sandbox:\s*say (.*)", re.DOTALL)
_LONGEST_SILENCE = 600.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer as tokens: first the reasoning, then the content or calls of tools, and how it ended.

    `pause` is how many seconds of silence go before the first token.
    """

    reasoning: tuple[str, ...]
    content: tuple[str, ...]
    finish_reason: str
    stop_reason: str | None = None
    pause: float = 0.0
    calls: tuple[Call, ...] = ()

    @property
    def tokens(self) -> int:
        """Count the tokens, as usage reports them."""
        return len(self.reasoning) + len(self.content) + sum(call.tokens for call in self.calls)


def compose(chat: ChatRequest, target: Target, deployment: Deployment, limit: int) -> Answer:
    """Answer a request within a number of tokens. The same request always gets the same answer."""
    question = next((each.text for each in reversed(chat.answered) if each.role == "user"), "")
    silence = _SILENCE.fullmatch(question)
    pause = min(float(silence[1]), _LONGEST_SILENCE) if silence else 0.0
    calls = make_calls(chat, "" if _is_knob(question) else question)
    # Without a parser the grammar rules from the first token on, and leaves no room for thoughts (assumed).
    parsed = deployment.thinking == "parsed"
    thinks = deployment.thinking is not None and chat.lets_think and (parsed or not (chat.wants_json or calls))
    thoughts = cut(think(question)) if thinks else []
    content: list[str] = []
    stop_reason = None
    if not calls:
        reply = _reply(chat, question, target, limit)
        reply = _go_on(chat, question, [] if parsed else _tagged(deployment, thoughts), reply)
        content, stop_reason = stop(reply or [""], chat.stops)
    reasoning = thoughts if parsed and chat.begun is None else []
    length = len(reasoning) + len(content) + sum(call.tokens for call in calls)
    finish_reason = _finish(chat, deployment, calls)
    if length > limit:
        finish_reason, stop_reason = "length", None
    reasoning = reasoning[:limit]
    content = content[: limit - len(reasoning)]
    calls = fit_calls(calls, limit - len(reasoning) - len(content))
    return Answer(tuple(reasoning), tuple(content), finish_reason, stop_reason, pause, calls)


def _is_knob(question: str) -> bool:
    return any(knob.fullmatch(question) for knob in (_REPEAT, _SILENCE, _SAY))


def _finish(chat: ChatRequest, deployment: Deployment, calls: Sequence[Call]) -> str:
    """Say how an answer ends that was not cut off.

    A call of a named tool ends with `stop` on vLLM, on SGLang with `tool_calls` as any call does (its source).
    """
    if not calls or (deployment.engine == "vllm" and chat.named_tool is not None):
        return "stop"
    return "tool_calls"


def _reply(chat: ChatRequest, question: str, target: Target, limit: int) -> list[str]:
    """Return the whole reply to the question, without thoughts."""
    if repeat := _REPEAT.fullmatch(question):
        # One more than fits is enough to be cut off, however many were asked for.
        count = min(int(repeat[1]), limit + 1 + len(chat.begun or ""))
        return [repeat[2] if index == 0 else f" {repeat[2]}" for index in range(count)]
    if say := _SAY.fullmatch(question):
        return cut(say[1])
    text = speak(chat.answered, question, target)
    if not chat.wants_json:
        return cut(text)
    schema = chat.schema_wanted
    instance = {"answer": text} if schema is None else make_instance(schema, question)
    return cut(json.dumps(instance, ensure_ascii=False))


def _tagged(deployment: Deployment, thoughts: list[str]) -> list[str]:
    """Return the thoughts as content, as Qwen3's and DeepSeek-R1's templates and models mark them."""
    if not thoughts:
        return []
    opening = [] if deployment.thinking == "prefilled" else cut("<think>\n")
    return [*opening, *thoughts, *cut("\n</think>\n\n")]


def _go_on(chat: ChatRequest, question: str, tagged: list[str], reply: list[str]) -> list[str]:
    """Return what is still to be said; a client may have kept the text with the thoughts or without.

    A grammar knows nothing of the prompt, so under one an answer always starts anew (assumed).
    """
    begun = chat.begun
    if begun is None or (chat.wants_json and not _is_knob(question)):
        return tagged + reply
    for whole in (tagged + reply, reply):
        if "".join(whole).startswith(begun):
            return skip(whole, len(begun))
    return cut(go_on(question))
