"""Tokens of the HTTP server: made, listed and removed on the command line, and what a caller gets for one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from alaya_mcp.config.tokens import TokenFile
from tests.calls import CHAT, content_of, error_of, text_of
from tests.http_host import asked, client_of, http_settings, serving
from tests.upstream import SERVICE, Upstream, replies

CONFIG = """\
[profiles.support]
base_url = "{base_url}"
access_key = "support-access"
secret_key = "support-secret"
service_id = "svc-1"

[profiles.research]
base_url = "{base_url}"
access_key_env = "RESEARCH_ACCESS"
secret_key = "research-secret"
"""


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `alayanew-mcp token` with the configuration in a folder."""
    return subprocess.run(  # noqa: S603 this package
        [sys.executable, "-m", "alaya_mcp", "token", *arguments],
        env={**os.environ, "ALAYA_CONFIG": str(folder / "config.toml"), "RESEARCH_ACCESS": "research-access"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.toml").write_text(CONFIG.format(base_url="https://api.invalid/v1"), encoding="utf-8")
    return tmp_path


def test_a_token_is_printed_once_and_kept_as_a_digest(folder: Path) -> None:
    made = command(folder, "add", "ana", "--profile", "support")
    token = made.stdout.splitlines()[-1]
    kept = (folder / "tokens.json").read_text(encoding="utf-8")

    assert made.returncode == 0, made.stderr
    assert token.startswith("alaya_")
    assert token not in kept
    assert len(json.loads(kept)[0]["sha256"]) == 64
    assert os.name != "posix" or (folder / "tokens.json").stat().st_mode & 0o777 == 0o600
    listed = command(folder, "list").stdout
    assert "ana" in listed
    assert "profile support" in listed
    assert token not in listed


def test_what_cannot_be_added_or_removed_is_said(folder: Path) -> None:
    command(folder, "add", "ana", "--profile", "support")
    again = command(folder, "add", "ana", "--profile", "support")
    no_profile = command(folder, "add", "bo", "--profile", "suport")
    nobody = command(folder, "remove", "bo")

    assert [each.returncode for each in (again, no_profile, nobody)] == [1, 1, 1]
    assert "already" in again.stderr
    assert "suport" in no_profile.stderr
    assert "no token of the name bo" in nobody.stderr
    assert command(folder, "list").stdout.count("profile") == 1


@pytest.mark.anyio
async def test_a_token_is_its_profiles_account_until_it_is_removed(tmp_path: Path) -> None:
    async with Upstream(chat=replies("hello")) as upstream:
        config = tmp_path / "config.toml"
        config.write_text(CONFIG.format(base_url=upstream.environ["ALAYA_BASE_URL"]), encoding="utf-8")
        tokens = TokenFile(tmp_path / "tokens.json")
        support, research = tokens.add("ana", "support"), tokens.add("bo", "research")
        settings = http_settings(mode="tokens", tokens_file=tmp_path / "tokens.json")
        variables = {"ALAYA_CONFIG": str(config), "RESEARCH_ACCESS": "research-access"}
        async with serving(upstream, settings, **variables) as server:
            async with client_of(server, headers={"authorization": f"Bearer {support}"}) as ana:
                assert content_of(await ana.call_tool(CHAT, {"prompt": "x"}))["content"] == "hello"
            async with client_of(server, headers={"authorization": f"bearer {research}"}) as bo:
                content_of(await bo.call_tool("get_deployment", {"service_id": SERVICE}))
            TokenFile(tmp_path / "tokens.json").remove("ana")
            removed = await asked(server, headers={"authorization": f"Bearer {support}"})
            unknown = await asked(server, headers={"authorization": "Bearer alaya_unknown"})
            nobody = await asked(server)
            probe = await asked(server, "GET")

    sent = [request.headers["authorization"] for request in upstream.asked(SERVICE)]
    assert sent[0] == "plain Credential=support-access,Signature=support-secret"
    assert sent[-1] == "plain Credential=research-access,Signature=research-secret"
    assert [each.status_code for each in (removed, unknown, nobody, probe)] == [401] * 4
    assert all(each.headers["www-authenticate"] == "Bearer" for each in (removed, unknown, nobody, probe))
    assert "removed" in removed.json()["error"]["message"]


@pytest.mark.anyio
async def test_a_profile_that_is_broken_is_the_operators_to_know(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config, file = tmp_path / "config.toml", tmp_path / "tokens.json"
    config.write_text(CONFIG.format(base_url="https://api.invalid/v1"), encoding="utf-8")
    token = TokenFile(file).add("bo", "research")
    settings = http_settings(mode="tokens", tokens_file=file)
    authorization = {"authorization": f"Bearer {token}"}
    async with (
        Upstream() as upstream,
        serving(upstream, settings, ALAYA_CONFIG=str(config)) as server,
        client_of(server, headers=authorization) as bo,
    ):
        refused = await bo.call_tool("list_deployments", {})

    assert error_of(refused)["code"] == "not_configured"
    assert "operator" in text_of(refused)
    assert str(tmp_path) not in text_of(refused)
    assert "access_key_env of profile research" in caplog.text


@pytest.mark.anyio
@pytest.mark.parametrize("content", ["", "{}", '[{"name": "ana"}]', "not JSON"])
async def test_a_broken_file_of_tokens_lets_nobody_in(tmp_path: Path, content: str) -> None:
    file = tmp_path / "tokens.json"
    token = TokenFile(file).add("ana", "support")
    file.write_text(content, encoding="utf-8")
    settings = http_settings(mode="tokens", tokens_file=file)
    authorization = {"authorization": f"Bearer {token}"}
    async with (
        Upstream() as upstream,
        serving(upstream, settings) as server,
        client_of(server, headers=authorization) as ana,
    ):
        refused = await ana.call_tool("list_deployments", {})

    assert error_of(refused)["code"] == "not_configured"
    assert upstream.requests == []
