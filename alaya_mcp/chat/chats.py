"""One chat from arguments to result: look up, wait, check, choose the model, send, read, report."""

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

import anyio

from alaya_mcp.chat.concurrency import Places
from alaya_mcp.chat.exchange import Asked, Exchange, Limits, Timestamps
from alaya_mcp.chat.kept_replies import KeptReplies, ReplyStore
from alaya_mcp.chat.model_choice import Choice, ServedNames, choose_model, loaded_on
from alaya_mcp.chat.outcome import Outcome, outcome_of
from alaya_mcp.chat.recovery import Recovery
from alaya_mcp.chat.remark import Remark
from alaya_mcp.chat.reply_window import ReplyWindow
from alaya_mcp.chat.request import Features, Sampling, Turn, chat_body
from alaya_mcp.chat.stream.decoder import AnswerDecoder, read_answer
from alaya_mcp.chat.stream.reply import ReasoningAsReply, Reply
from alaya_mcp.chat.stream.thinking import Prefilled, ThinkSplitter, prefilled
from alaya_mcp.chat.structured import SchemaChecks, SchemaRefused
from alaya_mcp.clock import now
from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.model_names import parses_reasoning
from alaya_mcp.deployment.readiness import not_ready, readiness
from alaya_mcp.deployment.waiting import wait_until_ready
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.errors import DeploymentNotFound, InvalidArguments, UpstreamTimeout
from alaya_mcp.progress import ProgressNotes
from alaya_mcp.upstream.client import AlayaClient, Engine
from alaya_mcp.upstream.deployment_lookup import DeploymentCache, DeploymentNames
from alaya_mcp.upstream.failures import Failure

_LAST_LOOK_SECONDS: Final = 5.0
"""For the last lookup of a wait."""
_SIGNS_OF_STALENESS: Final = frozenset({"idle", "stream_cut", "upstream_error"})
"""Endings after which the deployment is looked up again: its engine may have changed."""
_STREAM_USAGE: Final = frozenset({"vllm", "sglang"})
"""Engines that can report usage with each token (recorded exchanges, SGLang's source)."""
_ABOUT_THE_REQUEST: Final = frozenset({400, 413, 422, 429})
"""Refusals that say nothing about the deployment."""


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


@dataclass(frozen=True, slots=True)
class ChatResources:
    """What the chats of all accounts share.

    Attributes:
        places: For chats in flight; others wait.
        checks: Workers that check schemas and replies.
        replies: Large replies, within one budget.
    """

    places: Places
    checks: SchemaChecks
    replies: ReplyStore


@dataclass(frozen=True, slots=True)
class _Call:
    """One chat under way."""

    request: ChatRequest
    service_id: str
    deadline: Deadline
    waiting: Deadline
    notes: ProgressNotes


class Chats:
    """Chats with deployments, a limited number at a time.

    Args:
        client: Both planes.
        cache: Recently read deployments.
        names: Resolves names to deployments.
        resources: What the chats of all accounts share.
        account: Whose chats these are.
        idle_seconds: Longest silence once an answer has begun.
        reply_bytes: Bytes of the reply, in UTF-8, that one result shows at most.
    """

    def __init__(
        self,
        client: AlayaClient,
        cache: DeploymentCache,
        names: DeploymentNames,
        *,
        resources: ChatResources,
        account: str,
        idle_seconds: float,
        reply_bytes: int,
    ) -> None:
        self._client = client
        self._cache = cache
        self._names = names
        self._served = ServedNames(client)
        self._account = account
        self._places = resources.places
        self._idle_seconds = idle_seconds
        self._reply_bytes = reply_bytes
        self._checks = resources.checks
        self.kept = KeptReplies(resources.replies, account)

    async def run(self, reference: str, request: ChatRequest, deadline: Deadline, notes: ProgressNotes) -> Outcome:
        """Return the reply, complete or partial, of the deployment with that id, name or alias.

        Raises:
            AlayaError: no part of a reply arrived; each row of docs/errors.md.
        """
        schema = request.features.response_schema
        if schema is not None:
            await self._refuse_unusable(schema, deadline)
        notes.status("waiting", "looking up the deployment")
        waiting = deadline.sooner(request.wait_seconds)
        try:
            exchange = await self._found(reference, request, deadline, waiting, notes)
        except DeploymentNotFound:
            if not self._names.forget(reference):
                raise
            # The deployment is gone, and another may have its name by now. No engine has begun.
            exchange = await self._found(reference, request, deadline, waiting, notes)
        if schema is not None:
            structured = await self._checks.read(schema, exchange.texts_of_data, deadline)
            exchange = replace(exchange, structured=structured)
        return outcome_of(exchange, self.kept)

    async def _found(
        self, reference: str, request: ChatRequest, deadline: Deadline, waiting: Deadline, notes: ProgressNotes
    ) -> Exchange:
        """Look the deployment up and chat with it."""
        service_id, (deployment, was_kept) = await self._names.find(reference, deadline, self._cache.recent)
        call = _Call(request, service_id, deadline, waiting, notes)
        exchange = await self._exchange(call, deployment, was_kept=was_kept)
        if exchange.ending.cut in _SIGNS_OF_STALENESS:
            self._cache.forget(service_id)
        return exchange

    async def _refuse_unusable(self, schema: dict[str, Any], deadline: Deadline) -> None:
        try:
            await self._checks.refuse_unusable(schema, deadline)
        except SchemaRefused as refusal:
            raise InvalidArguments("schema_unusable", detail=str(refusal)) from None

    def read_on(self, uri: str, reply_bytes: int | None = None) -> Outcome:
        """Return the next part of an earlier large reply, at most `reply_bytes`; nothing is sent.

        Raises:
            InvalidArguments: no such reply is kept.
        """
        result, remark = self.kept.part(uri, reply_bytes or self._reply_bytes)
        return Outcome(result, (remark,))

    @asynccontextmanager
    async def _place(self, deadline: Deadline, notes: ProgressNotes) -> AsyncGenerator[bool]:
        """Yield one of the places for chats in flight, and whether it had to be waited for."""
        has_queued = not self._places.take_nowait(self._account)
        if has_queued:
            notes.status("queued", "queued: as many chats as ALAYA_MAX_CONCURRENCY allows are running")
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

    async def _exchange(self, call: _Call, deployment: Deployment, *, was_kept: bool) -> Exchange:
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
                        if failure.status not in _ABOUT_THE_REQUEST:
                            self._cache.forget(service_id)
                        may_wait = call.waiting.remaining() > 0
                        recovery = recovery or Recovery(
                            self._client, self._cache, service_id, call.request.model, was_kept=was_kept
                        )
                        deployment = await recovery.after(failure, deployment, call.deadline, may_wait=may_wait)
            deployment = await self._ready(call, deployment)

    async def _ready(self, call: _Call, deployment: Deployment) -> Deployment:
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

    async def _ask(self, call: _Call, deployment: Deployment) -> Exchange:
        request, deadline, notes = call.request, call.deadline, call.notes
        engine = self._client.engine(deployment, call.service_id)
        choice = await choose_model(request.model, deployment, engine, self._served, deadline)
        loaded, ready = loaded_on(choice.model, deployment)
        splitter = ThinkSplitter(_prefilled(request.features, choice, deployment))
        decoder = AnswerDecoder(Reply(think=splitter, reasoning_as_reply=_reasoning_as_reply(request.features)))
        reply_bytes = request.reply_bytes or self._reply_bytes
        window = ReplyWindow(reply_bytes, decoder.reply, notes)
        times = Timestamps()

        def tell(words: str) -> None:
            notes.status("waiting", words)

        with deadline.limit("data", call.service_id, is_chat=True) as opening:
            body: dict[str, Any] = chat_body(
                choice.model.sent,
                request.turns,
                request.sampling,
                request.features,
                streams_usage=choice.names.engine in _STREAM_USAGE,
            )
            sending = self._client.chat(engine, body, deadline, partial_adapter=0 < loaded < ready, tell=tell)
            async with sending as (response, times.sent):
                opening.deadline = math.inf  # from here on `read_answer` enforces the deadline
                ending = await read_answer(
                    response, decoder, deadline=deadline, idle_seconds=self._idle_seconds, on_delta=window.take
                )
            window.finish()
            times.first_token, times.ended = window.began, now()
            return Exchange(
                engine,
                Asked(request.turns, request.features, request.return_messages),
                choice,
                decoder,
                window,
                ending,
                times,
                Limits(deadline.budget, self._idle_seconds, reply_bytes),
                not request.features.continues,
                (*_cautions(engine), *choice.remarks),
            )


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
