"""Changes to JSON as text leave every other character as it was."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alaya_mcp.hosts.json_comments import blanked
from alaya_mcp.hosts.json_text import Tree, with_element, with_member, with_value, without

ENTRY: dict[str, Any] = {"command": "/x", "args": ["--sandbox"]}
PATH = ("mcpServers", "alaya")

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)
OBJECTS: st.SearchStrategy[dict[str, Any]] = st.dictionaries(st.text(), VALUES)
LAYOUTS = st.sampled_from([None, 0, 1, 2, 4, "\t"])


def written(data: object, indent: int | str | None, *, is_compact: bool, is_ascii: bool, newline: str) -> str:
    separators = (",", ":") if is_compact else None
    text = json.dumps(data, indent=indent, separators=separators, ensure_ascii=is_ascii)
    return text.replace("\n", newline) + newline


def with_servers(others: dict[str, Any], servers: dict[str, Any]) -> dict[str, Any]:
    return {**others, "mcpServers": servers}


TEXTS = st.builds(
    written,
    st.builds(with_servers, OBJECTS, OBJECTS) | OBJECTS,
    LAYOUTS,
    is_compact=st.booleans(),
    is_ascii=st.booleans(),
    newline=st.sampled_from(["\n", "\r\n"]),
)


@given(TEXTS)
def test_a_member_that_is_set_is_there_and_everything_else_is_as_it_was(text: str) -> None:
    before: dict[str, Any] = json.loads(text)
    if not isinstance(before.get("mcpServers", {}), dict):
        return

    after = json.loads(with_member(text, PATH, ENTRY))

    assert after == {**before, "mcpServers": {**before.get("mcpServers", {}), "alaya": ENTRY}}
    assert list(after) == list(dict.fromkeys([*before, "mcpServers"]))


@given(TEXTS)
def test_a_member_that_is_set_and_removed_again_leaves_the_text_as_it_was(text: str) -> None:
    before: dict[str, Any] = json.loads(text)
    servers = before.get("mcpServers")
    if not isinstance(servers, dict) or not servers or "alaya" in servers:
        return

    assert without(with_member(text, PATH, ENTRY), PATH) == text


@given(TEXTS)
def test_every_value_is_found_where_it_is(text: str) -> None:
    tree = Tree(text)
    waiting = [tree.root]
    while waiting:
        node = waiting.pop()
        waiting += tree.children(node)
        value = json.loads(text)
        for step in node.path:
            value = value[step]
        assert json.loads(text[node.value : node.end]) == value


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '{\n  "mcpServers": {\n    "alaya": {\n      "a": [\n        1\n      ]\n    }\n  }\n}\n'),
        (" \n", '{\n  "mcpServers": {\n    "alaya": {\n      "a": [\n        1\n      ]\n    }\n  }\n}\n'),
        (
            '{\n    "x": {"y":1e5},\n    "mcpServers": {}\n}',
            (
                '{\n    "x": {"y":1e5},\n    "mcpServers": {\n        "alaya": {\n            "a": [\n'
                "                1\n            ]\n        }\n    }\n}"
            ),
        ),
        (
            '{\n\t"mcpServers": {\n\t\t"b": {"args": ["-y", "p"]}\n\t}\n}\n',
            (
                '{\n\t"mcpServers": {\n\t\t"b": {"args": ["-y", "p"]},\n\t\t"alaya": {\n\t\t\t"a": [\n\t\t\t\t1'
                "\n\t\t\t]\n\t\t}\n\t}\n}\n"
            ),
        ),
        ('{"mcpServers":{"b":{}}}', '{"mcpServers":{"b":{}, "alaya":{"a":[1]}}}'),
        ('{"mcpServers": {}, "é": "\\u00e9"}', '{"mcpServers": {"alaya": {"a": [1]}}, "é": "\\u00e9"}'),
        (
            '{\r\n  "mcpServers": {\r\n    "alaya": 1,\r\n    "z": 2\r\n  }\r\n}\r\n',
            (
                '{\r\n  "mcpServers": {\r\n    "alaya": {\r\n      "a": [\r\n        1\r\n      ]\r\n    },\r\n'
                '    "z": 2\r\n  }\r\n}\r\n'
            ),
        ),
    ],
)
def test_indentation_line_ends_and_layout_are_kept(before: str, after: str) -> None:
    assert with_member(before, PATH, {"a": [1]}) == after


def test_of_members_with_one_name_the_last_counts_and_all_are_removed() -> None:
    twice = '{"mcpServers": {"alaya": 1}, "mcpServers": {"alaya": 2, "b": 3, "alaya": 4}}'

    assert json.loads(with_member(twice, PATH, 5)) == {"mcpServers": {"alaya": 5, "b": 3}}
    assert json.loads(without(twice, PATH)) == {"mcpServers": {"b": 3}}


def test_elements_are_added_at_the_end_and_removed_by_their_place() -> None:
    one = with_element("{}\n", ("inputs",), {"id": "a"})
    two = with_element(one, ("inputs",), {"id": "b"})

    assert json.loads(two) == {"inputs": [{"id": "a"}, {"id": "b"}]}
    assert without(two, ("inputs", 1)) == one
    assert json.loads(without(two, ("inputs", 0))) == {"inputs": [{"id": "b"}]}
    assert json.loads(without(one, ("inputs", 0))) == {"inputs": []}


def test_what_is_not_there_is_not_removed() -> None:
    for text in ("{}", '{"mcpServers": {}}', '{"mcpServers": []}', '{"a": {"mcpServers": {"alaya": 1}}}'):
        assert without(text, PATH) == text


def test_half_of_a_surrogate_pair_is_written_as_an_escape() -> None:
    text = with_member("{}", ("a",), "\ud800 é")

    assert text.encode()
    assert json.loads(text) == {"a": "\ud800 é"}


def test_only_containers_on_the_way_are_looked_into() -> None:
    said = [{"display": "x" * 9}] * 9
    history = {f"/project/{number}": {"history": said} for number in range(50)}
    text = json.dumps({"projects": history, "mcpServers": {"alaya": {"command": "old"}}, "tips": history}, indent=2)
    tree = Tree(text)

    assert tree.find(("mcpServers", "alaya", "command")) is not None
    assert tree.find(("mcpServers", "other")) is None
    assert tree.looked_into == 3


COMMENTED = [
    ('{\n  // first\n  "mcpServers": {\n    "git": {"x":1}, // git\n  },\n}\n', True),
    ('{\n  "mcpServers": {\n    "git": {"x":1} // git, {\n    /* more\n lines */\n  }\n}\n', True),
    ('{\n  "mcpServers": {\n    "git": {"x":1} /* a */, /* b */ // c\n    "h": 2}\n}', True),
    ('{\n  "mcpServers": {\n    // none yet\n  }\n}\n', True),
    ('{"mcpServers": {"b": 1 /*,z*/ }}', True),
    ('{"mcpServers": {"b": "// no, /* no */" ,},}', False),
    ('{"mcpServers": { /* only */ }}', False),
    ('// head\r\n{\r\n\t"a": [1, 2, /* x */ ],\r\n\t"mcpServers": {\r\n\t\t"b": 1,\r\n\t}\r\n}\r\n// tail\r\n', True),
]


@pytest.mark.parametrize(("text", "is_exact"), COMMENTED)
def test_comments_and_trailing_commas_stay_where_they_are(text: str, *, is_exact: bool) -> None:
    before = json.loads(blanked(text))

    after = with_member(text, PATH, ENTRY)

    assert json.loads(blanked(after)) == {**before, "mcpServers": {**before["mcpServers"], "alaya": ENTRY}}
    back = without(after, PATH)
    assert "".join(back.split()) == "".join(text.split())
    assert (back == text) is is_exact


def test_what_is_removed_takes_the_comment_on_its_line_and_no_other() -> None:
    text = '{"mcpServers": {\n  "a": 1, // of a\n  // before\n  "alaya": 2, // of alaya\n  "c": 3 // of c\n}}'

    assert without(text, PATH) == '{"mcpServers": {\n  "a": 1, // of a\n  // before\n  "c": 3 // of c\n}}'


def test_only_what_differs_is_written() -> None:
    text = '{"mcpServers": {"alaya": {\n  // why\n  "command": "old", // here\n  "n": [1,2],\n  "gone": {}\n}}}'
    present = json.loads(blanked(text))["mcpServers"]["alaya"]

    after = with_value(text, PATH, {"command": "new", "n": [1, 2], "env": {"A": "b"}}, present)

    assert after == (
        '{"mcpServers": {"alaya": {\n  // why\n  "command": "new", // here\n  "n": [1,2],\n  "env": {\n'
        '    "A": "b"\n  }\n}}}'
    )


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('{"mcpServers": {\n    "alaya": {}\n  , "other": 1\n}}', '{"mcpServers": {\n    "other": 1\n}}'),
        ('{"mcpServers": { // mine\n "alaya": {}, "other": 1}}', '{"mcpServers": { // mine\n "other": 1}}'),
        ('{ // note\n "mcpServers": {"alaya": 1} // c\n ,\n}', '{ // note\n "mcpServers": {} // c\n ,\n}'),
    ],
)
def test_commas_where_few_write_them(text: str, left: str) -> None:
    assert json.loads(blanked(without(text, PATH))) == json.loads(blanked(left))
    assert all(comment in without(text, PATH) for comment in ("// mine", "// note", "// c") if comment in text)


@pytest.mark.parametrize("text", ["{,}", "[,]", '{"a": ,}', "{ // x\n ,\n}"])
def test_a_comma_after_nothing_is_no_trailing_one(text: str) -> None:
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(blanked(text))


@pytest.mark.parametrize(
    "text",
    ['{"a":"' + '\\"' * 100_000, '{"a": /* ' + "/*" * 100_000, '{"mcpServers": {\n"x": {}' + " " * 100_000 + "}\n}"],
    ids=["a string without end", "a comment without end", "spaces"],
)
def test_a_long_and_odd_text_takes_no_quadratic_time(text: str) -> None:
    blanked(text)
    if text.endswith("}"):
        assert without(with_member(text, PATH, ENTRY), PATH)
