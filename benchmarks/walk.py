"""Which modules one chat enters on its way, and one token of it: `python -m benchmarks.walk`.

A module is entered when one of its functions is called; a move is a call from one module into another. The sandbox
answers, and is not counted.
"""

import inspect
import sys
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

import anyio
from mcp import Client

from alaya_mcp import create_server, load_settings
from alaya_mcp.sandbox import Sandbox

_PACKAGE = "alaya_mcp."
_RESUMABLE = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
_MORE = 1_000
"""Tokens that the longer chat has more."""
_NOT_OURS = ("alaya_mcp.sandbox",)


class Walk:
    """What was entered, in order, and how often one module called into another."""

    def __init__(self) -> None:
        self.entered: Counter[str] = Counter()
        self.moves = 0
        self._begun: dict[int, FrameType] = {}

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        """Take note of a call; as `sys.setprofile` wants it."""
        del argument
        if event != "call" or not (module := _module(frame)):
            return
        if frame.f_code.co_flags & _RESUMABLE:  # entered once, however often it goes on after an await
            if id(frame) in self._begun:
                return
            self._begun[id(frame)] = frame  # held, so that no other gets its id
        self.entered[module] += 1
        self.moves += module != (_module(frame.f_back) if frame.f_back else None)


def _module(frame: FrameType) -> str | None:
    name = str(frame.f_globals.get("__name__", ""))
    return name if name.startswith(_PACKAGE) and not name.startswith(_NOT_OURS) else None


@contextmanager
def walked() -> Generator[Walk]:
    """Watch what runs inside."""
    walk = Walk()
    sys.setprofile(walk)
    try:
        yield walk
    finally:
        sys.setprofile(None)


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{line}\n")


async def _main() -> None:
    async with Sandbox(token_delay=0.001) as sandbox:
        settings = load_settings(
            {
                "ALAYA_BASE_URL": sandbox.base_url,
                "ALAYA_ACCESS_KEY": sandbox.access_key,
                "ALAYA_SECRET_KEY": sandbox.secret_key,
                "ALAYA_SERVICE_ID": sandbox.default_service_id,
                "ALAYA_PROGRESS_INTERVAL_MS": "0",
            }
        )

        async def note(progress: float, total: float | None, message: str | None) -> None:
            del progress, total, message

        async with Client(create_server(settings)) as client:

            async def chat(words: int) -> Walk:
                with walked() as walk:
                    prompt = {"prompt": f"sandbox: repeat {words} x"}
                    await client.call_tool("chat_with_deployment", prompt, progress_callback=note)
                return walk

            await chat(1)
            short, long = await chat(20), await chat(20 + _MORE)

    say(f"a chat of 20 tokens: {len(short.entered)} modules, {short.moves} moves")
    for module, calls in short.entered.most_common():
        say(f"  {calls:5d} {module.removeprefix(_PACKAGE)}")
    # What a thousand tokens more call at least half as often is on each token's way.
    of_a_token = {module: calls for module, calls in (long.entered - short.entered).items() if calls >= _MORE / 2}
    moves = (long.moves - short.moves) / _MORE
    say(f"a token: {len(of_a_token)} modules, {moves:.1f} moves")
    for module, calls in sorted(of_a_token.items(), key=lambda each: -each[1]):
        say(f"  {calls / _MORE:5.1f} {module.removeprefix(_PACKAGE)}")


if __name__ == "__main__":
    anyio.run(_main)
