"""What the doctor tells of hosts' files, and checking with what a host passes on."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from alaya_mcp.doctor.hosts import about_host_files, passed_by
from alaya_mcp.hosts.catalogue import CLAUDE_CODE, CLAUDE_DESKTOP, CURSOR, VSCODE, Host
from tests.doctor_patient import KEYS, Patient, no_proxies_of_the_developers_own
from tests.host_machine import STRANGER, Desk, desk_in

__all__ = ["no_proxies_of_the_developers_own"]
FILE = ".cursor/mcp.json"
SHELL = {
    "PATH": "/bin",
    "ALAYA_ACCESS_KEY": "the-shells-own",
    "ALAYA_LOG_LEVEL": "INFO",
    "https_proxy": "http://p.invalid",
}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return desk_in(tmp_path, environ=SHELL.items())


def entry(desk: Desk, **other: object) -> dict[str, Any]:
    return {"command": str(desk.command), "args": [], "env": dict(KEYS), **other}


def without_account(desk: Desk) -> dict[str, Any]:
    return {"command": str(desk.command), "args": ["--sandbox"]}


def write(desk: Desk, place: str, found: dict[str, Any], key: str = "mcpServers") -> Path:
    path = desk.write(place, {key: {"alaya": found}})
    path.chmod(0o600)
    return path


def test_a_machine_without_hosts_files_has_nothing_to_look_at(desk: Desk) -> None:
    (check,) = about_host_files(desk.machine, None, has_profile=False)

    assert (check.level, check.verdict) == ("skipped", "no_host_file")
    assert "Claude Desktop, Claude Code, VS Code, Cursor, Codex, Gemini CLI" in check.found


def test_each_file_that_is_there_is_told(desk: Desk) -> None:
    path = write(desk, FILE, without_account(desk))
    other = desk.write(".claude.json", {"mcpServers": {"another": {"command": "x"}}})
    checks = about_host_files(desk.machine, None, has_profile=False)

    assert [(check.level, check.verdict) for check in checks] == [
        ("ok", "host_file_without_entry"),
        ("ok", "host_file_good"),
    ]
    assert f"{other}" in checks[0].found
    assert f"{path} starts alaya" in checks[1].found


def test_each_finding_is_a_check_of_its_own_with_its_next_step(desk: Desk) -> None:
    path = write(desk, FILE, entry(desk, command="alayanew-mcp", env={**KEYS, "ALAYA_SECRET_KEY": "${SK}"}))
    checks = about_host_files(desk.machine, None, has_profile=False)

    assert [(check.level, check.verdict) for check in checks] == [
        ("warning", "relative_command"),
        ("failed", "unexpanded_variable"),
        ("warning", "keys_in_file"),
    ]
    assert all(check.next_step for check in checks)
    assert {(fact.name, fact.value) for fact in checks[0].facts} == {("host", "cursor"), ("path", f"{path}")}
    assert KEYS["ALAYA_ACCESS_KEY"] not in repr(checks)


def test_a_stranger_in_a_hosts_file_fails_the_examination(desk: Desk) -> None:
    write(desk, FILE, {"command": "uvx", "args": [STRANGER], "env": dict(KEYS)})
    (check,) = about_host_files(desk.machine, None, has_profile=False)

    assert (check.level, check.verdict) == ("failed", "strangers_package")


def test_of_one_host_only_its_own_files_are_told(desk: Desk) -> None:
    write(desk, FILE, entry(desk, command="alayanew-mcp"))
    (check,) = about_host_files(desk.machine, CLAUDE_CODE, has_profile=False)

    assert check.found == "no configuration file of Claude Code was found"


def test_a_host_with_a_window_passes_its_env_block_and_nothing_of_this_shell(desk: Desk) -> None:
    write(desk, FILE, entry(desk, env={**KEYS, "HTTPS_PROXY": "http://q.invalid"}))
    passed = passed_by(CURSOR, desk.machine)

    assert (passed.check.level, passed.check.verdict) == ("ok", "host_entry")
    assert passed.environ == {"PATH": "/bin", **KEYS, "HTTPS_PROXY": "http://q.invalid"}


def test_a_host_of_the_terminal_passes_this_shells_variables_too(desk: Desk) -> None:
    write(desk, ".claude.json", entry(desk, env={"ALAYA_SECRET_KEY": "${ALAYA_ACCESS_KEY}"}))
    passed = passed_by(CLAUDE_CODE, desk.machine)

    assert passed.environ == {**SHELL, "ALAYA_SECRET_KEY": "the-shells-own"}


def test_what_a_host_asks_for_itself_is_not_known_but_by_this_shell(desk: Desk) -> None:
    env = {"ALAYA_ACCESS_KEY": "${input:ak}", "ALAYA_SECRET_KEY": "${input:sk}"}
    write(desk, ".config/Code/User/mcp.json", entry(desk, env=env), "servers")
    unknown = passed_by(VSCODE, desk.machine)
    desk.environ["ALAYA_SECRET_KEY"] = "the-shells-secret"
    known = passed_by(VSCODE, desk.machine)

    assert (unknown.check.level, unknown.check.verdict) == ("skipped", "host_asks")
    assert "ALAYA_SECRET_KEY" in unknown.check.next_step
    assert "ALAYA_ACCESS_KEY" not in unknown.check.next_step
    assert known.check.level == "ok"
    assert known.environ["ALAYA_SECRET_KEY"] == "the-shells-secret"


@pytest.mark.parametrize("is_sandbox", [True, False])
def test_the_projects_entry_alone_tells_both_the_env_and_the_sandbox(desk: Desk, *, is_sandbox: bool) -> None:
    sandbox = {"command": str(desk.command), "args": ["--sandbox"]}
    near, far = (sandbox, entry(desk)) if is_sandbox else (entry(desk), sandbox)
    write(desk, FILE, far)
    project = desk.machine.directory / FILE
    project.parent.mkdir()
    project.write_text(json.dumps({"mcpServers": {"alaya": near}}))
    passed = passed_by(CURSOR, desk.machine)

    assert passed.check.verdict == ("host_over_sandbox" if is_sandbox else "host_entry")
    assert ("ALAYA_ACCESS_KEY" in passed.environ) is not is_sandbox


@pytest.mark.parametrize("content", ["{", '{"mcpServers": []}'])
def test_a_file_that_cannot_be_used_is_named_rather_than_advice_to_install(desk: Desk, content: str) -> None:
    path = desk.write(FILE, content)
    check = passed_by(CURSOR, desk.machine).check

    assert (check.level, check.verdict) == ("failed", "host_file_unusable")
    assert f"{path}" in check.found
    assert "install" not in check.next_step


@pytest.mark.anyio
@pytest.mark.parametrize("value", ["${MY_AK}", "ak-${MY_AK}"])
async def test_a_variable_that_claude_code_would_need_is_told_as_not_set_where_it_is_started(
    desk: Desk, value: str
) -> None:
    base = {"ALAYA_BASE_URL": "https://alaya.invalid/v1"}
    write(desk, ".claude.json", entry(desk, env={**KEYS, **base, "ALAYA_ACCESS_KEY": value}))
    passed = passed_by(CLAUDE_CODE, desk.machine)
    examined = await Patient(passed.environ, desk.machine, CLAUDE_CODE, passed).examined()
    settings = examined.check("configuration")

    assert (settings.level, settings.verdict) == ("failed", "variable_unexpanded")
    assert "MY_AK is not set where Claude Code is started from" in settings.found
    assert settings.next_step.startswith("Set what is missing there")
    assert "does not expand" not in settings.found


@pytest.mark.anyio
async def test_a_host_without_an_entry_leaves_all_but_the_files_out(desk: Desk) -> None:
    write(desk, FILE, entry(desk))
    passed = passed_by(CLAUDE_DESKTOP, desk.machine)
    patient = Patient(passed.environ, desk.machine, CLAUDE_DESKTOP, passed)
    examined = await patient.examined()

    assert examined.troubles == [("failed", "host", "host_entry_missing")]
    assert {check.verdict for check in examined.checks[1:-1]} == {"left_out"}
    assert "install claude-desktop" in examined.check("host").next_step


async def of_host(desk: Desk, host: Host) -> list[tuple[str, str]]:
    """What is said of a host, level and text."""
    passed = passed_by(host, desk.machine)
    examined = await Patient(
        {**passed.environ, "ALAYA_BASE_URL": "http://127.0.0.1:1/v1"}, desk.machine, host, passed
    ).examined()
    return [(check.level, check.found) for check in examined.checks if check.id in {"host", "host_file"}]


@pytest.mark.anyio
async def test_a_host_without_an_entry_is_told_so_once(desk: Desk) -> None:
    path = desk.write(FILE, {"mcpServers": {"git": {"command": "uvx"}}})
    missing = ("failed", "Cursor has no entry for alayanew-mcp")

    assert await of_host(desk, CURSOR) == [missing]
    path.unlink()
    assert await of_host(desk, CURSOR) == [missing]
    path.write_text("{")
    ((level, found),) = await of_host(desk, CURSOR)
    assert (level, found.startswith(f"{path} is not valid JSON: ")) == ("failed", True)


@pytest.mark.anyio
@pytest.mark.parametrize("other", [{"url": "https://h.invalid"}, {"command": "/usr/bin/env", "env": {}}])
async def test_another_server_of_our_name_is_not_said_to_be_ours(desk: Desk, other: dict[str, Any]) -> None:
    path = write(desk, FILE, other)
    (alone, *_) = about_host_files(desk.machine, None, has_profile=False)

    assert await of_host(desk, CURSOR) == [
        ("failed", "Cursor has another server called alaya, and no entry for alayanew-mcp")
    ]
    assert "starts alaya" not in alone.found
    if "url" in other:
        assert alone.found == f"Cursor: no entry for alayanew-mcp in {path}"


@pytest.mark.anyio
async def test_beside_another_server_of_our_name_the_entry_that_is_ours_is_the_one_that_counts(desk: Desk) -> None:
    sandbox = {"command": str(desk.command), "args": ["--sandbox"]}
    path = desk.write(FILE, {"mcpServers": {"alaya": {"command": "other"}, "mine": sandbox}})
    (alone,) = about_host_files(desk.machine, None, has_profile=False)

    assert alone.found == f"Cursor: {path} starts mine"
    assert await of_host(desk, CURSOR) == [
        ("skipped", "Cursor's entry mine starts the embedded sandbox, which needs no account"),
        ("ok", alone.found),
    ]


@pytest.mark.anyio
async def test_a_project_that_gives_our_name_to_another_server_hides_ours(desk: Desk) -> None:
    write(desk, FILE, without_account(desk))
    shared = desk.machine.directory / FILE
    shared.parent.mkdir()
    shared.write_text(json.dumps({"mcpServers": {"alaya": {"command": "other"}}}))

    assert await of_host(desk, CURSOR) == [
        ("failed", "Cursor has another server called alaya, and no entry for alayanew-mcp")
    ]


@pytest.mark.anyio
async def test_an_entry_for_another_folder_is_told_as_that(desk: Desk) -> None:
    local = {"projects": {"/src/p": {"mcpServers": {"alaya": without_account(desk)}}}}
    path = desk.write(".claude.json", local)
    path.chmod(0o600)
    (alone,) = about_host_files(desk.machine, None, has_profile=False)

    assert await of_host(desk, CLAUDE_CODE) == [
        ("failed", "Claude Code has no entry for alayanew-mcp in this folder, only in /src/p")
    ]
    assert alone.found == f"Claude Code: {path} starts alaya (project /src/p)"


def test_the_files_of_one_host_are_told_together(desk: Desk) -> None:
    own = desk.write(FILE, {"mcpServers": {}})
    shared = desk.machine.directory / FILE
    shared.parent.mkdir()
    shared.write_text(json.dumps({"mcpServers": {"alaya": {"command": str(desk.command), "args": ["--sandbox"]}}}))
    (check,) = about_host_files(desk.machine, None, has_profile=False)
    shared.unlink()
    (without,) = about_host_files(desk.machine, None, has_profile=False)

    assert (check.verdict, check.found) == ("host_file_good", f"Cursor: {shared} starts alaya")
    assert (without.verdict, without.found) == (
        "host_file_without_entry",
        f"Cursor: no entry for alayanew-mcp in {own}",
    )


@pytest.mark.anyio
async def test_a_host_over_the_sandbox_needs_no_account(desk: Desk) -> None:
    write(desk, FILE, {"command": str(desk.command), "args": ["--sandbox"]})
    passed = passed_by(CURSOR, desk.machine)
    examined = await Patient(passed.environ, desk.machine, CURSOR, passed).examined()

    assert examined.check("host").verdict == "host_over_sandbox"
    assert examined.verdicts["host_file"] == "host_file_good"
    assert examined.status == 0
    assert json.loads(examined.json)["worst"] == "ok"
    assert "All is well" not in examined.text
    assert "No problem found. Not checked: Configuration file, Settings, Environment, Proxy, DNS, TLS," in examined.text
    assert examined.text.endswith(", Served names, First token.\n")


@pytest.mark.parametrize("name", ["A=B", "", "A\0B", "\ud800"])
@pytest.mark.parametrize("is_value", [False, True])
def test_what_no_environment_can_hold_is_told_and_not_passed_on(desk: Desk, name: str, *, is_value: bool) -> None:
    if is_value and name in {"A=B", ""}:
        return  # these are good values
    env = {**KEYS, **({"X": name} if is_value else {name: "planted"})}
    write(desk, FILE, entry(desk, env=env))
    passed = passed_by(CURSOR, desk.machine)

    assert (passed.check.level, passed.check.verdict) == ("failed", "host_env_unusable")
    assert "planted" not in passed.check.found
    assert set(passed.environ) == {"PATH"}


def test_an_entry_that_is_another_servers_is_not_to_be_written_over(desk: Desk) -> None:
    write(desk, FILE, {"command": "/usr/bin/other-program", "env": {"TOKEN": "x"}})
    passed = passed_by(CURSOR, desk.machine)
    checks = about_host_files(desk.machine, CURSOR, has_profile=False)

    assert (passed.check.level, passed.check.verdict) == ("failed", "host_entry_missing")
    assert "another server called alaya" in passed.check.found
    steps = [passed.check.next_step, *(check.next_step for check in checks)]
    assert all("--name alaya-2" in step for step in steps if "alayanew-mcp install" in step)


@pytest.mark.anyio
async def test_what_a_host_sets_is_told_and_to_be_set_in_its_entry(desk: Desk) -> None:
    def nowhere(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, f"{host}:{port}")

    write(desk, FILE, entry(desk, env={**KEYS, "ALAYA_SERVICE_ID": ""}))
    passed = passed_by(CURSOR, desk.machine)
    examined = await Patient(passed.environ, desk.machine, CURSOR, passed, nowhere).examined()
    sources = {fact.name: fact.source for fact in examined.check("configuration").facts}

    assert sources["ALAYA_ACCESS_KEY"] == "Cursor's entry alaya"
    assert sources["ALAYA_SERVICE_ID"] == "empty in Cursor's entry alaya"
    assert "set HTTPS_PROXY in the entry's env if" in examined.check("dns").next_step


@pytest.mark.anyio
async def test_a_host_without_keys_is_not_told_to_ask_for_that_host(desk: Desk) -> None:
    write(desk, FILE, entry(desk, env={}))
    passed = passed_by(CURSOR, desk.machine)
    examined = await Patient(passed.environ, desk.machine, CURSOR, passed).examined()

    step = examined.check("configuration").next_step
    assert "doctor --host" not in step
    assert "`alayanew-mcp login`" in step
