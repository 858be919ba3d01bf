"""`install` and `uninstall` in each host: where, in which form, and every file as it was afterwards."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from alaya_mcp.cli.uninstall import with_entry
from alaya_mcp.hosts.catalogue import HOSTS
from alaya_mcp.hosts.documents import read_document
from alaya_mcp.hosts.places import present_hosts, user_file
from tests.host_machine import ACCESS, KEYS, PROFILE, SECRET, Desk, Person, desk_in, posix_only

PLACES = {
    "claude-desktop": (".config/Claude/claude_desktop_config.json", "mcpServers"),
    "claude-code": (".claude.json", "mcpServers"),
    "vscode": (".config/Code/User/mcp.json", "servers"),
    "cursor": (".cursor/mcp.json", "mcpServers"),
    "codex": (".codex/config.toml", "mcp_servers"),
    "gemini": (".gemini/settings.json", "mcpServers"),
    "qwen": (".qwen/settings.json", "mcpServers"),
    "copilot": (".copilot/mcp-config.json", "mcpServers"),
    "opencode": (".config/opencode/opencode.json", "mcp"),
    "cline": (".cline/data/settings/cline_mcp_settings.json", "mcpServers"),
}
TEXTS = [
    "",
    "{}",
    "{\n}\n",
    '{\n  "%s": {\n    "git": {"command":"uvx", "n":1e3}\n  },\n  "é": "\\u00e9"\n}',
    '{\n\t"theme": "dark",\n\t"%s": {}\n}\n',
    '{"a":1,"theme":"dark"}',
    '{\r\n  "n": 1e3,\r\n  "é": "\\u00e9"\r\n}\r\n',
    '\ufeff{\n  "theme": "暗色"\n}\n',
    '// mine\n{\n  // servers\n  "%s": {\n    "git": {"command": "uvx"} // git, {"alaya": 1}\n  } /* end */\n}\n',
    '{\n  "%s": {\n    "git": {"command": "uvx"}, // trailing\n  },\n}\n',
]
TOMLS = [
    "",
    'model = "x"',
    '# 我的\nmodel = "x" # the model\n\n[mcp_servers.git]\ncommand = "uvx"\n\n\n[tui]\nn = 1\n',
    'model = "x"\r\n\r\n[a]\r\nb = 1\r\n',
    'mcp_servers = { git = { command = "uvx" } }\n',
    'mcp_servers.git.command = "uvx"\nmodel = "x"\n',
    "# nothing yet\n\n",
]
FILES = [
    (host, text.replace("%s", key) if host != "codex" else text, has_env_keys)
    for host, (_, key) in PLACES.items()
    for text in (TOMLS if host == "codex" else TEXTS)
    for has_env_keys in ([False, True] if host == "vscode" else [False])
]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """One of somebody who has logged in, in a home folder with a Chinese name."""
    for name in ("HOME", "XDG_CONFIG_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "own"))
    folder = tmp_path / "张伟"
    folder.mkdir()
    desk = desk_in(folder)
    desk.log_in()
    return desk


def data_of(desk: Desk, host: str) -> dict[str, Any]:
    return {**read_document(desk.machine.home / PLACES[host][0]).data}


def test_there_are_ten() -> None:
    assert list(PLACES) == list(HOSTS)


@pytest.mark.parametrize("host", PLACES)
def test_each_host_gets_the_entry_in_its_own_form(desk: Desk, host: str) -> None:
    place, key = PLACES[host]
    command = str(desk.command)
    usual: dict[str, Any] = {"command": command, "args": ["--sandbox"], "env": {"N": "1"}}
    expected = {
        "opencode": {"type": "local", "command": [command, "--sandbox"], "environment": {"N": "1"}, "enabled": True},
        "copilot": {"type": "local", **usual, "tools": ["*"]},
    }
    typed = {"type": "stdio", **usual} if host in {"claude-code", "vscode", "cursor"} else usual
    # What an entry of before sets besides stays.
    before: dict[str, Any] = {"command": "alayanew-mcp", HOSTS[host].env_key: {"N": "1"}}
    path = desk.machine.home / place
    path.parent.mkdir(parents=True, exist_ok=True)
    toml = '[mcp_servers.alaya]\ncommand = "alayanew-mcp"\n[mcp_servers.alaya.env]\nN = "1"\n'
    path.write_text(toml if host == "codex" else json.dumps({key: {"alaya": before}}))

    assert desk.install(host, is_sandbox=True) == 0

    assert user_file(HOSTS[host], desk.machine) == path
    assert data_of(desk, host) == {key: {"alaya": expected.get(host, typed)}}


@pytest.mark.parametrize(
    ("host", "keys"),
    [
        ("claude-code", {name: f"${{{name}}}" for name in KEYS}),
        ("gemini", {name: f"${{{name}}}" for name in KEYS}),
        ("qwen", {name: f"${{{name}}}" for name in KEYS}),
        ("copilot", {name: f"${{{name}}}" for name in KEYS}),
        ("cursor", {name: f"${{env:{name}}}" for name in KEYS}),
        ("opencode", {name: f"{{env:{name}}}" for name in KEYS}),
    ],
)
def test_keys_of_the_environment_are_referred_to_in_the_hosts_own_way(
    desk: Desk, host: str, keys: dict[str, str]
) -> None:
    person = Person(["y"])

    assert desk.install(host, person, has_env_keys=True) == 0

    assert data_of(desk, host)[PLACES[host][1]]["alaya"][HOSTS[host].env_key] == keys
    assert "ALAYA_ACCESS_KEY and ALAYA_SECRET_KEY in its environment" in person.read


def test_codex_passes_variables_by_name_and_vscode_asks(desk: Desk) -> None:
    assert desk.install("codex", has_env_keys=True) == 0
    assert desk.install("vscode", has_env_keys=True) == 0

    entry = data_of(desk, "codex")["mcp_servers"]["alaya"]
    assert entry == {"command": str(desk.command), "args": [], "env_vars": [*KEYS]}
    vscode = data_of(desk, "vscode")
    assert [(given["id"], given["password"]) for given in vscode["inputs"]] == [
        ("alaya-access-key", True),
        ("alaya-secret-key", True),
    ]
    assert vscode["servers"]["alaya"]["env"] == {
        "ALAYA_ACCESS_KEY": "${input:alaya-access-key}",
        "ALAYA_SECRET_KEY": "${input:alaya-secret-key}",
    }


@pytest.mark.parametrize(("host", "text", "has_env_keys"), FILES)
def test_every_file_is_given_back_byte_for_byte(desk: Desk, host: str, text: str, *, has_env_keys: bool) -> None:
    place, key = PLACES[host]
    path = desk.write(place, text)
    others = {**read_document(path).data}

    assert desk.install(host, has_env_keys=has_env_keys) == 0
    installed = data_of(desk, host)
    assert installed[key].pop("alaya")["command"]
    installed.pop("inputs", None)
    assert {key: {}, **others} == installed
    assert desk.uninstall(host) == 0

    assert path.read_bytes() == text.encode()
    assert [file.name for file in path.parent.iterdir() if file.is_file()] == [path.name]


@pytest.mark.parametrize("host", PLACES)
def test_a_file_that_was_not_there_goes_again(desk: Desk, host: str) -> None:
    desk.install(host)
    desk.install(host, name="work")
    assert desk.uninstall(host, name="work") == 0
    assert desk.uninstall(host) == 0

    assert not (desk.machine.home / PLACES[host][0]).exists()


def test_copies_of_the_files_with_only_our_entry_more_go_with_it(desk: Desk) -> None:
    path = desk.write(PLACES["qwen"][0], '{\n  "a": 1\n}\n')
    desk.install("qwen", is_sandbox=True)
    desk.install("qwen")

    assert desk.uninstall("qwen") == 0

    assert [(file.name, file.read_text()) for file in path.parent.iterdir()] == [("settings.json", '{\n  "a": 1\n}\n')]


@pytest.mark.parametrize("host", PLACES)
def test_what_the_host_or_its_user_wrote_meanwhile_stays(desk: Desk, host: str) -> None:
    place, key = PLACES[host]
    text = '# c\nmodel = "x"\n' if host == "codex" else '{\n  "theme": "dark"\n}\n'
    path = desk.write(place, text)
    desk.install(host)
    more = "\n[more]\nn = 1\n" if host == "codex" else None
    path.write_text(path.read_text() + more if more else path.read_text().replace('"dark"', '"light"'))

    assert desk.uninstall(host) == 0

    left = tomllib.loads(path.read_text()) if host == "codex" else json.loads(path.read_text())
    assert left == ({"model": "x", "more": {"n": 1}} if host == "codex" else {"theme": "light"})
    assert key not in path.read_text()


@pytest.mark.parametrize("host", PLACES)
def test_a_repair_keeps_comments_inside_and_around_the_entry(desk: Desk, host: str) -> None:
    place, key = PLACES[host]
    if host == "codex":
        text = '[mcp_servers.alaya]\n# why\ncommand = "/old/alayanew-mcp" # here\nstartup_timeout_sec = 9\n'
    else:
        command = '["/old/alayanew-mcp"]' if host == "opencode" else '"/old/alayanew-mcp"'
        members = f'// why\n      "command": {command}, // here\n      "n": 9'
        text = f'{{\n  "{key}": {{\n    "alaya": {{\n      {members}\n    }}\n  }}\n}}\n'
    path = desk.write(place, text)

    assert desk.install(host) == 0

    after = path.read_text()
    assert str(desk.command) in after
    assert "/old/" not in after
    marks = ("# why", "# here", "startup_timeout_sec = 9") if host == "codex" else ("// why", "// here", '"n": 9')
    assert all(mark in after for mark in marks)


@pytest.mark.parametrize("host", PLACES)
def test_entries_of_before_with_keys_are_taken_over_by_a_login(desk: Desk, host: str) -> None:
    place, key = PLACES[host]
    env = HOSTS[host].env_key
    if host == "codex":
        pairs = "".join(f'{name} = "{value}"\n' for name, value in KEYS.items())
        text = f'[mcp_servers.alaya]\ncommand = "{desk.command}"\nargs = []\n[mcp_servers.alaya.env]\n{pairs}N = "1"\n'
    else:
        text = json.dumps({key: {"alaya": {"command": str(desk.command), "args": [], env: {**KEYS, "N": "1"}}}})
    path = desk.write(place, text)

    assert desk.install(host) == 0

    assert data_of(desk, host)[key]["alaya"][env] == {"N": "1"}
    assert not [secret for secret in (ACCESS, SECRET) if secret in path.read_text()]


@pytest.mark.parametrize("text", ['[[mcp_servers]]\nname = "x"\n', 'mcp_servers = "x"\n'])
def test_a_file_of_codex_that_it_could_not_read_itself_is_left_alone(desk: Desk, text: str) -> None:
    path = desk.write(".codex/config.toml", text)
    person = Person(["y"])

    assert desk.install("codex", person) == 1

    assert path.read_text() == text
    assert 'has a "mcp_servers" that is not an object' in person.read
    assert tomllib.loads(person.said[0])["mcp_servers"]["alaya"]["command"] == str(desk.command)


def test_toml_that_does_not_parse_is_told_with_its_place_and_not_quoted(desk: Desk) -> None:
    desk.write(".codex/config.toml", "a = 1\nkey = planted-secret\n")
    person = Person(["y"])

    assert desk.install("codex", person) == 1

    assert "is not valid TOML: at line 2, column 7" in person.warned[0]
    assert "planted" not in person.read


def test_hosts_are_found_by_their_commands_files_or_folders(desk: Desk) -> None:
    assert present_hosts(desk.machine, lambda _name: None) == []
    (desk.machine.home / ".codex").mkdir()
    (desk.machine.home / ".config/Code").mkdir(parents=True)
    (desk.machine.home / ".cline/data").mkdir(parents=True)
    desk.write(".claude.json", "{}")

    found = present_hosts(desk.machine, lambda name: "/bin/qwen" if name == "qwen" else None)

    assert [host.name for host in found] == ["claude-code", "vscode", "codex", "qwen", "cline"]


def test_an_uninstall_of_all_is_of_those_that_have_it(desk: Desk) -> None:
    desk.install("codex")
    desk.install("opencode")
    desk.install("cursor", name="work")

    assert [host.name for host in with_entry("alaya", desk.machine)] == ["codex", "opencode"]


@posix_only
def test_a_linked_file_is_emptied_and_not_deleted(desk: Desk) -> None:
    target, link = desk.root / "dotfiles.json", desk.machine.home / PLACES["cursor"][0]
    target.write_text("")
    link.parent.mkdir(parents=True)
    link.symlink_to(target)
    desk.install("cursor")
    link.with_name("mcp.json.bak").unlink()

    assert desk.uninstall("cursor") == 0

    assert link.is_symlink()
    assert target.read_text() == "{}\n"


def test_a_profile_names_no_key_and_neither_does_any_file_of_a_host(desk: Desk) -> None:
    for host in PLACES:
        assert desk.install(host) == 0

    holders = [path for path in desk.root.parent.rglob("*") if path.is_file() and SECRET in path.read_text()]
    assert holders == [desk.config]
    assert desk.config.read_text() == PROFILE


@pytest.mark.parametrize("host", ["cursor", "codex"])
def test_an_edit_that_differs_in_spaces_inside_a_text_or_a_comment_is_kept(desk: Desk, host: str) -> None:
    place, _ = PLACES[host]
    text = '# a b\nx = "a b"\n' if host == "codex" else '{\n  // a b\n  "x": "a b"\n}\n'
    path = desk.write(place, text)
    desk.install(host)
    path.write_text(path.read_text().replace("a b", "ab"))

    assert desk.uninstall(host) == 0

    assert "".join(path.read_text().split()) == "".join(text.replace("a b", "ab").split())
    assert "a b" not in path.read_text()


def test_a_table_with_a_header_of_its_own_stays(desk: Desk) -> None:
    text = "[mcp_servers] # mine\n\n[tui]\nn = 1\n"
    path = desk.write(".codex/config.toml", text)
    desk.install("codex")

    assert desk.uninstall("codex") == 0

    assert path.read_text() == text
    assert [file.name for file in path.parent.iterdir()] == ["config.toml"]


def test_tables_that_the_library_cannot_join_are_left_alone(desk: Desk) -> None:
    text = "[mcp_servers.alaya.tools.chat]\nx = 1\n[mcp_servers.other.env]\nA = 1\n[mcp_servers.alaya.env]\nB = 2\n"
    path = desk.write(".codex/config.toml", text)
    person = Person(["y"])

    desk.install("codex", person, is_sandbox=True)

    said = "has its servers in a form that cannot be edited. It is left alone" in person.read
    assert said or tomllib.loads(path.read_text())["mcp_servers"]["other"] == {"env": {"A": 1}}


def test_a_copy_that_the_user_made_is_not_touched(desk: Desk) -> None:
    path = desk.write(PLACES["cursor"][0], '{\n  "a": 1\n}\n')
    own = path.with_name("mcp.json.bak")
    own.write_text('{"a": 1}')
    desk.install("cursor", is_sandbox=True)
    desk.install("cursor")

    assert desk.uninstall("cursor") == 0

    assert (path.read_text(), own.read_text()) == ('{\n  "a": 1\n}\n', '{"a": 1}')
    assert len([*path.parent.iterdir()]) == 2


def test_an_input_that_the_user_made_for_our_entry_stays(desk: Desk) -> None:
    env = {"ALAYA_SERVICE_ID": "${input:which}"}
    desk.write(
        PLACES["vscode"][0],
        json.dumps({"inputs": [{"id": "which"}], "servers": {"alaya": {"command": "alayanew-mcp", "env": env}}}),
    )

    assert desk.uninstall("vscode") == 0

    assert data_of(desk, "vscode") == {"inputs": [{"id": "which"}]}


def test_a_copy_that_cannot_be_edited_is_no_obstacle(desk: Desk) -> None:
    path = desk.write(PLACES["cursor"][0], '{"mcpServers": {"alaya": {"command": "alayanew-mcp"}}, "a": 1}')
    path.with_name("mcp.json.bak").write_text('{ // c\n"mcpServers": {}\n  , "a": 1}')

    assert desk.uninstall("cursor") == 0

    assert data_of(desk, "cursor") == {"a": 1}


def test_keys_that_codex_passed_by_name_make_way_for_a_login(desk: Desk) -> None:
    names = '["ALAYA_ACCESS_KEY", "ALAYA_SECRET_KEY", "PROXY"]'
    desk.write(".codex/config.toml", f'[mcp_servers.alaya]\ncommand = "alayanew-mcp"\nenv_vars = {names}\n')

    assert desk.install("codex") == 0

    assert data_of(desk, "codex")["mcp_servers"]["alaya"]["env_vars"] == ["PROXY"]
