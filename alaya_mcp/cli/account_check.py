"""Whether a key pair works: one request for the list of deployments."""

from collections.abc import Mapping

from alaya_mcp.accounts import open_account
from alaya_mcp.config.settings import READ_BUDGET_SECONDS, Settings
from alaya_mcp.deadline import Deadline
from alaya_mcp.errors import AccessDenied, AlayaError


async def refusal_of(settings: Settings, environ: Mapping[str, str]) -> AlayaError | None:
    """Return why the pair cannot be used now; None if it works.

    A pair that may not list deployments works: deployments can be used by their ids.

    Args:
        settings: The pair and its API.
        environ: Variables that set proxies and certificate files.
    """
    try:
        async with open_account(settings, environ) as account:
            await account.client.deployments(1, 1, Deadline.after(READ_BUDGET_SECONDS))
    except AccessDenied:
        return None
    except AlayaError as error:
        return error
    return None
