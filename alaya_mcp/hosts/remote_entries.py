"""The entry of a server over HTTP, in each host's way of sending a header from outside the file."""

from typing import Final

from alaya_mcp.hosts.catalogue import Host

TOKEN_VARIABLE: Final = "ALAYA_TOKEN"  # noqa: S105 the variable's name
_HEADER: Final = "Authorization"


def remote_entry(host: Host, url: str) -> dict[str, object] | None:
    """Return the entry of a host's file, with a bearer token from ALAYA_TOKEN; None if its file takes no address."""
    headers = {_HEADER: f"Bearer {_reference(host)}"}
    match host.name:
        case "claude-desktop":
            return None
        case "codex":
            return {"url": url, "bearer_token_env_var": TOKEN_VARIABLE}
        case "qwen":  # it takes a `url` for SSE
            return {"httpUrl": url, "headers": headers}
        case "opencode":
            return {"type": "remote", "url": url, "oauth": False, "headers": headers, "enabled": True}
        case "copilot":
            return {"type": "http", "url": url, "headers": headers, "tools": ["*"]}
        case "cline":
            return {"type": "streamableHttp", "url": url, "headers": headers}
        case "cursor":
            return {"url": url, "headers": headers}
        case _:
            return {"type": "http", "url": url, "headers": headers}


def token_input() -> dict[str, object]:
    """Return the input by which VS Code asks for the token."""
    return {"type": "promptString", "id": "alaya-token", "description": "Token of the Alaya server", "password": True}


def _reference(host: Host) -> str:
    if host.has_inputs:
        return "${input:alaya-token}"
    return host.reference.format(TOKEN_VARIABLE) if host.reference else "YOUR_TOKEN"
