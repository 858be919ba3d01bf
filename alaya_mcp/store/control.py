"""What a server that reads a reply says to the one that writes it."""

import json
from dataclasses import asdict, dataclass
from typing import Literal

Act = Literal["hold", "release", "cancel", "look"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message, about one reply.

    Attributes:
        act: hold: a call reads it; release: it has ended; cancel: it was cancelled; look: it was shown.
        reply_id: The reply.
        reader: Identifies the call.
        seconds: How long the call waits from now.
    """

    act: Act
    reply_id: str
    reader: str = ""
    seconds: float = 0

    def encoded(self) -> bytes:
        """Return it as it is sent."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decoded(cls, data: bytes) -> "Message":
        """Return a message as it came."""
        return cls(**json.loads(data))


def control_stream(writer: str) -> str:
    """Return the stream of the messages to a server."""
    return f"alaya:control:{writer}"


def presence(writer: str) -> str:
    """Return the name that exists while a server runs."""
    return f"alaya:writer:{writer}"
