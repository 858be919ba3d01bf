"""The checks of the way to the control plane: proxy, DNS, TLS."""

import ipaddress
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from alaya_mcp.config.settings import DEFAULT_BASE_URL
from alaya_mcp.doctor.check import LEFT_OUT, NOT_NEEDED, Check, Fact
from alaya_mcp.doctor.network import Resolve, addresses, shake_hands, try_port
from alaya_mcp.error_causes import Distrust
from alaya_mcp.error_sentences import what_happened
from alaya_mcp.errors import NotConfigured
from alaya_mcp.origins import Origin
from alaya_mcp.upstream.proxies import Proxy, exempting, proxies_in, proxy_for, sources
from alaya_mcp.upstream.transport import Transport

_SECONDS: Final = 8.0
_SHOWN_ADDRESSES: Final = 3

_DISTRUST: Final[dict[Distrust, tuple[str, str]]] = {
    "expired": (
        "its certificate has expired",
        "Check this machine's date and time. If they are right, its operator has to renew the certificate.",
    ),
    "not_yet_valid": ("its certificate is not valid yet", "Correct this machine's date and time."),
    "self_signed": (
        "its certificate is self-signed",
        "Check the address. If the certificate is your own, set SSL_CERT_FILE to a PEM file that contains it.",
    ),
    "unknown_authority": (
        "its certificate is signed by an authority that this machine does not trust",
        "A company's proxy or virus scanner may replace certificates: add its root to the PEM bundle in SSL_CERT_FILE.",
    ),
    "wrong_name": (
        "its certificate is for another host name",
        "Check the host name in the address; a captive portal or a proxy may also answer in its place.",
    ),
    "not_tls": ("the answer is not TLS", "Check the port and https:// in the address."),
    "other": (
        "the TLS handshake failed",
        "Check this machine's date, its certificates (SSL_CERT_FILE, SSL_CERT_DIR), and any proxy in between.",
    ),
}
"""What is wrong, and what to do, by the reason of the TLS failure."""


@dataclass(frozen=True, slots=True)
class Network:
    """This machine's network: the environment, which sets proxies, and the resolver.

    `place` is where to set a proxy if not in the shell, to end a clause.
    """

    environ: Mapping[str, str]
    resolve: Resolve
    place: str = ""

    def proxy(self, origin: Origin) -> Proxy | None:
        """Return the proxy for an origin, or None.

        Raises:
            ValueError: the setting is not a proxy URL.
        """
        return proxy_for(origin, proxies_in(self.environ), self.environ)


async def about_proxy(origin: Origin, network: Network, transport: Transport) -> Check:
    """Check whether a proxy is used, whether its setting is valid, and whether it accepts connections."""
    proxies = proxies_in(network.environ)
    named = sources(proxies, network.environ)
    try:
        transport.routes.to(origin, "control")
        proxy = network.proxy(origin)
    except (NotConfigured, ValueError) as error:
        if isinstance(error, NotConfigured) and error.cause == "certificates_unusable":
            step = "Correct or unset SSL_CERT_FILE and SSL_CERT_DIR (a file and a folder of PEM certificates)."
            return Check("proxy", "failed", "certificates_unusable", what_happened(error), step)
        what = (
            f"{', '.join(named) or 'a proxy setting'} cannot be used: it is not an http, https, socks5 or socks5h URL"
        )
        step = f"Correct or unset {' and '.join(named) or 'HTTPS_PROXY, HTTP_PROXY and ALL_PROXY'}; each must be valid."
        return Check("proxy", "failed", "proxy_unusable", what, step)
    if origin.on_loopback:
        return Check("proxy", "ok", "no_proxy", "none is used for loopback")
    if proxy is None:
        exempt = exempting(origin, proxies.get("no", "")) if named else None
        found = f"NO_PROXY exempts {origin.host}" if exempt else "none is configured"
        return Check("proxy", "ok", "no_proxy", found if exempt or not named else "none for this address")
    facts = (Fact("proxy", f"{proxy}", proxy.source),)
    try:
        await try_port(proxy.host, proxy.port, network.resolve, _SECONDS)
    except OSError:
        what = f"nothing answers at {proxy}, which {proxy.source} names"
        step = f"Start the proxy, or correct or unset {proxy.source}. NO_PROXY={origin.host} bypasses it."
        return Check("proxy", "failed", "proxy_unreachable", what, step, facts)
    return Check("proxy", "ok", "proxy_there", f"{proxy} accepts connections ({proxy.source})", "", facts)


async def about_name(origin: Origin, network: Network) -> Check:
    """Check whether the control plane's host name resolves."""
    with suppress(ValueError):
        ipaddress.ip_address(origin.host)
        return Check("dns", "skipped", NOT_NEEDED, f"not needed: {origin.host} is an address")
    if (proxy := network.proxy(origin)) is not None:
        return Check("dns", "skipped", NOT_NEEDED, f"not needed: the proxy, {proxy}, resolves the name")
    try:
        found = await addresses(origin.host, origin.port, network.resolve, _SECONDS)
    except OSError as error:
        why = "the resolver did not answer in time" if isinstance(error, TimeoutError) else "it has no address here"
        return unresolved(origin, f"{origin.host} could not be resolved: {why}", network.place)
    more = f" and {len(found) - _SHOWN_ADDRESSES} more" if len(found) > _SHOWN_ADDRESSES else ""
    return Check("dns", "ok", "resolved", f"{origin.host} resolves to {', '.join(found[:_SHOWN_ADDRESSES])}{more}")


def unresolved(origin: Origin, what: str, place: str, of: str = "dns") -> Check:
    """Return the check that fails because the control plane's host name does not resolve."""
    step = (
        f"Run `nslookup {origin.host}` in this shell. If that fails too, check this machine's network, VPN and DNS, or "
        f"set HTTPS_PROXY{place} if only a proxy leads out of the network."
    )
    if origin != Origin.of(DEFAULT_BASE_URL):
        step = f"Correct ALAYA_BASE_URL if {origin.host} is misspelt; its default is {DEFAULT_BASE_URL}. Else: {step}"
    return Check(of, "failed", "dns_failed", what, step)


async def about_tls(base_url: str, transport: Transport) -> Check:
    """Check whether the control plane's certificate is trusted."""
    origin = Origin.of(base_url)
    if origin.scheme == "http":
        return Check("tls", "skipped", NOT_NEEDED, "not needed: plain http on loopback")
    seen = await shake_hands(transport.routes.to(origin, "control")[0], base_url, _SECONDS)
    if seen.distrust:
        return distrusted("tls", "tls_failed", origin, seen.distrust)
    if not seen.has_connected:
        return Check("tls", "skipped", LEFT_OUT, "no connection")
    trusted = f"the certificate is trusted{f', until {seen.until}' if seen.until else ''}"
    return Check("tls", "ok", "certificate_good", trusted, "", (Fact("version", seen.version),))


def distrusted(of: str, verdict: str, origin: Origin, why: Distrust) -> Check:
    """Return a check that failed for a reason of TLS."""
    what, next_step = _DISTRUST[why]
    return Check(of, "failed", verdict, f"{origin.host}:{origin.port}: {what}", next_step, (Fact("reason", why),))
