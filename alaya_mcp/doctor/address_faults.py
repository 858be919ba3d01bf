"""What is wrong with an answer that is not MCP: whether a proxy on the way gave it, or the server. Pure."""

from typing import Final, NamedTuple
from urllib.parse import urlsplit

from alaya_mcp.doctor.probe import Answer
from alaya_mcp.upstream.failures import Kind


class Fault(NamedTuple):
    """A fault, as a check reports it: its verdict, what was found, and what to do."""

    verdict: str
    found: str
    next_step: str


_OK, _REDIRECTS, _CLIENT_ERRORS = 200, 300, 400
_UNAUTHORIZED, _FORBIDDEN, _TOO_LARGE, _MISDIRECTED, _TOO_MANY = 401, 403, 413, 421, 429
_NOT_FOUND, _NOT_ALLOWED, _BAD_GATEWAY, _UNAVAILABLE, _GATEWAY_TIMEOUT = 404, 405, 502, 503, 504
_HEADER_MISMATCH: Final = -32020

BODY_STEP: Final = (
    "Raise the proxy's limit to 24 MiB, as the server's (nginx: client_max_body_size 24m): images are sent as text."
)
_SERVER_STEP: Final = (
    "Check that the server runs and that the proxy's upstream has its address and port; its /healthz answers there."
)
_NO_ANSWER: Final[dict[Kind, Fault]] = {
    "refused": Fault(
        "unreachable", "no connection: nothing listens there", "Start the proxy or the server, or correct --url."
    ),
    "connect_timeout": Fault(
        "unreachable",
        "no connection in time",
        "A firewall drops the packets, or the machine is off: check both, and the address in --url.",
    ),
    "proxy": Fault(
        "proxy_refused",
        "the proxy of this machine does not connect to it",
        "Correct HTTPS_PROXY, or bypass it with NO_PROXY.",
    ),
    "timeout": Fault(
        "no_answer", "a connection, but no answer in time", "The proxy or the server hangs: look at the logs of both."
    ),
    "reset": Fault(
        "connection_cut",
        "the connection was closed without a whole answer",
        "A proxy that cannot reach the server, or a firewall, closes it: look at the proxy's log.",
    ),
}
_NOT_HTTP: Final = Fault(
    "not_http", "the answer is not valid HTTP", "Another program listens there: check the port in --url."
)
_PROXYS: Final[dict[int, Fault]] = {
    _UNAUTHORIZED: Fault(
        "proxy_asks",
        "a proxy asks for credentials of its own (HTTP 401)",
        "Take the MCP server's path out of the proxy's sign-in; hosts answer the server's challenge only.",
    ),
    _FORBIDDEN: Fault(
        "refused_on_the_way",
        "a proxy or firewall refuses the request (HTTP 403)",
        "Allow POST with JSON to this path; its log names the rule.",
    ),
    _NOT_FOUND: Fault(
        "not_routed",
        "the proxy has nothing at this path (HTTP 404)",
        "Correct the path in --url, or add a route to the server for it.",
    ),
    _NOT_ALLOWED: Fault(
        "not_routed",
        "the proxy does not take POST at this path (HTTP 405)",
        "Pass every method of this path on to the server.",
    ),
    _TOO_LARGE: Fault(
        "body_limit",
        "a proxy refuses the request as too large (HTTP 413)",
        BODY_STEP,
    ),
    _TOO_MANY: Fault(
        "refused_on_the_way",
        "a proxy limits the requests (HTTP 429)",
        "Raise its limit; all hosts behind one address count as one.",
    ),
    _BAD_GATEWAY: Fault("no_server_behind", "the proxy answers, and cannot reach the server (HTTP 502)", _SERVER_STEP),
    _UNAVAILABLE: Fault(
        "no_server_behind", "the proxy answers, and has no server that is ready (HTTP 503)", _SERVER_STEP
    ),
    _GATEWAY_TIMEOUT: Fault(
        "server_too_slow",
        "the proxy did not wait for the server's answer (HTTP 504)",
        "Raise the proxy's read timeout above the longest call (nginx: proxy_read_timeout 3700s).",
    ),
}
"""By the status of an answer that is not JSON-RPC."""


def fault_in(answer: Answer) -> Fault | None:
    """Return what is wrong with the answer to a POST; None if the server gave it and it is a result or a challenge."""
    if not answer.status or (answer.failure and not answer.messages and answer.status < _REDIRECTS):
        return _NO_ANSWER.get(answer.failure or "reset", _NOT_HTTP)
    if not answer.messages:
        return _of_another(answer)
    message = said_in(answer)
    match answer.status:
        case code if code < _REDIRECTS or code == _UNAUTHORIZED:
            return None
        case 404 if answer.message.get("id") is None:
            return Fault(
                "path_changed",
                f"the server is reached, at a path that it does not serve: {message}",
                "The proxy changes the path: pass it on as it is (nginx: proxy_pass without a path), or correct --url.",
            )
        case 421:
            return Fault(
                "host_refused",
                f"the server is reached, and refuses the Host header that came to it: {message}",
                "Pass Host on (nginx: proxy_set_header Host $host); if that is done, --public-url of the server names "
                "another host than --url.",
            )
        case _ if answer.error.get("code") == _HEADER_MISMATCH:
            return Fault(
                "headers_changed",
                f"the server is reached, and headers of MCP are missing or changed: {message}",
                "Pass all headers on, MCP-Protocol-Version, Mcp-Method and Mcp-Name among them.",
            )
        case _:
            return Fault("refused", f"the server refuses the request (HTTP {answer.status}): {message}", _LOG_STEP)


_LOG_STEP: Final = "If the sentence does not say what to do, look at the server's log."


def _of_another(answer: Answer) -> Fault:
    """Return the fault of an answer that the server did not give."""
    if _REDIRECTS <= answer.status < _CLIENT_ERRORS:
        to = urlsplit(answer.headers.get("location", ""))
        place = beginning(f"{to.scheme}://{to.hostname}{to.path}" if to.hostname else to.path) or "nowhere"
        return Fault(
            "redirected",
            f"a redirect to {place} (HTTP {answer.status})",
            "Hosts drop their credentials or do not follow: serve this address without a redirect, or use that one.",
        )
    if known := _PROXYS.get(answer.status):
        return known
    kind = "a web page" if "html" in answer.media_type else f"something else ({answer.media_type or 'without a type'})"
    if answer.status < _REDIRECTS:
        return Fault(
            "not_mcp",
            f"{kind} came instead of MCP (HTTP {answer.status})",
            "A sign-in page or another web server answers: route this path to the server, and take it out of the "
            "sign-in.",
        )
    return Fault("not_mcp", f"{kind} came instead of MCP (HTTP {answer.status})", "Look at the proxy's log.")


def said_in(answer: Answer) -> str:
    """Return what an error of JSON-RPC says; empty if there is none."""
    return beginning(str(answer.error.get("message", "")))


def beginning(text: str) -> str:
    """Return the beginning of what a server says."""
    return text if len(text) <= _SAID else f"{text[:_SAID]}…"


_SAID: Final = 300
