"""Errors and warnings of a comparison, for a person at a terminal. Pure."""

from typing import Final

from alaya_mcp.chat.reading import Outcome
from alaya_mcp.comparison.answer import Wording
from alaya_mcp.error_causes import Cause
from alaya_mcp.error_sentences import Row, what_happened
from alaya_mcp.errors import AlayaError
from alaya_mcp.terminal.error_steps import STEPS_OF_ONE_LINE, next_step
from alaya_mcp.terminal.facts import doubts

_OTHERS: Final = "Choose others with --models."
STEPS: Final[dict[Cause, Row]] = {
    **STEPS_OF_ONE_LINE,
    **dict.fromkeys(
        (
            "model_unknown",
            "model_refused",
            "model_refused_though_listed",
            "model_refused_though_reported",
            "model_unlisted",
            "adapter_refused",
        ),
        _OTHERS,
    ),
    "adapter_partly_loaded": "Each try reached an instance without it. Have the adapter loaded on every instance, or "
    "leave it out with --models.",
    "no_model_known": "Name the models as the Alaya NeW console has them, with --models.",
}
"""By cause, where models are compared or measured."""


def comparison_words(doctor: str, command: str = "compare") -> Wording:
    """Return how errors and warnings are said.

    Args:
        doctor: The step for errors that the doctor can examine.
        command: The command that is run.
    """

    def said(error: AlayaError) -> str:
        return f"{what_happened(error)} {step(error, doctor, command)}"

    def warned(outcome: Outcome) -> list[str]:
        return doubts(outcome.remarks)  # what cut an answer is a field of it

    return Wording(said, warned)


def step(error: AlayaError, doctor: str, command: str = "compare") -> str:
    """Return what to do about an error."""
    return next_step(error, STEPS, doctor).replace("`alayanew-mcp chat ", f"`alayanew-mcp {command} ")
