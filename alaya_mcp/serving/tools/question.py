"""The arguments of a tool that asks a model: the question, the sampling options and the schema of the reply."""

from typing import Annotated, Any, cast

from pydantic import AfterValidator, BeforeValidator, Field

from alaya_mcp.chat.json_values import JsonObject, Text, json_list, within
from alaya_mcp.chat.messages import Message
from alaya_mcp.chat.request import Sampling, Turn
from alaya_mcp.chat.structured import SCHEMA_BYTES
from alaya_mcp.errors import InvalidArguments
from alaya_mcp.serving.tools.tool import Arguments, DeploymentArguments


def _stop_list(value: Any) -> Any:  # noqa: ANN401 any JSON value may come
    """Return a list of stop strings: a bare string is one, unless it is the JSON text of a list of strings."""
    parsed = json_list(value)
    if not isinstance(parsed, list):
        return [value] if isinstance(value, str) else value
    items = cast("list[Any]", parsed)
    if isinstance(value, str) and not all(isinstance(item, str) for item in items):
        return [value]
    return [item for item in items if item != ""]


def _checked_schema(schema: dict[str, Any]) -> dict[str, Any]:
    return within(schema, SCHEMA_BYTES)


ResponseSchema = Annotated[
    JsonObject,
    AfterValidator(_checked_schema),
    Field(description="JSON Schema for the reply, which is then also returned as parsed"),
]
TimeoutSeconds = Annotated[
    float | None,
    Field(ge=1, le=3600, description="1 to 3600, of the whole call; default 50, since many hosts give up at 60"),
]


class QuestionArguments(DeploymentArguments):
    """The deployment, and what it is asked."""

    prompt: Text = Field("", description="Your message. Pass one of prompt, messages")
    messages: Annotated[list[Message], BeforeValidator(json_list)] = Field(
        [], description="A whole conversation instead of prompt, oldest first"
    )
    system: Text = Field("", description="System message")

    def turns(self) -> tuple[Turn, ...]:
        """Return the conversation.

        Raises:
            InvalidArguments: contradictory arguments.
        """
        if bool(self.prompt) == bool(self.messages):
            raise InvalidArguments("prompt_and_messages" if self.prompt else "prompt_missing")
        turns = [message.turn() for message in self.messages] or [Turn("user", self.prompt)]
        if self.system:
            if any(turn.role == "system" for turn in turns):
                raise InvalidArguments("system_given_twice")
            turns.insert(0, Turn("system", self.system))
        return tuple(turns)


class SamplingArguments(Arguments):
    """The sampling options."""

    temperature: float | None = Field(None, ge=0, le=2, description="0 to 2")
    top_p: float | None = Field(None, gt=0, le=1, description="Above 0, to 1")
    max_tokens: int | None = Field(None, ge=1, description="At least 1; thinking counts")
    seed: int | None = Field(None, description="For repeatable sampling")
    stop: Annotated[list[Text], BeforeValidator(_stop_list)] = Field(
        [], max_length=4, description="At most 4 strings that end the reply"
    )

    def sampling(self) -> Sampling:
        """Return them."""
        return Sampling(self.temperature, self.top_p, self.max_tokens, self.seed, tuple(self.stop))
