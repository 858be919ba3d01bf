"""The first answers, sent while the server is still being loaded.

A host starts a server and waits for the answers to its first requests. Loading the SDK takes most of a start, and the
answers are known from an earlier one (first_answers.py), so a thread sends them meanwhile. Then the server takes over:
what decides its state is replayed to it, and it handles everything that is not known here.

Without this module only the start is slower (docs/decisions/opening.md).
"""

import json
import os
import select
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, cast

from alaya_mcp.first_answers import Beginning, FirstAnswers
from alaya_mcp.serving.stdio.stdout_guard import Descriptors, can_be_waited_for

_SWITCH_SECONDS: Final = 0.0005
"""Thread switch interval while the SDK is loaded, which bounds the delay of an answer."""
_CHUNK: Final = 2**16
_LONGEST: Final = 2**16
"""Maximum length of a line that is answered here, in bytes."""
_MOST_EXACT: Final = 2**53
"""Larger numbers are read differently by different decoders."""
_INITIALIZED: Final = {"jsonrpc": "2.0", "method": "notifications/initialized"}


class Script:
    """Decides which lines are answered, and how. No I/O.

    Attributes:
        replay: Lines to replay to the server.
        given: The results already sent for requests among them, by request id.
        has_answered: Whether a request was answered.
        has_ended: Whether the server handles everything from now on.
    """

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = known
        self._beginning = Beginning()
        self.replay: list[bytes] = []
        self.given: dict[int | str, str] = {}
        self.has_answered = self.has_ended = False

    def reply_to(self, line: bytes) -> bytes | None:
        """Return the answer, empty if none is due; None for a line that is left to the server."""
        message = _decoded(line)
        method, params, request_id = message.get("method"), message.get("params"), message.get("id")
        if self._beginning.version and message in (_INITIALIZED, {**_INITIALIZED, "params": {}}):
            self._go_on(line, method, params)
            return b""
        key = self._beginning.key(method, params) if _is_request(message) else None
        known = self._known.get(key) if key else None
        if known is None:
            self.has_ended = True
            return None
        if self._beginning.decides(method):
            self._go_on(line, method, params)
            self.given[cast("int | str", request_id)] = known
        self.has_answered = True
        return f'{{"jsonrpc":"2.0","id":{json.dumps(request_id)},"result":{known}}}\n'.encode()

    def _go_on(self, line: bytes, method: object, params: object) -> None:
        self.replay.append(line)
        self._beginning.go_on(method, params)


def _decoded(line: bytes) -> dict[str, Any]:
    """Return the JSON object of a short line; empty for others, and with escapes, which decoders read differently."""
    try:
        value = None if len(line) > _LONGEST or b"\\u" in line else json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        value = None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _is_request(message: Mapping[str, Any]) -> bool:
    request_id = message.get("id")
    is_id = isinstance(request_id, str) or (
        isinstance(request_id, int) and not isinstance(request_id, bool) and abs(request_id) < _MOST_EXACT
    )
    return is_id and message.get("jsonrpc") == "2.0" and message.keys() <= {"jsonrpc", "id", "method", "params"}


class Handover:
    """The state that the server takes over.

    Attributes:
        descriptors: Stdin and stdout.
        unread: Bytes that the server reads first.
        unsent: Bytes that it writes first.
        given: The results already sent for requests in `unread`, by request id.
        has_answered: Whether any request was answered.
    """

    def __init__(self, descriptors: Descriptors, script: Script, unread: bytes, unsent: bytes) -> None:
        self.descriptors = descriptors
        self.unread = b"".join(line + b"\n" for line in script.replay) + unread
        self.unsent = unsent
        self.given = script.given
        self.has_answered = script.has_answered


class Opening:
    """Reads and answers in a thread until the server takes over."""

    def __init__(self, descriptors: Descriptors, answers: FirstAnswers) -> None:
        self.answers = answers
        self._descriptors = descriptors
        self._script = Script(answers.known)
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


def begin(environ: Mapping[str, str], arguments: Sequence[str], platform: str) -> Opening | None:
    """Start answering and return the opening; None, with nothing changed, for a command line that may not serve.

    Without arguments it serves, so stdout is protected from now on even if no answers are known. `platform` is
    `sys.platform`.
    """
    if not can_be_waited_for(platform):
        return None
    answers = FirstAnswers(environ, arguments, platform)
    if not answers.load() and arguments:
        return None
    descriptors = Descriptors()
    descriptors.restore_when_killed()
    return Opening(descriptors, answers)
