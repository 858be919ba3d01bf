"""Faults of the control plane: of one deployment's detail, or of every request."""

import zlib

import httpx2
import pytest

from alaya_mcp.sandbox.faults.control import CONTROL_STATUSES
from tests.sandbox.caller import HELLO, Caller, body_of, sandboxed, text_of

pytestmark = pytest.mark.anyio

ANSWERED: dict[str, tuple[int, str, str]] = {
    **{f"control-{status}": (status, "application/json", '{"code":-1,"msg":"') for status in CONTROL_STATUSES},
    "control-code": (200, "application/json", '{"code":-1,"msg":"'),
    "control-not-found": (200, "application/json", '{"code":"-1","msg":"the deployment does not exist"}'),
    "control-html": (200, "text/html", "<!doctype html>"),
    "control-gateway-502": (502, "text/html", "<html>\r\n<head><title>502 Bad Gateway</title>"),
    "control-redirect": (302, "text/html", ""),
    "control-wrong-shape": (200, "application/json", "["),
}
BROKEN = {"control-reset": httpx2.ReadError, "control-eof": httpx2.RemoteProtocolError}
DETAILS = ("control-no-url", "control-bad-url", "control-no-key", "wrong-served-name")
LISTS = {
    "list-int-count": {"count": 15, "rows": 15},
    "list-no-count": {"count": None, "rows": 15},
    "list-small-pages": {"count": "15", "rows": 10},
    "list-same-page": {"count": "15", "rows": 15},
    "list-page-count": {"count": "15", "rows": 15},
    "list-high-count": {"count": "115", "rows": 15},
    "list-large-pages": {"count": "15", "rows": 15},
    "list-empty-page": {"count": "15", "rows": 15},
    "list-null-page": {"count": "15", "rows": 15},
    "list-growing": {"count": "16", "rows": 16},
    "list-junk-rows": {"count": "15", "rows": 18},
    "list-repeated-id": {"count": "15", "rows": 16},
}
WRONG_LISTS = ("list-null-rows", "list-wrong-shape", "list-forbidden")
OTHERS = ("control-hang", "control-huge", "control-endless", "control-gzip-bomb", "control-empty", "control-once")
MODELS = ("models-junk", "models-empty", "models-part", "models-bare", "models-ollama")
COVERED = {*ANSWERED, *BROKEN, *DETAILS, *LISTS, *WRONG_LISTS, *OTHERS, *MODELS}


@pytest.mark.parametrize("name", ANSWERED)
async def test_a_detail_is_answered_wrongly(caller: Caller, name: str) -> None:
    response = await caller.control(f"deployment/fault-{name}")
    status, kind, words = ANSWERED[name]
    assert (response.status_code, response.headers["content-type"]) == (status, kind)
    assert response.text.startswith(words)
    assert response.headers.get("location") == ("https://elsewhere.invalid/" if status == 302 else None)
    assert body_of(await caller.control("deployment/sandbox-qwen3"))["code"] == 0


@pytest.mark.parametrize("path", ["deployment/sandbox-qwen3", "deployment/list", "deployment/fault-hang"])
async def test_a_fault_everywhere_meets_every_request_with_the_right_key(path: str) -> None:
    async with sandboxed(fault="control-403") as each:
        assert (await each.control(path)).status_code == 403
        each.auth = {}
        assert (await each.control(path)).status_code == 401


@pytest.mark.parametrize("name", BROKEN)
async def test_a_connection_breaks_before_an_answer(caller: Caller, name: str) -> None:
    with pytest.raises(BROKEN[name]):
        await caller.control(f"deployment/fault-{name}")


async def test_a_hanging_look_up_never_answers(caller: Caller) -> None:
    with pytest.raises(httpx2.ReadTimeout):
        await caller.http.get(
            f"{caller.sandbox.base_url}/deployment/fault-control-hang", headers=caller.auth, timeout=0.1
        )


async def test_an_endless_detail_drips(caller: Caller) -> None:
    url = f"{caller.sandbox.base_url}/deployment/fault-control-endless"
    async with caller.http.stream("GET", url, headers=caller.auth) as response:
        pieces = response.aiter_raw()
        body = b""
        while len(body) < 3:
            body += await anext(pieces)
    assert body.startswith(b"{  ")


async def test_a_huge_detail_is_over_8_mib(caller: Caller) -> None:
    response = await caller.control("deployment/fault-control-huge")
    assert len(body_of(response)["data"]["serviceId"]) > 2**23


async def test_a_bomb_unpacks_to_more_than_it_is(caller: Caller) -> None:
    url = f"{caller.sandbox.base_url}/deployment/fault-control-gzip-bomb"
    async with caller.http.stream("GET", url, headers=caller.auth) as response:
        packed = b"".join([piece async for piece in response.aiter_raw()])
    assert response.headers["content-encoding"] == "gzip"
    assert len(packed) < 2**21
    assert zlib.decompressobj(wbits=31).decompress(packed, 2**20).startswith(b"{   ")
    assert int.from_bytes(packed[-4:], "little") > 2**30


async def test_an_empty_detail_has_no_byte(caller: Caller) -> None:
    response = await caller.control("deployment/fault-control-empty")
    assert (response.status_code, response.content) == (200, b"")


async def test_a_control_plane_that_was_busy_once_answers_then(caller: Caller) -> None:
    responses = [await caller.control("deployment/fault-control-once") for _ in range(3)]
    assert [each.status_code for each in responses] == [503, 200, 200]
    assert responses[0].headers["retry-after"] == "0"
    assert body_of(responses[1])["data"]["serviceId"] == "fault-control-once"


async def test_a_detail_without_an_address(caller: Caller) -> None:
    assert "serviceUrl" not in await caller.detail("fault-control-no-url")


async def test_a_detail_with_an_address_that_is_not_http(caller: Caller) -> None:
    assert (await caller.detail("fault-control-bad-url"))["serviceUrl"] == "ftp://engine.invalid/"


@pytest.mark.parametrize("everywhere", [False, True])
async def test_an_engine_without_a_key_answers_without_one(*, everywhere: bool) -> None:
    async with sandboxed(fault="control-no-key" if everywhere else None) as each:
        service_id = "sandbox-thinking" if everywhere else "fault-control-no-key"
        detail = await each.detail(service_id)
        assert not {"apikey", "apiKey"} & set(detail)
        text_of(await each.http.post(f"{detail['serviceUrl']}/v1/chat/completions", json={"messages": HELLO}))


@pytest.mark.parametrize("name", ANSWERED)
async def test_a_fault_everywhere_is_the_lists_answer_too(name: str) -> None:
    async with sandboxed(fault=name) as each:
        response = await each.control("deployment/list")
    status, kind, words = ANSWERED[name]
    assert (response.status_code, response.headers["content-type"]) == (status, kind)
    assert response.text.startswith(words)


@pytest.mark.parametrize("name", BROKEN)
async def test_a_fault_everywhere_breaks_the_lists_connection_too(name: str) -> None:
    async with sandboxed(fault=name) as each:
        with pytest.raises(BROKEN[name]):
            await each.control("deployment/list")


async def test_what_comes_once_everywhere_meets_the_list_and_each_detail_once() -> None:
    async with sandboxed(fault="control-once") as each:
        paths = ("deployment/list", "deployment/list?page=2", "deployment/sandbox-qwen3", "deployment/sandbox-qwen3")
        assert [(await each.control(path)).status_code for path in paths] == [503, 200, 503, 200]


async def test_a_list_hangs_drips_or_is_empty_or_huge_like_a_detail() -> None:
    async with sandboxed(fault="control-hang") as each:
        with pytest.raises(httpx2.ReadTimeout):
            await each.http.get(f"{each.sandbox.base_url}/deployment/list", headers=each.auth, timeout=0.1)
    for name in ("control-endless", "control-gzip-bomb"):
        async with sandboxed(fault=name) as each:
            url = f"{each.sandbox.base_url}/deployment/list"
            async with each.http.stream("GET", url, headers=each.auth) as response:
                assert await anext(response.aiter_raw())
                assert ("content-encoding" in response.headers) is (name == "control-gzip-bomb")
    async with sandboxed(fault="control-empty") as each:
        assert (await each.control("deployment/list")).content == b""
    async with sandboxed(fault="control-huge") as each:
        assert len((await each.control("deployment/list")).content) > 2**23


@pytest.mark.parametrize(
    ("name", "field", "told"),
    [
        ("control-no-url", "serviceUrl", None),
        ("control-bad-url", "serviceUrl", "ftp://engine.invalid/"),
        ("control-no-key", "apikey", None),
        ("wrong-served-name", "servedName", "qwen3-8b-renamed"),
        ("dns", "serviceUrl", "http://engine.invalid"),
    ],
)
async def test_a_list_tells_what_a_wrong_detail_does(name: str, field: str, told: str | None) -> None:
    async with sandboxed(fault=name) as each:
        rows = body_of(await each.control("deployment/list?size=100"))["data"]["rows"]
    assert {row.get(field) for row in rows} == {told}
    assert not any("apiKey" in row for row in rows)


async def test_a_list_tells_a_rotated_key_once_it_was_looked_up() -> None:
    async with sandboxed(fault="rotated-key") as each:
        before = body_of(await each.control("deployment/list?size=1"))["data"]["rows"][0]["apikey"]
        assert (await each.chat()).status_code == 401
        after = await each.key("sandbox-qwen3")
        rows = body_of(await each.control("deployment/list?size=1"))["data"]["rows"]
    assert rows[0]["apikey"] == after != before


async def test_an_engine_does_not_serve_the_name_that_is_told_of_it(caller: Caller) -> None:
    (told,) = (await caller.detail("fault-wrong-served-name"))["servedName"]
    models = body_of(await caller.engine("v1/models", "fault-wrong-served-name"))["data"]
    refused = await caller.chat("fault-wrong-served-name", model=told)
    assert told not in {each["id"] for each in models}
    assert (refused.status_code, told in refused.text) == (404, True)
    text_of(await caller.chat("fault-wrong-served-name", model=models[0]["id"]))


@pytest.mark.parametrize("name", LISTS)
async def test_a_list_is_odd_and_its_details_are_good(name: str) -> None:
    async with sandboxed(fault=name) as each:
        data = body_of(await each.control("deployment/list?size=100"))["data"]
        assert {"count": data.get("count"), "rows": len(data["rows"])} == LISTS[name]
        assert (await each.detail("sandbox-qwen3"))["status"] == "running"


async def test_a_list_pays_no_heed_to_the_page() -> None:
    async with sandboxed(fault="list-same-page") as each:
        pages = [await each.control(f"deployment/list?size=5&page={page}") for page in (1, 2, 9)]
    assert len({page.content for page in pages}) == 1


async def test_small_pages_follow_one_another() -> None:
    async with sandboxed(fault="list-small-pages") as each:
        pages = [body_of(await each.control(f"deployment/list?size=100&page={page}")) for page in (1, 2)]
        ids = [row["serviceId"] for page in pages for row in page["data"]["rows"]]
        assert ids == list(each.sandbox.service_ids)


@pytest.mark.parametrize("name", [*LISTS, *WRONG_LISTS])
async def test_a_fault_of_the_list_leaves_details_and_chats_alone(name: str) -> None:
    async with sandboxed(fault=name) as each:
        text_of(await each.chat())
    async with sandboxed() as each:
        text_of(await each.chat(f"fault-{name}"))
        assert isinstance(body_of(await each.control("deployment/list"))["data"]["rows"], list)


async def test_a_page_half_way_is_empty_or_null_or_counts_its_own_rows() -> None:
    pages: dict[str, list[object]] = {}
    for name in ("list-empty-page", "list-null-page", "list-page-count"):
        async with sandboxed(fault=name) as each:
            datas = [body_of(await each.control(f"deployment/list?size=6&page={page}"))["data"] for page in (1, 2, 3)]
            key = "count" if name == "list-page-count" else "rows"
            pages[name] = [data[key] if key == "count" or not data[key] else len(data[key]) for data in datas]
    assert pages == {"list-empty-page": [6, [], 3], "list-null-page": [6, None, 3], "list-page-count": ["6", "6", "3"]}


async def test_a_list_grows_in_front_each_time_that_it_is_asked_for() -> None:
    async with sandboxed(fault="list-growing") as each:
        firsts = [
            [row["serviceId"] for row in body_of(await each.control("deployment/list?size=3"))["data"]["rows"]]
            for _ in range(2)
        ]
    assert firsts[0][:2] == ["sandbox-new-0", "sandbox-qwen3"]
    assert firsts[1] == ["sandbox-new-1", *firsts[0][:2]]


@pytest.mark.parametrize("name", MODELS)
async def test_a_list_of_models_is_odd_and_its_engine_answers(caller: Caller, name: str) -> None:
    good = body_of(await caller.engine("v1/models", "fault-hang"))
    odd = body_of(await caller.engine("v1/models", f"fault-{name}"))
    text_of(await caller.chat(f"fault-{name}"))
    assert set(good) == {"object", "data"}
    assert isinstance(odd, list if name == "models-bare" else dict)
    assert odd != good


async def test_a_list_is_none() -> None:
    async with sandboxed(fault="list-null-rows") as each:
        assert body_of(await each.control("deployment/list"))["data"] is None
    async with sandboxed(fault="list-wrong-shape") as each:
        assert body_of(await each.control("deployment/list"))["data"]["rows"] == {}
    async with sandboxed(fault="list-forbidden") as each:
        assert (await each.control("deployment/list")).status_code == 403
        assert (await each.detail("sandbox-qwen3"))["status"] == "running"
