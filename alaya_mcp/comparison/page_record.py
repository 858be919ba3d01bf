"""What the page of a comparison holds of a question and of an answer: only what it shows."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from alaya_mcp.comparison.answer import flaw, is_part, normalised
from alaya_mcp.comparison.answer_line import AnswerLine

_ESCAPES: Final = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}


def record_text(record: Mapping[str, Any]) -> str:
    """Return a record as a line of JSON that is the same in HTML: nothing in it can end a script or begin a comment."""
    kept = {name: value for name, given in record.items() if (value := _finite(given)) not in (None, [])}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":"), allow_nan=False).translate(_ESCAPES)


def question_record(line: AnswerLine, number: int) -> dict[str, Any]:
    """Return a line's question; `number` is how the answers name it."""
    return {
        "question": number,
        "id": line.id,
        "number": line.number,
        "prompt": line.prompt,
        "system": line.system,
        "messages": [_message(message) for message in line.messages or ()],
        "expected": line.expected,
        "columns": {name: _shown(value) for name, value in line.columns.items()} if line.columns else None,
    }


def answer_record(line: AnswerLine, question: int, model: int) -> dict[str, Any]:
    """Return a line's answer; `question` and `model` are the numbers of those."""
    usage, timing = line.usage, line.timing
    return {
        "of": question,
        "repeat": line.repeat if line.repeat != 1 else None,
        "model": model,
        "error": line.error.model_dump() if line.error else None,
        "content": line.content or None,
        "reasoning": line.reasoning,
        "truncated": (line.truncated_reason or "unknown") if line.truncated else None,
        "finish": line.finish_reason,
        "flaw": flaw(line) if not line.error else None,
        "match": None if line.error or is_part(line) else _match(line.content or "", line.expected),
        "valid": line.valid,
        "servedBy": line.served_by if line.served_by != line.model else None,
        "warnings": line.warnings,
        "tokens": usage.completion_tokens if usage else None,
        "rate": timing.tokens_per_second if timing else None,
        "first": timing.first_token_seconds if timing else None,
        "total": timing.total_seconds if timing else None,
    }


def _match(content: str, expected: str | None) -> str | None:
    """Return how an answer equals the expected one, as `ModelSummary` counts it."""
    if expected is None:
        return None
    if content.strip() == expected.strip():
        return "exact"
    return "normalised" if normalised(content) == normalised(expected) else "none"


def _finite(value: Any) -> Any:  # noqa: ANN401 whatever JSON can hold
    """Return a value with null for each number in it that JSON does not have."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {name: _finite(each) for name, each in cast("dict[str, Any]", value).items()}
        case list():
            return [_finite(each) for each in cast("list[Any]", value)]
        case _:
            return value


def _message(message: Mapping[str, Any]) -> dict[str, str]:
    """Return a message of a conversation as its role and its text."""
    return {"role": _shown(message.get("role", "")), "text": "\n".join(_parts(message))}


def _parts(message: Mapping[str, Any]) -> Iterator[str]:
    """Yield a message's text, what else it has in brackets, and the calls of tools that it makes."""
    content: Any = message.get("content")
    for part in cast("list[Any]", content) if isinstance(content, list) else [content]:
        match part:
            case None:
                pass
            case {"text": str(text)}:
                yield text
            case {"type": str(kind)}:
                yield f"[{kind}]"
            case _:
                yield _shown(part)
    if calls := message.get("tool_calls"):
        yield _shown(calls)


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
