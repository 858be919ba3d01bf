"""What a fault is: a name, a line about it, and a handler for each plane where it shows."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import TypeAlias

from starlette.responses import Response

from alaya_mcp.sandbox.deployments import Deployment
from alaya_mcp.sandbox.exchange import Exchange
from alaya_mcp.sandbox.faults.script import ShowInChat

Fields: TypeAlias = dict[str, object]
Show: TypeAlias = Callable[[Exchange], Awaitable[None]]


@dataclass(slots=True)
class Memory:
    """What a running sandbox remembers of one deployment: how often it was looked up, and its key."""

    deployment: Deployment
    looks: int = 0
    rotations: int = 0
    key_refused: bool = False

    def key(self, rotations: int | None = None) -> str:
        """Return the present key, or the one after so many rotations."""
        rotations = self.rotations if rotations is None else rotations
        return f"{self.deployment.api_key}-{rotations}" if rotations else self.deployment.api_key


@dataclass(frozen=True, slots=True)
class Report:
    """What the control plane is about to report of a deployment: its detail, or its row in the list (no look)."""

    fields: Fields
    looks: int
    closed_port: int


@dataclass(frozen=True, slots=True)
class Page:
    """The page of the list that is asked for, the first being page 1, and how many were asked for before."""

    rows: list[Fields]
    number: int
    size: int
    before: int

    @property
    def shown(self) -> list[Fields]:
        """The rows of this page."""
        return self.rows[(self.number - 1) * self.size : self.number * self.size]

    def data(self, **changes: object) -> Fields:
        """Return the page as the control plane shows it, but for what changes; the count is a string."""
        return {"count": str(len(self.rows)), "rows": self.shown} | changes


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. Which of its handlers it names says on which plane it shows; the others do as they should.

    Attributes:
        name: Its name, for `--fault` and for the deployment fault-NAME.
        summary: One line for `alayanew-mcp sandbox --faults`.
        chat: Answers a chat in place of the engine.
        control: Answers in place of the control plane, for a deployment's detail or, with `--fault`, for any path.
        report: Changes what the control plane reports of a deployment.
        page: Returns the `data` of a page of the list, or a whole response.
        models: Returns the body of `/v1/models`, given the cards of a good one.
        accepts: Decides whether an engine takes a key, given whether it comes with a chat.
        once: Whether each deployment, or each path of the control plane, shows it for its first request alone.
        refuses: Whether it is a refusal, so that no chat counts as started.
        sglang: Whether only SGLang has it; vLLM shows the others.
    """

    name: str
    summary: str
    chat: ShowInChat | None = None
    control: Show | None = None
    report: Callable[[Report], Fields] = attrgetter("fields")
    page: Callable[[Page], Fields | Response | None] = Page.data
    models: Callable[[list[object]], object] = lambda cards: {"object": "list", "data": cards}
    accepts: Callable[[Memory, str, bool], bool] = lambda memory, key, _chatting: key == memory.key()
    once: bool = False
    refuses: bool = False
    sglang: bool = False


def reply(response: Response) -> Show:
    """Return the handler that always gives one answer."""
    return lambda exchange: exchange.answer(response)
