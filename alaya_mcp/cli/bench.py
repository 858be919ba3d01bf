"""Measure how fast a deployment's models answer, by how many chats run at once."""

import argparse
import json
import os
import sys
from contextlib import AsyncExitStack
from secrets import randbelow
from typing import Final

import anyio
import anyio.to_thread

from alaya_mcp.accounts import Account, open_account
from alaya_mcp.cli.account_settings import settings_of
from alaya_mcp.cli.open_files import allow_connections
from alaya_mcp.clock import now
from alaya_mcp.comparison.asking import REPLY_BYTES
from alaya_mcp.comparison.load import Load, LoadFailed, LoadPlan, LoadResult
from alaya_mcp.comparison.models import compared_models
from alaya_mcp.comparison.result import AnswerError
from alaya_mcp.config.settings import READ_BUDGET_SECONDS, log_format, log_level
from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.spelling import label
from alaya_mcp.errors import AlayaError
from alaya_mcp.logs import start_logging
from alaya_mcp.printable import encodable
from alaya_mcp.terminal.chat_session import ChatSession, Manner
from alaya_mcp.terminal.comparison_words import comparison_words
from alaya_mcp.terminal.console import open_console
from alaya_mcp.terminal.error_steps import doctor_step
from alaya_mcp.terminal.interruption import Interruption
from alaya_mcp.terminal.load_table import load_chart, load_table
from alaya_mcp.terminal.screen import Screen, open_aside
from alaya_mcp.terminal.selection import named_reference, reference

_MANY: Final = 200
"""Requests from which on it asks first."""
_INTERRUPTED: Final = 130
_NUMBERS: Final = 10**9


async def run(arguments: argparse.Namespace) -> int:
    """Measure and print; return 1 if a request failed or the time was over, 130 after Ctrl-C."""
    start_logging(log_level(os.environ), log_format(os.environ))
    screen = Screen(open_console(), open_aside())
    try:
        async with AsyncExitStack() as owned:
            settings = await settings_of(arguments, owned)
            allow_connections(arguments.chats)
            limits = {"max_concurrency": arguments.chats, "max_reply_bytes": REPLY_BYTES}
            account = await owned.enter_async_context(open_account(settings.model_copy(update=limits)))
            return await _bench(account, arguments, screen)
    except LoadFailed as failed:
        error = failed.error
    except AlayaError as refused:
        message = comparison_words(screen.doctor, "bench").error(refused)
        error = AnswerError(code=refused.code, message=message, retryable=refused.retryable)
    if arguments.json:
        screen.record(json.dumps({"error": error.model_dump()}, ensure_ascii=False))
    else:
        screen.say(error.message, "red")
    return 1


async def _bench(account: Account, arguments: argparse.Namespace, screen: Screen) -> int:
    named = await reference(account, named_reference(arguments.service), screen)
    screen.doctor = doctor_step(named, over_sandbox=arguments.over_sandbox)
    wording = comparison_words(screen.doctor, "bench")
    session = ChatSession(account, named, Manner(arguments.timeout), screen, Interruption())
    service_id, deployment = await session.ready(arguments.timeout)
    deadline = Deadline.after(READ_BUDGET_SECONDS)
    models = await compared_models(account, service_id, deployment, tuple(arguments.models), deadline)
    plan = LoadPlan(models, arguments.chats, encodable(arguments.prompt), arguments.max_tokens, arguments.timeout)
    screen.say(_cost(plan, label(deployment)))
    if plan.requests > _MANY and not arguments.yes and not await _agrees(plan.requests, screen):
        raise LoadFailed(AnswerError(code="invalid_arguments", message=_declined(plan.requests), retryable=False))
    results: list[LoadResult] = []
    interruption, began = Interruption(), now()
    with interruption.on_sigint(), interruption.block() as work, anyio.move_on_after(arguments.seconds) as limit:
        async for result in Load(account, service_id, plan, wording, randbelow(_NUMBERS)).results():
            results.append(result)
            screen.status(f"measuring, {now() - began:.0f} s, {len(results)} of {len(plan.levels) * len(models)} rows")
    screen.end()
    _show(screen, service_id, results, is_json=arguments.json)
    if limit.cancelled_caught:
        screen.warn(f"The time of {arguments.seconds:g} s was over before the rest was measured; --seconds sets it.")
    if work.cancelled_caught:
        return _INTERRUPTED
    return int(limit.cancelled_caught or not screen.is_read or any(result.failures for result in results))


def _cost(plan: LoadPlan, title: str) -> str:
    names = ", ".join(model.name for model in plan.models)
    levels = ", ".join(map(str, plan.levels))
    most = plan.requests * plan.max_tokens
    return (
        f"{title}: {plan.requests} requests to {names}, with {levels} at once, each for {plan.max_tokens} tokens at "
        f"most: up to {most:,} generated tokens and the prompts, which cost what this deployment's tokens cost."
    )


def _declined(requests: int) -> str:
    return f"{requests} requests are more than {_MANY}, so none was sent. Add --yes to send them, or measure less."


async def _agrees(requests: int, screen: Screen) -> bool:
    """Return whether the person agrees; without one nobody does."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty()):
        return False
    screen.say(f"Send {requests} requests? [y/N]")
    line = await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
    return line.strip().casefold() in {"y", "yes"}


def _show(screen: Screen, service_id: str, results: list[LoadResult], *, is_json: bool) -> None:
    if is_json:
        rows = [result.model_dump(mode="json", exclude_none=True) for result in results]
        screen.record(json.dumps({"service_id": service_id, "results": rows}, ensure_ascii=False))
    elif results:
        screen.show(load_table(results))
        screen.record("\n".join(["", *load_chart(results)]))
