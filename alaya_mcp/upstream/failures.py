"""Failed exchanges as facts, before anybody decides what they mean."""

import socket
import ssl
from dataclasses import dataclass
from typing import Final, Literal, cast

import httpx2

from alaya_mcp.errors import Plane

Kind = Literal[
    "dns",
    "tls",
    "refused",
    "connect_timeout",
    "proxy",
    "reset",
    "timeout",
    "encoding",
    "broken_http",
    "unusable_url",
    "too_large",
    "status",
]
"""What failed. dns to proxy: nothing was sent. reset, timeout, broken_http: it may have been processed."""

_CLOSED: Final = ("Server disconnected", "closed connection")
"""How the HTTP library's words for an answer that is not all there are told from those for one that breaks HTTP; both
are of one type (httpcore and h11, held to by tests over real sockets)."""


NOTHING_WAS_SENT: Final = frozenset[Kind]({"dns", "refused", "connect_timeout"})
"""Kinds that may pass and after which no engine can have begun anything."""


@dataclass(eq=False)
class Failure(Exception):
    """One exchange that brought no usable answer.

    Attributes:
        plane: Which plane was asked.
        kind: What failed.
        status: HTTP status, for kind "status".
        body: The start of an error answer's body, for kind "status".
        content_type: Of that body.
        retry_after_header: As sent, or None.
        proxy: What names the proxy that the request went through; empty where it went through none.
    """

    plane: Plane
    kind: Kind
    status: int | None = None
    body: bytes = b""
    content_type: str = ""
    retry_after_header: str | None = None
    proxy: str = ""

    def __str__(self) -> str:
        return f"{self.plane} plane: {self.kind}{f' {self.status}' if self.status else ''}"


def _causes(exc: BaseException) -> list[BaseException]:
    chain: list[BaseException] = []
    seen: BaseException | None = exc
    while seen is not None and seen not in chain:
        chain.append(seen)
        if isinstance(seen, ExceptionGroup):  # happy eyeballs: one failure per address tried
            chain.extend(cast("ExceptionGroup[Exception]", seen).exceptions)
        seen = seen.__cause__ or seen.__context__
    return chain


def kind_of(exc: httpx2.HTTPError | httpx2.InvalidURL) -> Kind:
    """Classify what the HTTP client raised. Its text goes no further: it can hold header values."""
    match exc:
        case httpx2.ConnectTimeout():
            return "connect_timeout"
        case httpx2.ConnectError():
            causes = _causes(exc)
            if any(isinstance(cause, ssl.SSLError) for cause in causes):
                return "tls"
            return "dns" if any(isinstance(cause, socket.gaierror) for cause in causes) else "refused"
        case httpx2.ProxyError():
            return "proxy"
        case httpx2.TimeoutException():
            return "timeout"
        case httpx2.DecodingError():
            return "encoding"
        case httpx2.RemoteProtocolError() if not any(words in str(exc) for words in _CLOSED):
            return "broken_http"
        case httpx2.InvalidURL() | httpx2.UnsupportedProtocol() | httpx2.LocalProtocolError():
            return "unusable_url"
        case _:
            return "reset"
