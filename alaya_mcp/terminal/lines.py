"""Where lines come from, where no person types them, and what is asked of those who do."""

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
        had_text: Whether something was typed, which is given up.
    """

    def __init__(self, *, had_text: bool) -> None:
        super().__init__("Ctrl-C at the prompt")
        self.had_text = had_text


class ReadLine(Protocol):
    """Lets a person type."""

    async def __call__(self, prompt: str, /) -> str:
        """What was typed, of one line or more.

        Raises:
            EOFError: the person leaves.
            LineInterrupted: Ctrl-C.
        """
        ...


@dataclass(frozen=True, slots=True)
class PipedLine:
    """One line of what is piped in.

    Attributes:
        number: Its place, the first being 1.
        text: Without its end; None where it is text of no encoding that is known here.
    """

    number: int
    text: str | None


async def piped_lines(file: BinaryIO, encoding: str) -> AsyncGenerator[PipedLine]:
    """Each line of a file that has anything on it, as soon as it is there.

    Args:
        file: UTF-8, the other encoding, or UTF-16 with its byte order mark, which is read to its end first.
        encoding: The system's own, for lines that are not UTF-8: nothing is ever replaced.
    """
    number = 0
    while line := await anyio.to_thread.run_sync(file.readline):
        number += 1
        if number == 1 and line.startswith(_UTF_16):
            whole = line + await anyio.to_thread.run_sync(file.read)
            file = io.BytesIO(_from_utf_16(whole))
            line = file.readline()
        # Some shells of Windows put a mark before what they pipe.
        text = _decoded(line.removeprefix(codecs.BOM_UTF8) if number == 1 else line, encoding)
        if text is None or text.strip():
            yield PipedLine(number, text if text is None else text.rstrip("\r\n"))


def _from_utf_16(content: bytes) -> bytes:
    """UTF-16 as UTF-8, which PowerShell's `>` writes; what only begins like it is left as it is."""
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
