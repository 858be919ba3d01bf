"""Whose account a request may use, from its headers: one way for each mode of the server."""

import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from pydantic import SecretStr

from alaya_mcp.config.environment import is_unexpanded
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
CHALLENGE: Final = "WWW-Authenticate"

_BAD_REQUEST, _UNAUTHORIZED = 400, 401


@dataclass(frozen=True, slots=True)
class Permission:
    """What a caller may do.

    Attributes:
        grant: Whose account it uses.
        check: Raises Refusal for the body of a request that it may not send; None if it may send all.
    """

    grant: Grant
    check: Callable[[bytes], None] | None = None


class Authentication(Protocol):
    """Says whose account a request may use."""

    async def permission(self, headers: Headers) -> Permission:
        """Return what the caller may do.

        Raises:
            Refusal: nothing is answered.
        """
        ...


def bearer_token(headers: Headers) -> str:
    """Return the token of `Authorization: Bearer TOKEN`; empty if there is none, or a reference that was not replaced.

    Raises:
        Refusal: the header is given more than once.
    """
    values = [value.decode("latin-1").strip() for name, value in headers if name == b"authorization"]
    if len(values) > 1:
        raise Refusal(_BAD_REQUEST, "Authorization is given more than once.")
    scheme, _, text = (values or [""])[0].partition(" ")
    token = text.strip()
    return token if scheme.casefold() == "bearer" and not is_unexpanded(token) else ""


@dataclass(frozen=True, slots=True)
class EnvironmentAccount:
    """Everybody uses this server's own account: only this machine can connect."""

    settings: Grant

    async def permission(self, headers: Headers) -> Permission:
        """Return the account's settings."""
        del headers
        return Permission(self.settings)


@dataclass(frozen=True, slots=True)
class CallersKeys:
    """Each caller sends its own key pair.

    Attributes:
        of: Makes an account's settings of a key pair.
    """

    of: Callable[[SecretStr, SecretStr], Settings]

    async def permission(self, headers: Headers) -> Permission:
        """Return the settings for the pair."""
        try:
            pair = key_pair_in(headers)
        except HeadersRefused as refused:
            raise Refusal(_BAD_REQUEST, str(refused)) from None
        if isinstance(pair, tuple):
            return Permission(NotConfigured("key_headers_missing", known=pair))
        return Permission(self.of(pair.access_key, pair.secret_key))


@dataclass(frozen=True, slots=True)
class IssuedTokens:
    """Each caller sends a token that this server gave out.

    Attributes:
        file: The tokens.
        profile: Loads the settings of a profile.
    """

    file: TokenFile
    profile: Callable[[str, str], Awaitable[Grant]]

    async def permission(self, headers: Headers) -> Permission:
        """Return the settings of the token's profile."""
        challenge = {CHALLENGE: "Bearer"}
        if not (text := bearer_token(headers)):
            needed = "Send a token of this server's operator as Authorization: Bearer TOKEN."
            raise Refusal(_UNAUTHORIZED, needed, challenge)
        try:
            token = self.file.holder_of(text)
        except NotConfigured as unusable:
            _log.error("%s", what_happened(unusable))
            return Permission(NotConfigured("tokens_unusable"))
        if token is None:
            raise Refusal(_UNAUTHORIZED, "The token is not known to this server, or was removed.", challenge)
        return Permission(await self.profile(token.profile, token.name))
