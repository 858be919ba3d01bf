"""The real stdio server, which on SIGUSR1 tidies its memory and says how many tasks its event loop holds. glibc."""

import asyncio
import ctypes
import gc
import signal
import sys
from argparse import Namespace

import anyio

from alaya_mcp.cli.serve import run


def _tell() -> None:
    # What is freed but not given back to the system is the allocator's, and says nothing about leaks.
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    sys.stderr.write(f"tasks {len(asyncio.all_tasks())}\n")
    sys.stderr.flush()


async def _serve() -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, _tell)
    await run(Namespace(sandbox=False, sandbox_fault=None, opening=None))


if __name__ == "__main__":
    anyio.run(_serve)
