"""The checks of the way to the control plane: proxy, host name, TLS."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from alaya_mcp.doctor.check import LEFT_OUT, Check, Fact
from alaya_mcp.doctor.network import Handshake, Resolve, addresses, shake_hands, try_port
from alaya_mcp.error_causes import Distrust
from alaya_mcp.error_sentences import what_happened
from alaya_mcp.errors import NotConfigured
from alaya_mcp.origins import Origin
from alaya_mcp.upstream.proxies import Proxy, exempting, proxies_in, proxy_for, sources
from alaya_mcp.upstream.transport import Transport

_SECONDS: Final = 8.0
_SHOWN_ADDRESSES: Final = 3

_PROXY_VARIABLES: Final = "HTTPS_PROXY, HTTP_PROXY and ALL_PROXY"
DISTRUST: Final[dict[Distrust, tuple[str, str]]] = {
    "expired": (
        "its certificate has expired",
        "Check this machine's date and time. If they are right, whoever runs that server has to renew it.",
    ),
    "not_yet_valid": ("its certificate is not valid yet", "Correct this machine's date and time."),
    "self_signed": (
        "its certificate is signed by nobody but itself",
        "Check that the address is the right one. A certificate of your own can be trusted with SSL_CERT_FILE.",
    ),
    "unknown_authority": (
        "its certificate is signed by an authority that this machine does not trust",
        (
            "A company's proxy or virus scanner may put its own certificates in place of others': have its root "
            "certificate installed, or put it, with the usual ones, into a file that SSL_CERT_FILE names."
        ),
    ),
    "wrong_name": (
        "its certificate is for another host name",
        "Check the host name in the address; a captive portal or a proxy may answer in its place, too.",
    ),
    "not_tls": ("what answers there does not speak TLS", "Check the port and https:// in the address."),
    "other": (
        "the TLS connection could not be agreed upon",
        "Check this machine's date, its certificates (SSL_CERT_FILE, SSL_CERT_DIR), and what stands in between.",
    ),
}
"""What is wrong, and what to do, by what TLS failed of."""


@dataclass(frozen=True, slots=True)
class Network:
    """This machine's network, as far as it is asked.

    Attributes:
        environ: The environment, for the variables' names.
        resolve: Names to addresses.
    """

    environ: Mapping[str, str]
    resolve: Resolve

    def proxy(self, origin: Origin) -> Proxy | None:
        """The proxy for an origin.

        Raises:
            ValueError: what is set is no proxy's URL.
        """
        return proxy_for(origin, proxies_in(self.environ), self.environ)


async def about_proxy(origin: Origin, network: Network, transport: Transport) -> Check:
    """Whether a proxy stands in between, whether it can be used, and whether it is there."""
    proxies = proxies_in(network.environ)
    named = sources(proxies, network.environ)
    if origin.on_loopback:
        return Check("proxy", "ok", "no_proxy", "none is used for this machine itself")
    try:
        transport.client(origin)
        proxy = network.proxy(origin)
    except NotConfigured as error:
        if error.cause == "certificates_unusable":
            step = "Correct or remove SSL_CERT_FILE and SSL_CERT_DIR (a file and a folder of certificates in PEM)."
            return Check("proxy", "failed", "certificates_unusable", what_happened(error), step)
        return _unusable(named)
    except ValueError:
        return _unusable(named)
    if proxy is None:
        exempt = exempting(origin, proxies.get("no", "")) if named else None
        found = f"NO_PROXY exempts {origin.host}" if exempt else "none is configured"
        return Check("proxy", "ok", "no_proxy", found if exempt or not named else "none for this address")
    facts = (Fact("proxy", f"{proxy}", proxy.source),)
    try:
        await try_port(proxy.host, proxy.port, network.resolve, _SECONDS)
    except OSError:
        return Check(
            "proxy",
            "failed",
            "proxy_unreachable",
            f"nothing answers at {proxy}, which {proxy.source} names",
            f"Start the proxy, or correct or unset {proxy.source}; NO_PROXY={origin.host} goes around it.",
            facts,
        )
    return Check("proxy", "ok", "proxy_there", f"{proxy} takes connections ({proxy.source})", "", facts)


def _unusable(named: list[str]) -> Check:
    return Check(
        "proxy",
        "failed",
        "proxy_unusable",
        f"{', '.join(named) or 'a proxy setting'} cannot be used: it is no http, https, socks5 or socks5h URL",
        f"Correct or unset {' and '.join(named) or _PROXY_VARIABLES}; every one of them has to be right.",
    )


async def about_name(origin: Origin, network: Network) -> Check:
    """Whether the host's name has an address."""
    if _is_address(origin.host):
        return Check("dns", "skipped", LEFT_OUT, f"{origin.host} is an address itself")
    if (proxy := network.proxy(origin)) is not None:
        return Check("dns", "skipped", LEFT_OUT, f"the proxy, {proxy}, looks the name up")
    try:
        found = await addresses(origin.host, origin.port, network.resolve, _SECONDS)
    except OSError as error:
        why = "no answer came in time" if isinstance(error, TimeoutError) else "it has no address here"
        return Check(
            "dns",
            "failed",
            "dns_failed",
            f"the name {origin.host} could not be resolved: {why}",
            "Check the spelling of ALAYA_BASE_URL and this machine's network, VPN and DNS. "
            "Where the network can only be left through a proxy, set HTTPS_PROXY.",
        )
    more = f" and {len(found) - _SHOWN_ADDRESSES} more" if len(found) > _SHOWN_ADDRESSES else ""
    return Check("dns", "ok", "resolved", f"{origin.host} is {', '.join(found[:_SHOWN_ADDRESSES])}{more}")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def about_tls(base_url: str, transport: Transport) -> Check:
    """Whether the control plane's certificate is trusted."""
    origin = Origin.of(base_url)
    if origin.scheme == "http":
        return Check("tls", "skipped", LEFT_OUT, "plain http, on this machine")
    seen = await shake_hands(transport.client(origin), base_url, _SECONDS)
    if seen.distrust:
        return distrusted("tls", "tls_failed", origin, seen.distrust)
    if not seen.has_connected:
        return Check("tls", "skipped", LEFT_OUT, "no connection came about to speak TLS on")
    return Check("tls", "ok", "certificate_good", _certificate(seen), "", (Fact("version", seen.version),))


def _certificate(seen: Handshake) -> str:
    return f"the certificate is trusted{f', until {seen.until}' if seen.until else ''}"


def distrusted(of: str, verdict: str, origin: Origin, why: Distrust) -> Check:
    """A check that failed of TLS."""
    what, next_step = DISTRUST[why]
    return Check(of, "failed", verdict, f"{origin.host}:{origin.port}: {what}", next_step, (Fact("reason", why),))
