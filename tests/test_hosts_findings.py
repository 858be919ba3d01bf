"""What the doctor is told of hosts' files: each fault by its own name, and nothing of what works."""

import json
from pathlib import Path
from typing import Any

import pytest

from alaya_mcp.hosts.catalogue import HOSTS, Host, Machine
from alaya_mcp.hosts.entries import launcher
from alaya_mcp.hosts.files import environment_of, server_of
from alaya_mcp.hosts.findings import Finding, host_findings
from tests.host_machine import KEYS, SECRET, STRANGER, Desk, desk_in

DESKTOP = ".config/Claude/claude_desktop_config.json"
VSCODE = ".config/Code/User/mcp.json"
CURSOR = ".cursor/mcp.json"
CODE = ".claude.json"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return desk_in(tmp_path)


def entry(desk: Desk, **other: object) -> dict[str, Any]:
    """One that works."""
    return {"command": str(desk.command), "args": [], **other}


def told(desk: Desk, place: str, found: dict[str, Any], **others: object) -> list[Finding]:
    """The findings of a file with one entry, where somebody has logged in."""
    key = "servers" if place == VSCODE else "mcpServers"
    desk.write(place, {key: {"alaya": found}, **others})
    return host_findings(desk.machine, has_profile=True)


def problems(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.problem, finding.severity) for finding in findings]


def test_a_machine_without_hosts_has_nothing_to_find(desk: Desk) -> None:
    assert host_findings(desk.machine) == []


@pytest.mark.parametrize("place", [DESKTOP, CODE, CURSOR, VSCODE])
def test_an_entry_that_works_is_not_mentioned(desk: Desk, place: str) -> None:
    assert told(desk, place, entry(desk)) == []
    assert told(desk, place, {"command": str(desk.command), "args": ["--sandbox"]}) == []
    assert told(desk, place, {"command": str(desk.command), "env": {"ALAYA_PROFILE": "work"}}) == []
    assert told(desk, place, {"type": "http", "url": "https://h.invalid"}) == []


@pytest.mark.parametrize(
    ("place", "found", "problem", "severity"),
    [
        (DESKTOP, {"env": {"ALAYA_SERVICE_ID": "${ALAYA_SECRET_KEY}"}}, "unexpanded_variable", "error"),
        (DESKTOP, {"env": {"ALAYA_TIMEOUT_SECONDS": "a ${env:X} b"}}, "unexpanded_variable", "error"),
        (CODE, {"env": {"ALAYA_SERVICE_ID": "${UNSET}"}}, "unexpanded_variable", "warning"),
        (CODE, {"env": {"ALAYA_SERVICE_ID": "${env:PATH}"}}, "unexpanded_variable", "error"),
        (VSCODE, {"env": {"ALAYA_SERVICE_ID": "${ALAYA_SECRET_KEY}"}}, "unexpanded_variable", "error"),
        (VSCODE, {"env": {"ALAYA_SERVICE_ID": "${input:nobody-asks}"}}, "unexpanded_variable", "error"),
        (VSCODE, {"env": {"ALAYA_SERVICE_ID": "${env:UNSET}"}}, "unexpanded_variable", "warning"),
        (CURSOR, {"env": {"ALAYA_SERVICE_ID": "${input:alaya}"}}, "unexpanded_variable", "error"),
        (CURSOR, {"env": {"ALAYA_SERVICE_ID": "${env:UNSET}"}}, "unexpanded_variable", "warning"),
        (DESKTOP, {"command": "alayanew-mcp"}, "relative_command", "warning"),
        (VSCODE, {"command": ".venv/bin/alayanew-mcp"}, "relative_command", "warning"),
        (CODE, {"command": "/nowhere/alayanew-mcp"}, "command_missing", "error"),
        (DESKTOP, {"command": "/"}, "command_missing", "error"),
        (CURSOR, {"env": {"ALAYA_ACCESS_KEY": "${env:PATH}", "ALAYA_SECRET_KEY": ""}}, "keys_missing", "error"),
        (CURSOR, {"env": {"ALAYA_ACCESS_KEY": "${env:PATH}", "ALAYA_PROFILE": "work"}}, "keys_missing", "error"),
        (DESKTOP, {"env": KEYS}, "keys_in_file", "warning"),
        (CODE, {"env": {"ALAYA_ACCESS_KEY": "${PATH}", "ALAYA_SECRET_KEY": "sk"}}, "keys_in_file", "warning"),
        (CODE, {"command": "uvx", "args": [STRANGER]}, "strangers_package", "error"),
        (DESKTOP, {"command": "uvx", "args": [f"{STRANGER}@0.1.0"]}, "strangers_package", "error"),
        (DESKTOP, {"command": "uvx", "args": ["--from", "Alaya_MCP", "x"]}, "strangers_package", "error"),
        (DESKTOP, {"command": "pipx", "args": ["run", "--spec=alaya-mcp==0.1", "x"]}, "strangers_package", "error"),
        (DESKTOP, {"command": "python3", "args": ["-m", "alaya-mcp"]}, "strangers_package", "error"),
        (DESKTOP, {"command": "C:\\venv\\alaya-mcp.exe"}, "strangers_package", "error"),
    ],
)
def test_each_fault_is_told_by_its_own_name(
    desk: Desk, place: str, found: dict[str, Any], problem: str, severity: str
) -> None:
    findings = told(desk, place, entry(desk, **found))

    assert problems(findings) == [(problem, severity)]
    (finding,) = findings
    assert finding.server == "alaya"
    assert finding.path == desk.machine.home / place
    assert finding.next_step
    assert SECRET not in repr(finding)


@pytest.mark.parametrize(
    ("place", "step"), [(VSCODE, "Add an input with that id"), (CURSOR, "Write the value itself.")]
)
def test_an_input_that_there_is_not_is_to_be_added_where_the_host_has_inputs(desk: Desk, place: str, step: str) -> None:
    (finding,) = told(desk, place, entry(desk, env={"ALAYA_SERVICE_ID": "${input:sk}"}))

    assert finding.next_step.startswith(step)


@pytest.mark.parametrize(
    ("place", "env", "others"),
    [
        (CODE, {"ALAYA_ACCESS_KEY": "${PATH}", "ALAYA_SECRET_KEY": "${PATH}", "X": "${UNSET:-x}"}, {}),
        (CURSOR, {"ALAYA_ACCESS_KEY": "${env:PATH}", "ALAYA_SECRET_KEY": "${env:PATH}", "X": "${userHome}"}, {}),
        (
            VSCODE,
            {"ALAYA_ACCESS_KEY": "${env:PATH}", "ALAYA_SECRET_KEY": "${input:sk}", "X": "${workspaceFolder}"},
            {"inputs": [{"type": "promptString", "id": "sk"}]},
        ),
    ],
)
def test_references_that_a_host_replaces_are_not_mentioned(
    desk: Desk, place: str, env: dict[str, str], others: dict[str, Any]
) -> None:
    assert told(desk, place, entry(desk, env=env), **others) == []


@pytest.mark.parametrize(
    ("found", "problem", "named"),
    [
        (
            {"command": "uvx", "args": ["--from", f"{STRANGER} @ git+https://planted@h.invalid/x", "x"]},
            "strangers_package",
            "'alaya-mcp' is another project's package",
        ),
        ({"command": "C:\\planted\\alaya-mcp.exe"}, "strangers_package", "'alaya-mcp' is"),
        ({"command": "env ALAYA_SECRET_KEY=planted alayanew-mcp"}, "relative_command", "the command 'env …' is not an"),
        (
            {"command": "ALAYA_SECRET_KEY=planted alayanew-mcp"},
            "relative_command",
            "the command is not an absolute path",
        ),
        (
            {"command": "/nowhere/env K=planted alayanew-mcp"},
            "command_missing",
            "the command '/nowhere/env …' does not",
        ),
        ({"command": "/K=planted/alayanew-mcp"}, "command_missing", "the command does not exist"),
        ({"command": "/nowhere/my venv/x"}, "command_missing", "the command '/nowhere/my venv/x' does not exist"),
        ({"env": {"ALAYA_SERVICE_ID": "${AK-planted-1}"}}, "unexpanded_variable", "holds ${...}, which"),
        ({"env": {"X": "${env:AK planted}"}}, "unexpanded_variable", "holds ${...}, which"),
        ({"env": {"X": "${env:MY_KEY}"}}, "unexpanded_variable", "holds ${env:MY_KEY}, which"),
    ],
)
def test_what_may_be_a_secret_is_not_quoted(desk: Desk, found: dict[str, Any], problem: str, named: str) -> None:
    findings = told(desk, DESKTOP, entry(desk, **found))

    assert problem in {finding.problem for finding in findings}
    assert named in " ".join(finding.message for finding in findings)
    assert "planted" not in repr(findings)


def test_what_looks_like_a_default_is_not_quoted(desk: Desk) -> None:
    findings = told(desk, VSCODE, entry(desk, env={"X": "${env:UNSET:-planted}"}))

    assert problems(findings) == [("unexpanded_variable", "warning")]
    assert "planted" not in repr(findings)


def test_a_variable_that_may_be_a_secret_is_not_quoted(desk: Desk) -> None:
    (finding,) = told(desk, VSCODE, entry(desk, env={"X": "${env:AK-planted-1}"}))

    assert "X refers to ${...}, but what it names is not set in this shell." in finding.message
    assert "planted" not in repr(finding)


@pytest.mark.parametrize("key", [f"{SECRET}${{X}}", f"${{PATH:-{SECRET}}}", f"${{{SECRET}}}"])
def test_a_key_beside_or_inside_a_reference_is_a_literal_one(desk: Desk, key: str) -> None:
    findings = told(desk, CODE, entry(desk, env={"ALAYA_ACCESS_KEY": "${PATH}", "ALAYA_SECRET_KEY": key}))

    assert ("keys_in_file", "warning") in problems(findings)
    assert SECRET not in repr(findings)


@pytest.mark.parametrize("key", ["your access key", "<SECRET KEY>"])
def test_a_placeholder_is_told_as_one(desk: Desk, key: str) -> None:
    findings = told(desk, DESKTOP, entry(desk, env={**KEYS, "ALAYA_ACCESS_KEY": key}))

    assert problems(findings) == [("placeholder_key", "error"), ("keys_in_file", "warning")]


def test_the_default_of_a_reference_is_not_quoted(desk: Desk) -> None:
    findings = told(desk, DESKTOP, entry(desk, env={"ALAYA_SERVICE_ID": f"${{X:-{SECRET}}}"}))

    assert problems(findings) == [("unexpanded_variable", "error")]
    assert SECRET not in repr(findings)


@pytest.mark.parametrize("program", ["uv", "python"])
def test_our_own_module_and_folders_of_that_name_are_no_strangers(desk: Desk, program: str) -> None:
    command = desk.command.with_name(program)
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    args = ["run", "--directory", "/src/alaya-mcp", "python", "-m", "alaya_mcp"]

    assert told(desk, DESKTOP, entry(desk, command=str(command), args=args)) == []


def test_keys_that_the_shell_of_claude_code_has_are_a_warning_only(desk: Desk) -> None:
    desk.environ |= KEYS
    desk.write(CODE, {"mcpServers": {"alaya": entry(desk)}})
    desk.write(CURSOR, {"mcpServers": {"alaya": entry(desk)}})

    findings = {finding.host: finding for finding in host_findings(desk.machine)}

    assert problems([findings["claude-code"]]) == [("keys_missing", "warning")]
    assert problems([findings["cursor"]]) == [("keys_missing", "error")]
    assert findings["cursor"].next_step == "Run `alayanew-mcp login`."


def test_a_profile_of_our_own_file_does_for_both_keys(desk: Desk) -> None:
    desk.write(DESKTOP, {"mcpServers": {"alaya": entry(desk, env={})}})

    assert problems(host_findings(desk.machine)) == [("keys_missing", "error")]
    assert host_findings(desk.machine, has_profile=True) == []


def test_keys_in_a_file_are_told_with_the_way_out(desk: Desk) -> None:
    (finding,) = told(desk, DESKTOP, entry(desk, env=KEYS))

    assert f"the key itself is in {desk.machine.home / DESKTOP}" in finding.message
    assert finding.next_step == (
        "`alayanew-mcp login` keeps it in one place; then `alayanew-mcp install claude-desktop` takes it out."
    )
    assert SECRET not in repr(finding)


@pytest.mark.parametrize("content", ["{", '{"mcpServers": []}', "[]"])
def test_a_file_that_a_host_cannot_use_is_told(desk: Desk, content: str) -> None:
    desk.write(CURSOR, content)

    (finding,) = host_findings(desk.machine)

    assert (finding.problem, finding.severity, finding.server) == ("file_does_not_parse", "error", None)


def test_comments_are_told_for_claude_desktop_and_entries_are_read_all_the_same(desk: Desk) -> None:
    text = '{"%s": {"alaya": {"command": "alayanew-mcp", "args": ["--sandbox"]}}} // mine'
    desk.write(DESKTOP, text % "mcpServers")
    desk.write(VSCODE, text % "servers")

    findings = [(finding.host, finding.problem) for finding in host_findings(desk.machine)]

    assert findings == [
        ("claude-desktop", "file_has_comments"),
        ("claude-desktop", "relative_command"),
        ("vscode", "relative_command"),
    ]


def test_only_our_entries_are_looked_at_and_by_whatever_name(desk: Desk) -> None:
    servers: dict[str, Any] = {
        "other": {"command": "uvx", "args": ["mcp-server-git"], "env": {"X": "${X}"}},
        "mine": {"command": "uvx", "args": [STRANGER]},
        "alaya": {"command": "something"},
        "odd": ["alaya_mcp"],
        "odder": {"command": ["alaya_mcp"], "args": {"alaya_mcp": 1}, "env": ["alaya_mcp"]},
        "oddest": {"command": {"alaya_mcp": 1}, "args": {"alaya_mcp": 1}, "env": ["alaya_mcp"]},
    }
    desk.write(CURSOR, {"mcpServers": servers})

    assert {finding.server for finding in host_findings(desk.machine)} == {"mine", "alaya", "odder"}


def test_entries_for_one_project_in_claude_codes_own_file_are_found(desk: Desk) -> None:
    local = {"projects": {"/src/p": {"mcpServers": {"alaya": {"command": "uvx", "args": [STRANGER]}}}}}
    desk.write(CODE, local)

    (finding,) = host_findings(desk.machine)

    assert finding.problem == "strangers_package"
    assert "(project /src/p)" in finding.message


def test_a_working_directory_that_is_the_home_directory_is_looked_at_once(desk: Desk) -> None:
    desk.write(CURSOR, "{")
    at_home = Machine("linux", desk.machine.home, desk.environ, desk.machine.home)

    assert len(host_findings(at_home)) == 1


def passes(desk: Desk, host: Host, name: str = "alaya") -> dict[str, str]:
    server = server_of(host, desk.machine, name)
    assert server is not None
    return environment_of(host, desk.machine, server)


def test_what_a_host_passes_is_its_env_block_with_variables_replaced(desk: Desk) -> None:
    env: dict[str, Any] = {"ALAYA_ACCESS_KEY": "${AK}", "B": "${NONE}", "C": "${NONE:-c}", "D": 5, "E": None, "F": True}
    desk.environ["AK"] = "ak"
    desk.write(CODE, {"mcpServers": {"alaya": entry(desk, env=env)}})
    editors = {"ALAYA_ACCESS_KEY": "${env:AK}", "B": "${env:NONE}", "C": "${input:c}", "D": "${AK}"}
    desk.write(CURSOR, {"mcpServers": {"alaya": entry(desk, env=editors)}})
    desk.write(DESKTOP, {"mcpServers": {"alaya": entry(desk, env=editors)}})

    assert passes(desk, HOSTS["claude-code"]) == {
        "ALAYA_ACCESS_KEY": "ak",
        "B": "${NONE}",
        "C": "c",
        "D": "5",
    }
    replaced = {"ALAYA_ACCESS_KEY": "ak", "B": "", "C": "${input:c}", "D": "${AK}"}
    assert passes(desk, HOSTS["cursor"]) == replaced
    assert passes(desk, HOSTS["claude-desktop"]) == editors
    assert server_of(HOSTS["vscode"], desk.machine) is None


def test_the_nearer_entry_is_the_one_that_a_host_uses(desk: Desk) -> None:
    host = HOSTS["claude-code"]

    def named(value: str) -> dict[str, Any]:
        return {"mcpServers": {"mine": entry(desk, env={"M": "m"}), "alaya": entry(desk, env={"N": value})}}

    desk.write(CODE, named("user"))
    assert passes(desk, host) == {"N": "user"}
    assert passes(desk, host, "mine") == {"M": "m"}
    (desk.machine.directory / ".mcp.json").write_text(json.dumps(named("project")))
    assert passes(desk, host) == {"N": "project"}
    elsewhere = {"/elsewhere": named("other"), str(desk.machine.directory): named("local")}
    desk.write(CODE, {**named("user"), "projects": elsewhere})
    assert passes(desk, host) == {"N": "local"}


def test_the_command_is_the_installed_one_or_else_the_interpreter(desk: Desk) -> None:
    python = desk.command.with_name("python")

    assert launcher(python, "linux").command == str(desk.command)
    desk.command.unlink()
    assert launcher(python, "linux").command == str(python)
    assert launcher(python, "linux").args == ("-m", "alaya_mcp")


@pytest.mark.parametrize(
    ("place", "severity"), [(DESKTOP, "error"), (CURSOR, "warning"), (CODE, "warning"), (VSCODE, "warning")]
)
def test_a_byte_order_mark_is_told(desk: Desk, place: str, severity: str) -> None:
    told(desk, place, entry(desk))
    path = desk.root / "home" / place
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())

    (finding,) = host_findings(desk.machine, has_profile=True)
    assert (finding.problem, finding.severity) == ("file_has_byte_order_mark", severity)
    assert "alayanew-mcp install" in finding.next_step
