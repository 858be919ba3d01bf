"""Settings from the environment and the configuration file, as one frozen object."""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from alaya_mcp.config.environment import problem_of, value_of
from alaya_mcp.config.precedence import KEY_PAIR_VARIABLES, KEYS, Sources, gather, with_pair
from alaya_mcp.deployment.spelling import checked_reference
from alaya_mcp.error_causes import ConfigurationCause
from alaya_mcp.errors import NotConfigured, Setting
from alaya_mcp.logs import LogFormat, LogLevel
from alaya_mcp.origins import Origin, UrlRefused, base_url
from alaya_mcp.validation import why_refused

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from alaya_mcp.config.keychain import Readings

DEFAULT_BASE_URL: Final = "https://api.alayanew.com/api/serverless-infer/v1"
"""API documentation, deployment detail: Base."""

KEYS_IN_HEADERS: Final = "the request's headers"
KEYS_OF_SERVER: Final = "this server's configuration"
"""Where the key pair of a caller over HTTP is set."""

READ_BUDGET_SECONDS: Final = 20.0
"""Time budget of one read call."""


_FINGERPRINT: Final = 8
"""Hexadecimal digits."""
_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")


def _header_value(key: SecretStr) -> SecretStr:
    if not _VISIBLE_ASCII.fullmatch(key.get_secret_value()):
        raise ValueError("has a space or a character that is not visible ASCII")
    return key


def _checked_base_url(text: str) -> str:
    try:
        return base_url(text)
    except UrlRefused as refusal:
        raise ValueError(str(refusal)) from None


Key = Annotated[SecretStr, AfterValidator(_header_value)]


def account_of(access_key: SecretStr) -> str:
    """Return the start of an access key's SHA-256, which identifies its account."""
    return sha256(access_key.get_secret_value().encode()).hexdigest()[:_FINGERPRINT]


class Guest(BaseModel):
    """A caller over HTTP, which uses an account on a server that is not its own.

    Attributes:
        name: Tells callers of one account apart.
        engine_hosts: Hosts of engines that may be at private addresses or without TLS.
    """

    model_config = ConfigDict(frozen=True)

    name: str = ""
    engine_hosts: frozenset[str] = frozenset()


class Settings(BaseModel):
    """Settings of this process. Times are in seconds unless the name says otherwise."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, allow_inf_nan=False)

    access_key: Key
    secret_key: Key
    base_url: Annotated[str, AfterValidator(_checked_base_url)] = DEFAULT_BASE_URL
    service_id: Annotated[str, AfterValidator(checked_reference)] | None = None
    timeout_seconds: float = Field(50, ge=1, le=3600)
    idle_seconds: float = Field(45, ge=1, le=3600)
    progress_interval_ms: int = Field(250, ge=0, le=60_000)
    max_concurrency: int = Field(64, ge=1, le=10_000)
    max_reply_bytes: int = Field(30_000, ge=4_000, le=10_000_000)
    generation_seconds: float = Field(900, ge=0, le=86_400)
    abandon_seconds: float = Field(120, ge=1, le=86_400)
    log_level: LogLevel = "WARNING"
    log_format: LogFormat = "text"
    aliases: dict[str, str] = Field(default_factory=dict)
    """References by folded alias."""
    key_pair: str = KEY_PAIR_VARIABLES
    """Where the key pair is set."""
    sandbox_ids: tuple[str, ...] = ()
    """The deployments of the embedded sandbox, in order; empty for a real upstream."""
    guest: Guest | None = None
    """The caller over HTTP that the account is used for; None for this machine's own user."""

    @property
    def control_plane(self) -> Origin:
        """The origin that the key pair is bound to."""
        return Origin.of(self.base_url)

    @property
    def account(self) -> str:
        """The start of the access key's SHA-256, to identify it in logs and the doctor."""
        return account_of(self.access_key)

    @property
    def key(self) -> str:
        """What tells these settings from any others, and tells nothing of the key pair."""
        return sha256(f"{self.credential}{self.model_dump_json()}".encode()).hexdigest()

    @property
    def credential(self) -> str:
        """A hash that identifies the key pair and its API, and the caller that uses it."""
        caller = self.guest.name if self.guest else ""
        parts = (self.base_url, self.access_key.get_secret_value(), self.secret_key.get_secret_value(), caller)
        return sha256("\0".join(parts).encode()).hexdigest()


_NO_VARIABLES: Final = {"aliases", "key_pair", "sandbox_ids", "guest"}
VARIABLES: Final = {f"ALAYA_{field.upper()}": field for field in Settings.model_fields if field not in _NO_VARIABLES}
"""Fields by their environment variables."""


def log_level(environ: Mapping[str, str]) -> LogLevel:
    """Return the log level of this server; WARNING if the variable is unset or invalid."""
    wanted = value_of(environ, "ALAYA_LOG_LEVEL").upper()
    levels: dict[str, LogLevel] = {"DEBUG": "DEBUG", "INFO": "INFO", "ERROR": "ERROR", "CRITICAL": "CRITICAL"}
    return levels.get(wanted, "WARNING")


def log_format(environ: Mapping[str, str]) -> LogFormat:
    """Return the log format of this server; text if the variable is unset or invalid."""
    return "json" if value_of(environ, "ALAYA_LOG_FORMAT").lower() == "json" else "text"


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings from `ALAYA_*` variables and the configuration file.

    It blocks while a keychain that a profile names asks its owner; `load_settings_aside` does not.

    Raises:
        NotConfigured: names each missing or invalid variable or entry, and why.
    """
    sources = gather(environ, VARIABLES)
    if sources.keychain:
        from alaya_mcp.config.keychain import Entry  # noqa: PLC0415 loaded for a profile that names an entry only

        pair = Entry(sources.keychain, sources.key_pair).read()
        sources = with_pair(sources, pair.access_key, pair.secret_key)
    return settings_from(sources, environ)


async def load_settings_aside(environ: Mapping[str, str], readings: "Readings | None" = None) -> Settings:
    """Return the settings as `load_settings`, without blocking the event loop for a keychain.

    Args:
        environ: The environment.
        readings: Joins what is being read from the keychain already.

    Raises:
        NotConfigured: as `load_settings`, or the keychain did not answer in time.
    """
    return settings_from(await with_keychain(gather(environ, VARIABLES), readings), environ)


async def with_keychain(sources: Sources, readings: "Readings | None" = None) -> Sources:
    """Return the sources with the pair of the keychain's entry, if the profile names one; read in a thread.

    Raises:
        NotConfigured: it cannot be read, or not in time.
    """
    if not sources.keychain:
        return sources
    from alaya_mcp.config.keychain import Entry, Readings  # noqa: PLC0415 loaded for a profile that names an entry only

    pair = await (readings or Readings()).pair(Entry(sources.keychain, sources.key_pair))
    return with_pair(sources, pair.access_key, pair.secret_key)


def settings_from(sources: Sources, environ: Mapping[str, str]) -> Settings:
    """Return the settings from their sources.

    Raises:
        NotConfigured: as `load_settings`.
    """
    given: dict[str, Any] = {of: value.text for of, value in sources.values.items() if value.text}
    if "log_level" in given:
        given["log_level"] = given["log_level"].upper()
    if "log_format" in given:
        given["log_format"] = given["log_format"].lower()
    try:
        return Settings.model_validate({**given, "aliases": sources.aliases, "key_pair": sources.key_pair})
    except ValidationError as invalid:
        wrong = tuple(
            (str(error["loc"][0]), _wrong(environ, sources, error))
            for error in invalid.errors(include_input=False, include_url=False)
        )
    raise NotConfigured(_gravest(wrong), settings=tuple(setting for _, setting in wrong))


def _wrong(environ: Mapping[str, str], sources: Sources, error: "ErrorDetails") -> Setting:
    of = str(error["loc"][0])
    variable, found = f"ALAYA_{of.upper()}", sources.values.get(of)
    if error["type"] != "missing":
        return Setting(found.source if found else of, "unusable", variable, why_refused(error))
    if found:
        return Setting(found.source, "missing", variable)
    if of in KEYS and sources.key_pair != KEY_PAIR_VARIABLES:
        return Setting(f"{of} of {sources.key_pair}", "missing", variable)
    return Setting(variable, problem_of(environ, variable), variable)


def _gravest(wrong: tuple[tuple[str, Setting], ...]) -> ConfigurationCause:
    if any(of in KEYS and setting.problem != "unusable" for of, setting in wrong):
        return "key_missing"
    fields = {of for of, _ in wrong}
    if fields & {*KEYS}:
        return "key_unusable"
    return "base_url_unusable" if "base_url" in fields else "setting_unusable"
