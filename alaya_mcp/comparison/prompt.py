"""One prompt, as a row of a prompts file has it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from alaya_mcp.chat.json_values import is_deeper
from alaya_mcp.chat.messages import Message
from alaya_mcp.chat.request import Turn
from alaya_mcp.suggestions import did_you_mean
from alaya_mcp.validation import why_refused

FIELDS: Final = ("id", "prompt", "messages", "system", "expected")
"""Columns with a meaning; all others are kept."""
_ID_LENGTH: Final = 256
_DEPTH: Final = 100
"""Of lists and objects in each other."""
_MESSAGES: Final = TypeAdapter(list[Message])


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt.

    Attributes:
        number: Its number in the file, from 1.
        id: Its own id, else its number.
        line: The line that it begins at.
        turns: The conversation, without `system`.
        prompt: The one message.
        messages: The conversation as it was given, in place of `prompt`.
        system: The system message beside `prompt`.
        expected: The right answer.
        columns: All other columns.
    """

    number: int
    id: str
    line: int
    turns: tuple[Turn, ...]
    prompt: str | None = None
    messages: list[dict[str, Any]] | None = None
    system: str | None = None
    expected: str | None = None
    columns: dict[str, Any] | None = None


def prompt_of(row: Mapping[str, Any], number: int, line: int) -> Prompt:
    """Return the prompt of a row; an empty value counts as none.

    Raises:
        ValueError: it is not one; says why, as a sentence without a full stop.
    """
    given = {name: value for name, value in row.items() if value not in (None, "", [])}
    _refuse_unwritable(given)
    texts = {name: _text(given[name], name) for name in ("prompt", "system", "expected") if name in given}
    columns = {name: value for name, value in given.items() if name not in FIELDS} or None
    if ("prompt" in given) == ("messages" in given):
        raise ValueError(_one_of_two(row, "messages" in given))
    system, expected = texts.get("system"), texts.get("expected")
    identity = _id(given["id"]) if "id" in given else str(number)
    if "messages" not in given:
        if not texts["prompt"].strip():
            raise ValueError("prompt is blank")
        turns = (Turn("user", texts["prompt"]),)
        return Prompt(number, identity, line, turns, texts["prompt"], None, system, expected, columns)
    messages = _messages(given["messages"])
    if "system" in texts and any(message.role == "system" for message in messages):
        raise ValueError("system and a system message among messages exclude each other")
    turns = tuple(message.turn() for message in messages)
    shown = [message.model_dump(exclude_defaults=True) for message in messages]
    return Prompt(number, identity, line, turns, None, shown, system, expected, columns)


def _one_of_two(row: Mapping[str, Any], has_both: bool) -> str:  # noqa: FBT001 private, of one place
    if has_both:
        return "prompt and messages exclude each other"
    meant = [] if {"prompt", "messages"} & row.keys() else [_meant(name) for name in row]
    near = next((each for each in meant if each), "")
    return f"there is no prompt and there are no messages{near}"


def _meant(name: str) -> str:
    return did_you_mean(name, ("prompt", "messages"), f"; did you mean {{}} by {name}?")


def _text(value: Any, name: str) -> str:  # noqa: ANN401 any JSON value may come
    """Return a text; of a number or a truth value, its JSON."""
    if isinstance(value, str):
        return value
    if name == "expected" and isinstance(value, bool | int | float):
        return json.dumps(value)
    raise ValueError(f"{name} must be text")


def _id(value: Any) -> str:  # noqa: ANN401 any JSON value may come
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not text.strip() or len(text) > _ID_LENGTH or not text.isprintable():
        raise ValueError(f"id must be a number, or text of at most {_ID_LENGTH} printable characters")
    return text


def _messages(value: Any) -> list[Message]:  # noqa: ANN401 any JSON value may come
    try:
        messages = _MESSAGES.validate_python(value)
    except ValidationError as invalid:
        error = invalid.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, ("messages", *error["loc"])))
        raise ValueError(f"{where} {why_refused(error)}") from None
    if messages[-1].role not in {"user", "tool"}:
        raise ValueError("messages must end with a user's message; the right answer goes into expected")
    return messages


def _refuse_unwritable(row: Mapping[str, Any]) -> None:
    """Refuse what could not be written into an answers file."""
    for name, value in row.items():
        try:
            (name + (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))).encode()
        except UnicodeEncodeError:
            raise ValueError(f"{name.encode(errors='replace').decode()} has half of a surrogate pair") from None
        except RecursionError:
            raise ValueError(f"{name} is nested too deeply") from None
        if is_deeper(value, _DEPTH):
            raise ValueError(f"{name} is nested too deeply")
