"""Work that ends as soon as the client who asked for it has left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Receive


async def while_client_waits(receive: Receive, work: Callable[[], Awaitable[None]]) -> None:
    """Run `work`, cancelling it when the client closes the connection. The request body must have been read.

    Watching `receive` notices a departure between two tokens too; a failing send would not, because a server
    may write into a closed connection without an error. Engines abort a generation at once when the client
    leaves (seen on vLLM 0.32.0).
    """
    async with anyio.create_task_group() as group:

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            group.cancel_scope.cancel()

        group.start_soon(watch)
        await work()
        group.cancel_scope.cancel()
