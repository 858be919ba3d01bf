"""Real command-line hosts: the server that `install` adds is listed as connected, and its tool is called in a run."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real_hosts import installation
from tests.real_hosts.home import Home
from tests.real_hosts.hosts import REAL_HOSTS
from tests.real_hosts.scripted_model import DONE, scripted_model

WHERE = installation.folder()
WHY_NOT = installation.why_not(WHERE)
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=WHY_NOT or "")


@pytest.fixture(params=REAL_HOSTS, ids=[host.name for host in REAL_HOSTS])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    """One host in a home of its own, to which our server was added."""
    assert WHERE is not None
    with scripted_model("list_deployments") as model:
        home = Home(request.param, tmp_path, WHERE / "node_modules", model)
        home.settle()
        home.add_server()
        yield home


def test_its_own_listing_has_the_server_connected(home: Home) -> None:
    said = home.listing()

    assert re.search(home.host.listed, said), said


def test_its_model_calls_the_tool_and_is_shown_the_deployments(home: Home) -> None:
    said = home.run()

    assert home.model.called is not None, said
    assert any("sandbox-qwen3" in result for result in home.model.results), said
    assert DONE in said
