"""Resources: the list of deployments, each deployment, replies that are read in parts, and the card."""

import json
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote, unquote

import mcp_types as types
from mcp.shared.exceptions import MCPError

from alaya_mcp.accounts import Account
from alaya_mcp.chat.replies import REPLIES, URI_TEMPLATE
from alaya_mcp.chat.stored_reply import Heading, StoredReply
from alaya_mcp.config.settings import READ_BUDGET_SECONDS
from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.spelling import checked_reference
from alaya_mcp.deployment.views import deployment_result
from alaya_mcp.errors import AlayaError, DeploymentNotFound, InvalidArguments, NotConfigured
from alaya_mcp.results import ResultModel
from alaya_mcp.serving.access import Access, of_guest
from alaya_mcp.serving.errors import error_detail, error_text
from alaya_mcp.serving.tools.list_deployments import first_deployments
from alaya_mcp.serving.tools.tool import CARD_URI
from alaya_mcp.telemetry import logged_call

DEPLOYMENTS_URI: Final = "alaya://deployments"
DEPLOYMENT_TEMPLATE: Final = DEPLOYMENTS_URI + "/{service_id}"

_TEXT: Final = "text/plain"
_JSON: Final = "application/json"


def listed_templates() -> list[types.ResourceTemplate]:
    """Return the resource templates."""
    return [
        types.ResourceTemplate(
            name="deployment",
            title="Deployment",
            uri_template=DEPLOYMENT_TEMPLATE,
            mime_type=_JSON,
            description="One deployment by its id, name or alias, as get_deployment returns it.",
        ),
        types.ResourceTemplate(
            name="reply",
            title="Reply",
            uri_template=URI_TEMPLATE,
            mime_type=_TEXT,
            description="A reply that a chat or a comparison returned with read_on, as far as it has come; kept for "
            "half an hour after its end.",
        ),
    ]


def listed_resources(replies: Sequence[StoredReply]) -> list[types.Resource]:
    """Return the list of deployments, and replies. Hosts know the card from the tools that have it."""
    deployments = types.Resource(
        name="deployments",
        title="Deployments",
        uri=DEPLOYMENTS_URI,
        mime_type=_JSON,
        description="The account's deployments, the first hundred, as list_deployments returns them.",
    )
    return [deployments, *(_listed(reply, reply.heading) for reply in replies if reply.heading)]


def _listed(reply: StoredReply, heading: Heading) -> types.Resource:
    return types.Resource(
        name=reply.uri.rpartition("/")[2],
        title=f"Reply of {heading.model}",
        uri=reply.uri,
        mime_type=_TEXT,
        description=f"{_state(reply)}.",
        size=reply.size - _begins(reply),
    )


def _begins(reply: StoredReply) -> int:
    """Return the byte at which the reply begins: what is before turned out to be thinking."""
    return reply.end.begins if reply.end else 0


def _state(reply: StoredReply) -> str:
    if reply.end is None:
        return "Still being written"
    if reply.end.error:
        return "Failed before any text"
    reason = reply.end.facts.truncated_reason if reply.end.facts else reply.end.reason
    return f"Truncated ({reason})" if reason else "Complete"


async def read_resource(account: Access, uri: str) -> types.ReadResourceResult:
    """Return the resource at a URI.

    Raises:
        MCPError: with the URI and a tool's error text; invalid params if there is no such resource.
    """
    key = account.fingerprint if isinstance(account, Account) else None
    with logged_call("resources/read", key) as facts:
        if uri == CARD_URI:
            return _card()
        try:
            if isinstance(account, AlayaError):
                raise account.with_traceback(None)
            text, mime_type = await _read(account, uri)
        except AlayaError as error:
            facts.outcome = error.code
            is_callers = isinstance(error, DeploymentNotFound | InvalidArguments | NotConfigured)
            code = types.INVALID_PARAMS if is_callers else types.INTERNAL_ERROR
            message = error_text(of_guest(error, account), _other_uris(error))
            raise MCPError(code=code, message=message, data={"uri": uri, **error_detail(error)}) from None
    return types.ReadResourceResult(contents=[types.TextResourceContents(uri=uri, mime_type=mime_type, text=text)])


def _card() -> types.ReadResourceResult:
    """Return the card, which is the same for all."""
    from alaya_mcp.serving.card import document as card  # noqa: PLC0415 most hosts show no cards

    page = types.TextResourceContents(uri=CARD_URI, mime_type=card.MIME_TYPE, text=card.document(), _meta=card.META)
    return types.ReadResourceResult(contents=[page], ttl_ms=card.FRESH_MS, cache_scope="public")


async def _read(account: Account, uri: str) -> tuple[str, str]:
    """Return the text and MIME type of a resource."""
    if uri == DEPLOYMENTS_URI:
        return _dumped(await first_deployments(account)), _JSON
    if uri.startswith(f"{DEPLOYMENTS_URI}/"):
        return _dumped(await _deployment(account, uri.removeprefix(f"{DEPLOYMENTS_URI}/"))), _JSON
    if uri.startswith(REPLIES):
        reply, start = await account.chats.reply(uri)
        if reply.end and reply.end.error:
            raise reply.end.error.with_traceback(None)
        return reply.after(max(start, _begins(reply))), _TEXT
    raise InvalidArguments("resource_unknown", known=(DEPLOYMENTS_URI, DEPLOYMENT_TEMPLATE, URI_TEMPLATE))


def _other_uris(error: AlayaError) -> str | None:
    """Return what to read where no deployment, or several, were found; None for other errors."""
    if not isinstance(error, DeploymentNotFound) and error.cause != "name_ambiguous":
        return None
    uris = [f"{DEPLOYMENTS_URI}/{quote(each, safe='')}" for each in error.candidates]
    return f"Read one of these: {', '.join(uris)}." if uris else f"Read {DEPLOYMENTS_URI} for the list of deployments."


async def _deployment(account: Account, quoted: str) -> ResultModel:
    try:
        named = checked_reference(unquote(quoted))
    except ValueError as invalid:
        raise InvalidArguments("resource_reference_unusable", detail=str(invalid), source=DEPLOYMENTS_URI) from None
    deadline = Deadline.after(READ_BUDGET_SECONDS)
    service_id, deployment = await account.names.find(named, deadline, account.cache.fresh)
    return deployment_result(deployment, service_id)


def _dumped(result: ResultModel) -> str:
    return json.dumps(result.model_dump(mode="json", exclude_none=True), ensure_ascii=False)
