"""One short conversation with a server over stdio, as a host has it."""

import json
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

from release.commands import MINUTES
from release.project import VERSION
from release.steps import Failed, ended

Said = tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]

_CLIENT: Final = {"name": "release", "version": VERSION}
_PROCESSES: Final = Path("/proc")


def converse(
    command: Sequence[str], environ: Mapping[str, str], cwd: Path, tool: str, secrets: Sequence[str] = ()
) -> Said:
    """Start a server, shake hands, list its tools, call one, and close its stdin.

    Returns:
        The result of `initialize`, the tools, and the result of the call.

    Raises:
        Failed: it does not answer, ends with an error, or a secret is in some process's arguments while it runs.
    """
    errors: list[str] = []
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    ) as process:
        reader = threading.Thread(target=errors.extend, args=(process.stderr,))
        reader.start()
        limit = threading.Timer(MINUTES, process.kill)
        limit.start()
        try:
            said = _said(process, tool)
            shown = sorted(secret[:4] for secret in secrets if in_arguments(secret, process.pid))
        except (EOFError, OSError, ValueError, KeyError) as error:
            process.kill()
            reader.join()
            raise Failed(f"{command[0]}: {error!r}\n{ended(''.join(errors))}") from error
        finally:
            with suppress(OSError):  # it ended without reading what it was sent
                _pipe(process.stdin).close()
            reader.join()
            process.wait()
            limit.cancel()
    if shown:
        raise Failed(f"keys that begin with {', '.join(shown)} are in the arguments of a process")
    if process.returncode:
        raise Failed(f"the server ended with {process.returncode}: {ended(''.join(errors))}")
    return said


def _said(process: subprocess.Popen[str], tool: str) -> Said:
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": _CLIENT}
    opened = _ask(process, 1, "initialize", hello)
    _say(process, {"jsonrpc": "2.0", "method": "notifications/initialized"})
    listed = _ask(process, 2, "tools/list", {})["tools"]
    return opened, listed, _ask(process, 3, "tools/call", {"name": tool, "arguments": {}})


def _pipe(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise ValueError("not a pipe")
    return pipe


def _say(process: subprocess.Popen[str], message: dict[str, Any]) -> None:
    _pipe(process.stdin).write(json.dumps(message) + "\n")
    _pipe(process.stdin).flush()


def _ask(process: subprocess.Popen[str], request: int, method: str, params: dict[str, Any]) -> dict[str, Any]:
    _say(process, {"jsonrpc": "2.0", "id": request, "method": method, "params": params})
    while line := _pipe(process.stdout).readline():
        message = json.loads(line)
        if message.get("id") == request and "method" not in message:
            return message["result"]
    raise EOFError(f"no answer to {method}")


def in_arguments(secret: str, session: int) -> bool:
    """Return whether a secret is in the arguments of a process of a session; False where the system hides them."""
    return any(secret.encode() in _arguments(path, session) for path in _PROCESSES.glob("[0-9]*"))


def _arguments(path: Path, session: int) -> bytes:
    try:
        return (path / "cmdline").read_bytes() if os.getsid(int(path.name)) == session else b""
    except OSError:  # it has ended
        return b""
