"""Add this server to a host's configuration, with the host's own command if it has one, else in its file."""

import argparse
import getpass
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from alaya_mcp.config.environment import value_of
from alaya_mcp.config.file import parsed, profile_of
from alaya_mcp.config.place import CONFIG_VARIABLE, PROFILE_VARIABLE, config_bytes, config_path
from alaya_mcp.config.precedence import gather
from alaya_mcp.config.settings import VARIABLES, Settings, settings_from
from alaya_mcp.error_sentences import what_happened
from alaya_mcp.errors import NotConfigured
from alaya_mcp.hosts.catalogue import Machine
from alaya_mcp.hosts.changes import held_keys, holds, installed, is_installed, snippet, unfit, wrong_kind
from alaya_mcp.hosts.differences import printable
from alaya_mcp.hosts.documents import members
from alaya_mcp.hosts.entries import (
    KEY_VARIABLES,
    OUR_VARIABLES,
    PLACEHOLDERS,
    KeyPair,
    Wanted,
    launcher,
    literal_keys,
    merged,
    takes_literal_keys,
    wanted_sandbox,
    wanted_server,
)
from alaya_mcp.hosts.own_commands import Call, adding, can_be_passed, not_taken, removing
from alaya_mcp.hosts.references import unreplaced
from alaya_mcp.hosts.transaction import Refused, Request, Terminal, Transaction
from alaya_mcp.terminal.console import open_console
from alaya_mcp.terminal.error_steps import next_step

Which = Callable[[str], str | None]
"""`shutil.which`."""

_KEYS_ARE_NEEDED: Final = """\
install needs both halves of your Open API Key from the Alaya NeW console (--sandbox needs none): set \
ALAYA_ACCESS_KEY and ALAYA_SECRET_KEY in the environment, or run it on a terminal, where it asks for them."""

_FILE_STAYS: Final = """\
The entry keeps its envFile, which this command does not read: ALAYA_ variables in it apply beside the new keys."""

_OF_A_PROFILE: Final = (CONFIG_VARIABLE, PROFILE_VARIABLE)
_URL_STAYS: Final = "The entry keeps its ALAYA_BASE_URL, where the new keys are sent."


async def run(arguments: argparse.Namespace) -> int:
    """Install as the command line says; return the exit status."""
    return install(
        requested(arguments), Machine.present(), open_terminal("install"), which=shutil.which, executable=sys.executable
    )


def requested(arguments: argparse.Namespace) -> Request:
    """Return the request of a command line of `install` or `uninstall`."""
    project: str | None = arguments.project
    return Request(
        host=arguments.host,
        name=arguments.name,
        project=None if project is None else Path(project),
        is_sandbox=getattr(arguments, "over_sandbox", False),
        is_dry=arguments.dry_run,
        is_agreed=arguments.yes,
    )


def open_terminal(command: str) -> Terminal:
    """Return this process's terminal; it cannot ask if stdin or stdout is not a terminal."""
    console = open_console()
    # The event loop's handler would not interrupt a question.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def write(text: str, style: str) -> None:
        console.print(printable(text), style=style or None, markup=False, soft_wrap=True)

    def warn(text: str) -> None:
        sys.stderr.write(f"alayanew-mcp {command}: {printable(text)}\n")

    def answer(read: Callable[[str], str], question: str) -> str:
        try:
            return read(question)
        except EOFError:  # Ctrl-D, which leaves the cursor behind the question
            console.print()
            raise Refused("Nothing was changed.") from None

    is_terminal = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
    asks = (partial(answer, input), partial(answer, getpass.getpass)) if is_terminal else ()
    return Terminal(write, warn, *asks)


def install(request: Request, machine: Machine, terminal: Terminal, *, which: Which, executable: str) -> int:
    """Install and return the exit status.

    Args:
        request: What the command line asks for.
        machine: Where to install.
        terminal: Asks the person, if one is there.
        which: Finds a host's own command on the PATH.
        executable: The Python interpreter.
    """
    try:
        transaction = Transaction.begin(request, machine, terminal)
        return _install(transaction, which, executable)
    except Refused as refusal:
        terminal.warn(str(refusal))
    except NotConfigured as problem:
        terminal.warn(f"{what_happened(problem)} {next_step(problem)}")
    return 1


def _install(transaction: Transaction, which: Which, executable: str) -> int:
    terminal, host, document = transaction.terminal, transaction.host, transaction.document
    transaction.spare_another("Pass --name alaya-2 to install this one beside it. Nothing was changed.")
    program = which(host.command) if host.command and transaction.level == "user" else None
    is_for_command = host.reads_comments and document.state == "commented"
    why = wrong_kind(document, host) if program and is_for_command else unfit(document, host)
    if why:
        return _left_alone(transaction, why, executable)

    held = held_keys(document, host, transaction.level, transaction.request.name)
    wanted = _wanted(transaction, executable, lambda: _keys(transaction), held=held)
    if is_installed(document, host, wanted) and not document.has_mark:
        terminal.say(f"{host.title} has the same entry {wanted.name} already. Nothing was changed.")
        return 0
    entry = merged(wanted, transaction.present)
    addition = adding(host, wanted, entry)
    program = _usable(program, transaction, entry, addition)
    if not program and is_for_command:
        return _left_alone(transaction, unfit(document, host), executable)
    if "envFile" in entry:
        terminal.say(_FILE_STAYS)
    before, env = (members(members(each).get("env")) for each in (transaction.present, entry))
    has_other_keys = any(name in before and before[name] != env.get(name) for name in KEY_VARIABLES)
    if has_other_keys and "ALAYA_BASE_URL" in env.keys() - members(wanted.entry.get("env")).keys():
        terminal.say(_URL_STAYS)
    if program:
        removal = removing(host, wanted.name) if transaction.present is not None else None
        calls = [removal, addition] if removal else [addition]
        is_done = transaction.command(program, calls, entry=entry, is_right=lambda now: holds(now, host, wanted, entry))
    else:
        is_done = transaction.edit(installed(document, host, wanted), is_private=bool(literal_keys(entry)))
    if is_done:
        for line in _next_steps(transaction, wanted):
            terminal.say(line)
    return 0


def _usable(program: str | None, transaction: Transaction, entry: Mapping[str, object], addition: Call) -> str | None:
    """Return the host's own command; None, after saying why, if the file must be edited."""
    why = ""
    if transaction.document.has_mark:
        mark = "begins with a byte order mark, which is removed, because hosts may refuse it"
        transaction.terminal.say(f"{transaction.document.path} {mark}.")
        return None
    if program and (others := not_taken(transaction.host, entry)):
        why = f"{program} would lose the entry's {', '.join(others)}"
    elif program and not can_be_passed(program, addition.arguments):
        why = f"{program} cannot pass a character of one value"
    if why:
        transaction.terminal.say(f"{why}, so the file is edited.")
    return None if why else program


def _left_alone(transaction: Transaction, why: str | None, executable: str) -> int:
    """Say why the file is not changed, and what to add to it; return the exit status."""
    preview = _wanted(transaction, executable, lambda: PLACEHOLDERS)  # it is printed, so it holds no keys
    is_whole = transaction.document.state == "commented" and not wrong_kind(transaction.document, transaction.host)
    step = "Add this to it:" if is_whole else "Repair it, then run this again or add this to it:"
    transaction.terminal.warn(f"{transaction.document.path} {why}. It is left alone. {step}")
    transaction.terminal.say(snippet(transaction.host, preview))
    return 1


def _wanted(
    transaction: Transaction, executable: str, keys: Callable[[], KeyPair], *, held: KeyPair | None = None
) -> Wanted:
    """Return the entry to install.

    `keys` returns the keys, if they are needed; `held`, the present entry's, stay unless the shell has others.

    Raises:
        Refused: there are no keys, or a setting is unusable.
        NotConfigured: the configuration file is unusable.
    """
    request, host, level = transaction.request, transaction.host, transaction.level
    environ = transaction.machine.environ
    start = launcher(Path(executable), transaction.machine.platform)
    if request.is_sandbox:
        return wanted_sandbox(host, request.name, start)
    pair: KeyPair | None = PLACEHOLDERS
    if level == "user" and _has_key_variables(environ):
        held = None
    elif level == "user":
        is_chosen = any(value_of(environ, name) for name in _OF_A_PROFILE)
        env = members(members(transaction.present).get("env"))
        if not held and not is_chosen:  # the entry may choose a profile
            environ = {name: str(env[name]) for name in _OF_A_PROFILE if name in env} | dict(environ)
        if (is_chosen or not held) and _has_profile_with_keys(environ):
            pair = held = None
    if pair and not held and takes_literal_keys(host, level):
        pair = keys()
    settings = _carried_settings(environ, pair)
    # A profile is chosen by both of its variables together.
    displaced = {name for name in OUR_VARIABLES if value_of(environ, name) or (pair is None and name in _OF_A_PROFILE)}
    if level == "project":  # each person has their own profile and file
        settings = {name: value for name, value in settings.items() if name not in _OF_A_PROFILE}
        displaced -= {*_OF_A_PROFILE}
    if held:
        pair, settings = None, dict(zip(KEY_VARIABLES, (held.access_key, held.secret_key), strict=True)) | settings
    wanted = wanted_server(host, level, request.name, start, pair=pair, settings=settings)
    return replace(wanted, displaced=wanted.displaced | displaced)


def _has_key_variables(environ: Mapping[str, str]) -> bool:
    return any(value_of(environ, name) for name in KEY_VARIABLES)


def _keys(transaction: Transaction) -> KeyPair:
    """Return the keys from the environment or the person; a dry run does not ask.

    Raises:
        Refused: there is no terminal to ask on, or Ctrl-D.
    """
    environ, terminal = transaction.machine.environ, transaction.terminal
    if _has_key_variables(environ):
        return KeyPair(*(value_of(environ, name) for name in KEY_VARIABLES))
    if transaction.request.is_dry:
        return PLACEHOLDERS
    if terminal.ask_secret is None:
        raise Refused(_KEYS_ARE_NEEDED)
    return KeyPair(*(terminal.ask_secret(f"{half}: ").strip() for half in ("Access key", "Secret key")))


def _has_profile_with_keys(environ: Mapping[str, str]) -> bool:
    """Return whether the chosen profile of our own configuration file has both halves of a key.

    Raises:
        NotConfigured: the file is unusable, or has no such profile.
    """
    text, path = config_bytes(environ), config_path(environ)
    chosen = profile_of(parsed(text or b"", path), value_of(environ, PROFILE_VARIABLE), path)
    return chosen is not None and bool(chosen[1].access_key and chosen[1].secret_key)


def _carried_settings(environ: Mapping[str, str], pair: KeyPair | None) -> dict[str, str]:
    """Return the other variables of this shell that change the server's settings.

    Raises:
        Refused: one of them, or a key, is unusable.
    """
    names = [name for name in VARIABLES if name not in KEY_VARIABLES]
    given = {name: value for name in (*names, PROFILE_VARIABLE) if (value := value_of(environ, name))}
    if value_of(environ, CONFIG_VARIABLE):
        given[CONFIG_VARIABLE] = str(config_path(environ).absolute())
    keys = dict(zip(KEY_VARIABLES, (pair.access_key, pair.secret_key), strict=True)) if pair else {}
    if pair == PLACEHOLDERS:
        keys = dict.fromkeys(KEY_VARIABLES, "placeholder")
    given_here = {**given, **keys}
    try:
        sources = gather(given_here, VARIABLES)
        # The environment's values say why a key is missing.
        settings = settings_from(sources, environ if _has_key_variables(environ) else given_here)
    except NotConfigured as problem:
        told = f"{what_happened(problem)} Nothing was changed. {next_step(problem)}"
        raise Refused(f"The server would not work: {told}") from None
    if sources.profile:  # a default may override the profile
        return given
    fields = Settings.model_fields
    return {
        name: value
        for name, value in given.items()
        if name not in VARIABLES or getattr(settings, VARIABLES[name]) != fields[VARIABLES[name]].default
    }


def _next_steps(transaction: Transaction, wanted: Wanted) -> list[str]:
    host, env = transaction.host, members(wanted.entry.get("env"))
    needed = [
        each.named for key in KEY_VARIABLES for each in unreplaced(host, str(env.get(key)), {}, ()) if each.variable
    ]
    lines = [f"Next: {host.restart} {host.start}".rstrip()]
    if wanted.inputs:
        lines.append(f"{host.title} asks for both halves of the key when it first starts the server, and stores them.")
    elif needed:
        lines.append(f"Start {host.title} with {' and '.join(needed)} in its environment.")
    if transaction.level == "project":
        lines.append("The path of the command is this machine's; on another machine, run install there.")
    return lines
