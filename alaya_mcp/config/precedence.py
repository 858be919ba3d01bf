"""The source of each setting: the environment first, then the chosen profile of the configuration file."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alaya_mcp.config.environment import value_of
from alaya_mcp.config.file import Profile, parsed, profile_of
from alaya_mcp.config.place import CONFIG_VARIABLE, PROFILE_VARIABLE, config_bytes, config_path
from alaya_mcp.errors import NotConfigured

if TYPE_CHECKING:
    from pydantic import SecretStr

KEYS: Final = ("access_key", "secret_key")
KEY_PAIR_VARIABLES: Final = "ALAYA_ACCESS_KEY and ALAYA_SECRET_KEY"


@dataclass(frozen=True, slots=True)
class Value:
    """One setting, not validated yet.

    Attributes:
        text: A secret for the keys; empty if an entry names an unset variable.
        source: The variable, or the entry of a profile.
    """

    text: str = field(repr=False)
    source: str


@dataclass(frozen=True, slots=True)
class Sources:
    """All settings found, with their sources.

    Attributes:
        values: By field of the settings.
        aliases: References by folded alias.
        profile: The chosen one, or None.
        file: Path of the configuration file, whether it exists or not.
        key_pair: Where the key pair is set.
        keychain: The name of the keychain's entry that holds the pair, which is not among the values then.
    """

    values: Mapping[str, Value]
    aliases: Mapping[str, str]
    profile: str | None
    file: Path
    key_pair: str
    keychain: str | None = None


def gather(environ: Mapping[str, str], variables: Mapping[str, str]) -> Sources:
    """Return the value of each field that is set.

    Both keys are taken from one source, the environment first. A profile's base URL is used only with its own key
    pair, so that no key is sent to another pair's API.

    Args:
        environ: The environment.
        variables: Fields by their environment variables.

    Raises:
        NotConfigured: the file cannot be used or has no such profile, or there are neither keys nor a home folder.
    """
    path = config_path(environ)
    own = {of: Value(text, name) for name, of in variables.items() if (text := value_of(environ, name))}
    text, chosen = config_bytes(environ), value_of(environ, PROFILE_VARIABLE)
    has_own_pair = any(key in own for key in KEYS)
    if text is None and not has_own_pair and not path.is_absolute() and not value_of(environ, CONFIG_VARIABLE):
        raise NotConfigured("home_missing")
    if text is None and not chosen:
        return Sources(own, {}, None, path, KEY_PAIR_VARIABLES)
    file = parsed(text or b"", path)
    name, profile = profile_of(file, chosen, path) or (None, Profile())
    given: dict[str, Value] = {}
    if profile.base_url and not (has_own_pair and profile.has_keys):
        given["base_url"] = Value(profile.base_url.strip(), f"base_url of profile {name}")
    if profile.service_id:
        given["service_id"] = Value(profile.service_id, f"service_id of profile {name}")
    if not has_own_pair:
        given |= {key: value for key in KEYS if (value := _key(environ, profile, name, key))}
    keychain = None if has_own_pair else profile.keyring
    key_pair = f"profile {name} of {path}" if profile.has_keys and not has_own_pair else KEY_PAIR_VARIABLES
    if keychain:
        key_pair = f"keychain entry {keychain} of profile {name}"
    if profile.base_url and profile.has_keys and not has_own_pair:
        own.pop("base_url", None)
    return Sources(given | own, file.aliases | profile.aliases, name, path, key_pair, keychain)


def with_pair(sources: Sources, access_key: str, secret_key: str) -> Sources:
    """Return the sources with the pair that the keychain's entry holds."""
    pair = zip(KEYS, (access_key, secret_key), strict=True)
    held = {key: Value(text, f"{key} in {sources.key_pair}") for key, text in pair}
    return replace(sources, values={**sources.values, **held})


def _key(environ: Mapping[str, str], profile: "Profile", name: str | None, key: str) -> Value | None:
    variable: str | None = getattr(profile, f"{key}_env")
    literal: SecretStr | None = getattr(profile, key)
    if variable:
        named = f"named by {key}_env of profile {name}"
        # Where there is no such variable, a key may have been written in its place.
        return Value(
            value_of(environ, variable), f"{variable} ({named})" if variable in environ else f"the variable {named}"
        )
    return Value(literal.get_secret_value().strip(), f"{key} of profile {name}") if literal else None
