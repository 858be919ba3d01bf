"""The host of a call: its progress notifications and its limit for a reply."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import mcp_types as types
from mcp.server.context import ServerRequestContext

from alaya_mcp.config.settings import Settings
from alaya_mcp.progress import Notify, Phase
from alaya_mcp.serving.elicitation import Choose, asker

PHASE_META_KEY: Final = "com.alayanew.mcp/phase"

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


@dataclass(frozen=True, slots=True)
class Caller:
    """One call's host.

    Attributes:
        notify: Sends progress.
        name: Its clientInfo.name; empty if missing.
        asker: Returns what asks its user, or None if it cannot.
    """

    notify: Notify
    name: str = ""
    asker: Callable[[], Choose | None] = lambda: None

    def reply_bytes(self, settings: Settings) -> int:
        """Return how many bytes of a reply one result shows at most: as configured, else what the host shows."""
        name, configured = self.name.casefold(), settings.max_reply_bytes
        known = next((size for part, size in _REPLY_BYTES.items() if part in name), configured)
        return configured if "max_reply_bytes" in settings.model_fields_set else min(known, configured)


def caller_of(context: ServerRequestContext[Any], params: types.CallToolRequestParams) -> Caller:
    """Return the host of a call."""
    client = context.session.client_params  # of the handshake, or of this request's own _meta
    return Caller(_notify(context), client.client_info.name if client else "", partial(asker, context, params))


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
