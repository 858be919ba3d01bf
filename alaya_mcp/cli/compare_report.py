"""What the command `compare` says: beside, what is done and what is wrong; on stdout, the result."""

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alaya_mcp.comparison.answer import differs_from
from alaya_mcp.comparison.answer_line import AnswerLine
from alaya_mcp.comparison.answers_file import AnswersFile
from alaya_mcp.comparison.joined import JoinedAnswers
from alaya_mcp.comparison.plan import Plan
from alaya_mcp.comparison.run import Run
from alaya_mcp.comparison.summary import ModelSummary, summaries
from alaya_mcp.comparison.unusable import Unusable, why
from alaya_mcp.error_sentences import what_happened
from alaya_mcp.errors import AlayaError
from alaya_mcp.terminal.comparison_table import notes, tables
from alaya_mcp.terminal.comparison_words import comparison_words, step
from alaya_mcp.terminal.console import open_console
from alaya_mcp.terminal.error_steps import DOCTOR
from alaya_mcp.terminal.screen import Screen, open_aside

_GO_ON = "Run the same command again to go on."


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that has ended.

    Attributes:
        run: The run.
        plan: What it asked.
        answers: Its answers.
        service_id: The deployment.
        title: Its name, else its id.
        status: The exit status of a signal that stopped it.
    """

    run: Run
    plan: Plan
    answers: AnswersFile
    service_id: str
    title: str
    status: int | None


class CompareReport:
    """Reports a comparison as its arguments ask.

    Attributes:
        screen: Shows what is done, and errors.
        beside: The console for everything but the result.
        wording: How errors and warnings are said.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._console = open_console()
        self.beside = open_aside()
        self.screen = Screen(self._console, self.beside)
        self._doctor = DOCTOR
        self.wording = comparison_words(DOCTOR)

    def advise(self, doctor: str) -> None:
        """Set the step for errors that the doctor can examine."""
        self._doctor = self.screen.doctor = doctor
        self.wording = comparison_words(doctor)

    def refuse(self, unusable: Unusable) -> None:
        """Report files or arguments that cannot be used."""
        if self._arguments.json:
            message = " ".join(unusable.problems)
            self._record({"error": {"code": "invalid_arguments", "message": message, "retryable": False}})
            return
        for problem in unusable.problems:
            self.screen.say(f"alayanew-mcp compare: {problem}")

    def fail(self, error: AlayaError) -> None:
        """Report why nothing was asked."""
        if self._arguments.json:
            message = self.wording.error(error)
            self._record({"error": {"code": error.code, "message": message, "retryable": error.retryable}})
            return
        self.screen.say(f"{what_happened(error)}\n{step(error, self._doctor)}", "red")

    def announce(self, plan: Plan, deployment: str, left: int) -> None:
        """Report what is going to be asked."""
        prompts = plan.shard.size(plan.prompts.count)
        part = f" (of {plan.prompts.count}: shard {plan.shard.part}/{plan.shard.of})" if plan.shard.of > 1 else ""
        times = f" x {plan.repeat} times" if plan.repeat > 1 else ""
        models = f"{len(plan.models)} model{_s(len(plan.models))}"
        there = f", of which {plan.total - left} are answered already" if left < plan.total else ""
        names = ", ".join(model.name for model in plan.models)
        if plan.prompts.note:
            self.screen.say(plan.prompts.note)
        self.screen.say(f"Comparing {names} of {deployment}.")
        self.screen.say(
            f"{prompts} prompt{_s(prompts)}{part} x {models}{times} = {plan.total} request{_s(plan.total)}{there}."
        )

    def ended(self, ended: Ended) -> int:
        """Report what came of a run; return the exit status."""
        tally = ended.run.tally
        if not self.screen.is_read:
            return ended.status or 1
        facts = {
            "service_id": ended.service_id,
            "questions": tally.total,
            "answered": tally.before + tally.answered,
            "failed": tally.failed,
            **({"stopped": ended.run.stopped_by} if ended.run.stopped_by else {}),
            **({"out": ended.answers.name} if self._arguments.out else {}),
        }
        is_shown = self._show(ended, facts)
        self._conclude(ended)
        is_whole = tally.is_complete and ended.run.stopped_by is None and ended.answers.is_in_place
        return ended.status or (0 if is_whole and is_shown else 1)

    def joined(self, joined: JoinedAnswers) -> int:
        """Report joined answers; return the exit status."""
        models = summaries(joined.ordered())
        failed = sum(sum(one.failures.values()) for one in models)
        answered = sum(one.answers for one in models)
        is_shown = self._print(models, {"questions": answered + failed, "answered": answered, "failed": failed})
        is_written = self._page(joined.ordered(), "Joined answers")
        if missing := joined.missing():
            self.screen.say("\n".join([*missing, "Join the files of all shards, each of which ran to its end."]), "red")
        return 1 if failed or missing or not is_shown or not is_written else 0

    def _show(self, ended: Ended, facts: dict[str, Any]) -> bool:
        order = [model.name for model in ended.plan.models]
        if self._arguments.prompt and not self._arguments.json:
            self._answers(ended.answers.ordered(order))
        is_shown = self._print(summaries(ended.answers.current(), order), facts)
        if ended.status is not None:
            return is_shown
        return self._page(ended.answers.ordered(order), f"Models of {ended.title}", order) and is_shown

    def _answers(self, lines: Iterable[AnswerLine]) -> None:
        """Print answers in full, under their prompts."""
        at, base = None, None
        for line in lines:
            if at != (line.number, line.repeat):
                at, base = (line.number, line.repeat), line if line.kind == "base" else None
                self.screen.write(f"> {line.prompt}\n\n")
            is_other = base is not None and base is not line and differs_from(line, base)
            cut = f" (cut: {line.truncated_reason})" if line.truncated else ""
            text = line.error.message if line.error else line.content
            warnings = "".join(f"\nwarning: {warning}" for warning in line.warnings)
            self.screen.write(f"{line.model}{' (differs)' if is_other else ''}{cut}:\n{text}{warnings}\n\n")

    def _print(self, models: list[ModelSummary], facts: dict[str, Any]) -> bool:
        """Print the summary; return whether it could be."""
        try:
            if self._arguments.json:
                self._record({**facts, "models": [one.model_dump(mode="json", exclude_none=True) for one in models]})
            elif models:
                for table in tables(models, self._console.width):
                    self._console.print(table)
                    self._console.print()
                for note in notes(models):
                    self._console.print(note, markup=False, emoji=False)
            self._console.file.flush()
        except SystemExit:  # its reader is gone
            return False
        except OSError as error:
            self.screen.say(f"The summary cannot be written: {why(error)}.", "red")
            return False
        return self.screen.is_read

    def _page(self, lines: Iterator[AnswerLine], title: str, order: Sequence[str] = ()) -> bool:
        if not self._arguments.html:
            return True
        from alaya_mcp.comparison.page import write_page  # noqa: PLC0415 loaded for --html only

        try:
            write_page(Path(self._arguments.html), lines, title=title, order=order)
        except OSError as error:
            self.screen.say(f"{self._arguments.html} cannot be written: {why(error)}.", "red")
            return False
        self.screen.say(f"The page is {self._arguments.html}.")
        return True

    def _conclude(self, ended: Ended) -> None:
        run, tally = ended.run, ended.run.tally
        answered = f"{tally.before + tally.answered} of {tally.total} are answered"
        if run.stopped_by is not None:
            is_signal = ended.status is not None
            self.screen.say(run.stopped_by if is_signal else f"Stopped: {run.stopped_by}", "" if is_signal else "red")
        if self._arguments.out:
            again = "" if tally.is_complete else f" {_GO_ON}"
            self.screen.say(f"{answered}, in {ended.answers.name}.{again}")
        elif not tally.is_complete:
            self.screen.say(f"{answered}; without --out the answers are not kept.")
        if ended.status is not None and self._arguments.html:
            self.screen.say("No page was made; `alayanew-mcp compare --join FILE --html PAGE` makes one of answers.")
        if not ended.answers.is_in_place:
            self.screen.say(
                f"{ended.answers.name} was moved or deleted during the run, and its answers with it.", "red"
            )
        if ended.answers.backup:
            self.screen.say(f"The answers before are in {ended.answers.backup}.")

    def _record(self, value: dict[str, Any]) -> None:
        self.screen.record(json.dumps(value, ensure_ascii=False))


def _s(count: int) -> str:
    return "" if count == 1 else "s"
