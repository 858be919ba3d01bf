"""References `${...}` in a configuration file, and how each host replaces them. Pure."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from alaya_mcp.hosts.catalogue import Host

HIDDEN: Final = "${...}"

_USUAL: Final = re.compile(r"\$\{([^{}]*)\}")
_OF_OPENCODE: Final = re.compile(r"\{((?:env|file):[^{}]*)\}")
_PLAIN: Final = re.compile(
    r"\$\{(?:input:[\w.-]+|(?:[a-z]+:)?[a-z_]\w*(?::-)?)\}|\{env:[a-z_]\w*\}", re.ASCII | re.IGNORECASE
)
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
"""Other references that a host replaces."""
_KEEP_UNSET: Final = frozenset({"claude-code", "qwen", "copilot"})
_PREFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    "vscode": ("config:", "command:", "workspaceFolder:"),
    "opencode": ("file:",),
}


@dataclass(frozen=True, slots=True)
class Unreplaced:
    """A reference that does not get a value.

    Attributes:
        reference: Without its default, which may be a secret; `HIDDEN` if the inside is not a name and may be one.
        variable: The environment variable that is not set here; None if the host does not know such references.
    """

    reference: str
    variable: str | None = None

    @property
    def named(self) -> str:
        """The variable in words, without a possible secret."""
        return "what it names" if self.reference == HIDDEN else f"{self.variable}"


def is_reference(text: str) -> bool:
    """Return whether a text is exactly one reference to a name, so that it holds no secret."""
    return _PLAIN.fullmatch(text) is not None


def unreplaced(host: Host, text: str, environ: Mapping[str, str], inputs: Collection[str]) -> list[Unreplaced]:
    """Return the references in a text that the host does not replace, or has no value for.

    `environ` is the environment that the host would have, `inputs` are the ids of the inputs in its file.
    """
    found: list[Unreplaced] = []
    for reference in _pattern(host).finditer(text):
        inside = reference[1]
        named = reference[0].partition(":-")[0].removesuffix("}") + "}"
        shown = named if is_reference(named) else HIDDEN
        variable, default = _variable(host, inside)
        if variable:
            if variable not in environ and default is None:
                found.append(Unreplaced(shown, variable))
        elif not _is_known(host, inside, inputs):
            found.append(Unreplaced(shown))
    return found


def replaced(host: Host, text: str, environ: Mapping[str, str]) -> str:
    """Return a text with its variables replaced as the host does it; other references are kept."""

    def value(reference: re.Match[str]) -> str:
        variable, default = _variable(host, reference[1])
        if not variable:
            return reference[0]
        # Others replace a reference to an unset variable with nothing.
        missing = reference[0] if host.name in _KEEP_UNSET else ""
        return environ.get(variable, missing if default is None else default)

    return _pattern(host).sub(value, text)


def _variable(host: Host, inside: str) -> tuple[str | None, str | None]:
    """Return the environment variable that a reference names, and its default."""
    match host.name:
        case "claude-code" | "gemini" | "copilot":
            found = _VARIABLE.fullmatch(inside)
            return (found[1], found[2]) if found else (None, None)
        case "qwen":
            found = _VARIABLE.fullmatch(inside)
            return (found[1], None) if found and found[2] is None else (None, None)
        case "vscode" | "cursor" | "opencode":
            # These have no defaults; what would be one may be a secret.
            return (inside.removeprefix("env:").partition(":-")[0], None) if inside.startswith("env:") else (None, None)
        case _:
            return None, None


def _pattern(host: Host) -> re.Pattern[str]:
    return _OF_OPENCODE if host.name == "opencode" else _USUAL


def _is_known(host: Host, inside: str, inputs: Collection[str]) -> bool:
    if host.has_inputs and inside.startswith("input:"):
        return inside.removeprefix("input:") in inputs
    return inside in _OTHERS.get(host.name, ()) or inside.startswith(_PREFIXES.get(host.name, ("\0",)))
