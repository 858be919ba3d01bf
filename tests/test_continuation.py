"""Going on from a reply that was cut, and options that are handed through to the engine."""

from typing import Any

import pytest

from alaya_mcp.chat.exchange import starts_over
from tests.calls import CHAT, call, content_of, error_of, text_of
from tests.upstream import Upstream, replies

pytestmark = [pytest.mark.anyio]

HALF = [
    {"role": "user", "content": "Tell me of Rome."},
    {"role": "assistant", "content": "Rome was founded, they say, in "},
]


async def test_the_engine_is_asked_to_go_on_and_the_conversation_has_one_message_of_it() -> None:
    async with Upstream(chat=replies("753 ", "BC.")) as upstream:
        content = content_of(
            await call(upstream.settings(), CHAT, messages=HALF, continue_reply=True, return_messages=True)
        )

        sent = upstream.chats[0].json
    assert (sent["continue_final_message"], sent["add_generation_prompt"]) == (True, False)
    assert sent["messages"] == HALF
    assert content["content"] == "753 BC."
    assert content["messages"] == [HALF[0], {"role": "assistant", "content": "Rome was founded, they say, in 753 BC."}]
    assert content["warnings"] == []


async def test_an_engine_that_starts_over_is_told_so() -> None:
    async with Upstream(chat=replies("Rome was founded, they say, in the year 753 BC.")) as upstream:
        result = await call(upstream.settings(), CHAT, messages=HALF, continue_reply=True, return_messages=True)

    content = content_of(result)
    assert any("started over" in warning for warning in content["warnings"])
    assert "started over" in text_of(result)
    assert content["messages"][-1]["content"] == content["content"]


async def test_a_short_beginning_is_kept() -> None:
    messages = [HALF[0], {"role": "assistant", "content": "I"}]
    async with Upstream(chat=replies("It depends.")) as upstream:
        content = content_of(
            await call(upstream.settings(), CHAT, messages=messages, continue_reply=True, return_messages=True)
        )

    assert content["messages"][-1]["content"] == "IIt depends."
    assert content["warnings"] == []


async def test_data_that_started_over_is_read_by_itself() -> None:
    half = '{"text": "a beginning that is long enough'
    messages = [HALF[0], {"role": "assistant", "content": half}]
    async with Upstream(chat=replies(half + '"}')) as upstream:
        content = content_of(
            await call(
                upstream.settings(), CHAT, messages=messages, continue_reply=True, response_schema={"type": "object"}
            )
        )

    assert content["parsed"] == {"text": "a beginning that is long enough"}


@pytest.mark.parametrize(
    "arguments",
    [
        {"prompt": "x"},
        {"messages": HALF[:1]},
        {"messages": [*HALF, {"role": "user", "content": "go on"}]},
        {"messages": [HALF[0], {"role": "assistant", "content": ""}]},
    ],
)
async def test_there_must_be_a_reply_to_go_on_from(arguments: dict[str, Any]) -> None:
    async with Upstream() as upstream:
        result = await call(upstream.settings(), CHAT, continue_reply=True, **arguments)

        assert upstream.requests == []
    assert error_of(result)["code"] == "invalid_arguments"
    assert "an assistant's" in text_of(result)


@pytest.mark.parametrize(
    ("earlier", "new", "over"),
    [
        ("The quick brown fox jumps over", "The quick brown fox jumps over the dog", True),
        ("The quick brown fox jumps over", "  The quick\nbrown fox jumps again", True),
        ("The quick brown fox jumps over", " the lazy dog", False),
        ("The quick brown fox jumps over", "The quick", False),
        ("Yes", "Yes, of course", False),
        ("ha ha ", "ha ha ha", False),
        ("- ", "- b", False),
        ("Yes", ", of course", False),
        ("", "anything", False),
        ("anything", "", False),
        (
            "罗马城相传建于公元前七百五十三年、建城者是罗慕路斯兄弟二人",
            "罗马城相传建于公元前七百五十三年、建城者是罗慕路斯",
            True,
        ),
    ],
)
def test_starting_over_is_beginning_as_before(earlier: str, new: str, *, over: bool) -> None:
    assert starts_over(earlier, new) is over


async def test_further_fields_reach_the_engine_as_they_are() -> None:
    extra = {"top_k": 5, "min_p": 0.1, "nested": {"a": [None, True]}}
    async with Upstream(chat=replies("ok")) as upstream:
        content_of(await call(upstream.settings(), CHAT, prompt="x", extra_body=extra))

        sent = upstream.chats[0].json
    assert {key: sent[key] for key in extra} == extra
    assert sent["stream"] is True


@pytest.mark.parametrize(
    ("key", "named"),
    [
        ("messages", "messages"),
        ("model", "model"),
        ("lora_path", "model"),
        ("n", "n is not accepted"),
        ("best_of", "best_of is not accepted"),
        ("guided_json", "response_schema"),
        ("functions", "tools"),
        ("prompt", "prompt"),
        ("stream", "stream is not accepted"),
        ("stream_options", "stream_options is not accepted"),
        ("max_completion_tokens", "max_tokens"),
        ("temperature", "temperature"),
        ("response_format", "response_schema"),
        ("tool_choice", "tool_choice"),
        ("add_generation_prompt", "continue_reply"),
    ],
)
async def test_fields_that_have_an_argument_are_refused_by_name(key: str, named: str) -> None:
    async with Upstream() as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x", extra_body={key: 1, "top_k": 1})

        assert upstream.requests == []
    assert error_of(result)["code"] == "invalid_arguments"
    assert "extra_body" in text_of(result)
    assert named in text_of(result)


@pytest.mark.parametrize(
    "extra",
    ["nonsense", [1], {"chat_template_kwargs": 3}, '{"top_p_": NaN}', {"a": "x" * 70_000}],
    ids=["text", "list", "kwargs", "NaN", "size"],
)
async def test_an_extra_body_that_cannot_be_sent_is_refused(extra: object) -> None:
    async with Upstream() as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x", extra_body=extra)

        assert upstream.requests == []
    assert error_of(result)["code"] == "invalid_arguments"
    assert "extra_body" in text_of(result)


@pytest.mark.parametrize(("thinking", "switched"), [("on", True), ("off", False)])
async def test_thinking_is_switched_by_both_names(thinking: str, *, switched: bool) -> None:
    extra = {"chat_template_kwargs": {"tools_in_user_message": False}}
    async with Upstream(chat=replies("ok")) as upstream:
        content_of(await call(upstream.settings(), CHAT, prompt="x", thinking=thinking, extra_body=extra))

        assert upstream.chats[0].json["chat_template_kwargs"] == {
            "tools_in_user_message": False,
            "enable_thinking": switched,
            "thinking": switched,
        }


@pytest.mark.parametrize("thinking", ["auto", None, ""])
async def test_thinking_is_left_to_the_engine_otherwise(thinking: str | None) -> None:
    async with Upstream(chat=replies("ok")) as upstream:
        content_of(await call(upstream.settings(), CHAT, prompt="x", thinking=thinking))

        assert "chat_template_kwargs" not in upstream.chats[0].json


async def test_thinking_cannot_be_switched_in_two_places() -> None:
    extra = {"chat_template_kwargs": {"enable_thinking": False}}
    async with Upstream() as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x", thinking="on", extra_body=extra)

    assert error_of(result)["code"] == "invalid_arguments"
