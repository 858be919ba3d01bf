"""The demo: the real stdio server as a subprocess over the sandbox, driven by a real MCP client."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

import anyio
import mcp_types as types
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from rich.console import Console

from alaya_mcp.console import open_console

_PHASE: Final = "com.alayanew.mcp/phase"
_QUESTION: Final = "A customer asks why order 1042 has not arrived. What do you answer?"
_DEMO_SECONDS: Final = 60

_NEXT: Final = """\
Next, with your own deployment:
  1. In the Alaya NeW console make an Open API Key and look up your deployment's service id.
  2. Put both halves of the key and the id into your MCP host's configuration, with this command:

{config}

  3. Restart the host and ask it: "Is my deployment ready?"
README.md has the same for each host, and every setting. `alayanew-mcp --help` lists the commands."""


class Notes:
    """Prints text while it is being written, and keeps the pieces it came in."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.pieces: list[str] = []

    async def show(self, message: object) -> None:
        """Take one message of the server."""
        if isinstance(message, types.ProgressNotification):
            phase = (message.params.meta or {}).get(_PHASE)
            if phase == "writing":
                self.add(message.params.message or "")

    def add(self, piece: str) -> None:
        """Print one piece."""
        if piece:
            self.pieces.append(piece)
            self._console.print(piece, end="", markup=False, soft_wrap=True)


class Demo:
    """One sitting: calls, and their answers as a terminal shows them."""

    def __init__(self, console: Console, client: Client, notes: Notes) -> None:
        self._console = console
        self._client = client
        self._notes = notes
        self.as_expected = True

    async def call(self, why: str, tool: str, arguments: dict[str, Any], *, fails: bool = False) -> None:
        """Make one call and show it; text that is being written is shown as it comes."""
        self._console.print()
        self._console.print(why, style="bold cyan", markup=False)
        shown = json.dumps(arguments, ensure_ascii=False)
        self._console.print(f"> {tool} {shown}", style="bold", markup=False)

        async def asks_for_notes(progress: float, total: float | None, message: str | None) -> None:
            """Its presence makes the client send a progress token; `Notes` prints what comes."""

        self._notes.pieces.clear()
        result = await self._client.call_tool(tool, arguments, progress_callback=asks_for_notes)
        text = "\n".join(block.text for block in result.content if isinstance(block, types.TextContent))
        self.as_expected &= result.is_error is fails
        if result.is_error:
            self._console.print(text, style="red", markup=False)
        elif tool == "chat_with_deployment":
            # The client hands notes to tasks of its own, so the last one may come after the result.
            reply: str = result.structured_content["content"]
            self._notes.add(reply.removeprefix("".join(self._notes.pieces)))
            facts = text.rpartition("---\n")[2]
            self._console.print(f"\ncame in {len(self._notes.pieces)} pieces; {facts}", style="dim", markup=False)
        else:
            self._console.print(text, markup=False)

    async def tell(self) -> None:
        """The whole story."""
        listed = await self._client.list_tools()
        names = ", ".join(tool.name for tool in listed.tools)
        self._console.print(f"The server speaks MCP {self._client.protocol_version} and offers {names}.", markup=False)
        await self.call("A deployment: its state, names and launch configuration.", "get_deployment", {})
        await self.call("Its LoRA adapters, with the string that reaches each.", "list_lora_models", {})
        chat = "chat_with_deployment"
        await self.call("A chat with the base model. The text comes in as it is written:", chat, {"prompt": _QUESTION})
        await self.call("The same question to one of the adapters:", chat, {"prompt": _QUESTION, "model": "support-zh"})
        await self.call(
            "A mistake. The error says what an agent can do about it:",
            chat,
            {"prompt": _QUESTION, "model": "suport-zh"},
            fails=True,
        )


def _config() -> str:
    """What README.md shows, with the path of this installation's command."""
    installed = Path(sys.executable).with_name("alayanew-mcp.exe" if sys.platform == "win32" else "alayanew-mcp")
    command, args = (str(installed), []) if installed.exists() else (sys.executable, ["-m", "alaya_mcp"])
    env = {
        "ALAYA_ACCESS_KEY": "your access key",
        "ALAYA_SECRET_KEY": "your secret key",
        "ALAYA_SERVICE_ID": "your deployment's service id",
    }
    entry = {"mcpServers": {"alaya": {"command": command, "args": args, "env": env}}}
    return "\n".join(f"     {line}" for line in json.dumps(entry, indent=2).splitlines())


async def run(arguments: argparse.Namespace) -> int:
    """Show the demo; 0 when every call ended as it should."""
    del arguments
    console = open_console()

    notes = Notes(console)
    server = StdioServerParameters(command=sys.executable, args=["-m", "alaya_mcp", "--sandbox"], env=_environment())
    console.print("Starting the server as a host would: a subprocess on stdio, here over the sandbox.", markup=False)
    with anyio.fail_after(_DEMO_SECONDS):
        async with Client(server, message_handler=notes.show) as client:
            demo = Demo(console, client, notes)
            await demo.tell()
    console.print()
    console.print(_NEXT.format(config=_config()), markup=False)
    return 0 if demo.as_expected else 1


def _environment() -> dict[str, str]:
    """This process's environment without the settings of a real account."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ALAYA_")}
