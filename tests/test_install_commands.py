"""`install` and `uninstall` by hosts' own commands, which are stand-ins that note their arguments."""

import json
import os
import shlex
import stat
from pathlib import Path

import pytest

from alaya_mcp.hosts.own_commands import can_be_passed
from tests.host_machine import ACCESS, KEYS, SECRET, Desk, Person, desk_in, posix_only

pytestmark = posix_only

CODE = ".claude.json"
VSCODE = ".config/Code/User/mcp.json"
ADDED = ["--env", f"ALAYA_ACCESS_KEY={ACCESS}", "--env", f"ALAYA_SECRET_KEY={SECRET}", "--"]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """One whose environment holds the keys, and a folder for configuration that has nothing in it."""
    for name in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "nothing"))
    return desk_in(tmp_path, environ=KEYS.items())


def test_claude_code_adds_it_itself_and_the_keys_are_not_shown(desk: Desk) -> None:
    desk.host_command("claude", says=f"Added it with {SECRET}")
    person = Person(["y"])

    assert desk.install("claude-code", person) == 0

    assert desk.noted == [["mcp", "add", "alaya", "--scope", "user", *ADDED, str(desk.command)]]
    assert not (desk.machine.home / CODE).exists()
    assert "claude mcp add alaya --scope user --env 'ALAYA_ACCESS_KEY=…' --env" in person.read
    assert "Added it with …" in person.read
    assert ACCESS not in person.read
    assert SECRET not in person.read


def test_arguments_and_settings_go_with_it(desk: Desk) -> None:
    desk.host_command("claude")
    desk.environ["ALAYA_SERVICE_ID"] = "my deployment"
    desk.command.unlink()

    desk.install("claude-code", name="work")
    desk.install("claude-code", is_sandbox=True)

    python = str(desk.command.with_name("python"))
    assert desk.noted[0][2] == "work"
    assert desk.noted[0][-6:] == ["--env", "ALAYA_SERVICE_ID=my deployment", "--", python, "-m", "alaya_mcp"]
    assert desk.noted[1] == ["mcp", "add", "alaya", "--scope", "user", "--", python, "-m", "alaya_mcp", "--sandbox"]


def test_an_entry_that_is_there_is_removed_first_and_backed_up(desk: Desk) -> None:
    desk.host_command("claude")
    old = {"type": "stdio", "command": "/old", "env": {"ALAYA_ACCESS_KEY": "old-key", "N": "planted"}}
    path = desk.write(CODE, {"mcpServers": {"alaya": old}})
    person = Person(["y"])

    assert desk.install("claude-code", person) == 0

    removed, added = desk.noted
    assert removed == ["mcp", "remove", "alaya", "--scope", "user"]
    assert added == [
        "mcp",
        "add",
        "alaya",
        "--scope",
        "user",
        *ADDED[:-1],
        "--env",
        "N=planted",
        "--",
        str(desk.command),
    ]
    assert path.with_name(".claude.json.bak").read_bytes() == path.read_bytes()
    assert "planted" not in person.read


def test_an_entry_that_says_the_same_is_not_added_again(desk: Desk) -> None:
    desk.host_command("claude")
    desk.write(
        CODE, {"mcpServers": {"alaya": {"type": "stdio", "command": str(desk.command), "args": [], "env": KEYS}}}
    )
    person = Person()

    assert desk.install("claude-code", person) == 0

    assert desk.noted == []
    assert "Nothing was changed" in person.read


def test_a_command_that_fails_is_told_with_its_status_and_what_to_do(desk: Desk) -> None:
    desk.host_command("claude", status=3, says=f"no such option {ACCESS}\x1b[31m")
    person = Person(["y"])

    assert desk.install("claude-code", person) == 1

    (warning,) = person.warned
    assert "ended with exit status 3" in warning
    assert "no such option …" in warning
    assert "not on the PATH" in warning
    assert "\x1b" not in warning
    assert ACCESS not in person.read


def test_a_failure_after_the_removal_says_where_the_old_entry_is(desk: Desk) -> None:
    desk.host_command("claude")
    script = desk.root / "bin" / "claude"
    script.write_text(script.read_text().replace("exit 0", '[ "$2" = remove ]'))
    path = desk.write(CODE, {"mcpServers": {"alaya": {"command": "/old"}}})
    person = Person(["y"])

    assert desk.install("claude-code", person) == 1
    assert f"it is still in {path}.bak" in person.warned[0]


def test_without_a_backup_nothing_is_removed(desk: Desk) -> None:
    desk.host_command("claude")
    desk.write(CODE, {"mcpServers": {"alaya": {"command": "/old"}}})
    person = Person(["y"], before_answering=lambda: desk.machine.home.rename(desk.root / "elsewhere"))

    assert desk.install("claude-code", person) == 1

    assert desk.noted == []
    assert "No backup of" in person.warned[0]


def test_a_command_that_cannot_be_started_is_told(desk: Desk) -> None:
    desk.host_command("claude")
    (desk.root / "bin" / "claude").write_text("#!/nowhere/interpreter\n")
    person = Person(["y"])

    assert desk.install("claude-code", person) == 1
    assert "It could not be started: No such file or directory." in person.warned[0]


def test_a_file_that_the_command_leaves_open_to_others_is_closed(desk: Desk) -> None:
    prepared = desk.write("prepared", {"mcpServers": {"alaya": {"command": "x", "env": KEYS}}})
    path = desk.machine.home / CODE
    desk.host_command("claude", then=f"cp {shlex.quote(str(prepared))} {shlex.quote(str(path))}; chmod 644 {path}")
    person = Person(["y"])

    assert desk.install("claude-code", person) == 0

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "now only you can" in person.read


def test_vscode_adds_it_itself_with_its_inputs(desk: Desk) -> None:
    desk.host_command("code")

    assert desk.install("vscode") == 0

    ((option, given),) = desk.noted
    assert option == "--add-mcp"
    whole = json.loads(given)
    assert list(whole) == ["name", "type", "command", "args", "env", "inputs"]
    assert (whole["name"], whole["command"]) == ("alaya", str(desk.command))
    assert [asked["id"] for asked in whole["inputs"]] == ["alaya-access-key", "alaya-secret-key"]
    assert SECRET not in given


def test_a_file_with_comments_is_no_obstacle_to_vscodes_own_command(desk: Desk) -> None:
    desk.host_command("code")
    path = desk.write(VSCODE, '{"servers": {"x": {}}, /* mine */}')
    before = path.read_bytes()

    assert desk.install("vscode") == 0

    assert len(desk.noted) == 1
    assert path.read_bytes() == before


@pytest.mark.parametrize(("host", "place"), [("vscode", VSCODE), ("claude-code", CODE)])
def test_a_file_that_does_not_parse_is_left_alone_with_a_command_too(desk: Desk, host: str, place: str) -> None:
    desk.host_command("code")
    desk.host_command("claude")
    desk.write(place, "{")
    person = Person(["y"])

    assert desk.install(host, person) == 1

    assert desk.noted == []
    assert "It is left alone" in person.read


def test_a_projects_file_is_never_the_commands_affair(desk: Desk) -> None:
    desk.host_command("code")
    desk.host_command("claude")

    assert desk.install("vscode", project=Path()) == 0
    assert desk.install("claude-code", project=Path()) == 0
    assert desk.uninstall("claude-code", project=Path()) == 0

    assert desk.noted == []


@pytest.mark.parametrize("is_dry", [True, False])
def test_a_command_is_not_run_without_consent(desk: Desk, *, is_dry: bool) -> None:
    desk.host_command("claude")
    person = Person(["n"])

    desk.install("claude-code", person, is_dry=is_dry)

    assert desk.noted == []
    assert "claude mcp add alaya" in person.read


def test_claude_code_removes_it_itself(desk: Desk) -> None:
    desk.host_command("claude")
    path = desk.write(CODE, {"mcpServers": {"alaya": {"command": "x"}}})

    assert desk.uninstall("claude-code") == 0

    assert desk.noted == [["mcp", "remove", "alaya", "--scope", "user"]]
    assert os.path.lexists(f"{path}.bak")


def test_vscode_has_no_command_for_removing_so_its_file_is_edited(desk: Desk) -> None:
    desk.host_command("code")
    desk.write(VSCODE, {"servers": {"alaya": {"command": "x"}}})

    assert desk.uninstall("vscode") == 0

    assert desk.noted == []
    assert desk.data(VSCODE) == {"servers": {}}


@pytest.mark.parametrize(
    ("program", "argument", "is_passed"),
    [
        ("C:\\npm\\claude.CMD", 'A=b c"d', True),
        ("C:\\npm\\claude.cmd", "A=b&c", False),
        ("C:\\npm\\claude.bat", "A=%PATH%", False),
        ("C:\\bin\\claude.exe", "A=b&c", True),
        ("/usr/bin/claude", "A=b&c%d", True),
    ],
)
def test_what_a_batch_file_would_read_itself_is_not_passed_to_it(
    program: str, argument: str, *, is_passed: bool
) -> None:
    assert can_be_passed(program, ["mcp", argument]) is is_passed


def test_keys_that_a_batch_file_would_read_itself_go_into_the_file(desk: Desk) -> None:
    desk.host_command("claude.cmd")
    desk.environ["ALAYA_SECRET_KEY"] = "a&calc"

    def which(_name: str) -> str:
        return str(desk.root / "bin" / "claude.cmd")

    desk.which = which  # type: ignore[method-assign] # the desk's PATH is that of Windows
    assert desk.install("claude-code") == 0

    assert desk.noted == []
    assert desk.data(CODE)["mcpServers"]["alaya"]["env"]["ALAYA_SECRET_KEY"] == "a&calc"
