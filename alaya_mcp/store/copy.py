"""One reply's copy in the store: which records it still lacks."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Final

from alaya_mcp.chat.stored_reply import StoredReply
from alaya_mcp.store.connection import Record
from alaya_mcp.store.encryption import Encryption
from alaya_mcp.store.records import TEXT, Times, end_record, heading_record, state_of, state_record

_CHUNK: Final = 2**15
"""Bytes of text in a record, so that a part of a large reply is a small read."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """How far a copy has come.

    Attributes:
        size: Bytes of text.
        state: The last state, with the id of its record.
        has_heading: Whether the heading is there.
        has_end: Whether the end is there.
    """

    size: int = 0
    state: tuple[dict[str, Any], str] | None = None
    has_heading: bool = False
    has_end: bool = False


class Copy:
    """Copies one reply.

    The id of a text's record is the byte at which it ends, so that a reader can begin at any byte; that of another
    record is the byte up to which there was text before it, with a number that never comes again.

    Args:
        reply: The reply.
        writer: Identifies this server.
        stream: Where the copy is.
        encryption: Encrypts it.
        times: To tell times.
    """

    def __init__(self, reply: StoredReply, writer: str, stream: str, encryption: Encryption, times: Times) -> None:
        self.stream = stream
        self._reply = reply
        self._writer = writer
        self._encryption = encryption
        self._times = times
        self._stored = _Stored()
        self._next = _Stored()
        self._number = 0

    @property
    def is_whole(self) -> bool:
        """Whether the end of the reply is there too."""
        return self._stored.has_end

    def records(self) -> list[Record]:
        """Return the records that are lacking, in order."""
        return list(self._lacking())

    def stored(self) -> None:
        """Record that what was returned last is there."""
        self._stored = self._next

    def lost(self) -> None:
        """Record that nothing is there any more."""
        self._stored = _Stored()

    def _lacking(self) -> Generator[Record]:
        reply, was = self._reply, self._stored
        creates = not was.has_heading
        has_heading, state = was.has_heading, was.state
        if not has_heading and reply.heading:
            yield self._record(self._id(was.size), heading_record(reply.heading, self._writer, self._times), creates)
            has_heading = True
        size = was.size
        while size < reply.size:
            text = reply.after(size, _CHUNK).encode()
            size += len(text)
            yield self._record(f"{size}-0", TEXT + text, creates)
        now = state_of(reply, self._times)
        if not reply.end and (state is None or now != state[0]):
            id_ = self._id(size)
            yield self._record(id_, state_record(now), creates, replaces=state[1] if state else "")
            state = now, id_
        if reply.end and not was.has_end:
            yield self._record(self._id(size), end_record(reply.end), creates)
        self._next = _Stored(size, state, has_heading, reply.end is not None)

    def _id(self, size: int) -> str:
        self._number += 1
        return f"{size}-{self._number}"

    def _record(self, id_: str, data: bytes, creates: bool, replaces: str = "") -> Record:  # noqa: FBT001 private
        return Record(self.stream, id_, self._encryption.encrypted(data, self.stream, id_), replaces, creates)
