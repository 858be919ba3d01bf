"""What an engine refuses in a chat request, in the engine's own words.

The texts are vLLM 0.32.0's as recorded, unless a docstring says assumed.
"""

from __future__ import annotations

import json
from typing import Literal, cast

from pydantic import ValidationError

from alaya_mcp.sandbox.chat_request import ChatRequest

MAX_MODEL_LEN = 32768
CHARACTERS_PER_TOKEN = 4
_GREEDY = 0.0


class RefusedError(Exception):
    """A request that the engine answers with an error."""

    def __init__(
        self, message: str, *, status: int = 400, kind: str = "BadRequestError", param: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.kind = kind
        self.param = param

    def body(self, engine: Literal["vllm", "sglang", "proxy"]) -> dict[str, object]:
        """Give the JSON body: nested on vLLM and OpenAI, flat on SGLang (its source)."""
        error: dict[str, object] = {
            "message": self.message,
            "type": self.kind,
            "param": self.param,
            "code": self.status,
        }
        return {"object": "error", **error} if engine == "sglang" else {"error": error}


def read_chat(content_type: str, raw: bytes) -> ChatRequest:
    """Read a request body.

    Raises:
        RefusedError: It is not a JSON object of the right types, or its fields contradict one another.
    """
    if content_type.partition(";")[0].strip().lower() != "application/json":
        lines = ["Unsupported Media Type: Only 'application/json' is allowed"]
        raise _invalid(lines, None)
    body = _read_json(raw)
    if isinstance(body, dict):
        _refuse_contradictions(cast("dict[str, object]", body))
    try:
        return ChatRequest.model_validate(body, from_attributes=True)
    except ValidationError as error:
        details = error.errors(include_url=False)
        lines = [
            _line(each["type"], _location(each["loc"]), each["msg"], each["input"], each.get("ctx")) for each in details
        ]
        raise _invalid(lines, _location(details[0]["loc"])) from None


def refuse_messages(chat: ChatRequest, model: str, *, sees: bool) -> None:
    """Refuse a conversation that cannot be put to the model.

    Null content is answered with one validation error, where vLLM lists nineteen.

    Raises:
        RefusedError: There is no message, or one without content, or a part that is no text for a model without sight.
    """
    if not chat.messages:
        raise RefusedError("Cannot apply chat template to an empty conversation. Provide at least one message.")
    for index, message in enumerate(chat.messages):
        if message.content is None and message.role != "assistant":
            location = f"body.messages.{index}.content"
            line = _line("string_type", location, "Input should be a valid string", None, None)
            raise _invalid([line], location)
        if not sees and any(part.get("type") != "text" for part in message.parts):
            raise RefusedError(f"{model} is not a multimodal model")


def refuse_sampling(chat: ChatRequest) -> None:
    """Refuse sampling parameters out of range.

    Raises:
        RefusedError: One of them is.
    """
    temperature, top_p, limit, count = chat.temperature, chat.top_p, chat.token_limit, chat.n
    for name, penalty in (
        ("presence_penalty", chat.presence_penalty),
        ("frequency_penalty", chat.frequency_penalty),
    ):
        if penalty is not None and not -2 <= penalty <= 2:  # noqa: PLR2004 - the range that the text names
            raise RefusedError(f"{name} must be in [-2, 2], got {penalty}.")
    if count is not None and count < 1:
        raise RefusedError(f"n must be at least 1, got {count}.")
    if temperature is not None and temperature < 0:
        raise _out_of_range("temperature", "must be non-negative", temperature)
    if temperature is not None and not temperature <= 2:  # noqa: PLR2004 - the range that the text names
        raise _out_of_range("temperature", "must be in [0, 2]", temperature)
    if top_p is not None and not 0 < top_p <= 1:
        raise _out_of_range("top_p", "must be in (0, 1]", top_p)
    if limit is not None and limit < 1:
        raise _out_of_range("max_tokens", "must be at least 1", limit)
    if "" in chat.stops:
        raise RefusedError("stop cannot contain an empty string.")  # assumed
    if count is not None and count > 1 and temperature == _GREEDY:
        raise RefusedError(f"n must be 1 when using greedy sampling, got {count}.")


def refuse_overflow(prompt_characters: int, prompt_tokens: int, limit: int | None) -> None:
    """Refuse what does not fit the context window. The text about tokens is assumed, the others are recorded.

    Raises:
        RefusedError: The prompt, the wanted answer or both together are too long.
    """
    longest = f"This model's maximum context length is {MAX_MODEL_LEN} tokens. However, "
    bound = MAX_MODEL_LEN * CHARACTERS_PER_TOKEN
    if limit is not None and limit > MAX_MODEL_LEN:
        raise RefusedError(
            f"max_tokens={limit} cannot be greater than max_model_len={MAX_MODEL_LEN}. Please request"
            f" fewer output tokens. (parameter=max_tokens, value={limit})",
            param="max_tokens",
        )
    if prompt_characters > bound:
        raise RefusedError(
            f"{longest}your prompt contains {prompt_characters} characters (more than {bound} characters,"
            f" which is the upper bound for {MAX_MODEL_LEN} input tokens). Please reduce the length of the input"
            f" prompt. (parameter=input_text, value={prompt_characters})",
            param="input_text",
        )
    # A prompt that fills the window leaves no room for even one token of an answer.
    if prompt_tokens + (limit or 1) > MAX_MODEL_LEN:
        raise RefusedError(
            f"{longest}you requested {limit or 0} output tokens and your prompt contains at least"
            f" {prompt_tokens} input tokens, for a total of at least {prompt_tokens + (limit or 0)} tokens. Please"
            f" reduce the length of the input prompt or the number of requested output tokens. (parameter=input_tokens,"
            f" value={prompt_tokens})",
            param="input_tokens",
        )


def _read_json(raw: bytes) -> object:
    try:
        body: object = json.loads(raw) if raw else None
    except json.JSONDecodeError as error:
        location = f"body.{error.pos}"
        line = _line("json_invalid", location, "JSON decode error", {}, {"error": error.msg})
        raise _invalid([line], location) from None
    except (ValueError, RecursionError):  # not UTF-8, a number of thousands of digits, or too deeply nested
        raise RefusedError("There was an error parsing the body", kind="Bad Request") from None  # assumed
    if body is None:
        raise _invalid([_line("missing", "body", "Field required", None, None)], "body")
    return body


def _refuse_contradictions(body: dict[str, object]) -> None:
    # vLLM looks at these before the types of the fields.
    if body.get("stream_options") and not body.get("stream"):
        raise refused_parameter("Stream options can only be defined when `stream=True`.", "stream_options")
    if body.get("top_logprobs") and not body.get("logprobs"):
        raise refused_parameter("when using `top_logprobs`, `logprobs` must be set to true.", "top_logprobs")
    tools = body.get("tools")
    if tools == []:
        raise refused_parameter(
            "`tools` must not be an empty array. Either provide at least one tool or omit the field entirely.",
            "tools",
        )
    if tools is None and body.get("tool_choice") not in (None, "none"):
        raise refused_parameter("When using `tool_choice`, `tools` must be set.", "tool_choice")


def refused_parameter(message: str, name: str) -> RefusedError:
    """Give the refusal of one parameter, which the text names at its end."""
    return RefusedError(f"{message} (parameter={name})", param=name)


def _out_of_range(name: str, rule: str, value: float) -> RefusedError:
    return RefusedError(f"{name} {rule}, got {value}. (parameter={name}, value={value})", param=name)


def _invalid(lines: list[str], param: str | None) -> RefusedError:
    head = f"{len(lines)} validation error{'s' if len(lines) > 1 else ''}:"
    return RefusedError("\n  ".join([head, *lines]), kind="Bad Request", param=param)


def _line(kind: str, location: str, message: str, value: object, context: object) -> str:
    fields: dict[str, object] = {"type": kind, "loc": location, "msg": message, "input": _shown(value)}
    if context:
        fields["ctx"] = context
    return repr(fields)


def _location(parts: tuple[int | str, ...]) -> str:
    # pydantic ends the location in a union with the member it tried; vLLM leaves that out.
    kept = [str(part) for part in parts]
    while kept and (kept[-1] == "str" or "[" in kept[-1]):
        kept.pop()
    return ".".join(["body", *kept])


def _shown(value: object) -> str:
    if isinstance(value, list):
        return f"<list of {len(cast('list[object]', value))} items>"
    if isinstance(value, dict):
        return f"<dict of {len(cast('dict[str, object]', value))} items>"
    return str(value)
