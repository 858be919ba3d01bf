"""What everything that talks to one account works with, alive as long as a block runs."""

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from alaya_mcp.chat.chats import Chats
from alaya_mcp.config.settings import Settings
from alaya_mcp.upstream.client import AlayaClient
from alaya_mcp.upstream.deployment_cache import Lookups
from alaya_mcp.upstream.deployment_names import Directory
from alaya_mcp.upstream.transport import Transport


@dataclass(frozen=True, slots=True)
class Session:
    """One account.

    Attributes:
        settings: How it is reached.
        client: Both planes.
        directory: What deployments there are, and which is meant by a name.
        lookups: Deployments, as lately seen.
        chats: Chats with them.
    """

    settings: Settings
    client: AlayaClient
    directory: Directory
    lookups: Lookups
    chats: Chats


@asynccontextmanager
async def open_session(settings: Settings, environ: Mapping[str, str] = os.environ) -> AsyncGenerator[Session]:
    """A session; nothing is sent until something is asked of it.

    Args:
        settings: How the account is reached.
        environ: What names proxies and files of certificates.
    """
    async with Transport(environ) as transport:
        transport.warm_up(settings.control_plane)
        client = AlayaClient(settings, transport)
        lookups = Lookups(client.deployment)
        directory = Directory(client.deployments, settings.aliases)
        chats = Chats(
            client,
            lookups,
            directory,
            max_concurrency=settings.max_concurrency,
            idle_seconds=settings.idle_seconds,
            reply_bytes=settings.max_reply_bytes,
        )
        yield Session(settings, client, directory, lookups, chats)
