"""Access tokens: JWTs (RFC 9068) that an authorization server issued for this server."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

import jwt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from alaya_mcp.config.http import Algorithm, HttpSettings
from alaya_mcp.serving.http.signing_keys import SigningKeys

LEEWAY_SECONDS: Final = 60.0
_TOKEN_CAP: Final = 16 * 2**10
"""Characters."""
_TYPES: Final = frozenset({"at+jwt", "application/at+jwt", "jwt"})

_MALFORMED: Final = "The access token is malformed."
_INCOMPLETE: Final = "The access token lacks a required claim."
_REASONS: Final[tuple[tuple[type[jwt.PyJWTError], str], ...]] = (
    (jwt.InvalidSignatureError, "The signature of the access token is invalid."),
    (jwt.InvalidAudienceError, "The access token is for another resource."),
    (jwt.InvalidIssuerError, "The access token is from another issuer."),
    (jwt.MissingRequiredClaimError, _INCOMPLETE),
)


class TokenRefused(Exception):
    """An access token that is not accepted; the text is a sentence that quotes none of it."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a valid access token says.

    Attributes:
        subject: Its user, as the issuer names it.
        groups: The user's groups.
        scopes: What it may be used for.
    """

    subject: str
    groups: frozenset[str]
    scopes: frozenset[str]


class AccessTokens:
    """Reads access tokens.

    Args:
        settings: The issuer, the audience (the server's public URL), and what else is required.
        keys: The issuer's.
        date: The time of day.
    """

    def __init__(self, settings: HttpSettings, keys: SigningKeys, date: Callable[[], datetime]) -> None:
        self._settings = settings
        self._keys = keys
        self._date = date

    async def read(self, text: str) -> AccessToken:
        """Return what a token says, if it is valid now.

        Raises:
            TokenRefused: it is not.
            NoKeys: as `SigningKeys.find`.
        """
        if len(text) > _TOKEN_CAP:
            raise TokenRefused(_MALFORMED)
        kid, algorithm = self._header(text)
        key = await self._keys.find(kid, algorithm)
        if key is None:
            raise TokenRefused("The access token is signed with an unknown key.")
        claims = self._claims(text, key)
        in_force(claims, self._date().timestamp())
        groups = claims.get(self._settings.oauth_groups_claim)
        return AccessToken(
            claims["sub"],
            groups=frozenset([groups] if isinstance(groups, str) else _texts(groups)),
            scopes=_words(claims.get("scope")) | _words(claims.get("scp")),
        )

    def _header(self, text: str) -> tuple[str | None, Algorithm]:
        try:
            header = jwt.get_unverified_header(text)
        except jwt.PyJWTError:
            raise TokenRefused(_MALFORMED) from None
        kind = header.get("typ", "jwt")
        if not isinstance(kind, str) or kind.casefold() not in _TYPES:
            raise TokenRefused("The token is not an access token.")
        for algorithm in self._settings.oauth_algorithms:
            if algorithm == header.get("alg"):
                return header.get("kid"), algorithm
        raise TokenRefused("The algorithm of the access token's signature is not allowed.")

    def _claims(self, text: str, key: jwt.PyJWK) -> dict[str, Any]:
        try:
            return jwt.decode(
                text,
                key,
                audience=self._settings.public_url,
                issuer=self._settings.oauth_issuer,
                # the times are checked against the clock that is given
                options={
                    "require": ["iss", "aud", "sub", "exp"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.PyJWTError as error:
            reason = next((reason for kind, reason in _REASONS if isinstance(error, kind)), _MALFORMED)
            raise TokenRefused(reason) from None


class _Lifetime(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    sub: str = Field(min_length=1)
    exp: float
    nbf: float | None = None
    iat: float | None = None


def in_force(claims: dict[str, Any], now: float) -> None:
    """Check that a token has a subject, has not expired and is valid already.

    Args:
        claims: Of the token.
        now: Seconds since 1970.

    Raises:
        TokenRefused: it is not in force, or its claims are of other types than they must be.
    """
    try:
        lifetime = _Lifetime.model_validate(claims)
    except ValidationError:
        raise TokenRefused(_MALFORMED) from None
    if now >= lifetime.exp + LEEWAY_SECONDS:
        raise TokenRefused("The access token has expired.")
    if max(lifetime.nbf or now, lifetime.iat or now) > now + LEEWAY_SECONDS:
        raise TokenRefused("The access token is not valid yet.")


def _texts(value: object) -> list[str]:
    return [each for each in cast("list[object]", value) if isinstance(each, str)] if isinstance(value, list) else []


def _words(value: object) -> frozenset[str]:
    """Return the scopes in a claim: a text that separates them by spaces, or a list."""
    return frozenset(value.split() if isinstance(value, str) else _texts(value))
