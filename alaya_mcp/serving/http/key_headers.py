"""The key pair that a caller sends in its request's headers. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr

from alaya_mcp.config.environment import is_unexpanded

ACCESS_KEY_HEADER: Final = "X-Alaya-Access-Key"
SECRET_KEY_HEADER: Final = "X-Alaya-Secret-Key"  # noqa: S105 a name
AUTHORIZATION: Final = "Authorization"
_NAMES: Final = (ACCESS_KEY_HEADER, SECRET_KEY_HEADER, AUTHORIZATION)

_PLAIN = re.compile(r"plain\s+Credential=([^,\s]+)\s*,\s*Signature=(\S+)", re.IGNORECASE)
"""Alaya's own scheme (API documentation, Authorizations)."""
_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")


class HeadersRefused(ValueError):
    """Headers that hold no usable key pair; the text says why, as a sentence without any value."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A key pair, as sent.

    Attributes:
        access_key: The access key.
        secret_key: The secret key.
    """

    access_key: SecretStr
    secret_key: SecretStr


def key_pair_in(headers: Iterable[tuple[bytes, bytes]]) -> KeyPair | tuple[str, ...]:
    """Return the key pair, or the names of the headers that are missing.

    A value that is empty or an unexpanded reference such as `${KEY}` counts as missing.

    Args:
        headers: Names in lower case, with values, as ASGI has them.

    Raises:
        HeadersRefused: a header is given twice, both forms are used, or a value cannot be a key.
    """
    values = {name: value for name in _NAMES if (value := _single(name, headers))}
    authorization = values.pop(AUTHORIZATION, "")
    if authorization and values:
        raise HeadersRefused(f"{AUTHORIZATION} and {next(iter(values))} are both given; send the key pair once.")
    if authorization:
        match = _PLAIN.fullmatch(authorization)
        if match is None:
            raise HeadersRefused(f'{AUTHORIZATION} must be "plain Credential=ACCESS_KEY,Signature=SECRET_KEY".')
        both = {ACCESS_KEY_HEADER: match[1], SECRET_KEY_HEADER: match[2]}
        values = {name: value for name, value in both.items() if not is_unexpanded(value)}
    if missing := tuple(name for name in (ACCESS_KEY_HEADER, SECRET_KEY_HEADER) if name not in values):
        return missing
    return KeyPair(SecretStr(values[ACCESS_KEY_HEADER]), SecretStr(values[SECRET_KEY_HEADER]))


def _single(name: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return a header's value; empty if it is not given."""
    key = name.lower().encode()
    values = [value for each, value in headers if each == key]
    if len(values) > 1:
        raise HeadersRefused(f"{name} is given more than once.")
    text = values[0].decode("latin-1").strip() if values else ""
    if not text or is_unexpanded(text):
        return ""
    parts = text.split() if name == AUTHORIZATION else [text]
    if not all(_VISIBLE_ASCII.fullmatch(part) for part in parts):
        raise HeadersRefused(f"{name} has a space or a character that is not visible ASCII.")
    return text
