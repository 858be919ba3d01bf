"""One model's answer to one prompt: a chat's outcome, or its error."""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from alaya_mcp.accounts import Account
from alaya_mcp.chat.reading import Outcome
from alaya_mcp.chat.remark import Kind, Remark
from alaya_mcp.chat.request import ChatRequest
from alaya_mcp.comparison.models import ComparedModel
from alaya_mcp.comparison.result import AnswerError, ComparedAnswer
from alaya_mcp.deadline import Deadline
from alaya_mcp.errors import AlayaError
from alaya_mcp.progress import Notes

_OF_THE_RESULT: Final = (
    *("served_by", "truncated", "truncated_reason", "read_on", "finish_reason", "usage", "timing"),
    *("content", "parsed", "reasoning"),
)
"""Fields that an answer has from a chat's result, unchanged."""
_INVALID: Final = frozenset[Kind]({"parsed_wrong", "parsed_incomplete", "parsed_empty", "parsed_awaits_call"})


@dataclass(frozen=True, slots=True)
class Wording:
    """How errors and warnings are said to the reader: an agent, or a person at a terminal.

    Attributes:
        error: Returns what happened, and what to do.
        warnings: Returns the warnings about an outcome.
    """

    error: Callable[[AlayaError], str]
    warnings: Callable[[Outcome], list[str]]


async def answer_of(
    account: Account,
    service_id: str,
    model: ComparedModel,
    request: ChatRequest,
    deadline: Deadline,
    notes: Notes,
    wording: Wording,
) -> ComparedAnswer:
    """Return a model's answer to a request; why there is none is an answer too.

    Args:
        account: Whose deployment it is.
        service_id: The deployment's id.
        model: Which model answers.
        request: What is asked, of any model.
        deadline: Of the call, as `Chats.run` has it.
        notes: Receives its progress.
        wording: How errors and warnings are said.
    """
    try:
        outcome = await account.chats.run(service_id, replace(request, model=model.name), deadline, notes)
    except AlayaError as error:
        failure = AnswerError(code=error.code, message=wording.error(error), retryable=error.retryable)
        return ComparedAnswer(model=model.name, kind=model.kind, error=failure, warnings=[])
    result = outcome.result
    return ComparedAnswer(
        model=model.name,
        kind=model.kind,
        warnings=wording.warnings(outcome),
        valid=_is_valid(request, outcome.remarks, has_data=result.parsed is not None),
        **{name: getattr(result, name) for name in _OF_THE_RESULT},
    )


def _is_valid(request: ChatRequest, remarks: tuple[Remark, ...], *, has_data: bool) -> bool | None:
    """Return whether the reply follows its schema; None without a schema, or where it was not checked."""
    kinds = {remark.kind for remark in remarks}
    if request.features.response_schema is None or kinds & {"parsed_unchecked", "still_generating"}:
        return None
    return has_data or bool(kinds & {"parsed_null", "parsed_too_large"} and not kinds & _INVALID)


def differs(content: str, base: str) -> bool:
    """Return whether two replies differ in more than white space at their ends."""
    return content.strip() != base.strip()


def normalised(text: str) -> str:
    """Return text for a lenient comparison: width, case, white space and a final full stop do not count."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).rstrip(".。")
