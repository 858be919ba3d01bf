"""Lines of input: piped ones, and the protocol for typed ones."""

import codecs
import io
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import BinaryIO, Final, Protocol

import anyio.to_thread

_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class LineInterrupted(Exception):
    """Ctrl-C at the prompt.

    Attributes:
        had_text: Whether text was typed, which is discarded.
    """

    def __init__(self, *, had_text: bool) -> None:
        super().__init__("Ctrl-C at the prompt")
        self.had_text = had_text


class ReadLine(Protocol):
    """Reads what a person types."""

    async def __call__(self, prompt: str, /) -> str:
        """Return what was typed, one line or more.

        Raises:
            EOFError: the person leaves.
            LineInterrupted: Ctrl-C.
        """
        ...


@dataclass(frozen=True, slots=True)
class PipedLine:
    """One line of a pipe.

    Attributes:
        number: Its number, from 1.
        text: Without its line end; None if it cannot be decoded.
    """

    number: int
    text: str | None


async def piped_lines(file: BinaryIO, encoding: str) -> AsyncGenerator[PipedLine]:
    """Yield each line that is not blank, as soon as it arrives.

    Args:
        file: In UTF-8, in `encoding`, or in UTF-16 with a byte order mark, which is read to its end first.
        encoding: The system's, for lines that are not UTF-8; no character is ever replaced.
    """
    number = 0
    while line := await anyio.to_thread.run_sync(file.readline):
        number += 1
        if number == 1 and line.startswith(_UTF_16):
            whole = line + await anyio.to_thread.run_sync(file.read)
            file = io.BytesIO(_from_utf_16(whole))
            line = file.readline()
        # Some Windows shells put a byte order mark first.
        text = _decoded(line.removeprefix(codecs.BOM_UTF8) if number == 1 else line, encoding)
        if text is None or text.strip():
            yield PipedLine(number, text if text is None else text.rstrip("\r\n"))


def _from_utf_16(content: bytes) -> bytes:
    """Return UTF-16 (written by PowerShell's `>`) as UTF-8; anything else unchanged."""
    try:
        return content.decode("utf-16").encode()
    except UnicodeError:
        return content


def _decoded(line: bytes, encoding: str) -> str | None:
    for each in ("utf-8", encoding):
        try:
            return line.decode(each)
        except (UnicodeDecodeError, LookupError):
            pass
    return None
