"""The first answers, sent while the server is still being loaded.

A host starts a server and waits for the answers to `initialize` or `server/discover`, and to `tools/list`. They depend
only on version, protocol and configuration, and loading the SDK takes most of a start. So they are data here, made by
the real server (checked by tests/test_opening.py), and a thread sends them meanwhile. Then the server takes over: the
handshake is replayed to it, and it handles everything that is not exactly known here.

Without this module and its data (docs/decisions/opening.md) only the start is slower.
"""

import json
import os
import re
import select
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from typing import Any, Final, cast

from alaya_mcp.serving.stdio.stdout_guard import Descriptors, can_be_waited_for

ANSWERS: Final = os.path.join(os.path.dirname(__file__), "opening.json")  # noqa: PTH118,PTH120 pathlib is slow to load
DEFAULT_DEPLOYMENT: Final = "THE-DEFAULT-DEPLOYMENT"
"""Placeholder for its id in the answers."""

_SWITCH_SECONDS: Final = 0.0005
"""Thread switch interval while the SDK is loaded, which bounds the delay of an answer."""
_CHUNK: Final = 2**16
_LONGEST: Final = 2**16
"""Maximum length of a line that is answered here, in bytes."""
_DEEPEST: Final = 8
_MOST_EXACT: Final = 2**53
_INITIALIZED: Final = {"jsonrpc": "2.0", "method": "notifications/initialized"}
_META: Final = "io.modelcontextprotocol/"
_ENVELOPE: Final = {f"{_META}protocolVersion", f"{_META}clientCapabilities", f"{_META}clientInfo"}

PLAIN: Final = {
    "ALAYA_ACCESS_KEY": r"[!-#%-~]+",
    "ALAYA_SECRET_KEY": r"[!-#%-~]+",
    "ALAYA_CONFIG": "",
    "ALAYA_PROFILE": "",
    "ALAYA_SERVICE_ID": r"([A-Za-z0-9_-][A-Za-z0-9._-]{0,127})?",
    "ALAYA_BASE_URL": r"((https://[a-z0-9-]+(\.[a-z0-9-]+)*|http://(127\.0\.0\.1|localhost))(:[1-9][0-9]{0,3}"
    r"|:[1-5][0-9]{4})?(/[A-Za-z0-9_-]+)*)?",
    "ALAYA_TIMEOUT_SECONDS": r"([1-9][0-9]{0,2})?",
    "ALAYA_IDLE_SECONDS": r"([1-9][0-9]{0,2})?",
    "ALAYA_PROGRESS_INTERVAL_MS": r"([0-9]{1,4})?",
    "ALAYA_MAX_CONCURRENCY": r"([1-9][0-9]{0,3})?",
    "ALAYA_MAX_REPLY_BYTES": r"([1-9][0-9]{4,6})?",
    "ALAYA_LOG_LEVEL": r"(DEBUG|INFO|WARNING|ERROR|CRITICAL)?",
    "ALAYA_LOG_FORMAT": r"(text|json)?",
}
"""Values that are certainly valid; the server judges others."""

_CONFIG_FOLDERS: Final = ("~/.config", "~/Library/Application Support")
"""Besides XDG_CONFIG_HOME: where the configuration file may be; platformdirs takes a third of this start to load."""


def is_plain(environ: Mapping[str, str]) -> bool:
    """Return whether the environment alone certainly configures the server, so that its answers are known."""
    return all(re.fullmatch(pattern, environ.get(name, "")) for name, pattern in PLAIN.items()) and not any(
        os.path.lexists(os.path.join(os.path.expanduser(folder), "alayanew-mcp", "config.toml"))  # noqa: PTH111,PTH118 as above
        for folder in (environ.get("XDG_CONFIG_HOME", ""), *_CONFIG_FOLDERS)
    )


class Script:
    """Decides which lines are answered, and how. No I/O.

    Attributes:
        replay: Lines to replay to the server.
        given: The results already sent for requests among them, by request id.
        has_ended: Whether the server handles everything from now on.
    """

    def __init__(self, answers: Mapping[str, Any], service_id: str) -> None:
        self._texts: list[str] = answers["texts"]
        self._known: dict[str, dict[str, int]] = answers["with a default" if service_id else "without one"]
        self._service_id = service_id
        self._version: str | None = None
        self.replay: list[bytes] = []
        self.given: dict[int | str, str] = {}
        self.has_ended = False

    def reply_to(self, line: bytes) -> bytes | None:
        """Return the answer, empty if none is due; None for a line that is left to the server."""
        message = _fields(_decoded(line))
        if self._version and message in (_INITIALIZED, {**_INITIALIZED, "params": {}}):
            self.replay.append(line)
            return b""
        request_id, method = message.get("id"), str(message.get("method"))
        known = self._result(method, message.get("params", {})) if _is_request(message) else None
        if known is None:
            self.has_ended = True
            return None
        result = known.replace(DEFAULT_DEPLOYMENT, self._service_id)
        if method == "initialize" or (method == "tools/list" and not self._version):  # these decide the era
            self.replay.append(line)
            self.given[cast("int | str", request_id)] = result
        self.has_ended = method == "tools/list"
        return f'{{"jsonrpc":"2.0","id":{json.dumps(request_id)},"result":{result}}}\n'.encode()

    def _result(self, method: str, given: object) -> str | None:
        """Return the result as JSON, None if the server must answer."""
        params = _fields(given)
        if method == "initialize" and not self._version and _is_handshake(params):
            version = str(params["protocolVersion"])
            result = self._text("initialize", version)
            self._version = version if result else None
            return result
        if method in {"server/discover", "tools/list"} and not self._version and params.keys() == {"_meta"}:
            version = _stateless_version(params["_meta"])
            return self._text(method, version) if version in self._known["server/discover"] else None
        if method == "tools/list" and self._version and given == {}:
            return self._text("tools/list", self._version)
        return None

    def _text(self, method: str, version: str) -> str | None:
        place = self._known[method].get(version)
        return None if place is None else self._texts[place]


def _decoded(line: bytes) -> object:
    """Return the JSON of a short line; None with Unicode escapes, which decoders read differently."""
    try:
        return None if len(line) > _LONGEST or b"\\u" in line else json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None


def _fields(value: object) -> dict[str, object]:
    """Return a JSON object's fields, empty for anything else."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _is_request(message: dict[str, object]) -> bool:
    request_id = message.get("id")
    is_id = isinstance(request_id, str) or (
        isinstance(request_id, int) and not isinstance(request_id, bool) and abs(request_id) < _MOST_EXACT
    )
    return is_id and message.get("jsonrpc") == "2.0" and message.keys() <= {"jsonrpc", "id", "method", "params"}


def _is_handshake(params: dict[str, object]) -> bool:
    return (
        params.keys() == {"protocolVersion", "capabilities", "clientInfo"}
        and isinstance(params["protocolVersion"], str)
        and _are_capabilities(params["capabilities"])
        and _is_client(params["clientInfo"])
    )


def _are_capabilities(value: object, depth: int = 0) -> bool:
    """Return whether a client's capabilities have the known shape: shallow objects with `listChanged` flags."""
    return (
        depth < _DEEPEST
        and isinstance(value, dict)
        and all(
            isinstance(inner, bool) if name == "listChanged" else _are_capabilities(inner, depth + 1)
            for name, inner in _fields(cast("object", value)).items()
        )
    )


def _is_client(value: object) -> bool:
    fields = _fields(value)
    return {"name", "version"} <= fields.keys() <= {"name", "version", "title"} and all(
        isinstance(field, str) for field in fields.values()
    )


def _stateless_version(meta: object) -> str:
    """Return the protocol version in a stateless request's `_meta`, empty if it does not have the known shape."""
    fields = _fields(meta)
    version = fields.get(f"{_META}protocolVersion")
    known = (
        {f"{_META}protocolVersion", f"{_META}clientCapabilities"} <= fields.keys() <= _ENVELOPE
        and _are_capabilities(fields[f"{_META}clientCapabilities"])
        and _is_client(fields.get(f"{_META}clientInfo", {"name": "", "version": ""}))
    )
    return version if known and isinstance(version, str) else ""


class Handover:
    """The state that the server takes over.

    Attributes:
        descriptors: Stdin and stdout.
        unread: Bytes that the server reads first.
        unsent: Bytes that it writes first.
        given: The results already sent for requests in `unread`, by request id.
    """

    def __init__(self, descriptors: Descriptors, script: Script, unread: bytes, unsent: bytes) -> None:
        self.descriptors = descriptors
        self.unread = b"".join(line + b"\n" for line in script.replay) + unread
        self.unsent = unsent
        self.given = script.given


class Opening:
    """Reads and answers in a thread until the server takes over."""

    def __init__(self, descriptors: Descriptors, script: Script) -> None:
        self._descriptors = descriptors
        self._script = script
        self._unread = self._unsent = b""
        self._taken_over, self._take_over = os.pipe()
        self._switch_seconds = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_SECONDS)
        self._thread = threading.Thread(target=self._run, name="opening", daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait until there is nothing more to answer here."""
        self._thread.join()

    def hand_over(self) -> Handover:
        """Stop answering and return the state; a host that does not read does not delay this."""
        os.close(self._take_over)
        self.join()
        os.close(self._taken_over)
        sys.setswitchinterval(self._switch_seconds)
        return Handover(self._descriptors, self._script, self._unread, self._unsent)

    def _run(self) -> None:
        with suppress(OSError):  # the host has exited; the server notices it too
            while not self._script.has_ended and self._can(select.POLLIN, self._descriptors.stdin):
                chunk = os.read(self._descriptors.stdin, _CHUNK)
                if not chunk:
                    return
                self._unread += chunk
                self._answer_lines()

    def _can(self, what: int, descriptor: int) -> bool:
        """Wait until the descriptor can be read or written; return False if the server takes over first."""
        ready = select.poll()
        ready.register(self._taken_over, select.POLLIN)
        ready.register(descriptor, what)
        return all(one != self._taken_over for one, _ in ready.poll())

    def _answer_lines(self) -> None:
        while b"\n" in self._unread and not self._script.has_ended:
            line, _, rest = self._unread.partition(b"\n")
            reply = self._script.reply_to(line)
            if reply is None:
                return
            self._unread, self._unsent = rest, reply
            while self._unsent and self._can(select.POLLOUT, self._descriptors.stdout):
                with suppress(BlockingIOError):
                    self._unsent = self._unsent[os.write(self._descriptors.stdout, self._unsent) :]
            if self._unsent:
                self._script.has_ended = True
        if len(self._unread) > _LONGEST:
            self._script.has_ended = True


def begin(environ: Mapping[str, str]) -> Opening | None:
    """Start answering and return the opening; None, with nothing changed, if the answers are not known."""
    if not (can_be_waited_for() and is_plain(environ)):
        return None
    try:
        with open(ANSWERS, encoding="utf-8") as file:  # noqa: PTH123 pathlib is slow to load
            answers = json.load(file)
    except FileNotFoundError:
        return None
    if not all(_is_installed(*each) for each in answers["made with"].items()):
        return None
    descriptors = Descriptors()
    descriptors.restore_when_killed()
    return Opening(descriptors, Script(answers, environ.get("ALAYA_SERVICE_ID", "")))


def _is_installed(module: str, metadata: str) -> bool:
    """Return whether a module is next to this metadata folder of its distribution, and so has that version."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return False
    folder = os.path.dirname(os.path.dirname(spec.origin))  # noqa: PTH120 as above
    return os.path.isdir(os.path.join(folder, metadata))  # noqa: PTH112,PTH118 as above
