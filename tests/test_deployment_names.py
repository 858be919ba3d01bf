"""Deployments by name: alias, then id, then name; what that costs; and what is said where it is not clear."""

import json
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alaya_mcp.config.settings import Settings
from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.spelling import checked_reference, could_be_id, folded, is_uuid, most_like
from alaya_mcp.deployment.wire import Page, parse_page
from alaya_mcp.sandbox import Sandbox
from alaya_mcp.upstream.deployment_lookup import DeploymentNames
from tests.calls import CHAT, ERAS, Era, call, connected, content_of, error_of, over, text_of
from tests.registry import Registry, row, uuid
from tests.upstream import Exchange, Request, Upstream, replies, says

pytestmark = [pytest.mark.anyio, pytest.mark.quick]

GET = "get_deployment"


def with_aliases(upstream: Upstream, **aliases: str) -> Settings:
    return upstream.settings().model_copy(update={"aliases": {folded(name): to for name, to in aliases.items()}})


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("tool", [GET, "list_lora_models", CHAT])
async def test_every_tool_takes_a_name(era: Era, tool: str) -> None:
    async with Upstream(chat=replies("hello")) as upstream:
        Registry(upstream, row(1, "other"), row(2, "My Qwen 客服"))
        arguments: dict[str, Any] = {"prompt": "x"} if tool == CHAT else {}
        result = await call(upstream.settings(), tool, era, service_id="my qwen 客服", **arguments)

    assert content_of(result)["service_id"] == uuid(2)
    assert uuid(2) in text_of(result)


@pytest.mark.parametrize("tool", [GET, CHAT])
async def test_a_uuid_goes_straight_to_the_api(tool: str) -> None:
    async with Upstream(chat=replies("hello")) as upstream:
        registry = Registry(upstream, row(1))
        arguments: dict[str, Any] = {"prompt": "x"} if tool == CHAT else {}
        content_of(await call(upstream.settings(), tool, service_id=uuid(1), **arguments))

        assert (registry.details, registry.pages) == (1, [])


UUID = "38fbfc3d-6a88-4c35-b8b6-9efc83949d47"


@pytest.mark.parametrize(
    "spelling",
    [
        UUID.upper(),
        UUID.title(),
        f"  {UUID.upper()} ",
        f"{{{UUID}}}",
        f"urn:uuid:{UUID}",
        f"URN:UUID:{UUID.upper()}",
        "".join(chr(ord(char) + 0xFEE0) if char.isalnum() else char for char in UUID),
    ],
)
@pytest.mark.parametrize("tool", [GET, CHAT])
async def test_a_uuid_is_found_in_every_spelling(tool: str, spelling: str) -> None:
    async with Upstream(chat=replies("hello")) as upstream:
        registry = Registry(upstream, row(1, serviceId=UUID))
        arguments: dict[str, Any] = {"prompt": "x"} if tool == CHAT else {}
        content = content_of(await call(upstream.settings(), tool, service_id=spelling, **arguments))

        assert (registry.details, registry.pages) == (1, [])
    assert content["service_id"] == UUID


async def test_an_id_that_the_api_spells_in_capitals_is_found_too() -> None:
    async with Upstream() as upstream:
        Registry(upstream, row(1, serviceId=UUID.upper()))
        content = content_of(await call(upstream.settings(), GET, service_id=UUID.upper()))

    assert content["service_id"] == UUID.upper()


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("\uff31\uff57\uff45\uff4e\uff13 \u5ba2\u670d", "qwen3 \u5ba2\u670d"),
        ("qwen3 \u5ba2\u670d", "\uff31\uff37\uff25\uff2e\uff13\u3000\u5ba2\u670d"),
        ("support", "  support \u00a0"),
        ("support  ", "support"),
        ("chat \U0001f600", "CHAT \U0001f600"),
        ("dev \U0001f469\u200d\U0001f4bb", "dev \U0001f469\u200d\U0001f4bb"),
        ("heart \u2764\ufe0f", "heart \u2764\ufe0f"),
        ("Stra\u00dfe", "STRASSE"),
        ("caf\u00e9", "cafe\u0301"),
    ],
    ids=ascii,
)
async def test_a_name_is_found_whatever_its_width_spacing_and_form(name: str, asked: str) -> None:
    async with Upstream() as upstream:
        Registry(upstream, row(1, name), row(2, "another"))
        content = content_of(await call(upstream.settings(), GET, service_id=asked))

    assert content["service_id"] == uuid(1)


@pytest.mark.parametrize(
    "text",
    [
        "a\x00b", "a\nb", "a\n", "a\tb", "\x7f", "a\u200bb", "\u200b", "a\u202eb", "\ufeffa", "a\u2060b", "a\u200db",
        "\u3164", "a\u00adb", "a\u2028b", "\ue000", "a" * 257, "\u3000", "   ",
    ],
    ids=ascii,
)  # fmt: skip
@pytest.mark.parametrize("tool", [GET, CHAT, "list_lora_models"])
async def test_what_cannot_be_seen_is_no_reference_and_nothing_is_sent(tool: str, text: str) -> None:
    async with Upstream() as upstream:
        arguments: dict[str, Any] = {"prompt": "x"} if tool == CHAT else {}
        result = await call(upstream.settings(), tool, service_id=text, **arguments)

        assert upstream.requests == []
    assert error_of(result)["code"] == "invalid_arguments"
    assert "service_id" in text_of(result)


async def test_a_uuid_that_is_not_there_is_no_name() -> None:
    async with Upstream() as upstream:
        registry = Registry(upstream, row(1, uuid(9)))
        result = await call(upstream.settings(), GET, service_id=uuid(9))

    assert error_of(result)["code"] == "deployment_not_found"
    assert "list_deployments" in text_of(result)
    assert registry.pages == []


@pytest.mark.parametrize("tool", [GET, CHAT])
async def test_what_can_be_an_id_is_tried_as_one_before_it_is_taken_for_a_name(tool: str) -> None:
    async with Upstream(chat=replies("hello")) as upstream:
        registry = Registry(upstream, row(1, "svc-7"), row(2, "other", serviceId="svc-7"), row(3, "qwen3"))
        arguments: dict[str, Any] = {"prompt": "x"} if tool == CHAT else {}
        by_id = await call(upstream.settings(), tool, service_id="svc-7", **arguments)
        assert (registry.details, len(registry.pages)) == (1, 0)
        by_name = await call(upstream.settings(), tool, service_id="qwen3", **arguments)

    assert content_of(by_id)["service_id"] == "svc-7"
    assert content_of(by_name)["service_id"] == uuid(3)
    assert (registry.details, len(registry.pages)) == (1 + 2, 1)


async def test_what_cannot_be_an_id_is_never_sent_as_one() -> None:
    async with Upstream() as upstream:
        Registry(upstream, row(1, "../list"), row(2, "a/b?c=d&e#f"), row(3, "list"), row(4, "100% ready"))
        found = [
            content_of(await call(upstream.settings(), GET, service_id=name))["service_id"]
            for name in ("../list", "a/b?c=d&e#f", "list", "100% READY")
        ]

    assert found == [uuid(1), uuid(2), uuid(3), uuid(4)]
    details = [request.path for request in upstream.requests if "/deployment/list?" not in request.path]
    assert [path.rpartition("/")[2] for path in details] == found


async def test_a_name_that_was_found_costs_nothing_again() -> None:
    async with Upstream(chat=replies("hello")) as upstream, connected(upstream.settings()) as client:
        Registry(upstream, row(1, "qwen3"))
        await client.call_tool(CHAT, {"prompt": "x", "service_id": "qwen3"})
        before = len(upstream.requests)
        await client.call_tool(CHAT, {"prompt": "x", "service_id": "qwen3"})

        assert len(upstream.requests) - before == 1


async def test_callers_at_once_share_one_search() -> None:
    async with Upstream(chat=replies("hello")) as upstream, connected(upstream.settings()) as client:
        registry = Registry(upstream, row(1, "my qwen"))
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(client.call_tool, CHAT, {"prompt": "x", "service_id": "my qwen"})

    assert (len(registry.pages), registry.details, len(upstream.chats)) == (1, 1, 10)


async def test_a_name_whose_deployment_is_gone_is_looked_for_again() -> None:
    async with Upstream() as upstream, connected(upstream.settings()) as client:
        registry = Registry(upstream, row(1, "my qwen"))
        first = await client.call_tool(GET, {"service_id": "my qwen"})
        registry.rows = [row(2, "my qwen")]
        second = await client.call_tool(GET, {"service_id": "my qwen"})

    assert [content_of(result)["service_id"] for result in (first, second)] == [uuid(1), uuid(2)]


@pytest.mark.parametrize("filters_by", ["part", "equality", "nothing"])
async def test_a_name_is_found_however_the_api_filters(filters_by: str) -> None:
    async with Upstream() as upstream:
        others = [row(number, f"qwen {number}") for number in range(100, 350)]
        Registry(upstream, *others, row(1, "Qwen 3"), filters_by=filters_by)
        exact = content_of(await call(upstream.settings(), GET, service_id="Qwen 3"))
        folded_case = content_of(await call(upstream.settings(), GET, service_id="\uff31WEN  3"))

    assert exact["service_id"] == folded_case["service_id"] == uuid(1)


@pytest.mark.parametrize("filters_by", ["part", "equality", "nothing"])
@pytest.mark.parametrize("era", ERAS)
async def test_a_name_that_several_have_is_answered_with_their_ids(era: Era, filters_by: str) -> None:
    async with Upstream() as upstream:
        registry = Registry(
            upstream,
            row(1, "qwen", status="stopped"),
            *(row(number, f"other {number}") for number in range(100, 220)),
            row(2, "qwen"),
            filters_by=filters_by,
        )
        result = await call(upstream.settings(), CHAT, era, prompt="x", service_id="qwen")

        assert upstream.chats == []
    detail = error_of(result)
    assert (detail["code"], detail["candidates"]) == ("invalid_arguments", [uuid(2), uuid(1)])
    assert "2 deployments are called qwen" in text_of(result)
    assert f"qwen ({uuid(2)}, running), qwen ({uuid(1)}, stopped)" in text_of(result)
    assert len(registry.pages) <= 3


@pytest.mark.parametrize("filters_by", ["part", "nothing"])
async def test_the_very_spelling_wins_over_others_of_that_name(filters_by: str) -> None:
    async with Upstream() as upstream:
        Registry(upstream, row(1, "Qwen x"), row(2, "qwen x"), row(3, "QWEN X"), filters_by=filters_by)
        one = await call(upstream.settings(), GET, service_id="qwen x")
        none = await call(upstream.settings(), GET, service_id="qWEN x")

    assert content_of(one)["service_id"] == uuid(2)
    assert error_of(none)["candidates"] == [uuid(1), uuid(2), uuid(3)]


@pytest.mark.parametrize("era", ERAS)
async def test_an_unknown_name_is_answered_with_the_closest(era: Era) -> None:
    async with Upstream() as upstream:
        rows = [row(1, "qwen3-support"), row(2, "qwen3-suport-old"), row(3, "llama"), row(4, "twin"), row(5, "twin")]
        Registry(upstream, *rows)
        near = await call(upstream.settings(), GET, era, service_id="qwen3-suport")
        twin = await call(upstream.settings(), GET, era, service_id="twins!")

    detail = error_of(near)
    assert (detail["code"], detail["http_status"]) == ("deployment_not_found", 404)
    assert detail["candidates"] == ["qwen3-suport-old", "qwen3-support"]
    assert f"qwen3-support ({uuid(1)}, running)" in text_of(near)
    assert error_of(twin)["candidates"] == [uuid(4), uuid(5)], "a name that two have would reach neither"


@pytest.mark.parametrize(
    "rows",
    [
        [row(1, "like a"), row(2, "like a")],
        [row(1, "like b"), row(2, ""), row(3, "like c d")],
        [row(1, "support")],
        [row(1, "like " + "x" * 200)],
        [row(1, uuid(7))],
        [row(1, "other-id")],
    ],
    ids=["twice", "plain", "an alias of another", "too long", "a UUID", "another's id"],
)
async def test_each_candidate_reaches_the_one_that_it_stands_for(rows: list[dict[str, Any]]) -> None:
    async with Upstream() as upstream:
        Registry(upstream, *rows, row(99, "elsewhere"), row(98, "other", serviceId="other-id"))
        aliased = with_aliases(upstream, Support=uuid(99))
        candidates = error_of(await call(aliased, GET, service_id="unlike anything!"))["candidates"]
        found = [content_of(await call(aliased, GET, service_id=each))["service_id"] for each in candidates]

    assert len(set(found)) == len(candidates)
    assert {each["serviceId"] for each in rows} <= set(found)


async def test_an_account_without_deployments_says_so() -> None:
    async with Upstream() as upstream:
        Registry(upstream)
        result = await call(upstream.settings(), GET, service_id="my qwen")

    assert error_of(result)["code"] == "deployment_not_found"
    assert "candidates" not in error_of(result)
    assert "This key pair can see no deployments" in text_of(result)


@pytest.mark.parametrize(
    ("refusal", "code"),
    [(says(404, {}), "deployment_not_found"), (says(400, {"code": -1, "msg": "bad id"}), "request_rejected")],
)
async def test_where_the_list_is_refused_the_refusal_of_the_id_stands(refusal: Any, code: str) -> None:  # noqa: ANN401 a handler
    async with Upstream() as upstream:

        async def control(request: Any, exchange: Any) -> None:  # noqa: ANN401 as a handler
            await (says(403, {}) if "/list?" in request.path else refusal)(request, exchange)

        upstream.control = control
        result = await call(upstream.settings(), GET, service_id="qwen3")

    assert error_of(result)["code"] == code
    if code == "deployment_not_found":
        assert "names could not be looked up" in text_of(result)
        assert "Pass the deployment's id" in text_of(result)


async def test_an_id_that_is_refused_for_its_shape_is_taken_for_a_name() -> None:
    async with Upstream() as upstream:
        registry = Registry(upstream, row(1, "qwen3"))

        async def control(request: Any, exchange: Any) -> None:  # noqa: ANN401 as a handler
            is_shapeless = request.path.endswith("/qwen3")
            await (says(400, {"msg": "invalid id"}) if is_shapeless else registry.answer)(request, exchange)

        upstream.control = control
        result = await call(upstream.settings(), GET, service_id="qwen3")
        registry.rows = []
        neither = await call(upstream.settings(), GET, service_id="qwen3")

    assert content_of(result)["service_id"] == uuid(1)
    assert error_of(neither)["code"] == "request_rejected", (
        "what upstream said of it is worth more than that it is no name"
    )
    assert "invalid id" in text_of(neither)


async def test_a_list_that_fails_for_now_is_told_as_such() -> None:
    async with Upstream() as upstream:

        async def control(request: Any, exchange: Any) -> None:  # noqa: ANN401 as a handler
            await says(504 if "/list?" in request.path else 404, {})(request, exchange)

        upstream.control = control
        result = await call(upstream.settings(), GET, service_id="qwen3")

    assert (error_of(result)["code"], error_of(result)["retryable"]) == ("upstream_timeout", True)


async def test_a_search_that_waits_for_another_ends_with_its_own_time() -> None:
    async with Upstream() as upstream, connected(upstream.settings()) as client:

        async def control(_: Any, exchange: Any) -> None:  # noqa: ANN401 as a handler
            await exchange.hang()

        upstream.control = control
        results: list[Any] = []

        async def ask(seconds: float) -> None:
            arguments = {"prompt": "x", "service_id": "my qwen", "timeout_seconds": seconds}
            results.append(await client.call_tool(CHAT, arguments))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, 40)
            tasks.start_soon(ask, 30)

    assert [error_of(result)["code"] for result in results] == ["upstream_timeout"] * 2
    assert "within 30 s" in text_of(results[0])


async def test_an_alias_comes_first_and_stands_for_an_id_or_a_name() -> None:
    async with Upstream() as upstream:
        Registry(upstream, row(1, "support"), row(2, "qwen x"), row(3, "third"))
        aliased = with_aliases(upstream, support=uuid(2), 客服="qwen X", third=uuid(1))
        found = [
            content_of(await call(aliased, GET, service_id=name))["service_id"]
            for name in ("Support", "客服", " THIRD ", uuid(3))
        ]

    assert found == [uuid(2), uuid(2), uuid(1), uuid(3)]


@pytest.mark.parametrize("list_status", [200, 403])
async def test_an_alias_misspelt_is_a_candidate(list_status: int) -> None:
    async with Upstream() as upstream:
        registry = Registry(upstream, row(1, "qwen"), row(2, "unlike it"))

        async def control(request: Any, exchange: Any) -> None:  # noqa: ANN401 as a handler
            is_refused = "/list?" in request.path and list_status != 200
            await (says(list_status, {}) if is_refused else registry.answer)(request, exchange)

        upstream.control = control
        aliased = with_aliases(upstream, support=uuid(2), other="qwen")
        result = await call(aliased, GET, service_id="suport")

    assert error_of(result)["code"] == "deployment_not_found"
    assert error_of(result)["candidates"] == ["support"]
    assert text_of(result).count(f"Did you mean support, an alias of {uuid(2)}?") == 1


async def test_the_default_deployment_may_be_a_name() -> None:
    async with Upstream() as upstream:
        Registry(upstream, row(1, "my qwen"))
        content = content_of(await call(upstream.settings(ALAYA_SERVICE_ID="My Qwen"), GET))

    assert content["service_id"] == uuid(1)


async def test_duplicate_names_of_the_sandbox_are_told_apart_by_their_ids() -> None:
    async with Sandbox(token_delay=0, fleet=250) as sandbox, connected(over(sandbox)) as client:
        rows: list[dict[str, Any]] = []
        cursor: str | None = None
        while cursor or not rows:
            listed = content_of(await client.call_tool("list_deployments", {"limit": 100, "cursor": cursor}))
            rows += listed["deployments"]
            cursor = listed.get("next_cursor")
        names = [each.get("name") for each in rows]
        twice = next(name for name in names if name and names.count(name) > 1)
        result = await client.call_tool(GET, {"service_id": twice})
        candidates = error_of(result)["candidates"]
        told = [content_of(await client.call_tool(GET, {"service_id": each}))["name"] for each in candidates]

    assert error_of(result)["code"] == "invalid_arguments"
    assert told == [twice] * len(candidates)


@pytest.mark.parametrize(
    ("text", "is_id"),
    [
        ("a", True),
        ("a" * 128, True),
        ("..a", True),
        ("A-1_b.c", True),
        ("38fbfc3d-6a88-4c35-b8b6-9efc83949d47", True),
        ("-", True),
        ("a" * 129, False),
        ("", False),
        (".", False),
        ("..", False),
        ("a/b", False),
        ("a b", False),
        ("a\n", False),
        ("é", False),
        ("list", False),
    ],
)
def test_an_id_is_one_path_segment_of_safe_characters(text: str, is_id: bool) -> None:
    assert could_be_id(text) is is_id


@given(st.text(max_size=12))
@settings(max_examples=250, deadline=None)
def test_nothing_else_is_sent_as_an_id(text: str) -> None:
    allowed = bool(text) and set(text) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
    assert could_be_id(text) == (allowed and bool(text.strip(".")) and text != "list")


@given(st.text(max_size=30))
@settings(max_examples=250, deadline=None)
def test_a_folded_name_is_its_own_folding(text: str) -> None:
    assert folded(folded(text)) == folded(text)
    assert folded(text.upper()) == folded(text.upper().lower())


@given(st.text(max_size=220))
@settings(max_examples=250, deadline=None)
def test_a_reference_is_on_one_line_or_refused(text: str) -> None:
    try:
        reference = checked_reference(text)
    except ValueError:
        return
    assert reference
    assert reference.isprintable()
    assert reference == reference.strip()


def test_a_uuid_is_known_by_its_shape_in_any_case() -> None:
    assert is_uuid("38fbfc3d-6a88-4c35-b8b6-9efc83949d47")
    assert is_uuid("38FBFC3D-6A88-4C35-B8B6-9EFC83949D47")
    assert not is_uuid("38fbfc3d6a884c35b8b69efc83949d47")
    assert not is_uuid("38fbfc3d-6a88-4c35-b8b6-9efc83949d47\n")


@pytest.mark.parametrize(
    ("wanted", "names", "expected"),
    [
        ("qwen", ["llama", "my-qwen", "qwen3", "gwen"], ["qwen3", "my-qwen", "gwen"]),
        ("QWEN3", ["qwen3", "qwen3"], ["qwen3"]),
        ("zzz", ["a", "b"], []),
        ("客服", ["客服助手", "翻译"], ["客服助手"]),
        ("x", [], []),
    ],
)
def test_the_nearest_names_are_those_like_it(wanted: str, names: list[str], expected: list[str]) -> None:
    assert most_like(wanted, {name: [name] for name in names}, 3) == expected


async def test_an_alias_of_what_is_not_there_is_named_too() -> None:
    async with Upstream() as upstream:
        Registry(upstream, row(1))
        result = await call(with_aliases(upstream, mine=uuid(9)), GET, service_id="mine")

    assert error_of(result)["code"] == "deployment_not_found"
    assert "mine is an alias of it in the configuration file" in text_of(result)


async def test_a_name_that_is_asked_for_again_and_again_is_not_searched_for_each_time() -> None:
    async with Upstream() as upstream, connected(upstream.settings()) as client:
        registry = Registry(upstream, *(row(number) for number in range(250)))
        for _ in range(3):
            error_of(await client.call_tool(GET, {"service_id": "nobody at all"}))

    # The third page has 50 rows: shorter than the two before it, so it is the last one.
    assert len([page for page in registry.pages if "name" not in page]) == 3


async def test_a_search_that_hangs_holds_up_no_search_for_another_name() -> None:
    async def fetch(page: int, size: int, deadline: Deadline, name: str | None = None) -> Page:
        del page, size, deadline
        if name == "this one hangs":
            await anyio.sleep_forever()
        return parse_page(json.dumps({"count": 1, "rows": [row(1, name)]}).encode())

    async def look(service_id: str, deadline: Deadline) -> str:
        del deadline
        return service_id

    names = DeploymentNames(fetch, {})
    found = ""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(names.find, "this one hangs", Deadline.after(600), look)
        await anyio.wait_all_tasks_blocked()
        found, _ = await names.find("another one", Deadline.after(600), look)
        tasks.cancel_scope.cancel()

    assert found == uuid(1)


async def test_no_more_than_a_thousand_names_are_kept() -> None:
    async def fetch(page: int, size: int, deadline: Deadline, name: str | None = None) -> Page:
        del page, size, deadline
        return parse_page(json.dumps({"count": 1, "rows": [row(1, name)]}).encode())

    async def look(service_id: str, deadline: Deadline) -> str:
        del deadline
        return service_id

    names = DeploymentNames(fetch, {})
    for number in range(1_010):
        await names.find(f"name {number}", Deadline.after(9), look)

    assert len(names._ids) == 1_000  # pyright: ignore[reportPrivateUsage] # a bound shows nowhere else


async def test_where_nothing_is_called_like_it_some_are_named_without_a_claim() -> None:
    async with Upstream() as upstream:
        Registry(upstream, row(1, "thinker"), row(2, "poems"))
        result = await call(upstream.settings(), GET, service_id="zzz!")

    assert "No name is similar. There are: thinker" in text_of(result)
    assert error_of(result)["candidates"] == ["thinker", "poems"]


@pytest.mark.parametrize("tool", [GET, CHAT])
@pytest.mark.parametrize("default", ["nope", "twice"])
async def test_an_error_about_the_default_deployment_says_that_it_is_the_default(tool: str, default: str) -> None:
    async with Upstream() as upstream:
        Registry(upstream, row(1, "twice"), row(2, "twice"))
        arguments: dict[str, Any] = {"prompt": "x"} if tool == CHAT else {}
        settings = upstream.settings(ALAYA_SERVICE_ID=default)
        unnamed = text_of(await call(settings, tool, **arguments))
        named = text_of(await call(settings, tool, service_id=default, **arguments))

    assert f"{default} is the default deployment (ALAYA_SERVICE_ID" in unnamed
    assert "correct the default deployment" in unnamed
    assert "is the default deployment" not in named


@pytest.mark.parametrize("way", ["alias", "default"])
async def test_what_is_said_of_a_shared_failure_is_said_once_to_each_caller(way: str) -> None:
    async with Upstream() as upstream:
        Registry(upstream, row(1))
        settings = with_aliases(upstream, mine=uuid(9)).model_copy(update={"service_id": uuid(9)})
        arguments: dict[str, Any] = {"service_id": "mine"} if way == "alias" else {}
        texts: list[str] = []

        async with connected(settings) as client, anyio.create_task_group() as tasks:

            async def ask() -> None:
                texts.append(text_of(await client.call_tool(CHAT, {"prompt": "x", **arguments})))

            for _ in range(10):
                tasks.start_soon(ask)

    said = "is an alias of it" if way == "alias" else "is the default deployment"
    assert [text.count(said) for text in texts] == [1] * 10


@pytest.mark.parametrize("status", [401, 403])
async def test_a_name_that_another_deployment_has_by_now_reaches_that_one(status: int) -> None:
    async with Upstream(chat=replies("hi")) as upstream:
        registry = Registry(upstream, row(1, "qwen"))
        async with connected(upstream.settings()) as client:
            first = content_of(await client.call_tool(CHAT, {"service_id": "qwen", "prompt": "x"}))
            registry.rows = [row(2, "qwen")]
            answers = iter([says(status, {}), replies("again")])

            async def handler(request: Request, exchange: Exchange) -> None:
                await next(answers)(request, exchange)

            upstream.chat = handler
            second = content_of(await client.call_tool(CHAT, {"service_id": "qwen", "prompt": "x"}))

    assert (first["service_id"], first["content"]) == (uuid(1), "hi")
    assert (second["service_id"], second["content"]) == (uuid(2), "again")


async def test_long_names_do_not_make_an_error_long() -> None:
    async with Upstream() as upstream:
        Registry(upstream, *(row(number, f"{number} " + "x" * 1_500) for number in range(20)))
        text = text_of(await call(upstream.settings(ALAYA_SERVICE_ID=""), GET))

    assert "xxx…" in text
    assert len(text) < 3_000
