"""One message of a conversation, as a caller or a file has it: OpenAI's shape, with `images` beside the text."""

import binascii
import json
import re
from base64 import b64decode
from typing import Annotated, Any, Final, Literal, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from alaya_mcp.chat.json_values import Text, json_list
from alaya_mcp.chat.request import Role, Turn

_IMAGE_BYTES: Final = 8 * 2**20
"""Size limit of one image passed as data, encoded."""
_URL_LENGTH: Final = 4_096
_MOST_IMAGES: Final = 16
_DATA_IMAGE = re.compile(r"data:image/[a-zA-Z0-9.+-]{1,40};base64,", re.IGNORECASE)
_WEB_IMAGE = re.compile(r"https://[^\s\x00-\x1f\x7f]+", re.IGNORECASE)
_OPTIONAL: Final = ("images", "tool_calls", "tool_call_id")


def _checked_image(image: str) -> str:
    if data := _DATA_IMAGE.match(image):
        if len(image) > _IMAGE_BYTES:
            raise ValueError(f"is larger than {_IMAGE_BYTES // 2**20} MiB; scale it down, or pass its https address")
        try:
            b64decode(image[data.end() :], validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("is a data URI whose base64 is broken") from None
        return image
    if len(image) > _URL_LENGTH or not _WEB_IMAGE.fullmatch(image):
        raise ValueError("must be an https:// address or a data:image/...;base64,... URI")
    return image


def _as_list(value: Any) -> Any:  # noqa: ANN401 any JSON value may come
    """Return a list of images; a bare string is one."""
    parsed = json_list(value)
    return [parsed] if isinstance(parsed, str) else parsed


def _as_text(value: Any) -> Any:  # noqa: ANN401 any JSON value may come
    """Return arguments as JSON text, as OpenAI has them; some hosts send the object."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value


def _without_parts(fields: dict[str, Any]) -> dict[str, Any]:
    """Return a message with OpenAI's content parts split into `content` and `images`."""
    content, given = fields.get("content"), _as_list(fields.get("images") or [])
    if not (isinstance(content, list) and content and isinstance(given, list)):
        return fields
    texts: list[str] = []
    images = [*cast("list[Any]", given)]
    for part in cast("list[Any]", content):
        match part:
            case {"type": "text", "text": str(text)}:
                texts.append(text)
            case {"type": "image_url", "image_url": {"url": str(url)}} | {"type": "image_url", "image_url": str(url)}:
                images.append(url)
            case _:
                return fields
    return {**fields, "content": "".join(texts), "images": images}


class CalledFunction(BaseModel):
    """The function that an assistant called."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Text = Field(min_length=1, description="Function")
    arguments: Annotated[Text, BeforeValidator(_as_text)] = Field(description="JSON text")


def _without_index(value: Any) -> Any:  # noqa: ANN401 any JSON value may come
    """Return a call without the index of OpenAI's streamed calls."""
    if not isinstance(value, dict):
        return value
    return {name: part for name, part in cast("dict[str, Any]", value).items() if name != "index"}


class Call(BaseModel):
    """A tool call of an earlier result."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    _take = model_validator(mode="before")(_without_index)

    id: Text = Field(min_length=1, description="Its id")
    type: Literal["function"] = Field("function", description="Always function")
    function: CalledFunction = Field(description="The called function")


def _as_given(schema: dict[str, Any]) -> None:
    """Shorten the schema of calls: agents pass them back unchanged."""
    schema["items"] = {"type": "object"}


class Message(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Role = Field(description="Who speaks")
    content: Text = Field(description="Text")
    images: Annotated[list[Annotated[Text, AfterValidator(_checked_image)]], BeforeValidator(_as_list)] = Field(
        [], max_length=_MOST_IMAGES, description="At most 16 https or data URIs"
    )
    tool_calls: Annotated[list[Call], BeforeValidator(json_list)] = Field(
        [], description="An assistant's, as returned in a result", json_schema_extra=_as_given
    )
    tool_call_id: Text = Field("", description="With role tool: the call that content answers")

    @model_validator(mode="before")
    @classmethod
    def _without_empty_optionals(cls, value: Any) -> Any:  # noqa: ANN401 any JSON value may come
        if not isinstance(value, dict):
            return value
        fields = _without_parts(cast("dict[str, Any]", value))
        given = {name: part for name, part in fields.items() if name not in _OPTIONAL or part not in (None, "", [])}
        if given.get("content") is None and (given.get("tool_calls") or given.get("images")):
            given["content"] = ""
        return given

    @model_validator(mode="after")
    def _belongs_together(self) -> "Message":
        if self.tool_calls and self.role != "assistant":
            raise ValueError("only an assistant's message has tool_calls")
        if self.role == "tool" and not self.tool_call_id:
            raise ValueError("role tool needs tool_call_id, the id of the call that it answers")
        if self.role != "tool" and self.tool_call_id:
            raise ValueError("tool_call_id goes with role tool only")
        if self.images and self.role in {"assistant", "system"}:
            raise ValueError("images go with a user's message")
        if sum(map(len, self.images)) > 2 * _IMAGE_BYTES:
            raise ValueError(f"its images are larger than {2 * _IMAGE_BYTES // 2**20} MiB together")
        return self

    def turn(self) -> Turn:
        """Return the message as a chat's turn."""
        return Turn(
            self.role,
            self.content,
            images=tuple(self.images),
            tool_calls=tuple(call.model_dump() for call in self.tool_calls),
            tool_call_id=self.tool_call_id or None,
        )
