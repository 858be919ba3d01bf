"""The optional configuration file: aliases for deployments, and profiles of accounts. TOML.

[aliases]
support = "38fbfc3d-6a88-4c35-b8b6-9efc83949d47"

[profiles.work]
base_url = "https://..."
access_key_env = "WORK_ACCESS_KEY"  # or access_key = "..."
secret_key_env = "WORK_SECRET_KEY"  # or secret_key = "..."
service_id = "support"
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from alaya_mcp.deployment.reference import checked_reference, folded
from alaya_mcp.environment import value_of
from alaya_mcp.errors import NotConfigured

CONFIG_VARIABLE: Final = "ALAYA_CONFIG"
PROFILE_VARIABLE: Final = "ALAYA_PROFILE"
DEFAULT_PROFILE: Final = "default"
"""Used where none is chosen."""
FILE_NAME: Final = "config.toml"
FOLDER_NAME: Final = "alayanew-mcp"

_BYTES: Final = 2**20

Reference = Annotated[str, AfterValidator(checked_reference)]


def _folded_names(aliases: dict[str, str]) -> dict[str, str]:
    names = {folded(name): target for name, target in aliases.items()}
    if "" in names or len(names) < len(aliases):
        raise ValueError("two aliases are the same name in another spelling, or one is empty")
    return names


Aliases = Annotated[dict[str, Reference], AfterValidator(_folded_names)]
"""References by their folded aliases."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Profile(_Table):
    """One account. Each key is given itself, or as the name of an environment variable that holds it."""

    base_url: str | None = None
    access_key: SecretStr | None = None
    access_key_env: str | None = None
    secret_key: SecretStr | None = None
    secret_key_env: str | None = None
    service_id: str | None = None
    aliases: Aliases = Field(default_factory=dict)

    @model_validator(mode="after")
    def _says_each_key_once(self) -> "Profile":
        for key in ("access_key", "secret_key"):
            if getattr(self, key) and getattr(self, f"{key}_env"):
                raise ValueError(f"{key} and {key}_env are both given; one of them is enough")
        return self

    @property
    def has_keys(self) -> bool:
        """Whether it says anything of a key pair."""
        return any((self.access_key, self.access_key_env, self.secret_key, self.secret_key_env))


class ConfigFile(_Table):
    """What the file says; nothing where there is none."""

    aliases: Aliases = Field(default_factory=dict)
    profiles: dict[str, Profile] = Field(default_factory=dict)


def default_config_path() -> Path:
    """Where the file is looked for, in the platform's folder for configuration."""
    from platformdirs import user_config_path  # noqa: PLC0415 not needed where ALAYA_CONFIG is set

    return user_config_path(FOLDER_NAME, appauthor=False) / FILE_NAME


def config_path(environ: Mapping[str, str]) -> Path:
    """The file's place, whether there is one or not."""
    given = value_of(environ, CONFIG_VARIABLE)
    return Path(given).expanduser() if given else default_config_path()


def read_config_file(environ: Mapping[str, str]) -> ConfigFile:
    """What the file says.

    Raises:
        NotConfigured: it was named and is not there, or cannot be read or understood; with the line or the entry.
    """
    path = config_path(environ)
    try:
        with path.open("rb") as file:
            text = file.read(_BYTES + 1)
        if len(text) > _BYTES:
            raise _unusable(path, f"is larger than {_BYTES // 2**20} MiB")
        return ConfigFile.model_validate(tomllib.loads(text.decode("utf-8-sig")))
    except FileNotFoundError:
        if value_of(environ, CONFIG_VARIABLE):
            raise _unusable(path, f"is named by {CONFIG_VARIABLE} and is not there") from None
        return ConfigFile()
    except UnicodeDecodeError:
        raise _unusable(path, "is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise _unusable(path, f"is no TOML: {str(error)[:200]}") from None
    except ValidationError as invalid:
        (first, *_) = invalid.errors(include_input=False, include_url=False)
        where = ".".join(map(str, first["loc"]))
        message = "there is no such entry" if first["type"] == "extra_forbidden" else first["msg"]
        raise _unusable(path, f"{where}: {message.removeprefix('Value error, ')}") from None
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror or type(error).__name__}") from None


def chosen_profile(environ: Mapping[str, str], file: ConfigFile) -> tuple[str, Profile] | None:
    """The profile that is chosen, with its name; the one called default, or None, where none is.

    Raises:
        NotConfigured: there is none of the name that was chosen.
    """
    chosen = value_of(environ, PROFILE_VARIABLE)
    name = chosen or DEFAULT_PROFILE
    if profile := file.profiles.get(name):
        return name, profile
    if not chosen:
        return None
    known = ", ".join(file.profiles) or "none"
    raise NotConfigured(
        f"{PROFILE_VARIABLE} chooses the profile {chosen[:60]!r}, which is not in {config_path(environ)}.",
        next_step=f"The profiles there are: {known}. Correct {PROFILE_VARIABLE}, or add the profile.",
    )


def _unusable(path: Path, what: str) -> NotConfigured:
    return NotConfigured(
        f"The configuration file {path} {what}.",
        next_step=f"Correct it, or have {CONFIG_VARIABLE} name another, and have the host restart this server.",
    )
