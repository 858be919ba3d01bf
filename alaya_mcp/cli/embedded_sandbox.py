"""The sandbox inside this process, in place of an account."""

import os
from contextlib import AsyncExitStack

from alaya_mcp.config.settings import Settings, load_settings
from alaya_mcp.sandbox import Sandbox


async def sandbox_settings(owned: AsyncExitStack, fault: str | None = None) -> Settings:
    """Settings for a sandbox that `owned` ends; keys and addresses of a real account are left aside.

    Raises:
        NotConfigured: another setting does not parse.
        ValueError: there is no fault of that name; `unknown_fault` says so beforehand.
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
