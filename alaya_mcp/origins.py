"""Which URLs are trusted, and which credential is sent to which of them. Pure: no name is resolved here."""

import ipaddress
import re
import socket
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

_DEFAULT_PORTS = {"http": 80, "https": 443}
_IPV4_TAILS = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))
_SPACE_OR_CONTROL = re.compile(r"[\x00-\x20\x7f\\]")


class UrlRefused(ValueError):
    """A URL that is refused; the text is the reason, as the end of a sentence, and quotes none of the URL."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port, to which a credential is bound."""

    scheme: str
    host: str
    port: int

    @classmethod
    @lru_cache(maxsize=256)
    def of(cls, url: str) -> "Origin":
        """Return the origin of an http or https URL that was validated before."""
        parts = urlsplit(url)
        return cls(parts.scheme, parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme, 0))

    @property
    def on_loopback(self) -> bool:
        """Whether the host is this machine."""
        return is_loopback(self.host)


@dataclass(frozen=True, slots=True)
class Credential:
    """A header with a secret, and the only origin that it is sent to.

    Attributes:
        origin: Where it is sent.
        header: The header's name.
        value: The header's value.
    """

    origin: Origin
    header: str
    value: SecretStr

    @classmethod
    def of_key_pair(cls, origin: Origin, access_key: SecretStr, secret_key: SecretStr) -> "Credential":
        """Return the control plane's: `plain Credential=AK,Signature=SK` (API documentation, Authorizations)."""
        pair = f"plain Credential={access_key.get_secret_value()},Signature={secret_key.get_secret_value()}"
        return cls(origin, "Authorization", SecretStr(pair))

    @classmethod
    def of_api_key(cls, origin: Origin, api_key: SecretStr) -> "Credential":
        """Return one engine's: `apiKey: KEY` (API documentation, service call)."""
        return cls(origin, "apiKey", api_key)

    def headers_for(self, url: str) -> dict[str, str]:
        """Return the header, for a request to a URL.

        Raises:
            RuntimeError: the URL has another origin, a bug in this package.
        """
        if Origin.of(url) != self.origin:
            raise RuntimeError("a credential was about to leave its origin")
        return {self.header: self.value.get_secret_value()}


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address of a host literal, including short and hexadecimal IPv4 forms."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except (OSError, ValueError):  # ValueError: a name with characters outside ASCII
            return None
    return _embedded(address) if isinstance(address, ipaddress.IPv6Address) else address


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the IPv4 address inside a mapped, 6to4, NAT64 or IPv4-compatible one."""
    inside = address.ipv4_mapped or address.sixtofour
    if inside is None and any(address in network for network in _IPV4_TAILS) and int(address) & 0xFFFFFFFF > 1:
        inside = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return inside or address


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Return whether a host literal or name is this machine (127.0.0.0/8, ::1, localhost, unspecified)."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    return address is not None and (address.is_loopback or address.is_unspecified)


def is_link_local(host: str) -> bool:
    """Return whether a host literal is link-local, where clouds have their metadata services."""
    address = _address(host.rstrip(".").lower())
    return address is not None and address.is_link_local


def _parsed(url: str) -> SplitResult:
    if _SPACE_OR_CONTROL.search(url):
        raise UrlRefused("has spaces, control characters or backslashes")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UrlRefused("is not a URL") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise UrlRefused("does not start with https:// or http://")
    if not parts.hostname or port == 0:
        raise UrlRefused("names no host")
    if not parts.hostname.isascii():  # other scripts' dots and digits would hide an address from the checks below
        raise UrlRefused("has a host name that is not ASCII, and needs its xn-- form")
    return parts


def _without_extras(parts: SplitResult) -> str:
    """Return scheme, host, port and path: userinfo, query and fragment may hold secrets."""
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = f":{parts.port}" if parts.port else ""
    url = f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"
    _parsed(url)  # what userinfo had hidden may not be a URL
    return url


def base_url(text: str) -> str:
    """Return the control plane's base URL without a trailing slash.

    Raises:
        UrlRefused: not a URL, or plain http to another machine.
    """
    parts = _parsed(secure_url(text))
    if parts.query:
        raise UrlRefused("has a query")
    return _without_extras(parts)


def secure_url(text: str) -> str:
    """Return a URL as it is, without the spaces around it.

    Raises:
        UrlRefused: not a URL, or plain http to another machine.
    """
    url = text.strip()
    parts = _parsed(url)
    if parts.username is not None or parts.fragment:
        raise UrlRefused("has a user name or a fragment")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise UrlRefused("must use https (http is allowed for loopback only)")
    return url


def shown_endpoint(service_url: str) -> str:
    """Return a `serviceUrl` to show: without userinfo, query, fragment and trailing slash.

    Raises:
        UrlRefused: not an http or https URL.
    """
    return _without_extras(_parsed(service_url.strip()))


def is_public(address: str) -> bool:
    """Return whether an address is one of the Internet's, and not of a private network or of this machine."""
    found = _address(address)
    return found is not None and found.is_global and not found.is_multicast


def service_endpoint(service_url: str, *, control_plane: Origin, private_hosts: frozenset[str] | None = None) -> str:
    """Return the base URL for requests to a deployment's engine.

    A serviceUrl comes from upstream, so it could name a host that only this machine can reach:
    link-local addresses are refused, and loopback unless the control plane is there too.

    Args:
        service_url: As the control plane reports it.
        control_plane: Where it was reported.
        private_hosts: Where the account may be a stranger's: the hosts that need not be public. At all others only
            https and public addresses are allowed.

    Raises:
        UrlRefused: with the reason.
    """
    url = shown_endpoint(service_url)
    origin = Origin.of(url)
    host = origin.host
    if private_hosts is not None:
        if host in private_hosts:
            return url
        if origin.scheme != "https":
            raise UrlRefused("does not use https, and this server's operator has not listed its host")
        if _address(host) is not None and not is_public(host):
            raise UrlRefused("names an address that is not public, and this server's operator has not listed it")
    if is_link_local(host):
        raise UrlRefused("names a link-local address")
    if is_loopback(host) and not control_plane.on_loopback:
        raise UrlRefused("names this machine, while the control plane is elsewhere")
    return url
