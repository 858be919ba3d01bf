"""Files on disk: backups that overwrite nothing, and replacements that are whole."""

import os
import stat
from pathlib import Path
from typing import cast

import pytest

from alaya_mcp.hosts.documents import read_document
from alaya_mcp.hosts.json_text import with_member
from alaya_mcp.hosts.writing import back_up, backups, replace
from tests.host_machine import posix_only


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


def test_backups_are_found_the_newest_first_and_broken_ones_left_out(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    for content in ("a = 1", "a = ", "a = 3"):
        path.write_text(content)
        back_up(read_document(path))

    assert [copy.data for copy in backups(read_document(path))] == [{"a": 3}, {"a": 1}]


@posix_only
@pytest.mark.parametrize(("before", "after"), [(0o644, 0o644), (0o400, 0o400), (0o600, 0o600), (None, 0o640)])
def test_a_mode_stays_and_a_new_file_has_the_usual_one(tmp_path: Path, before: int | None, after: int) -> None:
    path = tmp_path / "folder" / "mcp.json"
    if before is not None:
        path.parent.mkdir()
        path.touch()
        path.chmod(before)
    mask = os.umask(0o027)
    try:
        replace(read_document(path), b"{}")
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

    target.chmod(0o600)

    replace(read_document(link), b'{"a": 1}')

    assert link.is_symlink()
    assert (target.read_text(), mode_of(target)) == ('{"a": 1}', 0o600)


def test_line_ends_stay_and_a_byte_order_mark_goes(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_bytes(b'\xef\xbb\xbf{\r\n  "a": 1\r\n}\r\n')
    document = read_document(path)

    replace(document, with_member(document.text, ("b",), "é").encode())

    assert path.read_bytes() == b'{\r\n  "a": 1,\r\n  "b": "\xc3\xa9"\r\n}\r\n'


def test_a_replacement_that_fails_leaves_the_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_text("{}")
    document = read_document(path)

    with pytest.raises(TypeError):
        replace(document, cast("bytes", "text"))

    assert path.read_text() == "{}"
    assert list(tmp_path.iterdir()) == [path]
