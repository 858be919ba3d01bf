"""The keys that an authorization server signs its tokens with, fetched over this project's transport and kept."""

import asyncio
import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import anyio
from jwt import PyJWK, PyJWTError
from pydantic import BaseModel

from alaya_mcp.clock import now
from alaya_mcp.config.http import Algorithm
from alaya_mcp.deadline import Deadline
from alaya_mcp.errors import NotConfigured
from alaya_mcp.origins import UrlRefused, secure_url
from alaya_mcp.upstream.failures import Failure
from alaya_mcp.upstream.transport import Transport

FRESH_SECONDS: Final = 600.0
"""A key that its server no longer publishes is used this long at most, as long as that server can be reached."""
AGAIN_SECONDS: Final = 60.0
"""Between fetches: anybody may send a token that names an unknown key."""
FIRST_AGAIN_SECONDS: Final = 5.0
"""The same while no keys are known."""
_FETCH_SECONDS: Final = 10.0
_DOCUMENT_CAP: Final = 512 * 2**10

_FITTING: Final[dict[Algorithm, tuple[str, str | None]]] = {
    "RS256": ("RSA", None),
    "RS384": ("RSA", None),
    "RS512": ("RSA", None),
    "PS256": ("RSA", None),
    "PS384": ("RSA", None),
    "PS512": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""The type of an algorithm's keys, and their curve (RFC 7518, RFC 8037)."""
_PUBLIC: Final = ("kty", "crv", "x", "y", "n", "e")

_log = logging.getLogger(__name__)


class NoKeys(Exception):
    """No keys are known, and they cannot be fetched now."""


class _Metadata(BaseModel):
    issuer: str
    jwks_uri: str


class _KeySet(BaseModel):
    keys: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A public key, for one algorithm.

    Attributes:
        kid: Its name; None if it has none.
        algorithm: What it verifies.
        key: The key.
    """

    kid: str | None
    algorithm: Algorithm
    key: PyJWK


class SigningKeys:
    """An authorization server's keys; an async context manager that owns their fetching.

    A fetch serves all requests that wait for it, and goes on without them.

    Args:
        transport: Fetches.
        issuer: The authorization server.
        jwks_url: Where its keys are; None to ask its metadata.
        algorithms: Those that may be used.
        now: Seconds on a clock that only moves forward.
    """

    def __init__(
        self,
        transport: Transport,
        issuer: str,
        jwks_url: str | None,
        algorithms: Iterable[Algorithm],
        now: Callable[[], float] = now,
    ) -> None:
        self._transport = transport
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._algorithms = tuple(algorithms)
        self._now = now
        self._keys: tuple[SigningKey, ...] = ()
        self._fetched = self._tried = -math.inf
        self._has_failed = False
        self._fetch: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._begin()  # so that the log says at the start what is wrong
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self._fetch:
            self._fetch.cancel()
            await asyncio.wait({self._fetch})

    async def find(self, kid: str | None, algorithm: Algorithm) -> PyJWK | None:
        """Return the key that a token names, or the only one that it can mean; None if there is none.

        Raises:
            NoKeys: none at all can be had now.
        """
        found = chosen(self._keys, kid, algorithm)
        is_fresh = self._now() - self._fetched < FRESH_SECONDS
        if found and is_fresh:
            return found
        if self._now() - self._tried >= (AGAIN_SECONDS if self._keys else FIRST_AGAIN_SECONDS):
            self._begin()
        if self._fetch and not self._fetch.done() and not (found and self._has_failed):
            await asyncio.wait({self._fetch})
            found = chosen(self._keys, kid, algorithm)
        if not self._keys:
            raise NoKeys
        return found

    def _begin(self) -> None:
        if self._fetch is None or self._fetch.done():
            self._tried = self._now()
            self._fetch = asyncio.ensure_future(self._fetch_keys())

    async def _fetch_keys(self) -> None:
        try:
            with anyio.fail_after(_FETCH_SECONDS):
                url = self._jwks_url or await self._advertised()
                self._keys = keys_in(await self._document(url), self._algorithms)
            self._fetched, self._has_failed = self._tried, False
        except (Failure, NotConfigured, ValueError, TimeoutError) as error:
            self._has_failed = True
            _log.warning("The keys of the authorization server cannot be fetched: %s", _reason(error))

    async def _advertised(self) -> str:
        """Return where the issuer's metadata says that the keys are.

        Raises:
            Failure, NotConfigured: there is no metadata.
            ValueError: it cannot be used, or is another issuer's.
        """
        metadata = _Metadata.model_validate_json(await self._metadata())
        if metadata.issuer != self._issuer:
            raise _Unusable("its metadata names another issuer")
        return secure_url(metadata.jwks_uri)

    async def _metadata(self) -> bytes:
        *others, last = metadata_urls(self._issuer)
        for url in others:
            try:
                return await self._document(url)
            except Failure as failure:
                if failure.kind != "status":
                    raise
        return await self._document(last)

    async def _document(self, url: str) -> bytes:
        deadline = Deadline.after(_FETCH_SECONDS)
        return await self._transport.json_body("control", url, credential=None, deadline=deadline, cap=_DOCUMENT_CAP)


class _Unusable(ValueError):
    """A document that cannot be used; the text is the reason, and quotes none of it."""


def _reason(error: Exception) -> str:
    match error:
        case Failure():
            return f"{error.kind} {error.status or ''}".rstrip()
        case NotConfigured():
            return error.cause
        case TimeoutError():
            return f"no answer within {_FETCH_SECONDS:g} s"
        case _Unusable() | UrlRefused():
            return str(error)
        case _:
            return "its answer is not of the expected form"


def metadata_urls(issuer: str) -> tuple[str, ...]:
    """Return where an issuer's metadata may be (RFC 8414, section 3; OpenID Connect Discovery 1.0, section 4)."""
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    openid = "/.well-known/openid-configuration"
    urls = (
        f"{origin}/.well-known/oauth-authorization-server{path}",
        f"{origin}{openid}{path}",
        f"{origin}{path}{openid}",
    )
    return tuple(dict.fromkeys(urls))


def keys_in(document: bytes, algorithms: Iterable[Algorithm]) -> tuple[SigningKey, ...]:
    """Return the public keys of a JWK set (RFC 7517), once for each algorithm that they fit; others are left out.

    Raises:
        ValueError: it is not a JWK set.
    """
    return tuple(
        SigningKey(_text(entry, "kid"), algorithm, key)
        for entry in _KeySet.model_validate_json(document).keys
        for algorithm in algorithms
        if (key := _key(entry, algorithm))
    )


def _key(entry: dict[str, Any], algorithm: Algorithm) -> PyJWK | None:
    kind, curve = _FITTING[algorithm]
    fits = entry.get("kty") == kind and entry.get("crv") == curve
    if not fits or entry.get("alg", algorithm) != algorithm or entry.get("use", "sig") != "sig":
        return None
    try:
        key = PyJWK({name: entry[name] for name in _PUBLIC if name in entry}, algorithm)
    except (PyJWTError, ValueError, TypeError):
        return None
    return None if key.Algorithm.check_key_length(key.key) else key


def _text(entry: dict[str, Any], name: str) -> str | None:
    return value if isinstance(value := entry.get(name), str) else None


def chosen(keys: Iterable[SigningKey], kid: str | None, algorithm: Algorithm) -> PyJWK | None:
    """Return the key that is named so, or the only one that can be meant."""
    fitting = [key for key in keys if key.algorithm == algorithm]
    named = [key for key in fitting if kid is not None and key.kid == kid]
    meant = named or [key for key in fitting if kid is None or key.kid is None]
    return meant[0].key if len(meant) == 1 else None
