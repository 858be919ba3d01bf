"""Planted misconfigurations, over real sockets: each is told apart from the others by a verdict of its own."""

import json
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from alaya_mcp import __version__
from alaya_mcp.doctor.check import TITLES
from alaya_mcp.sandbox import Sandbox
from tests.calls import environ_of
from tests.doctor_patient import (
    KEYS,
    Patient,
    account,
    machine_in,
    models,
    no_proxies_of_the_developers_own,
)
from tests.upstream import API_KEY, SERVICE, Exchange, Request, Upstream, replies, says

__all__ = ["no_proxies_of_the_developers_own"]
pytestmark = [pytest.mark.anyio, pytest.mark.quick]


@dataclass(frozen=True)
class Plant:
    """An environment in which one thing is wrong.

    Attributes:
        environ: `ALAYA_*` variables, and those of proxies.
        service: What is named on the command line.
    """

    environ: dict[str, str]
    service: str | None = None


Planting = Callable[[], AbstractAsyncContextManager[Plant]]
ELSEWHERE = {**KEYS, "ALAYA_BASE_URL": "https://alaya.invalid/api/serverless-infer/v1"}


def in_sandbox(service: str, fault: str | None = None, **changes: str) -> Planting:
    """A deployment of the sandbox, with variables changed."""

    @asynccontextmanager
    async def planting() -> AsyncGenerator[Plant]:
        async with Sandbox(token_delay=0, fault=fault) as sandbox:
            yield Plant({**environ_of(sandbox), **changes}, service)

    return planting


def alone(**environ: str) -> Planting:
    """Variables, and nobody to talk to."""

    @asynccontextmanager
    async def planting() -> AsyncGenerator[Plant]:
        yield Plant(environ)

    return planting


@asynccontextmanager
async def a_web_site() -> AsyncGenerator[Plant]:
    async def page(_: Request, exchange: Exchange) -> None:
        await exchange.answer(200, b"<!doctype html><title>Hello</title>", headers={"content-type": "text/html"})

    async with Upstream(control=page) as upstream:
        yield Plant({**upstream.environ, **KEYS})


@asynccontextmanager
async def a_rotated_key() -> AsyncGenerator[Plant]:
    async with Upstream(models=says(401, {"error": "Unauthorized"}), chat=says(401, {})) as upstream:
        upstream.control = account(upstream)
        yield Plant({**upstream.environ, **KEYS})


@asynccontextmanager
async def a_proxy_that_is_not_there() -> AsyncGenerator[Plant]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        yield Plant({**ELSEWHERE, "ALL_PROXY": f"socks5://user:planted-proxy-pass@127.0.0.1:{port}"})


PLANTED: dict[str, tuple[Planting, str, str, str]] = {
    "wrong SK": (in_sandbox("qwen3-support", ALAYA_SECRET_KEY="planted-SK-b91e63"), "failed", "key", "key_rejected"),
    "wrong host": (a_web_site, "failed", "control_plane", "not_the_api"),
    "stopped service": (in_sandbox("switched-off"), "failed", "state", "deployment_stopped"),
    "rotated apikey": (a_rotated_key, "failed", "apikey", "apikey_rejected"),
    "wrong served name": (
        in_sandbox("sandbox-qwen3", "wrong-served-name"),
        "failed",
        "served_names",
        "served_name_unknown",
    ),
    "unexpanded variable": (
        alone(**{**ELSEWHERE, "ALAYA_SECRET_KEY": "${ALAYA_SECRET_KEY}"}),
        "failed",
        "configuration",
        "variable_unexpanded",
    ),
    "http base": (
        alone(**KEYS, ALAYA_BASE_URL="http://alaya.invalid/api/serverless-infer/v1"),
        "failed",
        "configuration",
        "base_url_plain_http",
    ),
    "DNS failure": (alone(**ELSEWHERE), "failed", "dns", "dns_failed"),
    "a SOCKS proxy that is not there": (a_proxy_that_is_not_there, "failed", "proxy", "proxy_unreachable"),
    "starting service": (in_sandbox("waking-up"), "warning", "state", "deployment_starting"),
}
SECRETS = (
    *KEYS.values(),
    "planted-proxy-pass",
    API_KEY,
    Sandbox.access_key,
    Sandbox.secret_key,
    "sandbox-key-qwen3",
)


@pytest.mark.parametrize("name", PLANTED)
async def test_each_planted_misconfiguration_has_its_verdict_first_and_a_next_step(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planting, level, of, verdict = PLANTED[name]
    async with planting() as plant:
        if proxy := plant.environ.get("ALL_PROXY"):
            monkeypatch.setenv("ALL_PROXY", proxy)
        examined = await Patient(plant.environ, machine_in(tmp_path)).examined(plant.service)

    assert examined.troubles[0] == (level, of, verdict)
    assert all(check.next_step for check in examined.checks if check.level in {"warning", "failed"})
    assert examined.status == (3 if level == "failed" else 1)
    assert not [secret for secret in SECRETS if secret in examined.shown]
    assert [check.id for check in examined.checks] == [of for of in TITLES if of != "host"]


def test_no_two_of_them_share_a_verdict() -> None:
    assert len(PLANTED) == 10
    assert len({verdict for *_, verdict in PLANTED.values()}) == 10


async def test_what_comes_after_is_left_out_and_says_because_of_which() -> None:
    async with in_sandbox("switched-off")() as plant:
        examined = await Patient(plant.environ).examined(plant.service)

    after = [examined.check(of) for of in ("service_url", "apikey", "served_names", "first_token")]
    assert {(check.level, check.verdict) for check in after} == {("skipped", "left_out")}
    assert all("State" in check.found for check in after)


async def test_where_all_is_well_every_check_says_so_and_the_status_is_0(tmp_path: Path) -> None:
    async with in_sandbox("qwen3-support")() as plant:
        examined = await Patient(plant.environ, machine_in(tmp_path)).examined(plant.service)

    assert examined.status == 0
    assert examined.verdicts == {
        "configuration_file": "no_config_file",
        "configuration": "configured",
        "variables": "variables_known",
        "proxy": "no_proxy",
        "dns": "not_needed",
        "tls": "not_needed",
        "control_plane": "reachable",
        "key": "key_accepted",
        "deployment": "deployment_found",
        "state": "deployment_running",
        "service_url": "engine_reachable",
        "apikey": "apikey_accepted",
        "served_names": "names_agree",
        "first_token": "first_token",
        "first_answers": "not_kept",
        "host_file": "no_host_file",
    }
    assert "All is well." in examined.text
    assert not [check for check in examined.checks if check.next_step]
    assert not [secret for secret in SECRETS if secret in examined.shown]


async def test_the_json_holds_the_version_the_checks_and_the_worst() -> None:
    async with in_sandbox("waking-up")() as plant:
        examined = await Patient(plant.environ).examined(plant.service)
    told = json.loads(examined.json)

    assert list(told) == ["version", "checks", "worst"]
    assert (told["version"], told["worst"]) == (__version__, "warning")
    keys = ["id", "title", "level", "verdict", "found", "next_step", "facts"]
    assert all(list(check) == keys for check in told["checks"])
    assert [check["id"] for check in told["checks"]] == [check.id for check in examined.checks]
    assert {"name": "ALAYA_TIMEOUT_SECONDS", "value": "50", "source": "default"} in told["checks"][1]["facts"]
    assert examined.json.isascii()


async def test_with_nothing_configured_it_says_what_to_do() -> None:
    def nowhere(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, f"{host}:{port}")

    examined = await Patient({}, resolve=nowhere).examined()

    assert examined.troubles == [("failed", "configuration", "key_missing"), ("failed", "dns", "dns_failed")]
    assert not examined.check("dns").next_step.startswith("Correct ALAYA_BASE_URL")
    assert "alayanew-mcp login" in examined.check("configuration").next_step
    assert examined.check("host_file").verdict == "no_home"


async def test_failures_that_do_not_depend_on_each_other_are_not_called_each_others_cause() -> None:
    def nowhere(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, f"{host}:{port}")

    examined = await Patient({"ALAYA_WORLD": "x"}, resolve=nowhere).examined()

    assert examined.text.endswith("\n2 failed, 1 warning.\n")


async def test_a_name_that_does_not_resolve_has_a_step_of_its_own() -> None:
    def nowhere(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, f"{host}:{port}")

    default = await Patient(dict(KEYS), resolve=nowhere).examined()
    typed = await Patient(ELSEWHERE, resolve=nowhere).examined()

    for examined, host in ((default, "api.alayanew.com"), (typed, "alaya.invalid")):
        dns = examined.check("dns")
        assert examined.troubles == [("failed", "dns", "dns_failed")]
        assert examined.text.endswith("\n1 failed.\n")
        assert f"{host} could not be resolved" in dns.found
        assert f"`nslookup {host}`" in dns.next_step
        assert "HTTPS_PROXY" in dns.next_step
    assert typed.check("dns").next_step.startswith("Correct ALAYA_BASE_URL if alaya.invalid is misspelt")
    assert "ALAYA_BASE_URL" not in default.check("dns").next_step


async def test_a_key_that_is_echoed_is_masked_even_so() -> None:
    async with Upstream(models=models("base")) as upstream:
        secret = KEYS["ALAYA_SECRET_KEY"]
        upstream.control = account(upstream)
        upstream.deployment["name"] = f"called {secret} and {API_KEY}"
        examined = await Patient({**upstream.environ, **KEYS}).examined(chats=False)

    assert "called … and …" in examined.check("deployment").found
    assert not [secret for secret in SECRETS if secret in examined.shown]


async def test_the_chat_is_left_out_where_that_is_asked_for() -> None:
    async with Upstream(models=models("base", "base-alias", adapters=("lora1",))) as upstream:
        upstream.control = account(upstream)
        examined = await Patient({**upstream.environ, **KEYS}).examined(chats=False)

        assert upstream.chats == []
    assert examined.status == 0
    assert "--no-chat" in examined.check("first_token").found
    assert examined.text.endswith("No problem found. Not checked: First token.\n")


async def test_the_chat_is_small_and_asks_for_the_model_that_is_named() -> None:
    async with Upstream(models=models("base", "base-alias", adapters=("lora1",))) as upstream:
        upstream.control, upstream.chat = account(upstream), replies("yes", model="lora1")
        examined = await Patient({**upstream.environ, **KEYS}).examined(SERVICE, model="lora1")
        (chat,) = upstream.chats

    assert (chat.json["model"], chat.json["max_tokens"]) == ("lora1", 16)
    assert examined.check("first_token").found.endswith(" s, by lora1")
    assert examined.status == 0
