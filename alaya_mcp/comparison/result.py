"""The published contract of compare_models' result, which answers files share."""

from typing import Any

from pydantic import Field

from alaya_mcp.results import Kind, ResultModel, Timing, TruncatedReason, Usage


class AnswerError(ResultModel):
    """Why a model has no answer."""

    code: str = Field(description="One of the codes of a tool's errors")
    message: str = Field(description="What happened, whether trying again helps, what to do")
    retryable: bool = Field(description="Whether trying again unchanged can help")


class ComparedAnswer(ResultModel):
    """One model's answer, or why there is none. As in `ChatResult`, `content` comes last."""

    model: str = Field(description="Exact string for chat's model")
    kind: Kind = Field(description="base, or lora for an adapter")
    error: AnswerError | None = Field(default=None, description="Why there is no answer: code, message, retryable")
    differs: bool | None = Field(
        default=None, description="Whether it differs from the base model's; absent where these two cannot be compared"
    )
    served_by: str | None = Field(default=None, description="Model that answered, as the engine reports")
    truncated: bool | None = Field(default=None, description="Whether the reply is incomplete; absent with an error")
    truncated_reason: TruncatedReason | None = Field(default=None, description="Why")
    read_on: str | None = Field(default=None, description="Pass as read_on to chat_with_deployment for the rest")
    finish_reason: str | None = Field(default=None, description="Why the engine stopped; absent when it was cut off")
    usage: Usage | None = Field(default=None, description="Tokens; absent if the engine reports none")
    timing: Timing | None = Field(default=None, description="How long it took; absent with an error")
    warnings: list[str] = Field(description="What to be careful about")
    content: str | None = Field(default=None, description="The reply; absent with an error")
    parsed: Any = Field(default=None, description="The reply as data; only where it follows response_schema")
    valid: bool | None = Field(
        default=None, description="Whether it follows response_schema; absent without one, or where it was not checked"
    )
    reasoning: str | None = Field(default=None, description="The model's thinking, without the reply")


class CompareResult(ResultModel):
    """The same question, answered by several models of a deployment."""

    explained = frozenset({"answers"})

    service_id: str = Field(description="Deployment id")
    summary: str = Field(description="Who answered, who was fastest, who differs from the base model")
    warnings: list[str] = Field(description="What to be careful about")
    answers: list[ComparedAnswer] = Field(
        description="One per model: model, kind, error or content, differs, truncated, read_on, finish_reason, usage, "
        "timing, parsed"
    )
