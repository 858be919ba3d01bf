"""How fast the models of a deployment answer, by how many chats run at once."""

from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Final

import anyio
from pydantic import Field

from alaya_mcp.accounts import Account
from alaya_mcp.chat.request import ChatRequest, Sampling, Turn
from alaya_mcp.clock import now
from alaya_mcp.comparison.answer import Wording, answer_of, flaw
from alaya_mcp.comparison.models import ComparedModel
from alaya_mcp.comparison.result import AnswerError, ComparedAnswer
from alaya_mcp.comparison.summary import Spread
from alaya_mcp.deadline import Deadline
from alaya_mcp.progress import NoNotes
from alaya_mcp.results import Kind, ResultModel

_FEWEST: Final = 4
"""Chats measured at a level."""
_TICK: Final = 0.001
"""Seconds; a coarse clock may not move while an engine answers."""
_ROUNDS: Final = 2
"""Chats that follow one another at each place of a level."""


class LoadResult(ResultModel):
    """What was measured of one model with so many chats at once."""

    model: str
    kind: Kind
    chats: int = Field(description="At once")
    requests: int
    answers: int = Field(description="Complete ones")
    failures: dict[str, int] = Field(description="Requests without a complete answer, by error code or what cut them")
    seconds: float = Field(description="From the first request to the last answer")
    answers_per_second: float
    completion_tokens: int | None = Field(default=None, description="Of all answers; absent if the engine reports none")
    throughput: float | None = Field(default=None, description="Tokens a second, of all chats together")
    tokens_per_second: Spread | None = Field(default=None, description="Of each chat")
    first_token_seconds: Spread | None = None
    total_seconds: Spread | None = None


class LoadFailed(Exception):
    """Nothing was measured."""

    def __init__(self, error: AnswerError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What is sent.

    Attributes:
        models: Which models.
        most: The largest number of chats at once.
        prompt: What each chat is asked, after a number of its own: an engine keeps what it has read before.
        max_tokens: The longest answer.
        timeout: Seconds for one answer.
    """

    models: Sequence[ComparedModel]
    most: int
    prompt: str
    max_tokens: int
    timeout: float

    @property
    def levels(self) -> tuple[int, ...]:
        """Chats at once: 1, 2, 4 and so on, and the largest number."""
        powers = [1 << power for power in range(self.most.bit_length()) if 1 << power < self.most]
        return (*powers, self.most)

    @property
    def requests(self) -> int:
        """All that are sent, with one for each model that is not measured."""
        return len(self.models) * (1 + sum(requests_at(level) for level in self.levels))

    def request(self, number: int) -> ChatRequest:
        """Return the request of that number."""
        turn = Turn("user", f"({number}) {self.prompt}")
        return ChatRequest((turn,), Sampling(max_tokens=self.max_tokens))


def requests_at(level: int) -> int:
    """Return how many chats are measured where so many run at once."""
    return max(_FEWEST, _ROUNDS * level)


class Load:
    """Sends what a plan says.

    Args:
        account: Whose deployment it is.
        service_id: The deployment's id.
        plan: What is sent.
        wording: How errors are said.
        first: The number of the first prompt: an engine keeps what it has read in an earlier run too.
    """

    def __init__(self, account: Account, service_id: str, plan: LoadPlan, wording: Wording, first: int) -> None:
        self._account = account
        self._service_id = service_id
        self._plan = plan
        self._wording = wording
        self._number = first

    async def results(self) -> AsyncGenerator[LoadResult]:
        """Yield what was measured, level by level and at each level model by model.

        Raises:
            LoadFailed: a model does not answer at all.
        """
        for model in self._plan.models:
            if error := (await self._answer(model)).error:
                raise LoadFailed(error)
        for level in self._plan.levels:
            for model in self._plan.models:
                yield await self._measured(model, level)

    async def _answer(self, model: ComparedModel) -> ComparedAnswer:
        self._number += 1
        deadline = Deadline.after(self._plan.timeout)
        request = self._plan.request(self._number)
        return await answer_of(self._account, self._service_id, model, request, deadline, NoNotes(), self._wording)

    async def _measured(self, model: ComparedModel, level: int) -> LoadResult:
        left = iter(range(requests_at(level)))
        answers: list[ComparedAnswer] = []

        async def chat() -> None:
            for _ in left:  # shared: each takes the next one
                answer = await self._answer(model)
                answers.append(answer)

        began = now()
        async with anyio.create_task_group() as chats:
            for _ in range(level):
                chats.start_soon(chat)
        return load_result(model, level, answers, now() - began)


def load_result(model: ComparedModel, level: int, answers: Sequence[ComparedAnswer], seconds: float) -> LoadResult:
    """Return what the answers of one level add up to."""
    lasted = max(seconds, _TICK)
    flaws = [flaw(answer) for answer in answers]
    whole = [answer for answer, why in zip(answers, flaws, strict=True) if why is None]
    timings = [answer.timing for answer in whole if answer.timing]
    tokens = sum(answer.usage.completion_tokens or 0 for answer in whole if answer.usage) or None
    return LoadResult(
        model=model.name,
        kind=model.kind,
        chats=level,
        requests=len(answers),
        answers=len(whole),
        failures=dict(Counter(filter(None, flaws))),
        seconds=round(seconds, 3),
        answers_per_second=round(len(whole) / lasted, 2),
        completion_tokens=tokens,
        throughput=round(tokens / lasted, 1) if tokens else None,
        tokens_per_second=Spread.of([each.tokens_per_second for each in timings if each.tokens_per_second]),
        first_token_seconds=Spread.of([first for each in timings if (first := each.first_token_seconds) is not None]),
        total_seconds=Spread.of([each.total_seconds for each in timings]),
    )
