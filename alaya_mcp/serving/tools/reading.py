"""A call that reads: its deadline, its progress notes and the deployment that it is about."""

from dataclasses import dataclass

from alaya_mcp.accounts import Account
from alaya_mcp.config.settings import READ_BUDGET_SECONDS
from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.waiting import wait_until_ready
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.progress import ProgressNotes
from alaya_mcp.serving.caller import Caller
from alaya_mcp.serving.tools.tool import DeploymentArguments


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

    async def deployment(self, arguments: DeploymentArguments, wait: float = 0) -> tuple[str, Deployment]:
        """Return the id and the deployment, after waiting up to `wait` seconds for it to be ready.

        Raises:
            AlayaError: each control-plane row of docs/errors.md.
            AnswerAwaited: as `DeploymentArguments.reference`.
        """
        named, self.deadline = await arguments.reference(self.account, self.caller, self.deadline, self.notes)
        service_id, deployment = await self.account.names.find(named, self.deadline, self.account.cache.fresh)

        async def look() -> Deployment:
            return await self.account.cache.fresh(service_id, self.deadline)

        return service_id, await wait_until_ready(deployment, look, self.deadline.sooner(wait), self.notes)
