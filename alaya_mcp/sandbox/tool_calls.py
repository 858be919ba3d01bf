"""Which tools the stand-in for a language model calls, and with which arguments."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from alaya_mcp.sandbox.chat_request import ChatRequest, Function
from alaya_mcp.sandbox.schema_answers import make_instance
from alaya_mcp.sandbox.tokens import cut

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
        """Return the arguments, which are no whole JSON if the call was cut off."""
        return "".join(self.pieces)

    @property
    def raw(self) -> str:
        """Return the text from which a parser reads the call, open at its end (Qwen's chat template)."""
        return f'<tool_call>\n{{"name": {json.dumps(self.name, ensure_ascii=False)}, "arguments": {self.arguments}'


def make_calls(chat: ChatRequest, question: str) -> tuple[Call, ...]:
    """Decide what is called; an empty question mentions no tool.

    When the choice is the model's it calls the tools that the question mentions by name, but after a result, or
    when its answer has to be JSON or goes on from a text, it answers in text.
    """
    free = not (chat.wants_json or chat.begun is not None or chat.messages[-1].role == "tool")
    functions = _choose(chat, question, free=free)
    if chat.parallel_tool_calls is False:
        functions = functions[:1]
    return tuple(Call(each.name, tuple(cut(_arguments(each, question)))) for each in functions)


def fit_calls(calls: Sequence[Call], limit: int) -> tuple[Call, ...]:
    """Cut calls off after a number of tokens."""
    fitting: list[Call] = []
    for call in calls:
        if limit > 0:
            fitting.append(Call(call.name, call.pieces[: limit - 1]))
        limit -= call.tokens
    return tuple(fitting)


def _choose(chat: ChatRequest, question: str, *, free: bool) -> list[Function]:
    functions = {each.function.name: each.function for each in reversed(chat.tools or [])}
    if not chat.tools or chat.tool_choice == "none":
        return []
    if chat.named_tool is not None:
        return [each for each in functions.values() if each.name == chat.named_tool]
    if chat.tool_choice == "required":
        return [chat.tools[0].function]
    return _mentioned(functions, question) if free else []


def _mentioned(functions: dict[str, Function], question: str) -> list[Function]:
    """Find the functions named in a question, in its order; of two names in one place the longer counts."""
    spoken = {_flat(name): function for name, function in functions.items() if _flat(name)}
    names = "|".join(re.escape(name) for name in sorted(spoken, key=len, reverse=True))
    # Not \b: a name can stand between Chinese characters without a space.
    found = re.findall(rf"(?<![0-9a-z])(?:{names})(?![0-9a-z])", _flat(question)) if names else []
    return [spoken[name] for name in dict.fromkeys(found)]


def _flat(text: str) -> str:
    return _GAPS.sub(" ", text.casefold()).strip()


def _arguments(function: Function, question: str) -> str:
    parameters = {"type": "object"} | (function.parameters or {})
    return json.dumps(make_instance(parameters, question), ensure_ascii=False)
