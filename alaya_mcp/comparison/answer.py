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
_OF_THE_END: Final = ("served_by", "finish_reason", "usage", "timing")
"""Fields of a reply that its last part has."""
_UNKNOWN: Final = frozenset[Kind]({"parsed_unchecked", "still_generating", "shown_in_part"})
_AS_ASKED: Final = frozenset({None, "max_tokens", "content_filter", "size_cap"})
"""How answers end that are as long as they were to be."""
_WRITING: Final = "still_generating"
"""Its text may yet turn out to be thinking."""
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
        message = wording.error(replace(error, is_compared=True))
        failure = AnswerError(code=error.code, message=message, retryable=error.retryable)
        return ComparedAnswer(model=model.name, kind=model.kind, error=failure, warnings=[])
    result = outcome.result
    return ComparedAnswer(
        model=model.name,
        kind=model.kind,
        warnings=wording.warnings(outcome),
        valid=_is_valid(request, outcome.remarks, has_data=result.parsed is not None),
        **{name: getattr(result, name) for name in _OF_THE_RESULT},
    )


def with_its_end(answer: ComparedAnswer, rest: Outcome, request: ChatRequest, wording: Wording) -> ComparedAnswer:
    """Return an answer that is shown in part, with what the rest of its reply says about the whole."""
    about = tuple(remark for remark in rest.remarks if remark.kind != "later_part")
    warnings = dict.fromkeys([*answer.warnings, *wording.warnings(replace(rest, remarks=about))])
    facts = {name: getattr(rest.result, name) for name in _OF_THE_END}
    valid = _is_valid(request, about, has_data=rest.result.parsed is not None)
    return answer.model_copy(update={**facts, "valid": valid, "warnings": [*warnings]})


def flaw(answer: ComparedAnswer) -> str | None:
    """Return why an answer does not count: its error's code, or what cut it off before its end; None if it counts."""
    if answer.error:
        return answer.error.code
    return None if answer.truncated_reason in _AS_ASKED else answer.truncated_reason


def _is_valid(request: ChatRequest, remarks: tuple[Remark, ...], *, has_data: bool) -> bool | None:
    """Return whether the reply follows its schema; None without a schema, or where it was not checked."""
    kinds = {remark.kind for remark in remarks}
    if request.features.response_schema is None or kinds & _UNKNOWN:
        return None
    return has_data or bool(kinds & {"parsed_null", "parsed_too_large"} and not kinds & _INVALID)


def differs_from(answer: ComparedAnswer, base: ComparedAnswer) -> bool | None:
    """Return whether an answer differs from the base model's; None where what there is of them does not tell."""
    if answer.content is None or base.content is None or _WRITING in {answer.truncated_reason, base.truncated_reason}:
        return None
    sides = [(each.content or "").strip() for each in (answer, base)]
    (short, is_cut), (long, is_cut_too) = sorted(
        zip(sides, (is_part(answer), is_part(base)), strict=True), key=lambda side: len(side[0])
    )
    if not long.startswith(short):
        return True
    if len(short) < len(long):
        return None if is_cut else True
    return None if is_cut or is_cut_too else False


def is_part(answer: ComparedAnswer) -> bool:
    """Return whether there is, or may be, more of it: one that was cut at `max_tokens` is as long as it was to be."""
    return answer.truncated_reason not in {None, "max_tokens"}


def normalised(text: str) -> str:
    """Return text for a lenient comparison: width, case, white space and a final full stop do not count."""
    words = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return words[:-1].rstrip() if words.endswith((".", "。")) else words
