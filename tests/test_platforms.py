"""The rules of Windows and macOS, with the platform given: docs/decisions/platforms.md lists them."""

import asyncio
import errno
import os
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from types import SimpleNamespace
from typing import Any

import pytest
from platformdirs.macos import MacOS
from platformdirs.unix import Unix
from platformdirs.windows import Windows

from alaya_mcp.atomic_file import replace_file
from alaya_mcp.cli.doctor import world_of
from alaya_mcp.cli.http import stop_signals
from alaya_mcp.config.place import FILE_NAME, FOLDER_NAME, default_config_path
from alaya_mcp.config.settings import load_settings
from alaya_mcp.doctor.configuration import read_configuration
from alaya_mcp.errors import NotConfigured, Setting
from alaya_mcp.first_answers import FirstAnswers, folder_of
from alaya_mcp.sandbox import server as sandbox_server
from alaya_mcp.sandbox.exchange import no_linger
from alaya_mcp.serving.http import listener
from alaya_mcp.serving.stdio.opening import begin
from alaya_mcp.serving.stdio.stdout_guard import can_be_waited_for
from alaya_mcp.terminal.error_steps import error_lines
from alaya_mcp.upstream.proxies import proxies_in
from tests.doctor_patient import Patient
from tests.host_machine import posix_only
from tests.patience import PATIENCE
from tests.stdio_host import own_environ


class Replacing:
    """Another program that has a file open: `os.replace` is refused so many times.

    Attributes:
        pauses: What was waited between the tries, in seconds.
    """

    def __init__(self, refusals: int) -> None:
        self._refusals = refusals
        self.pauses: list[float] = []

    def replace(self, source: Path, target: Path) -> None:
        if self._refusals:
            self._refusals -= 1
            raise PermissionError(errno.EACCES, "Access is denied", str(source), 5, str(target))
        source.replace(target)


def test_on_windows_a_file_that_is_in_use_for_a_moment_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    other = Replacing(refusals=3)
    replace_file(tmp_path / "file", b"new", 0o600, platform="win32", replace=other.replace, sleep=other.pauses.append)

    assert (tmp_path / "file").read_bytes() == b"new"
    assert len(other.pauses) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(("platform", "seconds"), [("win32", 1.0), ("darwin", 0.0), ("linux", 0.0)])
def test_a_file_that_stays_in_use_is_left_as_it_was(platform: str, seconds: float, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    other = Replacing(refusals=1_000)
    with pytest.raises(PermissionError):
        replace_file(
            tmp_path / "file", b"new", 0o600, platform=platform, replace=other.replace, sleep=other.pauses.append
        )

    assert (tmp_path / "file").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert sum(other.pauses) == pytest.approx(seconds, abs=0.1)


@pytest.mark.parametrize(
    ("platform", "environ", "folder"),
    [
        ("darwin", {"HOME": "/Users/x"}, "/Users/x/Library/Caches/alayanew-mcp"),
        ("linux", {"HOME": "/home/x"}, "/home/x/.cache/alayanew-mcp"),
        ("darwin", {"HOME": "/Users/x", "XDG_CACHE_HOME": "/c"}, "/c/alayanew-mcp"),
        ("darwin", {}, f"{os.devnull}/alayanew-mcp"),
        ("win32", {"HOME": "/c/x", "XDG_CACHE_HOME": "/c/x"}, f"{os.devnull}/alayanew-mcp"),
    ],
)
@posix_only
def test_the_first_answers_are_where_the_platform_keeps_caches(
    platform: str, environ: Mapping[str, str], folder: str
) -> None:
    assert folder_of(environ, platform) == folder


def test_on_windows_no_first_answers_are_kept_and_none_are_looked_for(tmp_path: Path) -> None:
    environ = {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    answers = FirstAnswers(environ, (), "win32")
    answers.known["key"] = "{}"
    answers.save(answers.file(""), {})

    assert not list(tmp_path.iterdir())
    assert begin(environ, (), "win32") is None
    assert can_be_waited_for("win32") is False


@pytest.mark.anyio
@pytest.mark.parametrize(("platform", "is_there"), [("win32", False), ("darwin", True), ("linux", True)])
async def test_the_doctor_speaks_of_first_answers_where_there_can_be_some(platform: str, *, is_there: bool) -> None:
    examined = await Patient({}, platform=platform).examined(chats=False)

    assert any(check.id == "first_answers" for check in examined.checks) is is_there


class WindowsEnviron(dict[str, str]):
    """Variables as `os.environ` has them there: names in upper case, found in any."""

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.upper())

    def __contains__(self, name: object) -> bool:
        return super().__contains__(str(name).upper())

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 as the one of a dict
        return super().get(name.upper(), default)


def test_a_variable_is_found_in_any_case_as_windows_finds_it(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[profiles.default]\naccess_key_env = "Work_Ak"\nsecret_key_env = "Work_Sk"\n')
    environ = WindowsEnviron(ALAYA_CONFIG=str(file), WORK_AK="ak", WORK_SK="sk")

    assert load_settings(environ).secret_key.get_secret_value() == "sk"
    assert read_configuration(world_of(None, environ).environ).settings is not None


SYSTEM = SimpleNamespace(
    getproxies_registry=lambda: {"https": "http://registry.invalid:1"},
    getproxies_macosx_sysconf=lambda: {"https": "http://sysconf.invalid:1"},
)


@pytest.mark.parametrize(
    ("platform", "environ", "proxies"),
    [
        ("win32", {}, {"https": "http://registry.invalid:1"}),
        ("darwin", {}, {"https": "http://sysconf.invalid:1"}),
        ("linux", {}, {}),
        ("win32", {"HTTPS_PROXY": "http://e.invalid:1"}, {"https": "http://e.invalid:1"}),  # Windows' names: upper case
        ("darwin", {"no_proxy": "*"}, {"no": "*"}),
    ],
)
def test_the_systems_proxies_are_those_of_the_platform(
    platform: str, environ: Mapping[str, str], proxies: Mapping[str, str]
) -> None:
    assert proxies_in(environ, platform, SYSTEM) == proxies


def test_ctrl_break_and_a_closed_console_end_the_http_server_as_ctrl_c_does() -> None:
    windows = SimpleNamespace(SIGTERM=15, SIGINT=2, SIGBREAK=21)

    assert stop_signals(windows) == [15, 2, 21]
    assert stop_signals(signal)[:2] == [signal.SIGTERM, signal.SIGINT]


def test_a_reset_is_asked_for_in_the_platforms_own_words() -> None:
    """Windows' `struct linger` is two unsigned shorts, that of the others two ints."""
    assert no_linger("win32") == struct.pack("HH", 1, 0)
    assert no_linger("darwin") == no_linger("linux") == struct.pack("ii", 1, 0)


def windows_words(_number: int) -> str:
    """What `os.strerror` says there for the number of a socket's error."""
    return "Unknown error"


@pytest.mark.parametrize("reason", [listener.reason, sandbox_server.reason])
def test_an_error_whose_number_has_no_words_is_told_in_its_own(reason: object) -> None:
    assert callable(reason)
    taken = OSError(10048, "error while attempting to bind on address ('127.0.0.1', 1): only one usage")
    nameless = socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    assert reason(taken, windows_words) == taken.strerror
    assert reason(nameless) == nameless.strerror
    assert reason(OSError(errno.EADDRINUSE, "x")) == os.strerror(errno.EADDRINUSE)


def test_shell_lines_are_powershells_on_windows() -> None:
    half = (Setting("ALAYA_SECRET_KEY", "missing", "ALAYA_SECRET_KEY"),)
    absent = error_lines(NotConfigured("key_missing", settings=half), platform="win32")
    wrong = NotConfigured("certificates_unusable")

    assert "`$env:ALAYA_SECRET_KEY = '...'`" in absent
    assert "`Remove-Item Env:SSL_CERT_FILE, Env:SSL_CERT_DIR`" in error_lines(wrong, platform="win32")
    assert "export" not in absent
    assert "`unset SSL_CERT_FILE SSL_CERT_DIR`" in error_lines(wrong, platform="darwin")


def test_the_configuration_file_is_where_the_platform_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    local = PureWindowsPath(r"C:\Users\x\AppData\Local")
    monkeypatch.setenv("WIN_PD_OVERRIDE_LOCAL_APPDATA", str(local))
    monkeypatch.delenv("XDG_CONFIG_HOME")
    places = {each: each(FOLDER_NAME, appauthor=False).user_config_path / FILE_NAME for each in (Windows, MacOS, Unix)}

    assert PureWindowsPath(places[Windows]) == local / "alayanew-mcp" / "config.toml"
    assert places[MacOS] == Path.home() / "Library" / "Application Support" / "alayanew-mcp" / "config.toml"
    assert places[Unix] == Path.home() / ".config" / "alayanew-mcp" / "config.toml"
    assert default_config_path() in places.values()


@pytest.mark.parametrize("encoding", ["cp936", "cp1252"])
@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("chat", "qwen3-support", "--sandbox"), 0),
        (("chat", "qwen3-support", "--sandbox", "--json"), 0),
        (("chat", "客服", "--sandbox"), 1),
        (("sandbox", "--limits"), 0),
        (("doctor", "客服", "--no-chat"), 3),
        (("--sandbox", "--fault", "客服"), 2),
        (("http", "--sandbox", "--host", "客服"), 2),
        (("--help",), 0),
    ],
    ids=str,
)
def test_a_console_of_another_code_page_stops_no_command(
    arguments: tuple[str, ...], status: int, encoding: str
) -> None:
    """As a Windows console or pipe has it, in which most characters cannot be written; the terminal is a dumb one."""
    rules = {"PYTHONUTF8": "0", "PYTHONIOENCODING": encoding, "TERM": "dumb", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "alaya_mcp", *arguments]
    run = subprocess.run(  # noqa: S603 our own command
        command,
        input="你好 ü\r\n".encode(),
        capture_output=True,
        timeout=PATIENCE,
        env=own_environ(**rules),
        check=False,
    )

    assert (run.returncode, b"Traceback" in run.stderr) == (status, False), run.stderr.decode(encoding, "replace")
    assert b"\x1b[" not in run.stdout + run.stderr
    if arguments[0] == "chat" and not status:
        assert "你好 ü" in run.stdout.decode()


def test_an_idle_connection_is_looked_at_without_poll_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from alaya_mcp.upstream import http_connection  # noqa: PLC0415

    monkeypatch.delattr(select, "poll", raising=False)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        before = http_connection.is_readable(ours.fileno())
        theirs.close()
        after = http_connection.is_readable(ours.fileno())

    assert (before, after) == (False, True)


def test_windows_own_loop_lacks_what_the_second_run_takes_away() -> None:
    """So that the second run of the stdio tests (tests/windows_rules.py) says something about Windows."""
    for name in ("add_reader", "add_writer", "add_signal_handler"):
        base = getattr(asyncio.AbstractEventLoop, name)
        assert getattr(asyncio.BaseEventLoop, name) is base
        if sys.platform == "win32":
            assert getattr(asyncio.ProactorEventLoop, name) is base
