"""The requests to a deployment's engine: its names and, if wanted, a small chat."""

from contextlib import suppress
from dataclasses import replace
from typing import Final

from alaya_mcp.accounts import Account
from alaya_mcp.chat.request import ChatRequest, Sampling, Turn
from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.doctor.check import Check
from alaya_mcp.doctor.connection import Network, about_name
from alaya_mcp.doctor.engine import Evidence, engine_dns_failed
from alaya_mcp.error_same_steps import SAME_STEPS
from alaya_mcp.error_sentences import said, what_happened
from alaya_mcp.errors import AlayaError, UnexpectedResponse
from alaya_mcp.origins import Origin
from alaya_mcp.progress import Phase, ProgressNotes
from alaya_mcp.upstream.failures import Failure

_MODELS_SECONDS: Final = 8.0
_CHAT_SECONDS: Final = 25.0
_CHAT_TOKENS: Final = 16
_PROMPT: Final = "Answer with one word: ready?"


async def interview(
    account: Account,
    service_id: str,
    deployment: Deployment,
    network: Network,
    deadline: Deadline,
    *,
    model: str | None,
    chats: bool,
) -> Evidence | Check:
    """Return the engine's answers, or the check that fails because it cannot be asked."""
    try:
        engine = account.client.engine(deployment, service_id)
    except UnexpectedResponse as error:
        of = "apikey" if error.cause == "apikey_unusable" else "service_url"
        return Check(of, "failed", error.cause, what_happened(error), said(SAME_STEPS[error.cause], error))
    origin = Origin.of(engine.url)
    with suppress(ValueError):  # an unusable proxy for another scheme than the control plane's
        if (await about_name(origin, network)).level == "failed":
            return engine_dns_failed(origin)
    try:
        listed = await account.client.served_names(engine, deadline.sooner(_MODELS_SECONDS))
    except (Failure, AlayaError) as error:
        listed = error
    evidence = Evidence(deployment, engine, listed, asked=model)
    if not (chats and evidence.is_reached):
        return evidence
    request = ChatRequest((Turn("user", _PROMPT),), Sampling(max_tokens=_CHAT_TOKENS), model=model)
    notes = ProgressNotes(_say_nothing, 0)
    try:
        outcome = await account.chats.run(service_id, request, deadline.sooner(_CHAT_SECONDS), notes)
    except AlayaError as error:
        return replace(evidence, chat=error)
    return replace(evidence, chat=outcome.result)


async def _say_nothing(progress: float, message: str, phase: Phase) -> None:
    """Drop the notes that a host would get."""
