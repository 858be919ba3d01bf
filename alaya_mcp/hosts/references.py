"""References in a configuration file, `${...}`, as each host replaces them, or does not. Pure."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from alaya_mcp.hosts.catalogue import Host

HIDDEN: Final = "${...}"

_REFERENCE: Final = re.compile(r"\$\{([^{}]*)\}")
_PLAIN: Final = re.compile(r"\$\{(?:input:[\w.-]+|(?:[a-z]+:)?[a-z_]\w*(?::-)?)\}", re.ASCII | re.IGNORECASE)
_VARIABLE: Final = re.compile(r"([A-Za-z_]\w*)(?::-(.*))?", re.DOTALL)

_FOLDERS: Final = frozenset({"userHome", "workspaceFolder", "workspaceFolderBasename", "pathSeparator", "/"})
_FILES: Final = frozenset(
    {
        *("file", "fileWorkspaceFolder", "relativeFile", "relativeFileDirname", "fileBasename", "fileExtname"),
        *("fileBasenameNoExtension", "fileDirname", "fileDirnameBasename", "lineNumber", "columnNumber"),
        *("selectedText", "cwd", "execPath", "defaultBuildTask"),
    }
)
_OTHERS: Final[Mapping[str, frozenset[str]]] = {"vscode": _FOLDERS | _FILES, "cursor": _FOLDERS}
"""What else is replaced, by host."""
_PREFIXES: Final[Mapping[str, tuple[str, ...]]] = {"vscode": ("config:", "command:", "workspaceFolder:")}


@dataclass(frozen=True, slots=True)
class Unreplaced:
    """A reference that does not get a value.

    Attributes:
        reference: As it stands, without a default, which may be the secret itself; `HIDDEN` where what is inside
            is no name, and may be one too.
        variable: The environment variable that is not set here; None where the host does not know such references.
    """

    reference: str
    variable: str | None = None


def is_reference(text: str) -> bool:
    """Whether a text is one reference to a name and nothing else: it holds no secret then."""
    return _PLAIN.fullmatch(text) is not None


def unreplaced(host: Host, text: str, environ: Mapping[str, str], inputs: Collection[str]) -> list[Unreplaced]:
    """The references in a text that the host leaves as they are, or has no value for.

    Args:
        host: Which.
        text: One string of an entry.
        environ: The environment that the host would have.
        inputs: The ids of the inputs in the file.
    """
    found: list[Unreplaced] = []
    for reference in _REFERENCE.finditer(text):
        inside = reference[1]
        named = f"${{{inside.partition(':-')[0]}}}"
        shown = named if is_reference(named) else HIDDEN
        variable, default = _variable(host, inside)
        if variable:
            if variable not in environ and default is None:
                found.append(Unreplaced(shown, variable))
        elif not _is_known(host, inside, inputs):
            found.append(Unreplaced(shown))
    return found


def replaced(host: Host, text: str, environ: Mapping[str, str]) -> str:
    """A text with the variables in it replaced as the host does; other references stay."""

    def value(reference: re.Match[str]) -> str:
        variable, default = _variable(host, reference[1])
        if not variable:
            return reference[0]
        # Claude Code leaves what is not set as it is, editors put nothing in its place.
        missing = reference[0] if host.name == "claude-code" else ""
        return environ.get(variable, missing if default is None else default)

    return _REFERENCE.sub(value, text)


def _variable(host: Host, inside: str) -> tuple[str | None, str | None]:
    """The environment variable that a reference stands for, and its default."""
    match host.name:
        case "claude-code":
            found = _VARIABLE.fullmatch(inside)
            return (found[1], found[2]) if found else (None, None)
        case "vscode" | "cursor":
            return (inside.removeprefix("env:"), None) if inside.startswith("env:") else (None, None)
        case _:
            return None, None


def _is_known(host: Host, inside: str, inputs: Collection[str]) -> bool:
    if host.has_inputs and inside.startswith("input:"):
        return inside.removeprefix("input:") in inputs
    return inside in _OTHERS.get(host.name, ()) or inside.startswith(_PREFIXES.get(host.name, ("\0",)))
