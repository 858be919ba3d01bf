"""Settings from the environment and the configuration file, as one frozen object."""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from alaya_mcp.config.environment import value_of, why_unset
from alaya_mcp.config.precedence import KEY_PAIR_VARIABLES, KEYS, Sources, gather
from alaya_mcp.deployment.reference import checked_reference
from alaya_mcp.errors import NotConfigured
from alaya_mcp.logs import LogFormat, LogLevel
from alaya_mcp.origins import Origin, UrlRefused, base_url

DEFAULT_BASE_URL: Final = "https://api.alayanew.com/api/serverless-infer/v1"
"""API documentation, deployment detail: Base."""

READ_BUDGET_SECONDS: Final = 20.0
"""Whole budget of one call that reads."""


_FINGERPRINT: Final = 8
"""Hexadecimal digits."""
_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")


def _header_value(key: SecretStr) -> SecretStr:
    if not _VISIBLE_ASCII.fullmatch(key.get_secret_value()):
        raise ValueError("contains a space or a character that is not visible ASCII; paste the key again")
    return key


def _checked_base_url(text: str) -> str:
    try:
        return base_url(text)
    except UrlRefused as refusal:
        raise ValueError(f"cannot be used: {refusal}") from None


Key = Annotated[SecretStr, AfterValidator(_header_value)]


class Settings(BaseModel):
    """How this process talks to Alaya. Times are in seconds unless the name says otherwise."""

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
    log_level: LogLevel = "WARNING"
    log_format: LogFormat = "text"
    aliases: dict[str, str] = Field(default_factory=dict)
    """References by folded alias."""
    key_pair: str = KEY_PAIR_VARIABLES
    """What holds the key pair, for the one who has to correct it."""
    sandbox_ids: tuple[str, ...] = ()
    """The deployments of the embedded sandbox, in order; empty when the upstream is a real one."""

    @property
    def control_plane(self) -> Origin:
        """The origin that the key pair is bound to."""
        return Origin.of(self.base_url)

    @property
    def account(self) -> str:
        """What tells the access key from others in logs: the beginning of its SHA-256, as the doctor shows it."""
        return sha256(self.access_key.get_secret_value().encode()).hexdigest()[:_FINGERPRINT]

    @property
    def credential(self) -> str:
        """What tells the key pair and its API from any other, and tells nothing of them."""
        parts = (self.base_url, self.access_key.get_secret_value(), self.secret_key.get_secret_value())
        return sha256("\0".join(parts).encode()).hexdigest()


_NO_VARIABLES: Final = {"aliases", "key_pair", "sandbox_ids"}
VARIABLES: Final = {f"ALAYA_{field.upper()}": field for field in Settings.model_fields if field not in _NO_VARIABLES}
"""Fields by their environment variables."""


def log_level(environ: Mapping[str, str]) -> LogLevel:
    """The level for our own logs; WARNING where the variable is unset or no level."""
    wanted = value_of(environ, "ALAYA_LOG_LEVEL").upper()
    levels: dict[str, LogLevel] = {"DEBUG": "DEBUG", "INFO": "INFO", "ERROR": "ERROR", "CRITICAL": "CRITICAL"}
    return levels.get(wanted, "WARNING")


def log_format(environ: Mapping[str, str]) -> LogFormat:
    """How our own log lines are written; as text where the variable is unset or no format."""
    return "json" if value_of(environ, "ALAYA_LOG_FORMAT").lower() == "json" else "text"


_ABOUT_THE_PAIR: Final = (
    " The key pair is the Open API Key from the Alaya NeW console. "
    "To try without an account, start the server with --sandbox."
)


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Settings from `ALAYA_*` variables and the configuration file.

    Raises:
        NotConfigured: naming each variable or entry that is missing or does not parse, and why.
    """
    return settings_from(gather(environ, VARIABLES), environ)


def settings_from(sources: Sources, environ: Mapping[str, str]) -> Settings:
    """Settings from what was gathered.

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
        complaints = [
            _complaint(environ, sources, str(error["loc"][0]), error["type"], error["msg"])
            for error in invalid.errors(include_input=False, include_url=False, include_context=False)
        ]
    raise NotConfigured(
        f"This server is not configured: {'; '.join(complaints)}.",
        next_step=(
            "Correct these in the env block of the MCP host's configuration and have the host restart this server."
            + (_ABOUT_THE_PAIR if any("_KEY" in complaint for complaint in complaints) else "")
        ),
    )


def _complaint(environ: Mapping[str, str], sources: Sources, of: str, kind: str, message: str) -> str:
    found = sources.values.get(of)
    if kind != "missing":
        text = message.removeprefix("Value error, ")
        return f"{found.source if found else of}: {text[0].lower()}{text[1:]}"
    if found:
        return f"{found.source}, is not set"
    if of in KEYS and sources.key_pair != KEY_PAIR_VARIABLES:
        return f"{of} of {sources.key_pair} is not set"
    return why_unset(environ, f"ALAYA_{of.upper()}")
