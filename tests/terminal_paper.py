"""A terminal that is a string: what was shown on it, and a person whose lines are given beforehand."""

import io
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
from rich.console import Console

from alaya_mcp.accounts import open_account
from alaya_mcp.chat.request import Thinking
from alaya_mcp.config.settings import Settings
from alaya_mcp.sandbox import Sandbox
from alaya_mcp.terminal.chat_session import ChatSession, Manner
from alaya_mcp.terminal.dialogue import Dialogue
from alaya_mcp.terminal.interruption import Interruption
from alaya_mcp.terminal.screen import Screen
from tests.calls import over
from tests.patience import PATIENCE

Typed = str | Exception | Callable[[], Awaitable[str]]
"""A line, what the prompt raises, or something to wait for before there is a line."""


class Paper(io.StringIO):
    """A file that tells when something has been written."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = anyio.Event()

    def write(self, text: str, /) -> int:
        written = super().write(text)
        self._changed.set()
        self._changed = anyio.Event()
        return written

    async def shows(self, text: str) -> None:
        """Wait until it does."""
        while text not in self.getvalue():
            await self._changed.wait()


@dataclass
class Person:
    """Someone who types what was decided beforehand, and leaves.

    Attributes:
        typed: What is still to be typed.
        prompts: What it was asked for with.
    """

    typed: list[Typed]
    prompts: list[str] = field(default_factory=list[str])

    async def __call__(self, prompt: str, /) -> str:
        self.prompts.append(prompt)
        if not self.typed:
            raise EOFError
        line = self.typed.pop(0)
        if isinstance(line, Exception):
            raise line
        return line if isinstance(line, str) else await line()


@dataclass
class Sitting:
    """A dialogue that is about to begin."""

    dialogue: Dialogue
    session: ChatSession
    person: Person
    interruption: Interruption
    paper: Paper

    async def run(self) -> str:
        """Everything that was shown, once the person has left."""
        assert await self.dialogue.run() == 0
        return self.paper.getvalue()


def screen_on(paper: Paper, beside: Paper | None = None) -> Screen:
    """A screen of one paper, or of one for the answers and one for the rest."""
    answers = Console(file=paper, width=100, highlight=False, soft_wrap=True)
    return Screen(answers, Console(file=beside, width=100, soft_wrap=True) if beside else answers)


@asynccontextmanager
async def sitting(
    upstream: Sandbox | Settings,
    *typed: Typed,
    service: str = "sandbox-qwen3",
    system: str | None = None,
    model: str | None = None,
    thinking: Thinking = "auto",
    timeout: float = PATIENCE,  # noqa: ASYNC109 the budget of an answer, as the command line has it
) -> AsyncGenerator[Sitting]:
    """A dialogue over a sandbox, for as long as a test has patience."""
    settings = over(upstream) if isinstance(upstream, Sandbox) else upstream
    settings = settings.model_copy(update={"max_reply_bytes": 10_000_000})
    with anyio.fail_after(PATIENCE):
        async with open_account(settings) as account:
            paper, person, interruption = Paper(), Person([*typed]), Interruption()
            screen = screen_on(paper)
            session = ChatSession(account, service, Manner(timeout, model, thinking), screen, interruption)
            dialogue = Dialogue(session, screen, person, interruption, system)
            yield Sitting(dialogue, session, person, interruption, paper)
