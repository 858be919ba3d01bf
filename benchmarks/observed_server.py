"""The real stdio server, which on SIGUSR1 says on stderr how many tasks its event loop holds."""

import asyncio
import signal
import sys
from argparse import Namespace

import anyio

from alaya_mcp.commands.serve import run


def _tell() -> None:
    names = sorted(task.get_name() for task in asyncio.all_tasks())
    sys.stderr.write(f"tasks {len(names)}\n")
    sys.stderr.flush()


async def _serve() -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, _tell)
    await run(Namespace(sandbox=False, sandbox_fault=None))


if __name__ == "__main__":
    anyio.run(_serve)
