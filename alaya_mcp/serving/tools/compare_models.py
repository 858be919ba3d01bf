"""compare_models: one question to several models of a deployment at once."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Any, Final, cast

import anyio
from pydantic import BeforeValidator, Field

from alaya_mcp.accounts import Account
from alaya_mcp.chat.json_values import Text, json_list
from alaya_mcp.chat.reading import Outcome
from alaya_mcp.chat.request import ChatRequest, Features
from alaya_mcp.comparison.answer import Wording, answer_of, differs_from, with_its_end
from alaya_mcp.comparison.models import ComparedModel, compared_models
from alaya_mcp.comparison.result import ComparedAnswer, CompareResult
from alaya_mcp.comparison.standing import Standing
from alaya_mcp.comparison.verdict import verdict
from alaya_mcp.deadline import Deadline
from alaya_mcp.errors import AlayaError
from alaya_mcp.progress import Notes, ProgressNotes
from alaya_mcp.serving.access import of_guest
from alaya_mcp.serving.caller import Caller
from alaya_mcp.serving.errors import error_text
from alaya_mcp.serving.reply_warnings import warning
from alaya_mcp.serving.tools.question import QuestionArguments, ResponseSchema, SamplingArguments, TimeoutSeconds
from alaya_mcp.serving.tools.text import comparison_text
from alaya_mcp.serving.tools.tool import Answer, Tool

_MOST: Final = 8
_LEAST_BYTES: Final = 500
"""Of each reply, however little of all of them the host shows."""
_ALL_BYTES: Final = 2**30


def _names(value: Any) -> Any:  # noqa: ANN401 any JSON value may come
    """Return a list of names: a bare string is one, or several between commas."""
    parsed = json_list(value)
    if isinstance(parsed, str):
        parsed = parsed.split(",")
    if not isinstance(parsed, list):
        return value
    items = cast("list[Any]", parsed)
    names = [item.strip() if isinstance(item, str) else item for item in items]
    return [name for name in names if name != ""]


class _ModelsArguments(QuestionArguments):
    """The question and the models. A class, since fields of bases come first in a schema."""

    models: Annotated[list[Text], BeforeValidator(_names)] = Field(
        [], max_length=_MOST, description="At most 8 names; base: the base model. Default: base and all adapters"
    )


class CompareArguments(SamplingArguments, _ModelsArguments):
    """The question, the models and the options of a comparison."""

    response_schema: ResponseSchema = Field({})
    timeout_seconds: TimeoutSeconds = Field(None)

    def request(self) -> ChatRequest:
        """Return what each model is asked.

        Raises:
            InvalidArguments: contradictory arguments.
        """
        features = Features(response_schema=self.response_schema or None)
        return ChatRequest(turns=self.turns(), sampling=self.sampling(), features=features)


class _Comparison:
    """One call: its question, and the answers that have come.

    Args:
        account: Whose deployment it is.
        request: What each model is asked.
        reply_bytes: Bytes of all replies together that the result shows.
    """

    def __init__(self, account: Account, request: ChatRequest, reply_bytes: int) -> None:
        self._account = account
        self._request = request
        self._reply_bytes = reply_bytes
        self._answers: dict[str, ComparedAnswer] = {}
        self._wording = Wording(lambda error: error_text(of_guest(error, account)), _warnings)

    async def result(
        self, service_id: str, models: Sequence[ComparedModel], deadline: Deadline, notes: Notes
    ) -> CompareResult:
        """Ask all models at once, and return what each has answered by the deadline."""
        asked, left_out = models[:_MOST], [model.name for model in models[_MOST:]]
        request = replace(self._request, reply_bytes=max(_LEAST_BYTES, self._reply_bytes // len(asked)))
        standing = Standing([model.name for model in asked], notes)

        async def ask(model: ComparedModel) -> None:
            place = standing.of(model.name)
            answer = await answer_of(self._account, service_id, model, request, deadline, place, self._wording)
            self._answers[model.name] = answer
            self._answers[model.name] = await self._with_its_end(answer, deadline, place)
            if answer.truncated_reason != "still_generating":
                standing.done(model.name)

        async with anyio.create_task_group() as tasks:
            for model in asked:
                tasks.start_soon(ask, model)
        answers = _compared([self._answers[model.name] for model in asked])
        return CompareResult(
            service_id=service_id,
            summary=verdict(answers),
            warnings=[_left_out(left_out, len(models))] if left_out else [],
            answers=answers,
        )

    async def _with_its_end(self, answer: ComparedAnswer, deadline: Deadline, notes: Notes) -> ComparedAnswer:
        """Return an answer that is shown in part with the facts of its end, if that comes in time."""
        if answer.truncated_reason == "size_cap" and answer.read_on:
            with suppress(AlayaError):
                rest = await self._account.chats.read_on(answer.read_on, deadline, notes, _ALL_BYTES)
                if not rest.result.read_on:
                    return with_its_end(answer, rest, self._request, self._wording)
        return answer

    def give_up(self) -> None:
        """Stop the replies that nobody will read on."""
        for answer in self._answers.values():
            if answer.read_on:
                self._account.chats.give_up(answer.read_on)


def _compared(answers: Sequence[ComparedAnswer]) -> list[ComparedAnswer]:
    """Return the answers with whether each differs from the base model's."""
    base = next((answer for answer in answers if answer.kind == "base"), None)
    return [
        answer if base is None or answer is base else answer.model_copy(update={"differs": differs_from(answer, base)})
        for answer in answers
    ]


def _warnings(outcome: Outcome) -> list[str]:
    """Return the warnings without advice about arguments that only a chat has."""
    return [warning(replace(remark, can_go_on=False, may_not_think=False)) for remark in outcome.remarks]


def _left_out(names: list[str], count: int) -> str:
    return (
        f"One call compares at most {_MOST} of the {count} models. Pass the others as models to compare them too: "
        f"{', '.join(names)}."
    )


async def _run(account: Account, arguments: CompareArguments, caller: Caller) -> Answer:
    settings = account.settings
    deadline = Deadline.after(arguments.timeout_seconds or settings.timeout_seconds)
    request = replace(arguments.request(), outlives=settings.generation_seconds > 0)
    comparison = _Comparison(account, request, caller.reply_bytes(settings))
    notes = ProgressNotes(caller.notify, 0)

    async def work() -> CompareResult:
        named, until = await arguments.reference(account, caller, deadline, notes)
        service_id, (deployment, _) = await account.names.find(named, until, account.cache.recent)
        models = await compared_models(account, service_id, deployment, tuple(arguments.models), until)
        await account.chats.refuse_unusable(request.features.response_schema, until)
        return await comparison.result(service_id, models, until, notes)

    try:
        result = await notes.during(work)
    except BaseException:
        comparison.give_up()
        raise
    return Answer.of(result, comparison_text(result))


COMPARE_MODELS = Tool(
    name="compare_models",
    title="Compare models",
    description=(
        "Ask the base model of an Alaya NeW deployment and its LoRA adapters the same question at once, and get the "
        "answers side by side, with whether each differs from the base model's, finish_reason, tokens and speed. An "
        "answer with read_on has more: pass that to chat_with_deployment. Costs tokens for each model; changes nothing."
    ),
    arguments=CompareArguments,
    result=CompareResult,
    run=_run,
    idempotent=False,
    card=True,
)
