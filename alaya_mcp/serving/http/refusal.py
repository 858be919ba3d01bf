"""HTTP errors, as JSON-RPC errors: hosts show their message."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from mcp_types import INVALID_REQUEST
from starlette.types import Send

_JSON: Final = (b"content-type", b"application/json")


@dataclass(eq=False)
class Refusal(Exception):
    """A request that is not handled.

    Attributes:
        status: Of HTTP.
        message: For the caller, as a sentence.
        headers: Further ones of the answer.
        code: Of JSON-RPC.
    """

    status: int
    message: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    code: int = INVALID_REQUEST

    @property
    def body(self) -> bytes:
        """The answer's body."""
        return json.dumps(
            {"jsonrpc": "2.0", "id": None, "error": {"code": self.code, "message": self.message}}
        ).encode()


async def answer(
    send: Send,
    status: HTTPStatus | int,
    body: bytes,
    headers: Iterable[tuple[bytes, bytes]] = (),
    cache: bytes = b"no-store",
) -> None:
    """Send a whole answer of JSON, which by default nobody keeps."""
    length = (b"content-length", str(len(body)).encode())
    fixed = [_JSON, length, (b"cache-control", cache)]
    await send({"type": "http.response.start", "status": int(status), "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": body})
