"""What a typed line means."""

import pytest

from alaya_mcp.terminal.commands import COMMANDS, Do, Line, Say, Unknown, completions, goes_on, help_text, parse_line

MODELS = ("qwen3-8b", "qwen3-8b-chat", "support-zh")


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("hello", Say("hello")),
        (" /indented is no command", Say(" /indented is no command")),
        ("two\nlines", Say("two\nlines")),
        ("//etc/hosts?", Say("/etc/hosts?")),
        ("", None),
        ("  \n ", None),
        ("/model", Do("model", "")),
        ("/model  support-zh ", Do("model", "support-zh")),
        ("/system Be brief.\nBe kind.", Do("system", "Be brief.\nBe kind.")),
        ("/save! a b.md", Do("save!", "a b.md")),
        ("/modle x", Unknown("modle", ("model",))),
        ("/QUIT", Unknown("QUIT", ("quit",))),
        ("/", Unknown("", ())),
        ("/etc/hosts?", Unknown("etc/hosts?", ())),
    ],
)
def test_a_line_is_a_message_or_a_command(line: str, meant: Line | None) -> None:
    assert parse_line(line) == meant


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("first \\", True),
        ("// first \\", True),
        ("/save C:\\notes\\", False),
        ("first", False),
        ("\\ first", False),
    ],
)
def test_enter_after_a_backslash_begins_a_line_but_not_in_a_command(text: str, expected: bool) -> None:
    assert goes_on(text) is expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/m", ["/model"]),
        ("/save", ["/save", "/save!"]),
        ("/model ", list(MODELS)),
        ("/model sup", ["support-zh"]),
        ("/model SUP", []),
        ("/thinking o", ["on", "off"]),
        ("/clear ", []),
        ("/nonsense ", []),
        ("model ", []),
        ("//m", []),
        ("/system a\n/m", []),
    ],
)
def test_commands_and_models_are_completed(text: str, words: list[str]) -> None:
    assert completions(text, MODELS) == words


def test_help_has_every_command() -> None:
    lines = help_text().splitlines()

    for command in COMMANDS:
        assert any(line.startswith(command.usage) and line.endswith(command.summary) for line in lines)
    assert any(line.startswith("/clear ") and line.endswith("; the system message stays") for line in lines)
