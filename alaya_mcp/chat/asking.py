"""Ask an engine for one reply: wait for the deployment, take a place, choose the model, send, read; again if needed."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import anyio

from alaya_mcp.chat.concurrency import Places
from alaya_mcp.chat.exchange import Asked, Exchange, Limits, Timestamps
from alaya_mcp.chat.generation import Generation
from alaya_mcp.chat.model_choice import Choice, ServedNames, choose_model, loaded_on
from alaya_mcp.chat.recovery import Recovery
from alaya_mcp.chat.remark import Remark
from alaya_mcp.chat.request import ChatRequest, Features, chat_body
from alaya_mcp.chat.stored_reply import Heading, StopReason, StoredReply
from alaya_mcp.chat.stream.decoder import AnswerDecoder, Ending, cut_off, read_answer
from alaya_mcp.chat.stream.reply import Delta, ReasoningAsReply, Reply
from alaya_mcp.chat.stream.thinking import Prefilled, ThinkSplitter, prefilled
from alaya_mcp.clock import now
from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.model_names import parses_reasoning
from alaya_mcp.deployment.readiness import not_ready, readiness
from alaya_mcp.deployment.waiting import wait_until_ready
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.errors import UpstreamTimeout
from alaya_mcp.observer import ChatFacts
from alaya_mcp.progress import Notes
from alaya_mcp.upstream.client import AlayaClient, Engine
from alaya_mcp.upstream.deployment_lookup import DeploymentCache
from alaya_mcp.upstream.failures import Failure

_LAST_LOOK_SECONDS: Final = 5.0
"""For the last lookup of a wait."""
_RECOVERY_SECONDS: Final = 20.0
_STREAM_USAGE: Final = frozenset({"vllm", "sglang"})
"""Engines that can report usage with each token (recorded exchanges, SGLang's source)."""
_ABOUT_THE_REQUEST: Final = frozenset({400, 413, 422, 429})
"""Refusals that say nothing about the deployment."""


@dataclass(frozen=True, slots=True)
class ChatLimits:
    """What limits chats.

    Attributes:
        idle_seconds: Longest silence once an answer has begun.
        reply_bytes: Bytes of a reply, in UTF-8, that one result shows at most.
        generation_seconds: How long a reply may be written; 0: none outlives its call.
        abandon_seconds: How long it is written without a reader.
    """

    idle_seconds: float
    reply_bytes: int
    generation_seconds: float
    abandon_seconds: float

    def of(self, request: ChatRequest, deadline: Deadline) -> Limits:
        """Return the limits of one answer."""
        outlives = request.outlives and self.generation_seconds > 0
        seconds = self.generation_seconds if outlives else deadline.budget
        return Limits(seconds, self.idle_seconds, request.reply_bytes or self.reply_bytes, outlives)


@dataclass(frozen=True, slots=True)
class Call:
    """One chat under way.

    Attributes:
        request: What is asked for.
        service_id: The deployment.
        deadline: Of the call: nothing is sent later.
        waiting: Until when a deployment that is loading is waited for.
        generation: Writes the reply.
    """

    request: ChatRequest
    service_id: str
    deadline: Deadline
    waiting: Deadline
    generation: Generation

    def recovering(self) -> "Call":
        """Return the call with time to recover from a failure that came when its own deadline was over."""
        is_late = self.request.outlives and self.deadline.remaining() == 0
        return replace(self, deadline=Deadline.after(_RECOVERY_SECONDS)) if is_late else self

    @property
    def notes(self) -> Notes:
        """Where its progress is told."""
        return self.generation.reply


class Asking:
    """Asks engines, with a limited number of chats at a time.

    Args:
        client: Both planes.
        cache: Recently read deployments.
        places: For chats in flight; others wait.
        account: Whose chats these are.
        limits: Of times and sizes.
    """

    def __init__(
        self, client: AlayaClient, cache: DeploymentCache, places: Places, account: str, limits: ChatLimits
    ) -> None:
        self._client = client
        self._cache = cache
        self._served = ServedNames(client)
        self._places = places
        self._account = account
        self._limits = limits

    async def exchange(self, call: Call, deployment: Deployment, *, was_kept: bool) -> Exchange:
        """Send the chat, and again if a fresh lookup shows that the cached deployment was out of date.

        Waiting for a deployment takes no place: other chats may run meanwhile.
        """
        service_id = call.service_id
        deployment = await self._ready(call, deployment)
        recovery: Recovery | None = None
        while True:
            async with self._place(call.deadline, call.notes) as has_queued:
                if has_queued:
                    call.notes.status("waiting", "looking up the deployment")
                    deployment, was_kept = await self._cache.recent(service_id, call.deadline)
                if readiness(deployment).ready:
                    try:
                        return await self._ask(call, deployment)
                    except Failure as failure:
                        call.generation.failed()
                        if failure.status not in _ABOUT_THE_REQUEST:
                            self._cache.forget(service_id)
                        may_wait = call.waiting.remaining() > 0
                        call = call.recovering()
                        recovery = recovery or Recovery(
                            self._client, self._cache, service_id, call.request.model, was_kept=was_kept
                        )
                        deployment = await recovery.after(failure, deployment, call.deadline, may_wait=may_wait)
            deployment = await self._ready(call, deployment)

    @asynccontextmanager
    async def _place(self, deadline: Deadline, notes: Notes) -> AsyncGenerator[bool]:
        """Yield one of the places for chats in flight, and whether it had to be waited for."""
        has_queued = not self._places.take_nowait(self._account)
        if has_queued:
            limit = "your share" if self._places.are_shared else "ALAYA_MAX_CONCURRENCY"
            notes.status("queued", f"queued: as many chats as {limit} allows are running")
            with anyio.CancelScope(deadline=deadline.at) as scope:
                await self._places.take(self._account)
            if scope.cancelled_caught:
                raise UpstreamTimeout("queued_too_long", seconds=deadline.budget)
        try:
            if deadline.remaining() == 0:  # a place became free at the deadline
                raise UpstreamTimeout("queued_too_long", seconds=deadline.budget)
            yield has_queued
        finally:
            self._places.give_back(self._account)

    async def _ready(self, call: Call, deployment: Deployment) -> Deployment:
        """Return the deployment once it is ready.

        Raises:
            DeploymentNotReady: it is not ready, and waiting does not help or was not requested.
        """
        if readiness(deployment).ready:
            return deployment

        async def look() -> Deployment:
            patience = max(call.waiting.remaining(), _LAST_LOOK_SECONDS)
            return await self._cache.fresh(call.service_id, call.deadline.sooner(patience))

        deployment = await wait_until_ready(deployment, look, call.waiting, call.notes)
        if not readiness(deployment).ready:
            raise not_ready(deployment, call.service_id, waited=call.request.wait_seconds)
        return deployment

    async def _ask(self, call: Call, deployment: Deployment) -> Exchange:
        request, deadline, generation = call.request, call.deadline, call.generation
        engine = self._client.engine(deployment, call.service_id)
        choice = await choose_model(request.model, deployment, engine, self._served, deadline)
        loaded, ready = loaded_on(choice.model, deployment)
        splitter = ThinkSplitter(_prefilled(request.features, choice, deployment))
        decoder = AnswerDecoder(Reply(think=splitter, reasoning_as_reply=_reasoning_as_reply(request.features)))
        take = partial(_take, generation.reply, decoder.reply)
        times = Timestamps()
        limits = self._limits.of(request, deadline)
        cautions = (*_cautions(engine), *choice.remarks)

        def answered(ending: Ending) -> Exchange:
            times.first_token, times.ended = generation.reply.first_token, now()
            asked = Asked(request.turns, request.features, request.return_messages)
            may_be_orphaned = not request.features.continues
            return Exchange(engine, asked, choice, decoder, ending, times, limits, may_be_orphaned, cautions)

        def stopped(reason: StopReason) -> Exchange:
            return answered(cut_off(decoder, take, reason))

        def sent() -> None:
            times.sent = now()
            generation.sent(Heading(call.service_id, choice.model.asked, cautions, times.sent), stopped)

        tell = partial(generation.reply.status, "waiting")
        body: dict[str, Any] = chat_body(
            choice.model.sent,
            request.turns,
            request.sampling,
            request.features,
            streams_usage=choice.names.engine in _STREAM_USAGE,
        )

        def so_far() -> ChatFacts:
            return ChatFacts(times.sent, decoder.reply.usage, decoder.reply.finish_reason, generation.reason)

        sending = self._client.chat(engine, body, deadline, partial_adapter=0 < loaded < ready, tell=tell, sent=sent)
        with self._client.observer.chat(choice.known_name, engine.url, so_far) as watch:
            async with sending as response:
                ending = await read_answer(
                    response, decoder, idle_seconds=self._limits.idle_seconds, on_delta=watch.timed(take)
                )
            watch.ended(ending.cut)
        generation.answered()
        return answered(ending)


def _take(told: StoredReply, reply: Reply, delta: Delta) -> None:
    """Tell one delta of a reply."""
    if told.first_token is None and reply.begun:
        told.first_token = now()
    if delta.content:
        told.write(delta.content)
    elif delta.calls_tool:
        told.is_calling = True
        told.status("waiting", "the model is writing a tool call")
    if delta.reasoning or reply.is_thinking:
        told.think()


def _prefilled(features: Features, choice: Choice, deployment: Deployment) -> Prefilled:
    if features.continues or features.response_schema is not None:
        return "no"  # a continuation and a JSON reply do not begin with thinking
    names = [*choice.names.base, *([] if deployment.is_lora_service else [deployment.model_id or ""])]
    guess = prefilled(features.thinking, names)
    return "no" if guess != "no" and parses_reasoning(deployment) else guess


def _reasoning_as_reply(features: Features) -> ReasoningAsReply:
    """Return which reasoning is the reply: parsers take continuations and JSON for thinking (seen on vLLM)."""
    if features.response_schema is not None:
        return "json"
    return "any" if features.continues else "never"


def _cautions(engine: Engine) -> list[Remark]:
    cautions = [Remark("apikey_absent")] if engine.credential is None else []
    return [*cautions, Remark("plain_http")] if engine.is_plain_http else cautions
