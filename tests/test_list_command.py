"""`alayanew-mcp list`: the real command over the sandbox, and what it does while deployments load."""

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE

import anyio
import pytest
from rich.console import Console

from alaya_mcp.accounts import open_account
from alaya_mcp.cli import list as command
from alaya_mcp.cli.arguments import parsed
from alaya_mcp.deployment.listing import Filters
from alaya_mcp.deployment.readiness import Readiness
from alaya_mcp.results import DeploymentRow
from alaya_mcp.sandbox import Sandbox
from alaya_mcp.terminal.deployment_list import ListedDeployment
from alaya_mcp.terminal.deployment_table import deployment_table
from tests.calls import environ_of
from tests.patience import PATIENCE
from tests.stdio_host import own_environ
from tests.terminal_paper import Paper, screen_on
from tests.test_commands import run_warm
from tests.typed_terminal import TypedTerminal
from tests.upstream import Exchange, Request, Upstream

pytestmark = pytest.mark.anyio


async def ran(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The command's exit status, run here."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with anyio.fail_after(PATIENCE):
        return await command.run(parsed(["list", *arguments]))


def test_each_deployment_has_a_row_with_state_models_and_adapters() -> None:
    done = run_warm("list", "--sandbox")

    rows = {line.split("  ")[0]: line for line in done.stdout.decode().splitlines()}
    assert done.returncode == 0
    assert all(
        word in rows["qwen3-support"] for word in ("ready", "qwen3-8b", "support-zh, sql-writer", "sandbox-qwen3")
    )
    assert "tone-casual, tone-formal (1/2)" in rows["tone-of-voice"]
    assert "loading 0/2" in rows["still-loading"]
    assert "failed" in rows["out-of-memory"]
    assert b"15 deployments, 10 ready, 2 loading." in done.stderr


def test_a_program_gets_the_fields_of_the_tools() -> None:
    done = run_warm("list", "--sandbox", "--json", "--name", "TONE")

    (row,) = json.loads(done.stdout)["deployments"]
    assert row["service_id"] == "sandbox-lora-partial"
    assert row["ready"] is True
    assert [(each["name"], each["available"]) for each in row["lora_models"]] == [
        ("tone-casual", "all"),
        ("tone-formal", "some"),
    ]


def test_an_empty_list_says_why() -> None:
    done = run_warm("list", "--sandbox", "--status", "failed", "--name", "qwen3-support")

    assert (done.returncode, done.stdout) == (0, b"")
    assert b"No deployment matches status failed, name qwen3-support (15 in all)." in done.stderr


def test_without_keys_it_says_what_to_do_in_both_forms() -> None:
    plain, as_json = run_warm("list"), run_warm("list", "--json")

    assert (plain.returncode, as_json.returncode) == (1, 1)
    assert b"alayanew-mcp login" in plain.stderr
    assert json.loads(as_json.stdout)["error"]["code"] == "not_configured"


@pytest.mark.quick
async def test_watching_goes_on_until_nothing_loads(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Sandbox(starting_seconds=0) as sandbox:
        status = await ran(environ_of(sandbox), monkeypatch, "--watch", "--name", "waking-up")

    printed = capsys.readouterr()
    assert status == 0
    assert [line.split()[1] for line in printed.out.splitlines() if line.startswith("waking-up")] == [
        "starting",
        "ready",
    ]


def account_of(*states: str) -> Upstream:
    """An account whose deployments have these states, one look after the other."""
    left = list(states)

    async def control(request: Request, exchange: Exchange) -> None:
        *_, last = request.path.partition("?")[0].split("/")
        if last == "list":
            names = left.pop(0).split()
            rows = [{"serviceId": f"id-{at}", "name": f"name-{at}", "status": state} for at, state in enumerate(names)]
            await exchange.answer_json(200, {"code": 0, "data": {"count": len(rows), "rows": rows}})
        else:
            now = states[len(states) - len(left) - 1].split()
            page = {"serviceId": last, "status": now[int(last.removeprefix("id-"))]}
            await exchange.answer_json(200, {"code": 0, "data": page})

    return Upstream(control=control)


@pytest.mark.quick
async def test_watching_ends_with_status_1_where_one_that_was_loading_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with account_of("starting stopped", "starting stopped", "failed stopped") as upstream:
        status = await ran(upstream.environ, monkeypatch, "--watch", "--json")

    shown = [json.loads(line)["deployments"] for line in capsys.readouterr().out.splitlines()]
    assert status == 1
    assert [[row["status"] for row in rows] for rows in shown] == [["starting", "stopped"], ["failed", "stopped"]]


async def test_eight_pages_are_read_at_a_time_and_each_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    under_way: set[str] = set()
    most = 0
    all_asked = anyio.Event()

    async def control(request: Request, exchange: Exchange) -> None:
        nonlocal most
        *_, last = request.path.partition("?")[0].split("/")
        if last == "list":
            rows = [{"serviceId": f"id-{at}", "status": "running"} for at in range(21)]
            await exchange.answer_json(200, {"code": 0, "data": {"count": 21, "rows": rows}})
            return
        under_way.add(last)
        most = max(most, len(under_way))
        if len(under_way) == 8:
            all_asked.set()
        await all_asked.wait()
        under_way.discard(last)
        await exchange.answer_json(200, {"code": 0, "data": {"serviceId": last, "status": "running"}})

    async with Upstream(control=control) as upstream:
        status = await ran(upstream.environ, monkeypatch, "--json")

    assert (status, most) == (0, 8)
    assert len({request.path for request in upstream.requests}) == len(upstream.requests) == 22
    assert len(json.loads(capsys.readouterr().out)["deployments"]) == 21


async def test_a_page_that_cannot_be_read_costs_one_row_its_adapters(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def control(request: Request, exchange: Exchange) -> None:
        *_, last = request.path.partition("?")[0].split("/")
        rows = [{"serviceId": f"id-{at}", "name": f"name-{at}", "status": "running"} for at in range(3)]
        page = {"serviceId": last, "status": "running", "instance": [{"baseModelReady": True, "loraModels": ["zh"]}]}
        data = {"count": 3, "rows": rows} if last == "list" else page
        await exchange.answer_json(403 if last == "id-1" else 200, {"code": 0, "data": data})

    async with Upstream(control=control) as upstream:
        status = await ran(upstream.environ, monkeypatch)

    printed = capsys.readouterr()
    rows = printed.out.splitlines()
    assert status == 0
    assert [row.split()[3] for row in rows[1:]] == ["zh", "?", "zh"]
    assert "name-1: " in printed.err


@pytest.mark.quick
async def test_on_a_terminal_the_table_is_refreshed_in_place() -> None:
    paper = Paper()
    console = Console(file=paper, force_terminal=True, width=120)
    async with account_of("starting", "running") as upstream, open_account(upstream.settings()) as account:
        listing = command.Listing(account, Filters(), console, screen_on(paper, Paper()), is_json=False)
        with anyio.fail_after(PATIENCE):
            status = await listing.run(watch=True)

    before, after = paper.getvalue().split("\x1b[2K", 1)
    assert status == 0
    assert ("starting" in before, "1 ready" in before) == (True, False)
    assert ("starting" in after, "1 ready" in after) == (False, True)


def test_ctrl_c_ends_the_watching_and_shows_the_cursor_again() -> None:
    with TypedTerminal("list", "--sandbox", "--watch", environ=own_environ(TERM="xterm")) as terminal:
        terminal.shows("2 loading")
        terminal.process.send_signal(signal.SIGINT)
        terminal.shows("\x1b[?25h")

        assert terminal.process.wait(PATIENCE) == 130
    assert "Traceback" not in terminal.screen


def test_ids_are_shown_where_there_is_room_or_names_are_not_enough() -> None:
    row = DeploymentRow(service_id="one", name="a", kind="base", status="stopped", models=[])
    named = ListedDeployment(row, Readiness("deployment_stopped"))
    namesake = replace(named, row=row.model_copy(update={"service_id": "two"}))

    assert len(deployment_table([named], 80).columns) == 4
    assert len(deployment_table([named], 120).columns) == 5
    assert len(deployment_table([named, namesake], 80).columns) == 5


@pytest.mark.quick
async def test_what_is_waited_for_stays_in_the_list_when_its_state_does_not_match_any_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with account_of("starting stopped", "running stopped") as upstream:
        status = await ran(upstream.environ, monkeypatch, "--watch", "--json", "--status", "starting")

    shown = [json.loads(line)["deployments"] for line in capsys.readouterr().out.splitlines()]
    assert status == 0
    assert [[row["status"] for row in rows] for rows in shown] == [["starting"], ["running"]]


@pytest.mark.quick
async def test_a_list_that_cannot_be_read_again_says_so_and_is_read_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looks = 0

    async def control(request: Request, exchange: Exchange) -> None:
        nonlocal looks
        *_, last = request.path.partition("?")[0].split("/")
        looks += last == "list"
        row = {"serviceId": "id-0", "name": "name-0", "status": "starting" if looks == 1 else "running"}
        rows = {"count": 1, "rows": [row]}
        await exchange.answer_json(503 if 1 < looks < 7 else 200, {"code": 0, "data": rows if last == "list" else row})

    async with Upstream(control=control) as upstream:
        status = await ran(upstream.environ, monkeypatch, "--watch")

    assert status == 0
    assert "it cannot be read now" in capsys.readouterr().err


async def test_every_adapter_is_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"customer-adapter-{number:02}" for number in range(20)]

    async def control(request: Request, exchange: Exchange) -> None:
        *_, last = request.path.partition("?")[0].split("/")
        page = {"serviceId": "id", "status": "running", "instance": [{"baseModelReady": True, "loraModels": names}]}
        await exchange.answer_json(200, {"code": 0, "data": {"count": 1, "rows": [page]} if last == "list" else page})

    async with Upstream(control=control) as upstream:
        await ran(upstream.environ, monkeypatch)

    assert ", ".join(names) in capsys.readouterr().out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_list_that_cannot_be_written_is_a_failure(form: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "alaya_mcp", "list", "--sandbox", *form]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=PIPE, timeout=PATIENCE, env=own_environ(), check=False)  # noqa: S603 our own command

    assert done.returncode == 1
    assert b"The output cannot be written: No space left on device." in done.stderr
    assert b"Traceback" not in done.stderr
