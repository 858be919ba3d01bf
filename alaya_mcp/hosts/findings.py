"""Problems with our entries in hosts' configuration files. Nothing is changed."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath, PureWindowsPath
from typing import Literal

from alaya_mcp.config.pasted import PLACEHOLDER
from alaya_mcp.hosts.catalogue import Machine
from alaya_mcp.hosts.changes import INPUTS, unfit, wrong_kind
from alaya_mcp.hosts.display import printable, shown_command
from alaya_mcp.hosts.documents import elements, members
from alaya_mcp.hosts.entries import KEY_VARIABLES, literal_keys
from alaya_mcp.hosts.files import HostFile, Server, host_files, our_servers
from alaya_mcp.hosts.references import unreplaced

Problem = Literal[
    "file_does_not_parse",
    "file_has_comments",
    "file_has_byte_order_mark",
    "strangers_package",
    "relative_command",
    "command_missing",
    "unexpanded_variable",
    "keys_missing",
    "placeholder_key",
    "keys_in_file",
]
Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem of a file, or of an entry in it.

    An error means that the server does not start, or that a stranger's package gets the keys; `is_another` that the
    entry has our name and starts another server. No message holds a secret.
    """

    host: str
    path: Path
    server: str | None
    problem: Problem
    message: str
    next_step: str
    severity: Severity
    is_another: bool = False


_Told = tuple[Problem, str, str, Severity]


def host_findings(machine: Machine, *, has_profile: bool = False) -> list[Finding]:
    """Return the problems in every existing file, file by file.

    `has_profile` says whether a profile of our own configuration file holds a key pair.
    """
    findings: list[Finding] = []
    for file in host_files(machine):
        host, path = file.host, file.document.path
        findings += [Finding(host.name, path, None, *told) for told in _of_file(file)]
        for server in our_servers(file):
            for problem, message, step, severity in _of_server(file, server, machine, has_profile=has_profile):
                text = printable(f"{host.title}, {server.label}: {message}")
                findings.append(Finding(host.name, path, server.name, problem, text, step, severity, server.is_another))
    return findings


def _of_file(file: HostFile) -> Iterator[_Told]:
    path, title, is_desktop = file.document.path, file.host.title, file.host.name == "claude-desktop"
    if what := file.document.problem or wrong_kind(file.document, file.host):
        step = f"Correct it in an editor; until then {title} may start none of its servers."
        yield "file_does_not_parse", f"{path} {what}.", step, "error"
    elif file.document.has_mark:
        drops = f"so {title} ignores every server in it" if is_desktop else "which JSON does not allow"
        step = f"Save it as UTF-8 without the mark; `alayanew-mcp install {file.host.name}` does so."
        message = f"{path} begins with a byte order mark, {drops}."
        yield "file_has_byte_order_mark", message, step, "error" if is_desktop else "warning"
    if file.document.state == "commented" and is_desktop:
        message = f"{path} has comments or trailing commas, but {title} reads plain JSON."
        yield "file_has_comments", message, "Remove them.", "warning"


def _of_server(file: HostFile, server: Server, machine: Machine, *, has_profile: bool) -> Iterator[_Told]:
    if "command" not in server.entry:
        return
    install = _install(file, server)
    if server.is_strangers:
        message = "'alaya-mcp' is another project's package, which would get your keys."
        step = f"Remove the entry, and create a new Open API Key if it was ever started with one. {install}"
        yield "strangers_package", message, step, "error"
        return
    yield from _of_command(file, server, machine, install)
    yield from _of_references(file, server, machine)
    yield from _of_keys(file, server, machine, install, has_profile=has_profile)


def _install(file: HostFile, server: Server) -> str:
    """Return what the command `install` does about an entry, as a sentence."""
    command = f"alayanew-mcp install {file.host.name}"
    if unfit(file.document, file.host):
        return f"`{command} --print` prints what belongs in the file."
    if server.is_another:
        return f"`{command} --name alaya-2` adds a working entry beside it."
    return f"`{command}` writes a working entry."


def _of_command(file: HostFile, server: Server, machine: Machine, install: str) -> Iterator[_Told]:
    (command,) = server.words[:1] or [""]
    if not command or "${" in command:
        return
    shown = shown_command(command)
    named = f"the command '{shown}'" if shown else "the command"
    path = PureWindowsPath(command) if machine.platform == "win32" else PurePath(command)
    if path.is_absolute():
        if not (Path(command).is_file() and os.access(command, os.X_OK)):
            yield "command_missing", f"{named} does not exist or cannot be run.", install, "error"
    elif file.host.has_window:
        message = (
            f"{named} is not an absolute path. Started from a desktop, {file.host.title} does not have your shell's "
            "PATH and fails with ENOENT."
        )
        yield "relative_command", message, f"Write the command's absolute path. {install}", "warning"


def _of_references(file: HostFile, server: Server, machine: Machine) -> Iterator[_Told]:
    inputs = {str(members(given).get("id")) for given in elements(file.document.data.get(INPUTS))}
    places = {"its command line": " ".join(server.words)}
    places |= {name: value for name, value in server.env.items() if isinstance(value, str)}
    for place, text in places.items():
        for reference in unreplaced(file.host, text, machine.environ, inputs):
            if reference.variable:
                message = f"{place} refers to {reference.reference}, but {reference.named} is not set in this shell."
                step = f"Set {reference.named} in the environment that starts {file.host.title}."
                yield "unexpanded_variable", message, step, "warning"
            else:
                message = f"{place} holds {reference.reference}, which {file.host.title} does not replace."
                is_input = file.host.has_inputs and reference.reference.startswith("${input:")
                step = f'Add an input with that id to "{INPUTS}" there.' if is_input else "Write the value itself."
                yield "unexpanded_variable", message, step, "error"


def _of_keys(file: HostFile, server: Server, machine: Machine, install: str, *, has_profile: bool) -> Iterator[_Told]:
    env, literal = server.env, literal_keys(server.entry)
    absent = [name for name in KEY_VARIABLES if not env.get(name)]
    has_profile = has_profile or any(env.get(name) for name in ("ALAYA_PROFILE", "ALAYA_CONFIG"))
    passed = {str(name) for name in elements(server.entry.get("env_vars"))}
    is_enough = (
        "--sandbox" in server.words
        or "envFile" in server.entry
        or {*absent} <= passed
        or (has_profile and len(absent) > 1)
    )
    if absent and not is_enough:
        is_inherited = (
            file.host.passes_shell and not file.host.has_window and all(name in machine.environ for name in absent)
        )
        message = f"nobody is logged in, and its variables do not set {' and '.join(absent)}."
        yield "keys_missing", message, "Run `alayanew-mcp login`.", "warning" if is_inherited else "error"
    for name in literal:
        if PLACEHOLDER.fullmatch(str(env[name]).strip()):
            yield "placeholder_key", f"{name} is still a placeholder.", f"Write your own key. {install}", "error"
    if literal and not server.is_another:
        message = f"{' and '.join(literal)}: the key itself is in {file.document.path}."
        step = f"`alayanew-mcp login` keeps it in one place; then `alayanew-mcp install {file.host.name}` takes it out."
        yield "keys_in_file", message, step, "warning"
