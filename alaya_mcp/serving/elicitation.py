"""Ask the host's user which deployment is meant, in both protocol eras (docs/decisions/asking.md)."""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

import anyio
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from alaya_mcp.accounts import Account
from alaya_mcp.clock import now
from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.spelling import described, label, references, running
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.errors import AlayaError, InvalidArguments
from alaya_mcp.progress import ProgressNotes

_FIELD: Final = "deployment"
_PATIENCE_SECONDS: Final = 300.0
"""For a user's answer; hosts abandon a call long before."""
_MOST_OPTIONS: Final = 50
_MOST_CANDIDATES: Final = 10


class Choose(Protocol):
    """Asks the host's user to choose."""

    def __call__(self, question: str, options: Sequence[str]) -> Awaitable[str]:
        """Return the chosen option, not validated yet.

        Raises:
            AnswerAwaited: the host must ask its user and call again.
            NothingChosen: nothing was chosen; its text says why.
        """
        ...


class NothingChosen(Exception):
    """Nothing was chosen; the text says why. A host may decline without asking its user."""


class AnswerAwaited(Exception):
    """A call cannot continue before the host's user has answered."""

    def __init__(self, request: types.ElicitRequest) -> None:
        super().__init__("the host must ask its user")
        self.request = request

    def result(self) -> types.InputRequiredResult:
        """Return the protocol's result: the host asks its user and repeats the call with the answer."""
        return types.InputRequiredResult(input_requests={_FIELD: self.request})


def asker(context: ServerRequestContext[Any], params: types.CallToolRequestParams) -> Choose | None:
    """Return what asks the host's user, in the era of the call; None if the host cannot ask."""
    capabilities = context.session.client_capabilities
    able = capabilities.elicitation if capabilities else None
    if able is None or (able.url is not None and able.form is None):  # `{}` means forms: the only kind at first
        return None

    async def on_the_connection(question: str, options: Sequence[str]) -> str:
        try:
            with anyio.move_on_after(_PATIENCE_SECONDS):
                answer = await context.session.elicit_form(question, _form(options), context.request_id)
                return _chosen(answer)
        except (MCPError, ValidationError):  # the host cannot ask, or its answer is malformed
            raise NothingChosen("the host's answer could not be used") from None
        raise NothingChosen(f"the question was not answered within {_PATIENCE_SECONDS:g} s")

    async def between_two_calls(question: str, options: Sequence[str]) -> str:
        answer = (params.input_responses or {}).get(_FIELD)
        if answer is None:
            form = types.ElicitRequestFormParams(message=question, requested_schema=_form(options))
            raise AnswerAwaited(types.ElicitRequest(params=form))
        return _chosen(answer)

    return between_two_calls if context.protocol_version in MODERN_PROTOCOL_VERSIONS else on_the_connection


def _form(options: Sequence[str]) -> dict[str, Any]:
    choice = {"type": "string", "title": "Deployment", "description": "The one to use", "enum": list(options)}
    return {"type": "object", "properties": {_FIELD: choice}, "required": [_FIELD]}


def _chosen(answer: object) -> str:
    match answer:
        case types.ElicitResult(action="accept", content=dict(content)) if isinstance(content.get(_FIELD), str):
            return str(content[_FIELD])
        case types.ElicitResult(action="decline"):
            raise NothingChosen("the host declined the question")
        case types.ElicitResult(action="cancel"):
            raise NothingChosen("the host cancelled the question")
        case _:
            raise NothingChosen("the host's answer could not be used")


async def chosen(
    account: Account, choose: Choose | None, deadline: Deadline, notes: ProgressNotes
) -> tuple[str, Deadline]:
    """Return the id of the running deployment that the host's user chooses.

    The returned deadline is extended by the time that the user took.

    Raises:
        InvalidArguments: nothing was chosen; with the running deployments, if they can be read.
        AnswerAwaited: the host must ask its user and call again.
        AlayaError: the deployments to choose from cannot be read now.
    """
    try:
        rows = await account.names.known(deadline)
    except AlayaError as error:
        if choose and error.retryable:
            raise
        raise InvalidArguments("deployment_not_named", because=error) from None
    offered = running(rows)
    these = references(offered, account.settings.aliases)
    if not (choose and offered):
        raise _nothing_named("", these)
    options = [label(row) for row in offered[:_MOST_OPTIONS]]
    left_out = len(offered) - len(options)
    more = f" ({left_out} more are running: to use one of them, decline and say its name)" if left_out else ""
    notes.status("waiting", "asking the user which deployment to use")
    began = now()
    try:
        choice = await choose(f"Which deployment should be used?{more}", options)
    except NothingChosen as why:
        raise _nothing_named(f"no default deployment is configured and no choice was made ({why})", these) from None
    meant = next((row for row in rows if _is_meant(row, choice)), None)
    if meant is None:
        raise _nothing_named("the chosen option is not one of the deployments offered", these)
    return str(meant.service_id), replace(deadline, at=deadline.at + now() - began)


def _is_meant(row: Deployment, choice: str) -> bool:
    """Return whether an option was this deployment's: its name or state may have changed since."""
    return choice == label(row) or choice.endswith(f"({row.service_id})")


def _nothing_named(why: str, these: Mapping[str, Deployment]) -> InvalidArguments:
    return InvalidArguments(
        "deployment_not_named",
        detail=why,
        known=described(list(these.values()), _MOST_CANDIDATES),
        count=len(these),
        candidates=tuple(these)[:_MOST_CANDIDATES],
    )
