"""What stands behind an error of the core: its kind tells more than its type. Pure."""

from alaya_mcp.deployment.wire import EnvelopeFailure, WrongShape
from alaya_mcp.errors import AlayaError
from alaya_mcp.upstream.failures import Failure

Cause = Failure | EnvelopeFailure | WrongShape


def cause_of(error: AlayaError) -> Cause | None:
    """The failed exchange, refusal or odd answer that an error explains; None for one of its own, as a time-out.

    The core raises what it explains `from None`: tracebacks hide the cause, and the context keeps it.
    """
    return error.__context__ if isinstance(error.__context__, Cause) else None


def is_page(failure: Failure) -> bool:
    """Whether an error's body is a page of HTML, as portals, gateways and other people's servers send."""
    start = failure.body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    return "html" in failure.content_type.lower() or start == b"<"
