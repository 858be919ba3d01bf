"""Which proxy requests to an origin go through, by the environment and the system's settings.

The rules are those of the HTTP library and of curl, and `socks` is taken for `socks5`, as desktops write it.
"""

import ipaddress
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from alaya_mcp.origins import Origin

_PORTS: Final = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_SUFFIX: Final = "_proxy"
_OF_THE_SYSTEM: Final = {"win32": "getproxies_registry", "darwin": "getproxies_macosx_sysconf"}
"""Where the standard library asks the system for proxies."""
_MEANT: Final = {"socks": "socks5"}


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy, without its user name and password.

    Attributes:
        source: The variable that names it, or the system's settings.
        scheme: http, https, socks5 or socks5h.
        host: Where it is.
        port: Its port.
        url: To be connected by, with user name and password: a secret.
    """

    source: str
    scheme: str
    host: str
    port: int
    url: str = field(default="", repr=False)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


class UnusableProxy(ValueError):
    """What is set as a proxy is no proxy's URL; `source` is what sets it."""

    def __init__(self, source: str) -> None:
        super().__init__("no URL of a proxy")
        self.source = source


def proxy_for(origin: Origin, proxies: Mapping[str, str], environ: Mapping[str, str]) -> Proxy | None:
    """The proxy that requests to an origin go through.

    Args:
        origin: Where they go.
        proxies: By scheme, as `urllib.request.getproxies` tells them.
        environ: The environment, for the variables' names.

    Raises:
        UnusableProxy: what is set is no proxy's URL.
    """
    scheme = next((scheme for scheme in (origin.scheme, "all") if proxies.get(scheme)), None)
    if scheme is None or origin.on_loopback or exempting(origin, proxies.get("no", "")):
        return None
    source = _source(scheme, environ)
    try:
        parts = urlsplit(proxies[scheme] if "://" in proxies[scheme] else f"http://{proxies[scheme]}")
        kind, port = _MEANT.get(parts.scheme, parts.scheme), parts.port
    except ValueError:
        raise UnusableProxy(source) from None
    if kind not in _PORTS or not parts.hostname:
        raise UnusableProxy(source)
    return Proxy(source, kind, parts.hostname, port or _PORTS[kind], parts._replace(scheme=kind).geturl())


def proxies_in(environ: Mapping[str, str]) -> dict[str, str]:
    """Proxies by scheme, and `no`: what the environment says, or the system's settings where it says nothing.

    A name in small letters goes before one in capitals, as curl has it.
    """
    names = sorted(name for name in environ if name.lower().endswith(_SUFFIX))  # capitals first
    found = {name.lower().removesuffix(_SUFFIX): environ[name] for name in names if environ[name]}
    return found or getattr(urllib.request, _OF_THE_SYSTEM.get(sys.platform, ""), dict[str, str])()


def sources(proxies: Mapping[str, str], environ: Mapping[str, str]) -> list[str]:
    """What sets proxies."""
    return [_source(scheme, environ) for scheme in ("https", "http", "all") if proxies.get(scheme)]


def exempting(origin: Origin, no_proxy: str) -> str | None:
    """The entry of NO_PROXY that exempts an origin."""
    entries = [entry.strip() for entry in no_proxy.split(",") if entry.strip()]
    if "*" in entries:
        return "*"
    return next((entry for entry in entries if _matches(entry, origin)), None)


def _source(scheme: str, environ: Mapping[str, str]) -> str:
    names = (f"{scheme}_proxy", f"{scheme.upper()}_PROXY")
    return next((name for name in names if environ.get(name)), "the system's settings")


def _matches(entry: str, origin: Origin) -> bool:
    scheme, separator, rest = entry.rpartition("://")
    if scheme not in {"", "all", origin.scheme}:
        return False
    host = origin.host
    if network := _network(rest):
        address = _address(host)
        return address is not None and address in network
    try:
        name, port = _split(rest)
    except ValueError:
        return False
    if port not in {None, origin.port}:
        return False
    if name.startswith(("*.", ".")):
        return host.endswith(f".{name.lstrip('*.')}")
    # An address, localhost and what is written as a URL stand for themselves alone.
    is_exact = bool(separator) or name == "localhost" or _address(name) is not None
    return host == name or (not is_exact and host.endswith(f".{name}"))


def _split(text: str) -> tuple[str, int | None]:
    """Host and port; an IPv6 address may come without its brackets."""
    if _address(text):
        return text, None
    parts = urlsplit(f"//{text}")
    return parts.hostname or "", parts.port


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    address, slash, prefix = text.partition("/")
    if not slash or not prefix.isdigit():
        return None
    try:
        return ipaddress.ip_network(f"{address.strip('[]')}/{prefix}", strict=False)
    except ValueError:
        return None
