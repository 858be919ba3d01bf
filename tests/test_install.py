"""`install` with files: what is written, what is asked first, and what is left alone."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.host_machine import ACCESS, KEYS, SECRET, Desk, Person, desk_in

DESKTOP = ".config/Claude/claude_desktop_config.json"
PLACES = {"claude-desktop": DESKTOP, "claude-code": ".claude.json", "cursor": ".cursor/mcp.json"}
VSCODE = ".config/Code/User/mcp.json"
OTHER: dict[str, Any] = {
    "theme": "dunkel-é",
    "mcpServers": {"git": {"command": "uvx", "args": ["mcp-server-git"], "env": {"TOKEN": "planted-token"}}},
    "zoom": 1.50,
}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """One whose environment holds the keys, and a folder for configuration that has nothing in it."""
    for name in ("HOME", "XDG_CONFIG_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "nothing"))
    return desk_in(tmp_path, environ=KEYS.items())


def everything_in(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("host", PLACES)
def test_a_persons_own_file_gets_the_keys_themselves(desk: Desk, host: str) -> None:
    assert desk.install(host) == 0

    entry = desk.data(PLACES[host])["mcpServers"]["alaya"]
    assert {**entry, "type": "stdio"} == {"type": "stdio", "command": str(desk.command), "args": [], "env": KEYS}
    assert ("type" in entry) is (host != "claude-desktop")
    if os.name == "posix":
        assert stat.S_IMODE((desk.machine.home / PLACES[host]).stat().st_mode) == 0o600


@pytest.mark.parametrize("host", [*PLACES, "vscode"])
def test_doing_it_twice_changes_nothing_and_says_so(desk: Desk, host: str) -> None:
    desk.install(host)
    before = everything_in(desk.root)
    person = Person()

    assert desk.install(host, person) == 0

    assert everything_in(desk.root) == before
    assert "Nothing was changed" in person.read
    assert person.questions == []


@pytest.mark.parametrize("level", ["user", "project"])
def test_vscode_asks_for_the_keys_itself_at_both_levels(desk: Desk, level: str) -> None:
    project = desk.machine.directory if level == "project" else None
    path = desk.machine.directory / ".vscode/mcp.json" if project else desk.machine.home / VSCODE
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"inputs": [{"type": "promptString", "id": "other"}], "servers": {"git": {}}}))

    assert desk.install("vscode", project=project) == 0

    text = path.read_text()
    data = json.loads(text)
    assert [given["id"] for given in data["inputs"]] == ["other", "alaya-access-key", "alaya-secret-key"]
    assert [(given["type"], given["password"]) for given in data["inputs"][1:]] == [("promptString", True)] * 2
    assert list(data["servers"]) == ["git", "alaya"]
    assert data["servers"]["alaya"]["type"] == "stdio"
    assert data["servers"]["alaya"]["env"] == {
        "ALAYA_ACCESS_KEY": "${input:alaya-access-key}",
        "ALAYA_SECRET_KEY": "${input:alaya-secret-key}",
    }
    assert ACCESS not in text


@pytest.mark.parametrize(
    ("host", "place", "reference"),
    [("claude-code", ".mcp.json", "${%s}"), ("cursor", ".cursor/mcp.json", "${env:%s}")],
)
def test_a_projects_file_gets_references(desk: Desk, host: str, place: str, reference: str) -> None:
    desk.environ.clear()
    person = Person(["y"])

    assert desk.install(host, person, project=Path()) == 0

    path = desk.machine.directory / place
    assert json.loads(path.read_text())["mcpServers"]["alaya"]["env"] == {name: reference % name for name in KEYS}
    assert "ALAYA_ACCESS_KEY and ALAYA_SECRET_KEY in its environment" in person.read
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) & 0o400


def test_keys_in_a_projects_file_make_way_for_references(desk: Desk) -> None:
    path = desk.machine.directory / ".mcp.json"
    path.write_text(
        json.dumps({"mcpServers": {"alaya": {"command": "alayanew-mcp", "env": {**KEYS, "HTTPS_PROXY": "http://p"}}}})
    )

    desk.install("claude-code", project=Path())

    env = json.loads(path.read_text())["mcpServers"]["alaya"]["env"]
    assert env == {**{name: f"${{{name}}}" for name in KEYS}, "HTTPS_PROXY": "http://p"}


def test_the_rest_of_the_file_its_order_and_layout_stay(desk: Desk) -> None:
    text = json.dumps(OTHER, indent=4, ensure_ascii=False).replace("1.5", "1.50")
    path = desk.write(DESKTOP, text)

    desk.install("claude-desktop")

    entry: dict[str, Any] = {"command": str(desk.command), "args": [], "env": KEYS}
    whole: dict[str, Any] = {**OTHER, "mcpServers": {**OTHER["mcpServers"], "alaya": entry}}
    expected = json.dumps(whole, indent=4, ensure_ascii=False).replace("1.5", "1.50")
    assert path.read_text(encoding="utf-8") == expected


def test_the_backup_holds_the_file_as_it_was(desk: Desk) -> None:
    path = desk.write(DESKTOP, OTHER)
    before = path.read_bytes()
    person = Person(["yes"])

    desk.install("claude-desktop", person)

    backup = path.with_name(f"{path.name}.bak")
    assert backup.read_bytes() == before
    assert str(backup) in person.read
    assert "start it again" in person.read


def test_an_entry_of_that_name_is_replaced_but_for_variables_that_are_not_ours(desk: Desk) -> None:
    old = {
        "command": "uvx",
        "args": ["alaya-mcp"],
        "timeout": 600,
        "env": {"ALAYA_ACCESS_KEY": "old-key", "HTTPS_PROXY": "http://u:planted@p.invalid"},
    }
    desk.write(DESKTOP, {"mcpServers": {"alaya": old}})
    person = Person(["y"])

    desk.install("claude-desktop", person)

    assert desk.data(DESKTOP)["mcpServers"]["alaya"] == {
        "command": str(desk.command),
        "args": [],
        "env": {**KEYS, "HTTPS_PROXY": "http://u:planted@p.invalid"},
        "timeout": 600,
    }
    assert '-        "alaya-mcp"' in person.read
    assert '+        "ALAYA_ACCESS_KEY": "… (changed)",' in person.read
    assert not [secret for secret in ("old-key", "planted", ACCESS, SECRET) if secret in person.read]


@pytest.mark.parametrize("kind", ["keys", "profile", "sandbox"])
def test_what_install_does_not_set_stays_in_the_entry(desk: Desk, kind: str) -> None:
    account = {"ALAYA_BASE_URL": "https://staging.invalid/v1", "ALAYA_SERVICE_ID": "old-one", "ALAYA_PROFILE": "1"}
    others = {
        "ALAYA_TIMEOUT_SECONDS": "300",
        "ALAYA_LOG_LEVEL": "INFO",
        "HTTPS_PROXY": "http://p.invalid",
        "ALAYA_O": "x",
    }
    old = {"ALAYA_ACCESS_KEY": "old-ak", "ALAYA_SECRET_KEY": "old-sk", **account, **others}
    desk.write(DESKTOP, {"mcpServers": {"alaya": {"command": "alayanew-mcp", "env": old}}})
    wanted = {**KEYS, **account}
    if kind == "profile":
        config = desk.root / "config.toml"
        config.write_text('[profiles.default]\naccess_key = "profile-ak"\nsecret_key = "profile-sk"\n')
        desk.environ.clear()
        desk.environ["ALAYA_CONFIG"] = str(config)
        del account["ALAYA_PROFILE"]
        wanted = {**account, "ALAYA_CONFIG": str(config)}
    person = Person(["y"])

    assert desk.install("claude-desktop", person, is_sandbox=kind == "sandbox") == 0

    kept = others if kind == "sandbox" else {**wanted, **others}
    assert desk.data(DESKTOP)["mcpServers"]["alaya"]["env"] == kept
    assert ("keeps its ALAYA_BASE_URL, where the new keys are sent" in person.read) is (kind != "sandbox")
    assert not [secret for secret in ("old-ak", "old-sk", ACCESS, SECRET) if secret in person.read]


REFERENCES = {name: f"${{env:MY_{name}}}" for name in KEYS}
INPUTS = {name: f"${{input:{name}}}" for name in KEYS}


@pytest.mark.parametrize(
    ("host", "is_project", "keys"),
    [
        ("claude-desktop", False, KEYS),
        ("cursor", False, KEYS),
        ("cursor", False, REFERENCES),
        ("cursor", True, REFERENCES),
        ("vscode", False, INPUTS),
        ("vscode", True, REFERENCES),
    ],
)
def test_a_repair_changes_the_command_alone(desk: Desk, host: str, keys: dict[str, str], *, is_project: bool) -> None:
    desk.environ.clear()
    place = ".vscode/mcp.json" if is_project and host == "vscode" else {**PLACES, "vscode": VSCODE}[host]
    path = (desk.machine.directory if is_project else desk.machine.home) / place
    args: list[str] = []
    entry = {"command": "/old/bin/alayanew-mcp", "args": args, "env": {**keys, "ALAYA_SERVICE_ID": "qwen"}}
    server = "servers" if host == "vscode" else "mcpServers"
    whole: dict[str, Any] = {"inputs": [{"id": name} for name in KEYS], server: {"alaya": entry}}
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(whole))
    nobody = Person(is_there=False)
    project = Path() if is_project else None

    assert desk.install(host, nobody, is_agreed=True, project=project) == 0

    expected = {**entry, "command": str(desk.command)}
    after = json.loads(path.read_text())
    assert {"type": "stdio", **after.pop(server)["alaya"]} == {"type": "stdio", **expected}
    assert after == {"inputs": whole["inputs"]}
    assert not [secret for secret in (ACCESS, SECRET) if secret in nobody.read]
    assert ("MY_ALAYA_ACCESS_KEY and MY_ALAYA_SECRET_KEY in its env" in nobody.read) is (keys is REFERENCES)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"ALAYA_ACCESS_KEY": ACCESS}, []),
        ({**KEYS, "ALAYA_SECRET_KEY": "your-secret-key"}, []),
        ({**KEYS, "ALAYA_SECRET_KEY": "sk-${X}"}, []),
        ({**KEYS, "ALAYA_SECRET_KEY": "${SK}"}, []),
        (KEYS, ["alaya-mcp"]),
    ],
)
def test_keys_of_an_entry_that_cannot_work_are_asked_for(desk: Desk, keys: dict[str, str], words: list[str]) -> None:
    desk.environ.clear()
    desk.write(DESKTOP, {"mcpServers": {"alaya": {"command": "uvx", "args": words or ["alayanew-mcp"], "env": keys}}})
    person = Person(["y"], secrets=["new-ak", "new-sk"])

    assert desk.install("claude-desktop", person) == 0

    env = desk.data(DESKTOP)["mcpServers"]["alaya"]["env"]
    assert env == {"ALAYA_ACCESS_KEY": "new-ak", "ALAYA_SECRET_KEY": "new-sk"}


def test_the_profile_that_an_entry_chooses_stays(desk: Desk) -> None:
    config = desk.root / "config.toml"
    config.write_text('[profiles.work]\naccess_key = "profile-ak"\nsecret_key = "profile-sk"\n')
    env = {"ALAYA_PROFILE": "work", "ALAYA_CONFIG": str(config)}
    desk.write(DESKTOP, {"mcpServers": {"alaya": {"command": "/old/alayanew-mcp", "env": env}}})
    desk.environ.clear()

    assert desk.install("claude-desktop", Person(is_there=False), is_agreed=True) == 0

    assert desk.data(DESKTOP)["mcpServers"]["alaya"]["env"] == env


def test_a_default_in_the_environment_displaces_another_value_in_the_entry(desk: Desk) -> None:
    old: dict[str, Any] = {"command": str(desk.command), "args": [], "env": {**KEYS, "ALAYA_TIMEOUT_SECONDS": "300"}}
    desk.write(DESKTOP, {"mcpServers": {"alaya": old}})
    desk.environ["ALAYA_TIMEOUT_SECONDS"] = "50"

    assert desk.install("claude-desktop") == 0

    assert desk.data(DESKTOP)["mcpServers"]["alaya"]["env"] == KEYS


def test_a_file_of_variables_that_stays_is_told_before_the_question(desk: Desk) -> None:
    desk.write(DESKTOP, {"mcpServers": {"alaya": {"command": "alayanew-mcp", "envFile": "/e"}, "b": {"envFile": "/e"}}})
    person, other = Person(["n"]), Person(["n"])

    desk.install("claude-desktop", person)
    desk.install("claude-desktop", other, name="b2")

    assert "The entry keeps its envFile" in person.said[0]
    assert "keeps its envFile" not in other.read


@pytest.mark.parametrize("entry", [{"command": "docker", "args": ["run"]}, {"url": "https://h.invalid"}])
def test_another_server_of_that_name_is_not_replaced(desk: Desk, entry: dict[str, Any]) -> None:
    path = desk.write(DESKTOP, {"mcpServers": {"alaya": entry}})
    before = everything_in(desk.root)
    person = Person(["y"])

    assert desk.install("claude-desktop", person) == 1

    assert everything_in(desk.root) == before
    assert person.warned[0].startswith(
        "Claude Desktop has another server called alaya, which is not this one. Pass --name alaya-2 to"
    )
    assert desk.install("claude-desktop", name="other") == 0
    assert json.loads(path.read_text())["mcpServers"]["alaya"] == entry


def test_what_an_entry_that_was_no_server_had_leaves_nothing_behind(desk: Desk) -> None:
    desk.write(DESKTOP, {"mcpServers": {"alaya": {"headers": {"Authorization": "x"}}}})

    desk.install("claude-desktop")

    assert set(desk.data(DESKTOP)["mcpServers"]["alaya"]) == {"command", "args", "env"}


@pytest.mark.parametrize(
    "words",
    [
        {"command": "python", "args": ["-m", "alaya_mcp"]},
        {"command": "C:\\venv\\ALAYANEW-MCP.EXE"},
        {"command": "uvx", "args": ["--from", "Alaya_MCP", "x"]},
    ],
)
def test_an_entry_is_known_as_this_servers_by_its_words(desk: Desk, words: dict[str, Any]) -> None:
    desk.write(DESKTOP, {"mcpServers": {"work": words}})

    assert desk.install("claude-desktop", name="work") == 0

    assert desk.data(DESKTOP)["mcpServers"]["work"]["command"] == str(desk.command)


def test_the_inputs_of_the_entry_before_go_with_it_where_nothing_else_uses_them(desk: Desk) -> None:
    env = {"ALAYA_ACCESS_KEY": "${input:alaya-ak}", "ALAYA_SECRET_KEY": "${input:shared}"}
    servers = {"alaya": {"command": "alayanew-mcp", "env": env}, "other": {"command": "${input:shared}"}}
    inputs = [{"id": "alaya-ak"}, {"id": "shared"}, {"id": "unrelated"}]
    desk.write(VSCODE, {"inputs": inputs, "servers": servers})

    desk.install("vscode")

    ids = [given["id"] for given in desk.data(VSCODE)["inputs"]]
    assert ids == ["shared", "unrelated", "alaya-access-key", "alaya-secret-key"]


def test_settings_that_are_not_the_default_are_carried_over(desk: Desk) -> None:
    desk.environ |= {
        "ALAYA_BASE_URL": "https://api.alayanew.com/api/serverless-infer/v1/",
        "ALAYA_SERVICE_ID": " qwen3-support ",
        "ALAYA_TIMEOUT_SECONDS": "50.0",
        "ALAYA_MAX_CONCURRENCY": "8",
        "ALAYA_LOG_LEVEL": "${LEVEL}",
        "OTHER": "x",
    }

    desk.install("cursor")

    env = desk.data(".cursor/mcp.json")["mcpServers"]["alaya"]["env"]
    assert env == {**KEYS, "ALAYA_SERVICE_ID": "qwen3-support", "ALAYA_MAX_CONCURRENCY": "8"}


@pytest.mark.parametrize(
    ("environ", "complaint"),
    [
        ({"ALAYA_SECRET_KEY": f"{SECRET} x"}, "ALAYA_SECRET_KEY has a space"),
        ({"ALAYA_SECRET_KEY": f"{SECRET}é"}, "not visible ASCII"),
        ({"ALAYA_SECRET_KEY": ""}, "ALAYA_SECRET_KEY is empty"),
        ({"ALAYA_ACCESS_KEY": "${X}"}, "ALAYA_ACCESS_KEY holds a reference that was not replaced"),
        ({"ALAYA_TIMEOUT_SECONDS": "soon"}, "ALAYA_TIMEOUT_SECONDS"),
        ({"ALAYA_BASE_URL": "http://h.invalid"}, "ALAYA_BASE_URL"),
        ({"ALAYA_PROFILE": "none-such"}, "ALAYA_PROFILE chooses the profile 'none-such'"),
    ],
)
def test_what_the_server_would_not_take_is_not_installed(desk: Desk, environ: dict[str, str], complaint: str) -> None:
    desk.environ |= environ
    before = everything_in(desk.root)
    person = Person(["y"])

    assert desk.install("claude-desktop", person) == 1

    assert complaint in person.read
    assert SECRET not in person.read
    assert everything_in(desk.root) == before


def test_half_a_pair_in_the_environment_is_told_as_the_half_that_is_not_set(desk: Desk) -> None:
    del desk.environ["ALAYA_SECRET_KEY"]
    person = Person(["y"])

    assert desk.install("claude-desktop", person) == 1

    assert "ALAYA_SECRET_KEY is not set" in person.read
    assert person.read.endswith("Set it in this shell: `export ALAYA_SECRET_KEY=...`.")
    assert "empty" not in person.read


def test_keys_are_asked_for_where_the_environment_has_none(desk: Desk) -> None:
    desk.environ.clear()
    person = Person(["y"], secrets=[f" {ACCESS}\n", SECRET])

    assert desk.install("claude-desktop", person) == 0

    assert desk.data(DESKTOP)["mcpServers"]["alaya"]["env"] == KEYS
    assert person.questions[:2] == ["Access key: ", "Secret key: "]


def test_without_keys_and_without_anybody_to_ask_it_says_how(desk: Desk) -> None:
    desk.environ.clear()
    nobody = Person(is_there=False)

    assert desk.install("claude-desktop", nobody, is_agreed=True) == 1

    assert "set ALAYA_ACCESS_KEY and ALAYA_SECRET_KEY" in nobody.read
    assert everything_in(desk.machine.home) == {}


def test_a_profile_with_both_keys_is_named_in_their_place(desk: Desk) -> None:
    config = desk.root / "config.toml"
    config.write_text('[profiles.work]\naccess_key = "profile-ak"\nsecret_key = "profile-sk"\n')
    desk.environ.clear()
    desk.environ |= {"ALAYA_CONFIG": str(config), "ALAYA_PROFILE": "work"}
    desk.write(DESKTOP, {"mcpServers": {"alaya": {"command": "alayanew-mcp", "env": {**KEYS, "N": "1"}}}})

    assert desk.install("claude-desktop", Person(["y"])) == 0
    assert desk.install("vscode", Person(["y"])) == 0

    named = {"ALAYA_PROFILE": "work", "ALAYA_CONFIG": str(config)}
    assert desk.data(DESKTOP)["mcpServers"]["alaya"]["env"] == {**named, "N": "1"}
    assert desk.data(VSCODE)["servers"]["alaya"]["env"] == named
    assert "inputs" not in desk.data(VSCODE)


@pytest.mark.parametrize("host", ["claude-code", "vscode", "cursor"])
def test_a_projects_file_names_nobodys_own_profile(desk: Desk, host: str) -> None:
    config = desk.root / "config.toml"
    config.write_text('[profiles.work]\naccess_key = "profile-ak"\nsecret_key = "profile-sk"\n')
    desk.environ |= {"ALAYA_CONFIG": str(config), "ALAYA_PROFILE": "work", "ALAYA_SERVICE_ID": "qwen"}

    assert desk.install(host, project=Path()) == 0

    (written,) = [path for path in everything_in(desk.machine.directory) if path.name.endswith("mcp.json")]
    text = written.read_text(encoding="utf-8")
    assert '"ALAYA_SERVICE_ID": "qwen"' in text
    assert "ALAYA_PROFILE" not in text
    assert "ALAYA_CONFIG" not in text


@pytest.mark.parametrize("host", ["claude-desktop", "vscode"])
def test_the_sandbox_needs_no_keys_and_gets_none(desk: Desk, host: str) -> None:
    place, key = (VSCODE, "servers") if host == "vscode" else (DESKTOP, "mcpServers")
    desk.write(place, {key: {"alaya": {"command": "alayanew-mcp", "env": {**KEYS, "N": "1"}}}})
    desk.environ.clear()

    assert desk.install(host, is_sandbox=True) == 0

    entry = desk.data(place)[key]["alaya"]
    assert (entry["args"], entry["env"]) == (["--sandbox"], {"N": "1"})
    assert "inputs" not in desk.data(place)


def test_another_name_is_another_entry_with_inputs_of_its_own(desk: Desk) -> None:
    desk.install("vscode")
    desk.install("vscode", name="work")

    assert list(desk.data(VSCODE)["servers"]) == ["alaya", "work"]
    assert [given["id"] for given in desk.data(VSCODE)["inputs"]][2:] == ["work-access-key", "work-secret-key"]


@pytest.mark.parametrize("name", ["", "-x", "a b", "a.b", "é", "a" * 33])
def test_a_name_that_some_host_would_not_take_is_refused(desk: Desk, name: str) -> None:
    person = Person(["y"])

    assert desk.install("cursor", person, name=name) == 1
    assert person.warned == [
        "A server's name has 1 to 32 letters, digits, - and _, and starts with a letter or a digit."
    ]


def test_a_project_is_refused_where_there_is_none(desk: Desk) -> None:
    person = Person()

    assert desk.install("claude-desktop", person, project=Path()) == 1
    assert desk.install("cursor", person, project=Path("nowhere")) == 1

    assert "Claude Desktop has no configuration file for projects" in person.warned[0]
    assert "is not a folder" in person.warned[1]


@pytest.mark.parametrize("has_keys", [True, False])
def test_a_dry_run_shows_the_difference_and_writes_nothing(desk: Desk, *, has_keys: bool) -> None:
    desk.write(DESKTOP, OTHER)
    if not has_keys:
        desk.environ.clear()
    before = everything_in(desk.root)
    person = Person()

    assert desk.install("claude-desktop", person, is_dry=True) == 0

    assert everything_in(desk.root) == before
    assert '+    "alaya": {' in person.read
    assert "A dry run: nothing was changed." in person.read
    assert person.questions == []


def test_no_is_an_answer_and_without_a_terminal_only_yes_goes_ahead(desk: Desk) -> None:
    answers = [Person(["n"]), Person([""]), Person(["Yes, but"]), Person(is_there=False)]

    statuses = [desk.install("claude-desktop", person) for person in answers]

    assert statuses == [1, 1, 1, 1]
    assert everything_in(desk.machine.home) == {}
    assert "--yes goes ahead without asking" in answers[3].read
    assert desk.install("claude-desktop", Person(is_there=False), is_agreed=True) == 0


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{ // mine\n}", "has comments or trailing commas"),
        ('{"mcpServers": {},}', "has comments or trailing commas"),
        ('{"mcpServers": ', "is not valid JSON"),
        ('{"mcpServers": []}', 'has a "mcpServers" that is not an object'),
        ("[]", "does not hold a JSON object"),
    ],
)
def test_a_file_that_cannot_be_changed_safely_is_left_alone_and_the_snippet_is_shown(
    desk: Desk, content: str, why: str
) -> None:
    desk.write(DESKTOP, content)
    before = everything_in(desk.root)
    person = Person(["y"])

    assert desk.install("claude-desktop", person) == 1

    assert everything_in(desk.root) == before
    assert why in person.warned[0]
    assert ("Repair it, then run this again" in person.warned[0]) is ("comments" not in why)
    assert json.loads(person.said[0])["mcpServers"]["alaya"]["env"] == {
        "ALAYA_ACCESS_KEY": "your access key",
        "ALAYA_SECRET_KEY": "your secret key",
    }


def test_vscodes_comments_are_left_alone_too_where_it_has_no_command(desk: Desk) -> None:
    desk.write(VSCODE, '{"servers": {} /* none */}')
    person = Person(["y"])

    assert desk.install("vscode", person) == 1
    assert len(json.loads(person.said[0])["inputs"]) == 2


def test_a_file_that_changes_while_the_question_waits_is_not_overwritten(desk: Desk) -> None:
    path = desk.write(DESKTOP, OTHER)
    person = Person(["y"], before_answering=lambda: path.write_text('{"new": 1}'))

    assert desk.install("claude-desktop", person) == 1

    assert path.read_text() == '{"new": 1}'
    assert "changed by another program meanwhile" in person.read
    assert list(everything_in(path.parent)) == [path]


def test_a_file_that_cannot_be_written_is_told(desk: Desk) -> None:
    person = Person(["y"], before_answering=(desk.machine.home / ".cursor").touch)

    assert desk.install("cursor", person) == 1

    (warning,) = person.warned
    assert "could not be changed: " in warning
    assert (desk.machine.home / ".cursor").read_bytes() == b""


@pytest.mark.parametrize("entry", ["text", 5, None, [], {"env": []}, {"command": 5, "args": {}, "env": {"A": None}}])
def test_an_entry_of_an_odd_kind_is_replaced(desk: Desk, entry: object) -> None:
    desk.write(DESKTOP, {"mcpServers": {"alaya": entry}})

    assert desk.install("claude-desktop") == 0

    assert desk.data(DESKTOP)["mcpServers"]["alaya"]["command"] == str(desk.command)


def test_beside_a_default_profile_a_default_is_carried_over_too(desk: Desk) -> None:
    config = desk.root / "config.toml"
    config.write_text('[profiles.default]\nbase_url = "https://elsewhere.invalid"\n')
    base = "https://api.alayanew.com/api/serverless-infer/v1"
    desk.environ |= {"ALAYA_CONFIG": str(config), "ALAYA_BASE_URL": base}

    desk.install("cursor")

    env = desk.data(".cursor/mcp.json")["mcpServers"]["alaya"]["env"]
    assert env == {**KEYS, "ALAYA_BASE_URL": base, "ALAYA_CONFIG": str(config)}


@pytest.mark.parametrize("host", ["claude-desktop", "cursor"])
def test_a_byte_order_mark_is_left_out_even_where_nothing_else_changes(desk: Desk, host: str) -> None:
    desk.install(host)
    (path,) = [each for each in desk.machine.home.rglob("*.json") if "bak" not in each.name]
    plain = path.read_bytes()
    path.write_bytes(b"\xef\xbb\xbf" + plain)
    person = Person(["y"])

    assert desk.install(host, person) == 0
    assert path.read_bytes() == plain
    assert "byte order mark" in person.read


def test_a_file_of_utf_16_is_left_alone_and_told(desk: Desk) -> None:
    path = desk.write("Library/x", "{}").parent.parent / ".cursor" / "mcp.json"
    path.parent.mkdir()
    path.write_bytes("{}".encode("utf-16"))
    person = Person(["y"])

    assert desk.install("cursor", person) == 1
    assert path.read_bytes() == "{}".encode("utf-16")
    assert "is UTF-16" in person.read
