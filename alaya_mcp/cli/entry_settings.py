"""Where the keys of an entry to install come from, and the settings that it carries. No key is ever carried."""

from collections.abc import Mapping
from typing import Literal

from alaya_mcp.config.environment import value_of
from alaya_mcp.config.file import parsed, profile_of
from alaya_mcp.config.place import CONFIG_VARIABLE, PROFILE_VARIABLE, config_bytes, config_path
from alaya_mcp.config.precedence import gather, with_pair
from alaya_mcp.config.settings import VARIABLES, Settings, settings_from
from alaya_mcp.error_sentences import what_happened
from alaya_mcp.errors import NotConfigured
from alaya_mcp.hosts.changes import has_keys
from alaya_mcp.hosts.entries import KEY_VARIABLES, OUR_VARIABLES, literal_keys, variables_of
from alaya_mcp.hosts.transaction import Refused, Transaction
from alaya_mcp.terminal.error_steps import next_step

KeySource = Literal["profile", "entry", "nobody"]

_OF_A_PROFILE = (CONFIG_VARIABLE, PROFILE_VARIABLE)


def key_source(transaction: Transaction) -> KeySource:
    """Return where the server of an entry would have its keys: from our own file, or from the entry as it is.

    Keys and references in a person's own file make way for a profile; references in a project's file are everybody's.

    Raises:
        NotConfigured: the configuration file is unusable, or has no such profile.
    """
    holds = has_keys(transaction.document, transaction.host, transaction.request.name)
    if holds and transaction.level == "project" and not literal_keys(transaction.present):
        return "entry"
    if has_profile(profile_environ(transaction)):
        return "profile"
    return "entry" if holds else "nobody"


def profile_environ(transaction: Transaction) -> Mapping[str, str]:
    """Return the environment that chooses a profile: this shell's, else the entry's."""
    environ = transaction.machine.environ
    if any(value_of(environ, name) for name in _OF_A_PROFILE):
        return environ
    env = variables_of(transaction.present)
    return {name: str(env[name]) for name in _OF_A_PROFILE if name in env} | dict(environ)


def has_profile(environ: Mapping[str, str]) -> bool:
    """Return whether the chosen profile of our own configuration file has a key pair.

    Raises:
        NotConfigured: the file is unusable, or has no such profile.
    """
    path = config_path(environ)
    try:
        text = config_bytes(environ)
    except NotConfigured as problem:
        if problem.cause == "config_file_missing":  # `login` would make it
            return False
        raise
    chosen = profile_of(parsed(text or b"", path), value_of(environ, PROFILE_VARIABLE), path)
    return chosen is not None and chosen[1].has_keys


def carried(transaction: Transaction, source: KeySource) -> tuple[dict[str, str], frozenset[str]]:
    """Return the variables of an entry to install, and those that do not stay in the present one.

    They are the variables of this shell that change the server's settings. A project's file chooses no profile: each
    person has their own.

    Raises:
        Refused: one of them is unusable.
    """
    environ, is_project = transaction.machine.environ, transaction.level == "project"
    names = [name for name in VARIABLES if name not in KEY_VARIABLES]
    given = {name: value for name in names if (value := value_of(environ, name))}
    profile: dict[str, str] = {}
    if not is_project and source == "profile":
        if value := value_of(environ, PROFILE_VARIABLE):
            profile[PROFILE_VARIABLE] = value
        # A host may not pass what moves the file.
        if value_of(environ, CONFIG_VARIABLE) or environ.get("XDG_CONFIG_HOME"):
            profile[CONFIG_VARIABLE] = str(config_path(environ).absolute())
    chooses = profile or {name: str(value) for name, value in profile_environ(transaction).items()}
    of_file = {name: chooses[name] for name in _OF_A_PROFILE if source == "profile" and name in chooses}
    keys = {} if source == "profile" else dict.fromkeys(KEY_VARIABLES, "placeholder")
    try:
        sources = gather({**given, **of_file, **keys}, VARIABLES)
        if sources.keychain:
            sources = with_pair(sources, "unread", "unread")
        settings = settings_from(sources, given)
    except NotConfigured as problem:
        told = f"{what_happened(problem)} Nothing was changed. {next_step(problem)}"
        raise Refused(f"The server would not work: {told}") from None
    fields = Settings.model_fields
    kept = {
        name: value
        for name, value in given.items()
        if sources.values[VARIABLES[name]].source == name
        and (sources.profile or getattr(settings, VARIABLES[name]) != fields[VARIABLES[name]].default)
    }
    displaced = {name for name in OUR_VARIABLES if value_of(environ, name) and name not in KEY_VARIABLES}
    displaced -= {*_OF_A_PROFILE} if is_project or source != "profile" else set()
    displaced |= {*KEY_VARIABLES} if source == "profile" else set()
    # A profile is chosen by both of its variables together.
    displaced |= {*_OF_A_PROFILE} if profile else set()
    return {**kept, **profile}, frozenset(displaced)
