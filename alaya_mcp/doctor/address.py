"""The checks of a server over HTTP, each from the answers that it is about. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from alaya_mcp.doctor.address_faults import BODY_STEP, Fault, beginning, fault_in, said_in
from alaya_mcp.doctor.check import LEFT_OUT, NOT_NEEDED, Check, Fact
from alaya_mcp.doctor.probe import Answer
from alaya_mcp.origins import Origin

_OK, _UNAUTHORIZED, _NOT_FOUND, _NOT_ALLOWED, _UNAVAILABLE = 200, 401, 404, 405, 503
_NAME: Final = "alaya"
_ERROR: Final = "com.alayanew.mcp/error"
_SERVER: Final = "io.modelcontextprotocol/serverInfo"
_SEEN_SECONDS: Final = 0.1
"""Between the first and the last note: they were not sent on together."""
_SENT_SECONDS: Final = 0.4
"""Between the same by the server's clock: a note is sent each 0.25 s, so several came together."""


@dataclass(frozen=True, slots=True)
class Call:
    """The outcome of a tool call: its answer, and the error of the tool."""

    answer: Answer

    @property
    def code(self) -> str:
        """The code of the tool's error; empty without one."""
        return str(_inside(self.answer.result, "_meta", _ERROR).get("code", ""))

    @property
    def text(self) -> str:
        """What the tool says, or the server where it refused the call."""
        match self.answer.result.get("content"):
            case [{"text": str(text)}, *_]:
                return beginning(text)
            case _:
                return said_in(self.answer)

    @property
    def is_done(self) -> bool:
        """Whether the tool gave a result."""
        return bool(self.answer.result) and not self.answer.result.get("isError")

    @property
    def is_unauthenticated(self) -> bool:
        """Whether it failed for want of credentials."""
        return self.answer.status == _UNAUTHORIZED or self.code == "not_configured"

    @property
    def refusal(self) -> tuple[object, ...]:
        """What tells one refusal from another."""
        return self.answer.status, self.code, self.text, self.answer.headers.get("www-authenticate")


def about_endpoint(discovered: Answer, shaken: Answer) -> Check:
    """Check whether MCP answers, in the revisions with a handshake and without."""
    if fault := fault_in(discovered) or fault_in(shaken):
        return _failed("endpoint", fault)
    if discovered.status == _UNAUTHORIZED:
        return Check("endpoint", "ok", "mcp_guarded", "the server answers, and asks who calls (HTTP 401)")
    modern = _inside(discovered.result, "_meta", _SERVER)
    server = modern or _inside(shaken.result, "serverInfo")
    name, version = str(server.get("name", "")), str(server.get("version", ""))
    facts = (Fact("server", f"{name} {version}"),)
    if not (discovered.result and shaken.result):
        reason = said_in(discovered) or said_in(shaken)
        fault = Fault("headers_changed", f"a request of MCP is not understood: {reason}", _HEADERS_STEP)
        return _failed("endpoint", fault)
    if name != _NAME:
        step = "Correct --url, or the proxy's route."
        return Check("endpoint", "warning", "another_server", f"another MCP server answers: {name}", step, facts)
    found = f"alayanew-mcp {version} answers, with a handshake and without"
    return Check("endpoint", "ok", "mcp_answers", found, "", facts)


_HEADERS_STEP: Final = "Pass all headers on, MCP-Protocol-Version, Mcp-Method and Mcp-Name among them."


def about_health(alive: Answer, ready: Answer) -> Check:
    """Check what /healthz and /readyz say, if the proxy passes them on."""
    states = [answer.document.get("status") for answer in (alive, ready)]
    if states == ["ok", "ok"]:
        return Check("health", "ok", "healthy", "/healthz and /readyz say ok")
    if "stopping" in states:
        step = "Nothing, during a rolling restart; else start the server again. A balancer must look at /readyz."
        return Check("health", "warning", "stopping", "a server that is stopping was reached", step)
    found = "the proxy does not pass /healthz and /readyz on, and need not"
    return Check("health", "skipped", NOT_NEEDED, found)


def about_caller(call: Call, bare: Call | None, names: Sequence[str], origin: Origin) -> Check:
    """Check whose account a call uses.

    Args:
        call: With the caller's headers.
        bare: Without; None if there are none.
        names: Of those headers.
        origin: Of the server.
    """
    if call.is_done and (bare is None or bare.is_done):
        found = "calls need no credentials: everybody uses the server's own account"
        if origin.on_loopback:
            return Check("caller", "ok", "own_account", found)
        step = "If the gateway does not authenticate callers, choose another --mode: keys, tokens or oauth."
        return Check("caller", "warning", "open_to_anybody", found, step)
    if call.is_done:
        return Check("caller", "ok", "accepted", f"accepted, by {' and '.join(names)}; without, calls are refused")
    if bare is None and call.is_unauthenticated:
        found = f"not checked: no --header with credentials was given. The server says: {call.text}"
        return Check("caller", "skipped", LEFT_OUT, found)
    given = " and ".join(names)
    if bare is not None and call.is_unauthenticated and call.refusal == bare.refusal:
        found = f"with {given} and without, the answer is the same: {call.text}"
        step = f"A proxy removes {given}: pass it on. If it does, the server's --mode takes other headers."
        return Check("caller", "failed", "headers_lost", found, step)
    return _refused(call, given)


def _refused(call: Call, given: str) -> Check:
    """Return the check of a call that failed for a reason of its own."""
    if call.code and not (given and call.code in {"credentials_rejected", "not_configured"}):
        step = "The way to the server is well. Run `alayanew-mcp doctor` where the server runs."
        return Check("caller", "warning", "call_failed", f"a call failed: {call.text}", step)
    if not call.code and (fault := fault_in(call.answer)):
        return _failed("caller", fault)
    step = f"Correct the value of {given}; the proxy passes it on."
    return Check("caller", "failed", "credentials_refused", f"refused: {call.text}", step)


def about_get(answer: Answer) -> Check:
    """Check that a GET, with which hosts probe, is refused and opens no stream."""
    if answer.status in {_NOT_ALLOWED, _UNAUTHORIZED} and answer.messages:
        return Check("get", "ok", "get_refused", f"refused, as hosts expect (HTTP {answer.status})")
    if "event-stream" in answer.media_type:
        step = "Another MCP server answers, or a proxy does for it: hosts connect to it again and again."
        return Check("get", "failed", "get_streams", "a stream that never ends is opened", step)
    what = f"HTTP {answer.status}, {answer.media_type or 'without a type'}" if answer.status else "no answer"
    step = "Pass GET on to the server, which refuses it with 405: hosts probe with it, for the challenge too."
    return Check("get", "warning", "get_elsewhere", f"not answered by the server: {what}", step)


def about_discovery(found: Answer, challenge: str, url: str) -> Check:
    """Check that OAuth is offered where the server's challenge says so, and only there.

    Args:
        found: The metadata of the protected resource (RFC 9728).
        challenge: The server's WWW-Authenticate; empty if it sent none.
        url: The server's address.
    """
    resource = found.document.get("resource") if found.status == _OK else None
    is_wanted = "resource_metadata" in challenge
    if not is_wanted:
        if found.status == _NOT_FOUND and found.messages:
            return Check("discovery", "ok", "not_offered", "not offered, so hosts send their headers")
        if found.status == _NOT_FOUND:
            step = "Pass all paths on to the server: it says so in JSON, which hosts can read."
            return Check("discovery", "warning", "page_not_json", "HTTP 404, by the proxy and not in JSON", step)
        what = f"answered (HTTP {found.status}, {found.media_type or 'without a type'}), and not by this server"
        step = "Pass /.well-known/ on to the server, or answer 404: hosts would start OAuth and drop their headers."
        return Check("discovery", "failed", "offered_by_another", what, step)
    if not resource:
        what = f"the challenge names metadata, which is not there (HTTP {found.status})"
        step = "Pass /.well-known/oauth-protected-resource on to the server."
        return Check("discovery", "failed", "metadata_missing", what, step)
    if resource != url:
        what = f"the metadata is for {beginning(str(resource))}, and not for {url}: hosts refuse it"
        step = "Set --public-url of the server to the address that hosts use."
        return Check("discovery", "failed", "metadata_of_another", what, step)
    return Check("discovery", "ok", "offered", "offered, for this address")


def about_slash(answer: Answer) -> Check:
    """Check that the address with a slash at its end answers too: some hosts add one."""
    if fault := fault_in(answer):
        step = "Route both spellings to the server, without a redirect."
        return Check("slash", "warning", "slash_differs", f"with a slash at the end: {fault.found}", step)
    return Check("slash", "ok", "slash_alike", "answered with a slash at the end too")


def about_body(answer: Answer, size: str) -> Check:
    """Check that a request of the size, such as one with an image, comes through."""
    if fault := fault_in(answer):
        is_limit = fault.verdict in {"body_limit", "connection_cut"}
        step = BODY_STEP if is_limit else fault.next_step
        return Check("body", "failed", "body_limit" if is_limit else fault.verdict, f"{size}: {fault.found}", step)
    return Check("body", "ok", "body_passes", f"{size} come through")


def about_progress(call: Call, *, has_name: bool) -> Check:
    """Check that notes of a chat come as they are sent, and that its connection is not cut."""
    answer = call.answer
    if not answer.result:
        if answer.messages and answer.failure:
            return _cut(answer)
        if fault := fault_in(answer):
            return _failed("progress", Fault(fault.verdict, f"a chat: {fault.found}", fault.next_step))
    if not call.is_done:
        if call.code == "invalid_arguments" and not has_name:
            what = "not checked: the server has no default deployment; name one: doctor SERVICE --url ..."
            return Check("progress", "skipped", LEFT_OUT, what)
        step = "The way to the server is well. `alayanew-mcp doctor` where the server runs finds out why."
        return Check("progress", "warning", "chat_failed", f"a chat failed: {call.text}", step)
    notes = [(at, _sent_at(message)) for at, message in answer.messages if "method" in message]
    if not notes:
        step = "A proxy removes what comes before the result: pass the answer on as it is."
        return Check("progress", "failed", "notes_lost", "a chat's result came without its notes", step)
    seen, sent = notes[-1][0] - notes[0][0], notes[-1][1] - notes[0][1]
    if seen >= _SEEN_SECONDS:
        return Check("progress", "ok", "one_by_one", f"{len(notes)} notes came within {seen:.1f} s, one by one")
    if sent < _SENT_SECONDS:
        what = f"not checked: the chat ended within {sent:.2f} s, too soon to tell; ask a slower model (--model)"
        return Check("progress", "skipped", LEFT_OUT, what)
    what = f"{len(notes)} notes of {sent:.1f} s came together, at the end: a proxy buffers the answer"
    step = (
        "Have the proxy pass each part on at once (nginx: remove proxy_ignore_headers X-Accel-Buffering and gzip for "
        "text/event-stream, or set proxy_buffering off)."
    )
    return Check("progress", "failed", "buffered", what, step)


def _cut(answer: Answer) -> Check:
    silent = answer.seconds - answer.messages[-1][0]
    what = f"a chat was cut after {answer.seconds:.1f} s, of which the last {silent:.1f} s without a note"
    step = "Raise the proxy's read timeout above the longest call (nginx: proxy_read_timeout 3700s)."
    return Check("progress", "failed", "cut", what, step)


def about_long_calls() -> Check:
    """Return what nobody tried: a call that is longer than the limits that proxies usually have."""
    what = "not checked: a limit of a proxy, often 15 or 60 s, cuts only calls that take longer than the doctor's"
    return Check("long_calls", "skipped", LEFT_OUT, what)


def _failed(of: str, fault: Fault) -> Check:
    return Check(of, "failed", fault.verdict, fault.found, fault.next_step)


def _inside(value: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return the object that is so deep inside; empty if there is none."""
    for name in names:
        inner = value.get(name)
        value = cast("dict[str, Any]", inner) if isinstance(inner, dict) else {}
    return dict(value)


def _sent_at(message: Mapping[str, Any]) -> float:
    """Return when a note was sent, in seconds after the server began the call."""
    progress = _inside(message, "params").get("progress")
    return progress if isinstance(progress, int | float) else 0.0
