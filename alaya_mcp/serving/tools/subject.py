"""The deployment that a call is about, and how it is read."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import anyio

from alaya_mcp.accounts import Account
from alaya_mcp.config.settings import READ_BUDGET_SECONDS
from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.waiting import wait_until_ready
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.errors import AlayaError, InvalidArguments
from alaya_mcp.progress import ProgressNotes
from alaya_mcp.serving.elicitation import Caller, NothingChosen
from alaya_mcp.upstream.deployment_names import described, label, references, running

_MOST_OPTIONS: Final = 50
_MOST_CANDIDATES: Final = 10


async def reference(
    account: Account, given: str | None, caller: Caller, deadline: Deadline, notes: ProgressNotes
) -> tuple[str, Deadline]:
    """Return the caller's reference, the default, or the host user's choice among the running deployments.

    The returned deadline is extended by the time that the user took.

    Raises:
        InvalidArguments: there is none of these; with the running deployments, if they can be read.
        AnswerAwaited: the host must ask its user and call again.
        AlayaError: the deployments to choose from cannot be read now.
    """
    if named := given or account.settings.service_id:
        return named, deadline
    try:
        rows = await account.names.known(deadline)
    except AlayaError as error:
        if caller.choose and error.retryable:
            raise
        raise InvalidArguments("deployment_not_named", because=error) from None
    offered = running(rows)
    these = references(offered, account.settings.aliases)
    if not (caller.choose and offered):
        raise _nothing_named("", these)
    options = [label(row) for row in offered[:_MOST_OPTIONS]]
    left_out = len(offered) - len(options)
    more = f" ({left_out} more are running: to use one of them, decline and say its name)" if left_out else ""
    notes.status("waiting", "asking the user which deployment to use")
    began = anyio.current_time()
    try:
        chosen = await caller.choose(f"Which deployment should be used?{more}", options)
    except NothingChosen as why:
        raise _nothing_named(f"no default deployment is configured and no choice was made ({why})", these) from None
    meant = next((row for row in rows if _is_meant(row, chosen)), None)
    if meant is None:
        raise _nothing_named("the chosen option is not one of the deployments offered", these)
    return str(meant.service_id), replace(deadline, at=deadline.at + anyio.current_time() - began)


def _is_meant(row: Deployment, chosen: str) -> bool:
    """Return whether an option was this deployment's: its name or state may have changed since."""
    return chosen == label(row) or chosen.endswith(f"({row.service_id})")


def _nothing_named(why: str, these: Mapping[str, Deployment]) -> InvalidArguments:
    return InvalidArguments(
        "deployment_not_named",
        detail=why,
        known=described(list(these.values()), _MOST_CANDIDATES),
        count=len(these),
        candidates=tuple(these)[:_MOST_CANDIDATES],
    )


@dataclass(slots=True)
class Reading:
    """One read call: its deadline and progress notes.

    Attributes:
        account: The account.
        caller: The host.
        deadline: Of the call, extended by the time that the user takes to answer.
        notes: Its progress notes.
    """

    account: Account
    caller: Caller
    deadline: Deadline
    notes: ProgressNotes

    @classmethod
    def begin(cls, account: Account, caller: Caller, words: str = "looking up the deployment") -> "Reading":
        """Return a reading that starts now."""
        return cls(account, caller, Deadline.after(READ_BUDGET_SECONDS), ProgressNotes(caller.notify, 0, words))

    async def deployment(self, given: str | None, wait: float = 0) -> tuple[str, Deployment]:
        """Return the id and the deployment, after waiting up to `wait` seconds for it to be ready.

        Raises:
            AlayaError: each control-plane row of docs/errors.md.
            AnswerAwaited: as `reference`.
        """
        named, self.deadline = await reference(self.account, given, self.caller, self.deadline, self.notes)
        service_id, deployment = await self.account.names.find(named, self.deadline, self.account.cache.fresh)

        async def look() -> Deployment:
            return await self.account.cache.fresh(service_id, self.deadline)

        return service_id, await wait_until_ready(deployment, look, self.deadline.sooner(wait), self.notes)
