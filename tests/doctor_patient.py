"""Somebody to be examined: an environment, a network and a home folder, and what the doctor shows of them."""

import io
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import anyio
import pytest
from rich.console import Console

from alaya_mcp.doctor.check import Check, exit_status
from alaya_mcp.doctor.connection import Network
from alaya_mcp.doctor.examination import SECONDS, Question, World, examine
from alaya_mcp.doctor.hosts import Passed
from alaya_mcp.doctor.network import Resolve, system_addresses
from alaya_mcp.doctor.report import as_json, show_check, show_end
from alaya_mcp.hosts.catalogue import Host, Machine
from tests.upstream import SERVICE, Exchange, Handler, Request, Upstream

KEYS: Final = {"ALAYA_ACCESS_KEY": "planted-AK-40f1a7", "ALAYA_SECRET_KEY": "planted-SK-b91e63"}
PROXY_VARIABLES: Final = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_PATIENCE: Final = 60


@dataclass(frozen=True)
class Examined:
    """What came of it.

    Attributes:
        checks: In order.
        text: As a person reads it.
        json: As a program does.
    """

    checks: list[Check]
    text: str
    json: str

    @property
    def verdicts(self) -> dict[str, str]:
        """Verdicts by id; of several host's files the last."""
        return {check.id: check.verdict for check in self.checks}

    @property
    def troubles(self) -> list[tuple[str, str, str]]:
        """Level, id and verdict of what is not well."""
        return [(check.level, check.id, check.verdict) for check in self.checks if check.level in {"warning", "failed"}]

    @property
    def status(self) -> int:
        """The exit status."""
        return exit_status(self.checks)

    @property
    def shown(self) -> str:
        """Everything that anybody gets to see."""
        return self.text + self.json + json.dumps(json.loads(self.json), ensure_ascii=False)

    def check(self, of: str) -> Check:
        """The check of an id."""
        return next(check for check in self.checks if check.id == of)


@dataclass
class Patient:
    """An environment to be examined, in a machine without hosts.

    Attributes:
        environ: What the server would see.
    """

    environ: Mapping[str, str]
    machine: Machine | None = None
    host: Host | None = None
    passed: Passed | None = None
    resolve: Resolve = field(default=system_addresses)
    platform: str = sys.platform

    async def examined(
        self, service: str | None = None, *, model: str | None = None, chats: bool = True, seconds: float = SECONDS
    ) -> Examined:
        """What the doctor finds."""
        output = io.StringIO()
        console = Console(file=output, width=100, soft_wrap=True)
        network = Network(self.environ, self.resolve)
        world = World(self.environ, network, self.machine, self.host, self.passed, self.platform)
        with anyio.fail_after(_PATIENCE):
            checks = await examine(
                Question(service, model, chats, seconds), world, lambda check: show_check(console, check)
            )
        show_end(console, checks)
        return Examined(checks, output.getvalue(), as_json(checks))


@pytest.fixture(autouse=True)
def no_proxies_of_the_developers_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment in which only a test sets proxies."""
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def machine_in(folder: Path, environ: Mapping[str, str] | None = None) -> Machine:
    """A machine whose home and working directory are in a folder."""
    for name in ("home", "work"):
        (folder / name).mkdir(exist_ok=True)
    return Machine("linux", folder / "home", environ or {}, folder / "work")


def account(upstream: Upstream, *, lists: Handler | None = None, detail: Handler | None = None) -> Handler:
    """A control plane that tells one deployment, in the list too."""

    async def handler(request: Request, exchange: Exchange) -> None:
        if "/deployment/list" in request.path:
            if lists:
                return await lists(request, exchange)
            row = {key: value for key, value in upstream.deployment.items() if key not in {"instance", "apikey"}}
            rows = [{**row, "servedName": "base", "type": "base"}]
            return await exchange.answer_json(200, {"code": 0, "data": {"count": "1", "rows": rows}})
        if detail:
            return await detail(request, exchange)
        if request.path.endswith(f"/deployment/{SERVICE}"):
            return await exchange.answer_json(200, {"code": 0, "data": upstream.deployment})
        return await exchange.answer_json(404, {"code": -1, "msg": "the deployment does not exist"})

    return handler


def models(*base: str, adapters: tuple[str, ...] = ()) -> Handler:
    """`/v1/models` as vLLM answers it."""

    async def handler(_: Request, exchange: Exchange) -> None:
        rows = [{"id": name, "owned_by": "vllm", "parent": None} for name in base]
        rows += [{"id": name, "owned_by": "vllm", "parent": base[0]} for name in adapters]
        await exchange.answer_json(200, {"object": "list", "data": rows})

    return handler
