"""Failed exchanges as facts, before they are mapped to errors."""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, cast

import httpx2

from alaya_mcp.error_causes import Distrust, Plane

Kind = Literal[
    "dns",
    "tls",
    "refused",
    "not_public",
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
"""The HTTP library's messages for an incomplete response; a response that violates HTTP raises the same type (httpcore
and h11, checked by tests over real sockets)."""


_CODES: Final[dict[int, Distrust]] = {
    # OpenSSL
    9: "not_yet_valid",
    10: "expired",
    18: "self_signed",
    19: "unknown_authority",
    20: "unknown_authority",
    21: "unknown_authority",
    62: "wrong_name",
    64: "wrong_name",
    # Windows
    0x800B0101: "expired",
    0x800B0109: "unknown_authority",
    0x800B010A: "unknown_authority",
    0x800B010F: "wrong_name",
    # macOS
    -67818: "expired",
    -67819: "not_yet_valid",
    -67602: "wrong_name",
    -67843: "unknown_authority",
}
_NOT_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG"})

NOTHING_WAS_SENT: Final = frozenset[Kind]({"dns", "refused", "connect_timeout"})
"""Transient kinds after which no engine can have started work."""


@dataclass(eq=False)
class Failure(Exception):
    """One exchange without a usable response.

    Attributes:
        plane: The plane the request was sent to.
        kind: What failed.
        status: HTTP status, for kind "status".
        body: The start of an error response's body, for kind "status".
        content_type: Of that body.
        retry_after_header: As sent, or None.
        proxy: What sets the proxy that the request went through; empty if there was none.
        distrust: Why TLS failed, for kind "tls".
        host: The host name that could not be resolved, for kind "dns".
        is_cut_short: Whether it would have been retried, had the caller's deadline left the time.
        is_chat: Whether a chat was sent.
    """

    plane: Plane
    kind: Kind
    status: int | None = None
    body: bytes = b""
    content_type: str = ""
    retry_after_header: str | None = None
    proxy: str = ""
    distrust: Distrust | None = None
    host: str = ""
    is_cut_short: bool = False
    is_chat: bool = False

    @property
    def is_page(self) -> bool:
        """Whether its body is an HTML page, as captive portals, gateways and other web servers send."""
        start = self.body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
        return "html" in self.content_type.lower() or start == b"<"

    def __str__(self) -> str:
        return f"{self.plane} plane: {self.kind}{f' {self.status}' if self.status else ''}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error of the HTTP library and its causes, which hold the system's error."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        if isinstance(error, BaseExceptionGroup):  # happy eyeballs: one failure per address tried
            for each in cast("BaseExceptionGroup[BaseException]", error).exceptions:
                yield from _causes(each)
        error = error.__cause__ or error.__context__


def distrust_in(error: BaseException | None) -> Distrust | None:
    """Return why TLS failed, from the causes of an error; None if TLS did not fail."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            code = cause.verify_code
            return _CODES.get(code) or _CODES.get(code & 0xFFFFFFFF, "other")
        if isinstance(cause, ssl.SSLError):
            return "not_tls" if getattr(cause, "reason", None) in _NOT_TLS else "other"  # none if Python made it
    return None


def kind_of(exc: httpx2.HTTPError | httpx2.InvalidURL) -> Kind:
    """Classify what the HTTP client raised. Its text is dropped: it can hold header values."""
    match exc:
        case httpx2.ConnectTimeout():
            return "connect_timeout"
        case httpx2.ConnectError():
            if any(isinstance(cause, ssl.SSLError) for cause in _causes(exc)):
                return "tls"
            if any(isinstance(cause, PermissionError) for cause in _causes(exc)):
                return "not_public"
            return "dns" if any(isinstance(cause, socket.gaierror) for cause in _causes(exc)) else "refused"
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
