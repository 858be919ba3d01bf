"""Images on a message: checked here, sent as content parts, and explained where an engine takes none."""

import base64
from typing import Any

import pytest

from tests.calls import CHAT, call, content_of, error_of, text_of
from tests.upstream import Upstream, replies, says

pytestmark = [pytest.mark.anyio]

PNG = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
WEB = "https://images.invalid/cat.png?size=1"


def user(images: object, content: object = "what is this?") -> dict[str, Any]:
    return {"role": "user", "content": content, "images": images}


@pytest.mark.parametrize(
    ("images", "content", "parts"),
    [
        ([PNG, WEB], "look", ["text", PNG, WEB]),
        (WEB, "look", ["text", WEB]),
        (f'["{WEB}"]', "look", ["text", WEB]),
        ([PNG], "", [PNG]),
        ([PNG], None, [PNG]),
        ([], [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": WEB}}], ["text", WEB]),
        ([PNG], [{"type": "image_url", "image_url": WEB, "detail": "low"}], [PNG, WEB]),
    ],
)
async def test_images_are_sent_as_content_parts(images: object, content: object, parts: list[str]) -> None:
    async with Upstream(chat=replies("a cat")) as upstream:
        content_of(await call(upstream.settings(), CHAT, messages=[user(images, content)]))

        sent = upstream.chats[0].json["messages"][0]
    assert sent["role"] == "user"
    assert [part.get("image_url", {}).get("url", part["type"]) for part in sent["content"]] == parts


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (user(["http://images.invalid/cat.png"]), "must be an https://"),
        (user(["file:///etc/passwd"]), "must be an https://"),
        (user(["data:text/html;base64,AAAA"]), "must be an https://"),
        (user(["https://images.invalid/a b.png"]), "must be an https://"),
        (user(["data:image/png;base64,****"]), "base64 is broken"),
        (user(["data:image/png;base64," + "A" * (8 * 2**20 + 4)]), "larger than 8 MiB"),
        (user(["data:image/png;base64," + "A" * (6 * 2**20)] * 3), "larger than 16 MiB together"),
        (user([WEB] * 17), "at most 16"),
        ({"role": "assistant", "content": "x", "images": [WEB]}, "user's message"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_is_no_image_is_refused_and_not_quoted(message: dict[str, Any], why: str) -> None:
    async with Upstream() as upstream:
        result = await call(upstream.settings(), CHAT, messages=[message])

        assert upstream.requests == []
    assert error_of(result)["code"] == "invalid_arguments"
    assert why in text_of(result)
    assert "passwd" not in text_of(result)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "base is not a multimodal model"),
        (500, "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"),
        (400, "This model does not support image input"),
    ],
)
async def test_an_engine_that_takes_none_is_explained(status: int, words: str) -> None:
    async with Upstream(chat=says(status, {"error": {"message": words, "code": status}})) as upstream:
        result = await call(upstream.settings(), CHAT, messages=[user([PNG])])

    detail = error_of(result)
    assert (detail["code"], detail["retryable"]) == ("request_rejected", False)
    assert "takes no images" in text_of(result)
    assert "vision model" in text_of(result)


async def test_the_conversation_returned_keeps_addresses_and_leaves_data_out() -> None:
    async with Upstream(chat=replies("a cat")) as upstream:
        content = content_of(await call(upstream.settings(), CHAT, messages=[user([PNG, WEB])], return_messages=True))

    assert content["messages"][0]["images"] == [WEB]
    assert any("add them again" in warning for warning in content["warnings"])
    assert "base64" not in str(content)


async def test_text_given_as_parts_is_text() -> None:
    parts = [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]
    async with Upstream(chat=replies("ok")) as upstream:
        content_of(await call(upstream.settings(), CHAT, messages=[{"role": "user", "content": parts}]))

        assert upstream.chats[0].json["messages"] == [{"role": "user", "content": "one two"}]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {}},
        {"type": "text"},
        {"type": "image_url", "image_url": {"url": 1}},
        "x",
        1,
    ],
)
async def test_a_part_of_another_kind_is_refused(part: object) -> None:
    async with Upstream() as upstream:
        message = {"role": "user", "content": [{"type": "text", "text": "x"}, part]}
        result = await call(upstream.settings(), CHAT, messages=[message])

        assert upstream.requests == []
    assert error_of(result)["code"] == "invalid_arguments"


@pytest.mark.parametrize("images", [5, {"url": WEB}, "x"])
async def test_parts_beside_images_that_are_none_are_refused_too(images: object) -> None:
    async with Upstream() as upstream:
        message = {"role": "user", "content": [{"type": "text", "text": "x"}], "images": images}
        result = await call(upstream.settings(), CHAT, messages=[message])

    assert error_of(result)["code"] == "invalid_arguments"


async def test_an_image_in_a_part_is_checked_as_any() -> None:
    async with Upstream() as upstream:
        content = [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]
        result = await call(upstream.settings(), CHAT, messages=[{"role": "user", "content": content}])

    assert "must be an https://" in text_of(result)
