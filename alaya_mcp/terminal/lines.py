"""Where lines come from, where no person types them, and what is asked of those who do."""

from collections.abc import AsyncGenerator
from typing import Protocol, TextIO

import anyio.to_thread

_BYTE_ORDER_MARK = "\ufeff"


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


async def piped_lines(file: TextIO) -> AsyncGenerator[str]:
    """Each line of a file that has anything on it, as soon as it is there."""
    first = True
    while line := await anyio.to_thread.run_sync(file.readline):
        text = line.rstrip("\r\n")
        if first:  # some shells of Windows put one before what they pipe
            text = text.removeprefix(_BYTE_ORDER_MARK)
            first = False
        if text.strip():
            yield text
