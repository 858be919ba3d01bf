"""The settings of a command that uses an account, or the embedded sandbox in place of one."""

import argparse
import os
from contextlib import AsyncExitStack

from alaya_mcp.config.settings import Settings, load_settings_aside


async def settings_of(arguments: argparse.Namespace, owned: AsyncExitStack) -> Settings:
    """Return the environment's and the profile's settings; with --sandbox, those of a sandbox that `owned` closes.

    Raises:
        NotConfigured: a setting is missing or unusable.
    """
    if not arguments.over_sandbox:
        return await load_settings_aside(os.environ)
    from alaya_mcp.cli.embedded_sandbox import sandbox_settings  # noqa: PLC0415 loaded for --sandbox only

    return await sandbox_settings(owned)
