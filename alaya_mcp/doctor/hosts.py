"""What hosts' configuration files look like, and what a host passes to the server."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from alaya_mcp.doctor.check import Check, Fact, Level
from alaya_mcp.hosts.catalogue import HOSTS, Host, Machine
from alaya_mcp.hosts.changes import wrong_kind
from alaya_mcp.hosts.files import HostFile, environment_of, host_files, our_servers, server_of
from alaya_mcp.hosts.findings import Finding, Severity, host_findings
from alaya_mcp.hosts.references import HIDDEN, unreplaced
from alaya_mcp.printable import encodable, printable

_LEVELS: Final[dict[Severity, Level]] = {"error": "failed", "warning": "warning", "info": "ok"}
_SHELLS_OWN: Final = re.compile(r"ALAYA_.*|(?:https?|all|no)_proxy|SSL_CERT_(?:FILE|DIR)", re.IGNORECASE)
"""What a host with a window does not have from a shell and what matters here."""
_INPUT: Final = "${input:"

KEYS_BY_ANY_HOST: Final = (
    "`alayanew-mcp install HOST` asks for them and writes them where that host reads them. Where they are in a host's "
    "file already: `alayanew-mcp doctor --host HOST`. Without an account: `alayanew-mcp demo`."
)
"""What brings missing keys to where they are read."""


@dataclass(frozen=True, slots=True)
class Passed:
    """What a host passes on.

    Attributes:
        check: Whether that is known.
        environ: The environment that the server has there.
        unset: By variable that keeps a reference, what is missing for it, as a clause.
        keys_by: What brings missing keys there, as a sentence.
    """

    check: Check
    environ: Mapping[str, str] = field(repr=False)
    unset: Mapping[str, str] = field(default_factory=dict[str, str])
    keys_by: str = ""


def nothing_passed(host: Host, environ: Mapping[str, str]) -> Passed:
    """What is known where there is no home folder to look into."""
    what = f"there is no home folder in which {host.title}'s file could be"
    return Passed(Check("host", "skipped", "no_home", what), environ)


def passed_by(host: Host, machine: Machine) -> Passed:
    """The environment that a host's server has: the `env` block of its entry, and what the host itself has."""
    server = server_of(host, machine)
    own = {
        name: value for name, value in machine.environ.items() if not (host.has_window and _SHELLS_OWN.fullmatch(name))
    }
    if server is None:
        if unusable := _unusable(host, machine):
            return Passed(unusable, own)
        step = f"`alayanew-mcp install {host.name}` writes one."
        what = f"{host.title} has no entry of this server"
        return Passed(Check("host", "failed", "host_entry_missing", what, step), own)
    if server.is_another:
        step = f"`alayanew-mcp install {host.name} --name OTHER` puts this one beside it."
        what = f"{host.title} has another server called {server.name}, and no entry of this one"
        return Passed(Check("host", "failed", "host_entry_missing", what, step), own)
    if "--sandbox" in server.words:
        what = f"{host.title} starts the server over the embedded sandbox, which needs no account"
        return Passed(Check("host", "skipped", "host_over_sandbox", what), own)
    block = environment_of(host, machine, server)
    if wrong := [name for name, value in block.items() if not _can_be_passed(name, value)]:
        named = ", ".join(printable(name)[:60] or "one without a name" for name in wrong)
        what = f"{host.title}'s env block has what no environment can hold: {named}"
        step = "Names have neither = nor NUL in them, and values no NUL and no half of a surrogate pair: correct these."
        return Passed(Check("host", "failed", "host_env_unusable", what, step), own)
    asked = [name for name, value in block.items() if _INPUT in value]
    shells = {name: machine.environ[name] for name in asked if machine.environ.get(name)}
    if unknown := [name for name in asked if name not in shells]:
        what = f"{host.title} asks for {', '.join(unknown)} itself and passes it to nobody else"
        step = f"Set {' and '.join(unknown)} in this shell to have the rest checked."
        return Passed(Check("host", "skipped", "host_asks", what, step), own)
    taken = f"; {', '.join(asked)}, which it asks for itself, as in this shell" if asked else ""
    aside = "; this shell's ALAYA_ and proxy variables are left aside" if host.has_window else ""
    facts = tuple(Fact("passes", name) for name in block)
    check = Check("host", "ok", "host_entry", f"checked with what {host.title} passes on{aside}{taken}", "", facts)
    install = f"`alayanew-mcp install {host.name}` asks for them and writes them into that entry."
    return Passed(check, own | block | shells, _unset(host, machine, block), install)


def _can_be_passed(name: str, value: str) -> bool:
    """Whether a variable can stand in an environment."""
    is_text = all(encodable(text) == text for text in (name, value))
    return bool(name) and "=" not in name and "\0" not in name + value and is_text


def _unusable(host: Host, machine: Machine) -> Check | None:
    """The check where a file is there that cannot be used."""
    for file in host_files(machine, {host.name: host}):
        if what := file.document.problem or wrong_kind(file.document, host):
            step = f"Correct {file.document.path} in an editor, then ask the doctor again."
            return Check("host", "failed", "host_file_unusable", f"{file.document.path} {what}", step)
    return None


def _unset(host: Host, machine: Machine, block: Mapping[str, str]) -> dict[str, str]:
    missing: dict[str, str] = {}
    for name, value in block.items():
        found = [each for each in unreplaced(host, value, machine.environ, ()) if each.variable]
        if found:
            variables = {"what it names" if each.reference == HIDDEN else f"{each.variable}" for each in found}
            isnt = "is not" if len(variables) == 1 else "are not"
            missing[name] = f"{' and '.join(sorted(variables))} {isnt} set where {host.title} is started from"
    return missing


def about_host_files(machine: Machine, host: Host | None, *, has_profile: bool) -> list[Check]:
    """A check of each file that is there, or one for each thing that is wrong with it.

    Args:
        machine: Where to look.
        host: Whose files alone, or None for every host's.
        has_profile: Whether a profile of our own configuration file holds a key pair.
    """
    hosts = HOSTS if host is None else {host.name: host}
    files = host_files(machine, hosts)
    findings = host_findings(machine, has_profile=has_profile)
    checks = [check for file in files for check in _of_file(file, findings)]
    if checks:
        return checks
    titles = ", ".join(each.title for each in hosts.values())
    return [Check("host_file", "skipped", "no_host_file", f"none of {titles} was found")]


def _of_file(file: HostFile, findings: list[Finding]) -> list[Check]:
    path = file.document.path
    facts = (Fact("host", file.host.name), Fact("path", f"{path}"))
    about = [found for found in findings if found.host == file.host.name and found.path == path]
    if about:
        return [
            Check("host_file", _LEVELS[each.severity], each.problem, each.message, each.next_step, facts)
            for each in about
        ]
    names = [server.name for server in our_servers(file)]
    what = f"starts {', '.join(names)}" if names else "does not name this server"
    verdict = "host_file_good" if names else "host_file_without_entry"
    return [Check("host_file", "ok", verdict, f"{file.host.title}: {path} {what}", "", facts)]
