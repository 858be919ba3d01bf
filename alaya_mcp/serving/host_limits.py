"""The largest reply for each host, by its `clientInfo.name`. Pure.

Most hosts accept a reply of the default size. These do not, and some show a model both forms of a result, so that each
reply counts twice; with these sizes the whole result fits (hosts run against this server, November 2026).
"""

from typing import Final

_REPLY_BYTES: Final = {
    "cline": 2_200,  # both forms, cut to 8,000 characters in the middle
    "copilot": 6_500,  # both forms; from about 20 kB on they go to a file, with a preview of 500 characters
    "qwen": 8_500,  # both forms; from 25,000 characters on they go to a file, with a preview of 2,000
    "codex": 24_000,  # its code mode cuts at 10,000 tokens in the middle
}
"""Bytes of a reply in UTF-8, by a part of the host's name."""


def reply_bytes_for(host: str | None, configured: int, *, is_set: bool) -> int:
    """Return how many bytes of a reply one result shows at most.

    Args:
        host: The host's clientInfo.name, or None.
        configured: ALAYA_MAX_REPLY_BYTES, or its default.
        is_set: Whether the user set it: it then overrides the host's limit.
    """
    name = (host or "").casefold()
    known = next((size for part, size in _REPLY_BYTES.items() if part in name), None)
    return configured if is_set or known is None else min(known, configured)
