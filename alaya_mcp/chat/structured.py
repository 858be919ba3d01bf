"""Replies that must follow a JSON Schema: the schema is checked before sending, the reply after.

The checks run in a worker process, which is killed when its time is up: a pattern or circular references may never
end, and neither a thread nor a regular expression can be stopped. A `$ref` is resolved inside the schema only.
"""

import faulthandler
import json
import os
import re
import signal
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final, Literal, NoReturn

import anyio
import anyio.to_process

from alaya_mcp.chat.json_values import is_deeper
from alaya_mcp.chat.schema_verdict import Verdict
from alaya_mcp.clock import now
from alaya_mcp.deadline import Deadline

SCHEMA_BYTES: Final = 64 * 2**10
"""Size limit of a schema, as JSON."""
CHECK_SECONDS: Final = 5.0
"""For one schema or one reply, including the start of its worker."""
_WORKER_SECONDS: Final = 8
"""After which an orphaned check ends itself."""
_WORKER_BYTES: Final = 2**30
"""Memory limit of one worker, where the system supports it."""
_WORKERS: Final = 2
_LAST_CHECK_SECONDS: Final = 1.0
"""For a reply that arrived at the deadline."""
_DEPTH: Final = 100
"""Nesting limit of a reply's JSON, accepted by the JSON libraries of hosts."""

_END_OF_TURN: Final = re.compile(
    r"(?:\s*(?:</s>|<\|(?:im_end|endoftext|eot_id|end|end_of_text|return|user)\|>|<end_of_turn>))+$"
)
"""End-of-turn tokens that an engine without `skip_special_tokens` leaves after the JSON."""


class SchemaRefused(ValueError):
    """A schema is refused; the text says why."""


class Unchecked(Exception):
    """A check did not finish; the text says why, as a clause."""


@dataclass(frozen=True, slots=True)
class Structured:
    """A reply as data.

    Attributes:
        value: The data, if the reply follows the schema.
        problem: Why it does not, as a clause; None if it does.
        is_json: Whether it is JSON.
        is_checked: Whether the check finished.
        is_alone: Whether a reply that should continue another is data by itself.
        unchecked: Patterns in the schema that could not be checked.
    """

    value: Any = None
    problem: str | None = None
    is_json: bool = True
    is_checked: bool = True
    is_alone: bool = False
    unchecked: tuple[str, ...] = ()


class SchemaChecks:
    """Checks schemas and replies in worker processes, a limited number at a time."""

    def __init__(self) -> None:
        self._places = anyio.CapacityLimiter(_WORKERS)
        self._usable = b""
        """Digest of the schema that was found usable last: comparisons ask with one schema many times."""

    async def refuse_unusable(self, schema: dict[str, Any], deadline: Deadline) -> None:
        """Refuse an unusable schema, if the check finishes in time.

        Raises:
            SchemaRefused: not a valid JSON Schema, or it refers to something outside itself.
        """
        text = json.dumps(schema)
        digest = sha256(text.encode()).digest()
        if digest == self._usable:
            return
        with suppress(Unchecked):  # the reply's own check decides
            verdict = await self._checked(deadline.at, "schema", text)
            if verdict.problem:
                raise SchemaRefused(verdict.problem)
            self._usable = digest

    async def read(self, schema: dict[str, Any], texts: Sequence[str], deadline: Deadline) -> Structured | None:
        """Return the first text that follows the schema, as data, else the problem of the last that is JSON.

        It may exceed the deadline by `_LAST_CHECK_SECONDS`. None if there is no text.
        """
        found: Structured | None = None
        for text in texts:
            read = replace(await self._read(schema, text, deadline), is_alone=text is texts[0])
            if found is None or read.is_json:
                found = read
            if read.problem is None:
                break
        return found

    async def _read(self, schema: dict[str, Any], text: str, deadline: Deadline) -> Structured:
        try:
            value = _parsed(text)
        except ValueError as error:
            return Structured(problem=f"it is not JSON ({error})", is_json=False)
        until = max(deadline.at, now() + _LAST_CHECK_SECONDS)
        try:
            verdict = await self._checked(until, "value", json.dumps(schema), json.dumps(value))
        except Unchecked as unchecked:
            return Structured(problem=str(unchecked), is_checked=False)
        return Structured(None if verdict.problem else value, verdict.problem, unchecked=verdict.unchecked)

    async def _checked(self, until: float, what: Literal["schema", "value"], *texts: str) -> Verdict:
        """Return the worker's verdict.

        Raises:
            Unchecked: there was none.
        """
        with anyio.CancelScope(deadline=until) as waiting:
            async with self._places:
                # Its time starts when it has a place: waiting for other checks does not count.
                waiting.deadline = min(until, now() + CHECK_SECONDS)
                try:
                    return await anyio.to_process.run_sync(check, what, texts, _WORKER_SECONDS, cancellable=True)
                except (anyio.BrokenWorkerProcess, OSError):  # out of memory or processes
                    raise Unchecked("the process that checks it could not be run") from None
        raise Unchecked("checking it took too long")


def check(
    what: Literal["schema", "value"], texts: tuple[str, ...], seconds: int, platform: str = sys.platform
) -> Verdict:
    """Return what is wrong with a schema, or with a value under a schema; runs in the worker.

    The worker ends itself after `seconds`, since a killed server cannot end it.
    """
    try:
        with _limited(seconds, platform):
            # Imported late: the validator is loaded in the worker only.
            from alaya_mcp.chat.schema_check import schema_problem, value_problem  # noqa: PLC0415 see above

            return schema_problem(*texts) if what == "schema" else value_problem(*texts)
    except Exception as bug:  # noqa: BLE001 the worker's boundary: a validator's bug must not cost a paid reply
        return Verdict(f"it cannot be evaluated ({type(bug).__name__})")


@contextmanager
def _limited(seconds: int, platform: str) -> Generator[None]:
    """Limit the worker to `seconds`, and to `_WORKER_BYTES` where the system can."""
    if platform == "win32":  # it has no alarms or resource limits
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123 not a path
            # Its thread does not wait for Python's lock, which a regular expression holds.
            faulthandler.dump_traceback_later(seconds, exit=True, file=nowhere)
            try:
                yield
            finally:
                faulthandler.cancel_dump_traceback_later()
        return
    import resource  # noqa: PLC0415 not there on Windows

    signal.alarm(seconds)
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    room = _WORKER_BYTES if most == resource.RLIM_INFINITY else min(_WORKER_BYTES, most)
    with suppress(ValueError, OSError):  # macOS refuses this limit
        resource.setrlimit(resource.RLIMIT_AS, (room, most))
    try:
        yield
    finally:
        signal.alarm(0)


def _parsed(text: str) -> Any:  # noqa: ANN401 any JSON value may come
    """Return the value of RFC 8259 JSON, bare or in one code fence.

    Raises:
        ValueError: not JSON, or not safe to pass on; the message does not quote it.
    """
    body = _END_OF_TURN.sub("", text.strip())
    if body.startswith("```") and body.endswith("```") and "\n" in body:
        body = body[body.index("\n") : -3]
    try:
        value = json.loads(body, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg}: character {error.pos}") from None
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair in it") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if is_deeper(value, _DEPTH):
        raise ValueError("nested too deeply")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} in it")
