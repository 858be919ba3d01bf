"""Who may import whom, and what is loaded when: by parsing imports, and by asking a fresh interpreter."""

import ast
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import alaya_mcp
from tests.patience import PATIENCE

PACKAGE = Path(alaya_mcp.__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))
LINE_BUDGET = 300

SHARED = frozenset(
    {
        "atomic_file",
        "clock",
        "deadline",
        "error_causes",
        "error_file_sentences",
        "error_same_steps",
        "error_sentences",
        "errors",
        "first_answers",
        "logs",
        "observer",
        "origins",
        "printable",
        "progress",
        "results",
        "suggestions",
        "telemetry",
        "validation",
    }
)
"""Modules that every room may use; among them, as inside of a room, only circles are forbidden."""
ROOMS: dict[str, frozenset[str]] = {
    "config": frozenset({"deployment"}),
    "deployment": frozenset(),
    "upstream": frozenset({"config", "deployment"}),
    "chat": frozenset({"deployment", "upstream"}),
    "accounts": frozenset({"chat", "config", "upstream"}),
    "comparison": frozenset({"accounts", "chat", "config", "deployment", "upstream"}),
    "store": frozenset({"chat"}),
    "observability": frozenset({"upstream"}),
    "serving": frozenset({"accounts", "chat", "comparison", "config", "deployment", "store", "upstream"}),
    "terminal": frozenset({"accounts", "chat", "comparison", "config", "deployment", "upstream"}),
    "hosts": frozenset({"config"}),
    "doctor": frozenset({"accounts", "chat", "config", "deployment", "hosts", "upstream"}),
    "cli": frozenset(
        {
            "accounts",
            "chat",
            "comparison",
            "config",
            "deployment",
            "doctor",
            "hosts",
            "observability",
            "sandbox",
            "serving",
            "terminal",
            "upstream",
        }
    ),
    "sandbox": frozenset(),
}
"""Who may import whom."""
INNER_ROOMS: dict[str, frozenset[str]] = {
    "chat.stream": frozenset({"deployment", "upstream"}),
    "serving.stdio": frozenset(),
}
"""Parts of a room that know nothing of the rest of it."""

LIBRARIES: dict[tuple[str, ...], tuple[str, ...]] = {
    ("mcp", "mcp_types"): ("serving.", "cli.demo"),
    ("httpx2",): ("upstream.", "chat.stream.decoder", "doctor.network", "doctor.probe", "sandbox."),
    ("opentelemetry", "prometheus_client"): ("observability.", "serving.server"),
    ("rich",): (
        "cli.chat",
        "cli.demo",
        "cli.list",
        "doctor.report",
        "terminal.comparison_progress",
        "terminal.comparison_table",
        "terminal.console",
        "terminal.deployment_table",
        "terminal.load_table",
        "terminal.screen",
        "terminal.wrapping",
    ),
    ("prompt_toolkit",): ("terminal.prompt",),
}
"""Where alone each of these is imported."""


def name_of(path: Path) -> str:
    """A module's dotted name inside the package."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


@cache
def imports_of(path: Path) -> frozenset[str]:
    """Every module that a file imports, in full."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import"
            found |= {node.module or ""} if node.module != "alaya_mcp" else {f"alaya_mcp.{a.name}" for a in node.names}
    return frozenset(found)


NAMES = {name_of(path) for path in MODULES}


def ours(path: Path) -> set[str]:
    """The modules of this package that a file imports."""
    return {module for full in imports_of(path) if (module := full.removeprefix("alaya_mcp.")) != full} & NAMES


def room_of(name: str) -> str:
    """The room that a module is in, or itself where it stands beside them."""
    return name.split(".", maxsplit=1)[0]


def test_a_room_imports_what_the_table_says_and_nothing_else() -> None:
    above = {"__init__": frozenset({"config", "serving"}), "__main__": frozenset({"cli"})}
    astray: dict[str, set[str]] = {}
    for path in MODULES:
        room = room_of(name_of(path))
        shared: frozenset[str] = frozenset() if room == "sandbox" else SHARED
        allowed = (ROOMS | above).get(room, frozenset()) | shared | {room}
        astray[name_of(path)] = {room_of(module) for module in ours(path)} - allowed

    assert not {name: used for name, used in astray.items() if used}, "imported against the table"


def test_an_inner_room_knows_nothing_of_the_rest() -> None:
    astray: dict[str, set[str]] = {}
    for inner, rooms in INNER_ROOMS.items():
        inside = [path for path in MODULES if name_of(path).startswith(f"{inner}.")]
        assert inside, inner
        for path in inside:
            outside = {module for module in ours(path) if not module.startswith(f"{inner}.")}
            astray[name_of(path)] = {module for module in outside if room_of(module) not in rooms | SHARED}

    assert not {name: used for name, used in astray.items() if used}, "imported against the table"


def test_there_is_no_circle_between_modules() -> None:
    left = {name_of(path): ours(path) - {name_of(path)} for path in MODULES}
    while free := {name for name, imported in left.items() if not imported & left.keys()}:
        left = {name: imported for name, imported in left.items() if name not in free}

    assert not left, f"imported in a circle, or on top of one: {sorted(left)}"


def test_each_package_says_in_one_line_what_it_is() -> None:
    for path in MODULES:
        if path.name == "__init__.py" and path.parent not in {PACKAGE, PACKAGE / "sandbox"}:
            (said,) = path.read_text(encoding="utf-8").splitlines()
            assert said.startswith('"""')


def libraries_of(path: Path) -> set[str]:
    """The names of the packages that a file imports from."""
    return {module.split(".")[0] for module in imports_of(path)}


def test_the_sandbox_does_not_know_the_protocol() -> None:
    sandbox = [path for path in MODULES if room_of(name_of(path)) == "sandbox"]

    assert sandbox
    assert not [name_of(path) for path in sandbox if libraries_of(path) & {"mcp", "mcp_types"}]


@pytest.mark.parametrize(("libraries", "only_in"), LIBRARIES.items(), ids=["-".join(names) for names in LIBRARIES])
def test_each_library_is_used_where_it_belongs(libraries: tuple[str, ...], only_in: tuple[str, ...]) -> None:
    users = {name_of(path) for path in MODULES if libraries_of(path).intersection(libraries)}

    assert users
    assert not {name for name in users if not name.startswith(only_in)}


def test_no_private_part_of_a_library_is_used() -> None:
    private = {
        f"{name_of(path)}: {module}"
        for path in MODULES
        for module in imports_of(path) - {"__future__"}
        if any(part.startswith("_") for part in module.split(".")) and not module.startswith("alaya_mcp.")
    }

    assert not private


def test_a_module_stays_within_the_line_budget() -> None:
    lines = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}

    assert not {name: count for name, count in lines.items() if count > LINE_BUDGET}


@cache
def loaded_after(statement: str) -> frozenset[str]:
    """The modules that a fresh interpreter holds after a statement."""
    script = f"import json, sys\n{statement}\nprint(json.dumps(list(sys.modules)))"
    command = [sys.executable, "-c", script]
    run = subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)  # noqa: S603 our own words
    return frozenset(json.loads(run.stdout))


def test_importing_one_module_does_not_load_the_others() -> None:
    assert {name for name in loaded_after("import alaya_mcp") if name.startswith("alaya_mcp")} == {"alaya_mcp"}
    loaded = loaded_after("import alaya_mcp.chat.stream.events")
    ours = {name for name in loaded if name.startswith("alaya_mcp")}
    assert ours == {
        "alaya_mcp",
        "alaya_mcp.chat",
        "alaya_mcp.chat.stream",
        "alaya_mcp.chat.stream.events",
        "alaya_mcp.printable",
    }
    assert "pydantic" not in loaded


def test_the_stdio_server_loads_nothing_that_it_does_not_use() -> None:
    loaded = loaded_after("import alaya_mcp.cli.serve")

    others = tuple(f"alaya_mcp.{name}" for name in ("sandbox", "doctor", "hosts", "observability", "terminal"))
    unused = (
        *others,
        "opentelemetry.sdk",
        "opentelemetry.exporter",
        "rich",
        "prompt_toolkit",
        "jsonschema",
        "socksio",
        "httpcore2",
        "h11",
    )
    assert not [name for name in loaded if name.startswith(unused)]
    assert not [name for name in loaded if name.startswith("alaya_mcp.cli.") and not name.endswith("serve")]


def test_the_server_checks_schemas_in_a_worker_and_never_loads_the_validator_for_it() -> None:
    ours = {name for name in loaded_after("import alaya_mcp.cli.serve") if name.startswith("alaya_mcp.")}

    assert "alaya_mcp.chat.structured" in ours
    assert "alaya_mcp.chat.schema_check" not in ours


def test_the_public_surface_is_there_and_nothing_else() -> None:
    for name in alaya_mcp.__all__:
        assert getattr(alaya_mcp, name)
    with pytest.raises(AttributeError):
        _ = alaya_mcp.nothing_of_that_name  # type: ignore[attr-defined] # that is the claim
