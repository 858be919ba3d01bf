"""The server as Windows would have it run: `python -m tests.windows_rules ARGUMENT ...`, in place of `-m alaya_mcp`.

The platform that the command line is given is Windows', the event loop can wait for no descriptor and for no signal, as
Windows' own (`ProactorEventLoop`), and what Python lacks there is taken away. Pipes themselves are still POSIX' own.
"""

import asyncio
import os
import select
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

from alaya_mcp.cli.main import main


class ProactorLikeLoop(asyncio.SelectorEventLoop):
    """A loop that has sockets, timers and subprocesses, and waits for nothing else."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:  # noqa: ANN401 whatever it is asked
        raise NotImplementedError

    add_reader: Callable[..., NoReturn] = _refuse
    add_writer: Callable[..., NoReturn] = _refuse
    add_signal_handler: Callable[..., NoReturn] = _refuse


class Policy(asyncio.DefaultEventLoopPolicy):
    """Makes such loops."""

    _loop_factory = ProactorLikeLoop


ABSENT = ((select, "poll"), (signal, "alarm"), (os, "getuid"), (os, "O_NOFOLLOW"), (os, "get_blocking"))
"""What Windows' Python 3.11 does not have; `os.set_blocking` stays, since asyncio's subprocesses need it here."""

# A worker process that checks schemas imports this module under another name.
if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)  # policies, from Python 3.14 on
    for module, name in ABSENT:
        delattr(module, name)
    asyncio.set_event_loop_policy(Policy())  # type: ignore[reportDeprecated] # anyio.run takes no loop from here
    sys.exit(main("win32"))
