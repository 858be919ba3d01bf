"""The documents are held to the code: every table, every block and every command in them."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from alaya_mcp import errors
from alaya_mcp.cli.arguments import parsers
from alaya_mcp.config.place import CONFIG_VARIABLE, PROFILE_VARIABLE
from alaya_mcp.config.settings import DEFAULT_BASE_URL, VARIABLES, Settings
from alaya_mcp.hosts.catalogue import HOSTS
from alaya_mcp.sandbox import FAULTS
from alaya_mcp.serving.server import TOOLS
from alaya_mcp.serving.tools.chat_with_deployment import ChatArguments
from alaya_mcp.serving.tools.list_deployments import ListDeploymentsArguments
from alaya_mcp.terminal.commands import COMMANDS
from tests.patience import PATIENCE
from tests.readme_output import DOCUMENTS, OUTPUTS, ROOT, links
from tests.readme_output import blocks as output_blocks

README = ROOT / "README.md"
TWIN = ROOT / "README.zh-CN.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
DOCS = ROOT / "docs"
EXAMPLE = ROOT / "claude_desktop_config.example.json"
_CI_LINES = (r"^python3 -m venv .* demo$", r"^python3 -m venv .* pytest -q$", r"^\.venv/bin/ruff check.*$")
"""What `.ci/run` looks for in the README, and runs."""
_PLACEHOLDERS = {
    "[SERVICE]": "my-model",
    "SERVICE": "my-model",
    "HOST": "cursor",
    "NAME": "reset",
    "DIR": "folder",
    "TEXT": "words",
    "SECONDS": "10",
    "URL": "http://127.0.0.1:9",
    "PORT": "0",
    "N": "1",
    "X": "1",
    "I/N": "1/2",
    "FILE": "file",
    "NAMES": "base",
}


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def fenced(page: Path, language: str) -> list[str]:
    blocks = re.findall(rf"^( *)```{language}\n(.*?)^ *```", read(page), re.DOTALL | re.MULTILINE)
    return ["".join(line.removeprefix(indent) for line in block.splitlines(keepends=True)) for indent, block in blocks]


def table_under(page: Path, heading: str) -> list[list[str]]:
    """The rows of the first table under a heading, without its head."""
    sections = re.split(r"^#+ ", read(page), flags=re.MULTILINE)
    body = next(part for part in sections if part.startswith(heading))
    return next(tables(body))


def tables(text: str) -> Iterator[list[list[str]]]:
    """The rows of each table, without its head."""
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        rows = [re.split(r"(?<!\\)\|", line.strip("|")) for line in table.splitlines()]
        yield [[cell.strip().replace("\\|", "|") for cell in row] for row in rows[2:]]


def names_in(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def error_classes() -> dict[str, type[errors.AlayaError]]:
    return {cls.code: cls for cls in errors.AlayaError.__subclasses__()}


def check_command(line: str, *options: str) -> None:
    """Parse a command line as it is shown in a document, with something in place of its placeholders."""
    name, *arguments = (_PLACEHOLDERS.get(word, word) for word in [*shlex.split(line), *options])
    assert name == "alayanew-mcp", line
    if "--version" not in arguments:
        parsers()[0].parse_args(arguments)


def test_the_example_file_is_the_block_word_for_word() -> None:
    example = EXAMPLE.read_text(encoding="utf-8")

    assert example in fenced(DOCS / "hosts.md", "json")
    (server,) = json.loads(example)["mcpServers"].values()
    assert Path(server["command"]).name == "alayanew-mcp"
    assert set(server["env"]) <= {f"ALAYA_{field.upper()}" for field in Settings.model_fields}


def test_every_json_block_is_json() -> None:
    blocks = [block for page in DOCUMENTS for block in fenced(page, "json")]

    assert blocks
    assert all(json.loads(block) for block in blocks)


@pytest.mark.parametrize("page", [README, DOCS / "tools.md"], ids=lambda page: page.name)
def test_the_tools_table_is_the_tools(page: Path) -> None:
    assert [names_in(row[0]) for row in table_under(page, "Tools")] == [[tool.name] for tool in TOOLS]


def test_every_argument_of_a_tool_has_a_row() -> None:
    listing = {name for row in table_under(DOCS / "tools.md", "Finding") for name in names_in(row[0])}
    chat = {name for row in table_under(DOCS / "tools.md", "Chat") for name in names_in(row[0])}

    assert listing == set(ListDeploymentsArguments.model_fields)
    assert chat - {"messages[].images"} == set(ChatArguments.model_fields) - {"service_id", "prompt", "messages"}


def test_the_settings_table_is_the_settings_with_their_defaults() -> None:
    rows = table_under(DOCS / "settings.md", "Variables")
    documented = {name: row[1] for row in rows for name in names_in(row[0])}
    fields = {variable: Settings.model_fields[name] for variable, name in VARIABLES.items()}

    assert set(documented) == {*fields, CONFIG_VARIABLE, PROFILE_VARIABLE}
    assert DEFAULT_BASE_URL in documented["ALAYA_BASE_URL"]
    short = {name: row[1] for row in table_under(README, "Settings") for name in names_in(row[0])}
    assert set(short) < set(documented)
    for name, field in fields.items():
        if not field.is_required() and field.default is not None:
            assert f"{field.default}" in documented[name], name
            assert f"{field.default}" in short.get(name, documented[name]), name


def test_the_errors_table_is_the_errors() -> None:
    rows = {names_in(row[0])[0]: row[2] for row in table_under(DOCS / "errors.md", "Codes")}

    assert set(rows) == set(error_classes())
    for code, again in rows.items():
        assert (again == "yes") is error_classes()[code].retryable_by_default, code


def test_the_commands_table_has_every_command_and_option() -> None:
    rows = table_under(DOCS / "commands.md", "Commands")
    _, commands = parsers()

    for row in rows:
        command = names_in(row[0])[0]
        check_command(command)
        for option in names_in(row[1]):
            if option.startswith("--") and option != "--help":
                check_command(command, *option.split())
    for name, parser in commands.items():
        shown = next((row for row in rows if f"`alayanew-mcp {name}" in row[0]), ["", ""])
        options = set(re.findall(r"--[a-z-]+", parser.format_help())) - {"--help"}
        assert options == set(re.findall(r"--[a-z-]+", shown[1])), name


@pytest.mark.parametrize(
    ("page", "command"),
    [
        ("hosts.md", "alayanew-mcp install HOST"),
        ("troubleshooting.md", "alayanew-mcp doctor"),
        ("chat.md", "alayanew-mcp chat"),
        ("compare.md", "alayanew-mcp compare"),
        ("sandbox.md", "alayanew-mcp sandbox"),
    ],
)
def test_every_option_on_a_page_is_an_option_of_its_command(page: str, command: str) -> None:
    options = [
        option
        for table in tables(read(DOCS / page))
        for row in table
        for option in names_in(row[0])
        if option.startswith("--")
    ]

    assert options
    for option in options:
        check_command(command, *option.split())


def test_every_command_in_the_documents_is_one() -> None:
    shown = {
        line.strip()
        for page in DOCUMENTS
        for line in re.findall(r"(?:`| |\n)(alayanew-mcp [^`\n|]*)(?=`|\n)", read(page))
        if re.match(r"alayanew-mcp (?:--|[a-z]+(?= |$))", line) and "..." not in line
    }

    assert len(shown) > len(parsers()[1])
    for command in shown:
        check_command(command)


def test_the_terminal_commands_are_listed() -> None:
    rows = table_under(DOCS / "chat.md", "On a terminal")

    assert sorted(name for row in rows for name in names_in(row[0])) == sorted(command.usage for command in COMMANDS)


def test_every_host_that_can_be_installed_is_named() -> None:
    for page in (README, TWIN, DOCS / "hosts.md"):
        assert all(f"`{host}`" in read(page) for host in HOSTS)
    assert [names_in(row[0])[0] for row in table_under(DOCS / "hosts.md", "`install`")] == list(HOSTS)


def test_the_faults_that_are_named_exist() -> None:
    known = {name for name, _ in FAULTS}
    named = [name for page in DOCUMENTS for name in re.findall(r"(?:`fault-|--fault )([a-z0-9-]+)`", read(page))]

    assert named
    assert set(named) <= known


def test_the_line_to_send_by_hand_is_answered() -> None:
    (line,) = [block for block in fenced(DOCS / "hosts.md", "bash") if block.startswith("echo")]
    message, _, command = line.strip().removeprefix("echo ").partition(" | ")
    assert command == ".venv/bin/alayanew-mcp"

    server = [sys.executable, "-m", "alaya_mcp"]
    request = shlex.split(message)[0].encode() + b"\n"
    answered = subprocess.run(server, input=request, capture_output=True, timeout=PATIENCE, check=True)  # noqa: S603 our own command

    assert json.loads(answered.stdout)["result"]["serverInfo"]["name"] == "alaya"


def test_each_line_that_ci_runs_is_there_once_in_a_block_of_its_own() -> None:
    lines = [re.findall(pattern, read(README), re.MULTILINE) for pattern in _CI_LINES]

    assert [block.strip() for block in fenced(README, "bash")] == [line for (line,) in lines]
    ends = [block.strip().rpartition("; ")[2] for block in fenced(README, "powershell")]
    assert ends == [r".venv\Scripts\alayanew-mcp demo", r".venv\Scripts\python -m pytest -q"]


def test_contributors_install_with_the_beginning_of_the_line_that_runs_the_tests() -> None:
    for language in ("bash", "powershell"):
        whole = next(block for block in fenced(README, language) if block.strip().endswith("pytest -q"))
        assert whole.startswith(fenced(CONTRIBUTING, language)[0].strip())


def test_the_chinese_twin_has_the_same_blocks_headings_and_names() -> None:
    def shape(page: Path) -> tuple[list[str], list[str], list[list[str]]]:
        text = read(page)
        rows = [names_in(line.split("|")[1]) for line in text.splitlines() if line.startswith("|")]
        return re.findall(r"^#+", text, re.MULTILINE), re.findall(r"```.*?```", text, re.DOTALL), rows

    assert shape(TWIN) == shape(README)
    assert set(links(TWIN)) - {"README.md"} == set(links(README)) - {"README.zh-CN.md"}


@pytest.mark.anyio
@pytest.mark.parametrize("name", OUTPUTS)
async def test_what_is_shown_of_output_is_what_is_printed(name: str) -> None:
    with anyio.fail_after(PATIENCE):
        printed = await OUTPUTS[name]()

    shown = [output_blocks(page)[name] for page in DOCUMENTS if name in output_blocks(page)]
    assert shown
    assert set(shown) == {printed}, "python -m tests.readme_output captures it again"


def test_every_block_of_output_is_made_by_something() -> None:
    assert {name for page in DOCUMENTS for name in output_blocks(page)} == set(OUTPUTS)
