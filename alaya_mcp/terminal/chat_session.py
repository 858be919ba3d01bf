"""A deployment to chat with: look it up, wait for it, list its models, get answers."""

import math
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import anyio

from alaya_mcp.accounts import Account
from alaya_mcp.chat.model_choice import Choice, ServedNames, choose_model
from alaya_mcp.chat.reading import Outcome
from alaya_mcp.chat.remark import Remark
from alaya_mcp.chat.request import ChatRequest, Features, Thinking, Turn
from alaya_mcp.config.settings import READ_BUDGET_SECONDS
from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.model_names import deployment_names
from alaya_mcp.deployment.readiness import readiness
from alaya_mcp.deployment.verification import verified
from alaya_mcp.deployment.views import lora_list_result
from alaya_mcp.deployment.waiting import wait_until_ready
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.errors import AlayaError, ModelNotServed
from alaya_mcp.progress import Phase, ProgressNotes
from alaya_mcp.results import ChatResult, LoraListResult
from alaya_mcp.terminal.interruption import Interruption
from alaya_mcp.terminal.screen import Screen
from alaya_mcp.upstream.explain import explain
from alaya_mcp.upstream.failures import Failure

_INTERVAL_SECONDS: Final = 0.03
"""Between pieces of text, so that a fast answer does not flood the terminal."""
_LIST_SECONDS: Final = 5.0
"""For the engine's list of models; a healthy engine answers in milliseconds."""

_UNCLEAR: Final = frozenset({"deployment_unknown", "name_unknown", "name_ambiguous"})
"""Causes that are about the deployment's name."""

_T = TypeVar("_T")


@dataclass(slots=True)
class Manner:
    """How the deployment is asked; commands change it.

    Attributes:
        timeout: Time limit of one answer, in seconds.
        model: The name to ask for; None for the base model.
        thinking: Whether a model that can think does so.
        waits: Whether an answer waits for a deployment that is loading.
    """

    timeout: float
    model: str | None = None
    thinking: Thinking = "auto"
    waits: bool = True


@dataclass(frozen=True, slots=True)
class Received:
    """An answer, complete or partial.

    Attributes:
        text: The reply's text.
        result: The whole result; None if it was interrupted.
        remarks: Warnings about it.
    """

    text: str
    result: ChatResult | None
    remarks: tuple[Remark, ...] = ()


class ChatSession:
    """Chats with one deployment.

    Args:
        account: The account.
        reference: The deployment's id, name or alias.
        manner: How it is asked.
        screen: Shows progress and answers.
        interruption: Cancels an answer.
    """

    def __init__(
        self, account: Account, reference: str, manner: Manner, screen: Screen, interruption: Interruption
    ) -> None:
        self._account = account
        self._reference = reference
        self._screen = screen
        self._interruption = interruption
        self._served = ServedNames(account.client)
        self.manner = manner
        self.models: tuple[str, ...] = ()
        """The names of its models, as far as they are known."""

    async def look(self) -> tuple[str, Deployment]:
        """Return its id and its current state.

        Raises:
            AlayaError: each control-plane row of docs/errors.md.
        """
        service_id, deployment = await self._shown(lambda _: self._find())
        self.models = self.models or deployment_names(deployment).models
        return service_id, deployment

    async def awaited(self, deployment: Deployment) -> Deployment:
        """Return the deployment once it is ready, or its last state if waiting does not help.

        Raises:
            AlayaError: each control-plane row of docs/errors.md.
        """

        async def look() -> Deployment:
            _, seen = await self._find()
            return seen

        def wait(notes: ProgressNotes) -> Awaitable[Deployment]:
            return wait_until_ready(deployment, look, Deadline(math.inf, math.inf), notes)

        return deployment if readiness(deployment).ready else await self._shown(wait)

    async def ready(self, seconds: float) -> tuple[str, Deployment]:
        """Return its id and its state, after waiting so long at most for one that is loading.

        Raises:
            AlayaError: each control-plane row of docs/errors.md.
        """
        service_id, deployment = await self.look()
        with anyio.move_on_after(seconds):
            deployment = await self.awaited(deployment)
        return service_id, deployment

    async def choose(self, wanted: str | None, service_id: str, deployment: Deployment) -> Choice:
        """Return the model of that name, or the one that answers if none is named.

        Raises:
            ModelNotServed: the deployment does not serve it; with the nearest names.
            AlayaError: no name is known and the engine could not be asked.
        """
        engine = self._account.client.engine(deployment, service_id)
        deadline = Deadline.after(READ_BUDGET_SECONDS)
        try:
            choice = await choose_model(wanted, deployment, engine, self._served, deadline)
        except Failure as failure:
            raise explain(failure, engine.subject) from None
        self.models = choice.names.models
        return choice

    async def unserved(self, model: str) -> ModelNotServed | None:
        """Return the error of a model that the deployment does not serve; None also if its names are not known now."""
        try:
            service_id, deployment = await self.look()
            if readiness(deployment).ready:
                await self.choose(model, service_id, deployment)
        except ModelNotServed as error:
            return error
        except AlayaError:  # the next message reports it
            pass
        return None

    async def listed(self, service_id: str, deployment: Deployment) -> LoraListResult:
        """Return the models, including those that only the engine lists, if it can be asked.

        Raises:
            AlayaError: the engine's address is unusable.
        """
        client = self._account.client
        engine = client.engine(deployment, service_id)
        try:
            served = await client.served_names(engine, Deadline.after(_LIST_SECONDS))
            result = verified(deployment, service_id, [served])
        except (AlayaError, Failure):  # the control plane's list is enough
            result = lora_list_result(deployment, service_id)
        self.models = (*result.base_models, *(row.model for row in result.lora_models)) or self.models
        return result

    async def reply(self, turns: tuple[Turn, ...], *, continues: bool = False) -> Received:
        """Show the answer as it arrives and return it; if interrupted, the text so far.

        Raises:
            AlayaError: no part of a reply arrived; each row of docs/errors.md.
        """
        manner, pieces = self.manner, list[str]()
        request = ChatRequest(
            turns,
            features=Features(thinking=manner.thinking, continues=continues),
            model=manner.model,
            wait_seconds=manner.timeout if manner.waits else 0,
        )

        def chat(notes: ProgressNotes) -> Awaitable[Outcome]:
            return self._account.chats.run(self._reference, request, Deadline.after(manner.timeout), notes)

        with self._interruption.block(), self._default():
            outcome = await self._shown(chat, pieces)
            return Received(outcome.result.content, outcome.result, outcome.remarks)
        return Received("".join(pieces), None)

    async def _find(self) -> tuple[str, Deployment]:
        deadline = Deadline.after(READ_BUDGET_SECONDS)
        with self._default():
            return await self._account.names.find(self._reference, deadline, self._account.cache.fresh)

    @contextmanager
    def _default(self) -> Generator[None]:
        """Mark an error that is about the name of the default deployment."""
        try:
            yield
        except AlayaError as error:
            if self._reference != self._account.settings.service_id or error.cause not in _UNCLEAR:
                raise
            raise replace(error, default=self._reference) from None

    async def _shown(self, work: Callable[[ProgressNotes], Awaitable[_T]], pieces: list[str] | None = None) -> _T:
        """Return the result of `work`; show its progress, and add its text to `pieces`."""

        async def notify(progress: float, message: str, phase: Phase) -> None:
            del progress
            if phase == "writing":
                self._screen.write(message)
                if pieces is not None:
                    pieces.append(message)
                if not self._screen.is_read:
                    self._interruption.interrupt()
            else:
                self._screen.status(message)

        notes = ProgressNotes(notify, _INTERVAL_SECONDS)
        try:
            return await notes.during(lambda: work(notes))
        finally:
            self._screen.end()
