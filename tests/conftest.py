"""What all tests share: the event loop's backend and its clock, and telling asserts in the modules that tests share."""

import compileall
import os
import signal
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

import alaya_mcp
from alaya_mcp.chat import structured
from tests import warm_start
from tests.patience import PATIENCE
from tests.quick_loop import QUICK
from tests.starts import STARTS, Start

pytest.register_assert_rewrite("tests.calls", "tests.stdio_host", "tests.upstream", "tests.sandbox.caller")

LONGEST = {"test_faults.py", "test_replicas.py", "test_opening.py", "test_concurrency.py", "test_outliving.py"}

# Slowness is the machine's, and no finding.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    """Compile the package, which hundreds of processes would do each again where Python writes no bytecode."""
    if not hasattr(config, "workerinput"):
        compileall.compile_dir(Path(alaya_mcp.__file__).parent, quiet=2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest, so that no worker has one of them left when the other has nothing."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """uvicorn, and so the sandbox, runs on asyncio."""
    return "asyncio", QUICK if request.node.get_closest_marker("quick") else {}


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: some tests wait for what takes real time."""
    return (os.cpu_count() or 1) + 1


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what is marked so on both event loops, or with Windows' rules too."""
    if metafunc.definition.get_closest_marker("windows_rules_too") and sys.platform != "win32":
        metafunc.parametrize("start", STARTS, indirect=True)
    if metafunc.definition.get_closest_marker("both_loops"):
        loops = {"asyncio": False} | ({"uvloop": True} if find_spec("uvloop") else {})
        backends = [("asyncio", {"use_uvloop": use}) for use in loops.values()]
        metafunc.parametrize("anyio_backend", backends, ids=list(loops))


@pytest.fixture(autouse=True)
def start(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How servers on stdio are started."""
    monkeypatch.setattr(Start, "words", STARTS[getattr(request, "param", "here")])


@pytest.fixture(autouse=True, scope="session")
def no_configuration_of_the_developers_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder for configuration files, empty, also for subprocesses."""
    folder = tmp_path_factory.mktemp("configuration")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder))
        patch.setenv("LOCALAPPDATA", str(folder))
        patch.setenv("WIN_PD_OVERRIDE_LOCAL_APPDATA", str(folder))  # platformdirs asks Windows, not LOCALAPPDATA
        patch.setenv("XDG_CACHE_HOME", os.devnull)  # no answers are kept, so that each start is a first one
        yield folder


@pytest.fixture(autouse=True, scope="session")
def time_to_check_a_schema() -> Iterator[None]:
    """Worker processes of this process may be slow to start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structured, "CHECK_SECONDS", PATIENCE)
        patch.setattr(structured, "_WORKER_SECONDS", round(PATIENCE))
        yield


@pytest.fixture(autouse=True, scope="session")
def signals_as_in_a_terminal() -> None:
    """SIGINT as it is by default: what a shell starts in the background ignores it, and so would subprocesses."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def no_process_is_left() -> Iterator[None]:
    """The process that forks warm servers ends with the tests."""
    yield
    warm_start.end()
