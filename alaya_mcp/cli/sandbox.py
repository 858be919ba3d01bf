"""Run the sandbox alone and say how to use it."""

import argparse
import os
import sys
from typing import Final

import anyio

from alaya_mcp.cli.faults import fault_list, unknown_fault
from alaya_mcp.sandbox import KNOBS, LIMITS, Sandbox
from alaya_mcp.terminal.console import open_console

_WRONG_ARGUMENTS: Final = 2


async def run(arguments: argparse.Namespace) -> int:
    """Serve the sandbox until interrupted."""
    console = open_console()
    if arguments.limits:
        console.print(KNOBS, LIMITS, sep="\n", markup=False)
        return 0
    if arguments.faults:
        console.print(fault_list(), markup=False, soft_wrap=True)
        return 0
    if wrong := unknown_fault(arguments.fault):
        sys.stderr.write(f"alayanew-mcp sandbox: {wrong}\n")
        return _WRONG_ARGUMENTS
    try:
        async with Sandbox(
            port=arguments.port,
            fleet=arguments.fleet,
            backend=arguments.backend,
            backend_key=os.environ.get("SANDBOX_BACKEND_KEY"),
            fault=arguments.fault,
        ) as sandbox:
            console.print(_exports(sandbox, arguments.fleet), markup=False)
            await anyio.sleep_forever()
    except OSError as error:
        sys.stderr.write(f"alayanew-mcp sandbox: {error.strerror or error}\n")
    except ValueError as error:  # of --backend
        sys.stderr.write(f"alayanew-mcp sandbox: {error}\n")
        return _WRONG_ARGUMENTS
    return 1


def _exports(sandbox: Sandbox, fleet: int) -> str:
    values = {
        "ALAYA_BASE_URL": sandbox.base_url,
        "ALAYA_ACCESS_KEY": sandbox.access_key,
        "ALAYA_SECRET_KEY": sandbox.secret_key,
        "ALAYA_SERVICE_ID": sandbox.default_service_id,
    }
    width = max(len(service_id) for service_id, _ in sandbox.catalogue)
    lines = ["# The sandbox runs; Ctrl-C stops it. In the shell that starts the server:", ""]
    lines += [f"export {name}={value}" for name, value in values.items()]
    lines += ["", "# PowerShell:"]
    lines += [f"# $env:{name} = '{value}'" for name, value in values.items()]
    lines += ["", "# Deployments:"]
    for service_id, summary in sandbox.catalogue:
        default = " (the default)" if service_id == sandbox.default_service_id else ""
        lines.append(f"#   {service_id:<{width}}  {summary}{default}")
    if fleet:
        lines.append(f"#   and {fleet} more, with names that a team would give; list_deployments shows them.")
    return "\n".join(lines)
