"""Settings from the environment, as one frozen object."""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from alaya_mcp.errors import NotConfigured
from alaya_mcp.origins import Origin, UrlRefused, base_url

DEFAULT_BASE_URL: Final = "https://api.alayanew.com/api/serverless-infer/v1"
"""API documentation, deployment detail: Base."""

READ_BUDGET_SECONDS: Final = 20.0
"""Whole budget of one get_deployment or list_lora_models call."""

SERVICE_ID_PATTERN: Final = r"^\.*[A-Za-z0-9_-][A-Za-z0-9._-]*$"
"""Letters, digits, `-`, `_` and `.`, not only dots: safe as one path segment."""
SERVICE_ID_LENGTH: Final = 128

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

_UNEXPANDED = re.compile(r"\$\{[^{}]*\}")
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


def checked_service_id(text: str) -> str:
    """A service id as it is.

    Raises:
        ValueError: it could not be one path segment of a URL.
    """
    if len(text) > SERVICE_ID_LENGTH or not re.fullmatch(SERVICE_ID_PATTERN, text):
        raise ValueError("is no service id: 1 to 128 letters, digits, '-', '_' or '.', not only dots")
    return text


Key = Annotated[SecretStr, AfterValidator(_header_value)]


class Settings(BaseModel):
    """How this process talks to Alaya. Times are in seconds unless the name says otherwise."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, allow_inf_nan=False)

    access_key: Key
    secret_key: Key
    base_url: Annotated[str, AfterValidator(_checked_base_url)] = DEFAULT_BASE_URL
    service_id: Annotated[str, AfterValidator(checked_service_id)] | None = None
    timeout_seconds: float = Field(50, ge=1, le=3600)
    idle_seconds: float = Field(45, ge=1, le=3600)
    progress_interval_ms: int = Field(250, ge=0, le=60_000)
    max_concurrency: int = Field(64, ge=1, le=10_000)
    max_reply_bytes: int = Field(30_000, ge=4_000, le=10_000_000)
    log_level: LogLevel = "WARNING"
    sandbox_ids: tuple[str, ...] = ()
    """The deployments of the embedded sandbox, in order; empty when the upstream is a real one."""

    @property
    def control_plane(self) -> Origin:
        """The origin that the key pair is bound to."""
        return Origin.of(self.base_url)


_FROM_ENVIRONMENT: Final = {
    f"ALAYA_{field.upper()}": field for field in Settings.model_fields if field != "sandbox_ids"
}


def environment_values(environ: Mapping[str, str]) -> dict[str, str]:
    """The `ALAYA_*` values that are set: stripped, without empty and unexpanded ones."""
    values = {name: environ.get(name, "").strip() for name in _FROM_ENVIRONMENT}
    return {name: value for name, value in values.items() if value and not _UNEXPANDED.fullmatch(value)}


def log_level(environ: Mapping[str, str]) -> LogLevel:
    """The level for our own logs; WARNING where the variable is unset or no level."""
    wanted = environment_values(environ).get("ALAYA_LOG_LEVEL", "").upper()
    levels: dict[str, LogLevel] = {"DEBUG": "DEBUG", "INFO": "INFO", "ERROR": "ERROR", "CRITICAL": "CRITICAL"}
    return levels.get(wanted, "WARNING")


def _complaint(environ: Mapping[str, str], field: str, kind: str, message: str) -> str:
    name = f"ALAYA_{field.upper()}"
    if kind != "missing":
        text = message.removeprefix("Value error, ")
        return f"{name}: {text[0].lower()}{text[1:]}"
    raw = environ.get(name, "").strip()
    if _UNEXPANDED.fullmatch(raw):
        return f"{name} holds an unexpanded ${{...}}: this host does not expand variables, so put the value itself"
    return f"{name} is {'empty' if name in environ else 'not set'}"


_ABOUT_KEYS: Final = (
    " The key pair is the Open API Key from the Alaya NeW console. "
    "To try without an account, start the server with --sandbox."
)


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Settings from `ALAYA_*` variables.

    Raises:
        NotConfigured: naming each variable that is missing or does not parse, and why.
    """
    values = {_FROM_ENVIRONMENT[name]: value for name, value in environment_values(environ).items()}
    if "log_level" in values:
        values["log_level"] = values["log_level"].upper()
    try:
        return Settings.model_validate(values)
    except ValidationError as invalid:
        complaints = [
            _complaint(environ, str(error["loc"][0]), error["type"], error["msg"])
            for error in invalid.errors(include_input=False, include_url=False, include_context=False)
        ]
    raise NotConfigured(
        f"This server is not configured: {'; '.join(complaints)}.",
        next_step=(
            "Correct these in the env block of the MCP host's configuration and have the host restart this server."
            + (_ABOUT_KEYS if any("_KEY" in complaint for complaint in complaints) else "")
        ),
    )
