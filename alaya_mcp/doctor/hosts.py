"""The checks of hosts' configuration files, and the environment that a host passes to the server."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from alaya_mcp.doctor.check import Check, Fact, Level
from alaya_mcp.hosts.catalogue import HOSTS, Host, Machine
from alaya_mcp.hosts.files import HostFile, Server, environment_of, host_files, our_servers, server_of
from alaya_mcp.hosts.findings import host_findings
from alaya_mcp.hosts.references import unreplaced
from alaya_mcp.printable import encodable, printable

_SHELLS_OWN: Final = re.compile(r"ALAYA_.*|(?:https?|all|no)_proxy|SSL_CERT_(?:FILE|DIR)", re.IGNORECASE)
"""The shell's variables that matter here and that a host with a window does not have."""


@dataclass(frozen=True, slots=True)
class Passed:
    """What a host passes to the server.

    Attributes:
        check: Whether that is known.
        environ: The environment that the server gets.
        unset: By variable with a reference, which variable the host lacks, as a clause.
        keys_by: How to set missing keys, as a sentence.
        places: By variable of the entry's `env` block, the entry.
    """

    check: Check
    environ: Mapping[str, str] = field(repr=False)
    unset: Mapping[str, str] = field(default_factory=dict[str, str])
    keys_by: str = ""
    places: Mapping[str, str] = field(default_factory=dict[str, str])


BY_SHELL: Final = Passed(
    Check("host", "skipped", "no_host", "no host is named"),
    {},
    keys_by="If they are in a host's file: `alayanew-mcp doctor --host HOST`. Without an account: `alayanew-mcp demo`.",
)
"""What the shell passes."""


def nothing_passed(host: Host, environ: Mapping[str, str]) -> Passed:
    """Return what is known without a home folder."""
    what = f"there is no home folder that could hold {host.title}'s file"
    return Passed(Check("host", "skipped", "no_home", what), environ)


def passed_by(host: Host, machine: Machine) -> Passed:
    """Return what a host passes to the server: its own environment and the `env` block of its entry."""
    is_bare = host.has_window or not host.passes_shell
    own = {name: value for name, value in machine.environ.items() if not (is_bare and _SHELLS_OWN.fullmatch(name))}

    def unknown(level: Level, verdict: str, what: str, step: str = "") -> Passed:
        return Passed(Check("host", level, verdict, what, step), own)

    server = server_of(host, machine)
    if server is None or server.is_another:
        return Passed(_without_entry(host, machine, server), own)
    if "--sandbox" in server.words:
        what = f"{host.title}'s entry {server.name} starts the embedded sandbox, which needs no account"
        return unknown("skipped", "host_over_sandbox", what)
    block = environment_of(host, machine, server)
    if wrong := [name for name, value in block.items() if not _can_be_passed(name, value)]:
        named = ", ".join(printable(name)[:60] or "one without a name" for name in wrong)
        what = f"the env block of {host.title}'s entry {server.name} has invalid variables: {named}"
        step = "Correct them: a name has neither = nor NUL, a value has no NUL and no half of a surrogate pair."
        return unknown("failed", "host_env_unusable", what, step)
    asked = [name for name, value in block.items() if "${input:" in value]
    shells = {name: machine.environ[name] for name in asked if machine.environ.get(name)}
    if missing := [name for name in asked if name not in shells]:
        what = f"{host.title} asks for {', '.join(missing)} itself and passes it only to alayanew-mcp"
        step = f"Set {' and '.join(missing)} in this shell to check the rest."
        return unknown("skipped", "host_asks", what, step)
    taken = f"; {', '.join(asked)}, which it asks for, from this shell" if asked else ""
    aside = "; this shell's ALAYA_ and proxy variables are ignored" if is_bare else ""
    what = f"the settings come from {host.title}'s entry {server.name}{aside}{taken}"
    check = Check("host", "ok", "host_entry", what, "", tuple(Fact("passes", name) for name in block))
    places = {name: f"{host.title}'s entry {server.name}" for name in block if name not in shells}
    return Passed(check, own | block | shells, _unset(host, machine, block), places=places)


def _without_entry(host: Host, machine: Machine, other: Server | None) -> Check:
    """Return why a host has no entry of ours; `other` is another server with our name."""
    add = f"`alayanew-mcp install {host.name}{' --name alaya-2' if other else ''}` adds one."
    if other:
        what = f"{host.title} has another server called {other.name}, and no entry for alayanew-mcp"
        return Check("host", "failed", "host_entry_missing", what, add)
    for found in host_findings(machine):
        if found.host == host.name and found.problem == "file_does_not_parse":
            facts = _facts(host, found.path)
            return Check("host", "failed", "host_file_unusable", found.message, found.next_step, facts)
    servers = [server for file in host_files(machine, {host.name: host}) for server in our_servers(file)]
    projects = ", ".join(server.project for server in servers if server.project)
    where = f" in this folder, only in {projects}" if projects else ""
    return Check("host", "failed", "host_entry_missing", f"{host.title} has no entry for alayanew-mcp{where}", add)


def _can_be_passed(name: str, value: str) -> bool:
    """Return whether a variable is valid in an environment."""
    is_text = all(encodable(text) == text for text in (name, value))
    return bool(name) and "=" not in name and "\0" not in name + value and is_text


def _unset(host: Host, machine: Machine, block: Mapping[str, str]) -> dict[str, str]:
    """Return, by variable with a reference, which variable the host lacks, as a clause."""
    missing: dict[str, str] = {}
    for name, value in block.items():
        variables = {each.named for each in unreplaced(host, value, machine.environ, ()) if each.variable}
        if variables:
            isnt = "is not" if len(variables) == 1 else "are not"
            missing[name] = f"{' and '.join(sorted(variables))} {isnt} set where {host.title} is started from"
    return missing


def about_host_files(
    machine: Machine, host: Host | None, *, has_profile: bool, known: Check | None = None
) -> list[Check]:
    """Return a check of each host that has a file, or of `host` only, or one for each problem in its files.

    `has_profile` says whether a profile of our own configuration file holds a key pair. What `known`, the check of the
    host's entry, says is not repeated.
    """
    hosts = HOSTS if host is None else {host.name: host}
    findings = host_findings(machine, has_profile=has_profile)
    checks: list[Check] = []
    for each in hosts.values():
        files = host_files(machine, {each.name: each})
        has_ours = any(not server.is_another for file in files for server in our_servers(file))
        about = [
            Check(
                "host_file",
                "failed" if found.severity == "error" else "warning",
                found.problem,
                found.message,
                found.next_step,
                _facts(each, found.path),
            )
            for found in findings
            # Another server of our name may be a wrapper of ours, if there is no other entry.
            if found.host == each.name and not (found.is_another and (has_ours or known))
        ]
        checks += about or ([_without_problems(each, files)] if files else [])
    if known and known.level == "failed":
        return [check for check in checks if check.level not in {"ok", "skipped"} and check.facts != known.facts]
    titles = ", ".join(each.title for each in hosts.values())
    return checks or [Check("host_file", "skipped", "no_host_file", f"no configuration file of {titles} was found")]


def _without_problems(host: Host, files: list[HostFile]) -> Check:
    """Return the check of a host's files without problems: which of them start our server."""
    starts: dict[Path, str] = {}
    for file in files:
        if labels := [server.label for server in our_servers(file) if not server.is_another]:
            starts[file.document.path] = ", ".join(labels)
    if not starts:
        paths = [file.document.path for file in files]
        what = f"{host.title}: no entry for alayanew-mcp in {', '.join(map(str, paths))}"
        return Check("host_file", "ok", "host_file_without_entry", what, "", _facts(host, paths[0]))
    what = "; ".join(f"{path} starts {labels}" for path, labels in starts.items())
    return Check("host_file", "ok", "host_file_good", f"{host.title}: {what}", "", _facts(host, next(iter(starts))))


def _facts(host: Host, path: Path) -> tuple[Fact, ...]:
    return Fact("host", host.name), Fact("path", f"{path}")
