"""The SDK's server without its packages: less is loaded, and afterwards everything is as ever."""

import json
import subprocess
import sys

from tests.patience import PATIENCE


def after(statement: str) -> list[str]:
    """What a fresh interpreter prints, as JSON."""
    run = subprocess.run([sys.executable, "-c", statement], check=True, capture_output=True, timeout=PATIENCE)  # noqa: S603 our own words
    return json.loads(run.stdout)


LOAD = """
import json, sys
from alaya_mcp.serving.stdio.sdk import deferring
with deferring():
    import alaya_mcp.cli.serve
"""


def test_neither_the_client_nor_the_framework_of_the_sdk_is_loaded() -> None:
    loaded = after(f"{LOAD}\nprint(json.dumps(sorted(sys.modules)))")

    assert "mcp.server.lowlevel.server" in loaded
    assert not [name for name in loaded if name.startswith(("mcp.client", "mcp.server.mcpserver", "mcp.server.stdio"))]


def test_afterwards_the_packages_are_whole_and_the_classes_the_same() -> None:
    same = after(
        f"{LOAD}\nfrom alaya_mcp.serving.server import Server as ours\nimport mcp\nfrom mcp.server import Server\n"
        "from mcp.server.lowlevel import Server as low\n"
        "print(json.dumps([Server is ours is low, hasattr(mcp, 'Client')]))"
    )

    assert same == [True, True]


def test_modules_are_found_in_their_packages_as_ever() -> None:
    found = after(
        f"{LOAD}\nimport mcp.server.lowlevel, mcp.shared.message\n"
        "print(json.dumps([mcp.server.lowlevel.Server.__name__, mcp.shared.message.SessionMessage.__name__, "
        "'mcp.client' in sys.modules, mcp.Client.__name__, hasattr(mcp, 'nothing')]))"
    )

    assert found == ["Server", "SessionMessage", False, "Client", False]


def test_packages_that_are_loaded_already_are_left_alone() -> None:
    kept = after(
        "import json, sys, mcp\nfrom alaya_mcp.serving.stdio.sdk import deferring\nbefore = sys.modules['mcp']\n"
        "with deferring(): import alaya_mcp.cli.serve\n"
        "print(json.dumps([sys.modules['mcp'] is before]))"
    )

    assert kept == [True]


def test_validators_are_built_at_their_first_use_and_later_types_are_as_ever() -> None:
    facts = after(
        f"{LOAD}\nimport mcp_types, pydantic\nkept = mcp_types.Tool.__pydantic_complete__\n"
        "tool = mcp_types.Tool.model_validate({'name': 'x', 'inputSchema': {}})\n"
        "class Later(pydantic.BaseModel): pass\n"
        "print(json.dumps([kept, mcp_types.Tool.__pydantic_complete__, tool.name, Later.__pydantic_complete__]))"
    )

    assert facts == [False, True, "x", True]


def test_spans_are_made_where_somebody_collects_them() -> None:
    found = after(
        f"{LOAD}\nfrom opentelemetry import trace\nfrom alaya_mcp.config.settings import load_settings\n"
        "from alaya_mcp.serving.server import create_server\n"
        "settings = load_settings({'ALAYA_ACCESS_KEY': 'a', 'ALAYA_SECRET_KEY': 's'})\n"
        "without = create_server(settings).middleware\ntrace.set_tracer_provider(trace.NoOpTracerProvider())\n"
        "both = without, create_server(settings).middleware\n"
        "print(json.dumps([[type(each).__name__ for each in kept] for kept in both]))"
    )

    assert found == [[], ["OpenTelemetryMiddleware"]]
