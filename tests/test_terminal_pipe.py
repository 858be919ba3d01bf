"""A chat at the end of a pipe, the choice of a deployment, and the real command in real processes."""

import io
import json
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from subprocess import PIPE, CompletedProcess
from types import SimpleNamespace

import anyio
import anyio.to_thread
import pytest
from anyio.abc import Process

from alaya_mcp.accounts import open_account
from alaya_mcp.config.settings import Settings
from alaya_mcp.error_sentences import what_happened
from alaya_mcp.errors import AccessDenied, DeploymentNotFound, InvalidArguments
from alaya_mcp.sandbox import Sandbox, fleet
from alaya_mcp.terminal.answers import PipedChat, TextReport
from alaya_mcp.terminal.chat_session import ChatSession, Manner
from alaya_mcp.terminal.error_steps import next_step
from alaya_mcp.terminal.interruption import Interruption
from alaya_mcp.terminal.lines import LineInterrupted, PipedLine, piped_lines
from alaya_mcp.terminal.selection import reference
from tests import warm_start
from tests.calls import environ_of, over
from tests.patience import PATIENCE
from tests.stdio_host import own_environ
from tests.terminal_paper import Paper, Person, Typed, screen_on, sitting
from tests.upstream import Exchange, Request, Upstream, replies, text_chunk

pytestmark = pytest.mark.anyio

COMMAND = [sys.executable, "-m", "alaya_mcp", "chat"]


async def ran(given: bytes, environ: dict[str, str], *arguments: str) -> CompletedProcess[bytes]:
    """The command to its end, loaded already where that is possible."""
    if warm_start.IS_POSSIBLE:
        return await anyio.to_thread.run_sync(warm_start.run, ("chat", *arguments), environ, given)
    with anyio.fail_after(PATIENCE):
        return await anyio.run_process([*COMMAND, *arguments], input=given, env=environ, check=False)


async def answered(
    settings: Settings, *lines: str | Callable[[], str], conversation: bool = False, seconds: float = PATIENCE
) -> tuple[int, str, str]:
    """The exit status, the answers, and what was said beside them."""
    answers, beside = Paper(), Paper()

    async def piped() -> AsyncIterator[PipedLine]:
        for number, line in enumerate(lines, 1):
            yield PipedLine(number, line if isinstance(line, str) else line())

    with anyio.fail_after(PATIENCE):
        async with open_account(settings) as account:
            screen = screen_on(answers, beside)
            session = ChatSession(account, str(settings.service_id), Manner(seconds), screen, Interruption())
            chat = PipedChat(session, screen, TextReport(screen), is_conversation=conversation)
            status = await chat.run(piped())
    return status, answers.getvalue(), beside.getvalue()


@pytest.mark.parametrize("conversation", [False, True])
async def test_each_line_stands_alone_unless_they_are_one_conversation(*, conversation: bool) -> None:
    async with Sandbox(token_delay=0) as sandbox:
        lines = "sandbox: say /one\n", "exit", "//three"
        status, answers, beside = await answered(over(sandbox), *lines, conversation=conversation)

    first, second, third = answers.splitlines()
    assert status == 0
    assert first == "/one"
    assert 'You wrote: "exit".' in second
    assert 'You wrote: "/three".' in third
    assert ("Earlier turns: 2." in third) is conversation
    assert ("Earlier turns" in second + third) is conversation
    assert len(re.findall(r"^qwen3-8b, \d+ tokens", beside, re.MULTILINE)) == 3


async def test_commands_hold_for_the_lines_after_them() -> None:
    async with Upstream(chat=replies("x")) as upstream:
        status, _, _ = await answered(
            upstream.settings(),
            "one",
            "/model lora1",
            "/system Be brief.",
            "/thinking off",
            "two",
            "/system off",
            "/model",
            "three",
            "/quit",
            "never",
        )

        one, two, three = (request.json for request in upstream.chats)
    assert status == 0
    assert [one["model"], two["model"], three["model"]] == ["base", "lora1", "base"]
    assert [len(sent["messages"]) for sent in (one, two, three)] == [1, 2, 1]
    assert two["messages"][0] == {"role": "system", "content": "Be brief."}
    assert two["chat_template_kwargs"]["enable_thinking"] is False


async def test_a_model_that_is_not_served_is_refused_at_once_and_the_one_before_it_answers() -> None:
    async with Sandbox(token_delay=0) as sandbox:
        status, _, beside = await answered(over(sandbox), "/model sql-writer", "/model suport-zh", "two")

    assert status == 1
    assert 'line 2: qwen3-support does not serve "suport-zh".' in beside
    assert 'Did you mean "support-zh"?' in beside
    assert re.search(r"^sql-writer, \d+ tokens?", beside, re.MULTILINE)


async def test_a_model_is_taken_as_it_is_where_the_names_are_not_known() -> None:
    async def denies_at_first(_: Request, exchange: Exchange) -> None:
        if len(upstream.requests) == 1:
            await exchange.answer_json(403, {"msg": "no"})
        else:
            await exchange.answer_json(200, {"code": 0, "data": upstream.deployment})

    async with Upstream(chat=replies("x"), control=denies_at_first) as upstream:
        status, answers, _ = await answered(upstream.settings(), "/model mine", "two")

        assert upstream.chats[0].json["model"] == "mine"
    assert (status, answers) == (0, "x\n")


@pytest.mark.parametrize(
    "line", ["/save file.json", "/load file.json", "/etc/passwd", "/", "/clear x", "/quit x", "/thinking x"]
)
async def test_a_line_that_is_no_command_for_a_pipe_is_not_sent(line: str) -> None:
    async with Upstream(chat=replies("x")) as upstream:
        status, answers, beside = await answered(upstream.settings(), line, "two")

        assert len(upstream.chats) == 1
    assert (status, answers) == (1, "x\n")
    assert "line 1: /" in beside


async def test_an_answer_that_fails_is_told_and_the_next_line_is_answered_all_the_same() -> None:
    handlers = [_refuses, replies(), replies("three")]

    async def in_turn(request: Request, exchange: Exchange) -> None:
        await handlers.pop(0)(request, exchange)

    async with Upstream(chat=in_turn) as upstream:
        status, answers, beside = await answered(upstream.settings(), "one", "two", "three")

        said = [[message["content"] for message in chat.json["messages"]] for chat in upstream.chats]
    assert (status, answers) == (1, "three\n")
    assert said == [["one"], ["two"], ["three"]]
    assert "line 1: The engine of svc-1 rejected the request (HTTP 400)." in beside
    assert "The model ended its reply without any text." in beside
    assert "no, not now" in beside
    assert "Change the message as upstream says." in beside


async def _refuses(_: Request, exchange: Exchange) -> None:
    await exchange.answer_json(400, {"error": {"message": "no, not now"}})


@pytest.mark.quick
async def test_a_wait_that_ended_in_vain_is_not_repeated_and_its_progress_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def once_it_runs() -> str:
        monkeypatch.setattr(fleet, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + 600))
        return "sandbox: say four"

    async with Sandbox(token_delay=0, starting_seconds=600) as sandbox:
        settings = over(sandbox).model_copy(update={"service_id": "sandbox-starting"})
        status, answers, beside = await answered(settings, "one", "two", "three", once_it_runs, seconds=30)

    assert (status, answers) == (1, "four\n")
    assert beside.count("is starting still, after 30 s of waiting; nothing was sent to it.") == 1
    assert beside.count("is starting; nothing was sent to it.") == 2
    assert beside.count("Run this again later, or with a larger --timeout.") == 3
    first, _, _ = beside.partition("line 1:")
    assert first == "looking up the deployment\nstarting\n"


@pytest.mark.parametrize("conversation", [False, True])
async def test_clear_is_advised_where_it_has_an_effect(*, conversation: bool) -> None:
    async def is_too_long(_: Request, exchange: Exchange) -> None:
        said = "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens."
        await exchange.answer_json(400, {"error": {"message": said}})

    async with Upstream(chat=is_too_long) as upstream:
        _, _, beside = await answered(upstream.settings(), "x", conversation=conversation)

    assert "do not fit the model's context" in beside
    assert ("/clear" in beside) is conversation
    assert "horten the message." in beside


async def test_an_answer_that_was_cut_is_shown_as_far_as_it_came_and_is_no_success() -> None:
    async def breaks(_: Request, exchange: Exchange) -> None:
        await exchange.events(text_chunk("half"))

    async with Upstream(chat=breaks) as upstream:
        status, answers, beside = await answered(upstream.settings(), "x")

    assert (status, answers.strip()) == (1, "half")
    assert "Cut: the connection to the engine closed before the end." in beside
    assert "continue_reply" not in beside


async def test_lines_come_without_their_ends_and_empty_ones_do_not_come() -> None:
    file = io.BytesIO("\ufefffirst\n\n  \r\n second\ufeff\r\nlast".encode())

    lines = [(line.number, line.text) async for line in piped_lines(file, "utf-8")]
    assert lines == [(1, "first"), (4, " second\ufeff"), (5, "last")]


@pytest.mark.parametrize(
    ("content", "encoding", "texts"),
    [
        ("你好\n再见\n".encode("gbk"), "gbk", ["你好", "再见"]),
        ("你好\n再见\n".encode("gbk"), "utf-8", [None, None]),
        (b"hello\n" + "你好".encode("gbk"), "ascii", ["hello", None]),
        ("你好\n".encode(), "gbk", ["你好"]),
        ("你好\r\n\r\n二\n".encode("utf-16"), "utf-8", ["你好", "二"]),
        ("a\nb".encode("utf-16-be").join((b"\xfe\xff", b"")), "utf-8", ["a", "b"]),
        (b"\xff\xfe\x80bad\nok\n\n", "utf-8", [None, "ok"]),
        ("caf\u00e9\n".encode("latin-1"), "latin-1", ["caf\u00e9"]),
        (b"\xff\n", "no-such-encoding", [None]),
    ],
)
async def test_what_is_not_utf_8_is_of_the_systems_encoding_or_nothing(
    content: bytes, encoding: str, texts: list[str | None]
) -> None:
    assert [line.text async for line in piped_lines(io.BytesIO(content), encoding)] == texts


async def test_text_of_no_known_encoding_is_refused_and_nothing_of_it_is_sent() -> None:
    lines = "你好\n".encode("gbk") + b"hello\n"
    async with Upstream(chat=replies("x")) as upstream:
        environ = own_environ(**upstream.environ, PYTHONUTF8="1")
        done = await ran(lines, environ)

        assert [chat.json["messages"][0]["content"] for chat in upstream.chats] == ["hello"]
    assert (done.returncode, done.stdout) == (1, b"x\n")
    assert "line 1: The line is neither UTF-8 nor" in done.stderr.decode()
    assert "iconv -f GBK -t UTF-8" in done.stderr.decode()


async def test_json_is_one_object_a_line_and_nothing_else() -> None:
    lines = "sandbox: say 你好\n/nonsense\n\nsandbox: say two\n".encode() + "你".encode("gbk")
    async with Sandbox(token_delay=0) as sandbox:
        environ = own_environ(**environ_of(sandbox), PYTHONUTF8="1")
        done = await ran(lines, environ, "--json")

    first, second, third, fourth = map(json.loads, done.stdout.decode().splitlines())
    assert done.returncode == 1
    assert done.stderr == b""
    assert (first["line"], first["prompt"], first["content"]) == (1, "sandbox: say 你好", "你好")
    assert first["finish_reason"] == "stop"
    assert (second["line"], second["prompt"], second["error"]["code"]) == (2, "/nonsense", "invalid_arguments")
    assert (third["line"], third["content"]) == (4, "two")
    assert (fourth["line"], fourth["error"]["retryable"]) == (5, False)


async def test_json_has_the_error_of_each_line_that_failed() -> None:
    async with Upstream(chat=_refuses) as upstream:
        environ = own_environ(**upstream.environ)
        done = await ran(b"one\n", environ, "--json")

    (found,) = map(json.loads, done.stdout.decode().splitlines())
    assert (found["line"], found["error"]["code"], found["error"]["retryable"]) == (1, "request_rejected", False)
    assert "no, not now" in found["error"]["message"]


@pytest.mark.parametrize(
    ("arguments", "step"),
    [
        (["fault-html-200"], "Run `alayanew-mcp doctor fault-html-200` to find the step that fails."),
        (["--json"], "Run `alayanew-mcp doctor fault-html-200` to find the step that fails."),
        (["fault-html-200", "--sandbox"], "Choose another: `alayanew-mcp chat NAME --sandbox`."),
    ],
)
async def test_the_doctor_is_advised_for_the_deployment_and_not_over_the_embedded_sandbox(
    arguments: list[str], step: str
) -> None:
    async with Sandbox(token_delay=0) as sandbox:
        environ = own_environ(**environ_of(sandbox) | {"ALAYA_SERVICE_ID": "fault-html-200"})
        done = await ran(b"one\n", environ, *arguments)

    said = (done.stdout + done.stderr).decode()
    assert step in said
    assert ("alayanew-mcp doctor" in said) is ("--sandbox" not in arguments)


async def test_a_default_deployment_that_is_not_there_is_told_with_the_variable() -> None:
    async with Sandbox() as sandbox:
        settings = over(sandbox).model_copy(update={"service_id": "qwen3-suport"})
        _, _, beside = await answered(settings, "one")
        async with sitting(settings, service="qwen3-suport") as one:
            with pytest.raises(DeploymentNotFound) as missing:
                await one.run()
        async with sitting(settings, service="qwen3-sup") as one:
            with pytest.raises(DeploymentNotFound) as named:
                await one.run()

    assert "qwen3-suport is the default deployment (ALAYA_SERVICE_ID" in beside
    assert (missing.value.default, named.value.default) == ("qwen3-suport", "")


async def chosen(settings: Settings, *typed: Typed, named: str | None = None) -> tuple[str, str]:
    """What the deployment is called, and what was shown."""
    paper = Paper()
    with anyio.fail_after(PATIENCE):
        async with open_account(settings.model_copy(update={"service_id": None})) as account:
            return await reference(account, named, screen_on(paper), Person([*typed])), paper.getvalue()


async def test_the_running_deployments_are_shown_and_one_is_chosen_by_number_or_name() -> None:
    async with Sandbox() as sandbox:
        by_number, shown = await chosen(over(sandbox), "", "0", "99", "1")
        by_name, _ = await chosen(over(sandbox), " tone-of-voice ")

    first = re.search(r"^ *1  (\S+) \((\S+)\)", shown, re.MULTILINE)
    assert first
    assert by_number == first[2]
    assert by_name == "tone-of-voice"
    assert "qwen3-support (sandbox-qwen3), qwen3-8b" in shown
    assert "switched-off" not in shown


async def test_who_names_what_is_not_there_or_counts_too_far_is_asked_again() -> None:
    async with Sandbox(token_delay=0) as sandbox:
        settings = over(sandbox).model_copy(update={"aliases": {"gone": "sandbox-gone"}})
        named, shown = await chosen(settings, "999", "tone-of-voise", "switched-of", "gone", "tone-of-voice")

    assert named == "tone-of-voice"
    assert "Type a number from 1 to" in shown
    assert 'There is no deployment with the id or name "tone-of-voise". Did you mean tone-of-voice (' in shown
    assert 'There is no deployment with the id or name "switched-of".\nType a number or a name from the list.' in shown
    assert 'with the id or name "sandbox-gone" (the alias gone).' in shown
    assert shown.count("Type a number or a name from the list.\n") == 3
    assert "alayanew-mcp chat" not in shown


@pytest.mark.parametrize("leaves", [EOFError(), LineInterrupted(had_text=False)])
async def test_who_would_rather_leave_can(leaves: Exception) -> None:
    async with Sandbox() as sandbox:
        with pytest.raises(EOFError):
            await chosen(over(sandbox), leaves)


async def test_what_is_named_is_taken_without_a_question() -> None:
    async with Sandbox() as sandbox:
        assert await chosen(over(sandbox), named="some-name") == ("some-name", "")
        async with open_account(over(sandbox)) as account:
            assert await reference(account, None, screen_on(Paper())) == sandbox.default_service_id

        assert sandbox.stats.control_requests == 0


async def test_without_anybody_to_ask_the_running_deployments_are_told() -> None:
    async with Sandbox() as sandbox, open_account(over(sandbox).model_copy(update={"service_id": None})) as account:
        with pytest.raises(InvalidArguments) as nothing:
            await reference(account, None, screen_on(Paper()))

    assert "These run: " in what_happened(nothing.value)
    assert "qwen3-support" in nothing.value.candidates
    assert "switched-off" not in nothing.value.candidates


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            [{"serviceId": "svc-1", "name": "asleep", "status": "stoped"}],
            "none is running. There are: asleep (svc-1, stopped).",
        ),
        ([], "none is running."),
    ],
)
async def test_where_nothing_runs_that_is_told(rows: list[dict[str, str]], told: str) -> None:
    async def lists(_: Request, exchange: Exchange) -> None:
        await exchange.answer_json(200, {"code": 0, "data": {"count": len(rows), "rows": rows}})

    async with Upstream(control=lists) as upstream:
        with pytest.raises(InvalidArguments) as nothing:
            await chosen(upstream.settings())

    assert what_happened(nothing.value).endswith(told)


async def test_of_very_many_the_first_are_shown_and_any_can_be_named() -> None:
    rows = [{"serviceId": f"svc-{number}", "name": f"one-{number:02}", "status": "running"} for number in range(60)]

    async def lists(_: Request, exchange: Exchange) -> None:
        await exchange.answer_json(200, {"code": 0, "data": {"count": "60", "rows": rows}})

    async with Upstream(control=lists) as upstream:
        named, shown = await chosen(upstream.settings(), "51", "one-59")

    assert named == "one-59"
    assert "\n50  one-49 (svc-49)\nand 10 more; type a name\n" in shown


async def test_who_may_not_list_is_told_to_name_one() -> None:
    async def denies(_: Request, exchange: Exchange) -> None:
        await exchange.answer_json(403, {"msg": "no"})

    async with Upstream(control=denies) as upstream:
        with pytest.raises(AccessDenied) as denied:
            await chosen(upstream.settings())

    assert next_step(denied.value).endswith("`alayanew-mcp chat NAME`.")


async def test_the_command_answers_what_is_piped_in() -> None:
    lines = "sandbox: say 你好\n\nsandbox: say two\n".encode()
    async with Sandbox(token_delay=0) as sandbox:
        environ = own_environ(**environ_of(sandbox), PYTHONIOENCODING="utf-8")
        with anyio.fail_after(PATIENCE):
            done = await anyio.run_process(
                [*COMMAND, "QWEN3-Support", "--model", "sql-writer"], input=lines, env=environ
            )

    assert done.stdout.decode().splitlines() == ["你好", "two"]
    assert len(re.findall(r"^sql-writer, \d+ tokens?", done.stderr.decode(), re.MULTILINE)) == 2
    assert "\x1b" not in done.stdout.decode() + done.stderr.decode()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "ALAYA_ACCESS_KEY is not set"),
        (["--sandbox", "no-such-name"], 'There is no deployment with the id or name "no-such-name".'),
        (["--sandbox", " "], "SERVICE must be a deployment's id, name or alias"),
    ],
)
async def test_what_keeps_it_from_beginning_ends_it_with_status_1(arguments: list[str], told: str) -> None:
    done = await ran(b"hello\n", own_environ(), *arguments)

    assert (done.returncode, done.stdout) == (1, b"")
    assert told in done.stderr.decode()
    assert b"Traceback" not in done.stderr


async def test_a_program_that_has_sent_nothing_yet_gets_what_keeps_it_from_beginning_as_json() -> None:
    with anyio.fail_after(PATIENCE):
        async with await anyio.open_process([*COMMAND, "--json"], stdin=PIPE, env=own_environ()) as process:
            assert process.stdout is not None
            printed = b"".join([chunk async for chunk in process.stdout])  # stdin is still open
            status = await process.wait()
    found = json.loads(printed)
    error = found["error"]

    assert found == {"line": None, "error": error}
    assert (status, error["code"], error["cause"]) == (1, "not_configured", "key_missing")
    assert "`alayanew-mcp login`" in error["message"]
    assert error["retryable"] is False


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe without a reader is another error there")
async def test_a_reader_that_has_gone_ends_it_quietly() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    async with Sandbox(token_delay=0.01) as sandbox:
        environ = own_environ(**environ_of(sandbox))
        with anyio.fail_after(PATIENCE):
            process = await anyio.open_process(COMMAND, stdin=PIPE, stdout=writer, stderr=PIPE, env=environ)
            os.close(writer)
            async with process:
                assert process.stdin is not None
                assert process.stderr is not None
                await process.stdin.send(b"sandbox: repeat 500 word\nhello\n")
                said = b"".join([chunk async for chunk in process.stderr])
                status = await process.wait()

    assert status == 1
    assert b"Traceback" not in said
    assert (sandbox.stats.chats_started, sandbox.stats.chats_aborted) == (1, 1)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals to be had from the standard library")
async def test_on_a_terminal_ctrl_c_ends_the_answer_and_quit_the_program(tmp_path: Path) -> None:
    file = tmp_path / "talk.json"
    spawn = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
    async with Sandbox(token_delay=0.01) as sandbox:
        environ = own_environ(**environ_of(sandbox), TERM="xterm", PROMPT_TOOLKIT_NO_CPR="1", COLUMNS="100")
        with anyio.fail_after(PATIENCE):
            process = await anyio.open_process(
                [sys.executable, "-c", spawn, *COMMAND], stdin=PIPE, stdout=PIPE, env=environ
            )
            async with process:
                terminal = Terminal(process)
                await terminal.types("sandbox: repeat 500 word\r", once="qwen3-8b>")
                await terminal.types("\x03", once="word word word")
                await sandbox.stats.wait_for(lambda stats: stats.chats_aborted == 1)
                await terminal.until("/continue resumes")
                await terminal.types("\x03", once="qwen3-8b>")
                await terminal.types("/model sup", once="Ctrl-D or /quit leaves.")
                await terminal.types("\t\r", once="support-zh")
                await terminal.types(f"/save {file}\r", once="support-zh answers from now on.")
                await terminal.types("/quit\r", once="2 messages")
                await terminal.until_it_ends()
                status = await process.wait()

    assert status == 0
    assert (sandbox.stats.chats_started, sandbox.stats.chats_aborted) == (1, 1)
    assert set(json.loads(file.read_text(encoding="utf-8"))[-1]["content"].split()) == {"word"}
    assert "Traceback" not in terminal.seen


class Terminal:
    """A person before a process's terminal.

    Attributes:
        seen: All that was shown so far.
    """

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._keyboard, self._picture = process.stdin, process.stdout
        self.seen = ""
        self._heeded = 0

    async def types(self, keys: str, *, once: str) -> None:
        """Type, once something new is shown, colours and cursor movements aside."""
        await self.until(once)
        await self._keyboard.send(keys.encode())

    async def until(self, shown: str) -> None:
        """Look on until something new is shown."""
        while (at := _plain(self.seen).find(shown, self._heeded)) < 0:
            self.seen += (await self._picture.receive()).decode(errors="replace")
        self._heeded = at + len(shown)

    async def until_it_ends(self) -> None:
        """Look on."""
        try:
            while True:
                self.seen += (await self._picture.receive()).decode(errors="replace")
        except anyio.EndOfStream:
            pass


def _plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


async def test_a_stderr_that_nobody_reads_costs_no_answer() -> None:
    async with Sandbox(token_delay=0) as sandbox:
        read, write = os.pipe()
        os.close(read)
        try:
            environ = own_environ(**environ_of(sandbox))
            done = await anyio.run_process(
                [*COMMAND, "sandbox-qwen3"], input=b"sandbox: say kept\n", stderr=write, env=environ, check=False
            )
        finally:
            os.close(write)

    assert done.stdout.decode().strip() == "kept"
