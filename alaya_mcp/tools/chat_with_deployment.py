"""chat_with_deployment: one question to a deployed model, or to one of its adapters."""

import json
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from alaya_mcp.chat.conversation import ChatRequest
from alaya_mcp.chat.request import Role, Sampling, Turn
from alaya_mcp.deadline import Deadline
from alaya_mcp.errors import InvalidArguments
from alaya_mcp.progress import Notify, ProgressNotes
from alaya_mcp.results import ChatResult
from alaya_mcp.tools.text import chat_text
from alaya_mcp.tools.tool import Arguments, Session, Tool


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("has half of a surrogate pair, which is no text") from None
    return text


Text = Annotated[str, AfterValidator(_encodable)]

_EMPTY_HERE = ("images", "tool_calls", "tool_call_id")


class Message(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Role = Field(description="Who spoke")
    content: Text = Field(description="Text")

    @model_validator(mode="before")
    @classmethod
    def _without_empty_optionals(cls, value: Any) -> Any:  # noqa: ANN401 any JSON value may come
        if not isinstance(value, dict):
            return value
        fields = cast("dict[str, Any]", value)
        return {name: part for name, part in fields.items() if name not in _EMPTY_HERE or part not in (None, "", [])}


def _list_in_text(value: Any) -> Any:  # noqa: ANN401 any JSON value may come
    """Some hosts send a list as its JSON text (docs/decisions/schemas.md)."""
    if isinstance(value, str):
        try:
            parsed = json.loads(value)
        except (ValueError, RecursionError):
            return value
        return cast("list[Any]", parsed) if isinstance(parsed, list) else value
    return value


def _stop_list(value: Any) -> Any:  # noqa: ANN401 any JSON value may come
    """A bare string is one stop string, unless it is the JSON text of a list of strings."""
    parsed = _list_in_text(value)
    if not isinstance(parsed, list):
        return [value] if isinstance(value, str) else value
    items = cast("list[Any]", parsed)
    if isinstance(value, str) and not all(isinstance(item, str) for item in items):
        return [value]
    return [item for item in items if item != ""]


class ChatArguments(Arguments):
    """What to ask, whom, and how."""

    prompt: Text = Field("", description="Your message. Give either prompt or messages.")
    messages: Annotated[list[Message], BeforeValidator(_list_in_text)] = Field(
        [], description="A whole conversation instead of prompt, oldest turn first."
    )
    system: Text = Field("", description="System message, put before the conversation.")
    model: Text = Field(
        "",
        description="A name from get_deployment's models, for a LoRA from list_lora_models. Default: the base model.",
    )
    temperature: float | None = Field(None, ge=0, le=2, description="Sampling temperature")
    top_p: float | None = Field(None, gt=0, le=1, description="Nucleus sampling")
    max_tokens: int | None = Field(None, ge=1, description="Most tokens to generate, thinking included")
    seed: int | None = Field(None, description="For repeatable sampling")
    stop: Annotated[list[Text], BeforeValidator(_stop_list)] = Field(
        [], max_length=4, description="Strings that end the reply"
    )
    timeout_seconds: float | None = Field(
        None,
        ge=1,
        le=3600,
        description="Budget of the whole call. Default 50, since many hosts give up at 60.",
    )
    return_messages: bool = Field(
        default=False, description="Also return the conversation, to send as messages next time."
    )

    def turns(self) -> tuple[Turn, ...]:
        """The conversation.

        Raises:
            InvalidArguments: not exactly one of prompt and messages, or two system messages.
        """
        if bool(self.prompt) == bool(self.messages):
            raise InvalidArguments(
                "Both prompt and messages were given." if self.prompt else "Neither prompt nor messages was given.",
                next_step="Give a single message as prompt, or a whole conversation as messages.",
            )
        turns = [Turn(message.role, message.content) for message in self.messages] or [Turn("user", self.prompt)]
        if self.system:
            if any(turn.role == "system" for turn in turns):
                raise InvalidArguments(
                    "system was given, and messages has a system message too.",
                    next_step="Give the system message in one of the two places.",
                )
            turns.insert(0, Turn("system", self.system))
        return tuple(turns)


async def _run(session: Session, arguments: ChatArguments, notify: Notify) -> ChatResult:
    request = ChatRequest(
        service_id=session.service_id(arguments.service_id),
        turns=arguments.turns(),
        sampling=Sampling(
            temperature=arguments.temperature,
            top_p=arguments.top_p,
            max_tokens=arguments.max_tokens,
            seed=arguments.seed,
            stop=tuple(arguments.stop),
        ),
        model=arguments.model or None,
        return_messages=arguments.return_messages,
    )
    deadline = Deadline.after(arguments.timeout_seconds or session.settings.timeout_seconds)
    notes = ProgressNotes(notify, session.settings.progress_interval_ms / 1000)
    return await notes.during(lambda: session.chats.run(request, deadline, notes))


CHAT_WITH_DEPLOYMENT = Tool(
    name="chat_with_deployment",
    title="Chat with deployment",
    description=(
        "Ask a model deployed on Alaya NeW and get its reply, with finish_reason, token usage and timing. "
        "Pass prompt for one question, or messages for a conversation; nothing is remembered between calls "
        "(return_messages helps). Pass a LoRA's name as model to be answered by that adapter. "
        "A reply cut short is returned as far as it came, with truncated and the reason. "
        "Costs tokens on the account and sends the text to the deployment; changes nothing else."
    ),
    arguments=ChatArguments,
    result=ChatResult,
    run=_run,
    text=chat_text,
    idempotent=False,
)
