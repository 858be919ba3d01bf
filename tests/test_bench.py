"""`alayanew-mcp bench`: what is sent, how much of it at once, and what is made of the answers."""

import json
import signal
from typing import Any

import anyio
import anyio.to_thread
import pytest

from alaya_mcp.cli import bench as command
from alaya_mcp.cli.arguments import parsed
from alaya_mcp.comparison.load import LoadPlan, load_result, requests_at
from alaya_mcp.comparison.models import ComparedModel
from alaya_mcp.comparison.result import AnswerError, ComparedAnswer
from alaya_mcp.results import Timing, Usage
from alaya_mcp.terminal.load_table import load_chart
from tests.patience import PATIENCE
from tests.stdio_host import own_environ
from tests.test_commands import run_warm
from tests.typed_terminal import TypedTerminal
from tests.upstream import DONE, Exchange, Request, Upstream, replies, says, text_chunk

pytestmark = pytest.mark.anyio

BASE = ComparedModel("base", "base")


async def ran(upstream: Upstream, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The command's exit status, run here."""
    for name, value in upstream.environ.items():
        monkeypatch.setenv(name, value)
    with anyio.fail_after(PATIENCE):
        return await command.run(parsed(["bench", *arguments]))


def rows_in(printed: str) -> list[dict[str, Any]]:
    """What was measured, of a command with --json."""
    return json.loads(printed)["results"]


@pytest.mark.parametrize(("most", "levels"), [(1, (1,)), (2, (1, 2)), (6, (1, 2, 4, 6)), (8, (1, 2, 4, 8))])
def test_the_chats_at_once_double_up_to_the_most(most: int, levels: tuple[int, ...]) -> None:
    plan = LoadPlan([BASE, BASE], most, "Why?", 9, 60)

    assert plan.levels == levels
    assert plan.requests == 2 * (1 + sum(map(requests_at, levels)))


async def test_as_many_chats_run_at_once_as_a_level_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at_once = [1] + 4 * [1] + 4 * [2] + 8 * [4]
    waiting: list[anyio.Event] = []

    async def chat(_: Request, exchange: Exchange) -> None:
        turn = anyio.Event()
        waiting.append(turn)
        if len(waiting) == at_once[len(upstream.chats) - 1]:
            for each in waiting:
                each.set()
            waiting.clear()
        await turn.wait()
        usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
        await exchange.events(text_chunk("Because"), text_chunk(finish_reason="stop"))
        await exchange.event({"object": "chat.completion.chunk", "choices": [], "usage": usage})
        await exchange.event(DONE)

    async with Upstream(chat=chat) as upstream:
        status = await ran(upstream, monkeypatch, "--chats", "4", "--models", "base", "--json")

    rows = rows_in(capsys.readouterr().out)
    assert status == 0
    assert [(row["chats"], row["requests"], row["completion_tokens"]) for row in rows] == [
        *((1, 4, 28), (2, 4, 28), (4, 8, 56)),
    ]
    prompts = [request.json["messages"][0]["content"] for request in upstream.chats]
    assert len(set(prompts)) == len(prompts) == len(at_once)
    assert all(request.json["max_tokens"] == 128 for request in upstream.chats)


async def test_base_and_adapters_are_measured_level_by_level(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def chat(request: Request, exchange: Exchange) -> None:
        await replies("Because", model=request.json["model"])(request, exchange)

    async with Upstream(chat=chat) as upstream:
        status = await ran(upstream, monkeypatch, "--chats", "2")

    printed = capsys.readouterr()
    rows = [line.split() for line in printed.out.splitlines() if "lora1" in line or "base" in line]
    assert status == 0
    assert [row[:2] for row in rows[::2]] == [["1", "base"], ["2", "base"]]
    assert [row[0] for row in rows[1::2]] == ["lora1", "lora1"]
    assert "18 requests to base, lora1, with 1, 2 at once" in " ".join(printed.err.split())


async def test_a_model_that_does_not_answer_ends_it_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Upstream(chat=says(403, {"error": {"message": "no"}})) as upstream:
        status = await ran(upstream, monkeypatch, "--json")

    assert status == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "access_denied"
    assert {request.json["model"] for request in upstream.chats} == {"base"}


async def test_an_unknown_model_sends_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Upstream(chat=replies("no"), models=says(200, {"data": [{"id": "base"}]})) as upstream:
        status = await ran(upstream, monkeypatch, "--models", "bose")

    assert status == 1
    assert 'Did you mean "base"?' in " ".join(capsys.readouterr().err.split())
    assert not upstream.chats


async def test_more_than_200_requests_need_a_yes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Upstream(chat=replies("no")) as upstream:
        status = await ran(upstream, monkeypatch, "--chats", "64")
        printed = capsys.readouterr()
        as_json = await ran(upstream, monkeypatch, "--chats", "64", "--json")

    assert (status, as_json) == (1, 1)
    assert "Add --yes" in printed.err
    assert "Add --yes" in json.loads(capsys.readouterr().out)["error"]["message"]
    assert not upstream.chats


def test_a_person_is_asked_and_can_decline() -> None:
    with TypedTerminal("bench", "qwen3-support", "--sandbox", "--chats", "64", environ=own_environ()) as terminal:
        terminal.shows("[y/N]")
        terminal.types("n")

        assert terminal.process.wait(PATIENCE) == 1


async def test_ctrl_c_shows_what_was_measured() -> None:
    async def chat(request: Request, exchange: Exchange) -> None:
        await (replies("Because")(request, exchange) if len(upstream.chats) <= 5 else exchange.hang())

    def interrupted() -> tuple[int, str]:
        with TypedTerminal("bench", "--models", "base", environ=own_environ(**upstream.environ)) as terminal:
            terminal.shows("1 of 4 rows")
            terminal.process.send_signal(signal.SIGINT)
            terminal.shows("CHATS")
            return terminal.process.wait(PATIENCE), terminal.screen

    async with Upstream(chat=chat) as upstream:
        status, screen = await anyio.to_thread.run_sync(interrupted)

    assert status == 130
    assert "Traceback" not in screen


async def test_an_answer_of_any_length_counts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def chat(_: Request, exchange: Exchange) -> None:
        usage = {"prompt_tokens": 5, "completion_tokens": 8_000, "total_tokens": 8_005}
        await exchange.events(text_chunk("word " * 8_000), text_chunk(finish_reason="stop"))
        await exchange.event({"object": "chat.completion.chunk", "choices": [], "usage": usage})
        await exchange.event(DONE)

    async with Upstream(chat=chat) as upstream:
        for name, value in {**upstream.environ, "ALAYA_MAX_REPLY_BYTES": "4000"}.items():
            monkeypatch.setenv(name, value)
        status = await ran(upstream, monkeypatch, "--models", "base", "--chats", "1", "--json")

    (row,) = rows_in(capsys.readouterr().out)
    assert (status, row["answers"], row["failures"], row["completion_tokens"]) == (0, 4, {}, 32_000)


async def test_no_prompt_is_sent_again_in_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Upstream(chat=replies("x")) as upstream:
        for _ in range(2):
            await ran(upstream, monkeypatch, "--models", "base", "--chats", "1")

    prompts = [request.json["messages"][0]["content"] for request in upstream.chats]
    assert len(set(prompts)) == len(prompts) == 10


@pytest.mark.quick
async def test_it_ends_when_its_time_is_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def chat(request: Request, exchange: Exchange) -> None:
        await (replies("Because")(request, exchange) if len(upstream.chats) <= 5 else exchange.hang())

    async with Upstream(chat=chat) as upstream:
        status = await ran(upstream, monkeypatch, "--models", "base", "--seconds", "30", "--json")

    printed = capsys.readouterr()
    assert status == 1
    assert [row["chats"] for row in rows_in(printed.out)] == [1]
    assert "The time of 30 s was over" in printed.err


def test_what_has_no_complete_answer_is_counted_by_its_reason() -> None:
    def answer(tokens: int, **facts: object) -> ComparedAnswer:
        fields: dict[str, object] = {"model": "base", "kind": "base", "warnings": [], "content": "x", **facts}
        usage, timing = Usage(completion_tokens=tokens), Timing(first_token_seconds=0.5, total_seconds=2)
        return ComparedAnswer.model_validate(fields | {"usage": usage, "timing": timing})

    failure = AnswerError(code="rate_limited", message="Later.", retryable=True)
    answers = [
        answer(10),
        answer(20, truncated=True, truncated_reason="max_tokens"),
        answer(30, truncated=True, truncated_reason="idle"),
        ComparedAnswer(model="base", kind="base", error=failure, warnings=[]),
    ]

    result = load_result(BASE, 2, answers, 3.0)

    assert (result.requests, result.answers, result.completion_tokens, result.throughput) == (4, 2, 30, 10.0)
    assert result.failures == {"idle": 1, "rate_limited": 1}
    assert load_chart([result])[1].split()[:2] == ["2", "base"]


def test_an_engine_without_usage_has_no_chart() -> None:
    result = load_result(BASE, 1, [ComparedAnswer(model="base", kind="base", warnings=[], content="x")], 1.0)

    assert (result.throughput, load_chart([result])) == (None, [])


def test_the_sandbox_is_measured_by_the_real_command() -> None:
    arguments = ("--models", "base", "--chats", "1", "--max-tokens", "2", "--json")

    done = run_warm("bench", "qwen3-support", "--sandbox", *arguments)

    (row,) = rows_in(done.stdout.decode())
    assert done.returncode == 0
    assert (row["model"], row["answers"], row["failures"], row["completion_tokens"]) == ("qwen3-8b", 4, {}, 8)


@pytest.mark.parametrize("wrong", [("--chats", "0"), ("--chats", "1e3"), ("--max-tokens", "-1"), ("--seconds", "inf")])
def test_a_number_out_of_range_is_refused(wrong: tuple[str, str]) -> None:
    done = run_warm("bench", "x", "--sandbox", *wrong)

    assert (done.returncode, done.stdout) == (2, b"")
    assert b"must be a number from 1 to" in done.stderr
