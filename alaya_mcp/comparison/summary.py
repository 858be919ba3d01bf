"""What the answers of each model add up to."""

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from statistics import quantiles
from typing import Final

from pydantic import Field

from alaya_mcp.comparison.answer import flaw, is_part, normalised
from alaya_mcp.comparison.answer_line import AnswerLine
from alaya_mcp.results import Kind, ResultModel

_MOST_WARNINGS: Final = 10
_KINDS: Final = 100
"""Warnings that are counted; some quote upstream, so that there may be any number."""


class Spread(ResultModel):
    """The middle of a set of numbers, and what only one in twenty exceeds."""

    p50: float
    p95: float

    @classmethod
    def of(cls, numbers: Sequence[float]) -> "Spread | None":
        """Return it; None of no numbers."""
        if not numbers:
            return None
        cuts = quantiles(numbers, n=20, method="inclusive") if len(numbers) > 1 else [*numbers] * 19
        return cls(p50=round(cuts[9], 3), p95=round(cuts[18], 3))


class ModelSummary(ResultModel):
    """One model's answers."""

    model: str
    kind: Kind
    answers: int = Field(description="Answers that came, also those that end at max_tokens or by a content filter")
    failures: dict[str, int] = Field(description="Questions without an answer, by error code or what cut it off")
    truncated: int = Field(description="Answers that end at max_tokens, by a content filter or at the size limit")
    warnings: dict[str, int] = Field(description="How often each warning came, the most frequent ones")
    finish_reasons: dict[str, int]
    characters: Spread | None = Field(default=None, description="Length of the replies")
    prompt_tokens: int
    completion_tokens: int
    tokens_per_second: Spread | None = Field(default=None, description="Of each answer")
    first_token_seconds: Spread | None = None
    total_seconds: Spread | None = None
    expected: int = Field(description="Answers to prompts that have an expected one")
    exact: int = Field(description="Of those, equal to it but for white space at the ends")
    normalised: int = Field(description="Of those, equal to it but for case, spacing, width and a final full stop")
    checked: int = Field(description="Answers that were checked against a schema")
    valid: int = Field(description="Of those, ones that follow it")
    compared: int = Field(description="Answers of an adapter whose question the base model answered too")
    differs: int = Field(description="Of those, ones that differ from the base model's")


def _digest(content: str) -> bytes:
    return blake2b(content.strip().encode(errors="surrogatepass"), digest_size=8).digest()


class _Tally:
    """The answers of one model, so far."""

    def __init__(self, kind: Kind) -> None:
        self.kind: Kind = kind
        self.answers = self.truncated = self.expected = self.exact = self.normalised = self.checked = self.valid = 0
        self.failures = Counter[str]()
        self.finish_reasons = Counter[str]()
        self.warnings = Counter[str]()
        self.prompt_tokens = self.completion_tokens = 0
        self.characters, self.rates, self.firsts, self.totals = (array("d") for _ in range(4))
        self.contents: dict[tuple[str, int], bytes] = {}

    def add(self, line: AnswerLine) -> None:
        self.warnings.update(each for each in line.warnings if each in self.warnings or len(self.warnings) < _KINDS)
        if line.usage:
            self.prompt_tokens += line.usage.prompt_tokens or 0
            self.completion_tokens += line.usage.completion_tokens or 0
        if why := flaw(line):
            self.failures[why] += 1
            return
        content = line.content or ""
        self.answers += 1
        self.truncated += bool(line.truncated)
        self.finish_reasons.update([line.finish_reason] if line.finish_reason else [])
        self.characters.append(len(content))
        if timing := line.timing:
            self.totals.append(timing.total_seconds)
            self.firsts.extend([] if timing.first_token_seconds is None else [timing.first_token_seconds])
            self.rates.extend([] if timing.tokens_per_second is None else [timing.tokens_per_second])
        if line.valid is not None:
            self.checked += 1
            self.valid += line.valid
        if is_part(line):
            return
        self.contents[line.id, line.repeat] = _digest(content)
        if line.expected is not None:
            self.expected += 1
            self.exact += content.strip() == line.expected.strip()
            self.normalised += normalised(content) == normalised(line.expected)


class Summaries:
    """Adds answers up, in memory that grows by some hundred bytes for each.

    Args:
        order: Names of models in the order of their summaries.
    """

    def __init__(self, order: Sequence[str] = ()) -> None:
        self._order = {model: place for place, model in enumerate(order)}
        self._tallies: dict[str, _Tally] = {}

    def add(self, line: AnswerLine) -> None:
        """Count an answer; each question and model once."""
        self._tallies.setdefault(line.model, _Tally(line.kind)).add(line)

    def all(self) -> list[ModelSummary]:
        """Return one summary for each model: the base model first, then the adapters in order, others by name."""
        ordered = sorted(self._tallies, key=self._place)
        base = next((model for model in ordered if self._tallies[model].kind == "base"), None)
        return [self._summary(model, self._tallies[model], base) for model in ordered]

    def _place(self, model: str) -> tuple[bool, int, str]:
        return self._tallies[model].kind != "base", self._order.get(model, len(self._order)), model

    def _summary(self, model: str, tally: _Tally, base: str | None) -> ModelSummary:
        others = self._tallies[base].contents if base and base != model else {}
        both = tally.contents.keys() & others.keys()
        return ModelSummary(
            model=model,
            kind=tally.kind,
            answers=tally.answers,
            failures=dict(tally.failures.most_common()),
            truncated=tally.truncated,
            warnings=dict(tally.warnings.most_common(_MOST_WARNINGS)),
            finish_reasons=dict(tally.finish_reasons.most_common()),
            characters=Spread.of(tally.characters),
            prompt_tokens=tally.prompt_tokens,
            completion_tokens=tally.completion_tokens,
            tokens_per_second=Spread.of(tally.rates),
            first_token_seconds=Spread.of(tally.firsts),
            total_seconds=Spread.of(tally.totals),
            expected=tally.expected,
            exact=tally.exact,
            normalised=tally.normalised,
            checked=tally.checked,
            valid=tally.valid,
            compared=len(both),
            differs=sum(tally.contents[key] != others[key] for key in both),
        )


def summaries(lines: Iterable[AnswerLine], order: Sequence[str] = ()) -> list[ModelSummary]:
    """Return one summary for each model of these answers, as `Summaries`; each question and model once."""
    adding = Summaries(order)
    for line in lines:
        adding.add(line)
    return adding.all()
