"""The body of one chat request. Pure."""

from dataclasses import dataclass, field
from typing import Any, Final, Literal

Role = Literal["system", "user", "assistant", "tool"]
Thinking = Literal["auto", "on", "off"]

TOOL_CHOICES: Final = ("auto", "none", "required")
"""Anything else is a tool's name."""

SCHEMA_NAME: Final = "reply"


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of the conversation.

    Attributes:
        images: https or data URIs, sent as content parts.
        tool_calls: An assistant's calls, in OpenAI's shape.
        tool_call_id: The call that a tool's message answers.
    """

    role: Role
    content: str
    images: tuple[str, ...] = ()
    tool_calls: tuple[dict[str, Any], ...] = ()
    tool_call_id: str | None = None

    def wire(self) -> dict[str, Any]:
        """Return it in OpenAI's shape; an assistant that only calls tools has null content (recorded exchanges)."""
        content: str | list[dict[str, Any]] | None = self.content
        if self.images:
            text = [{"type": "text", "text": self.content}] if self.content else []
            content = [*text, *({"type": "image_url", "image_url": {"url": url}} for url in self.images)]
        elif self.tool_calls and not self.content:
            content = None
        message: dict[str, Any] = {"role": self.role, "content": content}
        if self.tool_calls:
            message["tool_calls"] = list(self.tool_calls)
        if self.tool_call_id is not None:
            message["tool_call_id"] = self.tool_call_id
        return message


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling parameters; None is left out of the request, so that the engine's default applies."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()

    def wire(self) -> dict[str, Any]:
        """Return the given parameters, by OpenAI's names."""
        optional = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "seed": self.seed,
            "stop": list(self.stop) or None,
        }
        return {name: value for name, value in optional.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Features:
    """Requested features beyond a plain reply.

    Attributes:
        thinking: Whether a model that can think does so.
        response_schema: The JSON Schema that the reply is to follow.
        tools: Functions that the model may call, in OpenAI's shape.
        tool_choice: One of `TOOL_CHOICES`, a tool's name, or None for the engine's default.
        continues: Whether the last message, an assistant's, is to be continued.
        extra: Further fields for the engine, unchanged.
    """

    thinking: Thinking = "auto"
    response_schema: dict[str, Any] | None = None
    tools: tuple[dict[str, Any], ...] = ()
    tool_choice: str | None = None
    continues: bool = False
    extra: dict[str, Any] = field(default_factory=dict[str, Any])

    def wire(self) -> dict[str, Any]:
        """Return the request's fields for these features."""
        body = dict(self.extra)
        if self.thinking != "auto":
            # The switch's name differs between model families; templates ignore unknown ones.
            switches = {"enable_thinking": self.thinking == "on", "thinking": self.thinking == "on"}
            body["chat_template_kwargs"] = {**body.get("chat_template_kwargs", {}), **switches}
        if self.response_schema is not None:
            schema = {"name": SCHEMA_NAME, "schema": self.response_schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        if self.tools:
            body["tools"] = list(self.tools)
        if self.tool_choice in TOOL_CHOICES:
            body["tool_choice"] = self.tool_choice
        elif self.tool_choice is not None:
            body["tool_choice"] = {"type": "function", "function": {"name": self.tool_choice}}
        if self.continues:
            body |= {"continue_final_message": True, "add_generation_prompt": False}
        return body


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A chat that a caller asks for."""

    turns: tuple[Turn, ...]
    sampling: Sampling = field(default_factory=Sampling)
    features: Features = field(default_factory=Features)
    model: str | None = None
    wait_seconds: float = 0
    return_messages: bool = False
    reply_bytes: int | None = None
    """Bytes of the reply, in UTF-8, that the result shows at most; None for the configured limit."""
    outlives: bool = False
    """Whether the reply may outlive its call; if not, it is cut at the call's deadline."""
    background: bool = False
    """Whether to return once the request is sent."""


def chat_body(
    model: str, turns: tuple[Turn, ...], sampling: Sampling, features: Features, *, streams_usage: bool = False
) -> dict[str, Any]:
    """Return an OpenAI-style streaming request with usage at the end, or in each chunk so that a cut reply has it.

    vLLM refuses `stream_options` without `stream`, and answers a missing model with the base model
    (recorded exchanges), so both are always sent.
    """
    return {
        **features.wire(),
        "model": model,
        "messages": [turn.wire() for turn in turns],
        "stream": True,
        "stream_options": {"include_usage": True} | ({"continuous_usage_stats": True} if streams_usage else {}),
        **sampling.wire(),
    }
