"""The demo: the real stdio server as a subprocess over the sandbox, driven by a real MCP client."""

import argparse
import json
import os
import re
import sys
from pathlib import Path
from typing import Any, Final

import anyio
import mcp_types as types
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from rich.console import Console

from alaya_mcp.hosts.entries import launcher
from alaya_mcp.sandbox import Sandbox
from alaya_mcp.terminal.console import open_console
from alaya_mcp.terminal.wrapping import WordWrap

_RULER: Final = re.compile(r"^-{3,}\n", re.MULTILINE)
_PHASE: Final = "com.alayanew.mcp/phase"
_QUESTION: Final = "A customer asks why order 1042 has not arrived. What do you answer?"
_LONG: Final = "sandbox: repeat 500 word"
_LONG_THOUGHT: Final = "sandbox: think 5"
_NAME: Final = "qwen3-support"
_SCHEMA: Final = {
    "type": "object",
    "properties": {"order": {"type": "integer"}, "urgent": {"type": "boolean"}, "summary": {"type": "string"}},
    "required": ["order", "urgent", "summary"],
}
_STATES: Final = ("starting", "the model is thinking")
_STARTING_SECONDS: Final = 3.0
_CANCEL_SECONDS: Final = 10
_DEMO_SECONDS: Final = 60

_NEXT: Final = """\
Next, with your own deployment:
  1. Create an Open API Key in the Alaya NeW console, and run `alayanew-mcp login`.
  2. Run `alayanew-mcp install`, which offers each MCP host that it finds here, or add this to a host yourself:

{config}

  3. Restart the host and ask it: "Which of my deployments are running?"
If something does not work: `alayanew-mcp doctor`.
docs/hosts.md has more on each host, docs/settings.md every setting."""


class Notes:
    """Prints text as it arrives, and keeps its pieces."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun = anyio.Event()
        self._wrap = WordWrap(console.width if console.is_terminal else None)
        self.pieces: list[str] = []

    async def show(self, message: object) -> None:
        """Show one message of the server."""
        if isinstance(message, types.ProgressNotification):
            phase = (message.params.meta or {}).get(_PHASE)
            words = message.params.message or ""
            if phase == "writing":
                self.add(words)
            elif words.startswith(_STATES):
                self._console.print(words, style="dim", markup=False)

    def add(self, piece: str) -> None:
        """Print one piece."""
        if piece:
            self.pieces.append(piece)
            self._begun.set()
            self._console.print(self._wrap.feed(piece), end="", markup=False, soft_wrap=True)

    def end(self) -> None:
        """Print the part of the last word that was held back."""
        self._console.print(self._wrap.finish(), end="", markup=False, soft_wrap=True)

    async def have_begun(self) -> None:
        """Wait for the next piece."""
        self._begun = anyio.Event()
        await self._begun.wait()


async def _asks_for_notes(progress: float, total: float | None, message: str | None) -> None:
    """Make the client send a progress token; `Notes` prints the progress."""


class Demo:
    """Makes calls and shows their results."""

    def __init__(self, console: Console, client: Client, notes: Notes) -> None:
        self._console = console
        self._client = client
        self._notes = notes
        self.as_expected = True

    async def call(self, why: str, tool: str, arguments: dict[str, Any], *, fails: bool = False) -> dict[str, Any]:
        """Make a call and show its result, which is returned; a reply's text is shown as it arrives."""
        self._announce(why, tool, arguments)
        result = await self._client.call_tool(tool, arguments, progress_callback=_asks_for_notes)
        text = "\n".join(block.text for block in result.content if isinstance(block, types.TextContent))
        self.as_expected &= result.is_error is fails
        if result.is_error:
            self._console.print(text, style="red", markup=False)
        elif tool == "chat_with_deployment":
            # The client handles notes in tasks, so the last one may arrive after the result.
            reply: str = result.structured_content["content"]
            self._notes.add(reply.removeprefix("".join(self._notes.pieces)))
            self._notes.end()
            # The reply has been shown already; the text form has it below the facts.
            facts = "\n".join(part.strip("\n") for part in _RULER.split(text) if part.strip() != reply.strip())
            came = f"came in {len(self._notes.pieces)} pieces; " if reply else ""
            self._console.print(f"\n{came}{facts}", style="dim", markup=False)
        else:
            self._console.print(text, markup=False)
        return result.structured_content or {}

    async def read_to_its_end(self, why: str, asked: dict[str, Any]) -> None:
        """Chat with a model that takes longer than a call, and read the reply on until it is complete."""
        result = await self.call(why, "chat_with_deployment", asked)
        while "read_on" in result:
            result = await self.call("More of that reply:", "chat_with_deployment", {"read_on": result["read_on"]})

    def _announce(self, why: str, tool: str, arguments: dict[str, Any]) -> None:
        """Show a call and its reason; forget the text of the last one."""
        self._console.print(f"\n{why}", style="bold cyan", markup=False)
        shown = json.dumps(arguments, ensure_ascii=False)
        self._console.print(f"> {tool} {shown}", style="bold", markup=False)
        self._notes.pieces.clear()

    async def cancelled(self, why: str, sandbox: Sandbox) -> None:
        """Cancel a call in the middle of its answer, and show that the engine stopped."""
        tool, arguments = "chat_with_deployment", {"prompt": _LONG}
        self._announce(why, tool, arguments)
        aborted = sandbox.stats.chats_aborted

        async def call() -> None:
            await self._client.call_tool(tool, arguments, progress_callback=_asks_for_notes)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await self._notes.have_begun()
            tasks.cancel_scope.cancel()
        self._notes.end()
        with anyio.fail_after(_CANCEL_SECONDS):
            await sandbox.stats.wait_for(lambda stats: stats.chats_aborted > aborted)
        self._console.print("\ncancelled; the connection to the engine was closed and its work stopped:", style="dim")
        stats = {name: value for name, value in sandbox.stats.snapshot().items() if name.startswith("chats_")}
        self._console.print(json.dumps(stats), style="dim", markup=False)

    async def run(self, sandbox: Sandbox) -> None:
        """Make every call of the demo."""
        listed = await self._client.list_tools()
        names = ", ".join(tool.name for tool in listed.tools)
        self._console.print(f"The server speaks MCP {self._client.protocol_version} and offers {names}.", markup=False)
        named, chat = {"service_id": _NAME}, "chat_with_deployment"
        await self.call("A few of the running deployments:", "list_deployments", {"status": "running", "limit": 3})
        await self.call("One of them, by its name: its state and launch configuration.", "get_deployment", named)
        await self.call("Its LoRA adapters, with the string that reaches each.", "list_lora_models", named)
        asked = {"prompt": _QUESTION}
        await self.call("A chat with the base model. The text is shown as it arrives:", chat, asked)
        await self.call("The same question to one of the adapters:", chat, {**asked, "model": "support-zh"})
        compared = {**asked, "models": ["base", "support-zh"]}
        await self.call("And to both at once, side by side:", "compare_models", compared)
        misspelt = {**asked, "model": "suport-zh"}
        await self.call("A mistake. The error says what to do about it:", chat, misspelt, fails=True)
        why = "A deployment that is still starting. The call waits for it and reports its state:"
        patient = {"prompt": "Are you there?", "service_id": "sandbox-starting", "wait_seconds": 20}
        await self.call(why, chat, patient)
        thinking = {**asked, "service_id": "sandbox-thinking"}
        await self.call("A thinking model. Its thinking is returned separately:", chat, thinking)
        why = "A reply that follows a JSON Schema, checked and returned as data:"
        await self.call(why, chat, {**asked, "response_schema": _SCHEMA})
        why = "A model that thinks for longer than the call may take. The reply goes on, and is read on:"
        await self.read_to_its_end(why, {"prompt": _LONG_THOUGHT, "timeout_seconds": 2})
        await self.cancelled("A call that is cancelled in the middle of its answer:", sandbox)


def _config() -> str:
    """Return a host's configuration, with the path of this installation's command."""
    start = launcher(Path(sys.executable), sys.platform)
    env = {"ALAYA_SERVICE_ID": "your deployment's name or id"}
    entry = {"mcpServers": {"alaya": {"command": start.command, "args": list(start.args), "env": env}}}
    return "\n".join(f"     {line}" for line in json.dumps(entry, indent=2, ensure_ascii=False).splitlines())


async def run(arguments: argparse.Namespace) -> int:
    """Show the demo; return 0 if every call ended as expected."""
    del arguments
    console = open_console()

    notes = Notes(console)
    console.print("Starting the server as a host does, as a subprocess on stdio, here over the sandbox.", markup=False)
    with anyio.fail_after(_DEMO_SECONDS):
        async with Sandbox(starting_seconds=_STARTING_SECONDS) as sandbox:
            environ = _environment(sandbox)
            server = StdioServerParameters(command=sys.executable, args=["-m", "alaya_mcp"], env=environ)
            async with Client(server, message_handler=notes.show) as client:
                demo = Demo(console, client, notes)
                await demo.run(sandbox)
    console.print()
    before, after = _NEXT.split("{config}")
    console.print(before, end="", markup=False)
    console.print(_config(), markup=False, soft_wrap=True)  # to be copied
    console.print(after.removeprefix("\n"), markup=False)
    return 0 if demo.as_expected else 1


def _environment(sandbox: Sandbox) -> dict[str, str]:
    """Return this process's environment, with the sandbox in place of a real account."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("ALAYA_")}
    return {
        **others,
        "ALAYA_BASE_URL": sandbox.base_url,
        "ALAYA_ACCESS_KEY": sandbox.access_key,
        "ALAYA_SECRET_KEY": sandbox.secret_key,
        "ALAYA_SERVICE_ID": sandbox.default_service_id,
        "ALAYA_LOG_LEVEL": "ERROR",  # one failure is intended
    }
