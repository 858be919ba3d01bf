"""The SDK's server without its packages: less is loaded, and afterwards everything is as ever."""

import json
import subprocess
import sys


def after(statement: str) -> list[str]:
    """What a fresh interpreter prints, as JSON."""
    run = subprocess.run([sys.executable, "-c", statement], check=True, capture_output=True, timeout=60)  # noqa: S603 our own words
    return json.loads(run.stdout)


LOAD = """
import json, sys
from alaya_mcp.sdk import without_its_packages
with without_its_packages():
    import alaya_mcp.commands.serve
"""


def test_neither_the_client_nor_the_framework_of_the_sdk_is_loaded() -> None:
    loaded = after(f"{LOAD}\nprint(json.dumps(sorted(sys.modules)))")

    assert "mcp.server.lowlevel.server" in loaded
    assert not [name for name in loaded if name.startswith(("mcp.client", "mcp.server.mcpserver", "mcp.server.stdio"))]
    assert not {"mcp", "mcp.server"} & set(loaded)


def test_afterwards_the_packages_are_whole_and_the_classes_the_same() -> None:
    same = after(
        f"{LOAD}\nfrom alaya_mcp.server import Server as ours\nimport mcp\nfrom mcp.server import Server\n"
        "from mcp.server.lowlevel import Server as low\n"
        "print(json.dumps([Server is ours is low, hasattr(mcp, 'Client')]))"
    )

    assert same == [True, True]


def test_packages_that_are_loaded_already_are_left_alone() -> None:
    kept = after(
        "import json, sys, mcp\nfrom alaya_mcp.sdk import without_its_packages\nbefore = sys.modules['mcp']\n"
        "with without_its_packages():\n    import alaya_mcp.commands.serve\n"
        "print(json.dumps([sys.modules['mcp'] is before]))"
    )

    assert kept == [True]
