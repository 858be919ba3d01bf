"""What the documents show of real output; as a command, it captures every block again and writes it.

python -m tests.readme_output
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import anyio

from alaya_mcp.sandbox import Sandbox
from tests.calls import call, environ_of, over, text_of
from tests.stdio_host import own_environ

ROOT: Final = Path(__file__).parent.parent
DOCUMENTS: Final = (*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md")))
"""Everything that is written for people."""
DOCS_OF_OTHERS: Final = (ROOT / "docs" / "faults.md",)
"""Pages that are rewritten elsewhere, and are not held to the voice yet."""
_BLOCK: Final = re.compile(r"(?<=<!-- output: )(\w+)( -->\n```text\n)(.*?)(?=```)", re.DOTALL)
_RATE: Final = 31.4
_PASSING: Final[tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...]] = (
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:8000"),
    (
        re.compile(r"\S+ (?:was|wrote) fastest \(.* in total\)"),
        f"support-zh wrote fastest ({_RATE} tokens/s), qwen3-8b was done first (1.3 s in total)",
    ),
    (re.compile(r"\d+\.\d+ s\b(?! in total)"), "0.04 s"),
    (re.compile(r"\d+(\.\d+)? tokens/s"), f"{_RATE} tokens/s"),
    (
        re.compile(r"(completion_tokens (\d+),.*)first_token_seconds \S+, total_seconds \S+, tokens_per_second \S+"),
        lambda found: (
            f"{found[1]}first_token_seconds 0.04, total_seconds {int(found[2]) / _RATE:.2f}, tokens_per_second {_RATE}"
        ),
    ),
)
"""What differs from one time to the next, and what one quiet run at the sandbox's own speed showed."""


def settled(text: str, *places: tuple[Path, str]) -> str:
    """Output without what differs from one time, and one machine, to the next."""
    for path, shown in places:
        text = text.replace(str(path), shown)
    for pattern, value in _PASSING:
        text = pattern.sub(value, text)
    return "".join(f"{line.rstrip()}\n" for line in text.strip().splitlines())


async def command(line: str, said: str = "", folder: Path | None = None, /, **environ: str) -> str:
    """What the command prints, in a folder, after the line that runs it."""
    arguments = [sys.executable, "-m", "alaya_mcp", *line.split()[1:]]
    run = await anyio.run_process(
        arguments,
        input=said.encode(),
        check=False,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env=own_environ(COLUMNS="100", **environ),
    )
    pipe = f"echo {json.dumps(said.strip())} | " if said else ""
    return f"$ {pipe}{line}\n{run.stdout.decode()}"


@contextmanager
def _home() -> Generator[Path]:
    """A home folder with nothing in it."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder).resolve()


def _places(home: Path) -> dict[str, str]:
    configuration = str(home / ".config")
    return {
        "HOME": str(home),
        "USERPROFILE": str(home),
        "XDG_CONFIG_HOME": configuration,
        "XDG_CACHE_HOME": "",
        "APPDATA": configuration,
    }


async def _tool(name: str, /, **arguments: Any) -> str:  # noqa: ANN401 whatever the tool takes
    async with Sandbox() as sandbox:
        text = text_of(await call(over(sandbox), name, **arguments))
    return settled(f"> {name} {json.dumps(arguments)}\n{text}")


async def _list_deployments() -> str:
    return await _tool("list_deployments", name="qwen3")


async def _list_lora_models() -> str:
    return await _tool("list_lora_models", service_id="hot-load", verify=True)


async def _model_not_served() -> str:
    return await _tool(
        "chat_with_deployment", service_id="qwen3-support", model="suport-zh", prompt="Where is my order?"
    )


async def _compare_models() -> str:
    return await _tool(
        "compare_models", service_id="qwen3-support", models=["base", "support-zh"], prompt="Where is my order?"
    )


async def _install() -> str:
    with _home() as folder:
        text = await command("alayanew-mcp install cursor --dry-run", **_places(folder))
    installed = Path(sys.executable).with_name("alayanew-mcp")
    return settled(text, (folder, "~"), (installed, "/ABSOLUTE/PATH/TO/alaya_mcp/.venv/bin/alayanew-mcp"))


async def _chat() -> str:
    line = "alayanew-mcp chat qwen3-support --model support-zh --sandbox"
    return settled(await command(line, "Where is order 1042?\n"))


_PROMPTS: Final = """\
prompt,expected
sandbox: say Paris,Paris
sandbox: say paris.,Paris
订单 1042 到哪里了,
"""
_ELAPSED: Final = re.compile(r"^(qwen3-8b|sql-writer|support-zh)( +\d+\.\d+ / \d+\.\d+ s){2} +\d+\.\d$", re.MULTILINE)
_QUIET: Final = {
    "qwen3-8b": "          0.04 / 0.04 s    0.07 / 1.34 s      30.1",
    "sql-writer": "          0.04 / 0.04 s    0.07 / 1.31 s      29.9",
    "support-zh": "          0.04 / 0.04 s    0.07 / 1.78 s      30.0",
}
"""Times of each model in one quiet run at the sandbox's own speed."""
_PROGRESS: Final = re.compile(r"^\d+ of \d+ answered, .* left\n", re.MULTILINE)
"""Shown every ten seconds, where the machine is that busy."""


async def _compare() -> str:
    with _home() as folder:
        (folder / "prompts.csv").write_text(_PROMPTS, encoding="utf-8")
        line = "alayanew-mcp compare qwen3-support --prompts prompts.csv --sandbox"
        text = _PROGRESS.sub("", await command(line, "", folder))
    shown = _ELAPSED.sub(lambda row: f"{row[1]:<10}{_QUIET[row[1]]}", text)
    return "".join(f"{line.rstrip()}\n" for line in shown.strip().splitlines())


async def _doctor() -> str:
    with _home() as folder:
        async with Sandbox() as sandbox:
            text = await command("alayanew-mcp doctor qwen3-support", **_places(folder), **environ_of(sandbox))
    return settled(text, (folder, "~"))


OUTPUTS: Final[dict[str, Callable[[], Awaitable[str]]]] = {
    "list_deployments": _list_deployments,
    "list_lora_models": _list_lora_models,
    "model_not_served": _model_not_served,
    "compare_models": _compare_models,
    "install": _install,
    "chat": _chat,
    "compare": _compare,
    "doctor": _doctor,
}


def blocks(document: Path) -> dict[str, str]:
    """The blocks of a document by what they show."""
    return {name: text for name, _, text in _BLOCK.findall(document.read_text(encoding="utf-8"))}


def own_words(document: Path) -> str:
    """A document without its blocks of output."""
    return _BLOCK.sub("", document.read_text(encoding="utf-8"))


def links(document: Path) -> list[str]:
    """What a document links to."""
    return re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8"))


async def write() -> None:
    """Put what is printed now into every document that shows it."""
    shown = {name: await output() for name, output in OUTPUTS.items()}
    for document in DOCUMENTS:
        before = await anyio.Path(document).read_text(encoding="utf-8")
        after = _BLOCK.sub(lambda match: f"{match[1]}{match[2]}{shown[match[1]]}", before)
        if after != before:
            await anyio.Path(document).write_text(after, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    anyio.run(write)
