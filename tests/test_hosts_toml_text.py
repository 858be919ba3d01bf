"""Edits of TOML: the table is there, everything else is as it was, and what cannot be edited is refused."""

import tomllib
from typing import Any

import pytest

from alaya_mcp.hosts.toml_text import CannotEdit, with_table, without_table

PATH = ("mcp_servers", "alaya")
ENTRY: dict[str, Any] = {"command": "/x", "args": ["--sandbox"], "env": {"A": "b"}}
TEXTS = [
    "",
    'model = "x"',
    "# c\n[a]\nb = 1 # z\n",
    '[mcp_servers.git]\ncommand = "g" # git\n\n[other]\nx=1\n',
    '[mcp_servers]\n\n[mcp_servers.git]\ncommand="g"\n',
    '[mcp_servers.git]\ncommand="g"\n[o]\nx=1\n[mcp_servers.h]\ncommand="h"\n[p]\ny=1\n',
    'mcp_servers = { git = { command = "g" } } # one line\n',
    'mcp_servers.git.command = "g"\nx = 1\n',
    "[profiles.x]\nmcp_servers = 1\n",
    "[a]\r\nb = 1979-05-27T07:32:00Z\r\n",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_table_that_is_set_is_there_changes_in_place_and_goes_again(text: str) -> None:
    before = tomllib.loads(text)
    there = {**before, "mcp_servers": {**before.get("mcp_servers", {}), "alaya": ENTRY}}
    changed = {"command": "/y", "args": ["--sandbox"], "env": {"B": "c"}, "n": 1}

    added = with_table(text, PATH, ENTRY, None)
    updated = with_table(added, PATH, changed, ENTRY)

    assert tomllib.loads(added) == there
    assert tomllib.loads(updated)["mcp_servers"]["alaya"] == changed
    assert tomllib.loads(without_table(updated, PATH)) == before
    assert "".join(without_table(added, PATH).split()) == "".join(text.split())
    assert ("\r\n" in added) is ("\r\n" in text)
    assert "\n" not in added.replace("\r\n", "") or "\r\n" not in text
    comments = [line.partition("#")[2] for line in text.splitlines() if "#" in line]
    assert [comment for comment in comments if comment not in added] == []


def test_comments_inside_the_table_stay_when_it_changes() -> None:
    text = '[mcp_servers.alaya]\n# why\ncommand = "/old" # here\nargs = []\n'

    after = with_table(text, PATH, {"command": "/new", "args": []}, {"command": "/old", "args": []})

    assert after == text.replace("/old", "/new")


@pytest.mark.parametrize("text", ["mcp_servers = 1\n", "["])
def test_what_the_library_cannot_edit_is_refused(text: str) -> None:
    with pytest.raises(CannotEdit):
        with_table(text, PATH, ENTRY, None)
    with pytest.raises(CannotEdit):
        without_table(text, PATH)


def test_comments_between_tables_are_not_moved() -> None:
    text = '[mcp_servers.a]\ncommand="x"\n\n# about p\n[[p]]\nk=1\n\n# about b\n[mcp_servers.b]\ncommand="y"\n'

    assert with_table(text, PATH, ENTRY, None).startswith(text)
    assert "\n".join(without_table(with_table(text, PATH, ENTRY, None), PATH).split()) == "\n".join(text.split())


def test_a_change_for_which_the_library_would_move_other_tables_is_refused() -> None:
    text = '[mcp_servers.alaya]\ncommand="o"\n\n# about p\n[[p]]\nk=1\n\n# about b\n[mcp_servers.b]\ncommand="y"\n'

    with pytest.raises(CannotEdit):
        with_table(text, PATH, {"command": "n", "env": {"A": "b"}}, {"command": "o"})
