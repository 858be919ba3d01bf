"""The settings of accounts that callers over HTTP use: this server's, with another key pair."""

import logging
from collections.abc import Mapping
from typing import Final

from pydantic import SecretStr

from alaya_mcp.config.keychain import Readings
from alaya_mcp.config.place import PROFILE_VARIABLE
from alaya_mcp.config.settings import (
    KEYS_IN_HEADERS,
    KEYS_OF_SERVER,
    Guest,
    Settings,
    load_settings,
    load_settings_aside,
)
from alaya_mcp.errors import NotConfigured

_OWN: Final = frozenset({"ALAYA_ACCESS_KEY", "ALAYA_SECRET_KEY", "ALAYA_SERVICE_ID", PROFILE_VARIABLE})
"""Variables of this server's own account: no caller is given it."""

_log = logging.getLogger(__name__)


class CallersSettings:
    """Makes the settings of callers' accounts.

    Args:
        environ: This server's environment.
        engine_hosts: Hosts of engines that may be at private addresses or without TLS.

    Raises:
        NotConfigured: a setting that is the same for all callers is unusable.
    """

    def __init__(self, environ: Mapping[str, str], engine_hosts: frozenset[str]) -> None:
        self._environ = {name: value for name, value in environ.items() if name not in _OWN}
        self._engine_hosts = engine_hosts
        unused = {"ALAYA_ACCESS_KEY": "unused", "ALAYA_SECRET_KEY": "unused"}
        self.common = load_settings({**self._environ, **unused}).model_copy(update={"aliases": {}, "service_id": None})
        self._profiles: dict[str, Settings] = {}
        self._readings = Readings()

    def of_keys(self, access_key: SecretStr, secret_key: SecretStr) -> Settings:
        """Return the settings for a caller's own key pair."""
        guest = Guest(engine_hosts=self._engine_hosts)
        return self.common.model_copy(
            update={"access_key": access_key, "secret_key": secret_key, "key_pair": KEYS_IN_HEADERS, "guest": guest}
        )

    async def of_profile(self, profile: str, caller: str) -> Settings | NotConfigured:
        """Return the settings of a profile, as the configuration file had it when it was asked for first.

        What is wrong with it is logged: it is the operator's to know.

        Args:
            profile: The profile's name.
            caller: Tells the caller apart from others who use the profile.
        """
        if profile not in self._profiles:
            try:
                self._profiles[profile] = await load_settings_aside(
                    {**self._environ, PROFILE_VARIABLE: profile}, self._readings
                )
            except NotConfigured as unusable:
                sources = ", ".join(setting.source for setting in unusable.settings)
                _log.error("The profile %s cannot be used (%s): %s", profile, unusable.cause, sources or unusable.file)
                return NotConfigured("profile_unusable")
        guest = Guest(name=caller, engine_hosts=self._engine_hosts)
        return self._profiles[profile].model_copy(update={"key_pair": KEYS_OF_SERVER, "guest": guest})
