"""`install` and `uninstall` by hosts' own commands, which are stand-ins that note their arguments."""

import json
import os
import stat
from pathlib import Path
from typing import Any

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
    old = {"type": "stdio", "command": "/old/alayanew-mcp", "env": {"ALAYA_ACCESS_KEY": "old-key", "N": "planted"}}
    path = desk.write(CODE, {"mcpServers": {"alaya": old}})
    before = path.read_bytes()
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
    assert path.with_name(".claude.json.bak").read_bytes() == before
    assert "planted" not in person.read


def test_what_goes_with_the_old_entry_is_shown_before_the_question(desk: Desk) -> None:
    desk.host_command("claude")
    kept = {"ALAYA_BASE_URL": "https://staging.invalid", "ALAYA_TOKEN": "planted-1", "N": "planted-${X}"}
    env = {"ALAYA_ACCESS_KEY": "planted-4", **kept}
    old = {"type": "stdio", "command": "env PLANTED=planted-2 alayanew-mcp", "args": ["planted-3"], "env": env}
    desk.write(CODE, {"mcpServers": {"alaya": old}})
    person = Person(["y"])

    assert desk.install("claude-code", person) == 0

    assert '-      "command": "…",' in person.read
    assert '         "ALAYA_BASE_URL": "https://staging.invalid",' in person.read
    assert "--env 'ALAYA_TOKEN=…' --env 'N=…' -- " in person.read
    assert "planted" not in person.read
    assert desk.data(CODE)["mcpServers"]["alaya"]["env"] == {**KEYS, **kept}


@pytest.mark.parametrize("value", ["alaya", "a", "--env"])
def test_a_value_is_masked_where_it_stands_and_nowhere_else(desk: Desk, value: str) -> None:
    desk.host_command("claude", says="Added server alaya")
    desk.write(CODE, {"mcpServers": {"alaya": {"command": "alayanew-mcp", "env": {"N": value}}}})
    desk.environ["ALAYA_SERVICE_ID"] = "alaya-qwen"
    person = Person(["y"])

    assert desk.install("claude-code", person) == 0

    assert "claude mcp add alaya --scope user --env 'ALAYA_ACCESS_KEY=…'" in person.read
    assert f"--env ALAYA_SERVICE_ID=alaya-qwen --env 'N=…' -- {desk.command}" in person.read
    assert ("Added server alaya" in person.said) is (value != "alaya")


@pytest.mark.parametrize(("env", "is_told"), [({"N": "planted"}, True), ({"N": "${N}"}, False), ({}, False)])
def test_what_others_could_read_in_the_arguments_is_told_before_the_question(
    desk: Desk, env: dict[str, str], *, is_told: bool
) -> None:
    desk.host_command("claude")
    desk.write(CODE, {"mcpServers": {"alaya": {"command": "alayanew-mcp", "env": env}}})
    with_keys, without_keys = Person(["n"]), Person(["n"])

    desk.install("claude-code", with_keys)
    desk.install("claude-code", without_keys, is_sandbox=True)

    warning = "other users of this machine can read the masked values in its arguments. To avoid that, use --project"
    assert warning in with_keys.said[-1]
    assert "a profile of the configuration file (docs/decisions/configuration.md)" in with_keys.said[-1]
    assert (warning in without_keys.said[-1]) is is_told


@pytest.mark.parametrize(
    ("old", "what"),
    [
        ({"timeout": 600, "headers": {"A": "planted"}}, "timeout, headers"),
        ({"env": {"N": 5}}, "env"),
        ({"env": {"A=B": "planted"}}, "env"),
    ],
)
def test_what_the_command_could_not_be_given_is_kept_by_editing_the_file(
    desk: Desk, old: dict[str, Any], what: str
) -> None:
    desk.host_command("claude")
    desk.write(CODE, {"mcpServers": {"alaya": {"command": "alayanew-mcp", **old}}})
    person = Person(["y"])

    assert desk.install("claude-code", person) == 0

    assert desk.noted == []
    entry = desk.data(CODE)["mcpServers"]["alaya"]
    assert entry == {
        "type": "stdio",
        "command": str(desk.command),
        "args": [],
        **old,
        "env": {**KEYS, **old.get("env", {})},
    }
    assert f"would lose the entry's {what}, so the file is edited" in person.read
    assert "planted" not in person.read


@pytest.mark.parametrize("member", ["env", "args", "command"])
@pytest.mark.parametrize("has_file", [True, False])
def test_a_command_that_ends_well_and_has_not_done_it_is_told(desk: Desk, member: str, *, has_file: bool) -> None:
    desk.host_command("claude", forgets=[member])
    desk.command.unlink()
    path = desk.write(CODE, {}) if has_file else desk.machine.home / CODE
    person = Person(["y"])

    assert desk.install("claude-code", person) == 1

    (warning,) = person.warned
    assert f"the entry alaya in {path} is not as it should be" in warning
    assert (f"The file as it was is in {path}.bak." in warning) is has_file
    assert not [line for line in person.said if line.startswith("Next:")]


def test_an_input_that_vscodes_command_has_not_written_is_told(desk: Desk) -> None:
    desk.host_command("code")
    script = desk.root / "bin" / "code"
    script.write_text(script.read_text().replace('entry.pop("inputs", [])', 'entry.pop("inputs", [])[:1]'))
    person = Person(["y"])

    assert desk.install("vscode", person) == 1
    assert "is not as it should be" in person.warned[0]


def test_a_removal_that_ends_well_and_has_not_done_it_is_told(desk: Desk) -> None:
    desk.host_command("claude")
    script = desk.root / "bin" / "claude"
    script.write_text(script.read_text().replace("data[key].pop(name)", "pass"))
    desk.write(CODE, {"mcpServers": {"alaya": {"command": "alayanew-mcp"}}})
    person = Person(["y"])

    assert desk.uninstall("claude-code", person) == 1
    assert "is not as it should be" in person.warned[0]


@pytest.mark.parametrize(("host", "place"), [("vscode", VSCODE), ("claude-code", CODE)])
def test_a_file_is_backed_up_before_a_first_entry_too(desk: Desk, host: str, place: str) -> None:
    desk.host_command("code")
    desk.host_command("claude")
    path = desk.write(place, {"history": [1]})
    before = path.read_bytes()
    person = Person(["y"])

    assert desk.install(host, person) == 0

    assert path.with_name(f"{path.name}.bak").read_bytes() == before
    assert f"Backup: {path}.bak" in person.read


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


def test_a_failure_after_the_removal_puts_the_old_entry_back(desk: Desk) -> None:
    desk.host_command("claude", refuses="add")
    path = desk.write(CODE, {"mcpServers": {"alaya": {"command": "/old/alayanew-mcp"}}, "projects": {"a": [1, 2]}})
    before = json.loads(path.read_text(encoding="utf-8"))
    person = Person(["y"])

    assert desk.install("claude-code", person) == 1
    assert [noted[1:2] for noted in desk.noted] == [["remove"], ["add"]]
    assert json.loads(path.read_text(encoding="utf-8")) == before
    assert "The old entry, which had been removed, was put back." in person.warned


def test_an_old_entry_that_cannot_be_put_back_is_still_in_the_backup(desk: Desk) -> None:
    desk.host_command("claude", refuses="add", breaks=True)
    path = desk.write(CODE, {"mcpServers": {"alaya": {"command": "/old/alayanew-mcp"}}})
    person = Person(["y"])

    assert desk.install("claude-code", person) == 1
    assert any(f"It is still in {path}.bak" in warning for warning in person.warned)


def test_without_a_backup_nothing_is_removed(desk: Desk) -> None:
    desk.host_command("claude")
    desk.write(CODE, {"mcpServers": {"alaya": {"command": "/old/alayanew-mcp"}}})
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
    desk.host_command("claude")
    path = desk.write(CODE, {})
    path.chmod(0o644)
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

    assert desk.install("vscode") == 0

    assert len(desk.noted) == 1
    assert "/* mine */" in path.read_text()


def test_what_changes_in_a_file_with_comments_is_shown_too(desk: Desk) -> None:
    desk.host_command("code")
    desk.write(VSCODE, '{"servers": {"alaya": {"command": "old/alayanew-mcp"}}, /* mine */}')
    person = Person()

    assert desk.install("vscode", person, is_dry=True) == 0

    assert '-      "command": "old/alayanew-mcp"' in person.read


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
    path = desk.write(CODE, {"mcpServers": {"alaya": {"command": "alayanew-mcp"}}})
    person = Person(["y"])

    assert desk.uninstall("claude-code", person) == 0

    assert '-      "command": "alayanew-mcp"' in person.read
    assert desk.noted == [["mcp", "remove", "alaya", "--scope", "user"]]
    assert os.path.lexists(f"{path}.bak")


def test_vscode_has_no_command_for_removing_so_its_file_is_edited(desk: Desk) -> None:
    desk.host_command("code")
    desk.write(VSCODE, {"servers": {"alaya": {"command": "alayanew-mcp"}}})

    assert desk.uninstall("vscode") == 0

    assert desk.noted == []
    assert not (desk.machine.home / VSCODE).exists()


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


def test_comments_that_no_command_can_keep_leave_the_file_alone(desk: Desk) -> None:
    desk.host_command("code.cmd")
    desk.environ["ALAYA_SERVICE_ID"] = "a&calc"
    path = desk.write(VSCODE, '{"servers": {} /* mine */}')
    before = path.read_bytes()
    person = Person(["y"])

    def which(_name: str) -> str:
        return str(desk.root / "bin" / "code.cmd")

    desk.which = which  # type: ignore[method-assign] # the desk's PATH is that of Windows
    assert desk.install("vscode", person) == 1

    assert (desk.noted, path.read_bytes()) == ([], before)
    assert "has comments or trailing commas, which would be lost. It is left alone" in person.warned[0]


@pytest.mark.parametrize(("host", "place", "key"), [("claude-code", CODE, "mcpServers"), ("vscode", VSCODE, "servers")])
def test_a_hosts_command_is_not_run_on_another_server_of_that_name(desk: Desk, host: str, place: str, key: str) -> None:
    desk.host_command("claude")
    desk.host_command("code")
    path = desk.write(place, {key: {"alaya": {"command": "docker", "args": ["run", "alaya/desk"]}}})
    before = path.read_bytes()

    assert desk.install(host) == 1
    assert desk.uninstall(host) == 1

    assert desk.noted == []
    assert path.read_bytes() == before
