"""chat_with_deployment: one chat with a deployed model, or one of its adapters."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Final, cast

from pydantic import AfterValidator, BeforeValidator, Field

from alaya_mcp.accounts import Account
from alaya_mcp.chat.json_values import JsonObject, Text, json_list, within
from alaya_mcp.chat.reading import Outcome
from alaya_mcp.chat.remark import Remark
from alaya_mcp.chat.request import TOOL_CHOICES, ChatRequest, Features, Thinking, Turn
from alaya_mcp.deadline import Deadline
from alaya_mcp.errors import InvalidArguments
from alaya_mcp.progress import ProgressNotes
from alaya_mcp.results import ChatResult
from alaya_mcp.serving.caller import Caller
from alaya_mcp.serving.reply_warnings import warning
from alaya_mcp.serving.tools.question import QuestionArguments, ResponseSchema, SamplingArguments, TimeoutSeconds
from alaya_mcp.serving.tools.text import chat_text
from alaya_mcp.serving.tools.tool import Answer, Tool

_EXTRA_BYTES: Final = 64 * 2**10
_TOOLS_BYTES: Final = 256 * 2**10
_MOST_TOOLS: Final = 128
"""OpenAI's limit."""

_OWN_KEYS: Final = {
    "messages": "messages",
    "model": "model",
    "lora_path": "model",
    "temperature": "temperature",
    "top_p": "top_p",
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "seed": "seed",
    "stop": "stop",
    "tools": "tools",
    "tool_choice": "tool_choice",
    "response_format": "response_schema",
    "continue_final_message": "continue_reply",
    "add_generation_prompt": "continue_reply",
    "guided_json": "response_schema",
    "json_schema": "response_schema",
    "prompt": "prompt",
    "functions": "tools",
    "function_call": "tool_choice",
}
"""Fields of an engine's request that this tool has arguments for."""
_NOT_RETURNED: Final = (
    "logprobs",
    "top_logprobs",
    "prompt_logprobs",
    "return_token_ids",
    "return_hidden_states",
    "return_routed_experts",
    "modalities",
    "audio",
)
"""Fields whose output this tool does not return."""
_READ_ON: Final = frozenset({"read_on", "service_id", "model", "timeout_seconds"})
"""Arguments that a call with read_on may have."""
_THINKING_SWITCHES: Final = ("enable_thinking", "thinking")


def _checked_tools(tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    within(tools, _TOOLS_BYTES)
    names = [_tool_name(tool) for tool in tools]
    if not all(names):
        raise ValueError('each needs the shape {"type": "function", "function": {"name": ..., "parameters": {...}}}')
    if len(set(names)) < len(names):
        raise ValueError("two tools have the same name")
    return [{"type": "function", **tool} for tool in tools]


def _tool_name(tool: dict[str, Any]) -> str | None:
    """Return the name of a function in OpenAI's shape, None for other shapes."""
    inside = tool.get("function")
    if tool.get("type", "function") != "function" or not isinstance(inside, dict):
        return None
    function = cast("dict[str, Any]", inside)
    name = function.get("name")
    is_whole = isinstance(name, str) and isinstance(function.get("parameters", {}), dict)
    return name if is_whole else None


def _checked_extra(extra: dict[str, Any]) -> dict[str, Any]:
    within(extra, _EXTRA_BYTES)
    if several := next((key for key in ("n", "best_of") if key in extra), None):
        raise ValueError(f"{several} is not accepted: one reply is generated and returned")
    if streams := next((key for key in extra if key.lower().startswith("stream")), None):
        raise ValueError(f"{streams} is not accepted: this server sets it")
    if taken := [key for key in extra if key in _OWN_KEYS]:
        named = ", ".join(f"{key} (use the argument {_OWN_KEYS[key]})" for key in taken)
        raise ValueError(f"not accepted here: {named}")
    if dropped := [key for key in _NOT_RETURNED if extra.get(key)]:
        raise ValueError(f"{', '.join(dropped)} is not accepted: its output would not be returned")
    if not isinstance(extra.get("chat_template_kwargs", {}), dict):
        raise ValueError("chat_template_kwargs: must be an object")  # noqa: TRY004 pydantic takes a ValueError only
    return extra


class _ModelArguments(QuestionArguments):
    """The question and the model. A class, since fields of bases come first in a schema."""

    prompt: Text = Field("", description="Your message. Pass one of prompt, messages, read_on")
    model: Text = Field(
        "",
        description="A name from get_deployment's models or list_lora_models. Default: the base model",
    )


class ChatArguments(SamplingArguments, _ModelArguments):
    """The deployment, the messages and the options of a chat."""

    thinking: Thinking = Field("auto", description="Whether a model that can think first does so")
    response_schema: ResponseSchema = Field({})
    tools: Annotated[list[dict[str, Any]], BeforeValidator(json_list), AfterValidator(_checked_tools)] = Field(
        [],
        max_length=_MOST_TOOLS,
        description="OpenAI function tools, at most 128; calls are returned as tool_calls",
    )
    tool_choice: Text = Field("", description="auto, none, required or a tool's name")
    continue_reply: bool = Field(default=False, description="Continue the last message, a truncated assistant's")
    extra_body: Annotated[JsonObject, AfterValidator(_checked_extra)] = Field(
        {}, description="Further fields for the engine, e.g. top_k, min_p"
    )
    wait_seconds: float = Field(
        0, ge=0, le=3600, description="0 to 3600, within timeout_seconds: wait for a deployment that is loading"
    )
    timeout_seconds: TimeoutSeconds = Field(None)
    return_messages: bool = Field(default=False, description="Also return the conversation to send next time")
    background: bool = Field(
        default=False, description="Return with read_on once the request is sent, while the reply is written"
    )
    read_on: Text = Field(
        "", description="An earlier result's read_on, alone: waits for the next part of that reply, generates nothing"
    )

    def chat(self, budget: float) -> ChatRequest:
        """Return the chat request; `budget` is the whole call's time in seconds.

        Raises:
            InvalidArguments: contradictory arguments.
        """
        if self.wait_seconds > budget:
            raise InvalidArguments("wait_over_budget", asked=f"{self.wait_seconds:g}", limit=f"{budget:g}")
        return ChatRequest(
            turns=self.turns(),
            sampling=self.sampling(),
            features=self._features(),
            model=self.model or None,
            wait_seconds=self.wait_seconds,
            return_messages=self.return_messages,
        )

    def turns(self) -> tuple[Turn, ...]:
        """Return the conversation; its last message can be continued if that is asked for."""
        turns = super().turns()
        last = turns[-1]
        if self.continue_reply and (last.role != "assistant" or not last.content or last.tool_calls):
            raise InvalidArguments("nothing_to_continue")
        return turns

    def _features(self) -> Features:
        names = [str(_tool_name(tool)) for tool in self.tools]
        if self.tool_choice and self.tool_choice not in (*TOOL_CHOICES, *names):
            raise InvalidArguments("tool_choice_unknown", known=tuple(names))
        if self.tool_choice not in ("", "none") and not self.tools:
            raise InvalidArguments("tool_choice_without_tools")
        switches = cast("dict[str, Any]", self.extra_body.get("chat_template_kwargs", {}))
        if self.thinking != "auto" and any(switch in switches for switch in _THINKING_SWITCHES):
            raise InvalidArguments("thinking_given_twice")
        return Features(
            thinking=self.thinking,
            response_schema=self.response_schema or None,
            tools=tuple(self.tools),
            tool_choice=self.tool_choice if self.tools and self.tool_choice else None,
            continues=self.continue_reply,
            extra=self.extra_body,
        )


async def _run(account: Account, arguments: ChatArguments, caller: Caller) -> Answer:
    settings = account.settings
    reply_bytes = caller.reply_bytes(settings)
    budget = arguments.timeout_seconds or settings.timeout_seconds
    deadline = Deadline.after(budget)
    interval = settings.progress_interval_ms / 1000
    if arguments.read_on:
        if arguments.prompt or arguments.messages:
            raise InvalidArguments("read_on_with_question")
        notes = ProgressNotes(caller.notify, interval, "reading on")
        reading = partial(account.chats.read_on, arguments.read_on, deadline, notes, reply_bytes)
        outcome = await _told(account, notes, reading)
        if ignored := sorted(arguments.model_fields_set - _READ_ON):
            about = Remark("ignored_with_read_on", name=", ".join(ignored))
            outcome = replace(outcome, remarks=(*outcome.remarks, about))
        return _answer(outcome)
    if arguments.background and not settings.generation_seconds:
        raise InvalidArguments("background_unavailable")
    request = replace(
        arguments.chat(budget),
        reply_bytes=reply_bytes,
        outlives=settings.generation_seconds > 0,
        background=arguments.background,
    )
    notes = ProgressNotes(caller.notify, interval)

    async def work() -> Outcome:
        named, until = await arguments.reference(account, caller, deadline, notes)
        return await account.chats.run(named, request, until, notes)

    return _answer(await _told(account, notes, work))


async def _told(account: Account, notes: ProgressNotes, work: Callable[[], Awaitable[Outcome]]) -> Outcome:
    """Do the work while its progress is told; if the call is cancelled while the last of it is, stop the reply."""
    done: list[Outcome] = []

    async def working() -> Outcome:
        done.append(await work())
        return done[0]

    try:
        return await notes.during(working)
    except BaseException:
        if done and done[0].result.read_on:
            account.chats.give_up(done[0].result.read_on)
        raise


def _answer(outcome: Outcome) -> Answer:
    warnings = [warning(remark) for remark in outcome.remarks]
    result = outcome.result.model_copy(update={"warnings": warnings}) if warnings else outcome.result
    return Answer.of(result, chat_text(result, is_later=outcome.is_later))


CHAT_WITH_DEPLOYMENT = Tool(
    name="chat_with_deployment",
    title="Chat with deployment",
    description=(
        "Ask a language model deployed on Alaya NeW, or one of its LoRA adapters (pass the adapter's name as model), "
        "and get its reply with finish_reason, token usage and timing. prompt for one question, messages for a "
        "conversation: nothing is remembered between calls. Can wait for a starting deployment, constrain the reply to "
        "a JSON Schema, offer tools, show images, continue a truncated reply. While a result has read_on there is more "
        "of the reply: call again with read_on alone. Costs tokens and sends the text to the deployment; changes "
        "nothing else."
    ),
    arguments=ChatArguments,
    result=ChatResult,
    run=_run,
    idempotent=False,
)
