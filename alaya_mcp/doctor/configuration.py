"""The first checks: the configuration file, each setting with its source, and misspelt variables."""

import hashlib
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from alaya_mcp.config.environment import is_unexpanded, value_of
from alaya_mcp.config.file import ConfigFile, Profile, parsed, profile_of
from alaya_mcp.config.http import HTTP_VARIABLES
from alaya_mcp.config.keychain import Pair
from alaya_mcp.config.place import CONFIG_VARIABLE, PROFILE_VARIABLE, config_bytes, config_path
from alaya_mcp.config.precedence import KEYS, Sources, Value, gather, with_pair
from alaya_mcp.config.settings import DEFAULT_BASE_URL, VARIABLES, Settings, settings_from
from alaya_mcp.doctor.check import Check, Fact, left_out
from alaya_mcp.doctor.hosts import BY_SHELL, Passed
from alaya_mcp.doctor.keychain import about_keychain
from alaya_mcp.error_sentences import about_setting, what_happened
from alaya_mcp.errors import NotConfigured, Setting
from alaya_mcp.hosts.documents import reason
from alaya_mcp.hosts.writing import is_readable_by_others
from alaya_mcp.origins import is_loopback

_REFERENCE: Final = re.compile(r".*\$\{[^{}]*\}.*|\$[A-Za-z_]\w*|%[A-Za-z_]\w*%", re.DOTALL)
"""References that only a shell replaces, and references inside a longer value."""
_ALIKE: Final = 0.8

_STEPS: Final = {
    "variable_unexpanded": "Write the value itself where the variable is set: the reference is not replaced there. "
    "Claude Desktop replaces none.",
    "key_missing": "Set both halves of the Open API Key, ALAYA_ACCESS_KEY and ALAYA_SECRET_KEY, or unset both and run "
    "`alayanew-mcp login`.",
    "key_unusable": "Copy that half of the Open API Key from the Alaya NeW console again, without spaces or quotes.",
    "base_url_plain_http": f"Use https://, or unset it for the default, {DEFAULT_BASE_URL}.",
    "base_url_unusable": f"Correct it, or unset it for the default, {DEFAULT_BASE_URL}.",
    "setting_unusable": "Correct it, or unset it for its default.",
}
"""By verdict, the gravest first."""
_LOG_IN: Final = "Run `alayanew-mcp login`, which asks for the Open API Key from the Alaya NeW console."
_SET_THERE: Final = "Set what is missing there, and start the host again."


@dataclass(frozen=True, slots=True)
class Configuration:
    """What is configured.

    Attributes:
        checks: The checks of the file, the settings and the variables.
        settings: None if the server could not start with them.
        base_url: The control plane's, even if the keys are missing; None if it cannot be used.
        has_profile_keys: Whether a profile holds a key pair.
        secrets: Values that must not be shown.
    """

    checks: tuple[Check, ...]
    settings: Settings | None = None
    base_url: str | None = None
    has_profile_keys: bool = False
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def ground(self) -> Check:
        """The check that all later ones depend on: the settings, or the file if that cannot be used."""
        return next(check for check in self.checks if check.level == "failed" or check.id == "configuration")


def read_configuration(
    environ: Mapping[str, str], passed: Passed = BY_SHELL, keychain: Pair | NotConfigured | None = None
) -> Configuration:
    """Check an environment, which the shell or a host passed, and the configuration file that it names.

    `keychain` is what a profile's entry of the keychain holds, or why it cannot be read.
    """
    about_file, file, profile = _read_file(environ)
    known = {*VARIABLES, *HTTP_VARIABLES, CONFIG_VARIABLE, PROFILE_VARIABLE}
    if file is None:  # which variables it names is unknown, so only misspelt ones are reported
        variables = about_variables(environ, known, only_misspelt=True)
        checks = (about_file, left_out("configuration", about_file), variables)
        return Configuration(checks, secrets=_secrets(environ, ConfigFile()))
    ignored = ""
    known |= {getattr(each, f"{key}_env") for each in file.profiles.values() for key in KEYS} - {None}
    try:
        sources = gather(environ, VARIABLES)
        if isinstance(keychain, Pair):
            sources = with_pair(sources, keychain.access_key, keychain.secret_key)
        about_settings, settings = _about_settings(environ, sources, passed)
        if isinstance(keychain, NotConfigured):
            about_settings, settings = about_keychain(keychain), None
        url = sources.values.get("base_url")
        if url and url.source != "ALAYA_BASE_URL" and value_of(environ, "ALAYA_BASE_URL"):
            ignored = f"; ALAYA_BASE_URL is set and not used, since the key pair goes with {url.source}"
        base_url = alone.base_url if (alone := _alone("base_url", sources.values.get("base_url"))) else None
    except NotConfigured as error:  # the file was changed just now
        what, step = what_happened(error), _file_step(error)
        about_settings = Check("configuration", "failed", "config_file_unusable", what, step)
        settings = base_url = None
    checks = (about_file, about_settings, about_variables(environ, known, ignored))
    has_profile_keys = profile is not None and profile.has_keys
    secrets = (keychain.access_key, keychain.secret_key) if isinstance(keychain, Pair) else ()
    return Configuration(checks, settings, base_url, has_profile_keys, (*_secrets(environ, file), *secrets))


def fingerprint(secret: str) -> str:
    """Return what identifies a secret without revealing it."""
    return f"{len(secret)} characters, SHA-256 {hashlib.sha256(secret.encode(errors='replace')).hexdigest()[:8]}"


def _read_file(environ: Mapping[str, str]) -> tuple[Check, ConfigFile | None, Profile | None]:
    """Return the file's check, its content (None if it cannot be used) and the chosen profile."""

    def failed(verdict: str, what: str, step: str) -> tuple[Check, None, None]:
        return Check("configuration_file", "failed", verdict, what, step), None, None

    path, verdict = config_path(environ), "config_file_unreadable"
    try:
        mode = path.stat().st_mode if path.exists() else None
        if mode is not None and not stat.S_ISREG(mode):  # reading a pipe would wait for its other end
            return failed(verdict, f"{path} cannot be read: it is not a file.", f"Set {CONFIG_VARIABLE} to a file.")
        text = config_bytes(environ)
        verdict = "config_file_invalid"
        file = parsed(text or b"", path)
        verdict = "profile_unknown"
        name, profile = profile_of(file, value_of(environ, PROFILE_VARIABLE), path) or (None, None)
    except OSError as error:
        return failed(verdict, f"{path} cannot be read: {reason(error)}.", "Make it readable for you, or remove it.")
    except NotConfigured as error:
        return failed(verdict, what_happened(error), _file_step(error))
    has_keys = any(each.access_key or each.secret_key for each in file.profiles.values())
    if text is None:
        check = Check("configuration_file", "ok", "no_config_file", f"none; it would be {path}")
    elif has_keys and mode is not None and is_readable_by_others(stat.S_IMODE(mode)):
        what = f"{path} holds keys, and its mode {stat.S_IMODE(mode):04o} lets others read it"
        step = f"Run `chmod 600 {path}`."
        check = Check("configuration_file", "warning", "config_file_readable_by_others", what, step)
    else:
        count = len(file.aliases | (profile.aliases if profile else {}))
        aliases = f"{count} alias{'' if count == 1 else 'es'}"
        what = f"{path}: {f'profile {name}' if name else 'no profile'} in use, {aliases}"
        check = Check("configuration_file", "ok", "config_file_good", what)
    return check, file, profile


def _file_step(error: NotConfigured) -> str:
    if error.cause == "home_missing":
        return f"Set HOME, or set {CONFIG_VARIABLE} to the file."
    if error.cause == "profile_unknown":
        return f"Correct {PROFILE_VARIABLE}, or add the profile."
    return f"Correct it, or set {CONFIG_VARIABLE} to another file."


def _secrets(environ: Mapping[str, str], file: ConfigFile) -> tuple[str, ...]:
    """Return every key, including those that are not in use."""
    names = {"ALAYA_ACCESS_KEY", "ALAYA_SECRET_KEY"}
    found: set[str] = set()
    for profile in file.profiles.values():
        names |= {name for name in (profile.access_key_env, profile.secret_key_env) if name}
        found |= {key.get_secret_value().strip() for key in (profile.access_key, profile.secret_key) if key}
    return tuple(found | {value_of(environ, name) for name in names} - {""})


def _about_settings(environ: Mapping[str, str], sources: Sources, passed: Passed) -> tuple[Check, Settings | None]:
    facts = tuple(_fact(environ, sources, variable, of, passed) for variable, of in VARIABLES.items())
    clauses = {name: what for name in VARIABLES if (what := _unexpanded(environ, sources, name, passed.unset))}
    unexpanded = _SET_THERE if VARIABLES.keys() & passed.unset.keys() else _STEPS["variable_unexpanded"]
    wrong = [("variable_unexpanded", name, unexpanded) for name in clauses]
    is_reference = any(_REFERENCE.fullmatch(value.text) for of in KEYS if (value := sources.values.get(of)))
    try:
        settings = settings_from(sources, environ)
    except NotConfigured as error:
        settings = None
        others = [setting for setting in error.settings if setting.variable not in clauses]
        for setting in others:
            verdict = _verdict(setting, sources)
            more = f" {passed.keys_by}".rstrip() if verdict == "key_missing" else ""
            step = _LOG_IN if verdict == "key_missing" and error.lacks_key_pair else _STEPS[verdict]
            wrong.append((verdict, setting.variable, _step_in_file(setting, sources) or step + more))
        clauses |= {setting.variable: about_setting(setting) for setting in others}
    if not clauses:
        return Check("configuration", "ok", "configured", f"usable; keys in {sources.key_pair}", "", facts), settings
    wrong.sort(key=lambda each: list(_STEPS).index(each[0]))
    verdict, _, step = wrong[0]
    of_step = {each: [name for _, name, its in wrong if its == each] for _, _, each in wrong}
    if len(of_step) > 1:
        step = " ".join(f"For {' and '.join(names)}: {each[0].lower()}{each[1:]}" for each, names in of_step.items())
    if is_reference:  # it would be sent as it is; other variables with a reference count as unset
        settings = None
    level = "warning" if settings else "failed"
    return Check("configuration", level, verdict, "; ".join(clauses.values()), step, facts), settings


def _unexpanded(environ: Mapping[str, str], sources: Sources, variable: str, unset: Mapping[str, str]) -> str:
    """Return which reference in a setting was not replaced, as a clause; may be empty."""
    if variable in unset:
        return f"{variable} has no value: {unset[variable]}"
    if is_unexpanded(environ.get(variable, "")):
        return f"{variable} holds a reference that was not replaced, as ${{...}}, and counts as unset"
    of = VARIABLES[variable]
    if of in KEYS and (value := sources.values.get(of)) and _REFERENCE.fullmatch(value.text):
        return f"{value.source} holds a reference that was not replaced"
    return ""


def _verdict(setting: Setting, sources: Sources) -> str:
    of = VARIABLES[setting.variable]
    if of in KEYS:
        return "key_unusable" if setting.problem == "unusable" else "key_missing"
    if of != "base_url":
        return "setting_unusable"
    with suppress(ValueError):
        parts = urlsplit(sources.values[of].text.strip())
        if parts.scheme == "http" and parts.hostname and not is_loopback(parts.hostname):
            return "base_url_plain_http"
    return "base_url_unusable"


def _step_in_file(setting: Setting, sources: Sources) -> str:
    """Return what to do about a setting of a profile; empty for a variable."""
    if setting.source == setting.variable:
        return ""
    if setting.problem == "unusable":
        return f"Correct {setting.source}, in {sources.file}."
    of = VARIABLES[setting.variable]
    if of in sources.values:
        return f"Set {setting.source}, or name another variable there, in {sources.file}."
    return f"Add {of} to profile {sources.profile} of {sources.file}."


def _alone(of: str, value: Value | None) -> Settings | None:
    """Return settings with only this one as given, or its default; None if it cannot be used."""
    values = {**dict.fromkeys(KEYS, Value("-", "")), **({of: value} if value else {})}
    try:
        return settings_from(Sources(values, {}, None, Path(), ""), {})
    except NotConfigured:
        return None


def _fact(environ: Mapping[str, str], sources: Sources, variable: str, of: str, passed: Passed) -> Fact:
    value, place = sources.values.get(of), passed.places.get(variable)
    if value is None or not value.text:
        return _unset(environ, variable, of, value, place or "the environment")
    source = place or "environment" if value.source == variable else value.source
    if of in KEYS:
        return Fact(variable, fingerprint(value.text), source)
    alone = _alone(of, value)
    return Fact(variable, "cannot be used" if alone is None else f"{getattr(alone, of)}", source)


def _unset(environ: Mapping[str, str], variable: str, of: str, value: Value | None, place: str) -> Fact:
    """Return the default of an unset setting, and why it is unset."""
    default = None if of in KEYS else Settings.model_fields[of].default
    shown = "none" if default is None else f"{default:g}" if isinstance(default, float) else f"{default}"
    if value is not None:
        why = f"{value.source} is not set"
    elif is_unexpanded(environ.get(variable, "")):
        why = f"{place} has an unexpanded reference"
    elif variable in environ:
        why = f"empty in {place}"
    else:
        why = "not set" if of in KEYS else "default"
    return Fact(variable, shown, why)


def about_variables(
    environ: Mapping[str, str], known: set[str], ignored: str = "", *, only_misspelt: bool = False
) -> Check:
    """Return the check for variables with our prefix, or nearly, that are not known.

    `only_misspelt` leaves out those that resemble no known one; `ignored` says which known one is not used.
    """
    unknown: dict[str, str] = {}
    for name in sorted(set(environ) - known):
        spelt = name.upper().replace("-", "_")
        near = _near(spelt, known) if spelt.startswith("ALAYA") else ""
        if near or (spelt.startswith("ALAYA_") and not only_misspelt):
            unknown[name] = f"did you mean {near}?" if near else "unset it, unless another program reads it."
    if not unknown:
        return Check("variables", "ok", "variables_known", f"no misspelt ALAYA_ variable{ignored}")
    what = f"{', '.join(unknown)}: alayanew-mcp reads no such variable{ignored}"
    steps = " ".join(f"{name}: {step}" for name, step in unknown.items())
    return Check("variables", "warning", "unknown_variable", what, steps)


def _near(spelt: str, known: set[str]) -> str:
    """Return the known variable that is probably meant; may be empty."""
    if alike := get_close_matches(spelt, sorted(known), n=1, cutoff=_ALIKE):
        return alike[0]
    begun = [name for name in known if name.startswith(f"{spelt}_") or spelt.startswith(f"{name}_")]
    return begun[0] if len(begun) == 1 else ""
