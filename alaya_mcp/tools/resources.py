"""Resources: replies that were too large for one result."""

import mcp_types as types
from mcp.shared.exceptions import MCPError

from alaya_mcp.chat.kept_replies import URI_TEMPLATE, KeptReplies, KeptReply
from alaya_mcp.errors import InvalidArguments

_MIME_TYPE = "text/plain"


def listed_templates() -> list[types.ResourceTemplate]:
    """What kinds of resources there are."""
    return [
        types.ResourceTemplate(
            name="reply",
            title="Large reply",
            uri_template=URI_TEMPLATE,
            mime_type=_MIME_TYPE,
            description="The whole of a reply that chat_with_deployment cut by size_cap; kept for half an hour.",
        )
    ]


def listed_resources(kept: KeptReplies) -> list[types.Resource]:
    """The replies that are kept now."""
    return [_listed(reply) for reply in kept.all()]


def _listed(reply: KeptReply) -> types.Resource:
    return types.Resource(
        name=reply.uri.rpartition("/")[2],
        title=f"Reply of {reply.facts.model}",
        uri=reply.uri,
        mime_type=_MIME_TYPE,
        size=len(reply.text),
    )


def read_resource(kept: KeptReplies, uri: str) -> types.ReadResourceResult:
    """A whole reply.

    Raises:
        MCPError: invalid params, with the URI, where none of that name is kept.
    """
    try:
        reply, start = kept.find(uri)
    except InvalidArguments as error:
        raise MCPError(
            code=types.INVALID_PARAMS, message=f"{error.message} {error.next_step}", data={"uri": uri}
        ) from None
    text = reply.text[start:].decode("utf-8", "ignore")
    return types.ReadResourceResult(contents=[types.TextResourceContents(uri=uri, mime_type=_MIME_TYPE, text=text)])
