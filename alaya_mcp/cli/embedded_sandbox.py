"""The sandbox inside this process, in place of an account."""

import os
from contextlib import AsyncExitStack

from alaya_mcp.config.settings import Settings, load_settings
from alaya_mcp.sandbox import Sandbox


async def sandbox_settings(owned: AsyncExitStack, fault: str | None = None) -> Settings:
    """Return settings for a sandbox that `owned` closes, without a real account's keys and address.

    Raises:
        NotConfigured: another setting is unusable.
        ValueError: no fault has that name; `unknown_fault` reports it beforehand.
    """
    sandbox = await owned.enter_async_context(Sandbox(fault=fault))
    environ = {
        **os.environ,
        "ALAYA_ACCESS_KEY": sandbox.access_key,
        "ALAYA_SECRET_KEY": sandbox.secret_key,
        "ALAYA_BASE_URL": sandbox.base_url,
        "ALAYA_SERVICE_ID": sandbox.default_service_id,
    }
    return load_settings(environ).model_copy(update={"sandbox_ids": sandbox.service_ids})
