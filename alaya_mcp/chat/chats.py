"""Chats: one call begins a reply, further ones read it on."""

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import anyio

from alaya_mcp.chat.asking import Asking, Call, ChatLimits
from alaya_mcp.chat.concurrency import Places
from alaya_mcp.chat.exchange import Exchange
from alaya_mcp.chat.generation import Generation, Generations
from alaya_mcp.chat.outcome import end_of
from alaya_mcp.chat.reading import Outcome, Reading, not_stored
from alaya_mcp.chat.replies import ReplyStore, named_in
from alaya_mcp.chat.request import ChatRequest
from alaya_mcp.chat.shared_replies import RemoteReply, SharedReplies
from alaya_mcp.chat.stored_reply import End, StoredReply
from alaya_mcp.chat.structured import SchemaChecks, SchemaRefused
from alaya_mcp.deadline import Deadline
from alaya_mcp.errors import DeploymentNotFound, InvalidArguments, UpstreamUnavailable
from alaya_mcp.progress import Notes
from alaya_mcp.telemetry import found_deployment
from alaya_mcp.upstream.client import AlayaClient
from alaya_mcp.upstream.deployment_lookup import DeploymentCache, DeploymentNames

_SIGNS_OF_STALENESS: Final = frozenset({"idle", "stream_cut", "upstream_error"})
"""Endings after which the deployment is looked up again: its engine may have changed."""
_DATA_SECONDS: Final = 15.0
"""For checking the data of a reply that outlives its call: nobody has to wait for it."""


@dataclass(frozen=True, slots=True)
class ChatResources:
    """What the chats of all accounts share.

    Attributes:
        places: For chats in flight; others wait.
        checks: Workers that check schemas and replies.
        replies: Replies that are being written, and those that have ended, within one budget.
        generations: Write them.
        shared: Where other servers read them too; None for a server alone.
    """

    places: Places
    checks: SchemaChecks
    replies: ReplyStore
    generations: Generations
    shared: SharedReplies | None = None


class Chats:
    """Chats with deployments, a limited number at a time.

    Args:
        client: Both planes.
        cache: Recently read deployments.
        names: Resolves names to deployments.
        resources: What the chats of all accounts share.
        account: Whose chats these are.
        limits: Of times and sizes.
    """

    def __init__(
        self,
        client: AlayaClient,
        cache: DeploymentCache,
        names: DeploymentNames,
        *,
        resources: ChatResources,
        account: str,
        limits: ChatLimits,
    ) -> None:
        self._cache = cache
        self._names = names
        self._account = account
        self._limits = limits
        self._asking = Asking(client, cache, resources.places, account, limits)
        self._checks = resources.checks
        self._replies = resources.replies
        self._generations = resources.generations
        self._shared = resources.shared

    async def run(self, reference: str, request: ChatRequest, deadline: Deadline, notes: Notes) -> Outcome:
        """Return the reply of the deployment with that id, name or alias, as far as it has come by the deadline.

        Raises:
            AlayaError: there is no reply; each row of docs/errors.md.
        """
        await self.refuse_unusable(request.features.response_schema, deadline)
        if request.background and self._shared and not await self._shared.is_reachable():
            raise UpstreamUnavailable("store_unavailable", is_chat=True)
        generation = Generation(self._limits.generation_seconds if request.outlives else 0, deadline)
        reply = generation.reply = self._replies.put(self._account, generation, self._limits.abandon_seconds)
        reply.status("waiting", "looking up the deployment")
        write = partial(self._write, reference, request, deadline)
        self._generations.start(generation, write, partial(self._end_of, deadline), self._replies)
        room = request.reply_bytes or self._limits.reply_bytes
        until = -math.inf if request.background else deadline.at if request.outlives else math.inf
        return await self._read(reply, Reading(notes, room=room, until=until), deadline)

    async def refuse_unusable(self, schema: dict[str, Any] | None, deadline: Deadline) -> None:
        """Refuse a schema that no reply can be checked against.

        Raises:
            InvalidArguments: it is no valid JSON Schema, or refers to something outside itself.
        """
        try:
            if schema is not None:
                await self._checks.refuse_unusable(schema, deadline)
        except SchemaRefused as refusal:
            raise InvalidArguments("schema_unusable", detail=str(refusal)) from None

    async def read_on(self, uri: str, deadline: Deadline, notes: Notes, reply_bytes: int | None = None) -> Outcome:
        """Return the next part of an earlier reply, at most `reply_bytes`, as far as it has come by the deadline.

        Raises:
            InvalidArguments: no such reply is kept.
            AlayaError: there is no reply; each row of docs/errors.md.
        """
        room = reply_bytes or self._limits.reply_bytes
        reading = partial(Reading, notes, room=room, until=deadline.at, is_first=False)
        try:
            reply, start = self._replies.find(self._account, uri)
        except InvalidArguments as unknown:
            remote = await self._elsewhere(uri, unknown, deadline)
            _tell_deployment(remote.reply)
            follower = reading(start=remote.start)
            async with remote.followed(follower, deadline.at):
                await follower.over(remote.reply)
                return follower.outcome(remote.reply)
        _tell_deployment(reply)
        return await self._read(reply, reading(start=start), deadline, start)

    def give_up(self, uri: str) -> None:
        """Stop the reply that a URI names, if it is still written and nobody reads it: its call was cancelled."""
        try:
            self._replies.find(self._account, uri)[0].cancel()
        except InvalidArguments:
            if self._shared:
                self._shared.cancel(self._account, named_in(uri)[0])

    def replies(self) -> list[StoredReply]:
        """Return the account's replies, the oldest first."""
        return self._replies.all(self._account)

    async def reply(self, uri: str) -> tuple[StoredReply, int]:
        """Return the reply that a URI names, as far as it has come, and the byte that reading starts from.

        Raises:
            InvalidArguments: no such reply is kept.
            UpstreamUnavailable: it is another server's, and cannot be asked for.
        """
        try:
            found = self._replies.find(self._account, uri)
        except InvalidArguments as unknown:
            reply_id, start = named_in(uri)
            reply = await self._shared.whole(self._account, reply_id, start) if self._shared else None
            if reply is None:
                raise self._not_kept(unknown) from None
            return reply, reply.start
        found[0].leave()  # whoever looks at it may want the rest
        return found

    async def _read(self, reply: StoredReply, reading: Reading, deadline: Deadline, start: int = 0) -> Outcome:
        with self._replies.follow(reply, reading, start=start, until=min(deadline.at, reading.until)):
            await reading.over(reply)
            outcome = reading.outcome(reply)
            if outcome.result.read_on and self._shared and not await self._shared.publish(reply):
                if reply.writer:
                    reply.writer.stop("deadline")
                return not_stored(outcome)
            return outcome

    async def _elsewhere(self, uri: str, unknown: InvalidArguments, deadline: Deadline) -> RemoteReply:
        """Return the reply of another server that a URI names."""
        if unknown.cause == "read_on_unknown" or not self._shared:
            raise unknown
        remote = None
        with anyio.CancelScope(deadline=deadline.at) as scope:
            remote = await self._shared.find(self._account, *named_in(uri))
        if scope.cancelled_caught:
            raise UpstreamUnavailable("store_unavailable")
        if remote is None:
            raise self._not_kept(unknown)
        return remote

    def _not_kept(self, unknown: InvalidArguments) -> InvalidArguments:
        return InvalidArguments("reply_not_kept") if self._shared and unknown.cause == "reply_elsewhere" else unknown

    async def _write(
        self, reference: str, request: ChatRequest, deadline: Deadline, generation: Generation
    ) -> Exchange:
        """Write one reply, from the lookup of the deployment on."""
        waiting = deadline.sooner(request.wait_seconds)
        try:
            return await self._found(reference, request, deadline, waiting, generation)
        except DeploymentNotFound:
            if not self._names.forget(reference):
                raise
            # The deployment is gone, and another may have its name by now. No engine has begun.
            return await self._found(reference, request, deadline, waiting, generation)

    async def _end_of(self, deadline: Deadline, exchange: Exchange) -> End:
        """Return how a reply ended, with its data where a schema was given."""
        schema = exchange.asked.features.response_schema
        if schema is not None:
            until = Deadline.after(_DATA_SECONDS) if exchange.limits.outlives else deadline
            structured = await self._checks.read(schema, exchange.texts_of_data, until)
            exchange = replace(exchange, structured=structured)
        return end_of(exchange)

    async def _found(
        self, reference: str, request: ChatRequest, deadline: Deadline, waiting: Deadline, generation: Generation
    ) -> Exchange:
        """Look the deployment up and chat with it."""
        service_id, (deployment, was_kept) = await self._names.find(reference, deadline, self._cache.recent)
        call = Call(request, service_id, deadline, waiting, generation)
        exchange = await self._asking.exchange(call, deployment, was_kept=was_kept)
        if exchange.ending.cut in _SIGNS_OF_STALENESS:
            self._cache.forget(service_id)
        return exchange


def _tell_deployment(reply: StoredReply) -> None:
    if reply.heading:
        found_deployment(reply.heading.service_id)
