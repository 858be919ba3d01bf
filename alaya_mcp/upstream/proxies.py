"""The proxy for requests to an origin, from the environment or the system's settings.

The rules are those of the HTTP library and of curl; `socks`, as desktops write it, means `socks5`.
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
"""The standard library's functions that read the system's proxies."""
_MEANT: Final = {"socks": "socks5"}


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy, without its user name and password.

    Attributes:
        source: The variable that names it, or the system's settings.
        scheme: http, https, socks5 or socks5h.
        host: Its host.
        port: Its port.
        url: Its URL with user name and password: a secret.
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
    """A proxy setting is not a proxy URL; `source` is what sets it."""

    def __init__(self, source: str) -> None:
        super().__init__("not a proxy URL")
        self.source = source


def proxy_for(origin: Origin, proxies: Mapping[str, str], environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxy for requests to an origin; None for a direct connection.

    Args:
        origin: Where they go.
        proxies: By scheme, as `urllib.request.getproxies` returns them.
        environ: The environment, for the variables' names.

    Raises:
        UnusableProxy: the setting is not a proxy URL.
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


def proxies_in(
    environ: Mapping[str, str], platform: str = sys.platform, system: object = urllib.request
) -> dict[str, str]:
    """Return proxies by scheme, and `no`, from the environment or, if it sets none, the system's settings.

    Lower-case names win over upper-case ones, as in curl. `platform` is as in `sys.platform`; `system` has the standard
    library's functions.
    """
    names = sorted(name for name in environ if name.lower().endswith(_SUFFIX))  # upper case first
    found = {name.lower().removesuffix(_SUFFIX): environ[name] for name in names if environ[name]}
    return found or getattr(system, _OF_THE_SYSTEM.get(platform, ""), dict[str, str])()


def sources(proxies: Mapping[str, str], environ: Mapping[str, str]) -> list[str]:
    """Return what sets proxies."""
    return [_source(scheme, environ) for scheme in ("https", "http", "all") if proxies.get(scheme)]


def exempting(origin: Origin, no_proxy: str) -> str | None:
    """Return the entry of NO_PROXY that exempts an origin."""
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
    # An address, localhost and a URL match exactly; other names match subdomains too.
    is_exact = bool(separator) or name == "localhost" or _address(name) is not None
    return host == name or (not is_exact and host.endswith(f".{name}"))


def _split(text: str) -> tuple[str, int | None]:
    """Return host and port; an IPv6 address may lack its brackets."""
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
