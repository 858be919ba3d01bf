"""A client with no knowledge finds a deployment by name, sees its adapters and asks one, over the real pipes."""

from typing import Any

import pytest

from tests.calls import CHAT
from tests.stdio_host import Host, host, warm_host

pytestmark = [pytest.mark.anyio]


class Agent:
    """Calls tools and remembers nothing but what it is told."""

    def __init__(self, server: Host, *, modern: bool) -> None:
        self._server = server
        self._modern = modern
        self._calls = 0

    async def call(self, tool: str, **arguments: object) -> dict[str, Any]:
        self._calls += 1
        await self._server.call(self._calls, tool, modern=self._modern, **arguments)
        result = (await self._server.answer(self._calls))["result"]
        assert not result.get("isError"), result["content"][0]["text"]
        return result["structuredContent"]


@pytest.mark.parametrize("modern", [False, True], ids=["handshake", "stateless"])
async def test_it_is_found_seen_and_asked_all_by_name(modern: bool) -> None:
    async with (warm_host if modern else host)("--sandbox", ALAYA_SERVICE_ID="") as server:
        if not modern:
            await server.initialize()
        agent = Agent(server, modern=modern)
        found = await agent.call("list_deployments", name="qwen3-support")
        (row,) = found["deployments"]
        adapters = await agent.call("list_lora_models", service_id=row["name"])
        adapter = adapters["lora_models"][0]
        answer = await agent.call(CHAT, service_id=row["name"], model=adapter["model"], prompt="Where is order 1042?")

    assert row["status"] == "running"
    assert [each["name"] for each in adapters["lora_models"]] == ["support-zh", "sql-writer"]
    assert answer["served_by"] == adapter["name"]
    assert "1042" in answer["content"]
