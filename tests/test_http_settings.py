"""Settings of the HTTP server, from three places, and what is refused at the start."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from alaya_mcp.config.http import HttpSettings, load_http_settings
from alaya_mcp.errors import NotConfigured


def test_the_command_line_comes_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    text = '[http]\nport = 1\nmode = "keys"\ngrace_seconds = 9\nallow_engine_host = ["a.example", "b.example"]'
    file.write_text(text, encoding="utf-8")
    environ = {"ALAYA_CONFIG": str(file), "ALAYA_HTTP_PORT": "2", "ALAYA_HTTP_GRACE_SECONDS": "8"}

    settings = load_http_settings({"port": 3, "host": None}, environ)

    assert (settings.port, settings.grace_seconds, settings.mode) == (3, 8, "keys")
    assert settings.allow_engine_host == ("a.example", "b.example")
    assert settings.tokens_file == tmp_path / "tokens.json"


def test_a_variable_lists_by_commas() -> None:
    settings = load_http_settings({}, {"ALAYA_HTTP_ALLOW_ORIGIN": "https://a.example, https://B.example"})

    assert settings.origins == {"https://a.example", "https://b.example"}


KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


def test_a_store_is_set_by_its_own_variables_and_told_to_nobody() -> None:
    environ = {"ALAYA_STORE_URL": "valkeys://user:planted@127.0.0.1:6379", "ALAYA_STORE_KEY": KEY}
    settings = load_http_settings({}, environ)

    assert settings.store_url is not None
    assert settings.store_url.get_secret_value() == environ["ALAYA_STORE_URL"]
    assert "planted" not in repr(settings)
    assert KEY not in repr(settings)


@pytest.mark.parametrize(
    ("given", "source", "words"),
    [
        ({"port": "x"}, "--port", "whole number"),
        ({"host": "0.0.0.0"}, "", "mode keys"),  # noqa: S104 it is refused
        ({"host": "192.0.2.1"}, "", "would let anybody"),
        ({"host": "::"}, "", "would let anybody"),
        ({"host": "localhost.invalid"}, "", "would let anybody"),
        ({"host": "192.0.2.1", "mode": "keys"}, "", "public_url"),
        ({"host": "https://a.example"}, "--host", "without a scheme"),
        ({"public_url": "http://mcp.example.com/mcp"}, "--public-url", "https"),
        ({"allow_origin": ["mcp.example.com"]}, "--allow-origin", "origin such as"),
        ({"grace_seconds": "0"}, "--grace-seconds", "at least 1"),
        ({"public_url": "https://mcp.example.com"}, "--public-url", "has no path"),
        ({"store_url": "valkey://127.0.0.1"}, "ALAYA_STORE_KEY", "32 random bytes"),
        ({"store_url": "http://127.0.0.1", "store_key": KEY}, "", "valkey://"),
        ({"store_url": "valkey://127.0.0.1", "store_key": "c2hvcnQ="}, "", "32 random bytes"),
        ({"store_url": "valkey://127.0.0.1", "store_key": "?"}, "", "32 random bytes"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_reason(given: dict[str, Any], source: str, words: str) -> None:
    with pytest.raises(NotConfigured) as refused:
        load_http_settings(given, {"ALAYA_CONFIG": ""})

    (setting,) = refused.value.settings
    assert source in setting.source
    assert words in setting.detail


OAUTH = {
    "mode": "oauth",
    "public_url": "https://mcp.example.com/mcp",
    "oauth_issuer": "https://login.example.com/realms/team/",
    "oauth_subjects": {"8d3f": "support"},
}


def test_an_authorization_server_is_kept_to_the_letter_and_its_users_are_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    text = """\
[profiles.support]
[profiles.research]
[http]
mode = "oauth"
public_url = "https://mcp.example.com/mcp"
oauth_algorithms = ["ES256"]
[http.oauth_subjects]
"auth0|8d3f" = "support"
[http.oauth_groups]
"a group" = "research"
"""
    file.write_text(text, encoding="utf-8")
    jwks = "https://login.example.com/keys?policy=1"
    given = {"oauth_issuer": "https://login.example.com/realms/team/", "oauth_jwks_url": jwks}

    settings = load_http_settings(given, {"ALAYA_CONFIG": str(file), "ALAYA_HTTP_OAUTH_ALGORITHMS": "RS256, PS256"})

    assert (settings.oauth_issuer, settings.oauth_jwks_url) == (given["oauth_issuer"], jwks)
    assert settings.oauth_algorithms == ("RS256", "PS256")
    assert (settings.oauth_subjects, settings.oauth_groups) == ({"auth0|8d3f": "support"}, {"a group": "research"})
    assert settings.oauth_groups_claim == "groups"


@pytest.mark.parametrize(
    ("changes", "source", "words"),
    [
        ({"public_url": None}, "--mode", "public_url"),
        ({"oauth_issuer": None}, "--mode", "oauth_issuer"),
        ({"oauth_subjects": None}, "--mode", "[http.oauth_groups]"),
        ({"mode": None}, "ALAYA_HTTP_MODE", "must be oauth if oauth_issuer is set"),
        ({"mode": "keys"}, "--mode", "must be oauth if oauth_issuer is set"),
        ({"oauth_issuer": "http://login.example.com"}, "--oauth-issuer", "https"),
        ({"oauth_issuer": "https://login.example.com/?a=b"}, "--oauth-issuer", "query"),
        ({"oauth_jwks_url": "http://login.example.com/keys"}, "--oauth-jwks-url", "https"),
        ({"oauth_algorithms": "none"}, "--oauth-algorithms", "RS256"),
        ({"oauth_algorithms": "RS256,HS256"}, "--oauth-algorithms", "RS256"),
        ({"oauth_algorithms": ","}, "--oauth-algorithms", "at least 1"),
        ({"oauth_subjects": {"8d3f": "suport"}}, "oauth-subjects", "'suport'"),
        ({"oauth_groups": {"": "support"}}, "oauth-groups", "at least 1"),
    ],
)
def test_what_is_missing_for_access_tokens_is_named(
    tmp_path: Path, changes: dict[str, Any], source: str, words: str
) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[profiles.support]", encoding="utf-8")

    with pytest.raises(NotConfigured) as refused:
        load_http_settings({**OAUTH, **changes}, {"ALAYA_CONFIG": str(file)})

    (setting,) = refused.value.settings
    assert source in setting.source
    assert words in setting.detail


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.8.8.8"])
def test_this_machine_alone_needs_no_mode(host: str) -> None:
    assert HttpSettings.model_validate({"host": host}).mode == "environment"


def test_an_unknown_entry_is_refused() -> None:
    with pytest.raises(ValidationError):
        HttpSettings.model_validate({"json_response": True})


def test_the_public_url_is_a_host_and_an_origin_that_may_call() -> None:
    given = {"host": "192.0.2.1", "mode": "keys", "public_url": "https://MCP.example.com:8443/mcp"}
    settings = HttpSettings.model_validate(given)

    assert settings.hosts == {"mcp.example.com"}
    assert settings.origins == {"https://mcp.example.com:8443"}
