"""An engine's refusals in its own words, and the reading of a chat request, which can end in one.

The texts are vLLM 0.32.0's as recorded, unless a comment or a docstring says assumed or names a source.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from pydantic import ValidationError

from alaya_mcp.sandbox.chat_request import ChatRequest

MAX_MODEL_LEN = 32768
CHARACTERS_PER_TOKEN = 4
NO_TOOL_PARSER = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'

_BAD_REQUEST = "Bad Request"  # the kind of a body that does not validate, unlike BadRequestError


@dataclass(eq=False)
class RefusedError(Exception):
    """A request that the engine answers with an error."""

    message: str
    status: int = 400
    kind: str = "BadRequestError"
    param: str | None = None

    def body(self, engine: str) -> dict[str, object]:
        """Return the JSON body: nested on vLLM and OpenAI, flat on SGLang (its source)."""
        error = {"message": self.message, "type": self.kind, "param": self.param, "code": self.status}
        return {"object": "error", **error} if engine == "sglang" else {"error": error}


def unknown_model(name: str, served: Iterable[str]) -> RefusedError:
    """Return vLLM's refusal of a model that it does not serve."""
    message = f"The model `{name}` does not exist. Valid aliases: {', '.join(served)}."
    return RefusedError(message, 404, "NotFoundError", "model")


def unknown_adapter(name: str, loaded: Iterable[str]) -> RefusedError:
    """Return SGLang's refusal of an adapter that is not loaded (assumed)."""
    adapters = f"Loaded adapters: {', '.join(loaded)}."
    return RefusedError(f"The following requested LoRA adapters are not loaded: {name}\n{adapters}")


def not_multimodal(model: str) -> RefusedError:
    """Return vLLM's refusal of what is not text."""
    return RefusedError(f"{model} is not a multimodal model")


def long_prompt(characters: int) -> RefusedError:
    """Return vLLM's refusal of a prompt whose length in characters already says that it does not fit."""
    bound = MAX_MODEL_LEN * CHARACTERS_PER_TOKEN
    return RefusedError(
        f"This model's maximum context length is {MAX_MODEL_LEN} tokens. However, your prompt contains {characters}"
        f" characters (more than {bound} characters, which is the upper bound for {MAX_MODEL_LEN} input tokens)."
        f" Please reduce the length of the input prompt. (parameter=input_text, value={characters})",
        param="input_text",
    )


def refused_parameter(message: str, name: str) -> RefusedError:
    """Return the refusal of one parameter, which the text names at its end."""
    return RefusedError(f"{message} (parameter={name})", param=name)


def null_content(index: int) -> RefusedError:
    """Return the refusal of a message without content: one validation error, where vLLM lists nineteen."""
    return _invalid(("string_type", f"messages.{index}.content", "Input should be a valid string", None, None))


def read_chat(content_type: str, raw: bytes) -> ChatRequest:
    """Read a request body.

    Raises:
        RefusedError: It is not a JSON object of the right types, or its fields contradict one another.
    """
    if content_type.partition(";")[0].strip().lower() != "application/json":
        reason = "Unsupported Media Type: Only 'application/json' is allowed"
        raise RefusedError(f"1 validation error:\n  {reason}", kind=_BAD_REQUEST)
    body = _read_json(raw)
    if isinstance(body, dict):
        _refuse_contradictions(cast("dict[str, object]", body))
    try:
        return ChatRequest.model_validate(body, from_attributes=True)
    except ValidationError as error:
        found = error.errors(include_url=False)
        lines = [(each["type"], _location(each["loc"]), each["msg"], each["input"], each.get("ctx")) for each in found]
        raise _invalid(*lines) from None


def _read_json(raw: bytes) -> object:
    try:
        body: object = json.loads(raw) if raw else None
    except json.JSONDecodeError as error:
        raise _invalid(("json_invalid", str(error.pos), "JSON decode error", {}, {"error": error.msg})) from None
    except (ValueError, RecursionError):  # not UTF-8, a number of thousands of digits, or too deeply nested
        raise RefusedError("There was an error parsing the body", kind=_BAD_REQUEST) from None  # assumed
    if body is None:
        raise _invalid(("missing", "", "Field required", None, None))
    return body


def _refuse_contradictions(body: dict[str, object]) -> None:
    # vLLM looks at these before the types of the fields.
    if body.get("stream_options") and not body.get("stream"):
        raise refused_parameter("Stream options can only be defined when `stream=True`.", "stream_options")
    if body.get("top_logprobs") and not body.get("logprobs"):
        raise refused_parameter("when using `top_logprobs`, `logprobs` must be set to true.", "top_logprobs")
    tools = body.get("tools")
    if tools == []:
        advice = "Either provide at least one tool or omit the field entirely."
        raise refused_parameter(f"`tools` must not be an empty array. {advice}", "tools")
    if tools is None and body.get("tool_choice") not in (None, "none"):
        raise refused_parameter("When using `tool_choice`, `tools` must be set.", "tool_choice")


def _invalid(*found: tuple[str, str, str, object, object]) -> RefusedError:
    """Return vLLM's text about validation errors: the type, location, message, input and context of each."""
    lines = [f"{len(found)} validation error{'s' if len(found) > 1 else ''}:"]
    locations = [f"body.{location}".removesuffix(".") for _, location, *_ in found]
    for (kind, _, message, value, context), location in zip(found, locations, strict=True):
        fields = {"type": kind, "loc": location, "msg": message, "input": _shown(value)}
        lines.append(repr(fields | ({"ctx": context} if context else {})))
    return RefusedError("\n  ".join(lines), kind=_BAD_REQUEST, param=locations[0])


def _location(parts: tuple[int | str, ...]) -> str:
    # pydantic ends the location in a union with the member it tried; vLLM leaves that out.
    kept = [str(part) for part in parts]
    while kept and (kept[-1] == "str" or "[" in kept[-1]):
        kept.pop()
    return ".".join(kept)


def _shown(value: object) -> str:
    if isinstance(value, list | dict):
        items = cast("list[object] | dict[str, object]", value)
        return f"<{type(items).__name__} of {len(items)} items>"
    return str(value)
