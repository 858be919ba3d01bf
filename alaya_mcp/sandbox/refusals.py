"""What an engine refuses in a chat request, in its own words.

The texts are vLLM 0.32.0's as recorded, unless a comment or a docstring says assumed or names a source.
"""

import binascii
import json
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue, ValidationError
from starlette.responses import Response

from alaya_mcp.sandbox.chat_request import ChatRequest
from alaya_mcp.sandbox.deployments import Deployment
from alaya_mcp.sandbox.exchange import json_response
from alaya_mcp.sandbox.schema_answers import invalid_type
from alaya_mcp.sandbox.tokens import estimate_tokens

MAX_MODEL_LEN = 32768
CHARACTERS_PER_TOKEN = 4
NO_TOOL_PARSER = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'

_BAD_REQUEST = "Bad Request"  # the kind of a body that does not validate, unlike BadRequestError
_TEMPLATE_TOKENS = 4  # around each message; assumed
_IMAGE_TOKENS = 256  # whatever its size; assumed
_LARGEST = 2  # a temperature or a penalty
_NAMED = " (parameter={name}, value={value})"

_SAMPLING: tuple[tuple[str, Callable[[float], bool], str], ...] = (
    ("presence_penalty", lambda value: not abs(value) <= _LARGEST, "must be in [-2, 2], got {value}."),
    ("frequency_penalty", lambda value: not abs(value) <= _LARGEST, "must be in [-2, 2], got {value}."),
    ("n", lambda value: value < 1, "must be at least 1, got {value}."),
    ("temperature", lambda value: value < 0, "must be non-negative, got {value}." + _NAMED),
    ("temperature", lambda value: not value <= _LARGEST, "must be in [0, 2], got {value}." + _NAMED),
    ("top_p", lambda value: not 0 < value <= 1, "must be in (0, 1], got {value}." + _NAMED),
    ("max_tokens", lambda value: value < 1, "must be at least 1, got {value}." + _NAMED),
)
"""Parameters in the order in which they are checked, what is wrong with a value, and the words for it."""


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

    def response(self, engine: str) -> Response:
        """Return what the engine answers."""
        return json_response(self.body(engine), self.status)


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


def _wrong_parameter(message: str, name: str) -> RefusedError:
    return RefusedError(f"{message} (parameter={name})", param=name)


def read_chat(content_type: str, raw: bytes) -> ChatRequest:
    """Read a request body, or raise a RefusedError about its types or about fields that contradict one another."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        reason = "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed"
        raise RefusedError(reason, kind=_BAD_REQUEST)
    try:
        body: JsonValue = json.loads(raw) if raw else None
    except json.JSONDecodeError as error:
        found = {"type": "json_invalid", "loc": (error.pos,), "msg": "JSON decode error", "ctx": {"error": error.msg}}
        raise _invalid({**found, "input": {}}) from None
    except (ValueError, RecursionError):  # not UTF-8, a number of thousands of digits, or too deeply nested
        raise RefusedError("There was an error parsing the body", kind=_BAD_REQUEST) from None  # assumed
    if body is None:
        raise _invalid({"type": "missing", "loc": (), "msg": "Field required", "input": None})
    if isinstance(body, dict):
        _refuse_contradictions(body)
    try:
        return ChatRequest.model_validate(body, from_attributes=True)
    except ValidationError as error:
        raise _invalid(*error.errors(include_url=False)) from None


def _refuse_contradictions(body: dict[str, JsonValue]) -> None:
    # vLLM looks at these before the types of the fields.
    if body.get("stream_options") and not body.get("stream"):
        raise _wrong_parameter("Stream options can only be defined when `stream=True`.", "stream_options")
    if body.get("top_logprobs") and not body.get("logprobs"):
        raise _wrong_parameter("when using `top_logprobs`, `logprobs` must be set to true.", "top_logprobs")
    if (tools := body.get("tools")) == []:
        advice = "Either provide at least one tool or omit the field entirely."
        raise _wrong_parameter(f"`tools` must not be an empty array. {advice}", "tools")
    if tools is None and body.get("tool_choice") not in (None, "none"):
        raise _wrong_parameter("When using `tool_choice`, `tools` must be set.", "tool_choice")


def _invalid(*found: Mapping[str, Any]) -> RefusedError:
    """Return vLLM's text about validation errors, which have the fields of pydantic's."""
    lines = [f"{len(found)} validation error{'s' if len(found) > 1 else ''}:"]
    locations: list[str] = []
    for each in found:
        # pydantic ends the location in a union with the member it tried; vLLM leaves that out.
        location = ["body", *map(str, each["loc"])]
        while location[-1] == "str" or "[" in location[-1]:
            location.pop()
        locations.append(".".join(location))
        value: JsonValue = each["input"]
        shown = f"<{type(value).__name__} of {len(value)} items>" if isinstance(value, list | dict) else str(value)
        fields = {"type": each["type"], "loc": locations[-1], "msg": each["msg"], "input": shown}
        lines.append(repr(fields | ({"ctx": each["ctx"]} if "ctx" in each else {})))
    return RefusedError("\n  ".join(lines), kind=_BAD_REQUEST, param=locations[0])


def check_chat(chat: ChatRequest, deployment: Deployment) -> int:
    """Return the estimated tokens of the prompt, or raise a RefusedError where the engine would not answer."""
    _check_tools(chat, parser=deployment.tool_parser)
    _check_continuation(chat, deployment)
    _check_messages(chat, deployment)
    _check_sampling(chat)
    _check_schemas(chat)
    # Tools are in the prompt whatever the choice (recorded: tools_none).
    texts = [message.text for message in chat.messages]
    texts += [tool.model_dump_json(exclude_none=True) for tool in chat.tools or []]
    images = sum(len(message.images) for message in chat.messages)
    tokens = sum(estimate_tokens(text) + _TEMPLATE_TOKENS for text in texts) + images * _IMAGE_TOKENS
    _check_length(sum(map(len, texts)), tokens, chat.token_limit)
    return tokens


def _check_tools(chat: ChatRequest, *, parser: bool) -> None:
    """Refuse a choice that is none or names no tool (vLLM's source), and tools without a tool parser."""
    choice, name = chat.tool_choice, chat.named_tool
    if chat.tools is None or choice == "none":
        return
    if choice not in (None, "auto", "required") and not isinstance(choice, dict):
        supported = 'Only named tools, "none", "auto" or "required" are supported.'
        raise _wrong_parameter(f"Invalid value for `tool_choice`: {choice}! {supported}", "tool_choice")
    if isinstance(choice, dict) and name not in [tool.function.name for tool in chat.tools]:
        unknown = "The tool specified in `tool_choice` does not match any of the specified `tools`"
        raise _wrong_parameter(unknown, "tool_choice")
    if parser:
        return
    if choice in (None, "auto"):
        raise RefusedError(NO_TOOL_PARSER)
    wanted = f'function "{name}"' if isinstance(choice, dict) else f'"{choice}"'
    raise RefusedError(f"tool_choice={wanted} requires --tool-call-parser to be set")


def _check_continuation(chat: ChatRequest, deployment: Deployment) -> None:
    """Refuse to continue a message and to begin one at a time; SGLang does not look at the latter (its source)."""
    # The words are from vLLM's source, and from the transformers library, which sees the default.
    if deployment.engine == "sglang" or not (chat.continue_final_message and chat.add_generation_prompt):
        return
    if "add_generation_prompt" in chat.model_fields_set:
        raise RefusedError("Cannot set both `continue_final_message` and `add_generation_prompt` to True.")
    raise RefusedError(
        "continue_final_message and add_generation_prompt are not compatible. Use continue_final_message when you want"
        " the model to continue the final message, and add_generation_prompt when you want to add a header that will"
        " prompt it to start a new assistant message instead."
    )


def _check_messages(chat: ChatRequest, deployment: Deployment) -> None:
    """Refuse a conversation that cannot be put to the model (about images: vLLM's source); no image is fetched."""
    if not chat.messages:
        raise RefusedError("Cannot apply chat template to an empty conversation. Provide at least one message.")
    for index, message in enumerate(chat.messages):
        if message.content is None and message.role != "assistant":
            # One validation error, where vLLM lists nineteen.
            found = {"type": "string_type", "loc": ("messages", index, "content"), "input": None}
            raise _invalid(found | {"msg": "Input should be a valid string"})
        if not deployment.multimodal and any(part.get("type") != "text" for part in message.parts):
            raise not_multimodal(deployment.model)
    for message in chat.messages:
        for part in message.parts:
            if (kind := part.get("type")) not in ("text", "image_url"):
                raise RefusedError(f"Unknown part type: {kind}")
        for url in message.images:
            _check_image(url)


def _check_image(url: str) -> None:
    scheme, _, rest = url.partition(":")
    kind, _, data = rest.partition(",")
    if scheme in ("http", "https"):
        return
    if scheme != "data":
        raise RefusedError("The URL must be either a HTTP, data or file URL.")
    if not kind.endswith(";base64"):
        raise RefusedError("Only base64 data URLs are supported for now.")
    try:
        b64decode(data, validate=True)
    except binascii.Error as error:
        raise RefusedError(str(error)) from None


def _check_sampling(chat: ChatRequest) -> None:
    values = {**dict(chat), "max_tokens": chat.token_limit}
    for name, is_wrong, words in _SAMPLING:
        if (value := values[name]) is not None and is_wrong(value):
            param = name if words.endswith(_NAMED) else None
            raise RefusedError(f"{name} {words.format(name=name, value=value)}", param=param)
    if "" in chat.stops:
        raise RefusedError("stop cannot contain an empty string.")  # assumed
    if chat.n is not None and chat.n > 1 and chat.temperature == 0:
        raise RefusedError(f"n must be 1 when using greedy sampling, got {chat.n}.")


def _check_schemas(chat: ChatRequest) -> None:
    """Refuse a schema that no grammar can be made of, the answer's or that of a tool which has to be called."""
    # Recorded (response_format_bad_schema) for the answer's; for a tool's, and a missing one, assumed.
    wanted = chat.response_format
    if wanted and wanted.type == "json_schema" and chat.schema_wanted is None:
        raise RefusedError("response_format.json_schema.schema must be set when response_format.type is json_schema")
    forced = chat.tool_choice == "required" or chat.named_tool is not None
    schemas = [tool.function.parameters for tool in chat.tools or []] if forced else []
    for schema in (chat.schema_wanted, *schemas):
        if (name := invalid_type(schema)) is not None:
            raise RefusedError(f"Grammar error: Invalid type: {name}")


def _check_length(characters: int, tokens: int, limit: int | None) -> None:
    """Refuse what does not fit the context window. The text about tokens is assumed, the others are recorded."""
    if limit is not None and limit > MAX_MODEL_LEN:
        raise RefusedError(
            f"max_tokens={limit} cannot be greater than max_model_len={MAX_MODEL_LEN}. Please request"
            f" fewer output tokens. (parameter=max_tokens, value={limit})",
            param="max_tokens",
        )
    if characters > MAX_MODEL_LEN * CHARACTERS_PER_TOKEN:
        raise long_prompt(characters)
    # A prompt that fills the window leaves no room for even one token of an answer.
    if tokens + (limit or 1) > MAX_MODEL_LEN:
        raise RefusedError(
            f"This model's maximum context length is {MAX_MODEL_LEN} tokens. However, you requested {limit or 0} output"
            f" tokens and your prompt contains at least {tokens} input tokens, for a total of at least"
            f" {tokens + (limit or 0)} tokens. Please reduce the length of the input prompt or the number of requested"
            f" output tokens. (parameter=input_tokens, value={tokens})",
            param="input_tokens",
        )
