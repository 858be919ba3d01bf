"""The line editor, driven by keys."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from alaya_mcp.terminal.lines import LineInterrupted
from alaya_mcp.terminal.prompt import CommandCompleter, Prompt
from tests.patience import PATIENCE

pytestmark = pytest.mark.anyio


MODELS = ("qwen3-8b", "support-zh")


@asynccontextmanager
async def keyboard() -> AsyncGenerator[tuple[PipeInput, Prompt]]:
    with anyio.fail_after(PATIENCE), create_pipe_input() as keys:
        yield keys, Prompt(lambda: MODELS, keys, DummyOutput())


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("你好\r", "你好"),
        ("a\x1b\rb\r", "a\nb"),
        ("a \\\rb\r", "a \nb"),
        ("/save C:\\x\\\r", "/save C:\\x\\"),
        ("a\\\x1b[Db\r", "ab\\"),
        ("\x1b[200~def f():\r\n    pass\n\nf()\x1b[201~\r", "def f():\n    pass\n\nf()"),
        ("wide 字\x7f词\r", "wide 词"),
    ],
)
async def test_keys_make_a_line(keys: str, line: str) -> None:
    async with keyboard() as (source, prompt):
        source.send_text(keys)

        assert await prompt("> ") == line


async def test_an_earlier_line_comes_back() -> None:
    async with keyboard() as (source, prompt):
        source.send_text("first\r")
        await prompt("> ")
        source.send_text("\x1b[A again\r")

        assert await prompt("> ") == "first again"


@pytest.mark.parametrize(("keys", "had_text"), [("\x03", False), ("half a line\x03", True)])
async def test_ctrl_c_gives_the_line_up(keys: str, had_text: bool) -> None:
    async with keyboard() as (source, prompt):
        source.send_text(keys)

        with pytest.raises(LineInterrupted) as interrupted:
            await prompt("> ")
        assert interrupted.value.had_text is had_text


async def test_ctrl_d_leaves() -> None:
    async with keyboard() as (source, prompt):
        source.send_text("\x04")

        with pytest.raises(EOFError):
            await prompt("> ")


@pytest.mark.parametrize(
    ("begun", "whole"), [("/mod", "/model"), ("/model sup", "/model support-zh"), ("/thinking sh", "/thinking show")]
)
async def test_a_completion_takes_the_place_of_what_was_begun(begun: str, whole: str) -> None:
    document = Document(begun)

    (completion,) = CommandCompleter(lambda: MODELS).get_completions(document, CompleteEvent())

    assert begun[: completion.start_position] + completion.text == whole
