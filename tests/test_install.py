"""`install`: what is written, what is asked first, and what is left alone."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.host_machine import ACCESS, KEYS, PROFILE, SECRET, STRANGER, Desk, Person, desk_in

DESKTOP = ".config/Claude/claude_desktop_config.json"
VSCODE = ".config/Code/User/mcp.json"
OTHER: dict[str, Any] = {
    "theme": "dunkel-é",
    "mcpServers": {"git": {"command": "uvx", "args": ["mcp-server-git"], "env": {"TOKEN": "planted-token"}}},
    "zoom": 1.50,
}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """One of somebody who has logged in."""
    for name in ("HOME", "XDG_CONFIG_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "own"))
    desk = desk_in(tmp_path)
    desk.log_in()
    return desk


def everything_in(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def entry_of(desk: Desk, place: str = DESKTOP, name: str = "alaya") -> dict[str, Any]:
    data = desk.data(place)
    return data["servers" if place == VSCODE else "mcpServers"][name]


def test_somebody_who_is_logged_in_is_asked_for_nothing_but_a_yes(desk: Desk) -> None:
    person = Person(["y"])

    assert desk.install("claude-desktop", person) == 0

    assert entry_of(desk) == {"command": str(desk.command), "args": []}
    assert (desk.logins, person.questions, desk.judged) == (0, ["Write this? [y/N] "], ["claude-desktop"])


def test_nobody_logged_in_is_logged_in_first(desk: Desk) -> None:
    desk.config.unlink()
    person = Person(["y"], can_log_in=True)

    assert desk.install("claude-desktop", person) == 0

    assert (desk.logins, entry_of(desk)) == (1, {"command": str(desk.command), "args": []})


def test_a_profile_whose_keys_are_in_the_keychain_is_a_login_too(desk: Desk) -> None:
    desk.config.write_text('[profiles.default]\nkeyring = "default 01234567"\n')

    assert desk.install("claude-desktop", Person(["y"])) == 0

    assert (desk.logins, entry_of(desk)) == (0, {"command": str(desk.command), "args": []})


def test_without_a_login_nothing_is_written_and_the_refusal_names_the_command(desk: Desk) -> None:
    desk.config.unlink()
    nobody = Person(is_there=False)

    assert desk.install("claude-desktop", nobody, is_agreed=True) == 1

    assert "run `alayanew-mcp login` first" in nobody.read
    assert everything_in(desk.machine.home) == {}


@pytest.mark.parametrize("path", ["missing.toml", "there.toml"])
def test_a_configuration_file_of_another_place_is_named_in_the_entry(desk: Desk, path: str) -> None:
    config = desk.root / path
    if path == "there.toml":
        config.write_text(PROFILE)
    desk.environ["ALAYA_CONFIG"] = str(config)

    status = desk.install("claude-desktop", Person(["y"]))

    assert status == (0 if config.exists() else 1)
    if config.exists():
        assert entry_of(desk)["env"] == {"ALAYA_CONFIG": str(config)}


def test_a_folder_that_only_the_shell_knows_is_named_too(desk: Desk) -> None:
    desk.environ["XDG_CONFIG_HOME"] = os.environ["XDG_CONFIG_HOME"]

    assert desk.install("cursor") == 0

    assert entry_of(desk, ".cursor/mcp.json")["env"] == {"ALAYA_CONFIG": str(desk.config)}


def test_doing_it_twice_changes_nothing_and_says_so(desk: Desk) -> None:
    desk.install("claude-desktop")
    before = everything_in(desk.root)
    person = Person()

    assert desk.install("claude-desktop", person) == 0

    assert everything_in(desk.root) == before
    assert "Nothing was changed" in person.read
    assert person.questions == []


def test_no_key_of_the_shell_is_written_anywhere(desk: Desk) -> None:
    desk.environ |= KEYS
    person = Person(["y"])

    assert desk.install("claude-desktop", person) == 0

    assert entry_of(desk) == {"command": str(desk.command), "args": []}
    assert not [secret for secret in (ACCESS, SECRET) if secret in person.read]


def test_the_rest_of_the_file_its_order_and_layout_stay(desk: Desk) -> None:
    text = json.dumps(OTHER, indent=4, ensure_ascii=False).replace("1.5", "1.50")
    path = desk.write(DESKTOP, text)

    desk.install("claude-desktop")

    entry: dict[str, Any] = {"command": str(desk.command), "args": []}
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
    assert "planted-token" not in person.read


@pytest.mark.parametrize("is_logged_in", [True, False])
def test_keys_in_an_entry_of_before_make_way_for_a_login_and_stay_without_one(
    desk: Desk, *, is_logged_in: bool
) -> None:
    if not is_logged_in:
        desk.config.unlink()
    others = {"HTTPS_PROXY": "http://u:planted@p.invalid", "ALAYA_SERVICE_ID": "qwen"}
    old: dict[str, Any] = {"command": "/old/alayanew-mcp", "args": [], "timeout": 600, "env": {**KEYS, **others}}
    desk.write(DESKTOP, {"mcpServers": {"alaya": old}})
    person = Person(["y"])

    assert desk.install("claude-desktop", person) == 0

    env = others if is_logged_in else {**KEYS, **others}
    assert entry_of(desk) == {**old, "command": str(desk.command), "env": env}
    assert ("Taken out of its variables: ALAYA_ACCESS_KEY, ALAYA_SECRET_KEY" in person.read) is is_logged_in
    assert ("run `alayanew-mcp login` and install again" in person.read) is not is_logged_in
    assert not [secret for secret in ("planted@", ACCESS, SECRET, "600") if secret in person.read]
    assert desk.logins == 0


REFERENCES = {name: f"${{env:MY_{name}}}" for name in KEYS}
INPUTS = {name: f"${{input:{of}}}" for name, of in zip(KEYS, ("alaya-access-key", "alaya-secret-key"), strict=True)}


@pytest.mark.parametrize("keys", [REFERENCES, INPUTS])
@pytest.mark.parametrize("is_logged_in", [True, False])
def test_references_in_a_persons_own_file_make_way_for_a_login_and_stay_without_one(
    desk: Desk, keys: dict[str, str], *, is_logged_in: bool
) -> None:
    if not is_logged_in:
        desk.config.unlink()
    inputs = [{"id": "alaya-access-key"}, {"id": "alaya-secret-key"}]
    desk.write(VSCODE, {"inputs": inputs, "servers": {"alaya": {"command": "/old/alayanew-mcp", "env": keys}}})

    assert desk.install("vscode", Person(is_there=False), is_agreed=True) == 0

    left = {} if is_logged_in else {"env": keys}
    assert entry_of(desk, VSCODE) == {"type": "stdio", "command": str(desk.command), "args": [], **left}
    assert desk.data(VSCODE).get("inputs") == (None if is_logged_in and keys is INPUTS else inputs)


def test_references_in_a_projects_file_are_everybodys_and_stay(desk: Desk) -> None:
    path = desk.machine.directory / ".cursor/mcp.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"mcpServers": {"alaya": {"command": "/old/alayanew-mcp", "env": REFERENCES}}}))

    assert desk.install("cursor", project=Path()) == 0

    assert json.loads(path.read_text())["mcpServers"]["alaya"]["env"] == REFERENCES


def test_keys_that_are_taken_out_of_a_file_are_in_no_copy_of_it(desk: Desk) -> None:
    desk.write(DESKTOP, {"theme": "dark", "mcpServers": {"alaya": {"command": "alayanew-mcp", "env": KEYS}}})

    assert desk.install("claude-desktop") == 0

    assert [path for path, content in everything_in(desk.machine.home).items() if SECRET.encode() in content] == []


@pytest.mark.parametrize(
    "folder", ["home/.cache/uv/archive-v0/KDVT", "home/.cache/pipx/8ef88e", "home/.local/pipx/.cache/8ef88e"]
)
def test_a_command_that_is_deleted_later_is_not_installed(desk: Desk, folder: str) -> None:
    desk.command.parent.rename(desk.root / "kept")
    temporary = desk.root / folder / "bin"
    temporary.parent.mkdir(parents=True)
    (desk.root / "kept").rename(temporary)
    (desk.root / "venv").symlink_to(temporary)
    desk.folder = folder + "/bin"
    person = Person(["y"])

    assert desk.install("cursor", person) == 1

    assert "uvx or pipx made for one run" in person.read
    assert not (desk.machine.home / ".cursor").exists()


@pytest.mark.parametrize("keys", [{"ALAYA_ACCESS_KEY": ACCESS}, {**KEYS, "ALAYA_SECRET_KEY": "your-secret-key"}, {}])
def test_half_a_pair_or_a_placeholder_in_an_entry_is_no_pair(desk: Desk, keys: dict[str, str]) -> None:
    desk.config.unlink()
    desk.write(DESKTOP, {"mcpServers": {"alaya": {"command": "alayanew-mcp", "env": keys}}})

    assert desk.install("claude-desktop", Person(["y"], can_log_in=True)) == 0

    assert (desk.logins, entry_of(desk)) == (1, {"command": str(desk.command), "args": []})


def test_the_profile_that_an_entry_chooses_stays(desk: Desk) -> None:
    config = desk.root / "config.toml"
    config.write_text(PROFILE.replace("default", "work"))
    env = {"ALAYA_PROFILE": "work", "ALAYA_CONFIG": str(config)}
    desk.write(DESKTOP, {"mcpServers": {"alaya": {"command": "/old/alayanew-mcp", "env": env}}})

    assert desk.install("claude-desktop", Person(is_there=False), is_agreed=True) == 0

    assert entry_of(desk)["env"] == env


def test_the_profile_that_the_shell_chooses_is_named(desk: Desk) -> None:
    desk.config.write_text(PROFILE.replace("default", "work"))
    desk.environ["ALAYA_PROFILE"] = "work"
    desk.write(DESKTOP, {"mcpServers": {"alaya": {"command": "alayanew-mcp", "env": {**KEYS, "ALAYA_CONFIG": "/x"}}}})

    assert desk.install("claude-desktop") == 0

    assert entry_of(desk)["env"] == {"ALAYA_PROFILE": "work"}


@pytest.mark.parametrize("has_env_keys", [True, False])
@pytest.mark.parametrize("host", ["claude-code", "vscode", "cursor", "codex", "gemini", "qwen", "opencode"])
def test_a_projects_file_names_nobodys_own_profile_and_no_keys(desk: Desk, host: str, *, has_env_keys: bool) -> None:
    desk.config.write_text(PROFILE.replace("default", "work"))
    desk.environ |= {**KEYS, "ALAYA_PROFILE": "work", "ALAYA_SERVICE_ID": "qwen"}

    assert desk.install(host, project=Path(), has_env_keys=has_env_keys) == 0

    (text,) = [content.decode() for content in everything_in(desk.machine.directory).values()]
    assert "ALAYA_SERVICE_ID" in text
    assert ("ALAYA_SECRET_KEY" in text or "secret-key" in text) is has_env_keys
    assert not [word for word in ("ALAYA_PROFILE", "ALAYA_CONFIG", ACCESS, SECRET) if word in text]


def test_settings_that_are_not_the_default_are_carried_over(desk: Desk) -> None:
    desk.environ |= {
        "ALAYA_BASE_URL": "https://api.alayanew.com/api/serverless-infer/v1/",
        "ALAYA_SERVICE_ID": " qwen3-support ",
        "ALAYA_MAX_CONCURRENCY": "8",
        "ALAYA_LOG_LEVEL": "${LEVEL}",
        "OTHER": "x",
    }
    desk.config.write_text("")

    assert desk.install("cursor", has_env_keys=True) == 0

    env = entry_of(desk, ".cursor/mcp.json")["env"]
    references = {name: f"${{env:{name}}}" for name in KEYS}
    assert env == {**references, "ALAYA_SERVICE_ID": "qwen3-support", "ALAYA_MAX_CONCURRENCY": "8"}


def test_an_address_that_the_profiles_own_displaces_is_not_carried_over(desk: Desk) -> None:
    desk.config.write_text(f'{PROFILE}base_url = "https://own.invalid/v1"\n')
    desk.environ["ALAYA_BASE_URL"] = "https://elsewhere.invalid/v1"

    assert desk.install("claude-desktop") == 0

    assert "env" not in entry_of(desk)


@pytest.mark.parametrize(
    ("environ", "complaint"),
    [
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
    assert everything_in(desk.root) == before


def test_a_file_of_variables_that_stays_is_told_before_the_question(desk: Desk) -> None:
    desk.write(DESKTOP, {"mcpServers": {"alaya": {"command": "alayanew-mcp", "envFile": "/e"}, "b": {"envFile": "/e"}}})
    person, other = Person(["n"]), Person(["n"])

    desk.install("claude-desktop", person)
    desk.install("claude-desktop", other, name="b2")

    assert "The entry keeps its envFile" in person.read
    assert "keeps its envFile" not in other.read


@pytest.mark.parametrize("entry", [{"command": "docker", "args": ["run"]}, {"url": "https://h.invalid"}])
def test_another_server_of_that_name_is_not_replaced(desk: Desk, entry: dict[str, Any]) -> None:
    desk.write(DESKTOP, {"mcpServers": {"alaya": entry}})
    before = everything_in(desk.root)
    person = Person(["y"])

    assert desk.install("claude-desktop", person) == 1

    assert everything_in(desk.root) == before
    assert person.warned[0].startswith(
        "Claude Desktop has another server called alaya, which is not this one. Pass --name alaya-2 to"
    )
    assert desk.install("claude-desktop", name="other") == 0
    assert entry_of(desk) == entry


@pytest.mark.parametrize(
    "words",
    [
        {"command": "python", "args": ["-m", "alaya_mcp"]},
        {"command": "C:\\venv\\ALAYANEW-MCP.EXE"},
        {"command": "uvx", "args": ["--from", "Alaya_MCP", "x"]},
        {"command": ["uv", "run", "alayanew-mcp"]},
    ],
)
def test_an_entry_is_known_as_this_servers_by_its_words(desk: Desk, words: dict[str, Any]) -> None:
    desk.write(DESKTOP, {"mcpServers": {"work": words}})

    assert desk.install("claude-desktop", name="work") == 0

    assert entry_of(desk, name="work")["command"] == str(desk.command)


def test_inputs_that_install_did_not_write_stay(desk: Desk) -> None:
    env = {"ALAYA_ACCESS_KEY": "${input:alaya-ak}", "ALAYA_SECRET_KEY": "${input:shared}"}
    servers = {"alaya": {"command": "alayanew-mcp", "env": env}, "other": {"command": "${input:shared}"}}
    inputs = [{"id": "alaya-ak"}, {"id": "shared"}, {"id": "unrelated"}]
    desk.write(VSCODE, {"inputs": inputs, "servers": servers})

    desk.install("vscode", has_env_keys=True)

    ids = [given["id"] for given in desk.data(VSCODE)["inputs"]]
    assert ids == ["alaya-ak", "shared", "unrelated", "alaya-access-key", "alaya-secret-key"]


def test_another_name_is_another_entry_with_inputs_of_its_own(desk: Desk) -> None:
    desk.install("vscode", has_env_keys=True)
    desk.install("vscode", name="work", has_env_keys=True)

    assert list(desk.data(VSCODE)["servers"]) == ["alaya", "work"]
    assert [given["id"] for given in desk.data(VSCODE)["inputs"]][2:] == ["work-access-key", "work-secret-key"]


@pytest.mark.parametrize("host", ["claude-desktop", "cline"])
def test_a_host_without_references_is_not_given_any(desk: Desk, host: str) -> None:
    person = Person(["y"])

    assert desk.install(host, person, has_env_keys=True) == 1

    assert "Leave --env-keys out and run `alayanew-mcp login`." in person.read


@pytest.mark.parametrize("host", ["claude-desktop", "vscode"])
def test_the_sandbox_needs_no_keys_and_gets_none(desk: Desk, host: str) -> None:
    desk.config.unlink()
    place, key = (VSCODE, "servers") if host == "vscode" else (DESKTOP, "mcpServers")
    desk.write(place, {key: {"alaya": {"command": "alayanew-mcp", "env": {**KEYS, "N": "1"}}}})

    assert desk.install(host, is_sandbox=True) == 0

    entry = desk.data(place)[key]["alaya"]
    assert (entry["args"], entry["env"], desk.logins) == (["--sandbox"], {"N": "1"}, 0)


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


@pytest.mark.parametrize("is_logged_in", [True, False])
def test_a_dry_run_shows_the_entry_and_writes_nothing(desk: Desk, *, is_logged_in: bool) -> None:
    desk.write(DESKTOP, OTHER)
    if not is_logged_in:
        desk.config.unlink()
    before = everything_in(desk.root)
    person = Person()

    assert desk.install("claude-desktop", person, is_dry=True) == 0

    assert everything_in(desk.root) == before
    assert f'"command": "{desk.command}"' in person.read
    assert "A dry run: nothing was changed." in person.read
    assert (person.questions, desk.logins, desk.judged) == ([], 0, [])


def test_no_is_an_answer_and_without_a_terminal_only_yes_goes_ahead(desk: Desk) -> None:
    answers = [Person(["n"]), Person([""]), Person(["Yes, but"]), Person(is_there=False)]

    statuses = [desk.install("claude-desktop", person) for person in answers]

    assert statuses == [1, 1, 1, 1]
    assert everything_in(desk.machine.home) == {}
    assert "--yes goes ahead without asking" in answers[3].read
    assert desk.install("claude-desktop", Person(is_there=False), is_agreed=True) == 0


def test_of_several_hosts_a_no_or_a_refusal_is_for_one_alone(desk: Desk) -> None:
    desk.write(".cursor/mcp.json", "{")
    person = Person(["n", "y"])

    assert desk.install_all(["claude-desktop", "cursor", "codex"], person) == 1

    assert person.warned[0] == "Claude Desktop: Nothing was changed."
    assert person.warned[1].startswith(f"Cursor: {desk.machine.home}/.cursor/mcp.json is not valid JSON")
    assert (desk.machine.home / ".codex/config.toml").exists()
    assert desk.judged == ["codex"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('{"mcpServers": ', "is not valid JSON"),
        ('{"mcpServers": []}', 'has a "mcpServers" that is not an object'),
        ("[]", "does not hold a JSON object"),
    ],
)
def test_a_file_that_cannot_be_changed_safely_is_left_alone_and_the_entry_is_shown(
    desk: Desk, content: str, why: str
) -> None:
    desk.write(DESKTOP, content)
    before = everything_in(desk.root)
    person = Person(["y"])

    assert desk.install("claude-desktop", person) == 1

    assert everything_in(desk.root) == before
    assert why in person.warned[0]
    assert json.loads(person.said[0])["mcpServers"]["alaya"] == {"command": str(desk.command), "args": []}


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

    assert entry_of(desk)["command"] == str(desk.command)


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
    path = desk.write(".cursor/mcp.json", "")
    path.write_bytes("{}".encode("utf-16"))
    person = Person(["y"])

    assert desk.install("cursor", person) == 1
    assert path.read_bytes() == "{}".encode("utf-16")
    assert "is UTF-16" in person.read


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
@pytest.mark.parametrize("mode", [0o600, 0o644, 0o400])
def test_a_mode_is_kept(desk: Desk, mode: int) -> None:
    path = desk.write(DESKTOP, OTHER)
    path.chmod(mode)

    desk.install("claude-desktop")

    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_project_needs_no_login_here(desk: Desk) -> None:
    desk.config.unlink()

    assert desk.install("cursor", project=Path()) == 0
    assert desk.logins == 0


def test_keys_that_a_strangers_package_may_have_read_do_not_count(desk: Desk) -> None:
    desk.config.unlink()
    desk.write(DESKTOP, {"mcpServers": {"alaya": {"command": "uvx", "args": [STRANGER], "env": KEYS}}})

    assert desk.install("claude-desktop", Person(["y"], can_log_in=True)) == 0

    assert (desk.logins, entry_of(desk)) == (1, {"command": str(desk.command), "args": []})
