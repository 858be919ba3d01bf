"""Settings of the HTTP server: from the command line, ALAYA_HTTP_* variables and the file's table [http]."""

import ipaddress
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from alaya_mcp.config.environment import value_of
from alaya_mcp.config.file import ConfigFile, parsed
from alaya_mcp.config.place import config_bytes, config_path, default_config_path
from alaya_mcp.errors import NotConfigured, Setting
from alaya_mcp.origins import Origin, UrlRefused, base_url, secure_url
from alaya_mcp.validation import why_refused

Mode = Literal["environment", "keys", "tokens", "oauth"]
"""Who calls: this server's own account only; callers with their own key pairs; callers with this server's tokens;
callers with an authorization server's tokens."""
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Of an access token's signature: with a public key only, since a shared secret would let this server make tokens."""

TOKENS_FILE: Final = "tokens.json"
PATH: Final = "/mcp"
STORE_SCHEMES: Final = ("valkey", "valkeys", "redis", "rediss", "unix")
_KEY_BYTES: Final = 32
_OAUTH: Final = "oauth_"
_FILE_ONLY: Final = frozenset({"oauth_subjects", "oauth_groups"})
"""Tables, which no variable holds."""


def _listed(value: object) -> object:
    """Return a list of words for a text that separates them by commas."""
    return [word for part in value.split(",") if (word := part.strip())] if isinstance(value, str) else value


def _checked_host(host: str) -> str:
    if not host.isascii() or not host.strip("[]") or set(host) & set("/@ "):
        raise ValueError("must be a host name or an address, without a scheme or a path")
    return host.strip("[]").rstrip(".").lower()


def _checked_by(check: Callable[[str], str]) -> AfterValidator:
    def checked(text: str) -> str:
        try:
            return check(text)
        except UrlRefused as refusal:
            raise ValueError(str(refusal)) from None

    return AfterValidator(checked)


def _public_url(text: str) -> str:
    url = base_url(text)
    if not urlsplit(url).path.strip("/"):
        raise UrlRefused(f"has no path; hosts use the whole address, such as {url}{PATH}")
    return url


def _issuer(text: str) -> str:
    base_url(text)
    return text.strip()  # with its trailing slash, if it has one: tokens have it too


def _checked_origin(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path or parts.query or parts.fragment:
        raise ValueError("must be an origin such as https://inspector.example.com")
    return text.lower()


def _checked_store(url: SecretStr) -> SecretStr:
    if url.get_secret_value().partition("://")[0] not in STORE_SCHEMES:
        raise ValueError(f"must begin with one of {', '.join(f'{scheme}://' for scheme in STORE_SCHEMES)}")
    return url


def _checked_key(key: SecretStr) -> SecretStr:
    try:
        size = len(b64decode(key.get_secret_value(), validate=True))
    except ValueError:
        size = 0
    if size != _KEY_BYTES:
        raise ValueError(f"must be {_KEY_BYTES} random bytes in base64 (openssl rand -base64 {_KEY_BYTES})")
    return key


def _with(module: str, extra: str) -> AfterValidator:
    """Return a check that what an extra installs is there."""

    def checked(value: Any) -> Any:  # noqa: ANN401 of any setting
        try:
            is_there = find_spec(module) is not None
        except ModuleNotFoundError:  # not even its parents are
            is_there = False
        if not is_there:
            raise ValueError(f"needs what the extra {extra} installs; in the checkout: pip install '.[{extra}]'")
        return value

    return AfterValidator(checked)


Host = Annotated[str, AfterValidator(_checked_host)]
Hosts = Annotated[tuple[Host, ...], BeforeValidator(_listed)]
Port = Annotated[int, Field(ge=0, le=65_535)]
Text = Annotated[str, Field(min_length=1, max_length=255)]
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
        store_url: The Valkey or Redis that holds the replies of several servers.
        store_key: Encrypts them: 32 bytes in base64, the same at each server.
        tokens_file: Holds the digests of tokens; by default beside the configuration file.
        oauth_issuer: The authorization server, as its tokens name it.
        oauth_jwks_url: Where its keys are; by default as its metadata says.
        oauth_algorithms: Those that its tokens may be signed with.
        oauth_subjects: Profiles by subject.
        oauth_groups: Profiles by group, for subjects that have none of their own.
        oauth_groups_claim: The claim of a token that lists its subject's groups.
        metrics_host: The address on which Prometheus reads metrics.
        metrics_port: The port for that; 0 takes a free one. None: there are none.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, allow_inf_nan=False, extra="forbid")

    host: Host = "127.0.0.1"
    port: Port = 8000
    public_url: Annotated[str, _checked_by(_public_url)] | None = None
    mode: Mode = "environment"
    allow_engine_host: Hosts = ()
    allow_origin: Origins = ()
    grace_seconds: float = Field(60, ge=1, le=3600)
    store_url: Annotated[SecretStr, AfterValidator(_checked_store), _with("redis", "store")] | None = None
    store_key: Annotated[SecretStr, AfterValidator(_checked_key)] | None = Field(None, validate_default=True)
    tokens_file: Path = Field(default_factory=lambda: default_config_path().with_name(TOKENS_FILE))
    oauth_issuer: Annotated[str, _checked_by(_issuer)] = ""
    oauth_jwks_url: Annotated[str, _checked_by(secure_url)] | None = None
    oauth_algorithms: Annotated[tuple[Algorithm, ...], BeforeValidator(_listed), Field(min_length=1)] = (
        "RS256",
        "ES256",
        "EdDSA",
    )
    oauth_subjects: dict[Text, Text] = Field(default_factory=dict)
    oauth_groups: dict[Text, Text] = Field(default_factory=dict)
    oauth_groups_claim: Text = "groups"
    metrics_host: Host = "127.0.0.1"
    metrics_port: Annotated[int, Field(ge=0, le=65_535), _with("opentelemetry.exporter.prometheus", "otel")] | None = (
        None
    )

    @field_validator("store_key")
    @classmethod
    def _is_with_its_store(cls, key: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if key is None and info.data.get("store_url"):
            raise ValueError("must be 32 random bytes in base64, the same at each server, since there is a store_url")
        return key

    @model_validator(mode="after")
    def _fits_together(self) -> "HttpSettings":
        if self.mode == "oauth":
            self._has_what_oauth_needs()
        elif given := sorted(name for name in self.model_fields_set if name.startswith(_OAUTH)):
            raise ValueError(f"must be oauth if {given[0]} is set: callers would need no access token")
        if self.is_on_loopback:
            return self
        if self.mode == "environment":
            raise ValueError(
                "would let anybody who reaches this address use this server's own account; listen on 127.0.0.1, or "
                "choose the mode keys (each caller's own key pair), tokens (tokens that this server gives out) or "
                "oauth (an authorization server's tokens)"
            )
        if self.public_url is None:
            raise ValueError("needs public_url, the https address that hosts use")
        return self

    def _has_what_oauth_needs(self) -> None:
        accounts = self.oauth_subjects or self.oauth_groups
        needed = {
            "public_url, the address that access tokens must be for": self.public_url,
            "oauth_issuer, the authorization server": self.oauth_issuer,
            "profiles for its users, in the table [http.oauth_subjects] or [http.oauth_groups]": accounts,
        }
        if missing := [name for name, value in needed.items() if not value]:
            raise ValueError(f"is oauth, which needs {'; '.join(missing)}")

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


def variable_of(field: str) -> str:
    """Return the environment variable of a field."""
    return f"ALAYA_{field.upper()}" if field.startswith("store_") else f"ALAYA_HTTP_{field.upper()}"


HTTP_VARIABLES: Final = {variable_of(field): field for field in HttpSettings.model_fields if field not in _FILE_ONLY}
"""Fields by their environment variables."""


def load_http_settings(given: Mapping[str, Any], environ: Mapping[str, str]) -> HttpSettings:
    """Return the settings: what the command line gives, then the environment, then the configuration file.

    Raises:
        NotConfigured: the file cannot be used, or a setting is unusable; names each.
    """
    own = {field: text for variable, field in HTTP_VARIABLES.items() if (text := value_of(environ, variable))}
    text, path = config_bytes(environ), config_path(environ)
    file = parsed(text, path) if text is not None else ConfigFile()
    chosen = {field: value for field, value in given.items() if value not in (None, [])}
    values = {**file.http, **own, **chosen}
    sources = {
        **{field: f"{field} in the table [http]" for field in file.http},
        **{field: variable_of(field) for field in own},
        **{field: f"--{field.replace('_', '-')}" for field in chosen},
    }
    values.setdefault("tokens_file", path.with_name(TOKENS_FILE))
    try:
        settings = HttpSettings.model_validate(values)
        wrong = tuple(_without_profile(settings, file, sources))
        if not wrong:
            return settings
    except ValidationError as invalid:
        wrong = tuple(
            _wrong(str((error["loc"] or ("mode",))[0]), why_refused(error), sources)
            for error in invalid.errors(include_input=False, include_url=False)
        )
    raise NotConfigured("setting_unusable", settings=wrong)


def _without_profile(settings: HttpSettings, file: ConfigFile, sources: Mapping[str, str]) -> Iterator[Setting]:
    for field in sorted(_FILE_ONLY):
        named: dict[str, str] = getattr(settings, field)
        for profile in sorted(set(named.values()) - set(file.profiles)):
            yield _wrong(field, f"names the profile {profile[:60]!r}, which is not in the file", sources)


def _wrong(field: str, why: str, sources: Mapping[str, str]) -> Setting:
    variable = variable_of(field)
    return Setting(sources.get(field, variable), "unusable", variable, why)
