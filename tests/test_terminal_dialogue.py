"""A person's sitting over the sandbox: what is typed, what is shown, what reaches the engine."""

import json
import os
import re
import time
from pathlib import Path
from types import SimpleNamespace

import anyio
import pytest

from alaya_mcp.errors import CredentialsRejected
from alaya_mcp.sandbox import Sandbox, fleet
from alaya_mcp.terminal.lines import LineInterrupted
from tests.terminal_paper import sitting
from tests.upstream import DONE, Exchange, Request, Upstream, replies, text_chunk

pytestmark = pytest.mark.anyio

LONG = "sandbox: repeat 500 word"


async def shown(*typed: str, service: str = "sandbox-qwen3", **manner: str) -> str:
    """All that is shown of a sitting over a fast sandbox."""
    async with (
        Sandbox(token_delay=0, starting_seconds=0) as sandbox,
        sitting(sandbox, *typed, service=service, **manner) as one,  # type: ignore[arg-type] # a model or a system message
    ):
        return await one.run()


async def test_at_the_start_it_is_said_who_answers() -> None:
    text = await shown()

    assert "qwen3-support (sandbox-qwen3) is running, 2 of 2 instances ready." in text
    assert "qwen3-8b answers; 2 LoRAs: support-zh, sql-writer." in text
    assert "/help" in text


async def test_the_models_name_is_asked_of_the_engine_where_the_control_plane_tells_none() -> None:
    assert "qwen2.5-72b answers; no LoRAs." in await shown(service="sandbox-expert")


async def test_a_deployment_is_found_by_its_name() -> None:
    assert "legal-assistant (sandbox-lora-service) is running" in await shown(service="Legal-Assistant")


async def test_an_answer_is_shown_as_it_comes_with_its_facts() -> None:
    async with Sandbox(token_delay=0) as sandbox, sitting(sandbox, "sandbox: say [b]one[/b]\ttwo :x:") as one:
        text = await one.run()

    assert "\n[b]one[/b]\ttwo :x:\n" in text
    assert re.search(r"^qwen3-8b, \d+ tokens, \d+\.\d\d s to the first token, [\d.]+ tokens/s$", text, re.MULTILINE)
    assert one.person.prompts == ["qwen3-8b> ", "qwen3-8b> "]


async def test_text_is_shown_before_the_answer_is_whole() -> None:
    async with Sandbox(token_delay=0.01) as sandbox, sitting(sandbox, LONG) as one, anyio.create_task_group() as tasks:
        tasks.start_soon(one.dialogue.run)
        await one.paper.shows("word word")

        assert sandbox.stats.chats_active == 1
        tasks.cancel_scope.cancel()


async def test_a_reply_larger_than_a_host_takes_is_shown_whole() -> None:
    text = await shown("sandbox: repeat 9000 wordword", service="sandbox-thinking-tags")

    assert text.count("wordword") == 9000
    assert "Cut" not in text


async def test_the_conversation_goes_on() -> None:
    text = await shown("one", " ", "two", "three")

    assert "Earlier turns: 1." in text
    assert "Earlier turns: 2." in text


async def test_ctrl_c_ends_the_answer_and_not_the_program() -> None:
    async with Sandbox(token_delay=0.01) as sandbox:

        async def freed() -> str:
            await sandbox.stats.wait_for(lambda stats: stats.chats_aborted == 1)
            return "sandbox: say still here"

        async with sitting(sandbox, LONG, freed) as one, anyio.create_task_group() as tasks:
            tasks.start_soon(one.run)
            await one.paper.shows("word word")
            one.interruption.interrupt()
            await one.paper.shows("still here")

    assert "Cancelled; /continue resumes it.\n" in one.paper.getvalue()
    assert (sandbox.stats.chats_aborted, sandbox.stats.chats_finished) == (1, 1)


async def test_what_came_of_an_interrupted_answer_is_kept_and_can_be_gone_on_from(tmp_path: Path) -> None:
    first, second, notes = tmp_path / "first.json", tmp_path / "second.json", tmp_path / "notes.md"
    typed = ("sandbox: repeat 60 word", f"/save {first}", f"/save {notes}", "/continue", f"/save {second}")
    async with (
        Sandbox(token_delay=0.01) as sandbox,
        sitting(sandbox, *typed) as one,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(one.run)
        await one.paper.shows("word word")
        one.interruption.interrupt()

    cut, whole = (json.loads(file.read_text(encoding="utf-8"))[-1]["content"] for file in (first, second))
    assert 1 < len(cut.split()) < 60
    assert whole == " ".join(["word"] * 60)
    assert notes.read_text(encoding="utf-8").endswith("*(cut: Ctrl-C)*\n")


async def test_ctrl_c_before_any_text_leaves_the_question_to_be_asked_again() -> None:
    async with (
        Sandbox(token_delay=0) as sandbox,
        sitting(sandbox, "sandbox: silence 30", "/continue", "hello") as one,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(one.run)
        await sandbox.stats.wait_for(lambda stats: stats.chats_active == 1)
        one.interruption.interrupt()
        await sandbox.stats.wait_for(lambda stats: stats.chats_aborted == 1)
        await one.paper.shows('You wrote: "hello"')

    text = one.paper.getvalue()
    assert "Cancelled before any text." in text
    assert "There is no reply to continue." in text
    assert "Earlier turns" not in text


async def test_ctrl_c_at_an_empty_prompt_says_how_to_leave() -> None:
    typed = (LineInterrupted(had_text=True), LineInterrupted(had_text=False))
    async with Sandbox(token_delay=0) as sandbox, sitting(sandbox, *typed) as one:
        text = await one.run()

    assert text.count("Ctrl-D or /quit leaves.") == 1


async def test_quit_leaves_what_comes_after_it_untyped() -> None:
    async with Sandbox(token_delay=0) as sandbox, sitting(sandbox, "/quit", "hello") as one:
        await one.run()

    assert one.person.typed == ["hello"]
    assert sandbox.stats.chats_started == 0


async def test_a_deployment_that_starts_is_waited_for() -> None:
    async with (
        Sandbox(token_delay=0, starting_seconds=0.5) as sandbox,
        sitting(sandbox, service="sandbox-starting") as one,
    ):
        text = await one.run()

    assert "waking-up (sandbox-starting) is starting. Ctrl-C ends the wait.\n" in text
    assert "\nstarting\n" in text
    assert text.index("\nstarting\n") < text.index("is running, 1 of 1 instances ready.")
    assert "qwen3-1.7b answers" in text


async def test_the_wait_for_a_deployment_can_be_ended_and_a_message_takes_it_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def hello_when_it_has_started() -> str:
        monkeypatch.setattr(fleet, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + 600))
        return "hello"

    async with (
        Sandbox(token_delay=0, starting_seconds=600) as sandbox,
        sitting(sandbox, "/model qwen3-1.7b", hello_when_it_has_started, service="sandbox-starting") as one,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(one.run)
        await one.paper.shows("\nstarting\n")
        one.interruption.interrupt()

    text = one.paper.getvalue()
    assert "Your next message waits for it." in text
    assert "is starting; nothing was sent to it." in text
    assert 'You wrote: "hello".' in text
    assert one.person.prompts == ["> ", "> ", "qwen3-1.7b> "]
    assert one.session.models == ("qwen3-1.7b",)


async def test_ctrl_c_while_the_deployment_is_looked_up_ends_the_program() -> None:
    async def hangs(_: Request, exchange: Exchange) -> None:
        one.interruption.interrupt()
        await exchange.hang()

    async with Upstream(control=hangs) as upstream, sitting(upstream.settings(), service="x") as one:
        assert await one.dialogue.run() == 130
    assert one.person.prompts == []


async def test_ctrl_c_gives_a_command_up_that_takes_too_long() -> None:
    async with Upstream() as upstream, sitting(upstream.settings(), "/info", service="svc-1") as one:

        async def hangs_at_the_second_look(_: Request, exchange: Exchange) -> None:
            if len(upstream.requests) > 1:
                one.interruption.interrupt()
                await exchange.hang()
            await exchange.answer_json(200, {"code": 0, "data": upstream.deployment})

        upstream.control = hangs_at_the_second_look
        text = await one.run()

    assert text.endswith("/info was cancelled.\n")


async def test_a_stopped_deployment_is_told_and_each_message_fails_without_ending_the_program() -> None:
    text = await shown("hello", "/help", service="sandbox-stopped")

    assert text.count("is stopped; nothing was sent to it.") == 2
    assert text.count("is stopped; nothing was sent to it.\nStart it in the Alaya NeW console") == 2
    assert "ask the last message again" in text


async def test_a_model_is_switched_to_and_the_conversation_goes_on() -> None:
    async with Sandbox(token_delay=0) as sandbox, sitting(sandbox, "one", "/model support-zh", "two") as one:
        text = await one.run()

    assert "support-zh answers from now on." in text
    assert re.search(r"^support-zh, \d+ tokens", text, re.MULTILINE)
    assert one.person.prompts == ["qwen3-8b> ", "qwen3-8b> ", "support-zh> ", "support-zh> "]
    assert "此前有1轮对话" in text or "Earlier turns: 1" in text


async def test_the_model_of_the_command_line_answers_from_the_start() -> None:
    assert "sql-writer answers; 2 LoRAs" in await shown(model="sql-writer")


async def test_a_model_that_is_not_there_is_told_with_the_nearest_and_nothing_changes() -> None:
    async with Sandbox(token_delay=0) as sandbox, sitting(sandbox, "/model suport-zh", "hello") as one:
        text = await one.run()

    assert 'qwen3-support does not serve "suport-zh".' in text
    assert text.count('Did you mean "support-zh"?') == 1
    assert "It serves: support-zh," in text
    assert one.person.prompts[-1] == "qwen3-8b> "
    assert re.search(r"^qwen3-8b, \d+ tokens", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("service", "typed", "rows"),
    [
        (
            "sandbox-lora-partial",
            ("/model tone-casual", "/model"),
            [
                "  qwen3-4b     base model",
                "* tone-casual  LoRA, loaded on 2 of 2 instances",
                "  tone-formal  LoRA, loaded on 1 of 2 instances",
            ],
        ),
        ("sandbox-sglang", ("/model poet", "/model"), ["* qwen2.5-7b:poet  LoRA, loaded on 1 of 1 instances"]),
        ("sandbox-lora-service", ("/model",), ["  qwen3-8b       base model", "* legal-zh       LoRA, loaded"]),
        ("sandbox-expert", ("/model",), ["* qwen2.5-72b  base model"]),
    ],
)
async def test_what_can_be_asked_is_listed(service: str, typed: tuple[str, ...], rows: list[str]) -> None:
    lines = (await shown(*typed, service=service)).splitlines()

    assert [line for line in lines if line in rows] == rows


@pytest.mark.parametrize(
    ("service", "models"),
    [
        ("sandbox-qwen3", ("qwen3-8b", "qwen3-8b-chat", "support-zh", "sql-writer")),
        ("sandbox-expert", ("qwen2.5-72b",)),
    ],
)
async def test_the_names_are_known_for_completion(service: str, models: tuple[str, ...]) -> None:
    async with Sandbox(token_delay=0) as sandbox, sitting(sandbox, service=service) as one:
        await one.run()

    assert one.session.models == models


async def test_a_model_that_the_engine_alone_tells_is_listed_completed_and_asked() -> None:
    async def models(_: Request, exchange: Exchange) -> None:
        rows = [{"id": "base", "owned_by": "vllm"}, {"id": "late", "parent": "base"}]
        await exchange.answer_json(200, {"data": rows})

    typed = ("/model", "/model late", "hello", "/info")
    async with (
        Upstream(chat=replies("yes", model="late"), models=models) as upstream,
        sitting(upstream.settings(), *typed, service="svc-1") as one,
    ):
        text = await one.run()

        assert upstream.chats[0].json["model"] == "late"
    assert re.search(r"^  late +LoRA, reported by the engine only$", text, re.MULTILINE)
    assert "late" in one.session.models
    assert one.person.prompts[-1] == "late> "


async def test_the_models_are_listed_where_the_engine_cannot_be_asked() -> None:
    async with Upstream() as upstream, sitting(upstream.settings(), "/model", service="svc-1") as one:
        text = await one.run()

    assert "\n* base        base model\n" in text
    assert one.session.models == ("base", "base-alias", "lora1")


async def test_a_key_that_the_engine_rejects_is_told_before_the_first_prompt() -> None:
    async def rejects(_: Request, exchange: Exchange) -> None:
        await exchange.answer_json(401, {"error": "no"})

    async with (
        Upstream(models=rejects, deployment={"servedName": None}) as upstream,
        sitting(upstream.settings(), service="svc-1") as one,
    ):
        with pytest.raises(CredentialsRejected):
            await one.run()

    assert one.person.prompts == []


async def test_messages_system_model_and_thinking_reach_the_engine_as_typed() -> None:
    typed = (
        "//etc",
        "two\nlines",
        "/system Be brief.",
        "/thinking off",
        "three\ud800",
        "/clear",
        "four",
        "/system off",
        "five",
    )
    async with (
        Upstream(chat=replies("yes", model="base")) as upstream,
        sitting(upstream.settings(), *typed, service="x", system="Be kind.", thinking="on") as one,
    ):
        text = await one.run()

        bodies = [request.json for request in upstream.chats]
    said = [[message["content"] for message in body["messages"]] for body in bodies]
    assert said == [
        ["Be kind.", "/etc"],
        ["Be kind.", "/etc", "yes", "two\nlines"],
        ["Be brief.", "/etc", "yes", "two\nlines", "yes", "three\ufffd"],
        ["Be brief.", "four"],
        ["four", "yes", "five"],
    ]
    switches = [body["chat_template_kwargs"]["enable_thinking"] for body in bodies]
    assert switches == [True, True, False, False, False]
    assert "The model's thinking: off, hidden." in text


async def test_the_system_message_is_shown_and_removed() -> None:
    text = await shown("/system", "/system off", "/system", system="Be [b]kind[/b].")

    assert "\nThe system message: Be [b]kind[/b].\n" in text
    assert text.count("There is no system message.\n") == 2


async def test_thinking_is_shown_only_when_asked_for() -> None:
    text = await shown("hi", "/thinking show", "hi", "/thinking hide", "hi", service="sandbox-thinking")

    assert text.count("Thinking:\n") == 1
    assert "the model is thinking" in text


async def test_a_wrong_way_to_think_is_told() -> None:
    text = await shown("/thinking hard", "/thinking")

    assert "/thinking takes show, hide, on, off or auto." in text
    assert "The model's thinking: auto, hidden." in text


async def test_retry_takes_the_place_of_the_last_answer() -> None:
    text = await shown("/retry", "one", "two", "/retry", "three")

    assert "There is no message to ask again." in text
    assert text.count('You wrote: "two". Earlier turns: 1.') == 2
    assert 'You wrote: "three". Earlier turns: 2.' in text


async def test_a_retry_that_fails_leaves_the_answer_there_was() -> None:
    answers = [replies("first", model="base"), _refuses, replies("third", model="base")]

    async def in_turn(request: Request, exchange: Exchange) -> None:
        await answers.pop(0)(request, exchange)

    async with (
        Upstream(chat=in_turn) as upstream,
        sitting(upstream.settings(), "one", "/retry", "two", service="x") as one,
    ):
        await one.run()

        last = upstream.chats[-1].json["messages"]
    assert [message["content"] for message in last] == ["one", "first", "two"]


async def test_a_message_that_failed_can_be_asked_again_and_is_not_in_the_way() -> None:
    answers = [_refuses, replies("second", model="base"), replies(model="base"), replies("fourth", model="base")]

    async def in_turn(request: Request, exchange: Exchange) -> None:
        await answers.pop(0)(request, exchange)

    async with (
        Upstream(chat=in_turn) as upstream,
        sitting(upstream.settings(), "one", "/retry", "two", "three", service="x") as one,
    ):
        text = await one.run()

        said = [[message["content"] for message in chat.json["messages"]] for chat in upstream.chats]
    assert said == [["one"], ["one"], ["one", "second", "two"], ["one", "second", "three"]]
    assert text.count("no, not now") == 1
    assert text.count("(no reply)") == 1


async def _refuses(_: Request, exchange: Exchange) -> None:
    await exchange.answer_json(400, {"error": {"message": "no, not now"}})


async def test_a_reply_that_ends_at_a_limit_says_so_and_how_to_go_on(tmp_path: Path) -> None:
    notes = tmp_path / "notes.md"
    ended = [text_chunk("half", finish_reason="length"), DONE]

    async def ends(_: Request, exchange: Exchange) -> None:
        await exchange.events(*ended)

    async with (
        Upstream(chat=ends) as upstream,
        sitting(upstream.settings(), "hello", f"/save {notes}", service="svc-1") as one,
    ):
        text = await one.run()

    assert "or the end of the context. /continue resumes it." in text
    assert "return_messages" not in text, "what is for those who call tools"
    assert notes.read_text(encoding="utf-8").endswith("half\n\n*(cut: max_tokens)*\n")


@pytest.mark.quick
async def test_the_budget_of_an_answer_is_what_the_command_line_gave() -> None:
    async with Sandbox(token_delay=0) as sandbox, sitting(sandbox, "sandbox: silence 300", timeout=40) as one:
        text = await one.run()

    assert "40 s" in text
    assert "Ask again; for more time, start with a larger --timeout." in text
    assert sandbox.stats.chats_aborted == 1


async def test_a_conversation_is_saved_and_taken_up_again(tmp_path: Path) -> None:
    file = tmp_path / "a talk.json"
    text = await shown("one", f"/save '{file}'", f"/save {file}", "two", f"/save! {file}")
    again = await shown(f"/load {file}", "/system", "three", system="Not this one.")

    assert f"Saved 2 messages to {file}." in text.replace("\n", " ").replace("  ", " ")
    assert "exists already. /save!" in text
    assert len(json.loads(file.read_text(encoding="utf-8"))) == 4
    assert "Loaded 4 messages from" in again
    assert "There is no system message." in again
    assert 'You wrote: "three". Earlier turns: 2.' in again


@pytest.mark.skipif(os.name == "nt", reason="there are no such permissions")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
async def test_a_file_that_is_written_over_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    file, link = tmp_path / "talk.json", tmp_path / "link.json"
    file.write_text("private", encoding="utf-8")
    file.chmod(mode)
    link.symlink_to(file)

    await shown("one", f"/save! {link}")

    assert file.stat().st_mode & 0o777 == mode
    assert link.is_symlink()
    assert len(json.loads(file.read_text(encoding="utf-8"))) == 2
    assert sorted(os.listdir(tmp_path)) == ["link.json", "talk.json"]  # noqa: PTH208 one call that does not wait


@pytest.mark.parametrize("word", ["exit", "quit", " QUIT ", ":q", "/exit", "/bye", "/quit"])
async def test_what_people_type_to_leave_leaves(word: str) -> None:
    async with Sandbox(token_delay=0) as sandbox, sitting(sandbox, word, "never") as one:
        await one.dialogue.run()

    assert sandbox.stats.chats_started == 0


async def test_a_system_message_that_was_set_is_said() -> None:
    assert "The system message: Be brief." in await shown("/system Be brief.")


async def test_a_loaded_question_without_an_answer_can_be_asked(tmp_path: Path) -> None:
    file = tmp_path / "talk.json"
    file.write_text(json.dumps([{"role": "user", "content": "from a file"}]), encoding="utf-8")

    text = await shown(f"/load {file}", "/retry")

    assert "The last message has no answer yet: /retry asks it." in text
    assert 'You wrote: "from a file".' in text


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("/modle", "There is no command /modle. Did you mean /model?"),
        ("/\x1b[2J", "There is no command /␛[2J."),
        ("/clear everything", "/clear takes no argument."),
        ("/quit now", "/quit takes no argument."),
        ("/save", "/save needs a file: /save FILE"),
        ("/load nowhere.json", "nowhere.json cannot be read"),
    ],
)
async def test_a_command_that_cannot_be_done_is_told(line: str, told: str) -> None:
    assert told in await shown(line)


async def test_the_deployment_is_shown_without_its_secrets() -> None:
    text = await shown("/info")

    assert "qwen3-support is a vLLM deployment serving qwen3-8b / qwen3-8b-chat with 2 LoRA adapters" in text
    assert re.search(r"^endpoint: http://127\.0\.0\.1:\d+/serve/sandbox-qwen3$", text, re.MULTILINE)
    assert "sandbox-key" not in text


async def test_what_a_model_says_cannot_steer_the_terminal() -> None:
    text = await shown("sandbox: say \x1b[2J\x1b]52;c;aGk=\x07\rgone\x9b1m")

    assert "␛[2J␛]52;c;aGk=␇gone\ufffd1m" in text
    assert not set(text) & {"\x1b", "\x07", "\r", "\x9b"}
