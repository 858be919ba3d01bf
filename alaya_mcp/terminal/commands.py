"""Parse a typed line: a message or one of the `/commands`. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        name: Without its slash.
        argument: Its placeholder, in brackets if it is optional; empty if there is none.
        summary: What it does.
        words: The values of its argument, if there are few.
    """

    name: str
    argument: str
    summary: str
    words: tuple[str, ...] = ()

    @property
    def usage(self) -> str:
        """The command with its placeholder."""
        return f"/{self.name} {self.argument}".rstrip()


COMMANDS: Final = (
    Command("model", "[NAME]", "list the models, or switch to NAME"),
    Command("system", "[TEXT|off]", "show, set or remove the system message", ("off",)),
    Command(
        "thinking",
        "[MODE]",
        "show or hide the thinking; on, off or auto: whether the model thinks",
        ("show", "hide", "auto", "on", "off"),
    ),
    Command("retry", "", "ask the last message again"),
    Command("continue", "", "continue the last reply"),
    Command("clear", "", "begin a new conversation; the system message stays"),
    Command("save", "FILE", "write the conversation: Markdown for .md, else OpenAI's JSON messages"),
    Command("save!", "FILE", "the same, and overwrite the file"),
    Command("load", "FILE", "load a conversation that was saved as JSON"),
    Command("info", "", "show the deployment as it is now"),
    Command("help", "", "list the commands"),
    Command("quit", "", "leave, as Ctrl-D does"),
)
"""Every command, in the order of `/help`."""

LEAVING: Final = frozenset({"exit", "quit", ":q", "/exit", "/bye"})
"""What people type to leave, besides `/quit`."""
IN_A_PIPE: Final = frozenset({"model", "system", "thinking", "clear", "quit"})
"""Commands that work in a pipe: none touches a file, since piped text can come from anybody."""

_HINTS: Final = (
    "Alt-Enter, or Enter after a \\, begins a new line.",
    "To send a message that begins with a slash, type two: //",
    "Ctrl-C cancels the answer; the text so far is kept.",
)


@dataclass(frozen=True, slots=True)
class Say:
    """A message for the model."""

    text: str


@dataclass(frozen=True, slots=True)
class Do:
    """A known command."""

    name: str
    argument: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """An unknown command, and the nearest known ones."""

    name: str
    nearest: tuple[str, ...]


Line = Say | Do | Unknown


def parse_line(line: str) -> Line | None:
    """Return what a line means, None if it is blank."""
    if not line.strip():
        return None
    if line.startswith("//"):
        return Say(line[1:])
    if not line.startswith("/"):
        return Say(line)
    name, *rest = line[1:].split(maxsplit=1) or [""]
    names = [command.name for command in COMMANDS]
    if name in names:
        return Do(name, rest[0].strip() if rest else "")
    return Unknown(name, tuple(get_close_matches(name.lower(), names, n=3)))


def goes_on(text: str) -> bool:
    """Return whether Enter begins a new line here; a command's argument may end with a backslash."""
    return text.endswith("\\") and (not text.startswith("/") or text.startswith("//"))


def completions(text: str, models: Sequence[str]) -> list[str]:
    """Return the words that complete the last word of a line."""
    if not text.startswith("/") or text.startswith("//") or "\n" in text:
        return []
    name, space, argument = text[1:].partition(" ")
    if not space:
        return [f"/{command.name}" for command in COMMANDS if command.name.startswith(name)]
    words = next((command.words for command in COMMANDS if command.name == name), ())
    return [word for word in (models if name == "model" else words) if word.startswith(argument)]


def help_text() -> str:
    """Return the text of `/help`."""
    width = max(len(command.usage) for command in COMMANDS)
    rows = [f"{command.usage:<{width}}  {command.summary}" for command in COMMANDS]
    return "\n".join([*rows, "", *_HINTS])
