"""An authorization server's keys: when they are fetched, kept and forgotten, and the limits of a token's time."""

import asyncio
import datetime as dt
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import lowlevel

from alaya_mcp.clock import Clock
from alaya_mcp.serving.http.access_tokens import AccessTokens, TokenRefused
from alaya_mcp.serving.http.signing_keys import NoKeys, SigningKeys, metadata_urls
from alaya_mcp.upstream.routes import Routes
from alaya_mcp.upstream.transport import Transport
from tests.http_host import asked, http_settings, serving
from tests.issuer import CONFIG, PUBLIC_URL, Issuer, issuing, jwk
from tests.patience import PATIENCE
from tests.upstream import Exchange, Handler, Request, Upstream, says

pytestmark = pytest.mark.anyio


class Time:
    """A clock that a test moves on."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def now(self) -> float:
        return self.seconds


@asynccontextmanager
async def keys_of(issuer: Issuer, time: Time, jwks_url: str | None = None) -> AsyncGenerator[SigningKeys]:
    """The issuer's keys, as a server keeps them."""
    with anyio.fail_after(PATIENCE):
        async with (
            Transport(Routes({})) as transport,
            SigningKeys(transport, issuer.url, jwks_url, ("ES256",), time.now) as keys,
        ):
            yield keys


async def test_keys_are_fetched_once_and_kept_for_ten_minutes() -> None:
    time = Time()
    async with issuing() as issuer, keys_of(issuer, time) as keys:
        for _ in range(3):
            assert await keys.find("k1", "ES256")
        time.seconds += 599
        assert await keys.find("k1", "ES256")
        assert issuer.fetches == 1
        issuer.publish(jwk("k2"))
        time.seconds += 1
        assert await keys.find("k1", "ES256") is None, "its server has withdrawn it"
        assert await keys.find("k2", "ES256")
        assert issuer.fetches == 2


async def test_an_unknown_key_is_looked_for_once_a_minute() -> None:
    time = Time()
    async with issuing() as issuer, keys_of(issuer, time) as keys:
        assert await keys.find("k1", "ES256")
        issuer.publish(jwk("k1"), jwk("k2"))
        for _ in range(5):
            assert await keys.find("k2", "ES256") is None
        assert issuer.fetches == 1
        time.seconds += 60
        assert await keys.find("k2", "ES256")
        for _ in range(5):
            assert await keys.find("k3", "ES256") is None
        assert issuer.fetches == 2


async def test_many_who_wait_share_one_fetch_that_goes_on_without_them() -> None:
    asked_for, go_on = anyio.Event(), anyio.Event()

    async def slowly(_: Request, exchange: Exchange) -> None:
        asked_for.set()
        await go_on.wait()
        await exchange.answer_json(200, {"keys": [jwk("k2")]})

    time = Time()
    async with issuing() as issuer, keys_of(issuer, time) as keys:
        assert await keys.find("k1", "ES256")
        issuer.handlers["/jwks"] = slowly
        time.seconds += 60
        impatient = asyncio.ensure_future(keys.find("k2", "ES256"))
        await asked_for.wait()
        others = [asyncio.ensure_future(keys.find("k2", "ES256")) for _ in range(20)]
        await lowlevel.checkpoint()
        impatient.cancel()
        go_on.set()
        assert all(await asyncio.gather(*others))
        assert issuer.fetches == 2


async def test_known_keys_are_used_while_their_server_is_away_and_nobody_waits_for_it_twice() -> None:
    time, hangs = Time(), anyio.Event()

    async def hang(_: Request, exchange: Exchange) -> None:
        hangs.set()
        await exchange.hang()

    async with issuing() as issuer, keys_of(issuer, time) as keys:
        assert await keys.find("k1", "ES256")
        issuer.documents["/jwks"] = None
        time.seconds += 600
        assert await keys.find("k1", "ES256")
        issuer.handlers["/jwks"] = hang
        time.seconds += 60
        finding = asyncio.ensure_future(keys.find("k1", "ES256"))
        await asyncio.sleep(0)
        assert finding.done(), "though the fetch hangs"
        assert finding.result()
        await hangs.wait()
        assert issuer.fetches == 3


async def redirects(_: Request, exchange: Exchange) -> None:
    await exchange.answer(302, b"", headers={"location": "/other"})


async def floods(_: Request, exchange: Exchange) -> None:
    await exchange.answer_json(200, {"keys": [jwk("k1")], "more": "x" * 2**20})


NOT_KEYS: list[Any] = [
    None,
    {"keys": "k"},
    {"keys": []},
    {"keys": [1]},
    [],
    {},
    {"keys": [{"kty": "EC", "crv": "P-256"}]},
]


@pytest.mark.parametrize("answer", [*(says(200, document) for document in NOT_KEYS), says(404, {}), redirects, floods])
async def test_without_keys_nobody_is_let_in_and_they_are_fetched_again_soon(answer: Handler) -> None:
    time = Time()
    async with issuing() as issuer:
        issuer.handlers["/jwks"] = answer
        issuer.documents["/other"] = issuer.documents["/jwks"]
        async with keys_of(issuer, time) as keys:
            for _ in range(2):
                with pytest.raises(NoKeys):
                    await keys.find("k1", "ES256")
            assert issuer.fetches == 1
            del issuer.handlers["/jwks"]
            time.seconds += 5
            assert await keys.find("k1", "ES256")


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://other.invalid", "jwks_uri": "{issuer}/jwks"},
        {"issuer": "{issuer}/", "jwks_uri": "{issuer}/jwks"},
        {"issuer": "{issuer}"},
        {"issuer": "{issuer}", "jwks_uri": "http://keys.invalid/jwks"},
        {"issuer": "{issuer}", "jwks_uri": "http://user:password@{host}/jwks"},
        {"issuer": "{issuer}", "jwks_uri": "file:///etc/keys"},
    ],
)
async def test_metadata_that_are_anothers_or_lead_astray_are_not_used(metadata: dict[str, str]) -> None:
    async with issuing() as issuer:
        host = issuer.url.removeprefix("http://")
        filled = {name: value.format(issuer=issuer.url, host=host) for name, value in metadata.items()}
        issuer.documents["/.well-known/oauth-authorization-server"] = filled
        async with keys_of(issuer, Time()) as keys:
            with pytest.raises(NoKeys):
                await keys.find("k1", "ES256")
        assert issuer.fetches == 0


async def test_metadata_of_openid_connect_will_do_and_none_are_needed_where_the_keys_are_known() -> None:
    async with issuing() as issuer:
        openid = issuer.documents.pop("/.well-known/oauth-authorization-server")
        async with keys_of(issuer, Time(), f"{issuer.url}/jwks") as keys:
            assert await keys.find("k1", "ES256")
        assert len(issuer.requests) == 1
        issuer.documents["/.well-known/openid-configuration"] = openid
        async with keys_of(issuer, Time()) as keys:
            assert await keys.find("k1", "ES256")


def test_where_metadata_may_be() -> None:
    assert metadata_urls("https://a.invalid/") == (
        "https://a.invalid/.well-known/oauth-authorization-server",
        "https://a.invalid/.well-known/openid-configuration",
    )
    assert metadata_urls("https://a.invalid/realms/team") == (
        "https://a.invalid/.well-known/oauth-authorization-server/realms/team",
        "https://a.invalid/.well-known/openid-configuration/realms/team",
        "https://a.invalid/realms/team/.well-known/openid-configuration",
    )


@pytest.mark.parametrize(
    ("claims", "is_accepted"),
    [
        ({"exp": -59}, True),
        ({"exp": -60}, False),
        ({"nbf": 60}, True),
        ({"nbf": 61}, False),
        ({"iat": 60}, True),
        ({"iat": 61}, False),
        ({"nbf": 0, "iat": 0, "exp": 1}, True),
    ],
)
async def test_a_minute_of_difference_between_clocks_is_allowed(claims: dict[str, int], is_accepted: bool) -> None:
    date = dt.datetime(2026, 11, 27, tzinfo=dt.UTC)
    now = int(date.timestamp())
    async with issuing() as issuer, keys_of(issuer, Time()) as keys:
        settings = http_settings(
            mode="oauth", public_url=PUBLIC_URL, oauth_issuer=issuer.url, oauth_subjects={"ana": "support"}
        )
        tokens = AccessTokens(settings, keys, Clock(date=lambda: date).date)
        times: dict[str, Any] = {
            "iat": None,
            "exp": now + 9,
            **{claim: now + offset for claim, offset in claims.items()},
        }
        token = issuer.token(**times)
        if is_accepted:
            assert (await tokens.read(token)).subject == "ana"
        else:
            with pytest.raises(TokenRefused):
                await tokens.read(token)


async def test_a_server_that_cannot_check_tokens_says_so_and_recovers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "config.toml").write_text(CONFIG.format(base_url="https://api.invalid/v1"), encoding="utf-8")
    async with issuing() as issuer, Upstream() as upstream:
        metadata = issuer.documents.pop("/.well-known/oauth-authorization-server")
        settings = http_settings(
            mode="oauth", public_url=PUBLIC_URL, oauth_issuer=issuer.url, oauth_subjects={"ana": "support"}
        )
        headers = {"host": "mcp.invalid", "authorization": f"Bearer {issuer.token()}"}
        async with serving(upstream, settings, ALAYA_CONFIG=str(tmp_path / "config.toml")) as server:
            answer = await asked(server, headers=headers)
        issuer.documents["/.well-known/oauth-authorization-server"] = metadata
        async with serving(upstream, settings, ALAYA_CONFIG=str(tmp_path / "config.toml")) as server:
            recovered = await asked(server, headers=headers)

    assert (answer.status_code, answer.headers["retry-after"], recovered.status_code) == (503, "5", 200)
    assert "www-authenticate" not in answer.headers
    assert "authorization server" in answer.json()["error"]["message"]
    assert "cannot be fetched: status 404" in caplog.text
