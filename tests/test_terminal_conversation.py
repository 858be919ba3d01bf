"""A conversation as a value, and as a file."""

import json
import os
import sys
from pathlib import Path

import pytest

from alaya_mcp.chat.request import Turn
from alaya_mcp.serving.tools.chat_with_deployment import ChatArguments
from alaya_mcp.terminal.conversation import Conversation, Message
from alaya_mcp.terminal.transcript import FileRefused, load, markdown, parse_messages, path_of, save

ASKED, ANSWERED = Turn("user", "How far?"), Turn("assistant", "Four")
CUT = Conversation("Be brief.").answered(ASKED, Message.reply("Four", "qwen3-8b", "max_tokens"))
CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}


def test_a_conversation_begins_with_its_system_message() -> None:
    assert CUT.turns == (Turn("system", "Be brief."), ASKED, ANSWERED)
    assert Conversation().turns == ()


def test_the_last_question_is_found_with_what_came_before_it() -> None:
    longer = CUT.answered(Turn("user", "And back?"), Message.reply("Eight"))

    assert longer.last_question() == (CUT, Turn("user", "And back?"))
    assert Conversation("Be brief.").last_question() is None


def test_a_question_without_an_answer_is_the_last_one_and_gives_way_to_the_next() -> None:
    failed = CUT.not_answered(Turn("user", "Hello?"))

    assert failed.turns == CUT.turns
    assert failed.last_question() == (CUT, Turn("user", "Hello?"))
    assert failed.answered(Turn("user", "And now?"), Message.reply("Yes")).unanswered is None


def test_a_continued_reply_is_one_message() -> None:
    whole = CUT.continued(Message.reply("teen miles", "support-zh"))

    assert whole.turns[-1] == Turn("assistant", "Fourteen miles")
    assert (whole.messages[-1].model, whole.messages[-1].cut) == ("support-zh", "")


def test_a_reply_that_starts_over_takes_the_place_of_the_one_that_was_cut() -> None:
    begun = Conversation().answered(ASKED, Message.reply("It is a long way to go, and"))

    again = begun.continued(Message.reply("It is a long way to go, fourteen miles."))

    assert again.turns[-1].content == "It is a long way to go, fourteen miles."


@pytest.mark.parametrize(
    ("conversation", "can"),
    [
        (CUT, True),
        (Conversation(), False),
        (CUT.answered(ASKED, Message.reply("")), False),
        (Conversation.of((ASKED, Turn("assistant", "x", tool_calls=(CALL,)))), False),
        (Conversation.of((ASKED, Turn("tool", "x", tool_call_id="call_1"))), False),
    ],
)
def test_only_a_reply_with_text_can_be_gone_on_from(conversation: Conversation, can: bool) -> None:
    assert conversation.can_continue is can


@pytest.mark.parametrize(
    "turns",
    [
        (Turn("system", ""), ASKED, ANSWERED),
        (ASKED, ANSWERED),
        (ASKED, Turn("assistant", "", tool_calls=(CALL,)), Turn("tool", "far", tool_call_id="call_1"), ANSWERED),
        (Turn("user", "See?", images=("https://example.invalid/a.png",)), Turn("assistant", "是的 \u2028 \x1b[1m")),
        (Turn("user", "", images=("data:image/png;base64,AAAA",)), ANSWERED, Turn("system", "late"), ANSWERED),
    ],
)
def test_what_was_saved_is_loaded_and_taken_by_the_tool(turns: tuple[Turn, ...], tmp_path: Path) -> None:
    file = tmp_path / "talk.json"
    save(Conversation.of(turns), "", file, overwrite=False)

    assert load(file).turns == turns
    messages = json.loads(file.read_text(encoding="utf-8"))
    taken = ChatArguments.parse({"messages": messages})
    assert isinstance(taken, ChatArguments)
    assert taken.chat(50).turns == turns


def test_a_conversation_that_ends_with_a_question_is_loaded_with_it_unanswered(tmp_path: Path) -> None:
    file = tmp_path / "talk.json"
    file.write_text('\ufeff{"messages": [{"role": "user", "content": "How far?"}]}', encoding="utf-8")

    assert load(file) == Conversation(unanswered=ASKED)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("# Markdown", "it is not JSON"),
        ("{}", "it has no list of messages"),
        ("[]", "it has no list of messages"),
        ('["hi"]', "message 1: must be an object"),
        ('[{"role": "user", "content": "x"}, {"role": "robot", "content": "x"}]', "message 2: role: must be"),
        ('[{"role": ["user"], "content": "x"}]', "message 1: role: must be"),
        ('[{"role": "user"}]', "message 1: content: is required"),
        ('[{"role": "user", "content": 3}]', "message 1: content: must be text"),
        ('[{"role": "user", "content": [{"type": "input_audio"}]}]', "message 1: content: must be text"),
        ('[{"role": "user", "content": "x", "images": "y"}]', "message 1: images: must be an https"),
        ('[{"role": "assistant", "content": "x", "tool_calls": ["y"]}]', "message 1: tool_calls: must be an object"),
    ],
)
def test_what_is_no_conversation_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_messages(text)


def test_a_file_that_is_there_is_left_alone_unless_told_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "talk.md"
    file.write_text("mine", encoding="utf-8")

    with pytest.raises(FileRefused, match="/save!"):
        save(CUT, "A talk", file, overwrite=False)
    assert file.read_text(encoding="utf-8") == "mine"

    save(CUT, "A talk", file, overwrite=True)
    assert file.read_text(encoding="utf-8").startswith("# A talk\n")


def test_markdown_says_who_spoke_and_what_was_cut() -> None:
    assert markdown(CUT, "A talk") == (
        "# A talk\n\n## System\n\nBe brief.\n\n## You\n\nHow far?\n\n## qwen3-8b\n\nFour\n\n*(cut: max_tokens)*\n"
    )


def test_markdown_has_images_and_tool_calls_too() -> None:
    turns = (Turn("user", "See?", images=("https://example.invalid/a.png",)), Turn("assistant", "", tool_calls=(CALL,)))

    text = markdown(Conversation.of(turns), "A talk")

    assert "![](https://example.invalid/a.png)" in text
    assert '"name": "look"' in text
    assert "## Model" in text


@pytest.mark.parametrize("name", ["none/talk.json", "", "a\0b"])
def test_what_cannot_be_written_or_read_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match="cannot be written"):
        save(CUT, "", tmp_path / name, overwrite=True)
    with pytest.raises(FileRefused, match="cannot be read"):
        load(tmp_path / name)


def test_what_was_saved_for_reading_is_not_loaded(tmp_path: Path) -> None:
    file, binary = tmp_path / "talk.md", tmp_path / "binary"
    save(CUT, "A talk", file, overwrite=False)
    binary.write_bytes(b"\xff\xfe")

    with pytest.raises(FileRefused, match="Markdown files cannot be loaded"):
        load(file)
    with pytest.raises(FileRefused, match="not UTF-8"):
        load(binary)


@pytest.mark.parametrize("argument", ["~/a b.md", "'~/a b.md'", '"~/a b.md"'])
def test_a_path_may_be_quoted_and_begin_at_home(argument: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USERPROFILE" if sys.platform == "win32" else "HOME", os.fspath(tmp_path))

    assert path_of(argument) == tmp_path / "a b.md"


def test_a_home_that_there_is_not_is_told() -> None:
    with pytest.raises(FileRefused, match="does not exist"):
        path_of("~no-such-user-here/talk.json")


def test_a_question_without_an_answer_is_saved_and_found_again(tmp_path: Path) -> None:
    file, page = tmp_path / "kept.json", tmp_path / "kept.md"
    waiting = CUT.not_answered(Turn("user", "And back?"))
    save(waiting, "x", file, overwrite=False)
    save(waiting, "x", page, overwrite=False)

    assert load(file).unanswered == Turn("user", "And back?")
    assert "And back?" in page.read_text(encoding="utf-8")


def test_half_a_surrogate_pair_in_a_file_is_replaced() -> None:
    (turn,) = parse_messages('[{"role": "user", "content": "hi \\ud83d", "images": ["https://x.invalid/\\ud83d"]}]')

    assert turn.content == "hi \ufffd"
    assert turn.images == ("https://x.invalid/\ufffd",)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no such files")
def test_what_is_no_file_is_never_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    for act in (lambda: load(pipe), lambda: save(CUT, "x", pipe, overwrite=True)):
        with pytest.raises(FileRefused, match="it is not a file"):
            act()


def test_what_is_written_over_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    kept, link = tmp_path / "kept.json", tmp_path / "link.json"
    kept.write_text("old")
    link.symlink_to(kept)
    save(CUT, "x", link, overwrite=True)

    assert link.is_symlink()
    assert load(kept).turns == CUT.turns
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.json", "link.json"]


def test_a_file_larger_than_any_conversation_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "huge.json"
    with file.open("wb") as huge:
        huge.truncate(2**26)
    with pytest.raises(FileRefused, match="larger than"):
        load(file)
