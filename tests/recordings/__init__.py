"""Raw exchanges with real engines, one JSON file each, unchanged since they were recorded."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "vllm-0.32.0"


@dataclass(frozen=True, slots=True)
class Recording:
    """One exchange.

    Attributes:
        name: Of its file, without the extension.
        path: Path asked for.
        status: HTTP status.
        body: Body of the answer.
        chunks: The same body as it arrived, for a stream; else empty.
    """

    name: str
    path: str
    status: int
    body: bytes
    chunks: tuple[bytes, ...]


@cache
def recording(name: str) -> Recording:
    """The exchange of that name."""
    exchange: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_bytes())
    response: dict[str, Any] = exchange["response"]
    return Recording(
        name=name,
        path=exchange["request"]["path"],
        status=response["status"],
        body=response["body"].encode(),
        chunks=tuple(text.encode() for _, text in response["arrivals"]),
    )


@cache
def recordings() -> tuple[Recording, ...]:
    """Every exchange there is, by name."""
    return tuple(recording(file.stem) for file in sorted(_FOLDER.glob("*.json")))


def chats() -> tuple[Recording, ...]:
    """Chats that were answered."""
    return tuple(one for one in recordings() if one.status == 200 and one.path.endswith("/chat/completions"))


def refusals() -> tuple[Recording, ...]:
    """Exchanges that ended in an error status."""
    return tuple(one for one in recordings() if one.status >= 400)
