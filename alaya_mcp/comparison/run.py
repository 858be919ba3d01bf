"""A run: asks a plan's questions, a limited number at once, and writes each answer as it comes."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import anyio

from alaya_mcp.accounts import Account
from alaya_mcp.clock import now
from alaya_mcp.comparison.answer import Wording, answer_of, flaw
from alaya_mcp.comparison.answer_line import AnswerLine, Question
from alaya_mcp.comparison.answers_file import AnswersFile, Unwritable
from alaya_mcp.comparison.plan import Asked, Plan
from alaya_mcp.comparison.result import ComparedAnswer
from alaya_mcp.comparison.stopping import Failures
from alaya_mcp.comparison.unusable import Unusable
from alaya_mcp.deadline import Deadline
from alaya_mcp.progress import NoNotes

_OF_QUESTION: Final = tuple(Question.model_fields)
_OF_ANSWER: Final = tuple(name for name in ComparedAnswer.model_fields if name not in {"read_on", "differs"})


@dataclass(slots=True)
class Tally:
    """The progress of a run.

    Attributes:
        total: Questions, those that were answered before included.
        before: Those that were.
        answered: Answered since.
        failed: Failed since, or cut off.
        tokens: Generated since, as the engine counts them.
        began: When it began, on the event loop's clock.
    """

    total: int
    before: int
    answered: int = 0
    failed: int = 0
    tokens: int = 0
    began: float = field(default_factory=now)

    @property
    def is_complete(self) -> bool:
        """Whether every question has an answer."""
        return self.before + self.answered == self.total


class Run:
    """One run.

    Args:
        account: Whose deployment is asked; it has as many places for chats as `concurrency`.
        plan: What is asked.
        answers: Where answers are written to.
        left: How many questions have no answer yet.
        wording: How errors and warnings are said.
        concurrency: How many questions are asked at once.

    Attributes:
        tally: Its progress.
        stopped_by: Why it stopped before all was asked.
    """

    def __init__(
        self, account: Account, plan: Plan, answers: AnswersFile, left: int, wording: Wording, *, concurrency: int
    ) -> None:
        self._account = account
        self._plan = plan
        self._answers = answers
        self._wording = wording
        self._concurrency = concurrency
        self._failures = Failures(concurrency)
        self._scope = anyio.CancelScope()
        self.tally = Tally(plan.total, plan.total - left)
        self.stopped_by: str | None = None

    def stop(self, why: str) -> None:
        """Ask nothing further, and cut off what is being answered."""
        self.stopped_by = self.stopped_by or why
        self._scope.cancel()

    def stopper(self) -> Callable[[str], object]:
        """Return `stop` for a signal handler, which may run in the middle of anything."""
        return partial(asyncio.get_running_loop().call_soon_threadsafe, self.stop)

    async def run(self) -> None:
        """Ask until every question has been asked, or until it is stopped."""
        questions = self._plan.unanswered(self._answers)
        with closing(questions), self._scope:
            async with anyio.create_task_group() as tasks:
                for _ in range(self._concurrency):
                    tasks.start_soon(self._work, questions)

    async def _work(self, questions: Iterator[Asked]) -> None:
        """Ask one question after the other."""
        try:
            for asked in questions:
                answer = await self._answer(asked)
                self._answers.append(_line(asked.question, answer))
                self._count(answer)
        except (Unwritable, Unusable) as problem:
            self.stop(str(problem))

    async def _answer(self, asked: Asked) -> ComparedAnswer:
        asking = self._plan.asking
        deadline = Deadline.after(asking.timeout)
        return await answer_of(
            self._account, asking.service_id, asked.model, asked.request, deadline, NoNotes(), self._wording
        )

    def _count(self, answer: ComparedAnswer) -> None:
        self.tally.tokens += (answer.usage and answer.usage.completion_tokens) or 0
        why = flaw(answer)
        if why is None:
            self.tally.answered += 1
            self._failures.answered()
            return
        self.tally.failed += 1
        if self._failures.are_enough(answer.error):
            self.stop(answer.error.message if answer.error else f"Answers are cut off before their end ({why}).")


def _line(question: Question, answer: ComparedAnswer) -> AnswerLine:
    """Return the line of an answer; its parts were validated already."""
    return AnswerLine.model_construct(
        **{name: getattr(question, name) for name in _OF_QUESTION},
        **{name: getattr(answer, name) for name in _OF_ANSWER},
    )
