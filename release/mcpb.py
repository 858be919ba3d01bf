"""The bundle, checked by the tool that hosts' makers publish, and started as a host starts it. Needs Node and npm."""

import json
import shutil
from pathlib import Path
from typing import Any, Final

import anyio
from anyio import to_thread

from alaya_mcp.sandbox import Sandbox
from release.bundle import BUNDLE_NAME, bundle_files, packed, unpacked, write_bundle
from release.commands import for_uv, own_environ, run, uv
from release.conversation import converse
from release.project import VERSION
from release.steps import Failed, Skipped

TOOL: Final = "@anthropic-ai/mcpb@2.1.2"

_SUBSTITUTE: Final = """\
import {readFileSync} from "node:fs";
import {getMcpConfigForManifest} from "@anthropic-ai/mcpb";
const asked = JSON.parse(readFileSync(0, "utf-8"));
const found = await getMcpConfigForManifest({...asked, systemDirs: {}, pathSeparator: "/"});
console.log(JSON.stringify(found));
"""
"""Has the tool's own code put what a person typed into the manifest, as hosts that are built on it do."""


def install_tool(folder: Path) -> Path:
    """Install the tool into a folder of its own and return that.

    Raises:
        Skipped: there is no Node or npm here.
    """
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise Skipped("no Node and npm on this machine")
    folder.mkdir()
    run(npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", TOOL, cwd=folder)
    return folder


def validated(tool: Path, folder: Path) -> str:
    """Pack twice, have the tool validate and unpack the bundle into `folder/unpacked`, and pack it itself.

    Raises:
        Failed: the tool refuses it, or its own archive has other files.
    """
    bundle = write_bundle(folder)
    if bundle.read_bytes() != packed(bundle_files()):
        raise Failed("packing twice gives other bytes")
    there, own = folder / "unpacked", folder / "own.mcpb"
    _mcpb(tool, "unpack", str(bundle), str(there))
    _mcpb(tool, "validate", str(there / "manifest.json"))
    _mcpb(tool, "pack", str(there), str(own))
    if unpacked(own.read_bytes()) != bundle_files():
        raise Failed("mcpb pack makes an archive of other files")
    return f"{BUNDLE_NAME} {bundle.stat().st_size // 1024} kB"


def _mcpb(tool: Path, *arguments: str) -> str:
    return run(str(tool / "node_modules" / ".bin" / "mcpb"), *arguments, cwd=tool)


def substituted(tool: Path, there: Path, typed: dict[str, str]) -> dict[str, Any]:
    """Return the command, arguments and variables that a host makes of the unpacked manifest and what was typed."""
    asked = {
        "manifest": json.loads((there / "manifest.json").read_bytes()),
        "extensionPath": str(there),
        "userConfig": typed,
    }
    node = shutil.which("node") or "node"
    return json.loads(run(node, "--input-type=module", "--eval", _SUBSTITUTE, cwd=tool, said=json.dumps(asked)))


def started(tool: Path, folder: Path) -> str:
    """Start the unpacked bundle over a sandbox and call a tool.

    Raises:
        Failed: it does not start, answers otherwise, or shows a key in a process's arguments.
    """
    return anyio.run(_started, tool, folder)


async def _started(tool: Path, folder: Path) -> str:
    async with Sandbox() as sandbox:
        keys = {"access_key": sandbox.access_key, "secret_key": sandbox.secret_key}
        config = substituted(tool, folder / "unpacked", {**keys, "base_url": sandbox.base_url})
        command = [uv() if config["command"] == "uv" else config["command"], *config["args"]]
        environ = for_uv(own_environ(folder)) | _cache() | config["env"]
        opened, tools, called = await to_thread.run_sync(
            converse, command, environ, folder, "list_deployments", tuple(keys.values())
        )
    listed = json.loads((folder / "unpacked" / "manifest.json").read_bytes())["tools"]
    if opened["serverInfo"]["version"] != VERSION:
        raise Failed(f"it says version {opened['serverInfo']['version']}")
    if [tool["name"] for tool in listed] != [tool["name"] for tool in tools]:
        raise Failed("it lists other tools than the manifest")
    if called.get("isError") or not called["structuredContent"]["deployments"]:
        raise Failed(f"list_deployments: {called['content'][0]['text']}")
    return f"{len(called['structuredContent']['deployments'])} deployments of the sandbox listed"


def _cache() -> dict[str, str]:
    """Return where uv keeps what it has downloaded, which is in the home that the bundle does not get."""
    return {"UV_CACHE_DIR": run(uv(), "cache", "dir", cwd=Path.cwd()).strip()}
