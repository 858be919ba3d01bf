"""What an engine checks in a chat request before it answers. The texts are vLLM 0.32.0's, as in `refusals`."""

import binascii
from base64 import b64decode
from collections.abc import Callable

from alaya_mcp.sandbox.chat_request import ChatRequest
from alaya_mcp.sandbox.deployments import Deployment
from alaya_mcp.sandbox.refusals import (
    CHARACTERS_PER_TOKEN,
    MAX_MODEL_LEN,
    NO_TOOL_PARSER,
    RefusedError,
    long_prompt,
    not_multimodal,
    null_content,
    refused_parameter,
)
from alaya_mcp.sandbox.schema_answers import invalid_type
from alaya_mcp.sandbox.tokens import estimate_tokens

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


def check_chat(chat: ChatRequest, model: str, deployment: Deployment) -> int:
    """Refuse what the engine of a deployment refuses; returns the tokens of the prompt, which are estimated.

    Raises:
        RefusedError: The engine does not take the request.
    """
    _check_tools(chat, parser=deployment.tool_parser)
    _check_continuation(chat, deployment)
    _check_messages(chat, model, deployment)
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
    """Refuse tools, as an engine started without a tool parser does; one with a parser takes those that are there.

    What is said of a choice that is no choice or names no tool is from vLLM's source.
    """
    choice, name = chat.tool_choice, chat.named_tool
    if chat.tools is None or choice == "none":
        return
    if choice not in (None, "auto", "required") and not isinstance(choice, dict):
        supported = 'Only named tools, "none", "auto" or "required" are supported.'
        raise refused_parameter(f"Invalid value for `tool_choice`: {choice}! {supported}", "tool_choice")
    if isinstance(choice, dict) and name not in [tool.function.name for tool in chat.tools]:
        unknown = "The tool specified in `tool_choice` does not match any of the specified `tools`"
        raise refused_parameter(unknown, "tool_choice")
    if parser:
        return
    if choice in (None, "auto"):
        raise RefusedError(NO_TOOL_PARSER)
    wanted = f'function "{name}"' if isinstance(choice, dict) else f'"{choice}"'
    raise RefusedError(f"tool_choice={wanted} requires --tool-call-parser to be set")


def _check_continuation(chat: ChatRequest, deployment: Deployment) -> None:
    """Refuse to continue a message and to begin one at a time; SGLang does not look at the latter (its source).

    The words are from vLLM's source, and from the transformers library, which sees the default.
    """
    if deployment.engine == "sglang" or not (chat.continue_final_message and chat.add_generation_prompt):
        return
    if "add_generation_prompt" in chat.model_fields_set:
        raise RefusedError("Cannot set both `continue_final_message` and `add_generation_prompt` to True.")
    raise RefusedError(
        "continue_final_message and add_generation_prompt are not compatible. Use continue_final_message when you want"
        " the model to continue the final message, and add_generation_prompt when you want to add a header that will"
        " prompt it to start a new assistant message instead."
    )


def _check_messages(chat: ChatRequest, model: str, deployment: Deployment) -> None:
    """Refuse a conversation that cannot be put to the model; no image is fetched.

    What is said of the parts of a model that takes images is from vLLM's source.
    """
    if not chat.messages:
        raise RefusedError("Cannot apply chat template to an empty conversation. Provide at least one message.")
    for index, message in enumerate(chat.messages):
        if message.content is None and message.role != "assistant":
            raise null_content(index)
        if not deployment.multimodal and any(part.get("type") != "text" for part in message.parts):
            raise not_multimodal(model)
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
    """Refuse a schema that no grammar can be made of, the answer's or that of a tool which has to be called.

    Recorded (response_format_bad_schema) for the answer's; that it is so for a tool's, and the text about a missing
    schema, are assumed.
    """
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
