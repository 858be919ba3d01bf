"""One message, one request or one chat, as a span and measurements."""

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final, Protocol, Self

from opentelemetry.context import attach, detach
from opentelemetry.trace import Span, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from alaya_mcp.clock import now
from alaya_mcp.errors import AlayaError, InternalError
from alaya_mcp.observability import names
from alaya_mcp.observer import OTHER, ChatFacts, ChatWatch, OperationWatch, RequestWatch, Take, Watch
from alaya_mcp.upstream.failures import Failure

Attributes = dict[str, str | int | list[str]]
_MEASURED: Final = 8
"""One in so many pieces of an answer is measured: the SDK takes longer for it than reading a piece does."""
PROPAGATOR: Final = TraceContextTextMapPropagator()


class Record(Protocol):
    """Adds a measurement to a histogram."""

    def __call__(self, name: str, value: float, labels: Mapping[str, Any], /) -> None:
        """Add it."""
        ...


class _Spanned(Watch):
    """Ends a span, which is current while the block runs; an error is its type, without its text or its stack.

    Args:
        span: The span; None: traces are not exported.
    """

    def __init__(self, span: Span | None) -> None:
        self.span = span
        self.error: str | None = None
        self.began = now()

    def __enter__(self) -> Self:
        self._token = attach(set_span_in_context(self.span)) if self.span else None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error and not self.error:
            self.error = self._type_of(error)
        self.measure(now() - self.began)
        if self.span:
            if self.error:
                self.span.set_attribute(names.ERROR, self.error)
                self.span.set_status(StatusCode.ERROR)
            self.span.end()
        if self._token:
            detach(self._token)

    def measure(self, seconds: float) -> None:
        """Record what is known at the end."""

    def labelled(self, labels: Mapping[str, Any]) -> dict[str, Any]:
        """Return labels with the type of the error, if there is one."""
        return {**labels, names.ERROR: self.error} if self.error else dict(labels)

    def stopped(self) -> str:
        """Return why it was cancelled."""
        return "cancelled"

    def _type_of(self, error: BaseException) -> str:
        match error:
            case AlayaError():
                return error.code
            case Failure(status=int(status)):
                return str(status)
            case Failure():
                return error.kind
            case asyncio.CancelledError():
                return self.stopped()
            case _:
                return InternalError.code


class SpannedOperation(_Spanned, OperationWatch):
    """Follows one message of a host."""

    def __init__(self, span: Span | None, labels: Attributes, record: Record) -> None:
        super().__init__(span)
        self._labels = labels
        self._record = record

    def failed(self, code: str, rpc_code: int | None = None) -> None:
        """Keep the code for the end."""
        self.error = code
        if self.span and rpc_code is not None:
            self.span.set_attribute(names.RPC_CODE, str(rpc_code))

    def truncated(self, reason: str) -> None:
        """Record the reason."""
        if self.span:
            self.span.set_attribute(names.TRUNCATED, reason)

    def measure(self, seconds: float) -> None:
        """Record how long it took."""
        self._record("mcp.server.operation.duration", seconds, self.labelled(self._labels))


class SpannedRequest(_Spanned, RequestWatch):
    """Follows one request upstream."""

    def __init__(self, span: Span) -> None:
        super().__init__(span)
        self._span = span
        headers: dict[str, str] = {}
        PROPAGATOR.inject(headers, set_span_in_context(span))
        self.headers = headers

    def answered(self, status: int) -> None:
        """Record the status."""
        self._span.set_attribute(names.HTTP_STATUS, status)


class SpannedChat(_Spanned, ChatWatch):
    """Follows one chat."""

    def __init__(self, span: Span | None, labels: Attributes, facts: Callable[[], ChatFacts], record: Record) -> None:
        super().__init__(span)
        self._labels = labels
        self._facts = facts
        self._record = record
        self._pieces = 0
        self._last = 0.0

    def timed(self, take: Take) -> Take:
        """Return a taker of deltas that also measures when they come."""

        def timed_take(delta: Any) -> None:  # noqa: ANN401 whatever is taken
            if any(delta):  # else it has no text, no thinking and no tool call
                moment = now()
                if self._pieces == 0:
                    waited = moment - self._facts().sent
                    self._record("gen_ai.client.operation.time_to_first_chunk", waited, self._labels)
                elif self._pieces % _MEASURED == 1:
                    self._record("gen_ai.client.operation.time_per_output_chunk", moment - self._last, self._labels)
                self._pieces += 1
                self._last = moment
            take(delta)

        return timed_take

    def ended(self, cut: str | None) -> None:
        """Keep what truncated the answer for the end."""
        self.error = cut

    def stopped(self) -> str:
        """Return why the generation was stopped."""
        return self._facts().stopped

    def measure(self, seconds: float) -> None:
        """Record how long it took, the tokens, and why the engine stopped."""
        facts = self._facts()
        usage = facts.usage
        counted = {"input": usage.prompt_tokens, "output": usage.completion_tokens} if usage else {}
        for which, tokens in counted.items():
            if tokens is not None:
                self._record("gen_ai.client.token.usage", tokens, {**self._labels, names.TOKEN_TYPE: which})
                if self.span:
                    self.span.set_attribute(f"gen_ai.usage.{which}_tokens", tokens)
        self._record("gen_ai.client.operation.duration", seconds, self.labelled(self._labels))
        if self.span and facts.finish_reason:
            reason = facts.finish_reason.casefold()
            self.span.set_attribute(names.FINISH_REASONS, [reason if reason in names.FINISHES else OTHER])
