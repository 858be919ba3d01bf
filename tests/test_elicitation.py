"""Asking the host's user which deployment is meant: in both eras, and what happens where that is not possible."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

import anyio
import anyio.lowlevel
import mcp_types as types
import pytest
from mcp import Client
from mcp.client import ClientRequestContext
from mcp.shared.exceptions import MCPError

from alaya_mcp.accounts import open_account
from alaya_mcp.config.settings import Settings
from alaya_mcp.deadline import Deadline
from alaya_mcp.progress import Phase, ProgressNotes
from alaya_mcp.serving.elicitation import chosen
from alaya_mcp.serving.server import create_server
from tests.calls import CHAT, ERAS, Era, content_of, error_of, text_of
from tests.patience import PATIENCE
from tests.registry import Registry, row, uuid
from tests.stdio_host import MODERN, Host, host, warm_host
from tests.upstream import Exchange, Request, Upstream, replies, says

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("era", ERAS)]

ABLE: dict[str, Any] = {"elicitation": {}}
TOOLS: list[tuple[str, dict[str, Any]]] = [
    ("get_deployment", {}),
    ("list_lora_models", {}),
    (CHAT, {"prompt": "x"}),
]

TAKEN = 0.05
Action = Literal["accept", "decline", "cancel"]


class User:
    """Answers what a host asks, and keeps the questions."""

    def __init__(self, action: Action, choice: str | None = None) -> None:
        self._action: Action = action
        self._choice = choice
        self.asked: list[types.ElicitRequestFormParams] = []

    async def answer(self, context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
        del context
        assert isinstance(params, types.ElicitRequestFormParams)
        self.asked.append(params)
        content: Any = None if self._choice is None else {"deployment": self._choice}
        return types.ElicitResult(action=self._action, content=content)

    @property
    def options(self) -> list[str]:
        (question,) = self.asked
        return question.requested_schema["properties"]["deployment"]["enum"]


@asynccontextmanager
async def asked(settings: Settings, era: Era, user: User | None) -> AsyncGenerator[Client]:
    callback = user.answer if user else None
    with anyio.fail_after(PATIENCE):
        async with Client(create_server(settings), mode=era, elicitation_callback=callback) as client:
            yield client


def fleet(upstream: Upstream) -> Settings:
    """Four deployments, two of them running, and no default."""
    Registry(upstream, row(1, "zebra"), row(2, "asleep", status="stopped"), row(3, ""), row(4, "qwen"))
    return upstream.settings(ALAYA_SERVICE_ID="")


@pytest.mark.parametrize(("tool", "arguments"), TOOLS)
async def test_the_one_that_the_user_chooses_among_the_running_is_meant(
    era: Era, tool: str, arguments: dict[str, Any]
) -> None:
    user = User("accept", f"zebra ({uuid(1)})")
    async with Upstream(chat=replies("hello")) as upstream, asked(fleet(upstream), era, user) as client:
        result = await client.call_tool(tool, arguments)

    assert content_of(result)["service_id"] == uuid(1)
    assert user.options == [uuid(3), f"qwen ({uuid(4)})", f"zebra ({uuid(1)})"]
    assert "Which deployment" in user.asked[0].message


async def test_one_that_is_named_or_the_default_is_never_asked_for(era: Era) -> None:
    user = User("accept", "x")
    async with Upstream() as upstream:
        async with asked(fleet(upstream), era, user) as client:
            content_of(await client.call_tool("get_deployment", {"service_id": "qwen"}))
        async with asked(upstream.settings(ALAYA_SERVICE_ID=uuid(4)), era, user) as client:
            content_of(await client.call_tool("get_deployment", {}))

    assert user.asked == []


@pytest.mark.parametrize(
    ("user", "why"),
    [
        (User("decline"), "no choice was made (the host declined the question)"),
        (User("cancel"), "no choice was made (the host cancelled the question)"),
        (User("accept"), "no choice was made (the host's answer could not be used)"),
        (User("accept", "no such option"), "the chosen option is not one of the deployments offered"),
        (User("accept", uuid(4)), "the chosen option is not one of the deployments offered"),
        (User("decline", f"zebra ({uuid(1)})"), "no choice was made (the host declined the question)"),
    ],
    ids=["declined", "cancelled", "empty", "not offered", "an id alone", "declined with one"],
)
async def test_where_nothing_was_chosen_that_is_said_with_candidates(era: Era, user: User, why: str) -> None:
    async with Upstream() as upstream, asked(fleet(upstream), era, user) as client:
        result = await client.call_tool("get_deployment", {})

    detail = error_of(result)
    assert (detail["code"], detail["candidates"]) == ("invalid_arguments", [uuid(3), "qwen", "zebra"])
    assert why in text_of(result)
    assert "user chose" not in text_of(result)


async def test_a_host_that_cannot_ask_gets_the_candidates(era: Era) -> None:
    async with Upstream() as upstream, asked(fleet(upstream), era, None) as client:
        result = await client.call_tool(CHAT, {"prompt": "x"})

        assert upstream.chats == []
    detail = error_of(result)
    assert (detail["code"], detail["candidates"]) == ("invalid_arguments", [uuid(3), "qwen", "zebra"])
    assert f"qwen ({uuid(4)}, running)" in text_of(result)
    assert "list_deployments" in text_of(result)


async def test_wrong_arguments_are_told_before_anybody_is_asked(era: Era) -> None:
    user = User("accept", "x")
    async with Upstream() as upstream, asked(fleet(upstream), era, user) as client:
        result = await client.call_tool(CHAT, {})

    assert "Neither prompt nor messages" in text_of(result)
    assert user.asked == []


async def test_where_nothing_runs_nobody_is_asked(era: Era) -> None:
    user = User("accept", "x")
    async with Upstream() as upstream:
        Registry(upstream, row(1, status="stopped"))
        async with asked(upstream.settings(ALAYA_SERVICE_ID=""), era, user) as client:
            result = await client.call_tool("get_deployment", {})

    assert "no default deployment is configured" in text_of(result)
    assert user.asked == []


async def test_where_the_list_cannot_be_had_it_is_an_argument_error_all_the_same(era: Era) -> None:
    user = User("accept", "x")
    async with (
        Upstream(control=says(403, {})) as upstream,
        asked(upstream.settings(ALAYA_SERVICE_ID=""), era, user) as client,
    ):
        result = await client.call_tool("get_deployment", {})

    assert error_of(result) == {"code": "invalid_arguments", "retryable": False}
    assert user.asked == []


async def test_of_very_many_the_user_is_shown_fifty(era: Era) -> None:
    user = User("decline")
    async with Upstream() as upstream:
        Registry(upstream, *(row(number) for number in range(80)))
        async with asked(upstream.settings(ALAYA_SERVICE_ID=""), era, user) as client:
            result = await client.call_tool("get_deployment", {})

    assert len(user.options) == 50
    assert "30 more are running" in user.asked[0].message
    assert "and 70 more" in text_of(result)


def choice(question: dict[str, Any]) -> dict[str, Any]:
    """The answer of a host whose user takes the second option."""
    options = question["params"]["requestedSchema"]["properties"]["deployment"]["enum"]
    return {"action": "accept", "content": {"deployment": options[1]}}


async def handshake(server: Host, able: dict[str, Any]) -> None:
    """One of a host that is able to do this."""
    client = {"name": "test", "version": "1"}
    params: dict[str, Any] = {"protocolVersion": "2025-11-25", "capabilities": able, "clientInfo": client}
    await server.request(0, "initialize", params)
    await server.answer(0)
    await server.send({"jsonrpc": "2.0", "method": "notifications/initialized"})


async def on_the_connection(server: Host) -> dict[str, Any]:
    """A call with a question in the middle of it."""
    await handshake(server, ABLE)
    await server.request(1, "tools/call", {"name": "get_deployment", "arguments": {}})
    while (question := await server.line()).get("method") != "elicitation/create":
        pass
    await server.send({"jsonrpc": "2.0", "id": question["id"], "result": choice(question)})
    return (await server.answer(1))["result"]


async def between_two_calls(server: Host) -> dict[str, Any]:
    """A call that is answered with a question, and the same call with the answer."""
    meta = {**MODERN, "io.modelcontextprotocol/clientCapabilities": ABLE}
    params = {"name": "get_deployment", "arguments": {}, "_meta": meta}
    await server.request(0, "tools/call", params)
    needed = (await server.answer(0))["result"]
    assert needed["resultType"] == "input_required"
    ((name, question),) = needed["inputRequests"].items()
    await server.request(1, "tools/call", {**params, "inputResponses": {name: choice(question)}})
    return (await server.answer(1))["result"]


async def test_it_goes_over_a_pipe_as_the_protocol_says(era: Era) -> None:
    async with Upstream() as upstream:
        fleet(upstream)
        async with host(**upstream.environ | {"ALAYA_SERVICE_ID": ""}) as server:
            result = await (on_the_connection if era == "legacy" else between_two_calls)(server)

    assert result["structuredContent"]["service_id"] == uuid(4)


MALFORMED = {
    "null": b'"result":null',
    "text": b'"result":"x"',
    "list": b'"result":[]',
    "missing": b'"x":1',
    "empty": b'"result":{}',
    "unknown action": b'"result":{"action":"perhaps"}',
    "4301 digits": b'"result":{"action":"accept","content":{"deployment":%s}}' % (b"9" * 4_301),
    "error that is text": b'"error":"no"',
}


async def test_a_malformed_answer_ends_the_question_and_nothing_else(era: Era) -> None:
    if era == "auto":
        pytest.skip("in the stateless revision an answer is part of a request")
    results: dict[str, dict[str, Any]] = {}
    async with Upstream() as upstream:
        fleet(upstream)
        async with warm_host(**upstream.environ | {"ALAYA_SERVICE_ID": ""}) as server:
            await handshake(server, ABLE)
            for number, (name, malformed) in enumerate(MALFORMED.items(), start=1):
                await server.request(number, "tools/call", {"name": "get_deployment", "arguments": {}})
                while (question := await server.line()).get("method") != "elicitation/create":
                    pass
                assert (
                    question["id"] == number
                )  # the host's own request has the same: it is not to be answered for this
                await server.send(b'{"jsonrpc":"2.0","id":%d,%s}' % (number, malformed))
                results[name] = (await server.answer(number))["result"]

    for name, result in results.items():
        assert result["_meta"]["com.alayanew.mcp/error"]["candidates"] == [uuid(3), "qwen", "zebra"], name
        assert "no choice was made (the host's answer could not be used)" in result["content"][0]["text"], name


class Broken(User):
    """One whose host has no window to ask in."""

    async def answer(self, context: ClientRequestContext, params: types.ElicitRequestParams) -> Any:  # noqa: ANN401 not what it should be
        del context, params
        return types.ErrorData(code=types.INTERNAL_ERROR, message="no window")


async def test_a_host_that_refuses_to_ask_after_all_gets_the_candidates_or_asks_in_vain(era: Era) -> None:
    async with Upstream() as upstream, asked(fleet(upstream), era, Broken("accept")) as client:
        if era == "auto":  # there the host asks by itself, between two calls, and makes no second one
            with pytest.raises(MCPError, match="no window"):
                await client.call_tool("get_deployment", {})
            return
        result = await client.call_tool("get_deployment", {})

    assert error_of(result)["candidates"] == [uuid(3), "qwen", "zebra"]


class Slow(User):
    """Something changes while they think."""

    def __init__(self, choice: str, meanwhile: Callable[[], None]) -> None:
        super().__init__("accept", choice)
        self._meanwhile = meanwhile

    async def answer(self, context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
        self._meanwhile()
        return await super().answer(context, params)


async def test_the_answer_counts_though_the_deployment_has_another_name_by_now(era: Era) -> None:
    async with Upstream() as upstream:
        registry = Registry(upstream, row(1, "zebra"), row(2, "qwen"))

        def rename() -> None:
            registry.rows = [row(1, "striped"), row(2, "qwen")]

        user = Slow(f"zebra ({uuid(1)})", rename)
        async with asked(upstream.settings(ALAYA_SERVICE_ID=""), era, user) as client:
            result = await client.call_tool("get_deployment", {})

    assert content_of(result)["service_id"] == uuid(1)


@pytest.mark.quick
async def test_a_call_without_a_deployment_keeps_its_time_and_tells_its_progress(era: Era) -> None:
    async def hangs(_: Request, exchange: Exchange) -> None:
        await exchange.hang()

    notes: list[str] = []

    async def keep(progress: float, total: float | None, message: str | None) -> None:
        del progress, total
        notes.append(message or "")

    user = User("accept", "x")
    async with Upstream(control=hangs) as upstream, asked(upstream.settings(ALAYA_SERVICE_ID=""), era, user) as client:
        arguments = {"prompt": "x", "timeout_seconds": 40}
        result = await client.call_tool(CHAT, arguments, progress_callback=keep)

    assert (error_of(result)["code"], error_of(result)["retryable"]) == ("upstream_timeout", True)
    assert "within 40 s" in text_of(result)
    assert notes[0] == "looking up the deployment"


async def test_a_host_that_only_opens_pages_is_not_asked(era: Era) -> None:
    able: dict[str, Any] = {"elicitation": {"url": {}}}
    async with Upstream() as upstream:
        fleet(upstream)
        async with warm_host(**upstream.environ | {"ALAYA_SERVICE_ID": ""}) as server:
            meta: dict[str, Any] = {**MODERN, "io.modelcontextprotocol/clientCapabilities": able}
            if era == "legacy":
                await handshake(server, able)
                meta = {}
            await server.request(1, "tools/call", {"name": "get_deployment", "arguments": {}, "_meta": meta})
            result = (await server.answer(1))["result"]

    assert result["isError"]
    assert "no default deployment is configured" in result["content"][0]["text"]


async def test_a_host_that_cannot_ask_is_told_why_there_are_no_candidates(era: Era) -> None:
    async with (
        Upstream(control=says(504, {}, retry_after="60")) as upstream,
        asked(upstream.settings(ALAYA_SERVICE_ID=""), era, None) as client,
    ):
        result = await client.call_tool("get_deployment", {})

    assert error_of(result) == {"code": "invalid_arguments", "retryable": False}
    assert "could not be listed: Alaya's control plane gave up waiting" in text_of(result)


async def test_the_time_that_the_user_takes_is_not_the_calls(era: Era) -> None:
    del era  # the time is kept below the protocol

    async def choose(question: str, options: Sequence[str]) -> str:
        del question
        began = anyio.current_time()
        while anyio.current_time() < began + TAKEN:
            await anyio.lowlevel.checkpoint()
        return options[0]

    async def quiet(progress: float, message: str, phase: Phase) -> None:
        del progress, message, phase

    async with Upstream() as upstream, open_account(fleet(upstream)) as account:
        deadline = Deadline.after(9)
        _, until = await chosen(account, choose, deadline, ProgressNotes(quiet, 0))

    assert until.at >= deadline.at + TAKEN
    assert until.budget == deadline.budget
