"""What an engine refuses of tools, schemas, continuations and images, in the engine's own words.

The texts are vLLM 0.32.0's as recorded, unless a docstring says assumed or names a source.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import TYPE_CHECKING

from alaya_mcp.sandbox.refusals import RefusedError, refused_parameter
from alaya_mcp.sandbox.schema_answers import invalid_type

if TYPE_CHECKING:
    from alaya_mcp.sandbox.chat_request import ChatRequest
    from alaya_mcp.sandbox.deployments import Deployment


def refuse_tools(chat: ChatRequest, *, parser: bool) -> None:
    """Refuse tools, as an engine started without a tool parser does; one with a parser takes those that are there.

    That a choice is no choice or names no tool is told in the words of vLLM's source.

    Raises:
        RefusedError: The request lets the model call a tool that cannot be called.
    """
    choice, name = chat.tool_choice, chat.named_tool
    if chat.tools is None or choice == "none":
        return
    if choice not in (None, "auto", "required") and not isinstance(choice, dict):
        raise refused_parameter(
            f'Invalid value for `tool_choice`: {choice}! Only named tools, "none", "auto" or "required" are supported.',
            "tool_choice",
        )
    if isinstance(choice, dict) and name not in [tool.function.name for tool in chat.tools]:
        raise refused_parameter(
            "The tool specified in `tool_choice` does not match any of the specified `tools`", "tool_choice"
        )
    if parser:
        return
    if choice in (None, "auto"):
        raise RefusedError('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set')
    if isinstance(choice, dict):
        raise RefusedError(f'tool_choice=function "{name}" requires --tool-call-parser to be set')
    raise RefusedError(f'tool_choice="{choice}" requires --tool-call-parser to be set')


def refuse_format(chat: ChatRequest) -> None:
    """Refuse a schema that no grammar can be made of, the answer's or that of a tool which has to be called.

    Recorded (response_format_bad_schema) for the answer's; that it is so for a tool's, and the text about a missing
    schema, are assumed.

    Raises:
        RefusedError: It names a type that JSON Schema does not have, or is missing.
    """
    wanted = chat.response_format
    if wanted and wanted.type == "json_schema" and chat.schema_wanted is None:
        raise RefusedError("response_format.json_schema.schema must be set when response_format.type is json_schema")
    forced = chat.tool_choice == "required" or chat.named_tool is not None
    schemas = [tool.function.parameters for tool in chat.tools or []] if forced else []
    for schema in (chat.schema_wanted, *schemas):
        if (name := invalid_type(schema)) is not None:
            raise RefusedError(f"Grammar error: Invalid type: {name}")


def refuse_continuation(chat: ChatRequest, deployment: Deployment) -> None:
    """Refuse to go on from a message and to begin one at a time; SGLang does not look at the latter (its source).

    The words are those of vLLM's source, and those of the transformers library, which sees the default.

    Raises:
        RefusedError: Both are wanted.
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


def refuse_images(chat: ChatRequest) -> None:
    """Refuse what a model with sight does not take, in the words of vLLM's source. Nothing is fetched.

    Raises:
        RefusedError: A part is neither text nor image, or an image is neither a web address nor base64 data.
    """
    for message in chat.messages:
        for part in message.parts:
            if (kind := part.get("type")) not in ("text", "image_url"):
                raise RefusedError(f"Unknown part type: {kind}")
        for url in message.images:
            _refuse_image(url)


def _refuse_image(url: str) -> None:
    scheme, _, rest = url.partition(":")
    if scheme in ("http", "https"):
        return
    if scheme != "data":
        raise RefusedError("The URL must be either a HTTP, data or file URL.")
    kind, _, data = rest.partition(",")
    if not kind.endswith(";base64"):
        raise RefusedError("Only base64 data URLs are supported for now.")
    try:
        b64decode(data, validate=True)
    except binascii.Error as error:
        raise RefusedError(str(error)) from None
