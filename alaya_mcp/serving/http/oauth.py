"""OAuth: this server as a resource server (RFC 9728, RFC 6750), for users that an authorization server knows."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

from alaya_mcp.clock import Clock
from alaya_mcp.config.http import HttpSettings
from alaya_mcp.serving.http.access_tokens import AccessToken, AccessTokens, TokenRefused
from alaya_mcp.serving.http.authentication import CHALLENGE, Grant, Headers, Permission, bearer_token
from alaya_mcp.serving.http.refusal import Refusal
from alaya_mcp.serving.http.scopes import CHAT, SCOPES, allows, scopes_needed
from alaya_mcp.serving.http.signing_keys import FIRST_AGAIN_SECONDS, NoKeys, SigningKeys

_UNAUTHORIZED, _FORBIDDEN, _UNAVAILABLE = 401, 403, 503
_WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"


class AuthorizedUsers:
    """Users with access tokens; each uses the account of a profile.

    Args:
        settings: The authorization server, and the profiles of its users.
        keys: The authorization server's.
        profile: Loads the settings of a profile, for a caller.
        clock: The time of day.
    """

    def __init__(
        self,
        settings: HttpSettings,
        keys: SigningKeys,
        profile: Callable[[str, str], Awaitable[Grant]],
        clock: Clock = Clock(),  # noqa: B008 it is frozen
    ) -> None:
        self._settings = settings
        self._tokens = AccessTokens(settings, keys, clock.date)
        self._profile = profile
        self._metadata_url = metadata_url(settings)

    async def permission(self, headers: Headers) -> Permission:
        """Return the settings of the user's profile, and what its token may be used for."""
        wanted = {"resource_metadata": self._metadata_url, "scope": " ".join(SCOPES)}
        if not (text := bearer_token(headers)):
            needed = "Sign in: this server needs an access token, as Authorization: Bearer TOKEN."
            raise Refusal(_UNAUTHORIZED, needed, _challenge(wanted))
        try:
            token = await self._tokens.read(text)
        except TokenRefused as refused:
            problem = {"error": "invalid_token", "error_description": str(refused)}
            raise Refusal(_UNAUTHORIZED, str(refused), _challenge({**problem, **wanted})) from None
        except NoKeys:
            message = "Access tokens cannot be checked now: the authorization server's keys cannot be fetched."
            raise Refusal(_UNAVAILABLE, message, {"Retry-After": f"{FIRST_AGAIN_SECONDS:.0f}"}) from None
        grant = await self._profile(profile_of(token, self._settings), f"{self._settings.oauth_issuer} {token.subject}")

        def check(body: bytes) -> None:
            if not allows(token.scopes, needed := scopes_needed(body)):
                problem = {
                    "error": "insufficient_scope",
                    "scope": " ".join(needed),
                    "resource_metadata": self._metadata_url,
                }
                raise Refusal(_FORBIDDEN, f"The access token needs the scope {needed[-1]}.", _challenge(problem))

        return Permission(grant, None if CHAT in token.scopes else check)


def profile_of(token: AccessToken, settings: HttpSettings) -> str:
    """Return the profile of a token's user: its own, or that of its groups.

    Raises:
        Refusal: there is none, or groups of the user have different ones.
    """
    if own := settings.oauth_subjects.get(token.subject):
        return own
    profiles = {profile for group, profile in settings.oauth_groups.items() if group in token.groups}
    if len(profiles) == 1:
        return profiles.pop()
    why = (
        "You are in groups that this server assigns different accounts to"
        if profiles
        else "This server has no account for you"
    )
    raise Refusal(_FORBIDDEN, f"{why}; its operator can assign one.")


def metadata_url(settings: HttpSettings) -> str:
    """Return where the server's metadata is (RFC 9728, section 3.1)."""
    parts = urlsplit(settings.public_url or "")
    return f"{parts.scheme}://{parts.netloc}{_WELL_KNOWN}{parts.path}"


def published(settings: HttpSettings) -> Mapping[str, bytes]:
    """Return the server's metadata by path, for the gate."""
    metadata = {
        "resource": settings.public_url,
        "authorization_servers": [settings.oauth_issuer],
        "scopes_supported": SCOPES,
        "bearer_methods_supported": ["header"],
        "resource_name": "Alaya NeW",
    }
    document = json.dumps(metadata).encode()
    return dict.fromkeys((_WELL_KNOWN, unquote(urlsplit(metadata_url(settings)).path)), document)


def _challenge(parameters: Mapping[str, str]) -> dict[str, str]:
    listed = ", ".join(f'{name}="{value}"' for name, value in parameters.items())
    return {CHALLENGE: f"Bearer {listed}"}
