"""What an engine is asked: its names and, where that is wished for, a small chat."""

from dataclasses import replace
from typing import Final

from alaya_mcp.accounts import Account
from alaya_mcp.chat.chats import ChatRequest
from alaya_mcp.chat.request import Sampling, Turn
from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.doctor.check import Check
from alaya_mcp.doctor.connection import Network, about_name
from alaya_mcp.doctor.engine import Evidence, engine_dns_failed
from alaya_mcp.error_causes import Cause
from alaya_mcp.error_sentences import what_happened
from alaya_mcp.errors import AlayaError, UnexpectedResponse
from alaya_mcp.origins import Origin
from alaya_mcp.progress import Phase, ProgressNotes
from alaya_mcp.upstream.client import Engine
from alaya_mcp.upstream.failures import Failure

_MODELS_SECONDS: Final = 8.0
_CHAT_SECONDS: Final = 25.0
_CHAT_TOKENS: Final = 16
_PROMPT: Final = "Answer with one word: ready?"


_NOT_TO_BE_ASKED: Final[dict[Cause, tuple[str, str, str]]] = {
    "service_url_missing": (
        "service_url",
        "service_url_missing",
        "Look at the deployment in the Alaya NeW console: it may not be set up yet.",
    ),
    "service_url_refused": (
        "service_url",
        "service_url_refused",
        "The server sends no key there. Correct the deployment's address in the Alaya NeW console.",
    ),
    "apikey_unusable": ("apikey", "apikey_unusable", "Renew the deployment's apikey in the Alaya NeW console."),
}
"""The check, its verdict and its next step where the engine cannot be asked at all."""


async def _say_nothing(progress: float, message: str, phase: Phase) -> None:
    """Take the notes that a host would be sent."""


class Interview:
    """Questions to one deployment's engine.

    Args:
        account: The account.
        network: Names and proxies.
        deadline: For all of them.
    """

    def __init__(self, account: Account, network: Network, deadline: Deadline) -> None:
        self._account = account
        self._network = network
        self._deadline = deadline

    def engine(self, service_id: str, deployment: Deployment) -> Engine | Check:
        """Where the engine is, or why it cannot be asked."""
        try:
            return self._account.client.engine(deployment, service_id)
        except UnexpectedResponse as error:
            of, verdict, step = _NOT_TO_BE_ASKED[error.cause]
            return Check(of, "failed", verdict, what_happened(error), step)

    async def about_name(self, engine: Engine) -> Check | None:
        """The check that fails where the engine's host has no address."""
        origin = Origin.of(engine.url)
        try:
            check = await about_name(origin, self._network)
        except ValueError:  # a proxy that is no URL, of another scheme than the control plane's
            return None
        return engine_dns_failed(origin) if check.level == "failed" else None

    async def names(self, deployment: Deployment, engine: Engine, asked: str | None) -> Evidence:
        """What the engine tells of its names."""
        try:
            listed = await self._account.client.served_names(engine, self._deadline.sooner(_MODELS_SECONDS))
        except (Failure, AlayaError) as error:
            return Evidence(deployment, engine, error, asked=asked)
        return Evidence(deployment, engine, listed, asked=asked)

    async def chat(self, evidence: Evidence) -> Evidence:
        """What a chat of a few tokens brings."""
        request = ChatRequest((Turn("user", _PROMPT),), Sampling(max_tokens=_CHAT_TOKENS), model=evidence.asked)
        deadline, notes = self._deadline.sooner(_CHAT_SECONDS), ProgressNotes(_say_nothing, 0)
        try:
            outcome = await self._account.chats.run(evidence.engine.subject.service_id, request, deadline, notes)
        except AlayaError as error:
            return replace(evidence, chat=error)
        return replace(evidence, chat=outcome.result)
