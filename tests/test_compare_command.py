"""`alayanew-mcp compare` to its end, over the sandbox: answers, interruptions, shards, failures and what is refused."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from alaya_mcp.comparison.run import Tally
from alaya_mcp.comparison.summary import ModelSummary, Spread
from alaya_mcp.sandbox import Sandbox
from alaya_mcp.terminal.comparison_progress import progress_words
from alaya_mcp.terminal.comparison_table import tables
from tests import warm_start
from tests.calls import environ_of
from tests.patience import PATIENCE
from tests.stdio_host import own_environ
from tests.test_commands import refusal_of
from tests.upstream import DONE, Exchange, Request, Upstream, replies, says, text_chunk

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(os.name == "nt", reason="processes are stopped by signals here"),
]
COMMAND = [sys.executable, "-m", "alaya_mcp", "compare"]
MODELS = ["qwen3-8b", "sql-writer", "support-zh"]


class Compared:
    """One command to its end."""

    def __init__(self, status: int, stdout: bytes, stderr: bytes) -> None:
        self.status = status
        self.out = stdout.decode()
        self.err = stderr.decode()

    @property
    def summary(self) -> dict[str, Any]:
        """What `--json` prints."""
        return json.loads(self.out)


async def compare(upstream: Sandbox | Upstream, *arguments: object, given: bytes = b"") -> Compared:
    """The command, loaded already where that is possible."""
    environ = own_environ(**(environ_of(upstream) if isinstance(upstream, Sandbox) else upstream.environ))
    words = [str(each) for each in arguments]
    if warm_start.IS_POSSIBLE:
        run = await anyio.to_thread.run_sync(warm_start.run, ("compare", *words), environ, given)
    else:
        with anyio.fail_after(PATIENCE):
            run = await anyio.run_process([*COMMAND, *words], input=given, env=environ, check=False)
    return Compared(run.returncode, run.stdout, run.stderr)


@asynccontextmanager
async def quick_sandbox() -> AsyncGenerator[Sandbox]:
    """A sandbox whose answers take no time."""
    async with Sandbox(token_delay=0) as sandbox:
        yield sandbox


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The lines of an answers file, each of which is whole."""
    content = path.read_bytes()
    assert not content or content.endswith(b"\n")
    return [json.loads(line) for line in content.splitlines()]


def keys_of(path: Path) -> list[tuple[str, int, str]]:
    """Who answered what."""
    return [(line["id"], line["repeat"], line["model"]) for line in lines_of(path)]


def prompts(path: Path, count: int, *more: str) -> Path:
    """A file of so many prompts."""
    texts = [f"问题 {number}" if number % 2 else f"Question {number}" for number in range(1, count + 1)]
    path.write_text("\n".join([*texts, *more]), encoding="utf-8")
    return path


async def test_each_model_answers_each_prompt_in_a_conversation_of_its_own(tmp_path: Path) -> None:
    out, table = tmp_path / "out.jsonl", tmp_path / "p.csv"
    table.write_bytes(
        '\ufeffid,prompt,expected,来源\r\na,"sandbox: say 北京。",北京,网\r\nb,"Where is\r\nmy order?",,\r\n'.encode()
    )
    async with quick_sandbox() as sandbox:
        done = await compare(
            sandbox, "qwen3-support", "--prompts", table, "--out", out, "--system", "Be brief.", "--json"
        )
        bodies = sandbox.stats.chats_finished

    assert (done.status, bodies) == (0, 6)
    assert sorted(keys_of(out)) == [(name, 1, model) for name in ("a", "b") for model in MODELS]
    by_key = {(line["id"], line["model"]): line for line in lines_of(out)}
    line = by_key["a", "support-zh"]
    assert line["content"] == "北京。"
    assert (line["number"], line["expected"], line["columns"], line["system"]) == (
        1,
        "北京",
        {"来源": "网"},
        "Be brief.",
    )
    assert (line["kind"], line["served_by"], line["finish_reason"], line["truncated"]) == (
        *("lora", "support-zh", "stop"),
        False,
    )
    assert line["usage"]["completion_tokens"] > 0
    assert line["timing"]["total_seconds"] >= 0
    assert by_key["b", "qwen3-8b"]["prompt"] == "Where is\r\nmy order?"
    assert "Earlier turns" not in by_key["b", "qwen3-8b"]["content"]
    assert not {"read_on", "differs", "error"} & line.keys()
    assert (done.summary["questions"], done.summary["answered"], done.summary["failed"]) == (6, 6, 0)
    base, support, sql = done.summary["models"]
    assert [base["model"], sql["model"], support["model"]] == MODELS
    assert (base["answers"], base["expected"], base["exact"], base["normalised"]) == (2, 1, 0, 1)
    assert (support["compared"], support["differs"]) == (2, 1)


async def test_the_table_has_a_row_a_model_and_stderr_says_what_is_done(tmp_path: Path) -> None:
    async with quick_sandbox() as sandbox:
        done = await compare(
            sandbox, "--prompts", prompts(tmp_path / "p.txt", 3), "--models", "base,sql-writer", "--repeat", 2
        )

    assert done.status == 0
    assert "Comparing qwen3-8b, sql-writer of qwen3-support (sandbox-qwen3)." in done.err
    assert "3 prompts x 2 models x 2 times = 12 requests." in done.err
    assert [line.split()[0] for line in done.out.splitlines() if "-writer" in line] == ["sql-writer"] * 3
    assert "differs from base" in done.out
    assert "6 of 6" in done.out


async def test_answers_are_printed_in_the_order_in_which_their_models_were_named_after_the_base_model() -> None:
    async with quick_sandbox() as sandbox:
        done = await compare(sandbox, "qwen3-support", "sandbox: say one", "--models", "support-zh,base,sql-writer")

    assert "qwen3-8b:\none\n\nsupport-zh:\none\n\nsql-writer:\none\n" in done.out


async def test_models_are_shown_in_the_order_in_which_they_were_named_after_the_base_model(tmp_path: Path) -> None:
    page, models = tmp_path / "page.html", ["qwen3-8b", "support-zh", "sql-writer"]
    async with quick_sandbox() as sandbox:
        asked = ("--prompts", prompts(tmp_path / "p.txt", 1), "--models", "support-zh,base,sql-writer")
        done = await compare(sandbox, *asked, "--html", page, "--json")

    (shown,) = re.findall(r'id="summaries">(.*?)</script>', page.read_text(encoding="utf-8"))
    assert [one["model"] for one in json.loads(done.out)["models"]] == models
    assert [one["model"] for one in json.loads(shown)["summaries"]] == models


async def test_a_file_that_is_read_as_gb18030_is_announced_before_anything_is_asked(tmp_path: Path) -> None:
    asked = tmp_path / "p.txt"
    asked.write_bytes("订单在哪里。\n".encode("gbk"))
    async with quick_sandbox() as sandbox:
        done = await compare(sandbox, "--prompts", asked, "--models", "base", "--json")

    assert done.status == 0
    assert "p.txt is read as GB18030 (line 1: 订单在哪里。).\nComparing qwen3-8b" in done.err


async def test_prompts_of_the_command_line_are_answered_in_full() -> None:
    async with quick_sandbox() as sandbox:
        done = await compare(sandbox, "qwen3-support", "sandbox: say one", "--models", "base,sql-writer", "two?")

    assert done.status == 0
    assert "> sandbox: say one\n\nqwen3-8b:\none\n\nsql-writer:\none\n" in done.out
    assert "> two?\n" in done.out
    assert "sql-writer (differs):\n```sql\n" in done.out


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_it_goes_on_where_a_signal_stopped_it(tmp_path: Path, number: signal.Signals, status: int) -> None:
    out, asked = tmp_path / "out.jsonl", prompts(tmp_path / "p.txt", 40)
    arguments = ("qwen3-support", "--prompts", str(asked), "--out", str(out), "--concurrency", "5")
    async with Sandbox(token_delay=0.002) as sandbox:
        for answers in (10, 60):
            with anyio.fail_after(PATIENCE):
                interrupted = await stopped(sandbox, arguments, number, answers)
            assert interrupted.status == status, interrupted.err
            assert "\nInterrupted.\n" in interrupted.err
            assert "Run the same command again to go on." in interrupted.err
            assert "Traceback" not in interrupted.err
            await sandbox.stats.wait_for(lambda stats: not stats.chats_active)
        there = len(lines_of(out))
        rest = await compare(sandbox, *arguments)

    assert rest.status == 0
    assert f"40 prompts x 3 models = 120 requests, of which {there} are answered already." in rest.err
    assert 10 <= there < 120
    assert sorted(set(keys_of(out))) == sorted(keys_of(out)), "no answer twice"
    assert len(lines_of(out)) == 120
    assert not any("error" in line or line["truncated"] for line in lines_of(out))


async def stopped(sandbox: Sandbox, arguments: tuple[str, ...], number: signal.Signals, answers: int) -> Compared:
    """The command, stopped by a signal once the sandbox has finished so many chats."""
    command, environ = [*COMMAND, *arguments], own_environ(**environ_of(sandbox))
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        process = await anyio.open_process(command, stdin=None, stdout=stdout, stderr=stderr, env=environ)
        async with process:
            await sandbox.stats.wait_for(lambda stats: stats.chats_finished >= answers)
            process.send_signal(number)
            ended = await process.wait()
        stdout.seek(0)
        stderr.seek(0)
        return Compared(ended, stdout.read(), stderr.read())


async def test_shards_that_are_joined_are_the_whole(tmp_path: Path) -> None:
    asked = prompts(tmp_path / "p.txt", 7)
    whole, joined = tmp_path / "whole.jsonl", tmp_path / "joined.jsonl"
    parts = [tmp_path / f"part-{part}.jsonl" for part in (1, 2, 3)]

    def texts(path: Path) -> list[tuple[object, ...]]:
        return [(line["number"], line["model"], line["request"], line["content"]) for line in lines_of(path)]

    async with quick_sandbox() as sandbox:
        await compare(sandbox, "--prompts", asked, "--out", whole, "--models", "base,support-zh")
        for number, part in enumerate(parts, 1):
            done = await compare(
                *(sandbox, "--prompts", asked, "--out", part, "--models", "base,support-zh"),
                *("--shard", f"{number}/3"),
            )
            assert f"(of 7: shard {number}/3)" in done.err
        requests = sandbox.stats.control_requests
        done = await compare(sandbox, "--join", *parts, "--out", joined, "--json")
        assert sandbox.stats.control_requests == requests, "joining asks nobody"

    assert [len(lines_of(part)) for part in parts] == [6, 4, 4]
    assert sorted(texts(whole)) == texts(joined)
    assert (done.status, done.summary["answered"]) == (0, 14)


async def test_files_that_are_joined_without_all_answers_are_a_failure(tmp_path: Path) -> None:
    asked = prompts(tmp_path / "p.txt", 8)
    parts = [tmp_path / f"part-{part}.jsonl" for part in (1, 2, 3, 4)]
    async with quick_sandbox() as sandbox:
        for number, part in enumerate(parts, 1):
            models = "base,support-zh" if number != 3 else "base"
            await compare(
                sandbox, "--prompts", asked, "--out", part, "--models", models, "--shard", f"{number}/{len(parts)}"
            )
        without_model = await compare(sandbox, "--join", *parts, "--json")
        without_shard = await compare(sandbox, "--join", parts[0], parts[3], "--out", tmp_path / "joined")
        one = await compare(sandbox, "--join", parts[0])

    assert (without_model.status, without_model.summary["answered"]) == (1, 14)
    assert "support-zh has no line for 2 of 8 questions, first for prompt 3.\n" in without_model.err
    assert "Missing" not in without_model.err
    assert without_shard.status == 1
    assert "Missing in the files: 4 of prompts 1 to 8, first prompt 2.\n" in without_shard.err
    assert "Join the files of all shards" in without_shard.err
    assert len(lines_of(tmp_path / "joined")) == 8, "what there is is written"
    assert "3 of prompts 1 to 5" in one.err


async def test_what_failed_is_asked_again_and_the_exit_status_tells(tmp_path: Path) -> None:
    out, asked = tmp_path / "out.jsonl", prompts(tmp_path / "p.txt", 2, "长" * 40_000)
    async with quick_sandbox() as sandbox:
        failed = await compare(sandbox, "--prompts", asked, "--out", out, "--models", "base")
        again = await compare(sandbox, "--prompts", asked, "--out", out, "--models", "base", "--json")

    assert (failed.status, again.status) == (1, 1)
    assert "qwen3-8b: context_too_long 1" in failed.out
    assert "2 of 3 are answered" in failed.err
    assert sorted(line["id"] for line in lines_of(out)) == ["1", "2", "3", "3"]
    assert lines_of(out)[-1]["error"]["message"].endswith("Shorten the message.")
    assert again.summary["models"][0]["failures"] == {"context_too_long": 1}
    assert (again.summary["answered"], again.summary["failed"]) == (2, 1)


async def test_what_was_cut_off_is_asked_again_and_compares_with_nothing(tmp_path: Path) -> None:
    out, asked = tmp_path / "out.jsonl", prompts(tmp_path / "p.txt", 2)

    async def chat(request: Request, exchange: Exchange) -> None:
        model = request.json["model"]
        if model == "base" or len(upstream.chats) > 4:
            await replies("The answer is 42.", model=model)(request, exchange)
        else:
            await exchange.events(text_chunk("The answer", model=model))
            exchange.reset()

    async with Upstream(chat=chat) as upstream:
        cut = await compare(upstream, "--prompts", asked, "--out", out, "--json")
        again = await compare(upstream, "--prompts", asked, "--out", out, "--json")

    base, lora = cut.summary["models"]
    assert (cut.status, cut.summary["answered"], cut.summary["failed"]) == (1, 2, 2)
    assert (lora["failures"], lora["answers"], lora["compared"]) == ({"stream_cut": 2}, 0, 0)
    assert base["answers"] == 2
    assert (again.status, again.summary["answered"], len(upstream.chats)) == (0, 4, 6)
    assert again.summary["models"][1]["differs"] == 0


async def test_a_model_that_did_not_answer_itself_is_told_of() -> None:
    async with Upstream(chat=replies("The same")) as upstream:
        done = await compare(upstream, "scripted", "Why?")

    assert "warning: " in done.out
    assert "lora1: 1 x " in " ".join(done.out.split())


async def test_another_question_under_an_id_is_refused_for_a_new_model_too(tmp_path: Path) -> None:
    out, one, other = tmp_path / "out.jsonl", tmp_path / "one.csv", tmp_path / "other.csv"
    one.write_text("id,prompt\n1,Why?\n", encoding="utf-8")
    other.write_text("id,prompt\n1,How?\n", encoding="utf-8")
    async with Upstream(chat=replies("Because")) as upstream:
        await compare(upstream, "--prompts", one, "--out", out, "--models", "base")
        done = await compare(upstream, "--prompts", other, "--out", out, "--models", "lora1")

    assert (done.status, len(upstream.chats)) == (2, 1)
    assert "out.jsonl line 1: prompt 1 was asked otherwise then" in done.err


async def test_an_answers_file_that_is_gone_at_the_end_is_a_failure(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"

    async def chat(request: Request, exchange: Exchange) -> None:
        out.unlink(missing_ok=True)
        await replies("Because")(request, exchange)

    async with Upstream(chat=chat) as upstream:
        done = await compare(upstream, "svc-1", "Why?", "--models", "base", "--out", out)

    assert done.status == 1
    assert "out.jsonl was moved or deleted during the run" in " ".join(done.err.split())


async def test_what_was_never_asked_comes_before_what_failed(tmp_path: Path) -> None:
    out, asked = tmp_path / "out.jsonl", prompts(tmp_path / "p.txt", 30)

    async def chat(request: Request, exchange: Exchange) -> None:
        await (says(500, {}) if len(upstream.chats) <= 20 else replies("Because"))(request, exchange)

    arguments = ("--prompts", asked, "--out", out, "--models", "base", "--concurrency", "1")
    async with Upstream(chat=chat) as upstream:
        await compare(upstream, *arguments)
        again = await compare(upstream, *arguments)

    assert again.status == 0
    assert [line["number"] for line in lines_of(out)[20:]] == [*range(21, 31), *range(1, 21)]


async def test_an_unknown_model_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    async with quick_sandbox() as sandbox:
        done = await compare(
            sandbox, "--prompts", prompts(tmp_path / "p.txt", 2), "--models", "base,suport-zh", "--out", tmp_path / "o"
        )
        assert sandbox.stats.chats_started == 0

    assert (done.status, done.out) == (1, "")
    assert 'Did you mean "support-zh"?' in done.err
    assert "Choose others with --models." in done.err
    assert not (tmp_path / "o").exists()


async def test_files_that_cannot_be_used_are_refused_before_anything_is_asked(tmp_path: Path) -> None:
    asked, broken = prompts(tmp_path / "p.txt", 1), tmp_path / "broken.csv"
    broken.write_text("prompt\na,b\n", encoding="utf-8")
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "nothing"}', encoding="utf-8")
    async with quick_sandbox() as sandbox:
        for arguments, problem in (
            (["--prompts", broken], "broken.csv line 2: 2 values under 1 columns."),
            (["--prompts", tmp_path / "none"], "none cannot be read: No such file or directory."),
            (["--prompts", asked, "--out", schema], "schema.json is not an answers file, so it is left as it is."),
            (["--prompts", asked, "--out", broken], "Name it broken.jsonl."),
            (["--prompts", asked, "--html", schema], "schema.json is there and is not a page of a comparison."),
            (["--prompts", asked, "--out", asked], "p.txt would be both read and written."),
            (["--prompts", asked, "--out", tmp_path], "is a folder."),
            (["--prompts", asked, "--out", tmp_path / "no" / "out"], "is not there."),
            (["--prompts", asked, "--html", tmp_path / "no" / "page.html"], "is not there."),
            (["--prompts", asked, "--response-schema", schema], "schema.json is not a usable JSON Schema"),
            (["--prompts", asked, "--response-schema", asked], "p.txt line 1: not valid JSON"),
            (["--join", asked], "p.txt is not an answers file (line 1)"),
        ):
            done = await compare(sandbox, *arguments)
            assert (done.status, done.out) == (2, ""), done.err
            assert problem in done.err
            assert done.err.startswith("alayanew-mcp compare: ")
            as_json = await compare(sandbox, *arguments, "--json")
            assert problem in as_json.summary["error"]["message"]
        assert sandbox.stats.control_requests == 0
    assert broken.read_text(encoding="utf-8") == "prompt\na,b\n"


async def test_a_changed_prompt_is_refused_until_it_starts_over(tmp_path: Path) -> None:
    out, asked = tmp_path / "out.jsonl", prompts(tmp_path / "p.txt", 2)
    async with quick_sandbox() as sandbox:
        await compare(sandbox, "--prompts", asked, "--out", out, "--models", "base")
        finished = sandbox.stats.chats_finished
        changed = await compare(sandbox, "--prompts", asked, "--out", out, "--models", "base", "--temperature", "0.5")
        assert sandbox.stats.chats_started == finished
        fresh = await compare(
            sandbox, "--prompts", asked, "--out", out, "--models", "base", "--temperature", "0.5", "--fresh"
        )

    assert changed.status == 2
    assert "out.jsonl line 1: prompt 1 was asked otherwise" in changed.err or "line 2: prompt 1" in changed.err
    assert fresh.status == 0
    assert "The answers before are in" in fresh.err
    assert len(lines_of(out)) == len(lines_of(tmp_path / "out.jsonl.bak")) == 2


async def test_stdin_may_have_the_prompts_and_a_schema_is_checked(tmp_path: Path) -> None:
    schema, out = tmp_path / "schema.json", tmp_path / "out.jsonl"
    schema.write_text('{"type": "object", "properties": {"city": {"type": "string"}}}', encoding="utf-8")
    async with quick_sandbox() as sandbox:
        done = await compare(
            *(sandbox, "--prompts", "-", "--models", "base", "--out", out, "--response-schema", schema, "--json"),
            given=b'{"prompt": "Which city?"}\n{"prompt": "sandbox: say no"}\n',
        )

    (base,) = done.summary["models"]
    assert (base["checked"], base["valid"]) == (2, 1)
    assert {line["id"]: line.get("parsed") for line in lines_of(out)} == {"1": {"city": "city"}, "2": None}


@pytest.mark.parametrize("code", [401, 403])
async def test_what_every_question_would_meet_stops_the_run(tmp_path: Path, code: int) -> None:
    async with Upstream(chat=says(code, {"error": "no"})) as upstream:
        done = await compare(
            *(upstream, "--prompts", prompts(tmp_path / "p.txt", 200), "--concurrency", "2", "--models", "base"),
            *("--out", tmp_path / "o", "--json"),
        )
        asked = len(upstream.chats)

    assert done.status == 1
    assert asked < 20
    assert (
        "apikey" in done.summary["stopped"] or "denied" in done.summary["stopped"] or "403" in done.summary["stopped"]
    )
    assert 1 <= len(lines_of(tmp_path / "o")) <= 4


async def test_an_engine_that_is_down_stops_the_run_after_some_failures(tmp_path: Path) -> None:
    async with Upstream(chat=says(500, {"error": "down"})) as upstream:
        done = await compare(
            upstream, "--prompts", prompts(tmp_path / "p.txt", 200), "--concurrency", "2", "--out", tmp_path / "o"
        )

    assert done.status == 1
    assert 20 <= len(lines_of(tmp_path / "o")) <= 23
    assert "Stopped: " in done.err


async def test_no_more_questions_are_asked_at_once_than_it_says(tmp_path: Path) -> None:
    running = most = 0
    all_there = anyio.Event()

    async def counts(_: Request, exchange: Exchange) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if most == 7:
            all_there.set()
        await all_there.wait()
        running -= 1
        await exchange.events(text_chunk("x"), text_chunk(finish_reason="stop"), DONE)

    async with Upstream(chat=counts) as upstream:
        done = await compare(
            upstream, "--prompts", prompts(tmp_path / "p.txt", 30), "--models", "base", "--concurrency", "7"
        )

    assert (done.status, most) == (0, 7)


async def test_a_disk_that_is_full_leaves_whole_lines(tmp_path: Path) -> None:
    out, asked = tmp_path / "out.jsonl", prompts(tmp_path / "p.txt", 60)
    words = " ".join([*COMMAND, "--prompts", str(asked), "--out", str(out), "--models", "base"])
    async with quick_sandbox() as sandbox:
        run = await anyio.run_process(
            ["sh", "-c", f"ulimit -f 8; exec {words}"], env=own_environ(**environ_of(sandbox)), check=False
        )
        lines = lines_of(out)
        assert run.returncode == 1
        assert b"out.jsonl cannot be written: File too large." in run.stderr
        assert b"Traceback" not in run.stderr
        assert 0 < len(lines) < 60
        rest = await compare(sandbox, "--prompts", asked, "--out", out, "--models", "base")

    assert rest.status == 0
    assert len(lines_of(out)) == 60


async def test_without_a_reader_it_stops(tmp_path: Path) -> None:
    out, asked = tmp_path / "out.jsonl", prompts(tmp_path / "p.txt", 400)
    command = [*COMMAND, "--prompts", str(asked), "--out", str(out), "--concurrency", "2"]
    async with Sandbox(token_delay=0.005) as sandbox:
        reader, writer = os.pipe()
        environ = own_environ(**environ_of(sandbox))
        process = await anyio.open_process(command, env=environ, stdout=writer, stderr=subprocess.DEVNULL)
        os.close(writer)
        with anyio.fail_after(PATIENCE):
            async with process:
                await sandbox.stats.wait_for(lambda stats: stats.chats_finished >= 4)
                os.close(reader)
                status = await process.wait()

    assert status == 1
    assert 4 <= len(lines_of(out)) < 1200


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no such device")
async def test_a_summary_that_cannot_be_printed_is_a_failure(tmp_path: Path) -> None:
    out, asked = tmp_path / "out.jsonl", prompts(tmp_path / "p.txt", 1)
    command = [*COMMAND, "--prompts", str(asked), "--out", str(out), "--models", "base"]
    async with quick_sandbox() as sandbox:
        with open("/dev/full", "wb") as full:  # noqa: ASYNC230, PTH123 a device
            run = await anyio.run_process(command, env=own_environ(**environ_of(sandbox)), stdout=full, check=False)

    assert run.returncode == 1
    assert b"The summary cannot be written: No space left on device." in run.stderr
    assert b"Traceback" not in run.stderr
    assert len(lines_of(out)) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["compare", "svc"], "there is nothing to ask"),
        (["compare", "svc", "hi", "--prompts", "f"], "PROMPT and --prompts exclude each other"),
        (["compare", "--join", "a", "--models", "b"], "--join asks nothing"),
        (["compare", "--join", "a", "--repeat", "3"], "--join asks nothing"),
        (["compare", "--join", "a", "--thinking", "on"], "--join asks nothing"),
        (["compare", "--join", "a", "--temperature", "0"], "--join asks nothing"),
        (["compare", "--join", "a", "--timeout", "5"], "--join asks nothing"),
        (["compare", "--join", "a", "--json", "hi"], "--join asks nothing"),
        (["compare", "svc", "hi", "--fresh"], "--fresh needs --out"),
        (["compare", "svc", "hi", "--concurrency", "257"], "must be a whole number from 1 to 256"),
        (["compare", "svc", "hi", "--shard", "3/2"], "must be I/N, from 1/N to N/N"),
        (["compare", "svc", "hi", "--temperature", "nan"], "must be a number from 0 to 2"),
        (["compare", "svc", "hi", "--top-p", "0"], "must be a number above 0 to 1"),
        (["compare", "svc", "--modles", "a", "hi"], "did you mean --models?"),
        (["compare", "svc", "hi", *["--stop", "x"] * 5], "--stop may be given 4 times"),
    ],
)
async def test_arguments_that_do_not_go_together_are_refused(arguments: list[str], said: str) -> None:
    assert said in refusal_of(*arguments)


@pytest.mark.parametrize(
    ("tally", "seconds", "words"),
    [
        (lambda: Tally(600, 0, began=0), 0, "0 of 600 answered"),
        (lambda: Tally(9, 1, 4, 1, 40, began=0), 2, "5 of 9 answered, 1 failed, 2.5/s, 20 tokens/s, 0:00:01 left"),
    ],
)  # fmt: skip
async def test_progress_says_how_much_is_left(tally: Callable[[], Tally], seconds: float, words: str) -> None:
    assert progress_words(tally(), seconds) == words


@pytest.mark.parametrize("width", [80, 60, 40])
async def test_the_tables_fit_a_terminal_with_six_models_and_long_names(width: int) -> None:
    from rich.console import Console  # noqa: PLC0415 for this one only

    names = ("qwen3-8b", "客服助手-中文-正式语气-第二版", "sql-writer-with-a-very-long-name-v2", "a", "b", "c\x1b[31m")
    seconds = Spread(p50=123.456, p95=599.123)
    models = [
        ModelSummary(
            model=name,
            kind="lora",
            answers=10_000,
            failures={"rate_limited": 100},
            truncated=1_000,
            warnings={},
            finish_reasons={"stop": 1},
            characters=Spread(p50=12_345, p95=23_456),
            prompt_tokens=12_345_678,
            completion_tokens=23_456_789,
            tokens_per_second=seconds,
            first_token_seconds=seconds,
            total_seconds=seconds,
            expected=10_000,
            exact=9_999,
            normalised=9_999,
            checked=10_000,
            valid=9_999,
            compared=10_000,
            differs=9_999,
        )
        for name in names
    ]
    console = Console(width=width, record=True, file=io.StringIO())
    for table in tables(models, width):
        console.print(table)
    shown = console.export_text()

    assert "…" not in shown
    assert "\x1b" not in shown
    assert shown.count("10000") > 6
    assert "客服助手" in shown
