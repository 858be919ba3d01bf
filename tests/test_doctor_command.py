"""The command as a person runs it, and what its output looks like on a terminal and in a pipe."""

import io
import json
import re
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.abc import Process
from rich.console import Console

from alaya_mcp.doctor.check import Check, Fact, exit_status, worst
from alaya_mcp.doctor.report import show_check, show_end
from alaya_mcp.sandbox import Sandbox
from tests.calls import environ_of
from tests.doctor_patient import KEYS
from tests.host_machine import posix_only
from tests.patience import PATIENCE
from tests.stdio_host import own_environ


def environ_in(home: Path, **environ: str) -> dict[str, str]:
    """The environment of a person with that home, and nothing of the developer's."""
    places = ("HOME", "USERPROFILE", "XDG_CONFIG_HOME", "APPDATA", "LOCALAPPDATA")
    return own_environ(**dict.fromkeys(places, str(home)), **environ)


async def doctor(*arguments: str, home: Path, **environ: str) -> subprocess.CompletedProcess[bytes]:
    """One run to its end."""
    command = [sys.executable, "-m", "alaya_mcp", "doctor", *arguments]
    with anyio.fail_after(PATIENCE):
        return await anyio.run_process(command, check=False, cwd=home, env=environ_in(home, **environ))


@pytest.mark.anyio
async def test_the_command_prints_json_and_nothing_else_with_what_a_host_passes(tmp_path: Path) -> None:
    async with Sandbox(token_delay=0) as sandbox:
        entry = {"command": sys.executable, "args": ["-m", "alaya_mcp"], "env": environ_of(sandbox)}
        path = tmp_path / ".cursor" / "mcp.json"
        path.parent.mkdir()
        path.write_text(json.dumps({"mcpServers": {"alaya": entry}}))
        path.chmod(0o600)
        ran = await doctor("--json", "--host", "cursor", home=tmp_path, **KEYS)
    told = json.loads(ran.stdout)

    assert (ran.returncode, ran.stderr) == (1, b"")  # a warning: the keys are in the file
    assert told["worst"] == "warning"
    assert [check["verdict"] for check in told["checks"] if check["id"] in {"host", "key", "first_token"}] == [
        "host_entry",
        "key_accepted",
        "first_token",
    ]
    assert not [secret for secret in (sandbox.access_key, sandbox.secret_key) if secret.encode() in ran.stdout]


@pytest.mark.anyio
async def test_where_no_account_is_looked_at_the_last_line_says_so(tmp_path: Path) -> None:
    path = tmp_path / ".cursor" / "mcp.json"
    path.parent.mkdir()
    entry = {"command": sys.executable, "args": ["-m", "alaya_mcp", "--sandbox"]}
    path.write_text(json.dumps({"mcpServers": {"alaya": entry}}))
    ran = await doctor("--host", "cursor", home=tmp_path)
    *_, last = ran.stdout.decode().splitlines()

    assert (ran.returncode, ran.stderr) == (0, b"")
    assert last.startswith("No problem found. Not checked: Configuration file, Settings, ")
    assert last.endswith("Key pair, Deployment, State, Engine, Engine's apikey, Served names, First token.")


@pytest.mark.anyio
async def test_the_command_ends_with_status_3_in_plain_text_where_something_is_wrong(tmp_path: Path) -> None:
    async with Sandbox(token_delay=0) as sandbox:
        ran = await doctor("switched-off", "--no-chat", home=tmp_path, **environ_of(sandbox))
    text = ran.stdout.decode()

    assert (ran.returncode, ran.stderr) == (3, b"")
    assert "✗ State              stopped\n  → Start it" in text.replace("\r\n", "\n")
    assert text.strip().endswith("1 failed.")
    assert "\x1b" not in text


@asynccontextmanager
async def asking(home: Path, **environ: str) -> AsyncGenerator[Process]:
    """A run that is under way."""
    command = [sys.executable, "-m", "alaya_mcp", "doctor", "--json"]
    async with await anyio.open_process(command, cwd=home, env=environ_in(home, **environ)) as process:
        yield process


@posix_only
@pytest.mark.anyio
async def test_ctrl_c_ends_it_while_it_waits_for_an_answer(tmp_path: Path) -> None:
    with anyio.fail_after(PATIENCE):
        async with Sandbox(fault="control-hang") as sandbox, asking(tmp_path, **environ_of(sandbox)) as process:
            await sandbox.stats.wait_for(lambda stats: stats.control_requests > 0)
            process.send_signal(signal.SIGINT)

            assert await process.wait() == 130


CHECK = Check(
    "configuration",
    "failed",
    "key_missing",
    "a [bold]finding[/bold] of many words, which is longer than this narrow terminal can show on one line",
    "a step of many words, which is longer than that too, so that it has to go on in the next line",
    (Fact("NAME", "value", "source"),),
)


def printed(*checks: Check, on_terminal: bool = False) -> str:
    output = io.StringIO()
    color = "standard" if on_terminal else None
    paper = Console(file=output, width=60, color_system=color, force_terminal=on_terminal, highlight=False)
    for check in checks:
        show_check(paper, check)
    show_end(paper, checks)
    return output.getvalue()


def test_in_a_pipe_every_line_stays_whole() -> None:
    lines = printed(CHECK).splitlines()

    assert lines[0] == f"✗ Settings           {CHECK.found}"
    assert lines[1:3] == ["    NAME  value  (source)", f"  → {CHECK.next_step}"]
    assert lines[-1] == "1 failed."


def test_on_a_terminal_lines_wrap_in_their_column_and_have_colour() -> None:
    text = printed(CHECK, on_terminal=True)
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in text.splitlines()]

    assert "\x1b[1;31m✗" in text
    assert lines[0] == "✗ Settings           a [bold]finding[/bold] of many words,"
    assert lines[1] == " " * 21 + "which is longer than this narrow"
    assert lines[4].startswith("  → a step of many words")
    assert lines[5].startswith("    that it has to go on")


def test_the_worst_decides_and_is_counted() -> None:
    ok, warning = Check("dns", "ok", "resolved", "x"), Check("dns", "warning", "w", "x")
    failed, skipped = Check("dns", "failed", "f", "x"), Check("dns", "skipped", "not_needed", "x")

    assert [exit_status(checks) for checks in ([], [ok, skipped], [ok, warning], [failed, warning])] == [0, 0, 1, 3]
    assert worst([failed, warning, ok]) == "failed"
    assert worst([ok, skipped]) == "ok"
    assert "All is well." in printed(ok, skipped)
    assert "1 failed, 2 warnings.\n" in printed(warning, failed, warning)
