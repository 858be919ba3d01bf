"""Replies that must follow a JSON Schema: the schema checked before anything is sent, the reply after.

The checks run in a worker process, which is killed when its time is up: a pattern or a web of references can take for
ever, and neither a thread nor a regular expression can be stopped. A `$ref` is resolved inside the schema only.
"""

import json
import re
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, NoReturn, cast

import anyio
import anyio.to_process

from alaya_mcp.chat.schema_verdict import Verdict
from alaya_mcp.deadline import Deadline

SCHEMA_BYTES: Final = 64 * 2**10
"""Of a schema, as JSON."""
CHECK_SECONDS: Final = 5.0
"""For one schema or one reply, the start of its worker included."""
_WORKER_SECONDS: Final = 8
"""After which a check that nobody ended ends itself."""
_WORKER_BYTES: Final = 2**30
"""Of memory for one worker, where the system can hold it to that."""
_WORKERS: Final = 2
_LAST_CHECK_SECONDS: Final = 1.0
"""For a reply that is there when the deadline has come."""
_DEPTH: Final = 100
"""Nesting of a reply's JSON, below what any JSON library on the way to a model refuses."""

_END_OF_TURN: Final = re.compile(
    r"(?:\s*(?:</s>|<\|(?:im_end|endoftext|eot_id|end|end_of_text|return|user)\|>|<end_of_turn>))+$"
)
"""Tokens that end a turn, which an engine without `skip_special_tokens` leaves behind the JSON."""


class SchemaRefused(ValueError):
    """A schema that is not used; the text says why."""


class Unchecked(Exception):
    """A check that brought no answer; the text says why, as a clause."""


@dataclass(frozen=True, slots=True)
class Structured:
    """A reply as data.

    Attributes:
        value: The data, where the reply follows the schema.
        problem: Why it does not, a clause; None where it does.
        is_json: Whether it is JSON at all.
        is_checked: Whether the check came to an end.
        is_alone: Whether a reply that was to go on from another is data by itself.
        unchecked: Patterns in the schema that could not be checked.
    """

    value: Any = None
    problem: str | None = None
    is_json: bool = True
    is_checked: bool = True
    is_alone: bool = False
    unchecked: tuple[str, ...] = ()


class SchemaChecks:
    """Checks schemas and replies in worker processes of its own, so many at a time."""

    def __init__(self) -> None:
        self._places = anyio.CapacityLimiter(_WORKERS)

    async def refuse_unusable(self, schema: dict[str, Any], deadline: Deadline) -> None:
        """Make sure that a schema can be used, as far as that can be told in time.

        Raises:
            SchemaRefused: no valid JSON Schema, or one that refers to something outside itself.
        """
        with suppress(Unchecked):  # the reply's own check will tell
            verdict = await self._checked(deadline.at, "schema", json.dumps(schema))
            if verdict.problem:
                raise SchemaRefused(verdict.problem)

    async def read(self, schema: dict[str, Any], texts: Sequence[str], deadline: Deadline) -> Structured | None:
        """The first of some texts that follows the schema, as data; else what is wrong with the last one that is JSON.

        It takes hardly longer than the deadline. None where there is no text.
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
        until = max(deadline.at, anyio.current_time() + _LAST_CHECK_SECONDS)
        try:
            verdict = await self._checked(until, "value", json.dumps(schema), json.dumps(value))
        except Unchecked as unchecked:
            return Structured(problem=str(unchecked), is_checked=False)
        return Structured(None if verdict.problem else value, verdict.problem, unchecked=verdict.unchecked)

    async def _checked(self, until: float, what: Literal["schema", "value"], *texts: str) -> Verdict:
        """The worker's answer.

        Raises:
            Unchecked: there was none.
        """
        with anyio.CancelScope(deadline=until) as waiting:
            async with self._places:
                # Its own time begins when it has a place: others' slow checks are not held against it.
                waiting.deadline = min(until, anyio.current_time() + CHECK_SECONDS)
                try:
                    return await anyio.to_process.run_sync(check, what, texts, _WORKER_SECONDS, cancellable=True)
                except (anyio.BrokenWorkerProcess, OSError):  # no memory, no process
                    raise Unchecked("the process that checks it could not be run") from None
        raise Unchecked("checking it took too long")


def check(what: Literal["schema", "value"], texts: tuple[str, ...], seconds: int) -> Verdict:
    """What is wrong with a schema, or with a value by a schema; runs in the worker.

    The worker ends itself after so many seconds: where the server is killed meanwhile, nobody else would end it.
    """
    try:
        _limit(seconds)
        # Late, because the validator is loaded in the worker only.
        from alaya_mcp.chat.schema_check import schema_problem, value_problem  # noqa: PLC0415 see above

        return schema_problem(*texts) if what == "schema" else value_problem(*texts)
    except Exception as bug:  # noqa: BLE001 the worker's boundary: a validator's bug must not cost a paid reply
        return Verdict(f"it cannot be evaluated ({type(bug).__name__})")
    finally:
        _limit(0)


def _limit(seconds: int) -> None:
    """Hold the worker to so many seconds and to `_WORKER_BYTES`, as far as the system can; 0 ends the clock."""
    if sys.platform == "win32":  # there are no alarms and limits there
        return
    import resource  # noqa: PLC0415 not there on Windows

    signal.alarm(seconds)
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    room = _WORKER_BYTES if most == resource.RLIM_INFINITY else min(_WORKER_BYTES, most)
    with suppress(ValueError, OSError):  # macOS takes no such limit
        resource.setrlimit(resource.RLIMIT_AS, (room, most))


def _parsed(text: str) -> Any:  # noqa: ANN401 any JSON value may come
    """JSON as RFC 8259 has it, alone or in one code fence.

    Raises:
        ValueError: not JSON, or not fit to be sent on; the text quotes nothing of it.
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
    if _is_deeper(value, _DEPTH):
        raise ValueError("nested too deeply")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} in it")


def _is_deeper(value: Any, depth: int) -> bool:  # noqa: ANN401 any JSON value may come
    if isinstance(value, dict):
        inner = list(cast("dict[str, Any]", value).values())
    elif isinstance(value, list):
        inner = cast("list[Any]", value)
    else:
        return False
    return depth == 0 or any(_is_deeper(item, depth - 1) for item in inner)
