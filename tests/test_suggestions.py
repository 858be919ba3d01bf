"""What a caller that misspelt something is told: what it probably meant."""

import pytest
from mcp.shared.exceptions import MCPError

from alaya_mcp.errors import NotConfigured
from alaya_mcp.suggestions import nearest
from tests.calls import CHAT, ERAS, Era, call, connected, error_of, text_of

pytestmark = [pytest.mark.anyio]

UNCONFIGURED = NotConfigured("certificates_unusable")


@pytest.mark.parametrize(
    ("tool", "argument", "meant"),
    [
        (CHAT, "max_token", "max_tokens"),
        (CHAT, "temprature", "temperature"),
        (CHAT, "max_completion_tokens", "max_tokens"),
        (CHAT, "messsages", "messages"),
        (CHAT, "timeout", "timeout_seconds"),
        (CHAT, "returnMessages", "return_messages"),
        (CHAT, "Top-P", "top_p"),
        ("get_deployment", "serviceId", "service_id"),
        ("list_deployments", "cursors", "cursor"),
    ],
)
async def test_a_misspelt_argument_is_told_with_the_one_that_was_meant(tool: str, argument: str, meant: str) -> None:
    async with connected(UNCONFIGURED) as client:
        result = await client.call_tool(tool, {argument: 1})

    assert error_of(result)["code"] == "invalid_arguments"
    assert f"{argument}: no such argument (did you mean {meant}?)" in text_of(result)


async def test_an_argument_that_is_like_none_is_told_with_all_that_there_are() -> None:
    result = await call(UNCONFIGURED, "get_deployment", zzz=1)

    assert "zzz: no such argument." in text_of(result)
    assert "did you mean" not in text_of(result).lower()
    assert "The arguments are: service_id, wait_seconds." in text_of(result)


@pytest.mark.parametrize(
    ("tool", "argument", "value", "meant"),
    [
        (CHAT, "thinking", "onn", " (did you mean on?)"),
        (CHAT, "thinking", "automatic", " (did you mean auto?)"),
        ("list_deployments", "status", "runing", " (did you mean running?)"),
        ("list_deployments", "kind", "LoRA", " (did you mean lora?)"),
        ("list_deployments", "kind", "planted-value", ""),
        ("list_deployments", "kind", 5, ""),
    ],
)
async def test_a_value_that_is_none_of_those_there_are(tool: str, argument: str, value: object, meant: str) -> None:
    async with connected(UNCONFIGURED) as client:
        result = await client.call_tool(tool, {argument: value})

    assert error_of(result)["code"] == "invalid_arguments"
    assert f"{argument}: must be one of " in text_of(result)
    assert f"{meant}." in text_of(result)
    assert ("did you mean" in text_of(result)) is bool(meant)
    assert "planted" not in text_of(result)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("chat_with_deploymnt", "Unknown tool: chat_with_deploymnt. Did you mean chat_with_deployment?"),
        ("list_deployment", "Did you mean list_deployments?"),
        ("list_loras", "Did you mean list_lora_models?"),
        ("chat", "Did you mean chat_with_deployment?"),
        ("drop_tables", "Unknown tool: drop_tables. The tools are: list_deployments, get_deployment"),
        ("a\nb" + "c" * 1_000, "Unknown tool: a b" + "c" * 61 + ". The tools are"),
        ("", "The tools are"),
    ],
)
async def test_an_unknown_tool_is_invalid_params_with_the_one_that_was_meant(era: Era, name: str, words: str) -> None:
    async with connected(UNCONFIGURED, era) as client:
        with pytest.raises(MCPError) as raised:
            await client.call_tool(name, {})

    assert raised.value.error.code == -32602
    assert words in raised.value.error.message


def test_nothing_near_is_nothing() -> None:
    assert nearest("x", ["temperature", "top_p"]) is None
    assert nearest("", ["temperature"]) is None
    assert nearest("to", ["temperature", "top_p", "tool_choice"]) is None
