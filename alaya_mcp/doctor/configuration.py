"""The first checks: the configuration file, each setting and where it comes from, and misspelt variables."""

import hashlib
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final
from urllib.parse import urlsplit

from pydantic import ValidationError

from alaya_mcp.config.environment import is_unexpanded, value_of
from alaya_mcp.config.file import ConfigFile, Profile, parsed, profile_of
from alaya_mcp.config.place import CONFIG_VARIABLE, PROFILE_VARIABLE, config_bytes, config_path
from alaya_mcp.config.precedence import KEYS, Sources, Value, gather
from alaya_mcp.config.settings import DEFAULT_BASE_URL, VARIABLES, Settings, settings_from
from alaya_mcp.doctor.check import Check, Fact, left_out
from alaya_mcp.error_sentences import about_setting, what_happened
from alaya_mcp.errors import NotConfigured
from alaya_mcp.hosts.writing import is_readable_by_others
from alaya_mcp.origins import is_loopback

_REFERENCE: Final = re.compile(r".*\$\{[^{}]*\}.*|\$[A-Za-z_]\w*|%[A-Za-z_]\w*%", re.DOTALL)
"""What some shell, but no host, replaces, and a reference inside a longer value."""
_ALIKE: Final = 0.8
_DIGITS: Final = 8

_TO_DO: Final = {
    "variable_unexpanded": "Write the value itself where the variable is set: whoever starts the server there does not "
    "replace references. Claude Desktop never does.",
    "key_missing": "Make an Open API Key in the Alaya NeW console and set both halves, ALAYA_ACCESS_KEY and "
    "ALAYA_SECRET_KEY.",
    "key_unusable": "Copy that half of the Open API Key from the Alaya NeW console again, without spaces or quotes.",
    "base_url_plain_http": f"Write https:// there, or leave it out for the default, {DEFAULT_BASE_URL}.",
    "base_url_unusable": f"Correct it, or leave it out for the default, {DEFAULT_BASE_URL}.",
    "setting_unusable": "Correct it, or leave it out for its default.",
}
"""By verdict, the gravest first."""
_SET_THERE: Final = "Set what is missing there, and start the host again."


@dataclass(frozen=True, slots=True)
class Configuration:
    """What is configured.

    Attributes:
        checks: What was found.
        settings: None where the server would not be configured.
        base_url: Of the control plane, also where keys are missing; None where it cannot be used.
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
        """The check that all others stand on: the settings, or the file where that cannot be used."""
        return next(check for check in self.checks if check.level == "failed" or check.id == "configuration")


def read_configuration(
    environ: Mapping[str, str], unset: Mapping[str, str] | None = None, keys_by: str = ""
) -> Configuration:
    """What an environment, and the configuration file that it names, amount to.

    Args:
        environ: The environment.
        unset: By variable that keeps a reference, what is missing where a host would replace it, as a clause.
        keys_by: What brings missing keys to where they are read, in sentences.
    """
    about_file, file, profile = _read_file(environ)
    if file is None:
        known = {*VARIABLES, CONFIG_VARIABLE, PROFILE_VARIABLE}
        # Which variables the file names is not known.
        variables = about_variables(environ, known, only_misspelt=True)
        checks = (about_file, left_out("configuration", about_file), variables)
        return Configuration(checks, secrets=_secrets(environ, ConfigFile()))
    named = {getattr(each, f"{key}_env") for each in file.profiles.values() for key in KEYS} - {None}
    try:
        sources = gather(environ, VARIABLES)
        about_settings, settings, base_url = _about_settings(environ, sources, unset or {}, keys_by)
    except NotConfigured as error:  # the file was changed just now
        found, step = what_happened(error), _file_step(error)
        about_settings = Check("configuration", "failed", "config_file_unusable", found, step)
        settings = base_url = None
    variables = about_variables(environ, {*VARIABLES, CONFIG_VARIABLE, PROFILE_VARIABLE, *named})
    return Configuration(
        (about_file, about_settings, variables),
        settings,
        base_url,
        profile is not None and profile.has_keys,
        _secrets(environ, file),
    )


def fingerprint(secret: str) -> str:
    """What tells one secret from another and is none."""
    return f"{len(secret)} characters, SHA-256 {hashlib.sha256(secret.encode(errors='replace')).hexdigest()[:_DIGITS]}"


def _read_file(environ: Mapping[str, str]) -> tuple[Check, ConfigFile | None, Profile | None]:
    """The check of the file, what it says (None where it cannot be used), and the profile that is in use."""
    of = "configuration_file"
    path, chosen = config_path(environ), value_of(environ, PROFILE_VARIABLE)
    verdict = "config_file_unreadable"
    try:
        mode = path.stat().st_mode if path.exists() else None
        if mode is not None and not stat.S_ISREG(mode):  # reading a pipe would wait for its other end
            what = f"{path} cannot be read: it is not a file."
            return Check(of, "failed", verdict, what, "Have ALAYA_CONFIG name a file."), None, None
        text = config_bytes(environ)
        verdict = "config_file_invalid"
        file = parsed(text or b"", path)
        verdict = "profile_unknown"
        name, profile = profile_of(file, chosen, path) or (None, None)
    except OSError as error:
        what = f"{path} cannot be read: {error.strerror or type(error).__name__}."
        return Check(of, "failed", verdict, what, "Let yourself read it, or remove it."), None, None
    except NotConfigured as error:
        return Check(of, "failed", verdict, what_happened(error), _file_step(error)), None, None
    if text is None:
        return Check(of, "ok", "no_config_file", f"none; it would be {path}"), file, profile
    aliases = file.aliases | (profile.aliases if profile else {})
    found = f"{path}: {f'profile {name}' if name else 'no profile'} in use, {_count(len(aliases), 'alias', 'aliases')}"
    has_keys = any(each.access_key or each.secret_key for each in file.profiles.values())
    if has_keys and mode is not None and is_readable_by_others(stat.S_IMODE(mode)):
        what = f"{path} holds keys, and its mode {stat.S_IMODE(mode):04o} lets others read it"
        return Check(of, "warning", "config_file_readable_by_others", what, f"chmod 600 {path}"), file, profile
    return Check(of, "ok", "config_file_good", found), file, profile


def _file_step(error: NotConfigured) -> str:
    if error.cause == "profile_unknown":
        return f"Correct {PROFILE_VARIABLE}, or add the profile."
    return f"Correct it, or have {CONFIG_VARIABLE} name another."


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _secrets(environ: Mapping[str, str], file: ConfigFile) -> tuple[str, ...]:
    """Every key there is, those that are not in use too."""
    names = {"ALAYA_ACCESS_KEY", "ALAYA_SECRET_KEY"}
    found: set[str] = set()
    for profile in file.profiles.values():
        names |= {name for name in (profile.access_key_env, profile.secret_key_env) if name}
        found |= {key.get_secret_value().strip() for key in (profile.access_key, profile.secret_key) if key}
    return tuple(found | {value_of(environ, name) for name in names} - {""})


def _about_settings(
    environ: Mapping[str, str], sources: Sources, unset: Mapping[str, str], keys_by: str
) -> tuple[Check, Settings | None, str | None]:
    facts = tuple(_fact(environ, sources, variable, of) for variable, of in VARIABLES.items())
    alone = _alone("base_url", sources.values.get("base_url"))
    base_url, is_unset = alone.base_url if alone else None, any(variable in unset for variable in VARIABLES)
    found: dict[str, str] = {}
    for of in VARIABLES.values():
        if told := _problem(environ, sources, of, unset):
            found.setdefault(*told)
    verdict = next((verdict for verdict in _TO_DO if verdict in found), None)
    step = _SET_THERE if verdict == "variable_unexpanded" and is_unset else _TO_DO.get(verdict or "", "")
    step = f"{step} {keys_by}".rstrip() if verdict == "key_missing" else step
    try:
        settings = settings_from(sources, environ)
    except NotConfigured as error:
        verdict = verdict or "setting_unusable"
        what = "; ".join(
            f"{setting.variable} has no value: {unset[setting.variable]}"
            if setting.variable in unset
            else about_setting(setting)
            for setting in error.settings
        )
        return Check("configuration", "failed", verdict, what, step or _TO_DO[verdict], facts), None, base_url
    if verdict is not None:
        # A key that is a reference is sent as it is; another variable counts as unset.
        is_key = any(_is_reference(value.text) for of in KEYS if (value := sources.values.get(of)))
        level = "failed" if is_key else "warning"
        check = Check("configuration", level, verdict, found[verdict], step, facts)
        return check, None if is_key else settings, base_url
    return (
        Check("configuration", "ok", "configured", f"usable; keys in {sources.key_pair}", "", facts),
        settings,
        base_url,
    )


def _problem(environ: Mapping[str, str], sources: Sources, of: str, unset: Mapping[str, str]) -> tuple[str, str] | None:
    """What is wrong with one setting, as a verdict and in words."""
    variable, value = f"ALAYA_{of.upper()}", sources.values.get(of)
    if variable in unset:
        return "variable_unexpanded", f"{variable} has no value: {unset[variable]}"
    if is_unexpanded(environ.get(variable, "")):
        return "variable_unexpanded", f"{variable} holds an unexpanded ${{...}} and counts as not set"
    if of in KEYS and (value is None or not value.text):
        return "key_missing", f"{value.source if value else variable} is not set"
    if value is None or not value.text:
        return None
    if of in KEYS and _is_reference(value.text):
        return "variable_unexpanded", f"{value.source} holds a reference to a variable that nobody replaced"
    if _alone(of, value) is not None:
        return None
    if of in KEYS:
        return "key_unusable", f"{value.source} is no key"
    if of != "base_url":
        return "setting_unusable", f"{value.source} is out of range, or no such value"
    verdict = "base_url_plain_http" if _is_plain_http(value.text) else "base_url_unusable"
    return verdict, f"{value.source} cannot be used"


def _is_reference(text: str) -> bool:
    return _REFERENCE.fullmatch(text) is not None


def _is_plain_http(text: str) -> bool:
    try:
        parts = urlsplit(text.strip())
        return parts.scheme == "http" and bool(parts.hostname) and not is_loopback(parts.hostname or "")
    except ValueError:
        return False


def _alone(of: str, value: Value | None) -> Settings | None:
    """Settings in which this one alone is as given, the default where it is not; None where it cannot be used."""
    given = {"access_key": "-", "secret_key": "-"}
    if value and value.text:
        given[of] = value.text.upper() if of == "log_level" else value.text
    try:
        return Settings.model_validate(given)
    except ValidationError:
        return None


def _fact(environ: Mapping[str, str], sources: Sources, variable: str, of: str) -> Fact:
    value = sources.values.get(of)
    if value is None or not value.text:
        return Fact(variable, *_unset(environ, variable, of, value))
    source = "environment" if value.source == variable else value.source
    if of in KEYS:
        return Fact(variable, fingerprint(value.text), source)
    alone = _alone(of, value)
    return Fact(variable, "cannot be used" if alone is None else f"{getattr(alone, of)}", source)


def _unset(environ: Mapping[str, str], variable: str, of: str, value: Value | None) -> tuple[str, str]:
    """The value that holds where none is given, and why none is."""
    default = None if of in KEYS else Settings.model_fields[of].default
    shown = "none" if default is None else f"{default:g}" if isinstance(default, float) else f"{default}"
    if value is not None:
        return shown, f"{value.source} is not set"
    if is_unexpanded(environ.get(variable, "")):
        return shown, "the environment has an unexpanded reference"
    if variable in environ:
        return shown, "empty in the environment"
    return shown, "not set" if of in KEYS else "default"


def about_variables(environ: Mapping[str, str], known: set[str], *, only_misspelt: bool = False) -> Check:
    """The check of variables that are meant for this server, by their prefix or nearly, and that it does not read.

    Args:
        environ: The environment.
        known: Those that it reads.
        only_misspelt: Whether to leave out those that are near to none of the known.
    """
    meant: dict[str, str] = {}
    for name in sorted(set(environ) - known):
        spelt = name.upper().replace("-", "_")
        near = _near(spelt, known) if spelt.startswith("ALAYA") else ""
        if near or (spelt.startswith("ALAYA_") and not only_misspelt):
            meant[name] = near
    if not meant:
        return Check("variables", "ok", "variables_known", "no misspelt ALAYA_ variable")
    return Check(
        "variables",
        "warning",
        "unknown_variable",
        f"{', '.join(meant)}: this server reads no such variable",
        " ".join(
            f"{name}: did you mean {near}?" if near else f"{name}: take it out, unless another program reads it."
            for name, near in meant.items()
        ),
    )


def _near(spelt: str, known: set[str]) -> str:
    """The known variable that is meant; empty where it cannot be told."""
    if alike := get_close_matches(spelt, sorted(known), n=1, cutoff=_ALIKE):
        return alike[0]
    begun = [name for name in known if name.startswith(f"{spelt}_") or spelt.startswith(f"{name}_")]
    return begun[0] if len(begun) == 1 else ""
