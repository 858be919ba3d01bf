"""Chat with a deployment in the terminal, or answer piped lines."""

import argparse
import io
import locale
import os
import signal
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, contextmanager
from typing import Final

from rich.console import Console

from alaya_mcp.accounts import Account, open_account
from alaya_mcp.cli.account_settings import settings_of
from alaya_mcp.config.settings import log_format, log_level
from alaya_mcp.errors import AlayaError
from alaya_mcp.logs import start_logging
from alaya_mcp.printable import encodable
from alaya_mcp.terminal.answers import JsonReport, PipedChat, TextReport
from alaya_mcp.terminal.chat_session import ChatSession, Manner
from alaya_mcp.terminal.console import open_console
from alaya_mcp.terminal.dialogue import INTERRUPTED, Dialogue
from alaya_mcp.terminal.error_steps import STEPS_IN_A_PIPE, doctor_step
from alaya_mcp.terminal.interruption import Interruption
from alaya_mcp.terminal.lines import PipedLine, piped_lines
from alaya_mcp.terminal.screen import Screen, open_aside
from alaya_mcp.terminal.selection import named_reference, reference

_REPLY_BYTES: Final = 10_000_000
"""No host cuts the reply here."""


async def run(arguments: argparse.Namespace) -> int:
    """Chat until the person leaves or the pipe ends; return the exit status."""
    start_logging(log_level(os.environ), log_format(os.environ))
    has_person = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty() and not arguments.json
    console = open_console()
    beside = console if has_person else open_aside()
    screen = Screen(console, beside)
    try:
        async with AsyncExitStack() as owned:
            settings = await settings_of(arguments, owned)
            settings = settings.model_copy(update={"max_reply_bytes": _REPLY_BYTES})
            _advise(screen, arguments.service or settings.service_id, arguments)
            account = await owned.enter_async_context(open_account(settings))
            chat = _chat_with_person if has_person else _chat_with_pipe
            return await chat(account, arguments, screen)
    except AlayaError as error:
        if arguments.json:
            JsonReport(screen).failed(None, error, STEPS_IN_A_PIPE)
        else:
            screen.fail(error)
    return 1


def _advise(screen: Screen, deployment: str | None, arguments: argparse.Namespace) -> None:
    screen.doctor = doctor_step(deployment, over_sandbox=arguments.over_sandbox)


async def _chat_with_person(account: Account, arguments: argparse.Namespace, screen: Screen) -> int:
    from alaya_mcp.terminal.prompt import Prompt  # noqa: PLC0415 a line editor is loaded for a person only

    interruption = Interruption()
    with interruption.on_sigint():
        named = ""
        with interruption.block() as looking:
            try:
                named = await reference(account, named_reference(arguments.service), screen, Prompt(lambda: ()))
            except EOFError:
                return 1
        if looking.cancelled_caught:
            return INTERRUPTED
        _advise(screen, named, arguments)
        session = ChatSession(account, named, _manner(arguments), screen, interruption)
        prompt = Prompt(lambda: session.models)
        return await Dialogue(session, screen, prompt, interruption, _text(arguments.system)).run()


async def _chat_with_pipe(account: Account, arguments: argparse.Namespace, screen: Screen) -> int:
    with _sigint_ends_at_once():
        named = await reference(account, named_reference(arguments.service), screen)
        nobody = Console(file=io.StringIO(), quiet=True)
        shown = Screen(nobody, nobody) if arguments.json else screen
        session = ChatSession(account, named, _manner(arguments), shown, Interruption())
        report = JsonReport(screen) if arguments.json else TextReport(screen)
        is_conversation: bool = arguments.conversation
        chat = PipedChat(session, screen, report, _text(arguments.system), is_conversation=is_conversation)
        return await chat.run(_lines_of_stdin())


def _lines_of_stdin() -> AsyncGenerator[PipedLine]:
    return piped_lines(sys.stdin.buffer if sys.stdin is not None else io.BytesIO(), locale.getencoding())


@contextmanager
def _sigint_ends_at_once() -> Generator[None]:
    """Let Ctrl-C end the process: Python's handler would wait for the thread that reads stdin."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _manner(arguments: argparse.Namespace) -> Manner:
    return Manner(arguments.timeout, _text(arguments.model), arguments.thinking)


def _text(argument: str | None) -> str | None:
    """Return an argument that UTF-8 can encode, None if it is empty."""
    return encodable(argument) if argument else None
