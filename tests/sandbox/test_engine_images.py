"""A model that takes images."""

import pytest

from tests.sandbox.caller import Caller, body_of, text_of

pytestmark = pytest.mark.anyio

DATA = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
WEB = {"type": "image_url", "image_url": {"url": "https://pictures.invalid/cat.png", "detail": "low"}}


@pytest.mark.parametrize(
    ("question", "words"), [("What is it?", "Images seen: 3. "), ("\u8fd9\u662f", "3\u5f20\u56fe")]
)
async def test_the_images_of_a_conversation_are_counted(caller: Caller, question: str, words: str) -> None:
    earlier = {"role": "user", "content": [WEB]}
    last = {"role": "user", "content": [DATA, {"type": "text", "text": question}, WEB]}
    text = text_of(await caller.chat("sandbox-vision", messages=[earlier, last]))
    assert words in text
    assert question in text


async def test_an_image_takes_room_in_the_prompt(caller: Caller) -> None:
    message = {"role": "user", "content": [DATA, {"type": "text", "text": "Hello, how are you today?"}]}
    seen, unseen = await caller.chat("sandbox-vision", messages=[message]), await caller.chat("sandbox-vision")
    assert body_of(seen)["usage"]["prompt_tokens"] - body_of(unseen)["usage"]["prompt_tokens"] == 256
    assert "Images" not in text_of(unseen)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"type": "image_url", "image_url": {"url": "cat.png"}}, "The URL must be either a HTTP, data or file URL."),
        ({"type": "image_url", "image_url": {}}, "The URL must be either a HTTP, data or file URL."),
        ({"type": "image_url", "image_url": {"url": "data:image/png,abc"}}, "Only base64 data URLs are supported"),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,a"}}, "base64-encoded"),
        ({"type": "hologram"}, "Unknown part type: hologram"),
    ],
)
async def test_what_is_no_image_is_refused(caller: Caller, part: object, words: str) -> None:
    response = await caller.chat("sandbox-vision", messages=[{"role": "user", "content": [part]}])
    assert response.status_code == 400
    assert words in body_of(response)["error"]["message"]


@pytest.mark.parametrize("service_id", ["sandbox-qwen3", "sandbox-thinking", "sandbox-sglang"])
async def test_other_models_see_nothing(caller: Caller, service_id: str) -> None:
    response = await caller.chat(service_id, messages=[{"role": "user", "content": [DATA]}])
    assert response.status_code == 400
    assert "is not a multimodal model" in response.text
