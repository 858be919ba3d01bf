"""What the real server says at the opening, in every protocol version; as a command, it writes that down.

python -m tests.opening_answers
"""

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
from mcp.shared.message import SessionMessage
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from alaya_mcp.config.settings import load_settings
from alaya_mcp.serving.server import create_server
from alaya_mcp.serving.stdio.opening import ANSWERS, DEFAULT_DEPLOYMENT
from tests.stdio_host import MODERN

KEYS = {"ALAYA_ACCESS_KEY": "ak", "ALAYA_SECRET_KEY": "sk"}
MADE_WITH = {"mcp": "mcp", "mcp_types": "mcp_types", "pydantic": "pydantic"}
"""Whose version the answers depend on: modules, and the names of their distributions."""
CLIENT = {"capabilities": {}, "clientInfo": {"name": "host", "version": "1"}}


async def results(environ: dict[str, str], *requests: dict[str, Any]) -> list[str]:
    """The results of requests on one connection to the real server, as JSON."""
    server = create_server(load_settings(environ))
    to_server, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](9)
    outgoing, from_server = anyio.create_memory_object_stream[SessionMessage](9)
    found: list[str] = []
    async with anyio.create_task_group() as tasks, to_server, incoming, outgoing, from_server:
        tasks.start_soon(server.run, incoming, outgoing, server.create_initialization_options())
        for number, request in enumerate(requests):
            message = {"jsonrpc": "2.0", "id": number, **request}
            await to_server.send(SessionMessage(types.jsonrpc_message_adapter.validate_python(message, by_name=False)))
            answer = (await from_server.receive()).message
            line = json.loads(answer.model_dump_json(by_alias=True, exclude_unset=True))
            found.append(json.dumps(line["result"], ensure_ascii=False, separators=(",", ":")))
        tasks.cancel_scope.cancel()
    return found


async def answers() -> dict[str, Any]:
    """The data of `alaya_mcp.serving.stdio.opening`."""
    texts: list[str] = []

    def place(text: str) -> int:
        if text not in texts:
            texts.append(text)
        return texts.index(text)

    async def known(environ: dict[str, str]) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {"initialize": {}, "server/discover": {}, "tools/list": {}}
        for version in HANDSHAKE_PROTOCOL_VERSIONS:
            handshake = {"method": "initialize", "params": {"protocolVersion": version, **CLIENT}}
            first, tools = await results(environ, handshake, {"method": "tools/list"})
            found["initialize"][version], found["tools/list"][version] = place(first), place(tools)
        for version in MODERN_PROTOCOL_VERSIONS:
            meta = {**MODERN, "io.modelcontextprotocol/protocolVersion": version}
            methods = "server/discover", "tools/list"
            said = await results(environ, *({"method": method, "params": {"_meta": meta}} for method in methods))
            for method, text in zip(methods, said, strict=True):
                found[method][version] = place(text)
        return found

    with_default = await known({**KEYS, "ALAYA_SERVICE_ID": DEFAULT_DEPLOYMENT})
    without = await known(KEYS)
    made_with = {module: f"{name}-{metadata.version(name)}.dist-info" for module, name in MADE_WITH.items()}
    return {"made with": made_with, "with a default": with_default, "without one": without, "texts": texts}


if __name__ == "__main__":
    Path(ANSWERS).write_text(
        json.dumps(anyio.run(answers), indent=1, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n"
    )
