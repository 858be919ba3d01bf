"""A chat request: the fields that the sandbox acts on, and what they mean together."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, JsonValue


class StreamOptions(BaseModel):
    """The `stream_options` of a chat request."""

    include_usage: bool | None = False
    continuous_usage_stats: bool | None = False


class Message(BaseModel):
    """One message of a chat request. Any role is taken (recorded: bad_role)."""

    role: str
    content: str | list[dict[str, JsonValue]] | None = None
    tool_calls: list[JsonValue] | None = None

    @property
    def parts(self) -> list[dict[str, JsonValue]]:
        """Return the content as parts, whichever way it was written."""
        return [{"type": "text", "text": self.content}] if isinstance(self.content, str) else self.content or []

    @property
    def text(self) -> str:
        """Return the text parts joined by line breaks."""
        return "\n".join(str(part.get("text", "")) for part in self.parts if part.get("type") == "text")

    @property
    def images(self) -> list[str]:
        """Return the URLs of the image parts, the empty string for a part without one."""
        images = [part.get("image_url") for part in self.parts if part.get("type") == "image_url"]
        urls = [image.get("url") if isinstance(image, dict) else image for image in images]
        return [url if isinstance(url, str) else "" for url in urls]


class Function(BaseModel):
    """A function that the model may call; `parameters` is a JSON Schema."""

    name: str
    description: str | None = None
    parameters: dict[str, JsonValue] | None = None


class Tool(BaseModel):
    """One of the `tools` of a chat request."""

    type: Literal["function"] = "function"
    function: Function


class JsonSchema(BaseModel):
    """The `json_schema` of a response format; `body` is the schema itself."""

    name: str
    body: dict[str, JsonValue] | None = Field(default=None, alias="schema")


class ResponseFormat(BaseModel):
    """The `response_format` of a chat request."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class ChatRequest(BaseModel):
    """The fields of a chat request that the sandbox acts on; others are ignored (recorded: unknown_field)."""

    messages: list[Message]
    model: str | None = None
    lora_path: JsonValue = None
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    n: int | None = None
    seed: Annotated[int | None, Field(ge=-(2**63), le=2**63 - 1)] = None
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    tools: list[Tool] | None = None
    tool_choice: JsonValue = None
    parallel_tool_calls: bool | None = True
    response_format: ResponseFormat | None = None
    add_generation_prompt: bool = True
    continue_final_message: bool = False
    chat_template_kwargs: dict[str, JsonValue] | None = None

    @property
    def token_limit(self) -> int | None:
        """Return the wanted limit; `max_completion_tokens` goes before `max_tokens` (recorded)."""
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    @property
    def stops(self) -> list[str]:
        """Return the stop strings as a list."""
        return [self.stop] if isinstance(self.stop, str) else self.stop or []

    @property
    def named_tool(self) -> JsonValue:
        """Return the name in a `tool_choice` that names a function, None for any other choice."""
        function = self.tool_choice.get("function") if isinstance(self.tool_choice, dict) else None
        return function.get("name") if isinstance(function, dict) else None

    @property
    def wants_json(self) -> bool:
        """Return whether the answer has to be JSON."""
        return self.response_format is not None and self.response_format.type != "text"

    @property
    def schema_wanted(self) -> dict[str, JsonValue] | None:
        """Return the JSON Schema that the answer has to follow, if there is one."""
        wanted = self.response_format
        return wanted.json_schema.body if wanted and wanted.type == "json_schema" and wanted.json_schema else None

    @property
    def begun(self) -> str | None:
        """Return the text that the answer goes on from; None for one that starts from nothing."""
        last = self.messages[-1] if self.messages else None
        return last.text if last and last.role == "assistant" and self.continue_final_message else None

    @property
    def answered(self) -> list[Message]:
        """Return the messages that the answer is to, without the one it goes on from."""
        return self.messages if self.begun is None else self.messages[:-1]
