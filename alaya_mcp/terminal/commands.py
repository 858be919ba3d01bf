"""What one typed line means: a message, or one of the `/commands`. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        name: Without its slash.
        argument: Its placeholder, in brackets where it can be left out; empty where there is none.
        summary: What it does.
        words: What its argument can be, where there are few.
    """

    name: str
    argument: str
    summary: str
    words: tuple[str, ...] = ()

    @property
    def usage(self) -> str:
        """As it is typed."""
        return f"/{self.name} {self.argument}".rstrip()


COMMANDS: Final = (
    Command("model", "[NAME]", "list the models that can be asked, or ask NAME from now on"),
    Command("system", "[TEXT|off]", "show, set or remove the system message", ("off",)),
    Command(
        "thinking",
        "[MODE]",
        "show or hide the thinking; on, off or auto: whether the model thinks",
        ("show", "hide", "auto", "on", "off"),
    ),
    Command("retry", "", "ask the last message again"),
    Command("continue", "", "go on from the last reply"),
    Command("clear", "", "begin the conversation anew"),
    Command("save", "FILE", "write the conversation: Markdown for .md, else JSON messages as OpenAI has them"),
    Command("save!", "FILE", "the same, over a file that is there"),
    Command("load", "FILE", "take up a conversation that was saved as JSON"),
    Command("info", "", "show the deployment as it is now"),
    Command("help", "", "show this"),
    Command("quit", "", "leave, as Ctrl-D does"),
)
"""Every command, as `/help` lists them."""

LEAVING: Final = frozenset({"exit", "quit", ":q", "/exit", "/bye"})
"""What people type to leave, beside `/quit`."""
IN_A_PIPE: Final = frozenset({"model", "system", "thinking", "clear", "quit"})
"""Commands that a pipe may hold: none that touches a file, since what is piped in may come from anybody."""

_HINTS: Final = (
    "Alt-Enter, or Enter after a \\, begins a new line; pasted text stays whole.",
    "A message that begins with a slash is typed with two: //",
    "Ctrl-C ends the answer that is being written; what came of it is kept.",
)


@dataclass(frozen=True, slots=True)
class Say:
    """A message for the model."""

    text: str


@dataclass(frozen=True, slots=True)
class Do:
    """A command that there is."""

    name: str
    argument: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A command that there is not, and those it is most like."""

    name: str
    nearest: tuple[str, ...]


Line = Say | Do | Unknown


def parse_line(line: str) -> Line | None:
    """What a line means; None for one without anything on it."""
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
    """Whether Enter after this text begins a new line; a command's argument may end with a backslash."""
    return text.endswith("\\") and (not text.startswith("/") or text.startswith("//"))


def completions(text: str, models: Sequence[str]) -> list[str]:
    """What the last word of a line that is being typed may become, beginning as it does."""
    if not text.startswith("/") or text.startswith("//") or "\n" in text:
        return []
    name, space, argument = text[1:].partition(" ")
    if not space:
        return [f"/{command.name}" for command in COMMANDS if command.name.startswith(name)]
    words = next((command.words for command in COMMANDS if command.name == name), ())
    return [word for word in (models if name == "model" else words) if word.startswith(argument)]


def help_text() -> str:
    """Every command with what it does, and what else can be typed."""
    width = max(len(command.usage) for command in COMMANDS)
    rows = [f"{command.usage:<{width}}  {command.summary}" for command in COMMANDS]
    return "\n".join([*rows, "", *_HINTS])
