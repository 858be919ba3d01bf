"""What a chat amounts to: a result, a truncated result, or an error. Pure."""

from dataclasses import dataclass

from alaya_mcp.chat.answer import AnswerDecoder, Ending
from alaya_mcp.chat.model_choice import Choice
from alaya_mcp.chat.reply import EngineError, Reply
from alaya_mcp.chat.request import Turn
from alaya_mcp.deployment.names import served_by_surprise
from alaya_mcp.deployment.wire import EnvelopeFailure, WrongShape
from alaya_mcp.errors import AlayaError, UpstreamUnavailable
from alaya_mcp.results import ChatResult, ConversationMessage, Timing, TruncatedReason
from alaya_mcp.upstream.explain import (
    Subject,
    explain,
    explain_envelope,
    explain_status,
    stalled,
    timed_out,
    unexpected,
)
from alaya_mcp.upstream.failures import Failure
from alaya_mcp.upstream.words import quoted

_OK = 200
_AGAIN = "Call get_deployment to see its state, then ask again."


@dataclass(slots=True)
class Timestamps:
    """Moments of one exchange on the event loop's clock."""

    sent: float = 0.0
    first_token: float | None = None
    ended: float = 0.0


@dataclass(slots=True)
class Exchange:
    """One chat request that was answered.

    Attributes:
        subject: For errors and quotations.
        choice: The model asked.
        decoder: What came.
        ending: How it ended.
        times: When.
        warnings: Doubts from before the answer.
    """

    subject: Subject
    choice: Choice
    decoder: AnswerDecoder
    ending: Ending
    times: Timestamps
    warnings: list[str]


@dataclass(frozen=True, slots=True)
class Limits:
    """What cuts an answer, in seconds."""

    budget: float
    idle: float


def chat_result(exchange: Exchange, limits: Limits, conversation: tuple[Turn, ...] | None) -> ChatResult:
    """The result of an answer that has begun; with the conversation to send next, where one is given.

    Raises:
        AlayaError: nothing of a reply came.
    """
    subject, reply, model = exchange.subject, exchange.decoder.reply, exchange.choice.model
    if not reply.begun and reply.finish_reason in {None, "abort"}:
        raise _nothing_came(exchange, limits)
    reason = _truncated_reason(reply, exchange.ending)
    surprise = served_by_surprise(model, reply.served_by, exchange.choice.names)
    content = reply.content
    return ChatResult(
        service_id=subject.service_id,
        model=model.asked,
        served_by=reply.served_by,
        content=content,
        reasoning=reply.reasoning or None,
        finish_reason=reply.finish_reason,
        truncated=reason is not None,
        truncated_reason=reason,
        usage=reply.usage,
        timing=_timing(reply, exchange.times),
        warnings=[
            *exchange.warnings,
            *([surprise] if surprise else []),
            *_remarks(exchange.decoder, reason),
            *_cut_remarks(exchange.ending, reason, subject, limits),
        ],
        messages=None if conversation is None else _continued(conversation, content),
    )


def _nothing_came(exchange: Exchange, limits: Limits) -> AlayaError:
    subject = exchange.subject
    match exchange.ending.cause:
        case EngineError(status=int(status), message=message):
            return explain_status("data", status, message, subject)
        case EngineError(message=message):
            return UpstreamUnavailable(
                f"The deployment's engine reported an error before any text.{quoted(message, subject.secrets)}",
                next_step="Call again later. Call get_deployment to see the deployment's state.",
                plane="data",
                http_status=_OK,
            )
        case EnvelopeFailure(message=message):
            return explain_envelope("data", message, subject)
        case WrongShape() as wrong:
            return unexpected("data", str(wrong), _OK)
        case Failure() as failure:
            return explain(failure, subject)
        case _:
            pass
    match exchange.ending.cut:
        case "deadline":
            return timed_out("data", limits.budget)
        case "idle":
            return stalled(limits.idle)
        case "size_cap":
            return unexpected("data", "an event or a body larger than this server reads", _OK)
        case _ if exchange.decoder.unreadable:
            return unexpected("data", "a stream of events that are not JSON", _OK)
        case _:
            return UpstreamUnavailable(
                "The deployment's engine ended its answer before any text.",
                next_step="Call again. Call get_deployment to see the deployment's state.",
                plane="data",
                http_status=_OK,
            )


def _truncated_reason(reply: Reply, ending: Ending) -> TruncatedReason | None:
    if ending.cut is not None:
        return ending.cut
    match reply.finish_reason:
        case "length":
            return "max_tokens"
        case "abort":  # SGLang's word for a generation that was given up (its source)
            return "upstream_error"
        case _:
            return None


def _timing(reply: Reply, times: Timestamps) -> Timing:
    total = max(times.ended - times.sent, 1e-6)
    tokens = reply.usage.completion_tokens if reply.usage else None
    return Timing(
        first_token_seconds=None if times.first_token is None else round(times.first_token - times.sent, 3),
        total_seconds=round(total, 3),
        tokens_per_second=None if not tokens else round(tokens / total, 1),
    )


def _remarks(decoder: AnswerDecoder, reason: TruncatedReason | None) -> list[str]:
    """What is odd about the reply itself."""
    reply = decoder.reply
    remarks: list[str] = []
    if not reply.content and reply.reasoning:
        remarks.append(
            "All of it went into thinking and no reply came: pass a larger max_tokens."
            if reason == "max_tokens"
            else "Only thinking arrived, no reply."
        )
    elif not reply.begun:
        remarks.append("The model ended its reply without any text.")
    if reply.called_tools:
        remarks.append("The engine asked for a tool call, which this tool does not pass on.")
    if decoder.unreadable:
        remarks.append(f"{decoder.unreadable} event(s) of the stream could not be read; text may be missing.")
    return remarks


def _cut_remarks(ending: Ending, reason: TruncatedReason | None, subject: Subject, limits: Limits) -> list[str]:
    """Why the reply is incomplete, and what would bring more."""
    match reason:
        case None:
            return []
        case "max_tokens":
            why = "The reply ends at max_tokens or at the end of the context; pass a larger max_tokens for more."
        case "deadline":
            why = f"The reply was cut at the deadline of {limits.budget:g} s; pass a larger timeout_seconds for more."
        case "idle":
            why = f"The reply was cut: the engine was silent for {limits.idle:g} s. {_AGAIN}"
        case "stream_cut":
            why = f"The reply was cut: the connection to the engine ended before the answer did. {_AGAIN}"
        case "size_cap":
            why = "The reply was cut: it is larger than this server reads."
        case "upstream_error":
            words = ending.cause.message if isinstance(ending.cause, EngineError | EnvelopeFailure) else None
            why = f"The reply was cut by an error of the engine.{quoted(words, subject.secrets)} {_AGAIN}"
    return [why]


def _continued(conversation: tuple[Turn, ...], content: str) -> list[ConversationMessage]:
    turns = [*conversation, Turn("assistant", content)] if content else list(conversation)
    return [ConversationMessage(role=turn.role, content=turn.content) for turn in turns]
