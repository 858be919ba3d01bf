"""The host of a call: progress notifications and questions to its user, in both protocol eras."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import anyio
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from alaya_mcp.progress import Notify, Phase

PHASE_META_KEY: Final = "com.alayanew.mcp/phase"

_FIELD: Final = "deployment"
_PATIENCE_SECONDS: Final = 300.0
"""For a user's answer; hosts abandon a call long before."""


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


@dataclass(frozen=True, slots=True)
class Caller:
    """One call's host.

    Attributes:
        notify: Sends progress.
        choose: Asks its user; None if it cannot.
        name: Its clientInfo.name; empty if missing.
    """

    notify: Notify
    choose: Choose | None = None
    name: str = ""


def caller_of(context: ServerRequestContext[Any], params: types.CallToolRequestParams) -> Caller:
    """Return the host of a call."""
    client = context.session.client_params  # of the handshake, or of this request's own _meta
    return Caller(_notify(context), _choose(context, params), client.client_info.name if client else "")


def _notify(context: ServerRequestContext[Any]) -> Notify:
    """Return a sender of progress for the call's token, with the phase that `report_progress` cannot carry.

    Without a token it uses `report_progress`, which only has an effect on the SDK's in-process link.
    """
    token = (context.meta or {}).get("progress_token")

    async def without_phase(progress: float, message: str, phase: Phase) -> None:
        del phase
        await context.session.report_progress(progress, None, message)

    if token is None:
        return without_phase

    async def with_phase(progress: float, message: str, phase: Phase) -> None:
        await context.session.send_notification(
            types.ProgressNotification(
                params=types.ProgressNotificationParams(
                    progress_token=token, progress=progress, message=message, _meta={PHASE_META_KEY: phase}
                )
            ),
            related_request_id=context.request_id,
        )

    return with_phase


def _choose(context: ServerRequestContext[Any], params: types.CallToolRequestParams) -> Choose | None:
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
