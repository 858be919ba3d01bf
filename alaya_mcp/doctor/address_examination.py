"""The checks of a server's address in their order: from where a host is, through every proxy on the way."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

from alaya_mcp.clock import Clock
from alaya_mcp.doctor.address import (
    Call,
    about_body,
    about_caller,
    about_discovery,
    about_endpoint,
    about_get,
    about_health,
    about_long_calls,
    about_progress,
    about_slash,
)
from alaya_mcp.doctor.address_headers import secrets_in
from alaya_mcp.doctor.check import ADDRESS_TITLES, Check
from alaya_mcp.doctor.connection import Network, about_name, about_proxy, about_tls
from alaya_mcp.doctor.probe import Probe
from alaya_mcp.doctor.transcript import Transcript
from alaya_mcp.origins import Origin
from alaya_mcp.upstream.routes import Routes
from alaya_mcp.upstream.transport import Transport

_READ: Final = "list_deployments"
_CHAT: Final = "chat_with_deployment"
_PROMPT: Final = "Count from 1 to 60, in digits."
_CHAT_TOKENS: Final = 150
_TOOL_SECONDS: Final = 45
_CHAT_SECONDS: Final = 55.0
_LARGE: Final = 1_200_000
"""Bytes of a request: more than nginx takes by default."""
_PROGRESS_TOKEN: Final = "doctor"  # noqa: S105 of the protocol, no secret


@dataclass(frozen=True, slots=True)
class Address:
    """The server to check.

    Attributes:
        url: Its address, checked before.
        headers: Of the caller, with credentials.
        service: The deployment to chat with; None for the server's default.
        model: The model; None for the base model.
        chats: Whether a chat is made, the one check that costs tokens.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    service: str | None = None
    model: str | None = None
    chats: bool = True


async def examine_address(
    address: Address, network: Network, tell: Callable[[Check], None], clock: Clock | None = None
) -> list[Check]:
    """Make every check, pass each to `tell` as it is made, and return them."""
    transcript, clock = Transcript(tell), clock or Clock()
    transcript.hide(secrets_in(address.headers))
    origin = Origin.of(address.url)
    async with Transport(Routes(network.environ)) as transport:
        for look in (
            lambda: about_proxy(origin, network, transport),
            lambda: _name(origin, network),
            lambda: about_tls(address.url, transport),
        ):
            check = transcript.add(await look())
            if check.level == "failed":
                transcript.leave_out(ADDRESS_TITLES, check)
                return transcript.checks
        probe = Probe(transport.routes.to(origin, "control")[0], address.url, address.headers, clock.now)
        await _go_through(address, probe, transcript)
    return transcript.checks


async def _name(origin: Origin, network: Network) -> Check:
    found = await about_name(origin, network)
    step = (
        f"Correct {origin.host} in --url if it is misspelt. Else run `nslookup {origin.host}`: it needs an entry in "
        f"DNS, or HTTPS_PROXY if only a proxy leads there."
    )
    return replace(found, next_step=step) if found.level == "failed" else found


async def _go_through(address: Address, probe: Probe, transcript: Transcript) -> None:
    discovered = await probe.ask("server/discover")
    endpoint = transcript.add(about_endpoint(discovered, await probe.shake_hands()))
    if endpoint.level == "failed":
        transcript.leave_out(ADDRESS_TITLES, endpoint)
        return
    beside = address.url.rpartition("/")[0]
    transcript.add(about_health(await probe.get(f"{beside}/healthz"), await probe.get(f"{beside}/readyz")))
    call = Call(await probe.ask("tools/call", name=_READ, arguments={"limit": 1}))
    bare = None
    if address.headers:
        bare = Call(await probe.ask("tools/call", as_caller=False, name=_READ, arguments={"limit": 1}))
    origin = Origin.of(address.url)
    caller = transcript.add(about_caller(call, bare, tuple(address.headers), origin))
    transcript.add(about_get(await probe.get(address.url, as_caller=True)))
    challenge = (bare or call).answer.headers.get("www-authenticate", "")
    path = urlsplit(address.url).path
    root = address.url.removesuffix(path)
    metadata = await probe.get(f"{root}/.well-known/oauth-protected-resource{path}")
    transcript.add(about_discovery(metadata, challenge, address.url))
    transcript.add(about_slash(await probe.ask("server/discover", suffix="/")))
    if endpoint.verdict == "mcp_guarded":  # no body is read before the caller is known
        transcript.leave_out(ADDRESS_TITLES, caller)
        return
    size = f"{_LARGE / 1_000_000:.1f} MB"
    transcript.add(about_body(await probe.ask("server/discover", padding=_LARGE), size))
    if not address.chats:
        transcript.add(Check("progress", "skipped", "no_chat", "not checked: --no-chat"))
    elif call.is_done:
        transcript.add(about_progress(await _chat(address, probe), has_name=address.service is not None))
    else:
        transcript.leave_out(["progress"], caller)
    transcript.add(about_long_calls())


async def _chat(address: Address, probe: Probe) -> Call:
    """Return the outcome of a chat that is long enough to be sent in several notes."""
    arguments: dict[str, Any] = {"prompt": _PROMPT, "max_tokens": _CHAT_TOKENS, "timeout_seconds": _TOOL_SECONDS}
    named = {"service_id": address.service, "model": address.model}
    arguments |= {name: value for name, value in named.items() if value}
    meta = {"progressToken": _PROGRESS_TOKEN}
    return Call(await probe.ask("tools/call", seconds=_CHAT_SECONDS, name=_CHAT, arguments=arguments, _meta=meta))
