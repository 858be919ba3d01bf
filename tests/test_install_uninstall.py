"""`uninstall` with files, and both commands as processes."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.host_machine import KEYS, Desk, Person, desk_in, posix_only
from tests.patience import PATIENCE

DESKTOP = ".config/Claude/claude_desktop_config.json"
VSCODE = ".config/Code/User/mcp.json"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """One of somebody who has logged in."""
    for name in ("HOME", "XDG_CONFIG_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "own"))
    desk = desk_in(tmp_path)
    desk.log_in()
    return desk


def test_the_inputs_that_only_this_entry_used_go_too(desk: Desk) -> None:
    other = {"command": "x", "env": {"K": "${input:alaya-access-key}"}}
    desk.write(VSCODE, {"servers": {"other": other}, "inputs": [{"id": "unrelated"}]})
    desk.install("vscode", has_env_keys=True)

    assert desk.uninstall("vscode") == 0

    assert desk.data(VSCODE)["servers"] == {"other": other}
    assert [given["id"] for given in desk.data(VSCODE)["inputs"]] == ["unrelated", "alaya-access-key"]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('{"inputs": [], "servers": {"alaya": %s}}', '{"inputs": []}'),
        ('{"servers": {"alaya": %s}, "servers": {"alaya": %s}}', '{"servers": {"alaya": %s}, "servers": {}}'),
        ('{"servers": {"alaya": %s, "b": {}}}', '{"servers": {"b": {}}}'),
    ],
)
def test_a_container_stays_where_it_holds_more_or_hides_another_or_was_empty(desk: Desk, text: str, left: str) -> None:
    entry = '{"command": "alayanew-mcp"}'
    path = desk.write(VSCODE, text.replace("%s", entry))

    assert desk.uninstall("vscode") == 0

    assert path.read_text(encoding="utf-8") == left.replace("%s", entry)


@pytest.mark.parametrize("env", [{}, KEYS, {"N": "1"}])
def test_a_file_that_held_nothing_else_is_deleted_and_only_what_was_not_ours_is_kept(
    desk: Desk, env: dict[str, str]
) -> None:
    path = desk.write(DESKTOP, {"mcpServers": {"alaya": {"command": str(desk.command), "args": [], "env": env}}})
    before, person = path.read_bytes(), Person(["y"])

    assert desk.uninstall("claude-desktop", person) == 0

    kept = [(f"{path.name}.bak", before)] if env and env != KEYS else []
    assert [(copy.name, copy.read_bytes()) for copy in path.parent.iterdir()] == kept
    assert person.questions == ["Delete it? [y/N] "]
    assert f"Deleted: {path}" in person.said


@pytest.mark.parametrize("content", [None, "", "{}", '{"mcpServers": {"other": {}}}', '{"mcpServers": {} /* none */}'])
def test_what_is_not_there_is_not_removed_and_that_is_no_failure(desk: Desk, content: str | None) -> None:
    if content is not None:
        desk.write(DESKTOP, content)
    person = Person()

    assert desk.uninstall("claude-desktop", person) == 0
    assert "has no server called alaya. Nothing was changed." in person.read


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_a_file_that_cannot_be_changed_safely_is_left_alone(desk: Desk, content: str) -> None:
    path = desk.write(DESKTOP, content)
    person = Person(["y"])

    assert desk.uninstall("claude-desktop", person) == 1

    assert path.read_text() == content
    assert 'Remove "alaya" from "mcpServers" by hand' in person.read


def test_consent_is_asked_for_and_a_dry_run_only_shows(desk: Desk) -> None:
    desk.install("claude-desktop")
    path = desk.machine.home / DESKTOP
    before = path.read_bytes()
    refuses, looks, nobody = Person(["n"]), Person(), Person(is_there=False)

    statuses = [
        desk.uninstall("claude-desktop", refuses),
        desk.uninstall("claude-desktop", looks, is_dry=True),
        desk.uninstall("claude-desktop", nobody),
    ]

    assert statuses == [1, 0, 1]
    assert path.read_bytes() == before
    assert f"Claude Desktop: removes the server alaya from {path}" in looks.read


@pytest.mark.parametrize("entry", [{"command": "docker", "args": ["run"]}, {"url": "https://h.invalid"}])
def test_another_server_of_that_name_is_not_removed(desk: Desk, entry: dict[str, object]) -> None:
    path = desk.write(DESKTOP, {"mcpServers": {"alaya": entry}})
    before = path.read_bytes()
    person = Person(["y"])

    assert desk.uninstall("claude-desktop", person) == 1

    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert "another server called alaya, which is not this one" in person.read
    assert "nothing was removed" in person.read


@pytest.mark.parametrize(
    ("host", "restart", "start"),
    [
        ("claude-code", "Start a new session of Claude Code.", "`claude mcp list`"),
        ("vscode", "Restart VS Code.", "`MCP: List Servers`"),
    ],
)
def test_after_a_removal_nothing_is_said_of_starting_the_server(
    desk: Desk, host: str, restart: str, start: str
) -> None:
    installs, uninstalls = Person(["y"]), Person(["y"])

    desk.install(host, installs)
    desk.uninstall(host, uninstalls)

    assert start in installs.read
    assert uninstalls.said[-1] == f"Next: {restart}"


def test_only_the_entry_of_the_name_goes(desk: Desk) -> None:
    desk.install("claude-desktop")
    desk.install("claude-desktop", name="work")

    desk.uninstall("claude-desktop", name="work")

    assert list(desk.data(DESKTOP)["mcpServers"]) == ["alaya"]


def process(home: Path, *words: str, **environ: str) -> tuple[list[str], dict[str, str]]:
    """The arguments and the environment of a process."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ALAYA_", "XDG_"))}
    places = {"HOME": str(home), "USERPROFILE": str(home), "LOCALAPPDATA": str(home), "APPDATA": str(home)}
    return [sys.executable, "-m", "alaya_mcp", *words], {**inherited, **places, **environ}


def logged_in(home: Path) -> None:
    """Keep a key pair in a home folder as `login` does."""
    arguments, environ = process(home, "login", "--no-check", **KEYS)
    subprocess.run(arguments, env=environ, cwd=home, stdin=subprocess.DEVNULL, timeout=PATIENCE, check=True)  # noqa: S603 our own command


def test_as_a_process_it_installs_and_uninstalls(tmp_path: Path) -> None:
    path = tmp_path / ".cursor" / "mcp.json"
    logged_in(tmp_path)

    def ran(*words: str) -> subprocess.CompletedProcess[bytes]:
        arguments, environ = process(tmp_path, *words, ALAYA_BASE_URL="https://alaya.invalid/v1")
        nobody = subprocess.DEVNULL
        return subprocess.run(  # noqa: S603 our own command
            arguments, env=environ, cwd=tmp_path, stdin=nobody, capture_output=True, timeout=PATIENCE, check=False
        )

    refused = ran("install", "cursor")
    assert (refused.returncode, path.exists()) == (1, False)
    assert refused.stderr.decode().startswith("alayanew-mcp install: Nothing was changed: there is no terminal")

    installed = ran("install", "cursor", "--yes", "--name", "mine")
    assert (installed.returncode, installed.stderr) == (0, b"")
    assert list(json.loads(path.read_text())["mcpServers"]) == ["mine"]
    assert "! DNS: " in installed.stdout.decode()
    assert "The doctor on Cursor's entry: 1 failed." in installed.stdout.decode()

    removed = ran("uninstall", "--all", "--yes", "--name", "mine")
    assert (removed.returncode, removed.stderr, path.exists()) == (0, b"", False)
    assert f"Deleted: {path}" in removed.stdout.decode()


@pytest.mark.parametrize(
    ("words", "entry"),
    [
        ((), {"command": "{command}", "args": []}),
        (("qwen", "--url", "https://mcp.example.com/mcp"), {"httpUrl": "https://mcp.example.com/mcp"}),
        (("claude-code", "--url", "https://mcp.example.com/mcp"), {"type": "http"}),
        (("cline", "--sandbox"), {"args": ["--sandbox"]}),
    ],
)
def test_an_entry_is_printed_alone_and_nothing_is_written(
    tmp_path: Path, words: tuple[str, ...], entry: dict[str, object]
) -> None:
    arguments, environ = process(tmp_path, "install", "--print", *words)
    printed = subprocess.run(arguments, env=environ, cwd=tmp_path, capture_output=True, timeout=PATIENCE, check=True)  # noqa: S603 our own command

    found = json.loads(printed.stdout)["mcpServers"]["alaya"]
    assert {name: found.get(name) for name in entry if name != "command"} == {
        name: value for name, value in entry.items() if name != "command"
    }
    assert [*tmp_path.iterdir()] == []


def heard(terminal: int, until: bytes) -> bytes:
    """What a terminal shows up to some words, or up to its end."""
    said = b""
    while not until or not said.endswith(until):
        assert select.select([terminal], [], [], PATIENCE)[0], said
        try:
            more = os.read(terminal, 4096)
        except OSError:  # how Linux tells a terminal's end
            more = b""
        if not more:
            break
        said += more
    return said


@contextmanager
def on_a_terminal(home: Path, *words: str) -> Generator[tuple[subprocess.Popen[bytes], int]]:
    """A process, and the other side of its terminal."""
    import pty  # noqa: PLC0415 there is none on Windows

    ours, theirs = pty.openpty()
    arguments, environ = process(home, *words)
    # A session of its own keeps it from the terminal that the tests run on.
    with subprocess.Popen(  # noqa: S603 our own command
        arguments, env=environ, cwd=home, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as running:
        os.close(theirs)
        try:
            yield running, ours
        finally:
            running.kill()
    os.close(ours)


@posix_only
@pytest.mark.parametrize("answer", ["y", "no", None])
def test_on_a_terminal_it_asks_for_a_yes(tmp_path: Path, answer: str | None) -> None:
    with on_a_terminal(tmp_path, "install", "cursor", "--sandbox") as (running, ours):
        said = heard(ours, b"[y/N] ")
        if answer is None:
            running.send_signal(signal.SIGINT)
        # A signal that comes before the read begins is seen when the read ends.
        os.write(ours, f"{answer or ''}\n".encode())
        said += heard(ours, b"")
        status = running.wait(PATIENCE)

    assert b'"--sandbox"' in said
    assert (tmp_path / ".cursor" / "mcp.json").exists() is (answer == "y")
    assert status == {"y": 0, "no": 1, None: 130}[answer]


@posix_only
@pytest.mark.parametrize(
    ("words", "question"), [(("install", "cursor"), b"Access key: "), (("install", "cursor", "--sandbox"), b"[y/N] ")]
)
def test_ctrl_d_at_a_question_changes_nothing_and_says_so(
    tmp_path: Path, words: tuple[str, ...], question: bytes
) -> None:
    with on_a_terminal(tmp_path, *words) as (running, ours):
        heard(ours, question)
        os.write(ours, b"\x04")
        said = heard(ours, b"")
        status = running.wait(PATIENCE)

    assert said.decode().splitlines() == ["", "alayanew-mcp install: Nothing was changed."]
    assert not (tmp_path / ".cursor" / "mcp.json").exists()
    assert status == 1


def test_as_a_process_it_installs_the_sandbox_into_a_project(tmp_path: Path) -> None:
    arguments, environ = process(tmp_path, "install", "vscode", "--sandbox", "--project", ".", "--yes")

    subprocess.run(arguments, env=environ, cwd=tmp_path, capture_output=True, timeout=PATIENCE, check=True)  # noqa: S603 our own command

    entry = json.loads((tmp_path / ".vscode" / "mcp.json").read_text())["servers"]["alaya"]
    assert entry["args"][-1] == "--sandbox"


@posix_only
@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_a_working_directory_that_is_gone_is_told(tmp_path: Path, command: str) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    arguments, environ = process(tmp_path, command, "cursor", "--yes")
    script = "import os, sys; os.rmdir(os.getcwd()); os.execv(sys.argv[1], sys.argv[1:])"

    done = subprocess.run(  # noqa: S603 our own command
        [sys.executable, "-c", script, *arguments],
        env={**environ, "PYTHONSAFEPATH": "1"},
        cwd=gone,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.decode() == f"alayanew-mcp {command}: The working directory is gone. Change to another folder.\n"
