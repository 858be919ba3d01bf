"""Who may import whom, and what is loaded when: by parsing imports, and by asking a fresh interpreter."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import alaya_mcp

PACKAGE = Path(alaya_mcp.__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))
LINE_BUDGET = 300

# Lower layers first: a module imports from its own layer or from one before it.
LAYERS: tuple[tuple[str, ...], ...] = (
    (
        "errors",
        "deadline",
        "origins",
        "descriptors",
        "sdk",
        "environment",
        "replacement",
        "wrapping",
        "suggestions",
        "host_limits",
        "deployment.lenient",
        "deployment.launch",
    ),
    ("deployment.reference", "config_place"),
    ("config_file",),
    ("sources",),
    ("settings", "progress", "logs", "console", "deployment.wire"),
    ("deployment.names", "deployment.readiness", "results", "upstream.position"),
    ("deployment.views", "deployment.listing", "deployment.waiting"),
    ("deployment.verification",),
    ("upstream.error_codes", "upstream.failures", "upstream.proxies", "upstream.words", "upstream.auth"),
    ("upstream.context_length", "upstream.resend", "upstream.transport"),
    ("upstream.refusals", "upstream.subject"),
    ("upstream.statuses",),
    ("upstream.explain",),
    ("upstream.client", "upstream.lookups", "upstream.directory", "upstream.pages"),
    ("chat.request", "chat.events", "chat.thinking", "chat.tool_calls", "chat.size", "chat.continuation"),
    ("chat.finish_reasons", "chat.usage", "chat.engine_errors", "chat.event_data"),
    ("chat.reply", "chat.answer"),
    ("chat.structured", "chat.schema_check", "chat.kept_replies"),
    ("chat.model_choice",),
    ("chat.second_chance", "chat.exchange"),
    ("chat.remarks",),
    ("chat.outcome",),
    ("chat.conversation",),
    ("session",),
    (
        "terminal.commands",
        "terminal.conversation",
        "terminal.facts",
        "terminal.interruption",
        "terminal.lines",
        "terminal.screen",
    ),
    ("terminal.prompt", "terminal.respondent", "terminal.selection", "terminal.transcript"),
    ("terminal.answers", "terminal.dialogue"),
    ("tools.schema", "tools.boundary", "tools.text", "tools.json_values", "tools.caller"),
    ("tools.tool", "tools.messages", "tools.subject"),
    ("tools.chat_arguments",),
    ("tools.list_deployments", "tools.get_deployment", "tools.list_lora_models", "tools.chat_with_deployment"),
    ("context.prompts", "context.resources"),
    ("context.completions",),
    ("server",),
    ("backpressure", "unreadable", "opening", "pipes", "stdio"),
    ("hosts.catalogue", "hosts.json_text", "hosts.documents"),
    ("hosts.entries", "hosts.references", "hosts.writing"),
    ("hosts.changes", "hosts.differences", "hosts.files"),
    ("hosts.own_commands", "hosts.findings"),
    ("hosts.transaction",),
    ("doctor.check", "doctor.causes", "doctor.network"),
    ("doctor.configuration", "doctor.connection", "doctor.deployment", "doctor.hosts", "doctor.report"),
    ("doctor.control_plane", "doctor.engine", "doctor.transcript"),
    ("doctor.interview",),
    ("doctor.examination",),
    ("commands.embedded_sandbox",),
    ("commands.serve", "commands.sandbox", "commands.demo", "commands.chat", "commands.doctor", "commands.install"),
    ("commands.uninstall",),
    ("arguments",),
    ("cli",),
    ("__main__",),
)
MCP_ONLY_IN = ("tools.", "context.", "server", "pipes", "stdio", "unreadable", "commands.demo")
HTTP_ONLY_IN = ("upstream.", "chat.answer", "doctor.network", "sandbox.")
RICH_ONLY_IN = ("console", "wrapping", "commands.chat", "commands.demo", "doctor.report", "terminal.screen")
PROMPT_TOOLKIT_ONLY_IN = ("terminal.prompt",)


def name_of(path: Path) -> str:
    """A module's dotted name inside the package."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


LAYERED = [path for path in MODULES if path.name != "__init__.py" and not name_of(path).startswith("sandbox.")]
SANDBOX = [path for path in MODULES if name_of(path).startswith("sandbox.")]


def imports_of(path: Path) -> set[str]:
    """Every module that a file imports, in full."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import"
            found |= {node.module or ""} if node.module != "alaya_mcp" else {f"alaya_mcp.{a.name}" for a in node.names}
    return found


def layer_of(name: str) -> int:
    return next(index for index, layer in enumerate(LAYERS) if name in layer)


@pytest.mark.parametrize("path", LAYERED, ids=name_of)
def test_a_module_imports_from_its_own_layer_or_below(path: Path) -> None:
    ours = {module.removeprefix("alaya_mcp.") for module in imports_of(path) if module.startswith("alaya_mcp.")}
    for imported in ours - {"__version__", "sandbox"}:
        assert layer_of(imported) <= layer_of(name_of(path)), f"{name_of(path)} imports {imported}"
    assert "sandbox" not in ours or name_of(path).startswith("commands.")


@pytest.mark.parametrize("path", SANDBOX, ids=name_of)
def test_the_sandbox_shares_nothing_with_the_client(path: Path) -> None:
    ours = {module for module in imports_of(path) if module.startswith("alaya_mcp")}

    assert all(module.startswith("alaya_mcp.sandbox") for module in ours)
    assert not any(module.split(".")[0] in {"mcp", "mcp_types"} for module in imports_of(path))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_each_library_is_used_where_it_belongs(path: Path) -> None:
    libraries = {module.split(".")[0] for module in imports_of(path)}

    assert not libraries & {"mcp", "mcp_types"} or name_of(path).startswith(MCP_ONLY_IN)
    assert "httpx2" not in libraries or name_of(path).startswith(HTTP_ONLY_IN)
    assert "rich" not in libraries or name_of(path).startswith(RICH_ONLY_IN)
    assert "prompt_toolkit" not in libraries or name_of(path).startswith(PROMPT_TOOLKIT_ONLY_IN)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_private_part_of_a_library_is_used(path: Path) -> None:
    for module in imports_of(path) - {"__future__"}:
        assert not any(part.startswith("_") for part in module.split(".")) or module.startswith("alaya_mcp.")


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_stays_within_the_line_budget(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINE_BUDGET


def loaded_after(statement: str) -> set[str]:
    """The modules that a fresh interpreter holds after a statement."""
    script = f"import json, sys\n{statement}\nprint(json.dumps(list(sys.modules)))"
    command = [sys.executable, "-c", script]
    run = subprocess.run(command, check=True, capture_output=True, timeout=60)  # noqa: S603 our own words
    return set(json.loads(run.stdout))


def test_importing_one_module_does_not_load_the_others() -> None:
    assert {name for name in loaded_after("import alaya_mcp") if name.startswith("alaya_mcp")} == {"alaya_mcp"}
    loaded = loaded_after("import alaya_mcp.chat.events")
    ours = {name for name in loaded if name.startswith("alaya_mcp")}
    assert ours == {"alaya_mcp", "alaya_mcp.chat", "alaya_mcp.chat.events"}
    assert "pydantic" not in loaded


def test_the_stdio_server_loads_nothing_that_it_does_not_use() -> None:
    loaded = loaded_after("import alaya_mcp.commands.serve")

    others = ("sandbox", "console", "context", "config_file", "doctor", "hosts", "terminal")
    unused = (*(f"alaya_mcp.{name}" for name in others), "rich", "prompt_toolkit", "platformdirs", "socksio")
    assert not [name for name in loaded if name.startswith(unused)]
    assert not [name for name in loaded if name.startswith("alaya_mcp.commands.") and not name.endswith("serve")]


def test_the_server_checks_schemas_in_a_worker_and_never_loads_the_validator_for_it() -> None:
    ours = {name for name in loaded_after("import alaya_mcp.commands.serve") if name.startswith("alaya_mcp.")}

    assert "alaya_mcp.chat.structured" in ours
    assert "alaya_mcp.chat.schema_check" not in ours


def test_the_public_surface_is_there_and_nothing_else() -> None:
    for name in alaya_mcp.__all__:
        assert getattr(alaya_mcp, name)
    with pytest.raises(AttributeError):
        _ = alaya_mcp.nothing_of_that_name  # type: ignore[attr-defined] # that is the claim
