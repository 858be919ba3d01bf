"""Settings of the HTTP server: from the command line, ALAYA_HTTP_* variables and the file's table [http]."""

import ipaddress
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from alaya_mcp.config.environment import value_of
from alaya_mcp.config.file import parsed
from alaya_mcp.config.place import config_bytes, config_path, default_config_path
from alaya_mcp.errors import NotConfigured, Setting
from alaya_mcp.origins import Origin, UrlRefused, base_url
from alaya_mcp.validation import why_refused

Mode = Literal["environment", "keys", "tokens"]
"""Who calls: this server's own account only; callers with their own key pairs; callers with this server's tokens."""

TOKENS_FILE: Final = "tokens.json"
PATH: Final = "/mcp"
_PREFIX: Final = "ALAYA_HTTP_"


def _listed(value: object) -> object:
    """Return a list of words for a text that separates them by commas."""
    return [word for part in value.split(",") if (word := part.strip())] if isinstance(value, str) else value


def _checked_host(host: str) -> str:
    if not host.isascii() or not host.strip("[]") or set(host) & set("/@ "):
        raise ValueError("must be a host name or an address, without a scheme or a path")
    return host.strip("[]").rstrip(".").lower()


def _checked_url(text: str) -> str:
    try:
        return base_url(text)
    except UrlRefused as refusal:
        raise ValueError(str(refusal)) from None


def _checked_origin(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path or parts.query or parts.fragment:
        raise ValueError("must be an origin such as https://inspector.example.com")
    return text.lower()


def _with_exporter(port: int) -> int:
    try:
        is_there = find_spec("opentelemetry.exporter.prometheus") is not None
    except ModuleNotFoundError:  # not even its parents are
        is_there = False
    if not is_there:
        raise ValueError("needs what the extra otel installs; in the checkout: pip install '.[otel]'")
    return port


Host = Annotated[str, AfterValidator(_checked_host)]
Hosts = Annotated[tuple[Host, ...], BeforeValidator(_listed)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(_checked_origin)], ...], BeforeValidator(_listed)]


class HttpSettings(BaseModel):
    """Settings of the HTTP server.

    Attributes:
        host: The address to listen on.
        port: The port; 0 takes a free one.
        public_url: The address that hosts use, with the path, if it is not that of `host`.
        mode: Who may call.
        allow_engine_host: Hosts of engines that may be at private addresses or without TLS; other modes than
            `environment` reach public https addresses only.
        allow_origin: Origins of web pages that may call.
        grace_seconds: How long the server goes on after SIGTERM at most.
        tokens_file: Holds the digests of tokens; by default beside the configuration file.
        metrics_host: The address on which Prometheus reads metrics.
        metrics_port: The port for that; 0 takes a free one. None: there are none.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, allow_inf_nan=False, extra="forbid")

    host: Host = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65_535)
    public_url: Annotated[str, AfterValidator(_checked_url)] | None = None
    mode: Mode = "environment"
    allow_engine_host: Hosts = ()
    allow_origin: Origins = ()
    grace_seconds: float = Field(60, ge=1, le=3600)
    tokens_file: Path = Field(default_factory=lambda: default_config_path().with_name(TOKENS_FILE))
    metrics_host: Host = "127.0.0.1"
    metrics_port: Annotated[int, Field(ge=0, le=65_535), AfterValidator(_with_exporter)] | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> "HttpSettings":
        if self.is_on_loopback:
            return self
        if self.mode == "environment":
            raise ValueError(
                "would let anybody who reaches this address use this server's own account; listen on 127.0.0.1, or "
                "choose the mode keys (each caller's own key pair) or tokens (tokens that this server gives out)"
            )
        if self.public_url is None:
            raise ValueError("needs public_url, the https address that hosts use")
        return self

    @property
    def is_on_loopback(self) -> bool:
        """Whether only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def _this_machine(self) -> set[str]:
        return {"127.0.0.1", "localhost", "::1"} if self.is_on_loopback else set()

    def admits(self, origin: str) -> bool:
        """Return whether a web page of this origin may call: a listed one or, on loopback, one of this machine."""
        try:
            host = urlsplit(origin).hostname
        except ValueError:
            host = None
        return origin.lower() in self.origins or host in self._this_machine

    @property
    def hosts(self) -> frozenset[str]:
        """The Host headers that are accepted, without a port: other names may be a web page's (DNS rebinding)."""
        public = {Origin.of(self.public_url).host} if self.public_url else set[str]()
        return frozenset(public | self._this_machine)

    @property
    def origins(self) -> frozenset[str]:
        """The origins of web pages that may call and read the answers."""
        public = urlsplit(self.public_url or "")
        own = {f"{public.scheme}://{public.netloc}".lower()} if self.public_url else set[str]()
        return frozenset({*own, *self.allow_origin})


def load_http_settings(given: Mapping[str, Any], environ: Mapping[str, str]) -> HttpSettings:
    """Return the settings: what the command line gives, then the environment, then the configuration file.

    Raises:
        NotConfigured: the file cannot be used, or a setting is unusable; names each.
    """
    variables = {f"{_PREFIX}{field.upper()}": field for field in HttpSettings.model_fields}
    own = {field: text for variable, field in variables.items() if (text := value_of(environ, variable))}
    text, path = config_bytes(environ), config_path(environ)
    table = parsed(text, path).http if text is not None else {}
    chosen = {field: value for field, value in given.items() if value not in (None, [])}
    values = {**table, **own, **chosen}
    values.setdefault("tokens_file", path.with_name(TOKENS_FILE))
    try:
        return HttpSettings.model_validate(values)
    except ValidationError as invalid:
        wrong = tuple(
            _wrong(str((error["loc"] or ("mode",))[0]), why_refused(error), own, chosen)
            for error in invalid.errors(include_input=False, include_url=False)
        )
    raise NotConfigured("setting_unusable", settings=wrong)


def _wrong(field: str, why: str, own: Mapping[str, object], chosen: Mapping[str, object]) -> Setting:
    variable = f"{_PREFIX}{field.upper()}"
    if field in chosen:
        source = f"--{field.replace('_', '-')}"
    else:
        source = variable if field in own else f"{field} in the table [http]"
    return Setting(source, "unusable", variable, why)
