"""What the store sees of a reply: a name that tells nothing, and records that only the group's servers can read."""

import hmac
import secrets
from functools import lru_cache
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE: Final = 12
_VERSION: Final = b"alaya-mcp replies 1"
"""Of the records; servers with another one do not read them."""


class Unreadable(Exception):
    """A record that no server of this group has written there."""


class Encryption:
    """Names streams, and encrypts their records with AES-256-GCM.

    Each stream has a key of its own, so that random nonces cannot repeat in any number that is written; each record is
    bound to its stream and its place there.

    Args:
        key: Of the group of servers, 32 random bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._of = lru_cache(1_000)(self._cipher)

    def stream(self, account: str, reply_id: str) -> str:
        """Return the name of a reply's stream: only who knows the account and the id can say it."""
        return f"alaya:reply:{self._derived(f'name {account} {reply_id}').hex()}"

    def encrypted(self, data: bytes, stream: str, place: str = "") -> bytes:
        """Return a record as it is stored at a place of a stream."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._of(stream).encrypt(nonce, data, place.encode())

    def decrypted(self, record: bytes, stream: str, place: str = "") -> bytes:
        """Return what is stored at a place of a stream.

        Raises:
            Unreadable: it was written with another key, by another version, or elsewhere.
        """
        try:
            return self._of(stream).decrypt(record[:_NONCE], record[_NONCE:], place.encode())
        except (InvalidTag, ValueError):
            raise Unreadable from None

    def _cipher(self, stream: str) -> AESGCM:
        return AESGCM(self._derived(f"key {stream}"))

    def _derived(self, purpose: str) -> bytes:
        return hmac.digest(self._key, _VERSION + b"\0" + purpose.encode(), sha256)
