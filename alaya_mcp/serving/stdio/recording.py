"""Record the first answers of the real server for the next start (first_answers.py)."""

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Final, Self

import anyio.to_thread
import mcp_types as types
from pydantic_core import to_json

from alaya_mcp.first_answers import Beginning, FirstAnswers

_SETTLED_SECONDS: Final = 1.0
"""After the last new answer: many hosts kill a server rather than close its stdin."""


class Recording:
    """The answers to the beginning of one connection; a context manager that saves them.

    Args:
        answers: Where they are kept.
        file: The configuration file, as `FirstAnswers.file` returned it before the settings were read from it.
        variables: Names of the variables that the settings depend on.
    """

    def __init__(self, answers: FirstAnswers, file: list[str], variables: Iterable[str]) -> None:
        self._answers = answers
        self._depends_on = file, answers.variables(sorted(variables))
        self._beginning: Beginning | None = Beginning()
        self._asked: dict[int | str, str] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self._timer:
            self._timer.cancel()
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._answers.save, *self._depends_on)

    def asked(self, message: types.JSONRPCMessage) -> None:
        """Take note of a message of the host; the first that is not of a beginning ends it."""
        if self._beginning is None or not isinstance(message, types.JSONRPCRequest | types.JSONRPCNotification):
            return
        method, params = message.method, message.params
        if isinstance(message, types.JSONRPCRequest):
            key = self._beginning.key(method, params)
            if key is None or message.id in self._asked:
                self._beginning = None
                return
            self._asked[message.id] = key
        elif method != "notifications/initialized":
            return
        if self._beginning.decides(method):
            self._beginning.go_on(method, params)

    def answered(self, request_id: int | str, result: dict[str, Any]) -> None:
        """Keep the result of such a request."""
        key = self._asked.pop(request_id, None)
        if key is None or self._answers.known.get(key) == (text := to_json(result).decode()):
            return
        self._answers.known[key] = text
        loop = asyncio.get_running_loop()
        if self._timer:
            self._timer.cancel()
        self._timer = loop.call_later(_SETTLED_SECONDS, self._save)

    def _save(self) -> None:
        self._timer = None
        asyncio.get_running_loop().run_in_executor(None, self._answers.save, *self._depends_on)
