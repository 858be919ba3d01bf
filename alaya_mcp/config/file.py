"""The optional configuration file: aliases for deployments, profiles of accounts, and the HTTP server. TOML.

[aliases]
support = "38fbfc3d-6a88-4c35-b8b6-9efc83949d47"

[profiles.work]
base_url = "https://..."
access_key_env = "WORK_ACCESS_KEY"  # or access_key = "..."
secret_key_env = "WORK_SECRET_KEY"  # or secret_key = "..."
service_id = "support"

[profiles.home]
keyring = "home 1a2b3c4d"  # an entry of the system's keychain

[http]
mode = "keys"
public_url = "https://mcp.example.com/mcp"
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from alaya_mcp.deployment.spelling import checked_reference, folded
from alaya_mcp.errors import NotConfigured
from alaya_mcp.validation import why_refused

DEFAULT_PROFILE: Final = "default"
"""Used if none is chosen."""

Reference = Annotated[str, AfterValidator(checked_reference)]


def _folded_names(aliases: dict[str, str]) -> dict[str, str]:
    names = {folded(name): target for name, target in aliases.items()}
    if "" in names or len(names) < len(aliases):
        raise ValueError("two aliases differ only in case, width or spacing, or one is empty")
    return names


Aliases = Annotated[dict[str, Reference], AfterValidator(_folded_names)]
"""References by their folded aliases."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Profile(_Table):
    """One account. Each key is given literally or as the name of a variable, or both are in the system's keychain."""

    base_url: str | None = None
    access_key: SecretStr | None = None
    access_key_env: str | None = None
    secret_key: SecretStr | None = None
    secret_key_env: str | None = None
    keyring: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    service_id: str | None = None
    aliases: Aliases = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_each_key_once(self) -> "Profile":
        for key in ("access_key", "secret_key"):
            if getattr(self, key) and getattr(self, f"{key}_env"):
                raise ValueError(f"{key} and {key}_env are both set; remove one")
            if self.keyring and (getattr(self, key) or getattr(self, f"{key}_env")):
                raise ValueError(f"keyring and {key} are both set; remove one")
        return self

    @property
    def has_keys(self) -> bool:
        """Whether it sets any part of a key pair, or says where one is."""
        return any((self.keyring, self.access_key, self.access_key_env, self.secret_key, self.secret_key_env))


class ConfigFile(_Table):
    """The file's contents; empty if there is no file."""

    aliases: Aliases = Field(default_factory=dict)
    profiles: dict[str, Profile] = Field(default_factory=dict)
    http: dict[str, Any] = Field(default_factory=dict)
    """Validated by `config.http`, for the HTTP server alone."""


def parsed(text: bytes, path: Path) -> ConfigFile:
    """Return the parsed file.

    Raises:
        NotConfigured: it is invalid; with the line or the entry.
    """
    try:
        return ConfigFile.model_validate(tomllib.loads(text.decode("utf-8-sig")))
    except UnicodeDecodeError:
        raise NotConfigured("config_file_not_utf8", file=str(path)) from None
    except tomllib.TOMLDecodeError as error:
        raise NotConfigured("config_file_not_toml", file=str(path), detail=str(error)[:200]) from None
    except ValidationError as invalid:
        (first, *_) = invalid.errors(include_input=False, include_url=False)
        where = ".".join(map(str, first["loc"]))
        is_unknown = first["type"] == "extra_forbidden"
        detail = "unknown entry" if is_unknown else why_refused(first)
        raise NotConfigured("config_entry_unusable", file=str(path), source=where, detail=detail) from None
    except (ValueError, RecursionError):  # a number with thousands of digits, or deep nesting
        raise NotConfigured("config_file_not_toml", file=str(path), detail="it cannot be read") from None


def profile_of(file: ConfigFile, chosen: str, path: Path) -> tuple[str, Profile] | None:
    """Return the chosen profile with its name; without a choice, the profile `default`, or None.

    Raises:
        NotConfigured: the chosen profile does not exist.
    """
    name = chosen or DEFAULT_PROFILE
    if profile := file.profiles.get(name):
        return name, profile
    if not chosen:
        return None
    raise NotConfigured("profile_unknown", source=chosen[:60], file=str(path), known=tuple(file.profiles))
