"""The questions of a run, in order: each prompt, each repeat of it, each model."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Final, NamedTuple

from alaya_mcp.chat.request import ChatRequest
from alaya_mcp.comparison.answer_line import Question
from alaya_mcp.comparison.answers_file import AnswersFile, State
from alaya_mcp.comparison.asking import Asking
from alaya_mcp.comparison.models import ComparedModel
from alaya_mcp.comparison.prompt import Prompt
from alaya_mcp.comparison.prompts_file import Prompts


class Shard(NamedTuple):
    """A part of the prompts: every `of`-th, beginning with the `part`-th."""

    part: int = 1
    of: int = 1

    def has(self, number: int) -> bool:
        """Return whether the prompt of a number is in it."""
        return number % self.of == self.part % self.of

    def size(self, count: int) -> int:
        """Return how many of so many prompts are in it."""
        return len(range(self.part, count + 1, self.of))


_ALL: Final = Shard()


@dataclass(frozen=True, slots=True)
class Asked:
    """One question to one model.

    Attributes:
        question: As an answers file has it.
        request: What is sent, but for the model.
        model: Who is asked.
    """

    question: Question
    request: ChatRequest
    model: ComparedModel


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run asks.

    Attributes:
        prompts: The prompts.
        models: Each is asked every prompt.
        asking: How.
        repeat: How many times.
        shard: Which prompts.
    """

    prompts: Prompts
    models: tuple[ComparedModel, ...]
    asking: Asking
    repeat: int = 1
    shard: Shard = _ALL

    @property
    def total(self) -> int:
        """How many answers there are in the end."""
        return self.shard.size(self.prompts.count) * self.repeat * len(self.models)

    def unanswered(self, answers: AnswersFile) -> Generator[Asked]:
        """Yield the questions without an answer, those that failed last; prompts are read as they are asked for.

        Raises:
            Unusable: a prompt was asked otherwise in the file, or the prompts cannot be read any more.
        """
        states: tuple[State, ...] = ("new", "failed") if answers.has_failures else ("new",)
        for state in states:
            for prompt in self.prompts:
                if self.shard.has(prompt.number):
                    yield from self._of(prompt, answers, state)

    def _of(self, prompt: Prompt, answers: AnswersFile, state: State) -> Generator[Asked]:
        request = self.asking.request(prompt)
        digest = self.asking.digest(request)
        for repeat in range(1, self.repeat + 1):
            keys = {model: (prompt.id, repeat, model.name) for model in self.models}
            if left := [model for model, key in keys.items() if answers.state_of(key, digest) == state]:
                question = self.asking.question(prompt, digest, repeat)
                yield from (Asked(question, request, model) for model in left)
