"""One chat from arguments to result: look up, check, choose the name, send, read, say how it ended."""

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from alaya_mcp.chat.answer import AnswerDecoder, read_answer
from alaya_mcp.chat.model_choice import choose_model, loaded_on, unserved
from alaya_mcp.chat.outcome import Exchange, Limits, Timestamps, chat_result
from alaya_mcp.chat.reply import Delta
from alaya_mcp.chat.request import Sampling, Turn, chat_body
from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.readiness import not_ready, readiness
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.errors import AlayaError, DeploymentNotReady, ModelNotServed, UpstreamTimeout
from alaya_mcp.progress import ProgressNotes
from alaya_mcp.results import ChatResult
from alaya_mcp.upstream.client import AlayaClient, Engine
from alaya_mcp.upstream.explain import explain, timed_out
from alaya_mcp.upstream.failures import Failure

_UNAUTHORIZED, _FORBIDDEN, _UNAVAILABLE = 401, 403, 503


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What a caller wants of a deployment."""

    service_id: str
    turns: tuple[Turn, ...]
    sampling: Sampling
    model: str | None = None
    return_messages: bool = False


class Chats:
    """Chats with deployments, so many at a time."""

    def __init__(self, client: AlayaClient, *, max_concurrency: int, idle_seconds: float) -> None:
        self._client = client
        self._places = anyio.Semaphore(max_concurrency)
        self._idle_seconds = idle_seconds

    async def run(self, request: ChatRequest, deadline: Deadline, notes: ProgressNotes) -> ChatResult:
        """The reply, whole or as much of it as came.

        Raises:
            AlayaError: nothing of a reply came; each row of docs/errors.md.
        """
        async with self._place(deadline, notes):
            notes.status("waiting", "looking up the deployment")
            deployment = await self._client.deployment(request.service_id, deadline)
            exchange = await self._exchange(request, deployment, deadline, notes)
        return chat_result(
            exchange,
            Limits(deadline.budget, self._idle_seconds),
            request.turns if request.return_messages else None,
        )

    @asynccontextmanager
    async def _place(self, deadline: Deadline, notes: ProgressNotes) -> AsyncGenerator[None]:
        try:
            self._places.acquire_nowait()
        except anyio.WouldBlock:
            notes.status("queued", "queued in this server: as many chats as ALAYA_MAX_CONCURRENCY allows are running")
            with anyio.CancelScope(deadline=deadline.at) as scope:
                await self._places.acquire()
            if scope.cancelled_caught:
                raise _queued_too_long(deadline) from None
        try:
            if deadline.remaining() == 0:  # a place came free just as the time was over
                raise _queued_too_long(deadline)
            yield
        finally:
            self._places.release()

    async def _exchange(
        self, request: ChatRequest, deployment: Deployment, deadline: Deadline, notes: ProgressNotes
    ) -> Exchange:
        """Ask, and once more where a 401 turns out to be a key that has changed meanwhile."""
        try:
            return await self._ask(request, deployment, deadline, notes)
        except Failure as failure:
            if failure.status != _UNAUTHORIZED:
                raise await self._meaning(failure, request, deployment, deadline) from None
            fresh = await self._fresh(failure, request, deployment, deadline)
            if fresh.api_key == deployment.api_key:
                raise explain(failure, self._client.subject(request.service_id, deployment)) from None
        try:
            return await self._ask(request, fresh, deadline, notes)
        except Failure as failure:
            raise await self._meaning(failure, request, fresh, deadline) from None

    async def _ask(
        self, request: ChatRequest, deployment: Deployment, deadline: Deadline, notes: ProgressNotes
    ) -> Exchange:
        if not readiness(deployment).ready:
            raise not_ready(deployment, request.service_id)
        engine = self._client.engine(deployment, request.service_id)
        choice = await choose_model(request.model, deployment, engine, self._client, deadline)
        loaded, ready = loaded_on(choice.model, deployment)
        decoder = AnswerDecoder()
        times = Timestamps()

        def on_delta(delta: Delta) -> None:
            if decoder.reply.begun and times.first_token is None:
                times.first_token = anyio.current_time()
            if delta.reasoning:
                notes.status("thinking", "the model is thinking")
            notes.write(delta.content)

        notes.status("waiting", "waiting for the first token")
        with anyio.CancelScope(deadline=deadline.at) as opening:
            body = chat_body(choice.model.sent, request.turns, request.sampling)
            async with self._client.chat(engine, body, deadline, partial_adapter=0 < loaded < ready) as (
                response,
                times.sent,
            ):
                opening.deadline = math.inf  # from here on `read_answer` keeps the deadline, and what has arrived
                ending = await read_answer(
                    response, decoder, deadline=deadline, idle_seconds=self._idle_seconds, on_delta=on_delta
                )
            times.ended = anyio.current_time()
            return Exchange(engine.subject, choice, decoder, ending, times, [*_cautions(engine), *choice.warnings])
        raise timed_out("data", deadline.budget)

    async def _fresh(
        self, failure: Failure, request: ChatRequest, deployment: Deployment, deadline: Deadline
    ) -> Deployment:
        """The deployment as it is now; where that cannot be had, the failure stands."""
        try:
            return await self._client.deployment(request.service_id, deadline)
        except AlayaError as error:
            if error.retryable:
                raise explain(failure, self._client.subject(request.service_id, deployment)) from None
            raise

    async def _meaning(
        self, failure: Failure, request: ChatRequest, deployment: Deployment, deadline: Deadline
    ) -> AlayaError:
        """The error for a failed exchange; a fresh lookup tells why a gateway said 403 or 503."""
        error = explain(failure, self._client.subject(request.service_id, deployment))
        if isinstance(error, ModelNotServed):
            return unserved(request.model, deployment, error)
        if failure.status in {_FORBIDDEN, _UNAVAILABLE}:
            fresh = await self._fresh(failure, request, deployment, deadline)
            if failure.status == _UNAVAILABLE and not (verdict := readiness(fresh)).ready:
                return DeploymentNotReady(
                    f"Deployment {request.service_id} is {verdict.state} now (its engine answered HTTP 503).",
                    next_step=verdict.next_step,
                    retryable=verdict.will_pass,
                    plane="data",
                    http_status=failure.status,
                    retry_after=error.retry_after,
                )
        return error


def _queued_too_long(deadline: Deadline) -> UpstreamTimeout:
    return UpstreamTimeout(
        f"The chat waited {deadline.budget:g} s in this server's own queue; nothing was sent.",
        next_step="Call again with fewer chats at a time, or raise ALAYA_MAX_CONCURRENCY.",
    )


def _cautions(engine: Engine) -> list[str]:
    cautions: list[str] = []
    if engine.auth is None:
        cautions.append("The control plane tells no apikey for this deployment, so none was sent.")
    if engine.is_plain_http:
        cautions.append("The engine is reached over plain http: the apikey and the conversation are not encrypted.")
    return cautions
