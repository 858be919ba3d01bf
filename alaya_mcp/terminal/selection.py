"""Choose the deployment to chat with."""

from typing import Final

from alaya_mcp.accounts import Account
from alaya_mcp.config.settings import READ_BUDGET_SECONDS
from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.spelling import checked_reference, described, label, most_like, references, running
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.error_causes import ReferenceCause
from alaya_mcp.error_sentences import what_happened
from alaya_mcp.errors import AlayaError, DeploymentNotFound, InvalidArguments
from alaya_mcp.terminal.lines import LineInterrupted, ReadLine
from alaya_mcp.terminal.screen import Screen

_MOST_OPTIONS: Final = 50
_MOST_CANDIDATES: Final = 10
_MOST_ALIKE: Final = 3
_FROM_THE_LIST: Final = "Type a number or a name from the list."


def named_reference(service: str | None) -> str | None:
    """Return the deployment's name on the command line, None if there is none.

    Raises:
        InvalidArguments: it can be neither an id nor a name.
    """
    try:
        return checked_reference(service) if service else None
    except ValueError as wrong:
        raise InvalidArguments("reference_unusable", source="SERVICE", detail=str(wrong)) from None


async def reference(account: Account, named: str | None, screen: Screen, read: ReadLine | None = None) -> str:
    """Return the deployment that was named, the default, or a person's choice among the running ones.

    Raises:
        EOFError: the person left.
        InvalidArguments: none was named or chosen; with the running deployments.
        AlayaError: the deployments could not be listed.
    """
    if given := named or account.settings.service_id:
        return given
    rows = await account.names.known(Deadline.after(READ_BUDGET_SECONDS))
    offered = running(rows)
    if not offered:
        raise _unnamed("deployment_none_running", rows)
    if read is None:
        raise _unnamed("deployment_not_named", offered)
    return await _chosen(account, offered, screen, read)


async def _chosen(account: Account, offered: list[Deployment], screen: Screen, read: ReadLine) -> str:
    options = offered[:_MOST_OPTIONS]
    screen.say("Running deployments:")
    screen.say("\n".join(option_lines(options)))
    if len(offered) > len(options):
        screen.fact(f"and {len(offered) - len(options)} more; type a name")
    while True:
        try:
            answer = checked_reference(await read("Number or name: "))
        except LineInterrupted:
            raise EOFError from None
        except ValueError:  # empty, or not a name
            continue
        if not answer.isdecimal():
            if await _is_one(account, answer, offered, screen):
                return answer
        elif 1 <= int(answer) <= len(options):
            return str(options[int(answer) - 1].service_id)
        else:
            screen.warn(f"Type a number from 1 to {len(options)}, or a name.")


async def _is_one(account: Account, named: str, offered: list[Deployment], screen: Screen) -> bool:
    """Return whether the name is one deployment's; if not, show why, and which running ones are like it."""
    try:
        await account.names.find(named, Deadline.after(READ_BUDGET_SECONDS), account.cache.recent)
    except (DeploymentNotFound, InvalidArguments) as error:
        what = what_happened(error)
        if error.cause == "name_unknown":
            called = {label(row): [text for text in (row.name, row.service_id) if text] for row in offered}
            alike = most_like(error.service_id, called, _MOST_ALIKE)
            alias = f" (the alias {error.alias})" if error.alias else ""
            meant = f" Did you mean {', or '.join(alike)}?" if alike else ""
            what = f'There is no deployment with the id or name "{error.service_id}"{alias}.{meant}'
        screen.say(f"{what}\n{_FROM_THE_LIST}", "red")
        return False
    except AlayaError:  # the next lookup reports it
        pass
    return True


def option_lines(rows: list[Deployment]) -> list[str]:
    """Return rows with the numbers to choose them by."""
    width = len(str(len(rows)))
    return [f"{number:>{width}}  {', '.join([label(row), *row.served_names])}" for number, row in enumerate(rows, 1)]


def _unnamed(cause: ReferenceCause, rows: list[Deployment]) -> InvalidArguments:
    return InvalidArguments(
        cause,
        known=described(rows, _MOST_CANDIDATES),
        count=len(rows),
        candidates=tuple(references(rows))[:_MOST_CANDIDATES],
    )
