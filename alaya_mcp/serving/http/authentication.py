"""Whose account a request may use, from its headers: one way for each mode of the server."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from pydantic import SecretStr

from alaya_mcp.config.settings import Settings
from alaya_mcp.config.tokens import TokenFile
from alaya_mcp.error_sentences import what_happened
from alaya_mcp.errors import AlayaError, NotConfigured
from alaya_mcp.serving.http.key_headers import HeadersRefused, key_pair_in
from alaya_mcp.serving.http.refusal import Refusal

_log = logging.getLogger(__name__)

Headers = Iterable[tuple[bytes, bytes]]
"""Names in lower case, with values, as ASGI has them."""
Grant = Settings | AlayaError
"""The settings of the caller's account, or why its calls fail; lists are answered all the same."""

_BAD_REQUEST, _UNAUTHORIZED = 400, 401


class Authentication(Protocol):
    """Says whose account a request may use."""

    def grant(self, headers: Headers) -> Grant:
        """Return what the caller may use.

        Raises:
            Refusal: nothing is answered.
        """
        ...


@dataclass(frozen=True, slots=True)
class EnvironmentAccount:
    """Everybody uses this server's own account: only this machine can connect."""

    settings: Grant

    def grant(self, headers: Headers) -> Grant:
        """Return the account's settings."""
        del headers
        return self.settings


@dataclass(frozen=True, slots=True)
class CallersKeys:
    """Each caller sends its own key pair.

    Attributes:
        of: Makes an account's settings of a key pair.
    """

    of: Callable[[SecretStr, SecretStr], Settings]

    def grant(self, headers: Headers) -> Grant:
        """Return the settings for the pair."""
        try:
            pair = key_pair_in(headers)
        except HeadersRefused as refused:
            raise Refusal(_BAD_REQUEST, str(refused)) from None
        if isinstance(pair, tuple):
            return NotConfigured("key_headers_missing", known=pair)
        return self.of(pair.access_key, pair.secret_key)


@dataclass(frozen=True, slots=True)
class IssuedTokens:
    """Each caller sends a token that this server gave out.

    Attributes:
        file: The tokens.
        profile: Loads the settings of a profile.
    """

    file: TokenFile
    profile: Callable[[str, str], Grant]

    def grant(self, headers: Headers) -> Grant:
        """Return the settings of the token's profile."""
        values = [value.decode("latin-1").strip() for name, value in headers if name == b"authorization"]
        if len(values) > 1:
            raise Refusal(_BAD_REQUEST, "Authorization is given more than once.")
        scheme, _, text = (values or [""])[0].partition(" ")
        if scheme.casefold() != "bearer" or not text.strip():
            raise Refusal(_UNAUTHORIZED, "Send a token of this server's operator as Authorization: Bearer TOKEN.")
        try:
            token = self.file.holder_of(text.strip())
        except NotConfigured as unusable:
            _log.error("%s", what_happened(unusable))
            return NotConfigured("tokens_unusable")
        if token is None:
            raise Refusal(_UNAUTHORIZED, "The token is not known to this server, or was removed.")
        return self.profile(token.profile, token.name)
