"""A name that is not served: what is served in its place, by whom; and what one look at the engine settles."""

from typing import Any

import pytest

from alaya_mcp.sandbox import Sandbox
from tests.calls import CHAT, ERAS, Era, call, connected, content_of, error_of, over, text_of
from tests.upstream import Upstream, in_turn, replies, says

pytestmark = [pytest.mark.anyio, pytest.mark.quick]

NO_MODEL = {"error": {"message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404}}
LORA_SERVICE: dict[str, Any] = {"baseServiceId": "b", "servedName": "legal", "quickStart": None, "mode": None}


def listing(*base: str, adapters: tuple[str, ...] = (), owner: str = "vllm") -> dict[str, Any]:
    """The engine's own list."""
    rows = [{"id": name, "owned_by": owner} for name in base]
    return {"data": rows + [{"id": name, "owned_by": owner, "parent": base[0]} for name in adapters]}


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("service", "model", "meant", "candidates"),
    [
        ("hot-load", "frsh-zh", "fresh-zh", {"fresh-zh", "kept-zh", "qwen3-8b"}),
        ("hot-load", "FRESH-ZH", "fresh-zh", {"fresh-zh", "kept-zh", "qwen3-8b"}),
        ("hot-load", "\uff46\uff52\uff45\uff53\uff48-zh", "fresh-zh", {"fresh-zh", "kept-zh", "qwen3-8b"}),
        ("hot-load", "something-else", None, {"fresh-zh", "kept-zh", "qwen3-8b"}),
        ("hot-load", "gone-zh", None, {"fresh-zh", "kept-zh", "qwen3-8b"}),
        ("fault-wrong-served-name", "", "qwen3-8b", {"qwen3-8b", "support-zh"}),
        ("fault-wrong-served-name", "qwen3-8b-renamed", "qwen3-8b", {"qwen3-8b", "support-zh"}),
        ("poems", "peot", "qwen2.5-7b:poet", {"qwen2.5-7b", "qwen2.5-7b:poet"}),
        ("poems", "qwen2.5-7b:peot", "qwen2.5-7b:poet", {"qwen2.5-7b", "qwen2.5-7b:poet"}),
        ("tone-of-voice", "tone-frmal", "tone-formal", {"tone-formal", "tone-casual", "qwen3-4b"}),
        ("legal-assistant", "legl-zh", "legal-zh", {"legal-zh", "qwen3-8b", "qwen3-8b-chat"}),
        ("finance-72b", "qwen2.5-27b", "qwen2.5-72b", {"qwen2.5-72b"}),
    ],
)
async def test_what_the_engine_lists_is_suggested_once(
    era: Era, service: str, model: str, meant: str | None, candidates: set[str]
) -> None:
    async with Sandbox(token_delay=0) as sandbox:
        result = await call(over(sandbox), CHAT, era, service_id=service, model=model, prompt="x")

    detail, text = error_of(result), text_of(result)
    assert detail["code"] == "model_not_served"
    assert set(detail["candidates"]) == candidates
    assert text.count(f"It serves: {', '.join(detail['candidates'])}.") == 1
    assert text.count("Did you mean") == (1 if meant else 0)
    if meant:
        assert f'Did you mean "{meant}"?' in text
        assert detail["candidates"][0] == meant


async def test_a_candidate_is_answered() -> None:
    async with Sandbox(token_delay=0) as sandbox, connected(over(sandbox)) as client:
        for service in ("hot-load", "fault-wrong-served-name", "poems", "tone-of-voice"):
            refused = await client.call_tool(CHAT, {"service_id": service, "model": "zzzz", "prompt": "x"})
            for candidate in error_of(refused)["candidates"]:
                content_of(await client.call_tool(CHAT, {"service_id": service, "model": candidate, "prompt": "x"}))


async def test_a_name_that_the_engine_refuses_is_looked_up_in_its_list_once() -> None:
    models = says(200, listing("engine-name"))
    async with Upstream(chat=says(404, NO_MODEL), models=models) as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x")

        assert (len(upstream.chats), len(upstream.asked("/v1/models"))) == (1, 1)
    assert error_of(result)["candidates"] == ["engine-name"]
    assert 'The control plane reports "base", but the engine does not list it.' in text_of(result)


@pytest.mark.parametrize("models", [says(404, {}), says(500, {}), says(200, {"data": ["x"]})])
async def test_where_the_engine_lists_nothing_the_control_planes_names_are_suggested(models: Any) -> None:  # noqa: ANN401 a handler
    async with Upstream(chat=says(404, NO_MODEL), models=models) as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x")

    assert error_of(result)["candidates"] == ["base-alias", "lora1"]


async def test_a_list_that_can_be_read_in_part_refuses_no_name() -> None:
    models = says(200, {"data": [{"id": "base"}, "hot"]})
    async with Upstream(chat=replies("hello", model="hot"), models=models) as upstream:
        content = content_of(await call(upstream.settings(), CHAT, prompt="x", model="hot"))

    assert content["model"] == "hot"
    assert "could not be read" in content["warnings"][0]


@pytest.mark.parametrize(("owner", "sent"), [("vllm", "legal"), ("sglang", "base:legal")])
async def test_one_look_tells_the_engine_of_a_lora_service(owner: str, sent: str) -> None:
    models = says(200, listing("base", adapters=("legal",), owner=owner))
    async with Upstream(chat=replies("hello", model=sent), models=models, deployment=LORA_SERVICE) as upstream:
        upstream.deployment.pop("instance")
        async with connected(upstream.settings()) as client:
            contents = [content_of(await client.call_tool(CHAT, {"prompt": "x"})) for _ in range(3)]

        assert [chat.json["model"] for chat in upstream.chats] == [sent] * 3
        assert len(upstream.asked("/v1/models")) == 1
    assert [content["warnings"] for content in contents] == [[], [], []]


@pytest.mark.parametrize("models", [says(404, {}), says(200, listing("base", owner="me"))])
async def test_a_look_that_tells_nothing_is_not_repeated_and_the_doubt_stays(models: Any) -> None:  # noqa: ANN401 a handler
    chat = replies("hello", model="legal")
    async with Upstream(chat=chat, models=in_turn(models), deployment=LORA_SERVICE) as upstream:
        upstream.deployment.pop("instance")
        async with connected(upstream.settings()) as client:
            contents = [content_of(await client.call_tool(CHAT, {"prompt": "x"})) for _ in range(3)]

        assert len(upstream.asked("/v1/models")) == 1
    assert all("The engine is unknown" in content["warnings"][0] for content in contents)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--served-model-name", "qwen-72b", "--model", "/models/q"], "(--served-model-name says qwen-72b)"),
        (["--served-model-name=qwen-72b"], "(--served-model-name says qwen-72b)"),
        (["--served_model_name", "qwen-72b"], "(--served-model-name says qwen-72b)"),
        (["--model", "/models/q"], "(--model says /models/q)"),
        (["--model-path", "Qwen/Qwen3-8B"], "(--model-path says Qwen/Qwen3-8B)"),
        (["vllm serve --model /models/q --port 80"], "(--model says /models/q)"),
        (["--port", "80"], "control plane; leave"),
    ],
)
@pytest.mark.parametrize("status", ["running", "stopped"])
async def test_models_that_are_not_reported_are_told_with_what_the_flags_say(
    arguments: list[str], hint: str, status: str
) -> None:
    expert = {"headConfig": {"image": "vllm/vllm-openai", "args": arguments}}
    deployment = {"servedName": None, "quickStart": None, "mode": "expert", "expert": expert, "status": status}
    async with Upstream(deployment={**deployment, "instance": []}) as upstream:
        result = await call(upstream.settings(), "get_deployment")

    text = text_of(result)
    assert content_of(result)["models"] == []
    assert text.count("models: not reported by the control plane") == 1
    assert hint in text
    assert "leave model out of a chat" in text
    assert "models for chat" not in text
