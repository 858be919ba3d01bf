"""Files on disk: backups that overwrite nothing, replacements that are whole; and what of a file is shown."""

import json
import os
import stat
from pathlib import Path

import pytest

from alaya_mcp.config.settings import VARIABLES
from alaya_mcp.hosts.differences import difference, hidden_values, masked_words
from alaya_mcp.hosts.documents import read_document
from alaya_mcp.hosts.entries import KEY_VARIABLES
from alaya_mcp.hosts.json_text import with_element, with_member
from alaya_mcp.hosts.writing import back_up, replace
from tests.host_machine import posix_only

OWN = ("mcpServers", "alaya")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_backups_overwrite_nothing_and_are_of_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    copies: list[Path] = []
    for content in (b"one", b"two\r\n", b"\xff"):
        path.write_bytes(content)
        copies.append(back_up(read_document(path)))

    assert [copy.name for copy in copies] == ["mcp.json.bak", "mcp.json.bak-1", "mcp.json.bak-2"]
    assert [copy.read_bytes() for copy in copies] == [b"one", b"two\r\n", b"\xff"]
    if os.name == "posix":
        assert {mode_of(copy) for copy in copies} == {0o600}


@posix_only
@pytest.mark.parametrize(
    ("before", "is_private", "after"),
    [
        (0o644, False, 0o644),
        (0o644, True, 0o600),
        (0o664, True, 0o600),
        (0o400, True, 0o400),
        (0o600, False, 0o600),
        (None, True, 0o600),
        (None, False, 0o640),
    ],
)
def test_a_file_with_keys_is_private_and_no_mode_becomes_looser(
    tmp_path: Path, before: int | None, after: int, *, is_private: bool
) -> None:
    path = tmp_path / "folder" / "mcp.json"
    if before is not None:
        path.parent.mkdir()
        path.touch()
        path.chmod(before)
    mask = os.umask(0o027)
    try:
        replace(read_document(path), "{}", is_private=is_private)
    finally:
        os.umask(mask)

    assert (path.read_text(), mode_of(path)) == ("{}", after)
    assert list(path.parent.iterdir()) == [path]


@posix_only
def test_a_link_stays_a_link_and_its_target_is_written(tmp_path: Path) -> None:
    target, link = tmp_path / "dotfiles" / "mcp.json", tmp_path / "mcp.json"
    target.parent.mkdir()
    target.write_text("{}")
    link.symlink_to(target)

    replace(read_document(link), '{"a": 1}', is_private=True)

    assert link.is_symlink()
    assert (target.read_text(), mode_of(target)) == ('{"a": 1}', 0o600)


def test_line_ends_stay_and_a_byte_order_mark_goes(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_bytes(b'\xef\xbb\xbf{\r\n  "a": 1\r\n}\r\n')
    document = read_document(path)

    replace(document, with_member(document.text, ("b",), "é"), is_private=False)

    assert path.read_bytes() == b'{\r\n  "a": 1,\r\n  "b": "\xc3\xa9"\r\n}\r\n'


def test_a_replacement_that_fails_leaves_the_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_text("{}")
    document = read_document(path)

    with pytest.raises(UnicodeEncodeError):
        replace(document, "\ud800", is_private=False)

    assert path.read_text() == "{}"
    assert list(tmp_path.iterdir()) == [path]


def test_the_difference_shows_our_entry_and_masks_every_other_string() -> None:
    before = json.dumps(
        {"oauth": {"token": "planted-1"}, "mcpServers": {"other": {"command": "c", "args": ["--key=planted-2"]}}},
        indent=2,
    )
    entry = {
        "command": "/venv/alayanew-mcp",
        "args": ["--sandbox", "--key=planted-3", "planted-4"],
        "env": {
            "ALAYA_ACCESS_KEY": "planted-5",
            "ALAYA_SECRET_KEY": "${env:ALAYA_SECRET_KEY}",
            "ALAYA_SERVICE_ID": "qwen3",
            "ALAYA_BASE_URL": "https://user:planted-6@h.invalid",
            "HTTPS_PROXY": "http://u:planted-7@p.invalid",
        },
        "headers": {"Authorization": "planted-8"},
    }

    shown = difference(before, with_member(before, OWN, entry), OWN, label="mcp.json")

    assert "planted" not in shown
    assert '+      "command": "/venv/alayanew-mcp",' in shown
    assert '+        "--sandbox",' in shown
    assert '+        "ALAYA_ACCESS_KEY": "…",' in shown
    assert '+        "ALAYA_SECRET_KEY": "${env:ALAYA_SECRET_KEY}",' in shown
    assert '+        "ALAYA_SERVICE_ID": "qwen3",' in shown
    assert '         "…"\n' in shown
    assert shown.startswith("--- mcp.json\n+++ mcp.json\n@@ ")


@pytest.mark.parametrize(
    "value",
    ["a ${X}", "${X} ${Y}", "${X:-planted}", "${planted-live-1}", "${}", "planted", "${input:a b}", "https://x?${X}"],
)
@pytest.mark.parametrize("name", ["ALAYA_ACCESS_KEY", "ALAYA_TOKEN", "HTTPS_PROXY"])
def test_of_other_variables_only_a_whole_reference_is_shown(name: str, value: str) -> None:
    after = with_member("", OWN, {"env": {name: value}})

    assert f'"{name}": "…"' in difference("", after, OWN, label="f")


@pytest.mark.parametrize("value", ["${X}", "${env:MY_KEY}", "${input:alaya-access-key}", "${X:-}"])
def test_a_whole_reference_is_shown(value: str) -> None:
    after = with_member("", OWN, {"env": {"ALAYA_ACCESS_KEY": value}})

    assert f'"ALAYA_ACCESS_KEY": "{value}"' in difference("", after, OWN, label="f")


@pytest.mark.parametrize("name", sorted({*VARIABLES, "ALAYA_CONFIG", "ALAYA_PROFILE"} - {*KEY_VARIABLES}))
def test_our_settings_are_shown(name: str) -> None:
    after = with_member("", OWN, {"env": {name: "a-value"}})

    assert f'"{name}": "a-value"' in difference("", after, OWN, label="f")


@pytest.mark.parametrize(
    ("command", "is_shown"),
    [
        ("uvx", True),
        ("/Users/me/Library/Application Support/venv/bin/alayanew-mcp", True),
        ("C:\\Program Files\\alaya\\alayanew-mcp.exe", True),
        ("env alayanew-mcp planted", False),
        ("ALAYA_SECRET_KEY=planted", False),
        ("/usr/bin/env ALAYA_SECRET_KEY=planted", False),
        ("/usr/bin/x --key planted", False),
        ("git+https://planted@h.invalid", False),
    ],
)
def test_a_command_is_shown_where_it_is_no_command_line(command: str, *, is_shown: bool) -> None:
    before = with_member("", OWN, {"command": command})

    shown = difference(before, with_member(before, OWN, {}), OWN, label="f")

    quoted = json.dumps(command) if is_shown else '"…"'
    assert f'-      "command": {quoted}' in shown
    assert "planted" not in shown


@pytest.mark.parametrize("word", ["-pplanted", "alaya-mcp @ git+https://planted@h.invalid/alaya-mcp", "--planted"])
def test_arguments_that_are_not_ours_are_masked(word: str) -> None:
    after = with_member("", OWN, {"args": ["--sandbox", word], "env": {"PIN": 4711}, "type": "planted"})

    shown = difference("", after, OWN, label="f")

    assert '"--sandbox"' in shown
    assert "planted" not in shown
    assert "4711" not in shown


def test_of_a_file_on_one_long_line_only_our_entry_is_shown() -> None:
    before = json.dumps({"history": ["x"] * 10_000, "mcpServers": {"b": {}, "alaya": {"env": {"N": "old-one"}}}})

    shown = difference(before, with_member(before, OWN, {"command": "/c", "env": {"N": "new"}}), OWN, label="f")

    assert shown.splitlines() == [
        "--- f",
        "+++ f",
        "@@ -1,8 +1,9 @@",
        " {",
        '   "mcpServers": {',
        '     "alaya": {',
        '+      "command": "/c",',
        '       "env": {',
        '-        "N": "…"',
        '+        "N": "… (changed)"',
        "       }",
        "     }",
        "   }",
    ]
    assert '+    "alaya": {' in difference(before.replace("alaya", "c"), before, OWN, label="f")


def test_changes_far_apart_are_both_shown() -> None:
    before = json.dumps({"inputs": [1], "history": list(range(500)), "mcpServers": {}}, indent=2)
    after = with_element(with_member(before, OWN, {}), ("inputs",), {"id": "k"})

    shown = difference(before, after, OWN, label="f").splitlines()

    assert [line for line in shown if line[0] == "@"] == ["@@ -1,6 +1,9 @@", "@@ -504,5 +507,7 @@"]
    assert '+      "id": "k"' in shown


def test_very_short_values_are_not_looked_for_in_a_text() -> None:
    assert masked_words("a command ran 1234 times", ["a", "ran", "1234"]) == "a command ran … times"


def test_a_key_that_changes_is_told_without_showing_either() -> None:
    before = with_member("", OWN, {"env": {"ALAYA_ACCESS_KEY": "old-one", "ALAYA_SECRET_KEY": "same"}})
    after = with_member("", OWN, {"env": {"ALAYA_ACCESS_KEY": "new-one", "ALAYA_SECRET_KEY": "same"}})

    lines = difference(before, after, OWN, label="mcp.json").splitlines()

    changed = [line for line in lines if line[0] in "+-"][2:]
    assert changed == ['-        "ALAYA_ACCESS_KEY": "…",', '+        "ALAYA_ACCESS_KEY": "… (changed)",']


def test_the_lines_of_a_large_file_are_numbered_from_its_beginning() -> None:
    before = json.dumps({"history": list(range(20_000)), "mcpServers": {"b": {}}}, indent=2)

    shown = difference(before, with_member(before, OWN, {}), OWN, label="f")

    assert shown.splitlines()[2:] == [
        "@@ -20002,6 +20002,7 @@",
        "     19999",
        "   ],",
        '   "mcpServers": {',
        '-    "b": {}',
        '+    "b": {},',
        '+    "alaya": {}',
        "   }",
        " }",
    ]


def test_a_new_file_is_told_and_no_change_shows_nothing() -> None:
    after = with_member("", OWN, {"args": []})

    assert difference("", after, OWN, label="f").startswith("--- new file\n+++ f\n@@ -0,0 +1,")
    assert difference(after, after, OWN, label="f") == ""


def test_what_would_act_on_a_terminal_is_not_shown() -> None:
    before = '{\r\n  "mcpServers": {"\x9b31mx": 1}\r\n}'

    shown = difference(before, with_member(before, OWN, {"command": "\u202e"}), OWN, label="f")

    assert not [mark for mark in shown if not mark.isprintable() and mark != "\n"]


@pytest.mark.parametrize("key", ['a"b\\c', "plain"])
def test_keys_are_masked_as_they_are_and_as_json_writes_them(key: str) -> None:
    text = f"{key} {json.dumps(key)} {json.dumps(json.dumps({'k': key}))}"

    masked = masked_words(text, [key, ""])

    assert masked == '… "…" "{\\"k\\": \\"…\\"}"'


def test_numbers_of_other_servers_environments_are_masked_at_the_beginning_of_a_line_too() -> None:
    before = '{"mcpServers": {"b": {"env": {"PIN":\n4711}, "timeout": 600}\n}}'

    shown = difference(before, with_member(before, OWN, {}), OWN, label="f")

    assert "4711" not in shown
    assert "600" in shown


def test_ends_of_lines_of_windows_are_not_shown() -> None:
    before = '{\r\n  "mcpServers": {}\r\n}\r\n'

    shown = difference(before, with_member(before, OWN, {}), OWN, label="f")

    assert shown.splitlines()[3:5] == [" {", '-  "mcpServers": {}']


def test_of_values_that_are_part_of_others_the_longest_is_masked_first() -> None:
    hidden = hidden_values({"env": {"A": "planted", "B": "planted-longer"}}, {"args": ["planted-l", 5]})

    assert masked_words("planted-longer, planted", hidden) == "…, …"
