"""Nothing of one caller reaches another: many accounts at once, each with secrets of its own planted everywhere."""

import json
import random
import re
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest

from alaya_mcp.serving.http import server as http_server
from tests.calls import CHAT, content_of, error_of, text_of
from tests.http_host import NO_CERTIFICATES, RAW, body_of, client_of, http_settings, serving, url_of
from tests.upstream import DONE, Exchange, Request, Upstream, text_chunk

pytestmark = pytest.mark.anyio

CALLERS = 75
MOST = 64
"""Accounts that are held: fewer than there are callers, so that some are closed and opened again."""
TWICE = 40
AT_ONCE = 24
MARK = re.compile(r"planted-(\d+)-")


def keys_of(caller: int) -> dict[str, str]:
    """A caller's headers."""
    return {"x-alaya-access-key": f"planted-{caller}-access", "x-alaya-secret-key": f"planted-{caller}-secret"}


def caller_in(request: Request) -> int:
    """Whose key pair, or whose deployment's key, a request to upstream has."""
    found = MARK.search(request.headers.get("authorization", "") + request.headers.get("apikey", ""))
    assert found
    return int(found[1])


@asynccontextmanager
async def cloud() -> AsyncGenerator[Upstream]:
    """An upstream where each key pair sees deployments of its own, under the same ids and names."""

    async def control(request: Request, exchange: Exchange) -> None:
        caller = caller_in(request)
        row: dict[str, Any] = {
            **upstream.deployment,
            "name": "support",
            "apikey": f"planted-{caller}-apikey",
            "servedName": [f"planted-{caller}-model"],
            "modelId": f"planted-{caller}-model-id",
        }
        headers = {"set-cookie": f"session=planted-{caller}-cookie"}
        if caller % 7 == 0:
            words = f"planted-{caller}-words about planted-{caller}-secret"
            await exchange.answer_json(403, {"code": 403, "msg": words}, headers=headers)
        elif "list" in request.path:
            await exchange.answer_json(200, {"code": 0, "data": {"count": 1, "rows": [row]}}, headers=headers)
        else:
            await exchange.answer_json(200, {"code": 0, "data": row}, headers=headers)

    async def chat(request: Request, exchange: Exchange) -> None:
        caller = caller_in(request)
        assert f"planted-{caller}-prompt" in request.body.decode()
        assert "cookie" not in request.headers
        await exchange.events(text_chunk(f"planted-{caller}-reply " * 3))
        await exchange.event(text_chunk(finish_reason="stop"))
        await exchange.event(DONE)

    async with Upstream(control=control, chat=chat) as upstream:
        yield upstream


async def test_many_callers_see_their_own_and_nothing_else(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "_MOST_ACCOUNTS", MOST)
    caplog.set_level("DEBUG", logger="alaya_mcp")
    seen = Counter[int]()
    order = [*range(CALLERS), *range(TWICE)]  # some come again meanwhile
    random.Random(7).shuffle(order)  # noqa: S311 an order
    limit = anyio.CapacityLimiter(AT_ONCE)
    settings = http_settings(mode="keys")
    async with (
        cloud() as upstream,
        serving(upstream, settings, ALAYA_MAX_REPLY_BYTES="4000") as server,
        httpx2.AsyncClient(timeout=60, verify=NO_CERTIFICATES) as http,
    ):

        async def ask(caller: int, method: str, **params: object) -> dict[str, Any]:
            async with limit:
                body = body_of(method, **params)
                answer = await http.post(url_of(server), headers={**RAW, **keys_of(caller)}, json=body)
            everything = answer.text + str(answer.headers)
            assert {int(mark) for mark in MARK.findall(everything)} <= {caller}, everything
            assert not re.search(r"planted-\d+-(?:access|secret|apikey|cookie)", everything)
            message = json.loads(answer.text.rpartition("data: ")[2])
            return message.get("result") or message["error"]

        async def use(caller: int) -> None:
            named = {"service_id": "support"}
            for tool, arguments in (
                ("list_deployments", {}),
                ("get_deployment", named),
                ("list_lora_models", named),
                (CHAT, {**named, "prompt": f"planted-{caller}-prompt", "return_messages": True}),
            ):
                result = await ask(caller, "tools/call", name=tool, arguments=arguments)
                assert result["isError"] is (caller % 7 == 0), result
                seen[caller] += f"planted-{caller}-" in json.dumps(result)
            if caller % 5:
                return
            await ask(caller, "resources/list")
            await ask(caller, "resources/read", uri="alaya://deployments")
            argument = {"name": "deployment", "value": "sup"}
            reference = {"type": "ref/prompt", "name": "diagnose_deployment"}
            await ask(caller, "completion/complete", ref=reference, argument=argument)

        async with anyio.create_task_group() as tasks:
            for caller in order:
                tasks.start_soon(use, caller)

    well = [caller for caller in range(CALLERS) if caller % 7]
    assert all(seen[caller] == (8 if caller < TWICE else 4) for caller in well)
    assert not re.search(r"planted-\d+-(?!model)", caplog.text), "and nothing is logged"


async def test_a_reply_is_its_callers_even_where_another_knows_where_it_is() -> None:
    async def slowly(_: Request, exchange: Exchange) -> None:
        await exchange.events(text_chunk("mine alone"))
        await exchange.hang()

    async with Upstream(chat=slowly) as upstream, serving(upstream, http_settings(mode="keys")) as server:
        asked = {"service_id": "svc-1", "prompt": "x", "background": True}
        async with client_of(server, headers=keys_of(1)) as host:
            read_on = content_of(await host.call_tool(CHAT, asked))["read_on"]
            listed = (await host.list_resources()).resources
        async with client_of(server, headers=keys_of(2)) as other:
            stolen = await other.call_tool(CHAT, {"read_on": read_on})

    assert error_of(stolen)["code"] == "invalid_arguments"
    assert "no longer kept" in text_of(stolen)
    assert [resource.name for resource in listed] == ["deployments"]
