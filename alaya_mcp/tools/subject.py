"""Which deployment a call is about, and looking at it."""

from dataclasses import dataclass
from typing import Final

from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.waiting import wait_until_ready
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.errors import AlayaError, InvalidArguments
from alaya_mcp.progress import ProgressNotes
from alaya_mcp.session import Session
from alaya_mcp.settings import READ_BUDGET_SECONDS
from alaya_mcp.tools.caller import Caller
from alaya_mcp.upstream.directory import described, label, references

_MOST_OPTIONS: Final = 50
_MOST_CANDIDATES: Final = 10


async def reference(session: Session, given: str | None, caller: Caller) -> str:
    """What the caller calls the deployment, or the default, or what the host's user chooses among the running ones.

    Raises:
        InvalidArguments: none of these; with the running deployments, where they can be had.
        AnswerAwaited: the host has to ask and call again.
    """
    if named := given or session.settings.service_id:
        return named
    running = await _running(session)
    if caller.choose and running:
        options = {label(row): str(row.service_id) for row in running[:_MOST_OPTIONS]}
        more = f" ({len(options)} of the {len(running)} that run)" if len(running) > len(options) else ""
        chosen = await caller.choose(f"Which deployment is meant?{more}", list(options))
        if chosen is not None:
            return options[chosen]
    raise _nothing_named(running, asked=bool(caller.choose and running))


async def _running(session: Session) -> list[Deployment]:
    """The deployments that run, by name; none where they cannot be had."""
    try:
        rows = await session.directory.known(Deadline.after(READ_BUDGET_SECONDS))
    except AlayaError:
        return []
    return sorted((row for row in rows if row.status == "running"), key=lambda row: row.name or "")


def _nothing_named(running: list[Deployment], *, asked: bool) -> InvalidArguments:
    why = "the user chose none" if asked else "no default deployment is configured"
    shown = f" These are: {described(running, _MOST_CANDIDATES)}." if running else ""
    return InvalidArguments(
        f"service_id: is required, since {why}.{shown}",
        next_step="Ask the user which deployment is meant and pass its name or id; list_deployments shows them all. "
        "ALAYA_SERVICE_ID in the host's configuration sets a default.",
        candidates=tuple(references(running))[:_MOST_CANDIDATES],
    )


@dataclass(frozen=True, slots=True)
class Reading:
    """One call that reads: how long it may take, and how it is told of.

    Attributes:
        session: The account.
        deadline: Of the call.
        notes: What the host is told meanwhile.
    """

    session: Session
    deadline: Deadline
    notes: ProgressNotes

    @classmethod
    def begin(cls, session: Session, caller: Caller, words: str = "looking up the deployment") -> "Reading":
        """A reading that begins now."""
        return cls(session, Deadline.after(READ_BUDGET_SECONDS), ProgressNotes(caller.notify, 0, words))

    async def deployment(self, named: str, wait: float = 0) -> tuple[str, Deployment]:
        """The deployment of that id, name or alias, and its id; ready, if waiting so long brings that about.

        Raises:
            AlayaError: each control-plane row of docs/errors.md.
        """
        service_id, deployment = await self.session.directory.find(named, self.deadline, self.session.lookups.fresh)

        async def look() -> Deployment:
            return await self.session.lookups.fresh(service_id, self.deadline)

        def tell(state: str, instances: str) -> None:
            self.notes.status("waiting", state, instances)

        return service_id, await wait_until_ready(deployment, look, self.deadline.sooner(wait), tell)
