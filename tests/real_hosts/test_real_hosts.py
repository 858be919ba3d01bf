"""Real command-line hosts: the server that `install` adds is listed as connected, and its tool is called in a run."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real_hosts.home import Home
from tests.real_hosts.hosts import REAL_HOSTS
from tests.real_hosts.installation import HOSTS
from tests.real_hosts.scripted_model import DONE, scripted_model

WHERE = HOSTS.folder()
WHY_NOT = HOSTS.why_not()
ACCOUNT = ("ALAYA_ACCESS_KEY", "ALAYA_SECRET_KEY", "ALAYA_BASE_URL")
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=WHY_NOT or "")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[dict[str, str]]:
    """The variables of an account on a sandbox that is running."""
    command = [sys.executable, "-m", "alaya_mcp", "sandbox"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:  # noqa: S603 our own command
        assert running.stdout is not None
        found: dict[str, str] = {}
        while len(found) < len(ACCOUNT):
            line = running.stdout.readline()
            assert line, found
            if export := re.search(r"export (ALAYA_\w+)=(\S+)", line):
                found |= {export[1]: export[2].strip("'")} if export[1] in ACCOUNT else {}
        yield found
        running.terminate()


@pytest.fixture(params=REAL_HOSTS, ids=[host.name for host in REAL_HOSTS])
def home(request: pytest.FixtureRequest, tmp_path: Path, sandbox: dict[str, str]) -> Iterator[Home]:
    """One host in a home of its own, whose owner has logged in and installed."""
    assert WHERE is not None
    with scripted_model("list_deployments") as model:
        home = Home(request.param, tmp_path, WHERE / "node_modules", model)
        home.settle()
        home.ours("login", **sandbox)
        before = home.file.read_bytes()
        assert "The doctor finds no problem with" in home.ours("install", "--all", "--yes")
        yield home
        home.ours("uninstall", "--all", "--yes")
        holders = [path for path, content in home.written.items() if sandbox["ALAYA_SECRET_KEY"].encode() in content]
        assert [path.name for path in holders] == ["config.toml"]
        assert home.file.read_bytes() == before or home.host.rewrites_its_file
        assert "alayanew-mcp" not in home.file.read_text(encoding="utf-8")
        home.ours("logout")
        assert not holders[0].exists()


def test_its_own_listing_has_the_server_connected(home: Home) -> None:
    said = home.listing()

    assert re.search(home.host.listed, said), said


def test_its_model_calls_the_tool_and_is_shown_the_deployments(home: Home) -> None:
    said = home.run()

    assert home.model.called is not None, said
    assert any("sandbox-qwen3" in result for result in home.model.results), said
    assert DONE in said
