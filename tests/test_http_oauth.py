"""The HTTP server with access tokens: which are accepted, whose account they open, and what the others are answered."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from cryptography.hazmat.primitives import serialization
from mcp_types import CLIENT_CAPABILITIES_META_KEY, PROTOCOL_VERSION_META_KEY
from starlette.types import Receive, Scope, Send

from alaya_mcp.errors import NotConfigured
from alaya_mcp.serving.http.gate import Gate
from alaya_mcp.serving.http.listener import Listener
from alaya_mcp.serving.http.oauth import AuthorizedUsers
from alaya_mcp.serving.http.server import HttpServer
from alaya_mcp.serving.http.signing_keys import SigningKeys
from alaya_mcp.serving.server import TOOLS
from alaya_mcp.upstream.routes import Routes
from alaya_mcp.upstream.transport import Transport
from tests.calls import CHAT, ERAS, Era, content_of, error_of, text_of
from tests.http_host import NO_CERTIFICATES, RAW, asked, body_of, client_of, http_settings, serving, url_of
from tests.issuer import CONFIG, PUBLIC_URL, Issuer, issuing, jwk, private_key
from tests.patience import PATIENCE
from tests.upstream import SERVICE, Exchange, Request, Upstream, replies

pytestmark = pytest.mark.anyio

METADATA_URL = "https://mcp.invalid/.well-known/oauth-protected-resource/mcp"
WANTED = f'resource_metadata="{METADATA_URL}", scope="alaya:read alaya:chat"'
HOST = {"host": "mcp.invalid"}
VERSION = "2026-07-28"


def bearer(token: str) -> dict[str, str]:
    """The header."""
    return {**HOST, "authorization": f"Bearer {token}"}


@asynccontextmanager
async def guarded(
    tmp_path: Path, *keys: dict[str, Any], **settings: object
) -> AsyncGenerator[tuple[Issuer, HttpServer, Upstream]]:
    """An issuer, and a server that trusts it and knows the subjects ana and bo and the group research."""
    async with issuing(*keys) as issuer, Upstream(chat=replies("hello")) as upstream:
        (tmp_path / "config.toml").write_text(CONFIG.format(base_url=upstream.environ["ALAYA_BASE_URL"]))
        given = {
            "mode": "oauth",
            "public_url": PUBLIC_URL,
            "oauth_issuer": issuer.url,
            "oauth_subjects": {"ana": "support", "bo": "support"},
            "oauth_groups": {"research": "research"},
            **settings,
        }
        async with serving(upstream, http_settings(**given), ALAYA_CONFIG=str(tmp_path / "config.toml")) as server:
            yield issuer, server, upstream


@pytest.mark.parametrize("era", ERAS)
async def test_a_subject_uses_its_profiles_account_and_its_token_goes_no_further(tmp_path: Path, era: Era) -> None:
    async with guarded(tmp_path) as (issuer, server, upstream):
        token = issuer.token()
        async with client_of(server, era, bearer(token)) as ana:
            assert len((await ana.list_tools()).tools) == 5
            assert content_of(await ana.call_tool(CHAT, {"prompt": "x"}))["content"] == "hello"

    sent = [str(request) for request in upstream.requests]
    assert upstream.asked(SERVICE)[0].headers["authorization"] == (
        "plain Credential=support-access,Signature=support-secret"
    )
    assert not [request for request in sent if any(part in request for part in token.split("."))]


def signed_with_the_public_key(issuer: Issuer) -> str:
    """A token that a library takes that verifies HS256 with what it holds: the public key, which everybody knows."""
    public = private_key("rsa", "RS256").public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    head, claims, _ = issuer.token("rsa", "RS256").split(".")
    head = encoded({"alg": "HS256", "kid": "rsa", "typ": "at+jwt"})
    signature = hmac.digest(pem, f"{head}.{claims}".encode(), "sha256")
    return f"{head}.{claims}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def encoded(part: object) -> str:
    """A part of a token."""
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def unsigned(issuer: Issuer) -> str:
    """A token with `alg` none."""
    return f"{encoded({'alg': 'none', 'kid': 'k1'})}.{issuer.token().split('.')[1]}."


def altered(issuer: Issuer) -> str:
    """A token whose claims were changed after its signature was made."""
    head, _, signature = issuer.token(sub="nobody").split(".")
    return f"{head}.{issuer.token().split('.')[1]}.{signature}"


EXPIRED = "The access token has expired."
EARLY = "The access token is not valid yet."
MALFORMED = "The access token is malformed."
INCOMPLETE = "The access token lacks a required claim."
AUDIENCE = "The access token is for another resource."
ISSUER = "The access token is from another issuer."
SIGNATURE = "The signature of the access token is invalid."
ALGORITHM = "The algorithm of the access token's signature is not allowed."
KEY = "The access token is signed with an unknown key."
TYPE = "The token is not an access token."
HOUR = 3600

REFUSED: dict[str, tuple[Callable[[Issuer], str], str]] = {
    "expired": (lambda issuer: issuer.token(exp=int(time.time()) - HOUR), EXPIRED),
    "of tomorrow": (lambda issuer: issuer.token(nbf=int(time.time()) + HOUR), EARLY),
    "made tomorrow": (lambda issuer: issuer.token(iat=int(time.time()) + HOUR), EARLY),
    "without end": (lambda issuer: issuer.token(exp=None), INCOMPLETE),
    "infinite": (lambda issuer: issuer.token(exp=float("inf")), MALFORMED),
    "end as text": (lambda issuer: issuer.token(exp="9999999999"), MALFORMED),
    "end that is true": (lambda issuer: issuer.token(exp=True), MALFORMED),
    "audience": (lambda issuer: issuer.token(aud="https://mcp.invalid"), AUDIENCE),
    "audience below": (lambda issuer: issuer.token(aud=f"{PUBLIC_URL}/more"), AUDIENCE),
    "audiences": (lambda issuer: issuer.token(aud=["https://a.invalid", "https://b.invalid"]), AUDIENCE),
    "no audience": (lambda issuer: issuer.token(aud=None), INCOMPLETE),
    "audience of another type": (lambda issuer: issuer.token(aud={PUBLIC_URL: 1}), AUDIENCE),
    "issuer": (lambda issuer: issuer.token(iss="https://issuer.invalid"), ISSUER),
    "issuer with a slash": (lambda issuer: issuer.token(iss=f"{issuer.url}/"), ISSUER),
    "no issuer": (lambda issuer: issuer.token(iss=None), INCOMPLETE),
    "no subject": (lambda issuer: issuer.token(sub=None), INCOMPLETE),
    "empty subject": (lambda issuer: issuer.token(sub=""), MALFORMED),
    "no signature": (unsigned, ALGORITHM),
    "public key as a secret": (signed_with_the_public_key, ALGORITHM),
    "algorithm that is not listed": (lambda issuer: issuer.token("rsa", "RS512"), ALGORITHM),
    "key of another type": (lambda issuer: issuer.token("k1", "RS256"), KEY),
    "key for another algorithm": (lambda issuer: issuer.token("ps", "RS256"), KEY),
    "unknown key": (lambda issuer: issuer.token("k9"), KEY),
    "no key's name among several": (lambda issuer: issuer.token(header={"kid": None}), KEY),
    "another's key of that name": (lambda issuer: issuer.token("k9", header={"kid": "k1"}), SIGNATURE),
    "altered": (altered, SIGNATURE),
    "identity token": (lambda issuer: issuer.token(header={"typ": "logout+jwt"}), TYPE),
    "type that is no text": (lambda issuer: issuer.token(header={"typ": ["at+jwt"]}), TYPE),
    "critical extension": (lambda issuer: issuer.token(header={"crit": ["b64"], "b64": False}), MALFORMED),
    "key in the header": (
        lambda issuer: issuer.token("k9", header={"jwk": jwk("k9"), "jku": "https://a.invalid/"}),
        KEY,
    ),
    "no token": (lambda issuer: f"not-a-token-{issuer.url}", MALFORMED),
    "two tokens": (lambda issuer: f"{issuer.token()}, Bearer {issuer.token()}", MALFORMED),
    "encrypted": (lambda issuer: f"{issuer.token()}.e30.e30", MALFORMED),
    "too long": (lambda issuer: issuer.token(padding="x" * 20_000), MALFORMED),
}


async def test_a_token_that_is_not_valid_here_is_refused_with_its_reason(tmp_path: Path) -> None:
    keys = jwk("k1"), jwk("k2"), jwk("rsa", "RS256"), jwk("ps", "RS256", alg="PS256")
    async with guarded(tmp_path, *keys) as (issuer, server, upstream):
        assert (await asked(server, headers=bearer(issuer.token()))).status_code == 200
        answers = {case: await asked(server, headers=bearer(make(issuer))) for case, (make, _) in REFUSED.items()}

    found = {
        case: (
            answer.status_code,
            answer.headers.get("www-authenticate"),
            answer.json().get("error", {}).get("message"),
        )
        for case, answer in answers.items()
    }
    assert found == {
        case: (401, f'Bearer error="invalid_token", error_description="{reason}", {WANTED}', reason)
        for case, (_, reason) in REFUSED.items()
    }
    assert upstream.requests == []


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": ["https://other.invalid", PUBLIC_URL]},
        {"header": {"typ": None}},
        {"header": {"typ": "JWT"}},
        {"header": {"typ": "application/AT+jwt"}},
        {"header": {"kid": None}},
        {"scope": None, "scp": "alaya:chat"},
        {"scope": None, "scp": ["openid", "alaya:chat"]},
        {"scope": "openid alaya:chat"},
        {"sub": "cy", "groups": ["staff", "research"]},
        {"sub": "cy", "groups": "research"},
        {"groups": ["research"]},
    ],
)
async def test_other_forms_of_a_valid_token_are_accepted(tmp_path: Path, changes: dict[str, Any]) -> None:
    async with guarded(tmp_path) as (issuer, server, upstream):
        token = issuer.token(**changes)
        async with client_of(server, headers=bearer(token)) as host:
            content_of(await host.call_tool(CHAT, {"prompt": "x"}))

    profile = "research" if changes.get("sub") == "cy" else "support"
    assert f"{profile}-access" in upstream.requests[0].headers["authorization"]


@pytest.mark.parametrize(
    ("algorithm", "published"),
    [
        ("RS256", {}),
        ("PS384", {"alg": None, "use": None}),
        ("ES384", {"kid": None}),
        ("EdDSA", {"key_ops": ["verify"]}),
    ],
)
async def test_keys_of_each_kind_verify(tmp_path: Path, algorithm: str, published: dict[str, Any]) -> None:
    key = jwk("key", algorithm, **published)
    others = {"kty": "EC", "crv": "secp256k1", "kid": "key"}, {"kty": "oct", "k": "AAAA", "kid": "key"}, {"kid": "key"}
    allowed = {"oauth_algorithms": "RS256, PS384,ES384,EdDSA"}
    async with guarded(tmp_path, *others, key, **allowed) as (issuer, server, _):
        answer = await asked(server, headers=bearer(issuer.token("key", algorithm)))
        forged = await asked(server, headers=bearer(issuer.token("other", algorithm, header={"kid": "key"})))

    assert (answer.status_code, forged.status_code) == (200, 401)


async def test_a_key_for_encryption_or_a_short_one_verifies_nothing(tmp_path: Path) -> None:
    short = {"kty": "RSA", "kid": "short", "n": "AQAB" * 20, "e": "AQAB"}
    async with guarded(tmp_path, jwk("k1", use="enc"), short) as (issuer, server, _):
        answer = await asked(server, headers=bearer(issuer.token()))

    assert answer.status_code == 503


async def test_without_a_token_a_host_is_told_where_to_sign_in(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (issuer, server, _):
        answers = [
            await asked(server, headers=HOST),
            await asked(server, "GET", headers=HOST),
            await asked(server, headers={**HOST, "authorization": "Basic YTpi"}),
            await asked(server, headers={**HOST, "authorization": "Bearer"}),
            await asked(server, headers={**HOST, "x-alaya-access-key": "a", "x-alaya-secret-key": "b"}),
            await asked(server, path=f"/mcp?access_token={issuer.token()}", headers=HOST),
        ]
        probe = await asked(server, "GET", headers=bearer(issuer.token()))
        fetches = issuer.fetches

    assert [answer.status_code for answer in answers] == [401] * 6
    assert {answer.headers["www-authenticate"] for answer in answers} == {f"Bearer {WANTED}"}
    assert (probe.status_code, probe.headers["allow"]) == (405, "POST")
    assert fetches == 1


async def test_two_tokens_are_none(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (issuer, server, _), httpx2.AsyncClient(verify=NO_CERTIFICATES) as http:
        headers = [*RAW.items(), *HOST.items(), *(("authorization", f"Bearer {issuer.token()}") for _ in range(2))]
        answer = await http.post(url_of(server), headers=headers, json=body_of("tools/list"))

    assert answer.status_code == 400
    assert "more than once" in answer.json()["error"]["message"]


async def test_the_metadata_name_the_authorization_server(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (issuer, server, _):
        paths = ("/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource")
        answers = [await asked(server, "GET", path, headers={"host": "10.0.0.1"}) for path in paths]
        posted = await asked(server, path=paths[0])
        preflight = await asked(server, "OPTIONS", paths[0], headers={"origin": "https://page.invalid"})
        elsewhere = await asked(server, "GET", "/.well-known/oauth-authorization-server", headers=HOST)
        alive = [(await asked(server, "GET", path)).status_code for path in ("/healthz", "/readyz")]

    for answer in answers:
        assert answer.status_code == 200
        assert answer.json() == {
            "resource": PUBLIC_URL,
            "authorization_servers": [issuer.url],
            "scopes_supported": ["alaya:read", "alaya:chat"],
            "bearer_methods_supported": ["header"],
            "resource_name": "Alaya NeW",
        }
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["cache-control"] == "public, max-age=3600"
    assert (posted.status_code, posted.headers["allow"]) == (405, "GET")
    assert (preflight.status_code, preflight.headers["access-control-allow-methods"]) == (204, "GET")
    assert elsewhere.status_code == 404
    assert alive == [200, 200]


async def test_a_listed_page_may_ask_before_it_has_a_token_and_read_the_challenge(tmp_path: Path) -> None:
    page = {**HOST, "origin": "https://inspector.example"}
    async with guarded(tmp_path, allow_origin=[page["origin"]]) as (_, server, _):
        preflight = await asked(server, "OPTIONS", headers=page)
        answer = await asked(server, headers=page)

    assert preflight.status_code == 204
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == page["origin"]
    assert "www-authenticate" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"sub": "cy"}, "no account for you"),
        ({"sub": "Ana"}, "no account for you"),
        ({"sub": "cy", "groups": ["support"]}, "no account for you"),
        ({"sub": "cy", "groups": {"research": True}}, "no account for you"),
        ({"sub": "cy", "groups": ["research", "sales"]}, "different accounts"),
    ],
)
async def test_a_user_without_an_account_is_not_sent_to_sign_in_again(
    tmp_path: Path, claims: dict[str, Any], words: str
) -> None:
    groups = {"research": "research", "sales": "support"}
    async with guarded(tmp_path, oauth_groups=groups) as (issuer, server, _):
        answer = await asked(server, headers=bearer(issuer.token(**claims)))

    assert answer.status_code == 403
    assert words in answer.json()["error"]["message"]
    assert "www-authenticate" not in answer.headers


def test_each_tool_is_known_to_read_or_to_chat() -> None:
    known = {"list_deployments", "get_deployment", "list_lora_models", CHAT, "compare_models"}
    assert {tool.name for tool in TOOLS} == known


CALLED = {"name": CHAT, "arguments": {"prompt": "x"}}
PARAMS = json.dumps(CALLED)
CHATS = {
    "plainly": json.dumps(body_of("tools/call", **CALLED)),
    "method twice": f'{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{PARAMS},"method":"tools/call"}}',
    "method first": f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{PARAMS},"method":"tools/list"}}',
    "name twice": f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"x","name":"{CHAT}"}}}}',
    "params twice": f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"x"}},"params":{PARAMS}}}',
    "with escapes": json.dumps(body_of("tools/call", **CALLED)).replace("tools/call", "tools\\u002fc\\u0061ll"),
    "escaped names": json.dumps(body_of("tools/call", **CALLED)).replace('"method"', '"\\u006dethod"'),
    "in a batch": json.dumps([body_of("tools/list"), body_of("tools/call", **CALLED)]),
    "as a notification": json.dumps({"jsonrpc": "2.0", "method": "tools/call", "params": CALLED}),
    "in UTF-16": json.dumps(body_of("tools/call", **CALLED)),
    "name in a list": json.dumps(body_of("tools/call", name=[CHAT])),
    "without a name": json.dumps(body_of("tools/call")),
    "not JSON": "tools/call",
    "nothing": "",
    "nested too deep": "[" * 100_000,
}
ENCODED = {"in UTF-16": "utf-16"}


async def test_a_token_to_read_cannot_chat_by_any_spelling(tmp_path: Path) -> None:
    lies: list[dict[str, str]] = [{}, {"mcp-method": "tools/list"}, {"mcp-protocol-version": VERSION}]
    async with guarded(tmp_path) as (issuer, server, upstream):
        headers = bearer(issuer.token(scope="openid alaya:read"))
        answers = {
            (spelling, *lie): await asked(
                server, headers={**headers, **lie}, json=None, content=body.encode(ENCODED.get(spelling, "utf-8"))
            )
            for spelling, body in CHATS.items()
            for lie in lies
        }

    found = {case: (answer.status_code, answer.headers.get("www-authenticate")) for case, answer in answers.items()}
    challenge = f'Bearer error="insufficient_scope", scope="alaya:read alaya:chat", resource_metadata="{METADATA_URL}"'
    assert found == dict.fromkeys(answers, (403, challenge))
    assert all("alaya:chat" in answer.json()["error"]["message"] for answer in answers.values())
    assert upstream.chats == []


@pytest.mark.parametrize(
    "body",
    [
        body_of("TOOLS/CALL", **CALLED),
        body_of("tools/call", name=CHAT.upper(), arguments={"prompt": "x"}),
        body_of("tools/call", name=f"{CHAT} ", arguments={"prompt": "x"}),
        {**body_of("tools/list"), "Method": "tools/call", "params": CALLED},
        body_of("tools/call", name="get_deployment", Name=CHAT, arguments={"prompt": "x"}),
    ],
)
async def test_what_only_looks_like_a_chat_is_not_one(tmp_path: Path, body: dict[str, Any]) -> None:
    async with guarded(tmp_path) as (issuer, server, upstream):
        answer = await asked(server, headers=bearer(issuer.token(scope="alaya:read")), json=body)

    assert answer.status_code in {200, 400, 404}
    assert upstream.chats == []


@pytest.mark.parametrize("era", ERAS)
async def test_a_token_to_read_reads(tmp_path: Path, era: Era) -> None:
    async with (
        guarded(tmp_path) as (issuer, server, _),
        client_of(server, era, bearer(issuer.token(scope="alaya:read"))) as host,
    ):
        assert len((await host.list_tools()).tools) == 5
        assert content_of(await host.call_tool("get_deployment", {}))["service_id"] == SERVICE
        assert (await host.list_resource_templates()).resource_templates


@pytest.mark.parametrize("era", ERAS)
async def test_a_call_whose_body_was_read_for_its_scope_ends_with_its_connection_too(
    tmp_path: Path, era: Era, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="alaya_mcp")
    began, ended = anyio.Event(), anyio.Event()

    async def hangs(_: Request, exchange: Exchange) -> None:
        began.set()
        await exchange.hang()
        ended.set()

    called = body_of("tools/call", name="get_deployment", arguments={})
    modern: dict[str, str] = {}
    if era == "auto":
        called["params"]["_meta"] = {PROTOCOL_VERSION_META_KEY: VERSION, CLIENT_CAPABILITIES_META_KEY: {}}
        modern = {"mcp-protocol-version": VERSION, "mcp-method": "tools/call", "mcp-name": "get_deployment"}
    async with (
        guarded(tmp_path) as (issuer, server, upstream),
        httpx2.AsyncClient(timeout=PATIENCE, verify=NO_CERTIFICATES) as http,
    ):
        upstream.control = hangs
        headers = {**RAW, **bearer(issuer.token(scope="alaya:read")), **modern}
        calling = asyncio.ensure_future(http.post(url_of(server), headers=headers, json=called))
        await began.wait()
        calling.cancel()
        await ended.wait()

    assert "outcome=cancelled" in caplog.text, "it was not its deadline that ended it"


async def test_what_is_behind_the_gate_sees_no_credential() -> None:
    async def shows_headers(scope: Scope, _: Receive, send: Send) -> None:
        names = [name.decode() for name, _ in scope["headers"]]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": json.dumps(names).encode()})

    async def unusable(_: str, __: str) -> NotConfigured:
        return NotConfigured("profile_unusable")

    async with issuing() as issuer, Transport(Routes({})) as transport:
        settings = http_settings(
            mode="oauth", public_url=PUBLIC_URL, oauth_issuer=issuer.url, oauth_subjects={"ana": "support"}
        )
        headers = {**RAW, **bearer(issuer.token()), "x-alaya-access-key": "a", "x-alaya-secret-key": "b"}
        async with (
            SigningKeys(transport, issuer.url, None, ("ES256",)) as keys,
            Listener(
                Gate(
                    shows_headers,
                    settings,
                    AuthorizedUsers(settings, keys, unusable),
                    {},
                ),
                "127.0.0.1",
                0,
            ) as listener,
            httpx2.AsyncClient(timeout=PATIENCE, verify=NO_CERTIFICATES) as http,
        ):
            answer = await http.post(f"http://127.0.0.1:{listener.port}/mcp", headers=headers, json={})

    assert "host" in answer.json()
    assert not [name for name in answer.json() if name == "authorization" or name.startswith("x-alaya")]


@pytest.mark.parametrize("scope", [None, "", "openid", "alaya:reader", "ALAYA:READ", "alaya:read,alaya:chat"])
async def test_a_token_for_something_else_does_nothing_here(tmp_path: Path, scope: str | None) -> None:
    async with guarded(tmp_path) as (issuer, server, _):
        headers = bearer(issuer.token(scope=scope))
        listed = await asked(server, headers=headers)
        called = await asked(server, headers=headers, json=body_of("tools/call", **CALLED))

    assert [listed.status_code, called.status_code] == [403, 403]
    assert 'scope="alaya:read",' in listed.headers["www-authenticate"]
    assert 'scope="alaya:read alaya:chat",' in called.headers["www-authenticate"]


async def test_a_body_is_limited_before_it_is_read_for_its_scope(tmp_path: Path) -> None:
    async def pieces() -> AsyncGenerator[bytes]:
        for _ in range(25):
            yield b" " * 2**20

    async with guarded(tmp_path) as (issuer, server, _):
        headers = bearer(issuer.token(scope="alaya:read"))
        answer = await asked(server, headers=headers, json=None, content=pieces())

    assert answer.status_code == 413


@pytest.mark.parametrize("era", ERAS)
async def test_two_subjects_of_one_profile_share_nothing(tmp_path: Path, era: Era) -> None:
    async with guarded(tmp_path) as (issuer, server, upstream):
        async with client_of(server, era, bearer(issuer.token())) as ana:
            reply = content_of(await ana.call_tool(CHAT, {"prompt": "x", "background": True}))
        looked_up = len(upstream.asked(SERVICE))
        async with client_of(server, era, bearer(issuer.token(sub="bo"))) as bo:
            refused = await bo.call_tool(CHAT, {"read_on": reply["read_on"]})
            content_of(await bo.call_tool("get_deployment", {}))
        again = len(upstream.asked(SERVICE))
        async with client_of(server, era, bearer(issuer.token(jti="another", groups=["research"]))) as ana:
            assert content_of(await ana.call_tool(CHAT, {"read_on": reply["read_on"]}))["content"] == "hello"

    assert error_of(refused)["code"] == "invalid_arguments"
    assert "hello" not in text_of(refused)
    assert again == looked_up + 1, "what ana looked up is not bo's"


async def test_nothing_of_a_token_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="alaya_mcp")
    async with guarded(tmp_path) as (issuer, server, _):
        tokens = [issuer.token(), issuer.token("k9"), issuer.token(exp=1), issuer.token(sub="cy")]
        for token in tokens:
            await asked(server, headers=bearer(token), json=body_of("tools/call", **CALLED))

    parts = [part for token in tokens for part in token.split(".")[1:]]
    assert "tool_call" in caplog.text
    assert not [part for part in (*parts, '"ana"', "sub") if part in caplog.text]
