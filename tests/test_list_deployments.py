"""list_deployments: as many as asked for, from as few pages as that takes, whatever the list's oddities."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp import Client

from alaya_mcp.deployment.wire import EnvelopeFailure, WrongShape, parse_page
from alaya_mcp.errors import InvalidArguments
from alaya_mcp.sandbox import Sandbox
from alaya_mcp.tools.list_deployments import ListDeploymentsArguments
from tests.calls import ERAS, Era, call, connected, content_of, error_of, over, text_of
from tests.registry import Registry, row, uuid
from tests.upstream import Upstream, says

pytestmark = [pytest.mark.anyio]

TOOL = "list_deployments"


def ids(content: dict[str, Any]) -> list[str]:
    return [each["service_id"] for each in content["deployments"]]


async def all_pages(client: Client, **arguments: object) -> list[str]:
    """Every id, cursor by cursor."""
    found: list[str] = []
    content = content_of(await client.call_tool(TOOL, arguments))
    while True:
        found += ids(content)
        if "next_cursor" not in content:
            return found
        content = content_of(await client.call_tool(TOOL, {"cursor": content["next_cursor"], "limit": 7}))


@pytest.mark.parametrize("era", ERAS)
async def test_a_row_tells_what_is_allowed_in_both_forms_and_no_secret(era: Era) -> None:
    async with Upstream() as upstream:
        Registry(upstream, row(1, "qwen"), row(2, "", type="lora", status="stoped", servedName=["a", "b"]))
        result = await call(upstream.settings(), TOOL, era)

    content = content_of(result)
    assert content["deployments"] == [
        {
            "service_id": uuid(1),
            "name": "qwen",
            "kind": "base",
            "status": "running",
            "models": ["model-1"],
            "model_id": "Qwen/Qwen3-8B",
            "cluster": {"vks_id": "vks-1", "namespace": "ns"},
        },
        {
            "service_id": uuid(2),
            "kind": "lora",
            "status": "stopped",
            "ready": False,
            "models": ["a", "b"],
            "model_id": "Qwen/Qwen3-8B",
            "cluster": {"vks_id": "vks-1", "namespace": "ns"},
        },
    ]
    assert content["total"] == 2
    assert content["summary"] == "2 deployments, 1 of them running (2 in all)."
    for words in (uuid(1), uuid(2), "qwen", "lora, stopped, not ready", "a, b", "vks-1", content["summary"]):
        assert words in text_of(result)
    assert "planted" not in json.dumps(content) + text_of(result)


async def test_no_more_is_asked_for_than_is_needed() -> None:
    async with Upstream() as upstream, connected(upstream.settings()) as client:
        registry = Registry(upstream, *(row(number) for number in range(250)))
        first = content_of(await client.call_tool(TOOL, {"limit": 5}))
        second = content_of(await client.call_tool(TOOL, {"cursor": first["next_cursor"], "limit": 5}))

    assert registry.pages == [{"page": "1", "size": "5"}, {"page": "2", "size": "5"}]
    assert ids(first) + ids(second) == [uuid(number) for number in range(10)]
    assert first["total"] == 250


@pytest.mark.parametrize("count", [..., "250", 250.0, "", None, "many", -1])
@pytest.mark.parametrize("limit", [1, 20, 100])
async def test_every_deployment_comes_once_however_they_are_counted(count: object, limit: int) -> None:
    async with Upstream() as upstream, connected(upstream.settings()) as client:
        registry = Registry(upstream, *(row(number) for number in range(250 if limit > 1 else 25)))
        registry.count = count if limit > 1 else ...
        found = await all_pages(client, limit=limit)

    assert found == [each["serviceId"] for each in registry.rows]


async def test_the_last_page_has_no_cursor() -> None:
    async with Upstream() as upstream, connected(upstream.settings()) as client:
        Registry(upstream, *(row(number) for number in range(40)))
        first = content_of(await client.call_tool(TOOL, {}))
        last = content_of(await client.call_tool(TOOL, {"cursor": first["next_cursor"]}))

    assert (len(first["deployments"]), len(last["deployments"])) == (20, 20)
    assert "There may be more" in first["summary"]
    assert "next_cursor" not in last


async def test_smaller_pages_than_asked_for_are_no_end() -> None:
    async with Upstream() as upstream, connected(upstream.settings()) as client:
        registry = Registry(upstream, *(row(number) for number in range(250)))
        registry.largest = 10
        found = await all_pages(client, name="name", limit=100)

    assert len(found) == len(set(found)) == 250


async def test_an_upstream_that_pays_no_heed_to_the_page_is_asked_twice_at_most() -> None:
    async with Upstream() as upstream, connected(upstream.settings()) as client:
        registry = Registry(upstream, *(row(number) for number in range(100)))
        registry.count = 500
        rows = registry.rows

        def first_page(query: dict[str, str]) -> dict[str, Any]:
            return {"count": 500, "rows": rows[: int(query["size"])]}

        registry._page = first_page  # type: ignore[method-assign] # the oddity
        content = content_of(await client.call_tool(TOOL, {"name": "name", "limit": 100}))
        missing = content_of(await client.call_tool(TOOL, {"name": "nobody", "limit": 100}))

    assert len(content["deployments"]) == 100
    assert missing["deployments"] == []
    assert len(registry.pages) == 1 + 2


@pytest.mark.parametrize(
    ("arguments", "numbers"),
    [
        ({"status": "running"}, [1, 3, 5]),
        ({"status": "stopped"}, [2, 4]),
        ({"status": "unknown"}, [6]),
        ({"kind": "lora"}, [3, 4]),
        ({"kind": "lora", "status": "stopped"}, [4]),
        ({"name": "QWEN"}, [1, 2, 5]),
        ({"name": "\uff51\uff57\uff45\uff4e3"}, [1]),
        ({"name": "客服"}, [5]),
        ({"name": " qwen  客服 "}, [5]),
        ({"status": "", "kind": None, "name": ""}, [1, 2, 3, 4, 5, 6]),
    ],
)
async def test_filters_match_whatever_the_spelling(arguments: dict[str, Any], numbers: list[int]) -> None:
    async with Upstream() as upstream:
        Registry(
            upstream,
            row(1, "Qwen3-8B"),
            row(2, "my qwen", status=" Stoped "),
            row(3, "legal", type="LORA"),
            row(4, "legal", type="lora", status="stopped"),
            row(5, "\uff31wen 客服", status="RUNNING"),
            row(6, None, status="hibernating"),
            filters_by="equality",
        )
        content = content_of(await call(upstream.settings(), TOOL, **arguments))

    assert ids(content) == [uuid(number) for number in numbers]


async def test_a_cursor_goes_on_with_its_filters() -> None:
    async with Upstream() as upstream, connected(upstream.settings()) as client:
        Registry(upstream, *(row(number, status="running" if number % 2 else "stopped") for number in range(250)))
        found = await all_pages(client, status="stopped", limit=30)
        first = content_of(await client.call_tool(TOOL, {"status": "stopped", "limit": 3}))
        same = await client.call_tool(TOOL, {"status": "stopped", "cursor": first["next_cursor"]})
        other = await client.call_tool(TOOL, {"status": "running", "cursor": first["next_cursor"]})

    assert found == [uuid(number) for number in range(0, 250, 2)]
    assert ids(content_of(same))[0] == uuid(6)
    assert error_of(other)["code"] == "invalid_arguments"
    assert "status stopped" in text_of(other)


@pytest.mark.parametrize("cursor", ["x", "e30", "eyJwYWdlIjowfQ", "!!!", "ÿ", "a" * 1001, 'eyJwYWdlIjo"'])
async def test_a_cursor_that_is_none_is_an_argument_error(cursor: str) -> None:
    async with Upstream() as upstream:
        result = await call(upstream.settings(), TOOL, cursor=cursor)

        assert upstream.requests == []
    assert error_of(result)["code"] == "invalid_arguments"
    assert "cursor" in text_of(result)


@given(st.text(max_size=60))
@settings(max_examples=100, deadline=None)
def test_no_cursor_is_taken_for_a_bug(cursor: str) -> None:
    try:
        ListDeploymentsArguments.model_validate({"cursor": cursor}).beginning()
    except InvalidArguments as error:
        assert "cursor" in error.message  # noqa: PT017 most are refused, and none may raise anything else


@pytest.mark.parametrize(
    ("rows", "arguments", "words"),
    [
        ([], {}, "this account has none, or this key pair may not see them"),
        ([], {"status": "running"}, "this account has none"),
        ([row(1)], {"name": "nobody"}, "No deployment matches name nobody (1 in all)"),
    ],
)
async def test_an_empty_list_says_why_it_may_be_empty(
    rows: list[dict[str, Any]], arguments: dict[str, Any], words: str
) -> None:
    async with Upstream() as upstream:
        Registry(upstream, *rows)
        result = await call(upstream.settings(), TOOL, **arguments)

    assert content_of(result)["deployments"] == []
    assert words in content_of(result)["summary"]
    assert words in text_of(result)


async def test_no_more_than_two_thousand_are_looked_at_for_one_question() -> None:
    async with Upstream() as upstream, connected(upstream.settings()) as client:
        registry = Registry(upstream, *(row(number) for number in range(2_100)), row(9_999, "needle"))
        content = content_of(await client.call_tool(TOOL, {"name": "needle"}))
        assert (content["deployments"], len(registry.pages)) == ([], 20)
        assert "so far" in content["summary"]
        content = content_of(await client.call_tool(TOOL, {"cursor": content["next_cursor"]}))

    assert ids(content) == [uuid(9_999)]
    assert "next_cursor" not in content


async def test_what_was_found_before_a_failure_is_returned_with_a_warning() -> None:
    async with Upstream() as upstream, connected(upstream.settings()) as client:
        registry = Registry(upstream, *(row(number) for number in range(250)))
        upstream.control = None

        async def second_page_fails(request: Any, exchange: Any) -> None:  # noqa: ANN401 as a handler
            handler = says(504, {}) if "page=2" in request.path else registry.answer
            await handler(request, exchange)

        upstream.control = second_page_fails
        result = await client.call_tool(TOOL, {"name": "name", "limit": 100})
        assert len(content_of(result)["deployments"]) == 100
        broken = content_of(await client.call_tool(TOOL, {"status": "running", "name": "9", "limit": 100}))

    assert broken["deployments"]
    assert "could not be read to its end" in broken["warnings"][0]
    assert "next_cursor" in broken


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, {}, "credentials_rejected"),
        (403, {}, "access_denied"),
        (404, {"code": -1, "msg": "deployment does not exist"}, "unexpected_response"),
        (200, {"code": -1, "msg": "deployment does not exist"}, "request_rejected"),
        (200, {"code": 0, "data": {"rows": {}}}, "unexpected_response"),
        (200, {"code": 0, "data": "none"}, "unexpected_response"),
        (200, {"serviceId": "x"}, "unexpected_response"),
        (200, [], "unexpected_response"),
        (503, {}, "upstream_unavailable"),
    ],
)
async def test_a_failed_list_is_never_a_missing_deployment(era: Era, status: int, body: object, code: str) -> None:
    async with Upstream(control=says(status, body)) as upstream:
        result = await call(upstream.settings(), TOOL, era)

    assert error_of(result)["code"] == code


@pytest.mark.parametrize(
    ("body", "names", "total"),
    [
        ({"code": 0, "data": {"count": "2", "rows": [row(1, "a"), row(2, "b")]}}, ["a", "b"], 2),
        ({"code": "0", "data": {"count": "", "rows": [row(1, "a")]}, "msg": ""}, ["a"], None),
        ({"count": 1, "rows": [row(1, "a")]}, ["a"], 1),
        ({"code": 0, "data": [row(1, "a")]}, ["a"], None),
        ({"code": 0, "data": None}, [], None),
        ({"code": 0, "data": {}}, [], None),
        ({"code": 0, "data": {"count": 0}}, [], 0),
        ({"code": 0, "data": {"count": "0", "rows": None}}, [], 0),
        ({"code": 0, "data": {"rows": [row(1, "a"), None, 7, {"name": "no id"}, {"serviceId": ""}]}}, ["a"], None),
    ],
)
def test_a_page_is_read_in_every_shape(body: object, names: list[str], total: int | None) -> None:
    page = parse_page(json.dumps(body).encode())

    assert [each.name for each in page.rows] == names
    assert page.total == total
    assert all(each.api_key is None for each in page.rows)


def test_a_page_that_is_none_is_refused() -> None:
    for body in (b"", b"<html>", b"[]", b"{}", b'{"code":0,"data":{"x":1}}', b'{"code":0,"data":{"rows":1}}'):
        with pytest.raises(WrongShape):
            parse_page(body)
    with pytest.raises(EnvelopeFailure):
        parse_page(b'{"code":-1,"msg":"no"}')


async def test_an_instance_in_a_row_tells_whether_it_is_ready() -> None:
    async with Upstream() as upstream:
        Registry(upstream, row(1, instance=[{"baseModelReady": True}]), row(2, instance=[]))
        content = content_of(await call(upstream.settings(), TOOL))

    assert [each["ready"] for each in content["deployments"]] == [True, False]


async def test_two_hundred_and_fifty_deployments_of_the_sandbox_are_paged_through() -> None:
    async with Sandbox(token_delay=0, fleet=250) as sandbox, connected(over(sandbox)) as client:
        found = await all_pages(client, limit=100)
        lora = await all_pages(client, kind="lora")

    assert len(found) == len(set(found)) == 250 + len(sandbox.service_ids)
    assert set(sandbox.service_ids) <= set(found)
    assert set(lora) < set(found)


async def test_a_page_that_ends_with_the_last_match_is_followed_by_the_end_of_the_list() -> None:
    async with Upstream() as upstream, connected(upstream.settings()) as client:
        registry = Registry(upstream, row(1), row(2, status="stopped"), row(3, status="stopped"))
        first = content_of(await client.call_tool(TOOL, {"status": "running", "limit": 1}))
        second = content_of(await client.call_tool(TOOL, {"cursor": first["next_cursor"]}))
        third = content_of(await client.call_tool(TOOL, {"limit": 2}))
        registry.rows = registry.rows[:1]
        fourth = content_of(await client.call_tool(TOOL, {"cursor": third["next_cursor"]}))

    assert second["summary"] == "No further deployments matching status running: the list has ended."
    assert fourth["summary"] == "No further deployments: the list has ended."
    assert "next_cursor" not in second
    assert "next_cursor" not in fourth


async def test_a_page_that_comes_again_ends_the_list_whoever_counts() -> None:
    async with Upstream() as upstream, connected(upstream.settings()) as client:
        registry = Registry(upstream, row(1), row(2), row(3))

        def always_the_same(_: dict[str, str]) -> dict[str, Any]:
            return {"rows": registry.rows}

        registry._page = always_the_same  # type: ignore[method-assign] # the oddity
        assert await all_pages(client, limit=3) == [uuid(1), uuid(2), uuid(3)]


async def test_a_cursor_holds_the_longest_name() -> None:
    async with Upstream() as upstream, connected(upstream.settings()) as client:
        name = "\U00020000" * 200
        Registry(upstream, row(1, name), row(2, name), row(3, name))
        assert await all_pages(client, name=name, limit=2) == [uuid(1), uuid(2), uuid(3)]
