"""The host of a call: progress notifications, its limit for a reply, and questions to its user (elicitation).

In both protocol eras.
"""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import anyio
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from alaya_mcp.accounts import Account
from alaya_mcp.config.settings import Settings
from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.reference import described, label, references, running
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.errors import AlayaError, InvalidArguments
from alaya_mcp.progress import Notify, Phase, ProgressNotes

PHASE_META_KEY: Final = "com.alayanew.mcp/phase"

_FIELD: Final = "deployment"
_PATIENCE_SECONDS: Final = 300.0
"""For a user's answer; hosts abandon a call long before."""
_MOST_OPTIONS: Final = 50
_MOST_CANDIDATES: Final = 10
_REPLY_BYTES: Final = {
    "cline": 2_200,  # both forms, cut to 8,000 characters in the middle
    "copilot": 6_500,  # both forms; from about 20 kB on they go to a file, with a preview of 500 characters
    "qwen": 8_500,  # both forms; from 25,000 characters on they go to a file, with a preview of 2,000
    "codex": 24_000,  # its code mode cuts at 10,000 tokens in the middle
}
"""Bytes of a reply in UTF-8, by a part of the host's clientInfo.name.

These hosts cut a reply of the default size, and some show a model both forms of a result, so that each reply counts
twice; with these sizes the whole result fits (hosts run against this server, November 2026).
"""


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

    def reply_bytes(self, settings: Settings) -> int:
        """Return how many bytes of a reply one result shows at most: as configured, else what the host shows."""
        name, configured = self.name.casefold(), settings.max_reply_bytes
        known = next((size for part, size in _REPLY_BYTES.items() if part in name), configured)
        return configured if "max_reply_bytes" in settings.model_fields_set else min(known, configured)


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


async def reference(
    account: Account, given: str | None, caller: Caller, deadline: Deadline, notes: ProgressNotes
) -> tuple[str, Deadline]:
    """Return the caller's reference, the default, or the host user's choice among the running deployments.

    The returned deadline is extended by the time that the user took.

    Raises:
        InvalidArguments: there is none of these; with the running deployments, if they can be read.
        AnswerAwaited: the host must ask its user and call again.
        AlayaError: the deployments to choose from cannot be read now.
    """
    if named := given or account.settings.service_id:
        return named, deadline
    try:
        rows = await account.names.known(deadline)
    except AlayaError as error:
        if caller.choose and error.retryable:
            raise
        raise InvalidArguments("deployment_not_named", because=error) from None
    offered = running(rows)
    these = references(offered, account.settings.aliases)
    if not (caller.choose and offered):
        raise _nothing_named("", these)
    options = [label(row) for row in offered[:_MOST_OPTIONS]]
    left_out = len(offered) - len(options)
    more = f" ({left_out} more are running: to use one of them, decline and say its name)" if left_out else ""
    notes.status("waiting", "asking the user which deployment to use")
    began = anyio.current_time()
    try:
        chosen = await caller.choose(f"Which deployment should be used?{more}", options)
    except NothingChosen as why:
        raise _nothing_named(f"no default deployment is configured and no choice was made ({why})", these) from None
    meant = next((row for row in rows if _is_meant(row, chosen)), None)
    if meant is None:
        raise _nothing_named("the chosen option is not one of the deployments offered", these)
    return str(meant.service_id), replace(deadline, at=deadline.at + anyio.current_time() - began)


def _is_meant(row: Deployment, chosen: str) -> bool:
    """Return whether an option was this deployment's: its name or state may have changed since."""
    return chosen == label(row) or chosen.endswith(f"({row.service_id})")


def _nothing_named(why: str, these: Mapping[str, Deployment]) -> InvalidArguments:
    return InvalidArguments(
        "deployment_not_named",
        detail=why,
        known=described(list(these.values()), _MOST_CANDIDATES),
        count=len(these),
        candidates=tuple(these)[:_MOST_CANDIDATES],
    )
