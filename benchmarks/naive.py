"""The three tools as a first version would have them, on the SDK's low-level server or on its framework.

    python -m benchmarks.naive lowlevel|framework

What this server is compared with: no checks, no deadline, nothing kept, each token a note of its own.
"""

import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import httpx2

_BASE = os.environ.get("ALAYA_BASE_URL", "")
_SIGNED = {
    "Authorization": f"plain Credential={os.environ.get('ALAYA_ACCESS_KEY')},"
    f"Signature={os.environ.get('ALAYA_SECRET_KEY')}"
}
_client = httpx2.AsyncClient(timeout=60)

Report = Callable[[float, str], Awaitable[None]]


async def look_up(service_id: str) -> dict[str, Any]:
    """One deployment."""
    response = await _client.get(f"{_BASE}/deployment/{service_id}", headers=_SIGNED)
    response.raise_for_status()
    return response.json()["data"]


async def chat(service_id: str, prompt: str, report: Report) -> str:
    """One reply, each token reported."""
    deployment = await look_up(service_id)
    body = {"model": "bench", "messages": [{"role": "user", "content": prompt}], "stream": True}
    pieces: list[str] = []
    url, key = f"{deployment['serviceUrl']}/v1/chat/completions", {"apiKey": deployment["apikey"]}
    async with _client.stream("POST", url, json=body, headers=key) as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            if line.startswith("data: {"):
                piece = json.loads(line[6:])["choices"][0]["delta"].get("content")
                if piece:
                    pieces.append(piece)
                    await report(len(pieces), piece)
    return "".join(pieces)


def serve_lowlevel() -> None:
    """On `mcp.server.lowlevel`."""
    import mcp_types as types  # noqa: PLC0415 one of the two is loaded, and its loading is measured
    from mcp.server.lowlevel import Server  # noqa: PLC0415 as above
    from mcp.server.stdio import stdio_server  # noqa: PLC0415 as above

    service_id = {"service_id": {"type": "string"}}
    properties = {
        "get_deployment": service_id,
        "list_lora_models": service_id,
        "chat_with_deployment": {**service_id, "prompt": {"type": "string"}},
    }
    tools = [
        types.Tool(
            name=name, description=name, input_schema={"type": "object", "properties": known, "required": list(known)}
        )
        for name, known in properties.items()
    ]

    async def list_tools(*_: object) -> types.ListToolsResult:
        return types.ListToolsResult(tools=tools)

    async def call_tool(context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:  # noqa: ANN401 the SDK's
        arguments = params.arguments or {}
        if params.name == "chat_with_deployment":
            text, data = await chat(**arguments, report=lambda done, piece: _report(context, done, piece)), None
        else:
            data = await look_up(**arguments)
            text = json.dumps(data)
        return types.CallToolResult(content=[types.TextContent(type="text", text=text)], structured_content=data)

    async def _report(context: Any, done: float, piece: str) -> None:  # noqa: ANN401 the SDK's
        await context.session.report_progress(done, message=piece)

    server = Server("naive", on_list_tools=list_tools, on_call_tool=call_tool)

    async def main() -> None:
        async with stdio_server() as streams:
            await server.run(*streams, server.create_initialization_options())

    anyio.run(main)


def serve_framework() -> None:
    """On `mcp.server.mcpserver`."""
    from mcp.server.mcpserver import Context, MCPServer  # noqa: PLC0415 as above

    server = MCPServer("naive")

    async def get_deployment(service_id: str) -> dict[str, Any]:
        return await look_up(service_id)

    async def list_lora_models(service_id: str) -> dict[str, Any]:
        return await look_up(service_id)

    async def chat_with_deployment(service_id: str, prompt: str, context: Context[Any, Any]) -> str:
        async def report(done: float, piece: str) -> None:
            await context.report_progress(done, message=piece)

        return await chat(service_id, prompt, report)

    # Annotations are looked up by name, and these two are imported here.
    chat_with_deployment.__annotations__["context"] = Context
    for tool in (get_deployment, list_lora_models, chat_with_deployment):
        server.add_tool(tool)
    server.run("stdio")


if __name__ == "__main__":
    {"lowlevel": serve_lowlevel, "framework": serve_framework}[sys.argv[1]]()
