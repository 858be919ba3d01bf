"""Which deployment is chatted with."""

from typing import Final

from alaya_mcp.accounts import Account
from alaya_mcp.config.settings import READ_BUDGET_SECONDS
from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.spelling import checked_reference, described, label, references, running
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.error_causes import ReferenceCause
from alaya_mcp.errors import AlayaError, DeploymentNotFound, InvalidArguments
from alaya_mcp.terminal.lines import LineInterrupted, ReadLine
from alaya_mcp.terminal.screen import Screen

_MOST_OPTIONS: Final = 50
_MOST_CANDIDATES: Final = 10


async def reference(account: Account, named: str | None, screen: Screen, read: ReadLine | None = None) -> str:
    """What the deployment is called: as it was named, the default, or what a person chooses among the running ones.

    Raises:
        EOFError: the person would rather leave.
        InvalidArguments: none of these; with the running deployments.
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
    screen.say("These deployments run:")
    screen.say("\n".join(option_lines(options)))
    if len(offered) > len(options):
        screen.fact(f"and {len(offered) - len(options)} more, which can be given by name")
    while True:
        try:
            answer = checked_reference(await read("Number or name: "))
        except LineInterrupted:
            raise EOFError from None
        except ValueError:  # nothing, or what can be no name
            continue
        if not answer.isdecimal():
            if await _is_one(account, answer, screen):
                return answer
        elif 1 <= int(answer) <= len(options):
            return str(options[int(answer) - 1].service_id)
        else:
            screen.warn(f"The numbers go from 1 to {len(options)}.")


async def _is_one(account: Account, named: str, screen: Screen) -> bool:
    """Whether a deployment is called so; what keeps it from being clear is shown."""
    try:
        await account.names.find(named, Deadline.after(READ_BUDGET_SECONDS), account.cache.recent)
    except (DeploymentNotFound, InvalidArguments) as error:
        screen.fail(error)
        return False
    except AlayaError:  # whoever looks it up next tells that
        pass
    return True


def option_lines(rows: list[Deployment]) -> list[str]:
    """Rows with the numbers to choose them by."""
    width = len(str(len(rows)))
    return [f"{number:>{width}}  {', '.join([label(row), *row.served_names])}" for number, row in enumerate(rows, 1)]


def _unnamed(cause: ReferenceCause, rows: list[Deployment]) -> InvalidArguments:
    return InvalidArguments(
        cause,
        known=described(rows, _MOST_CANDIDATES),
        count=len(rows),
        candidates=tuple(references(rows))[:_MOST_CANDIDATES],
    )
