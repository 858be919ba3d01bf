"""The store's commands, with bounded patience: half a second for an answer, and once more."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self, cast

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

_log = logging.getLogger(__name__)

_SECONDS: Final = 0.5
_RETRIES: Final = 1
_CONNECTIONS: Final = 10_000
"""Each call that waits for another server's reply has one."""
_WAIT_SECONDS: Final = 1.0
"""How long a read waits for records at a time."""
_LATE_SECONDS: Final = 2.0
"""By which such a wait may end later."""
_FIELD: Final = b"r"
_OLDER: Final = "equal or smaller"
"""What the store says to a record whose id it has already: a first try got through, and its answer did not."""
_OTHER_TYPE: Final = "WRONGTYPE"
_SCHEMES: Final = {"valkey": "redis", "valkeys": "rediss"}


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of streams that records were appended to.

    Attributes:
        lost: Those that are not there any more: nothing was appended.
        refused: Those under whose names the store has something else.
    """

    lost: frozenset[str]
    refused: frozenset[str]


class StoreUnavailable(Exception):
    """The store does not answer, or refuses."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a stream.

    Attributes:
        stream: The stream.
        id: Its id there, which orders it; `*` takes the store's next one.
        data: What it holds.
        replaces: The id of one that it makes needless.
        creates: Whether it may be a stream's first.
        most: How many the stream may have, or some more; 0: any number.
    """

    stream: str
    id: str
    data: bytes
    replaces: str = ""
    creates: bool = True
    most: int = 0


class Store:
    """A Valkey or Redis; an async context manager that closes its connections.

    Args:
        url: `redis://`, `rediss://`, `valkey://`, `valkeys://` or `unix://`.
    """

    def __init__(self, url: str) -> None:
        scheme, separator, rest = url.partition("://")
        url = f"{_SCHEMES.get(scheme, scheme)}{separator}{rest}"
        self._asked = _client(url, _SECONDS)
        self._waiting = _client(url, _WAIT_SECONDS + _LATE_SECONDS)
        self._is_reachable = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        for client in (self._asked, self._waiting):
            await client.aclose()

    async def append(self, records: Sequence[Record], seconds: float) -> Appended:
        """Append records, and keep their streams for some seconds from now.

        Raises:
            StoreUnavailable: some may not be stored; the same may be appended again.
        """
        commands: list[tuple[Any, ...]] = []
        for record in records:
            only_there = () if record.creates else ("NOMKSTREAM",)
            trimmed = ("MAXLEN", "~", record.most) if record.most else ()
            commands.append(("XADD", record.stream, *only_there, *trimmed, record.id, _FIELD, record.data))
        commands += [("XDEL", record.stream, record.replaces) for record in records if record.replaces]
        commands += [("EXPIRE", stream, round(seconds)) for stream in {record.stream for record in records}]
        answers = await self._answers(commands)
        of = list(zip(records, answers, strict=False))
        return Appended(
            lost=frozenset(record.stream for record, answer in of if answer is None),
            refused=frozenset(record.stream for record, answer in of if _is_other(answer)),
        )

    async def records(self, stream: str, after: str, *, count: int, waits: bool = False) -> list[tuple[str, bytes]]:
        """Return ids and data of records after an id, at most `count`; `waits`: for a second, if there is none yet.

        Raises:
            StoreUnavailable: nobody knows.
        """
        block = ("BLOCK", round(_WAIT_SECONDS * 1000)) if waits else ()
        client = self._waiting if waits else self._asked
        (answer,) = await self._answers([("XREAD", "COUNT", count, *block, "STREAMS", stream, after)], client)
        return [] if not answer or _is_other(answer) else _read(answer[0][1])

    async def ends(self, stream: str) -> tuple[tuple[str, bytes], tuple[str, bytes]] | None:
        """Return the first and the last record of a stream; None if there is no such stream.

        Raises:
            StoreUnavailable: nobody knows.
        """
        first, last = await self._answers(
            [("XRANGE", stream, "-", "+", "COUNT", 1), ("XREVRANGE", stream, "+", "-", "COUNT", 1)]
        )
        if _is_other(first) or not (first and last):
            return None
        return _read(first)[0], _read(last)[0]

    async def mark(self, name: str, seconds: float) -> None:
        """Have a name exist for some seconds from now.

        Raises:
            StoreUnavailable: it may not.
        """
        await self._answers([("SET", name, b"", "PX", round(seconds * 1000))])

    async def is_marked(self, name: str) -> bool:
        """Return whether a name exists.

        Raises:
            StoreUnavailable: nobody knows.
        """
        (answer,) = await self._answers([("EXISTS", name)])
        return bool(answer)

    async def _answers(self, commands: Iterable[tuple[Any, ...]], client: "redis.Redis | None" = None) -> list[Any]:
        pipeline: Any = (client or self._asked).pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        try:
            answers = await pipeline.execute(raise_on_error=False)
        except (RedisError, OSError, ValueError, RecursionError) as error:  # the last two: it speaks something else
            self._tell(error)
            raise StoreUnavailable from None
        for answer in answers:
            if isinstance(answer, Exception) and not (_OLDER in str(answer) or _is_other(answer)):
                self._tell(answer)
                raise StoreUnavailable
        self._tell(None)
        return answers

    def _tell(self, error: Exception | None) -> None:
        """Log when the store is lost, and when it is back; nothing of it but the kind of error."""
        if error and self._is_reachable:
            _log.error("The store of replies cannot be used (%s)", type(error).__name__)
        if not error and not self._is_reachable:
            _log.warning("The store of replies can be used again")
        self._is_reachable = error is None


def _client(url: str, seconds: float) -> "redis.Redis":
    return redis.Redis.from_url(  # pyright: ignore[reportUnknownMemberType] its options are untyped
        url,
        protocol=2,
        socket_timeout=seconds,
        socket_connect_timeout=_SECONDS,
        retry=Retry(NoBackoff(), _RETRIES),
        max_connections=_CONNECTIONS,
    )


def _read(records: Any) -> list[tuple[str, bytes]]:  # noqa: ANN401 as redis-py types answers
    """Return the ids and data of records; a record of somebody else has no data."""
    return [(id_.decode(), cast("dict[bytes, bytes]", fields).get(_FIELD, b"")) for id_, fields in records]


def _is_other(answer: object) -> bool:
    return isinstance(answer, ResponseError) and str(answer).startswith(_OTHER_TYPE)
