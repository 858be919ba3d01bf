"""Which model answers to which name, and what happens to a name nobody has."""

import pytest

from tests.sandbox.caller import Caller, body_of, text_of
from tests.sandbox.refusals import error

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("model", "answered"),
    [
        ("qwen3-8b", "qwen3-8b"),
        ("qwen3-8b-chat", "qwen3-8b"),
        ("", "qwen3-8b"),
        (None, "qwen3-8b"),
        ("sql-writer", "sql-writer"),
    ],
)
async def test_vllm_answers_with_the_primary_name_or_the_adapters(
    caller: Caller, model: str | None, answered: str
) -> None:
    assert body_of(await caller.chat(model=model))["model"] == answered


@pytest.mark.parametrize("model", ["nobody", "SQL-WRITER", "qwen3-8b:sql-writer"])
async def test_vllm_names_only_its_aliases_when_it_does_not_know_a_model(caller: Caller, model: str) -> None:
    message = f"The model `{model}` does not exist. Valid aliases: qwen3-8b, qwen3-8b-chat."
    response = await caller.chat(model=model)
    assert (response.status_code, response.text) == (404, error(message, "NotFoundError", "model", 404))


async def test_vllm_ignores_what_it_does_not_know_even_sglangs_adapter_field(caller: Caller) -> None:
    response = await caller.chat(lora_path="sql-writer", frobnicate=True)
    assert body_of(response)["model"] == "qwen3-8b"


async def test_an_adapter_on_one_of_two_instances_is_found_every_other_time(caller: Caller) -> None:
    asked = [await caller.chat("sandbox-lora-partial", model="tone-formal") for _ in range(4)]
    assert [each.status_code for each in asked] == [404, 200, 404, 200]
    both = [await caller.chat("sandbox-lora-partial", model="tone-casual") for _ in range(2)]
    assert [each.status_code for each in both] == [200, 200]


async def test_the_lora_service_answers_with_its_adapter(caller: Caller) -> None:
    assert "legal-zh" in text_of(await caller.chat("sandbox-lora-service", model="legal-zh"))
