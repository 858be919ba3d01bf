"""The README is held to the code: every table, every block, every command in it."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from alaya_mcp import errors
from alaya_mcp.cli.arguments import parsers
from alaya_mcp.config.place import CONFIG_VARIABLE, PROFILE_VARIABLE
from alaya_mcp.config.settings import DEFAULT_BASE_URL, VARIABLES, Settings
from alaya_mcp.serving.server import TOOLS
from tests.patience import PATIENCE
from tests.readme_output import OUTPUTS, READMES
from tests.readme_output import blocks as output_blocks

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "claude_desktop_config.example.json"
_INSTALL_BY_NAME = re.compile(
    r"(?:pip install|uvx|pipx (?:run|install)|uv tool install)[^\n`&;]*[ \"](?:alaya-mcp|alayanew-mcp)"
)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def table_under(heading: str) -> list[list[str]]:
    """The rows of the first table under a heading, without its head."""
    section = re.split(r"^## ", README, flags=re.MULTILINE)
    body = next(part for part in section if part.startswith(heading))
    rows = [line.strip("|").split("|") for line in body.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def names_in(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def error_classes() -> dict[str, type[errors.AlayaError]]:
    return {cls.code: cls for cls in errors.AlayaError.__subclasses__()}


def test_the_example_file_is_the_blocks_word_for_word() -> None:
    example = EXAMPLE.read_text(encoding="utf-8")

    assert example in blocks("json")
    (server,) = json.loads(example)["mcpServers"].values()
    assert Path(server["command"]).name == "alayanew-mcp"
    assert set(server["env"]) <= {f"ALAYA_{field.upper()}" for field in Settings.model_fields}


@pytest.mark.parametrize("block", blocks("json"))
def test_every_json_block_is_json(block: str) -> None:
    assert json.loads(block)


def test_the_tools_table_is_the_tools() -> None:
    assert [names_in(row[0]) for row in table_under("Tools")] == [[tool.name] for tool in TOOLS]


def test_the_settings_table_is_the_settings_with_their_defaults() -> None:
    rows = table_under("Settings")
    told = {name: row[1] for row in rows for name in names_in(row[0])}
    fields = {variable: Settings.model_fields[name] for variable, name in VARIABLES.items()}

    assert set(told) == {*fields, CONFIG_VARIABLE, PROFILE_VARIABLE}
    assert DEFAULT_BASE_URL in told["ALAYA_BASE_URL"]
    for name, field in fields.items():
        if not field.is_required() and field.default is not None:
            assert f"{field.default}" in told[name], name


def test_the_errors_table_is_the_errors() -> None:
    rows = {names_in(row[0])[0]: row[2] for row in table_under("Errors")}

    assert set(rows) == set(error_classes())
    for code, again in rows.items():
        assert (again == "yes") is error_classes()[code].retryable_by_default, code


def test_the_commands_table_names_commands_that_there_are() -> None:
    rows = table_under("The sandbox")
    for command in (names_in(row[0])[0] for row in rows):
        name, *arguments = shlex.split(command.replace("HOST", "cursor"))
        assert name == "alayanew-mcp"
        if arguments != ["--version"]:
            parsers()[0].parse_args(arguments)


def test_the_line_to_send_by_hand_is_answered() -> None:
    (line,) = [block for block in blocks("bash") if block.startswith("echo")]
    message, _, command = line.strip().removeprefix("echo ").partition(" | ")
    assert command == ".venv/bin/alayanew-mcp"

    server = [sys.executable, "-m", "alaya_mcp"]
    request = shlex.split(message)[0].encode() + b"\n"
    answered = subprocess.run(server, input=request, capture_output=True, timeout=PATIENCE, check=True)  # noqa: S603 our own command

    assert json.loads(answered.stdout)["result"]["serverInfo"]["name"] == "alaya"


def test_the_two_lines_are_single_lines_and_run_by_ci() -> None:
    lines = [block.strip() for block in blocks("bash")[:2]]

    assert all("\n" not in line for line in lines)
    assert lines[0].endswith("alayanew-mcp demo")
    assert lines[1].endswith("pytest -q")
    assert len(blocks("powershell")) == len(lines)


def test_the_chinese_twin_has_the_same_blocks_headings_and_names() -> None:
    twin = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")

    def shape(text: str) -> tuple[list[str], list[str], list[list[str]]]:
        fenced = re.findall(r"```.*?```", text, re.DOTALL)
        rows = [names_in(line.split("|")[1]) for line in text.splitlines() if line.startswith("|")]
        return re.findall(r"^#+", text, re.MULTILINE), fenced, rows

    assert shape(twin) == shape(README)


def test_nobody_is_told_to_install_a_package_by_its_name() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*.json")]:
        text = page.read_text(encoding="utf-8")
        assert not _INSTALL_BY_NAME.search(text), page.name


def test_every_link_in_the_documents_leads_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.anyio
@pytest.mark.parametrize("name", OUTPUTS)
async def test_what_is_shown_of_output_is_what_is_printed(name: str) -> None:
    with anyio.fail_after(PATIENCE):
        printed = await OUTPUTS[name]()

    for readme in READMES:
        assert output_blocks(readme)[name] == printed, "python -m tests.readme_output writes them anew"


def test_every_block_of_output_is_made_by_something() -> None:
    for readme in READMES:
        assert set(output_blocks(readme)) == set(OUTPUTS)
