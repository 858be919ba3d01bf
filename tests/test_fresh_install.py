"""What a newcomer gets: the package in an environment of its own, with the newest of everything that it allows.

`dev.lock` holds the other tests to what was newest once. Nothing is held here, so a release that breaks the package, or
that costs a start what was saved, is noticed. It is one test, because the installation is what takes the time.
"""

import os
import subprocess
import sys
import venv
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, Final

import anyio
import pytest

from alaya_mcp import __version__
from alaya_mcp.serving.server import TOOLS
from tests.calls import CHAT
from tests.patience import PATIENCE
from tests.stdio_host import Host, own_environ
from tests.test_cost import MODULES_OF_A_START
from tests.test_opening import KEYS, WERE_GIVEN
from tests.test_sdk import LOAD

ROOT: Final = Path(__file__).parent.parent
VARIABLE: Final = "FRESH_INSTALL"
"""`required` where the package index is there, so that a skip would hide something."""
INSTALLING: Final = 900.0
"""Seconds: an index may be slow."""


def environ_without_ours(**environ: str) -> dict[str, str]:
    """The machine's variables and these, and nothing that leads to the packages of the tests."""
    return {name: value for name, value in own_environ(**environ).items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}


def run(*command: str | Path, seconds: float = PATIENCE) -> CompletedProcess[str]:
    """A program's end and what it printed."""
    return subprocess.run(  # noqa: S603 our own command
        command,
        capture_output=True,
        encoding="utf-8",
        timeout=seconds,
        env=environ_without_ours(),
        check=False,
        cwd=Path(command[0]).parent,
    )


def installed_in(folder: Path) -> Path:
    """Where the programs of a new environment are, with the package and what it needs; skips without an index."""
    venv.create(folder, with_pip=True)
    programs = folder / ("Scripts" if sys.platform == "win32" else "bin")
    probe = ("download", "--quiet", "--no-deps", "--retries", "1", "--timeout", "30", "--dest", folder / "probe")
    asked = run(programs / "pip", *probe, "hatchling")
    if asked.returncode and os.environ.get(VARIABLE) != "required":
        pytest.skip(f"no package index can be reached: {asked.stderr.strip().splitlines()[-1]}")
    done = run(programs / "pip", "install", "--quiet", ROOT, seconds=INSTALLING)
    assert done.returncode == 0, asked.stderr + done.stderr
    return programs


def modules_after(programs: Path, statement: str) -> int:
    """How many modules a new interpreter there has loaded after a statement."""
    return int(run(programs / "python", "-I", "-c", f"{statement}\nimport sys\nprint(len(sys.modules))").stdout)


async def tools_of(command: Path, cache: Path) -> tuple[dict[str, Any], list[dict[str, Any]], bool]:
    """What the server tells a host of itself and of its tools, and whether its first answers were kept ones."""
    with anyio.fail_after(PATIENCE):
        environ = environ_without_ours(**KEYS, XDG_CACHE_HOME=str(cache), ALAYA_LOG_LEVEL="INFO")
        async with await anyio.open_process([command], env=environ, cwd=command.parent) as process:
            server = Host(process)
            told = await server.initialize()
            await server.request(1, "tools/list")
            listed = await server.answer(1)
            assert await server.leave() == 0
            assert process.stderr is not None
            log = b"".join([chunk async for chunk in process.stderr])
    return told["result"]["serverInfo"], listed["result"]["tools"], WERE_GIVEN in log


@pytest.mark.anyio
async def test_a_fresh_install_starts_and_lists_its_tools_and_shows_the_demo(tmp_path: Path) -> None:
    programs = installed_in(tmp_path / "environment")
    about, tools, was_kept = await tools_of(programs / "alayanew-mcp", tmp_path)
    *again, is_kept = await tools_of(programs / "alayanew-mcp", tmp_path)
    loaded, empty = (modules_after(programs, statement) for statement in (LOAD, "pass"))
    demo = run(programs / "alayanew-mcp", "demo")

    assert (about["name"], about["version"]) == ("alaya", __version__)
    assert tools == [tool.listed().model_dump(mode="json", by_alias=True, exclude_none=True) for tool in TOOLS]
    assert (was_kept, is_kept) == (False, sys.platform != "win32")
    assert again == [about, tools]
    assert loaded - empty <= MODULES_OF_A_START
    assert (demo.returncode, demo.stderr) == (0, "")
    assert all(f"> {tool} " in demo.stdout for tool in ("get_deployment", "list_lora_models", CHAT))
