"""Compare the answers of a deployment's models to the same prompts, or join the answers of several runs."""

import argparse
import os
import signal
import sys
from collections.abc import Generator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import anyio

from alaya_mcp.accounts import Account, open_account
from alaya_mcp.cli.account_settings import settings_of
from alaya_mcp.cli.compare_options import asking_of, models_asked, prompts_of, refuse_schema, refuse_targets
from alaya_mcp.cli.compare_report import CompareReport, Ended
from alaya_mcp.comparison.answers_file import AnswersFile
from alaya_mcp.comparison.asking import REPLY_BYTES
from alaya_mcp.comparison.joined import JoinedAnswers
from alaya_mcp.comparison.models import ComparedModel, compared_models
from alaya_mcp.comparison.plan import Plan, Shard
from alaya_mcp.comparison.prompts_file import Prompts
from alaya_mcp.comparison.run import Run
from alaya_mcp.comparison.unusable import Unusable
from alaya_mcp.config.settings import READ_BUDGET_SECONDS, log_format, log_level
from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.spelling import label
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.errors import AlayaError
from alaya_mcp.logs import start_logging
from alaya_mcp.terminal.chat_session import ChatSession, Manner
from alaya_mcp.terminal.closed_pipe import is_closed
from alaya_mcp.terminal.comparison_progress import show_progress
from alaya_mcp.terminal.error_steps import doctor_step
from alaya_mcp.terminal.interruption import Interruption
from alaya_mcp.terminal.selection import named_reference, reference

_WRONG: Final = 2
_OF_SIGNAL: Final = 128


async def run(arguments: argparse.Namespace) -> int:
    """Compare, or join; return the exit status."""
    start_logging(log_level(os.environ), log_format(os.environ))
    report = CompareReport(arguments)
    with _ends_at_once():
        try:
            refuse_targets(arguments)
            if arguments.join:
                return _join(arguments, report)
            with prompts_of(arguments) as prompts:
                async with AsyncExitStack() as owned:
                    return await _compare(arguments, prompts, report, owned)
        except Unusable as unusable:
            report.refuse(unusable)
            return _WRONG
        except AlayaError as error:
            report.fail(error)
            return 1


def _join(arguments: argparse.Namespace, report: CompareReport) -> int:
    paths = [Path(each) for each in arguments.join]
    with JoinedAnswers(paths) as joined:
        if arguments.out:
            joined.write(Path(arguments.out), fresh=arguments.fresh)
        return report.joined(joined)


async def _compare(
    arguments: argparse.Namespace, prompts: Prompts, report: CompareReport, owned: AsyncExitStack
) -> int:
    asking = asking_of(arguments)
    if asking.features.response_schema:
        await refuse_schema(asking.features.response_schema, arguments.response_schema)
    answers = owned.enter_context(AnswersFile(arguments.out and Path(arguments.out), fresh=arguments.fresh))
    settings = await settings_of(arguments, owned)
    limits = {"max_concurrency": arguments.concurrency, "max_reply_bytes": REPLY_BYTES}
    account = await owned.enter_async_context(open_account(settings.model_copy(update=limits)))
    service_id, deployment, models = await _models(account, arguments, report)
    plan = Plan(prompts, models, asking.at(service_id), arguments.repeat, Shard(*arguments.shard))
    left = sum(1 for _ in plan.unanswered(answers))
    report.announce(plan, label(deployment), left)
    run = Run(account, plan, answers, left, report.wording, concurrency=arguments.concurrency)
    with _signals(run, report) as received:
        await _run(run, report)
    title, status = deployment.name or service_id, _OF_SIGNAL + received[0] if received else None
    return report.ended(Ended(run, plan, answers, service_id, title, status))


async def _models(
    account: Account, arguments: argparse.Namespace, report: CompareReport
) -> tuple[str, Deployment, tuple[ComparedModel, ...]]:
    """Return the deployment, once it is ready, and the models to compare."""
    named = await reference(account, named_reference(arguments.service), report.screen)
    report.advise(doctor_step(named, over_sandbox=arguments.over_sandbox))
    session = ChatSession(account, named, Manner(arguments.timeout), report.screen, Interruption())
    service_id, deployment = await session.look()
    with anyio.move_on_after(arguments.timeout):
        deployment = await session.awaited(deployment)
    deadline = Deadline.after(READ_BUDGET_SECONDS)
    models = await compared_models(account, service_id, deployment, models_asked(arguments), deadline)
    return service_id, deployment, models


async def _run(run: Run, report: CompareReport) -> None:
    """Ask everything; stop if nobody reads what would be printed."""

    def look() -> None:
        if sys.stdout is not None and is_closed(sys.stdout.fileno()):
            report.screen.is_read = False
            run.stop("The output is closed.")

    async with anyio.create_task_group() as beside:
        beside.start_soon(partial(show_progress, run.tally, report.beside, look))
        await run.run()
        beside.cancel_scope.cancel()


@contextmanager
def _ends_at_once() -> Generator[None]:
    """Let Ctrl-C end what cannot be cancelled: reading a large file."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _signals(run: Run, report: CompareReport) -> Generator[list[int]]:
    """Yield the signals received; the first stops the run, the next ends the process."""
    received: list[int] = []
    stop = run.stopper()

    def handle(number: int, _frame: object) -> None:
        received.append(number)
        if len(received) > 1:
            report.beside.show_cursor()
            os._exit(_OF_SIGNAL + number)
        stop("Interrupted.")

    before = {each: signal.signal(each, handle) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
