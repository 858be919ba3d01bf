"""An issuer whose tokens a test makes as it likes: its keys and its metadata are on a real port."""

import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from tests.upstream import Exchange, Handler, Request, Upstream

PUBLIC_URL = "https://mcp.invalid/mcp"
CONFIG = """\
[profiles.support]
base_url = "{base_url}"
access_key = "support-access"
secret_key = "support-secret"
service_id = "svc-1"

[profiles.research]
base_url = "{base_url}"
access_key = "research-access"
secret_key = "research-secret"
service_id = "svc-1"
"""


@cache
def private_key(name: str, algorithm: str) -> Any:  # noqa: ANN401 of one of three types
    """A key, the same for the same name."""
    del name
    match algorithm[:2]:
        case "RS" | "PS":
            return rsa.generate_private_key(65537, 2048)
        case "ES":
            return ec.generate_private_key({"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1()}[algorithm])
        case _:
            return ed25519.Ed25519PrivateKey.generate()


def jwk(name: str, algorithm: str = "ES256", **changes: object) -> dict[str, Any]:
    """The public key as a JWK; a change to None leaves the member out."""
    public = private_key(name, algorithm).public_key()
    made = json.loads(get_default_algorithms()[algorithm].to_jwk(public))
    made = {**made, "kid": name, "use": "sig", "alg": algorithm, **changes}
    return {member: value for member, value in made.items() if value is not None}


@dataclass
class Issuer:
    """An authorization server without a login.

    Attributes:
        url: Its issuer.
        requests: What it was asked.
        documents: What it publishes, by path; change it as the test goes.
        handlers: What answers instead, by path.
    """

    url: str
    requests: list[Request]
    documents: dict[str, Any] = field(default_factory=dict[str, Any])
    handlers: dict[str, Handler] = field(default_factory=dict[str, Handler])

    def publish(self, *keys: dict[str, Any]) -> None:
        """Publish these keys."""
        self.documents["/jwks"] = {"keys": [*keys]}

    @property
    def fetches(self) -> int:
        """How often its keys were asked for."""
        return sum(request.path == "/jwks" for request in self.requests)

    def token(
        self, name: str = "k1", algorithm: str = "ES256", header: dict[str, Any] | None = None, **changes: object
    ) -> str:
        """A token that is valid but for its changes; a change to None leaves the claim out."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.url,
            "aud": PUBLIC_URL,
            "sub": "ana",
            "iat": now,
            "exp": now + 3600,
            "scope": "alaya:chat",
            **changes,
        }
        claims = {claim: value for claim, value in claims.items() if value is not None}
        headers = {"kid": name, "typ": "at+jwt", **(header or {})}
        key = private_key(name, algorithm)
        return jwt.encode(claims, key, algorithm, {member: value for member, value in headers.items() if value})


@asynccontextmanager
async def issuing(*keys: dict[str, Any]) -> AsyncGenerator[Issuer]:
    """An issuer with these keys, by default one named k1."""

    async def answers(request: Request, exchange: Exchange) -> None:
        if handler := issuer.handlers.get(request.path):
            await handler(request, exchange)
        else:
            document = issuer.documents.get(request.path)
            await exchange.answer_json(404 if document is None else 200, document)

    async with Upstream(chat=answers) as port:
        issuer = Issuer(port.url, port.requests)
        metadata = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/jwks"}
        issuer.documents["/.well-known/oauth-authorization-server"] = metadata
        issuer.publish(*(keys or [jwk("k1")]))
        yield issuer
