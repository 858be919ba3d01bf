"""The file of the HTTP server's tokens: the digest of each, with its holder and its profile."""

import hmac
import json
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from alaya_mcp.atomic_file import replace_file
from alaya_mcp.errors import NotConfigured

_PREFIX: Final = "alaya_"
"""So that scanners for leaked secrets can know one."""
_RANDOM_BYTES: Final = 32
_OWNER_ONLY: Final = 0o600


class Token(BaseModel):
    """One token, without itself.

    Attributes:
        name: Its holder.
        profile: The profile of the configuration file whose account its holder uses.
        sha256: The digest, in hexadecimal digits.
        added: When it was made, in UTC.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field(min_length=1, max_length=100)
    profile: str = Field(min_length=1, max_length=100)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    added: datetime


_FILE: Final = TypeAdapter(list[Token])


class TokenFile:
    """The tokens in a file, read anew when it changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state: tuple[int, int, int] | None = None
        self._tokens: tuple[Token, ...] = ()

    def holder_of(self, text: str) -> Token | None:
        """Return the token that this text is, or None.

        Raises:
            NotConfigured: the file cannot be used.
        """
        digest = sha256(text.encode()).hexdigest()
        found = None
        for token in self.tokens():  # all are compared, so that the time tells nothing
            if hmac.compare_digest(token.sha256, digest):
                found = token
        return found

    def tokens(self) -> tuple[Token, ...]:
        """Return the tokens; none where there is no file.

        Raises:
            NotConfigured: the file cannot be used.
        """
        try:
            found = self._path.stat()
            state = found.st_mtime_ns, found.st_size, found.st_ino
            if state != self._state:
                self._tokens = tuple(_FILE.validate_json(self._path.read_bytes()))
                self._state = state
        except FileNotFoundError:
            self._tokens, self._state = (), None
        except OSError as error:
            detail = error.strerror or type(error).__name__
            raise NotConfigured("config_file_unreadable", file=str(self._path), detail=detail) from None
        except ValidationError:
            raise NotConfigured("tokens_unusable", file=str(self._path)) from None
        return self._tokens

    def add(self, name: str, profile: str) -> str:
        """Add a token and return it: it is kept nowhere.

        Raises:
            NotConfigured: the file cannot be used.
            ValueError: there is a token of that name.
            OSError: the file cannot be written.
        """
        if any(token.name == name for token in self.tokens()):
            raise ValueError(f"there is a token of the name {name} already")
        text = f"{_PREFIX}{secrets.token_urlsafe(_RANDOM_BYTES)}"
        digest = sha256(text.encode()).hexdigest()
        added = datetime.now(UTC).replace(microsecond=0)
        self._replace((*self.tokens(), Token(name=name, profile=profile, sha256=digest, added=added)))
        return text

    def remove(self, name: str) -> bool:
        """Remove the token of that name; return whether there was one.

        Raises:
            NotConfigured: the file cannot be used.
            OSError: the file cannot be written.
        """
        left = tuple(token for token in self.tokens() if token.name != name)
        if len(left) == len(self.tokens()):
            return False
        self._replace(left)
        return True

    def _replace(self, tokens: Sequence[Token]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        content = json.dumps([token.model_dump(mode="json") for token in tokens], indent=2, ensure_ascii=False)
        replace_file(self._path, f"{content}\n".encode(), _OWNER_ONLY)
