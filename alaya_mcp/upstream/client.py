"""Typed calls to Alaya's two planes; the only policy here is the retry rule."""

import math
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode

import httpx2

from alaya_mcp.clock import Clock
from alaya_mcp.config.settings import Settings
from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.model_names import Names, names_in
from alaya_mcp.deployment.wire import (
    Deployment,
    EnvelopeFailure,
    Page,
    WrongShape,
    parse_deployment,
    parse_page,
)
from alaya_mcp.errors import AlayaError, CredentialsRejected, UnexpectedResponse
from alaya_mcp.observer import Observer
from alaya_mcp.origins import Credential, Origin, UrlRefused, service_endpoint
from alaya_mcp.upstream.error_text import is_about_stream_options
from alaya_mcp.upstream.explain import explain_answer
from alaya_mcp.upstream.failures import Failure
from alaya_mcp.upstream.retry import (
    chat_may_be_resent,
    partial_adapter_chat_may_be_resent,
    read_may_be_resent,
    resending,
)
from alaya_mcp.upstream.subject import Subject
from alaya_mcp.upstream.transport import Transport

_REFUSED: Final = frozenset({400, 422})
_MOST_KEPT: Final = 64
"""Deployments that are remembered to see whether they have changed."""
_LATE_SECONDS: Final = 20.0
_REJECTED_SECONDS: Final = 10.0
_T = TypeVar("_T")


class Rejection:
    """The control plane's refusal of a key pair, for a while: nobody can try out key pairs through this server."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._until = -math.inf
        self._error: CredentialsRejected | None = None

    def remember(self, error: CredentialsRejected) -> None:
        """Remember it."""
        self._error, self._until = error, self._now() + _REJECTED_SECONDS

    def raise_again(self) -> None:
        """Raise it, if it was just now."""
        if self._error and self._now() < self._until:
            raise self._error.with_traceback(None)


@dataclass(frozen=True, slots=True)
class Engine:
    """The address and key of one deployment's engine.

    Attributes:
        url: Base URL.
        credential: Its key, or None if the control plane reports none.
        service_id: The deployment.
        account: What errors about the account may quote.
    """

    url: str
    credential: Credential | None
    service_id: str
    account: Subject

    @property
    def subject(self) -> Subject:
        """What errors about it may name, and which secrets they must not quote."""
        return self.account.about(self.service_id, self.credential and self.credential.value)

    @property
    def is_plain_http(self) -> bool:
        """Whether requests leave this machine unencrypted."""
        origin = Origin.of(self.url)
        return origin.scheme == "http" and not origin.on_loopback


class AlayaClient:
    """Reads deployments and talks to their engines, with one account's key pair."""

    def __init__(self, settings: Settings, transport: Transport, clock: Clock) -> None:
        self._base_url = settings.base_url
        self._control_plane = settings.control_plane
        self._account = Subject("", (settings.access_key, settings.secret_key), settings.key_pair)
        self._private_hosts = settings.guest.engine_hosts if settings.guest else None
        self._rejection = Rejection(clock.now) if settings.guest else None
        self._transport = transport
        self._clock = clock
        self._last: OrderedDict[str, tuple[bytes, Deployment]] = OrderedDict()
        self._credential = Credential.of_key_pair(self._control_plane, settings.access_key, settings.secret_key)

    @property
    def observer(self) -> Observer:
        """What follows its requests."""
        return self._transport.observer

    async def deployment(self, service_id: str, deadline: Deadline) -> Deployment:
        """Return one deployment, including its secrets.

        Raises:
            AlayaError: each control-plane row of docs/errors.md.
        """
        path = f"deployment/{quote(service_id, safe='')}"
        try:
            return await self._read(path, partial(self._parsed, service_id), service_id, deadline)
        except AlayaError:
            self._last.pop(service_id, None)
            raise

    def _parsed(self, service_id: str, body: bytes) -> Deployment:
        """Return the deployment in a body; one that has not changed is a copy, with what was computed of it."""
        digest = sha256(body).digest()
        last, deployment = self._last.pop(service_id, (b"", None))
        if deployment is None or last != digest:
            deployment = parse_deployment(body)
        self._last[service_id] = digest, deployment
        if len(self._last) > _MOST_KEPT:
            self._last.popitem(last=False)
        return copy(deployment)  # each lookup is an object of its own: what depends on the lookup compares them

    async def deployments(self, page: int, size: int, deadline: Deadline, name: str | None = None) -> Page:
        """Return one page of the account's deployments.

        Args:
            page: Page number, from 1.
            size: Rows per page, at most 100.
            deadline: Of the call.
            name: Name filter passed to the API; its matching rules are not documented.

        Raises:
            AlayaError: each control-plane row of docs/errors.md.
        """
        query = urlencode({"page": page, "size": size} | ({"name": name} if name else {}))
        return await self._read(f"deployment/list?{query}", parse_page, "", deadline)

    async def _read(self, path: str, parse: Callable[[bytes], _T], service_id: str, deadline: Deadline) -> _T:
        url = f"{self._base_url}/{path}"
        fetch = partial(self._transport.json_body, "control", url, credential=self._credential, deadline=deadline)
        if self._rejection:
            self._rejection.raise_again()
        with deadline.limit("control", service_id):
            try:
                return parse(await resending(fetch, read_may_be_resent, deadline, clock=self._clock))
            except (Failure, EnvelopeFailure, WrongShape) as wrong:
                error = explain_answer("control", wrong, replace(self._account, service_id=service_id))
        if self._rejection and isinstance(error, CredentialsRejected):
            self._rejection.remember(error)
        raise error from None

    def subject(self, service_id: str, deployment: Deployment) -> Subject:
        """Return what errors about a deployment may name and which secrets they must not quote."""
        return self._account.about(service_id, deployment.api_key)

    def engine(self, deployment: Deployment, service_id: str) -> Engine:
        """Return the address and key of a deployment's engine.

        Raises:
            UnexpectedResponse: no serviceUrl, a refused one, or a key that is not a valid header value.
        """
        if deployment.service_url is None:
            raise UnexpectedResponse("service_url_missing", plane="control", service_id=service_id)
        try:
            url = service_endpoint(
                deployment.service_url, control_plane=self._control_plane, private_hosts=self._private_hosts
            )
        except UrlRefused as refusal:
            raise UnexpectedResponse(
                "service_url_refused", plane="control", service_id=service_id, detail=str(refusal)
            ) from None
        key = deployment.api_key
        if key and not all("\x21" <= char <= "\x7e" for char in key.get_secret_value()):
            raise UnexpectedResponse("apikey_unusable", plane="control", service_id=service_id)
        credential = Credential.of_api_key(Origin.of(url), key) if key else None
        return Engine(url, credential, service_id, self._account)

    async def served_names(self, engine: Engine, deadline: Deadline) -> Names:
        """Return the names in the engine's `/v1/models`, at least one.

        A LoRA entry has a parent, `owned_by` names the engine (recorded exchanges, SGLang's source).

        Raises:
            Failure: no response with status 200, after the retries that the rule for chats allows.
            AlayaError: no model name can be read in the response, or the deadline passed.
        """
        url = f"{engine.url}/v1/models"
        fetch = partial(self._transport.json_body, "data", url, credential=engine.credential, deadline=deadline)
        with deadline.limit("data", engine.service_id):
            body = await resending(fetch, chat_may_be_resent, deadline, clock=self._clock)
            try:
                return names_in(body)
            except WrongShape as wrong:
                raise explain_answer("data", wrong, engine.subject) from None

    @asynccontextmanager
    async def chat(
        self,
        engine: Engine,
        body: dict[str, Any],
        deadline: Deadline,
        *,
        partial_adapter: bool,
        tell: Callable[[str], None],
        sent: Callable[[], None],
    ) -> AsyncGenerator[httpx2.Response]:
        """Yield the response to one chat request, its body unread.

        `tell` is called with a progress message before each send and each wait, `sent` when there is a connection to
        send it on.

        Raises:
            Failure: no response with a status of 200 to 299.
        """
        may_be_resent = partial_adapter_chat_may_be_resent if partial_adapter else chat_may_be_resent
        url = f"{engine.url}/v1/chat/completions"

        async def send() -> httpx2.Response:
            tell("waiting for the first token")
            try:
                return await self._transport.open(
                    "data",
                    "POST",
                    url,
                    credential=engine.credential,
                    deadline=deadline,
                    json=body,
                    on_connected=sent,
                )
            except Failure as failure:
                failure.is_chat = True
                raise

        def tell_wait(failure: Failure, seconds: float) -> None:
            again = f"trying again in {seconds:.0f} s" if round(seconds) else "trying again"
            tell(retry_progress(failure, again))

        try:
            response = await resending(send, may_be_resent, deadline, tell_wait, self._clock)
        except Failure as refusal:
            if refusal.status not in _REFUSED or not is_about_stream_options(refusal.body):
                raise
            # This server added stream_options, so the caller cannot remove it.
            body = {name: value for name, value in body.items() if name != "stream_options"}
            if deadline.remaining() == 0:  # the refusal came late, to a reply that outlives its call
                deadline = Deadline.after(_LATE_SECONDS)
            response = await resending(send, may_be_resent, deadline, tell_wait, self._clock)
        try:
            yield response
        finally:
            await response.aclose()


def retry_progress(failure: Failure, again: str) -> str:
    """Return the progress message for a chat that is about to be sent again."""
    match failure.status:
        case None:
            return f"no connection to the engine; {again}"
        case 400 | 404:
            return "this instance does not have the adapter; trying another"
        case 429:
            return f"the engine limits requests (HTTP 429); {again}"
        case status:
            return f"the engine is busy (HTTP {status}); {again}"
