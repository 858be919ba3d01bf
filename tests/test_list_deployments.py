"""list_deployments: as many as asked for, from as few pages as that takes, whatever the list's oddities."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp import Client

from alaya_mcp.deployment.wire import EnvelopeFailure, WrongShape, parse_page
from alaya_mcp.errors import InvalidArguments
from alaya_mcp.sandbox import Sandbox
from alaya_mcp.serving.errors import told
from alaya_mcp.serving.tools.list_deployments import ListDeploymentsArguments
from tests.calls import ERAS, Era, call, connected, content_of, error_of, over, text_of
from tests.registry import Registry, row, uuid
from tests.upstream import Exchange, Request, Upstream, says

pytestmark = [pytest.mark.anyio, pytest.mark.quick]

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
    assert content["summary"] == "2 deployments, 1 running."
    for words in (uuid(1), uuid(2), "qwen", "lora, stopped, not ready", "a, b", "vks-1", content["summary"]):
        assert words in text_of(result)
    assert "planted" not in json.dumps(content) + text_of(result)


async def test_no_more_is_asked_for_than_is_needed() -> None:
    async with Upstream() as upstream, connected(upstream.settings()) as client:
        registry = Registry(upstream, *(row(number) for number in range(250)))
        first = content_of(await client.call_tool(TOOL, {"limit": 5}))
        second = content_of(await client.call_tool(TOOL, {"cursor": first["next_cursor"], "limit": 5}))

    assert [page["page"] for page in registry.pages] == ["1", "1", "2"], "the place is found again before it goes on"
    assert {page["size"] for page in registry.pages} == {"5"}
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
        assert "cursor" in told(error)  # noqa: PT017 most are refused, and none may raise anything else


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


def numbers(found: list[str]) -> list[int]:
    return [int(service_id[-12:], 16) for service_id in found]


def delete(registry: Registry, *places: int) -> None:
    for place in sorted(places, reverse=True):
        del registry.rows[place]


def insert(registry: Registry, many: int) -> None:
    registry.rows[:0] = [row(number) for number in range(1_000, 1_000 + many)]


async def walked(
    client: Client, change: Callable[[], None] = lambda: None, **arguments: object
) -> tuple[list[int], list[dict[str, Any]]]:
    """Every row by its number and each result, where the list changes once, behind the first result."""
    results = [content_of(await client.call_tool(TOOL, arguments))]
    change()
    while "next_cursor" in results[-1]:
        again = {**arguments, "cursor": results[-1]["next_cursor"]}
        results.append(content_of(await client.call_tool(TOOL, again)))
        assert len(results) < 40, "the list never ends"
    return numbers([service_id for result in results for service_id in ids(result)]), results


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("limit", [1, 4, 5])
@pytest.mark.parametrize("many", [1, 2, 4, 5, 6])
async def test_rows_that_are_added_in_front_lose_and_repeat_none(many: int, limit: int, counted: bool) -> None:
    async with Upstream() as upstream, connected(upstream.settings()) as client:
        registry = Registry(upstream, *(row(number) for number in range(12)))
        registry.count = ... if counted else None
        found, results = await walked(client, lambda: insert(registry, many), limit=limit)

    if counted or many <= 2 * limit:  # further off, only the count tells where the place has moved to
        assert found == list(range(12))
        assert not any("place" in warning for result in results for warning in result["warnings"])
    assert set(found) >= set(range(12))


@pytest.mark.parametrize("count", [..., None, "", "many"])
@pytest.mark.parametrize("places", [(0,), (4,), (5,), (11,), (1, 3), (0, 1, 2, 3), (2, 6, 11)])
async def test_rows_that_are_deleted_lose_no_other(places: tuple[int, ...], count: object) -> None:
    async with Upstream() as upstream, connected(upstream.settings()) as client:
        registry = Registry(upstream, *(row(number) for number in range(12)))
        registry.count = count
        found, _ = await walked(client, lambda: delete(registry, *places), limit=5)

    assert found == [number for number in range(12) if number < 5 or number not in places]


async def test_a_row_that_is_replaced_by_one_at_the_end_loses_no_other() -> None:
    async with Upstream() as upstream, connected(upstream.settings()) as client:
        registry = Registry(upstream, *(row(number) for number in range(12)))

        def replace() -> None:
            delete(registry, 1)
            registry.rows.append(row(500))

        found, _ = await walked(client, replace, limit=5)

    assert found == [*range(12), 500]


async def test_where_the_place_is_gone_the_list_goes_on_from_where_it_should_be_and_says_so() -> None:
    async with Upstream() as upstream, connected(upstream.settings()) as client:
        registry = Registry(upstream, *(row(number) for number in range(12)))
        found, results = await walked(client, lambda: delete(registry, 0, 1, 2, 3, 4), limit=5)

    assert found == list(range(12))
    assert "its place was not found" in results[1]["warnings"][0]


async def test_a_list_that_grew_in_front_says_that_more_are_counted() -> None:
    async with Upstream() as upstream, connected(upstream.settings()) as client:
        registry = Registry(upstream, *(row(number) for number in range(12)))
        _, results = await walked(client, lambda: insert(registry, 2), limit=5)

    assert results[-1]["warnings"] == [
        (
            "The list changed while it was read: 12 were listed, 14 are counted now. Call again without cursor for the "
            "current list."
        )
    ]


@pytest.mark.parametrize("where", ["deleted before", "deleted behind", "added"])
async def test_a_list_that_changes_within_one_call_loses_and_repeats_none(where: str) -> None:
    async with Upstream() as upstream, connected(upstream.settings()) as client:
        rows = [row(number, status="stopped" if number % 5 == 0 else "running") for number in range(250)]
        registry = Registry(upstream, *rows)

        def change(_: dict[str, str], page: dict[str, Any]) -> dict[str, Any]:
            if len(registry.pages) == 1:
                insert(registry, 3) if where == "added" else delete(registry, 3 if where == "deleted before" else 240)
            return page

        registry.alter = change
        found, results = await walked(client, status="stopped", limit=100)

    assert len(results) == 1
    assert found == [number for number in range(0, 250, 5) if where != "deleted behind" or number != 240]


@pytest.mark.parametrize("rows", [[], None])
@pytest.mark.parametrize("count", [..., None])
async def test_an_empty_page_half_way_is_no_end_and_is_told(rows: object, count: object) -> None:
    async with Upstream() as upstream, connected(upstream.settings()) as client:
        registry = Registry(upstream, *(row(number) for number in range(250)))
        registry.count = count
        registry.alter = lambda query, page: {**page, "rows": rows} if query["page"] == "2" else page
        found, results = await walked(client, name="name", limit=100)

    assert found == [*range(100), *range(200, 250)]
    assert any("Page 2 of the list is empty" in warning for result in results for warning in result["warnings"])


@pytest.mark.parametrize(
    ("count", "largest", "limit"),
    [("rows", 100, 5), ("rows", 100, 12), ("rows", 10, 100), (3, 100, 5), (7, 100, 100), ("0", 100, 100)],
)
async def test_a_count_that_is_too_low_ends_nothing_and_is_told(count: object, largest: int, limit: int) -> None:
    async with Upstream() as upstream, connected(upstream.settings()) as client:
        registry = Registry(upstream, *(row(number) for number in range(24)))
        registry.largest = largest
        registry.alter = lambda _, page: {**page, "count": len(page["rows"]) if count == "rows" else count}
        found, results = await walked(client, limit=limit)

    assert found == list(range(24))
    assert results[-1]["total"] == 24
    assert re.search(r"counts \d+ deployments, but listed 24", results[-1]["warnings"][0])


async def test_a_count_that_is_too_high_is_told_and_what_came_counts() -> None:
    async with Upstream() as upstream, connected(upstream.settings()) as client:
        registry = Registry(upstream, *(row(number) for number in range(12)))
        registry.count = 500
        found, results = await walked(client, limit=100)

    assert found == list(range(12))
    assert results[-1]["total"] == 12
    assert results[-1]["summary"] == "12 deployments, 12 running."
    assert "counts 500 deployments, but listed only 12" in results[-1]["warnings"][0]


@pytest.mark.parametrize("count", [..., 500, None])
@pytest.mark.parametrize("period", [1, 2, 3])
async def test_pages_that_repeat_end_the_list_and_are_told(period: int, count: object) -> None:
    async with Upstream() as upstream, connected(upstream.settings()) as client:
        registry = Registry(upstream, *(row(number) for number in range(100)))
        registry.count = count
        registry.turn = lambda page: (page - 1) % period + 1
        found, results = await walked(client, limit=10)

    assert found == list(range(10 * period))
    assert "repeats pages of the list" in results[-1]["warnings"][0]
    assert results[-1].get("total") == (None if count is None else 100 if count is ... else 500)


@pytest.mark.parametrize("count", [..., None, 12])
async def test_larger_pages_than_asked_for_are_read_whole_and_are_no_news(count: object) -> None:
    async with Upstream() as upstream, connected(upstream.settings()) as client:
        registry = Registry(upstream, *(row(number) for number in range(12)))
        registry.count = count
        registry.alter = lambda _, page: {**page, "rows": registry.rows}
        found, results = await walked(client, limit=5)

    assert found == list(range(12))
    assert [warning for result in results for warning in result["warnings"]] == []


@pytest.mark.parametrize(
    ("fault", "warned"),
    [
        ("list-int-count", ""),
        ("list-no-count", ""),
        ("list-page-count", "counts 5 deployments, but listed 15"),
        ("list-high-count", "counts 115 deployments, but listed only 15"),
        ("list-small-pages", ""),
        ("list-large-pages", ""),
        ("list-growing", "The list changed while it was read"),
        ("list-junk-rows", "Rows of the list without an id are left out"),
        ("list-repeated-id", "repeat the id of another row"),
        ("list-same-page", "repeats pages of the list"),
        ("list-empty-page", "Page 2 of the list is empty"),
        ("list-null-page", "Page 2 of the list is empty"),
    ],
)
async def test_an_odd_list_of_the_sandbox_comes_whole_or_says_what_is_missing(fault: str, warned: str) -> None:
    async with Sandbox(token_delay=0, fault=fault) as sandbox, connected(over(sandbox)) as client:
        results = [content_of(await client.call_tool(TOOL, {"limit": 5}))]
        while "next_cursor" in results[-1]:
            again = {"limit": 5, "cursor": results[-1]["next_cursor"]}
            results.append(content_of(await client.call_tool(TOOL, again)))
            assert len(results) < 9, "the list never ends"
        found = [service_id for result in results for service_id in ids(result)]
        missing = {"list-same-page": slice(5, 15), "list-empty-page": slice(5, 10), "list-null-page": slice(5, 10)}
        expected = [
            each for each in sandbox.service_ids if each not in sandbox.service_ids[missing.get(fault, slice(0))]
        ]

    assert [each for each in found if not each.startswith("sandbox-new-")] == expected
    assert len(found) == len(set(found))
    told = [warning for result in results for warning in result["warnings"]]
    assert any(warned in warning for warning in told) if warned else told == []


async def test_rows_that_are_no_deployments_are_told_and_change_no_count() -> None:
    async with Upstream() as upstream, connected(upstream.settings()) as client:
        junk = [None, 7, {"name": "no id"}, ["x"], {"serviceId": ""}]
        registry = Registry(upstream, *(row(number) for number in range(12)))
        registry.alter = lambda _, page: {**page, "count": 17, "rows": [*page["rows"], *junk]}
        found, results = await walked(client, limit=100)

    assert found == list(range(12))
    assert results[0]["total"] == 12
    assert results[0]["warnings"] == ["Rows of the list without an id are left out: 5."]


async def test_an_id_that_comes_twice_is_listed_once_and_told() -> None:
    async with Upstream() as upstream, connected(upstream.settings()) as client:
        Registry(upstream, row(1, "first"), row(2), row(1, "second"))
        found, results = await walked(client)

    assert found == [1, 2]
    assert results[0]["deployments"][0]["name"] == "first"
    assert "repeat the id of another row are left out: 1" in " ".join(results[0]["warnings"])


async def test_a_counted_list_that_comes_empty_is_no_account_without_deployments() -> None:
    async with Upstream() as upstream, connected(upstream.settings()) as client:
        registry = Registry(upstream)
        registry.count = 7
        (content,) = (await walked(client))[1]

    assert content["summary"] == "No deployments received."
    assert "counts 7 deployments, but listed only 0" in content["warnings"][0]
    assert "total" not in content


async def test_rows_that_came_are_not_lost_where_looking_ahead_fails() -> None:
    async with Upstream() as upstream:
        registry = Registry(upstream, *(row(number) for number in range(12)))
        registry.count = None
        lists = registry.answer

        async def denies_the_second_page(request: Request, exchange: Exchange) -> None:
            if "page=2" in request.path:
                await exchange.answer_json(403, {"code": 403, "msg": "no"})
            else:
                await lists(request, exchange)

        upstream.control = denies_the_second_page
        content = content_of(await call(upstream.settings(), "list_deployments", limit=10))

    assert len(content["deployments"]) == 10
    assert "could not be read to its end" in " ".join(content["warnings"])
    assert content["next_cursor"]
