"""An OAuth authorization server of authlib and Flask, as a process of its own: `python -m tests.authorization_server`.

It prints its issuer. Users log in and consent by two parameters of the authorization request, `user` and `consent`; a
POST to /rotate replaces its key.
"""

# pyright: basic
# authlib has no types.

import secrets
import time
from dataclasses import dataclass
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, JsonRequest, OAuth2Request, grants
from authlib.oauth2.rfc7591 import ClientRegistrationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue
from joserfc.jwk import ECKey, Key, KeySet
from werkzeug.serving import make_server

SCOPES = ["alaya:read", "alaya:chat"]
GROUPS = {"ana": ["support"], "bo": ["research"]}


@dataclass
class User:
    """Who logs in."""

    name: str

    def get_user_id(self) -> str:
        return self.name


class Client(ClientMixin):
    """A public client, as it registered itself."""

    def __init__(self, client_id: str, metadata: dict[str, Any]) -> None:
        self.client_id, self.metadata = client_id, metadata

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        return self.metadata["redirect_uris"][0]

    def get_allowed_scope(self, scope: str) -> str:
        return " ".join(each for each in (scope or "").split() if each in SCOPES)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self.metadata["redirect_uris"]

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "none" or endpoint != "token"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


@dataclass
class Code:
    """An authorization code, with what it was given for."""

    code: str
    client_id: str
    user: User
    scope: str
    redirect_uri: str
    resource: str
    code_challenge: str
    code_challenge_method: str

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope


CLIENTS: dict[str, Client] = {}
CODES: dict[str, Code] = {}


def new_key() -> ECKey:
    return ECKey.generate_key("P-256", {"kid": secrets.token_hex(4), "use": "sig", "alg": "ES256"})


KEYS: list[Key] = [new_key()]


class CodeGrant(grants.AuthorizationCodeGrant):
    """Codes with PKCE, each for one resource (RFC 8707)."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("none",)

    def save_authorization_code(self, code: str, request: Any) -> None:  # noqa: ANN401 its types are incomplete
        data = request.payload.data
        CODES[code] = Code(
            code,
            request.client.client_id,
            request.user,
            data.get("consent") or request.scope,
            request.payload.redirect_uri,
            data["resource"],
            data["code_challenge"],
            data["code_challenge_method"],
        )

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        found = CODES.get(code)
        is_its = found and (found.client_id, found.resource) == (client.client_id, request.form["resource"])
        return found if is_its else None

    def delete_authorization_code(self, authorization_code: Code) -> None:
        del CODES[authorization_code.code]

    def authenticate_user(self, authorization_code: Code) -> User:
        return authorization_code.user


class Tokens(JWTBearerTokenGenerator):
    """JWT access tokens (RFC 9068) for the resource that was asked for."""

    def get_jwks(self) -> KeySet:
        return KeySet(KEYS)

    def get_audiences(self, client: Client, user: User, scope: str) -> str:
        del client, user, scope
        return request.form["resource"]

    def get_extra_claims(self, client: Client, grant_type: str, user: User, scope: str) -> dict[str, Any]:
        del client, grant_type, scope
        return {"groups": GROUPS.get(user.name, [])}


class Registration(ClientRegistrationEndpoint):
    """Anybody may register a public client (RFC 7591)."""

    def authenticate_token(self, request: JsonRequest) -> bool:
        del request
        return True

    def get_server_metadata(self) -> dict[str, Any]:
        return {}

    def generate_client_info(self, request: JsonRequest) -> dict[str, Any]:
        del request
        return {"client_id": secrets.token_hex(8), "client_id_issued_at": int(time.time())}

    def save_client(self, client_info: dict[str, Any], client_metadata: dict[str, Any], request: JsonRequest) -> Client:
        del request
        made = CLIENTS[client_info["client_id"]] = Client(client_info["client_id"], client_metadata)
        return made


def forget(token: dict[str, Any], request: OAuth2Request) -> None:
    """Keep no token: they say themselves what they are for."""
    del token, request


def application(issuer: str) -> Flask:
    """The server, at an issuer's URL."""
    app = Flask(__name__)
    server: Any = AuthorizationServer(app, query_client=CLIENTS.get, save_token=forget)
    server.register_grant(CodeGrant, [CodeChallenge(required=True)])
    server.register_token_generator("default", Tokens(issuer, alg="ES256"))
    server.register_endpoint(Registration)

    @app.get("/.well-known/oauth-authorization-server")
    def metadata() -> ResponseReturnValue:
        document = AuthorizationServerMetadata(
            {
                "issuer": issuer,
                "authorization_endpoint": f"{issuer}/authorize",
                "token_endpoint": f"{issuer}/token",
                "registration_endpoint": f"{issuer}/register",
                "jwks_uri": f"{issuer}/jwks",
                "scopes_supported": SCOPES,
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code"],
                "token_endpoint_auth_methods_supported": ["none"],
                "code_challenge_methods_supported": ["S256"],
            }
        )
        return jsonify(document)

    @app.post("/register")
    def register() -> ResponseReturnValue:
        return server.create_endpoint_response("client_registration")

    @app.get("/authorize")
    def authorize() -> ResponseReturnValue:
        user = User(request.args["user"])
        return server.create_authorization_response(grant_user=user, grant=server.get_consent_grant(end_user=user))

    @app.post("/token")
    def token() -> ResponseReturnValue:
        return server.create_token_response()

    @app.get("/jwks")
    def jwks() -> ResponseReturnValue:
        return jsonify(KeySet(KEYS).as_dict(private=False))

    @app.post("/rotate")
    def rotate() -> ResponseReturnValue:
        KEYS[:] = [new_key()]
        return jsonify({})

    return app


if __name__ == "__main__":
    listening = make_server("127.0.0.1", 0, Flask(__name__), threaded=True)
    listening.app = application(issuer := f"http://127.0.0.1:{listening.server_port}")
    print(issuer, flush=True)  # noqa: T201 for the test that started it
    listening.serve_forever()
