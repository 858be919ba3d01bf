"""Reading a configuration file: whatever is there, it does not raise; and where each host keeps its own."""

import os
from pathlib import Path

import pytest

from alaya_mcp.cli import arguments
from alaya_mcp.hosts.catalogue import HOSTS, VSCODE, project_file
from alaya_mcp.hosts.changes import unfit
from alaya_mcp.hosts.documents import read_document
from alaya_mcp.hosts.places import user_file, user_files
from tests.host_machine import desk_in, posix_only

PLACE_OF_CLINE = ".cline/data/settings/cline_mcp_settings.json"


@pytest.mark.parametrize(
    ("platform", "host", "place"),
    [
        ("linux", "claude-desktop", ".config/Claude/claude_desktop_config.json"),
        ("darwin", "claude-desktop", "Library/Application Support/Claude/claude_desktop_config.json"),
        ("win32", "claude-desktop", "AppData/Roaming/Claude/claude_desktop_config.json"),
        ("linux", "claude-code", ".claude.json"),
        ("win32", "claude-code", ".claude.json"),
        ("linux", "vscode", ".config/Code/User/mcp.json"),
        ("darwin", "vscode", "Library/Application Support/Code/User/mcp.json"),
        ("win32", "vscode", "AppData/Roaming/Code/User/mcp.json"),
        ("darwin", "cursor", ".cursor/mcp.json"),
        ("win32", "codex", ".codex/config.toml"),
        ("darwin", "gemini", ".gemini/settings.json"),
        ("linux", "qwen", ".qwen/settings.json"),
        ("win32", "copilot", ".copilot/mcp-config.json"),
        ("darwin", "opencode", ".config/opencode/opencode.json"),
        ("linux", "cline", ".cline/data/settings/cline_mcp_settings.json"),
    ],
)
def test_each_host_has_its_file_on_each_platform(tmp_path: Path, platform: str, host: str, place: str) -> None:
    machine = desk_in(tmp_path, platform=platform).machine

    assert user_file(HOSTS[host], machine) == machine.home / place


def test_variables_move_the_files(tmp_path: Path) -> None:
    desk = desk_in(tmp_path)
    desk.environ |= {"XDG_CONFIG_HOME": f"{tmp_path}/xdg", "CLAUDE_CONFIG_DIR": f"{tmp_path}/claude"}

    assert user_file(HOSTS["vscode"], desk.machine) == tmp_path / "xdg/Code/User/mcp.json"
    assert user_file(HOSTS["claude-code"], desk.machine) == tmp_path / "claude/.claude.json"
    assert user_file(HOSTS["opencode"], desk.machine) == tmp_path / "xdg/opencode/opencode.json"
    desk.environ |= {"CODEX_HOME": f"{tmp_path}/codex", "COPILOT_HOME": f"{tmp_path}/copilot"}
    assert user_file(HOSTS["codex"], desk.machine) == tmp_path / "codex/config.toml"
    assert user_file(HOSTS["copilot"], desk.machine) == tmp_path / "copilot/mcp-config.json"
    desk.platform = "win32"
    desk.environ["APPDATA"] = f"{tmp_path}/roaming"
    assert user_file(HOSTS["vscode"], desk.machine) == tmp_path / "roaming/Code/User/mcp.json"


def test_of_two_places_the_one_that_is_there_counts(tmp_path: Path) -> None:
    desk = desk_in(tmp_path)
    extension = ".config/Code/User/globalStorage/saoudrizwan.claude-dev"
    (desk.machine.home / extension).mkdir(parents=True)
    commented = desk.write(".config/opencode/opencode.jsonc", "{}")

    assert user_file(HOSTS["opencode"], desk.machine) == commented
    place = f"{extension}/settings/cline_mcp_settings.json"
    assert user_file(HOSTS["cline"], desk.machine) == desk.machine.home / place
    (desk.machine.home / ".cline/data").mkdir(parents=True)
    assert user_file(HOSTS["cline"], desk.machine) == desk.machine.home / PLACE_OF_CLINE
    both = desk.write(".config/opencode/opencode.json", "{}")
    assert user_file(HOSTS["opencode"], desk.machine) == both


def test_claude_desktop_as_a_windows_package_has_a_folder_of_its_own(tmp_path: Path) -> None:
    desk = desk_in(tmp_path, platform="win32")
    packages = desk.machine.home / "AppData/Local/Packages"
    (packages / "Claude_a").mkdir(parents=True)
    (packages / "Claude_b/LocalCache/Roaming/Claude").mkdir(parents=True)
    (packages / "Other_b/LocalCache/Roaming/Claude").mkdir(parents=True)

    first, *others = user_files(HOSTS["claude-desktop"], desk.machine)

    assert first == packages / "Claude_b/LocalCache/Roaming/Claude/claude_desktop_config.json"
    assert others[-1] == desk.machine.home / "AppData/Roaming/Claude/claude_desktop_config.json"


def test_the_command_line_and_the_catalogue_name_the_same_hosts() -> None:
    assert tuple(HOSTS) == arguments.HOSTS


def test_project_files_are_in_the_project() -> None:
    places = {name: project_file(host, Path("p")) for name, host in HOSTS.items()}

    assert places == {
        "claude-desktop": None,
        "claude-code": Path("p/.mcp.json"),
        "vscode": Path("p/.vscode/mcp.json"),
        "cursor": Path("p/.cursor/mcp.json"),
        "codex": Path("p/.codex/config.toml"),
        "gemini": Path("p/.gemini/settings.json"),
        "qwen": Path("p/.qwen/settings.json"),
        "copilot": None,
        "opencode": Path("p/opencode.json"),
        "cline": None,
    }


@pytest.mark.parametrize(
    ("content", "state", "data"),
    [
        (b'{"a": 1}', "parsed", {"a": 1}),
        (b"", "parsed", {}),
        (b" \n", "parsed", {}),
        (b'\xef\xbb\xbf{"a": "\xc3\xa9"}', "parsed", {"a": "é"}),
        (b'{"a": 1,} // why', "commented", {"a": 1}),
        (b'{/* "b": 2,\n */ "a": "// no, /* no */ ,}"}', "commented", {"a": "// no, /* no */ ,}"}),
        (b'{"a": [1, 2, /* x */ ],}', "commented", {"a": [1, 2]}),
        (b'{"a": "\\"//", "b": [",]"],}', "commented", {"a": '"//', "b": [",]"]}),
        (b"{", "broken", {}),
        (b'{"a": "//', "broken", {}),
        (b"[]", "broken", {}),
        (b"null", "broken", {}),
        (b'{"a": NaN}', "broken", {}),
        (b'{"a": "\xff"}', "broken", {}),
        ('{"a": 1}'.encode("utf-16"), "broken", {}),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "broken", {}),
        (b'{"a": ' + b"9" * 5_000 + b"}", "broken", {}),
        (b"\0" * 100, "broken", {}),
    ],
)
def test_content_is_parsed_or_told_apart(tmp_path: Path, content: bytes, state: str, data: dict[str, object]) -> None:
    path = tmp_path / "mcp.json"
    path.write_bytes(content)

    document = read_document(path)

    assert (document.state, document.data) == (state, data)
    assert bool(document.problem) is (state == "broken")
    assert document.content == content


def test_the_problem_says_where_and_quotes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_text('{\n  "secret": "planted" "x"\n}')

    document = read_document(path)

    assert document.problem == "is not valid JSON: expecting ',' delimiter at line 2, column 23"
    assert "planted" not in repr(document)


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    assert read_document(tmp_path / "none" / "mcp.json").state == "missing"


def test_what_is_no_file_or_cannot_be_read_is_broken(tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(2**26 + 1)

    assert read_document(tmp_path).problem == "is not a file"
    assert read_document(large).problem == "is larger than 64 MiB"
    assert read_document(Path("a\0b")).problem == "cannot be read: ValueError"


@posix_only
def test_a_pipe_or_a_loop_of_links_is_no_file_and_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").touch()

    assert read_document(tmp_path / "pipe").problem == "is not a file"
    assert read_document(tmp_path / "file" / "mcp.json").problem == "cannot be read: Not a directory"
    assert read_document(tmp_path / "loop").problem.startswith("cannot be read: ")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"servers": []}', 'has a "servers" that is not an object'),
        ('{"servers": null}', 'has a "servers" that is not an object'),
        ('{"inputs": {}}', 'has an "inputs" that is not an array'),
        ('{"servers": {},}', None),
        ("{", "is not valid JSON: expecting property name enclosed in double quotes at line 1, column 2"),
        ('{"servers": {}, "inputs": []}', None),
        ("", None),
    ],
)
def test_a_file_is_left_alone_for_a_reason(tmp_path: Path, text: str, why: str | None) -> None:
    path = tmp_path / "mcp.json"
    path.write_text(text)

    assert unfit(read_document(path), VSCODE) == why
