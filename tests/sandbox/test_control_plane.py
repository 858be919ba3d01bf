"""The deployment API: its envelope, its keys, its details and its list."""

import pytest

from alaya_mcp.sandbox import CATALOGUE
from tests.sandbox.caller import Caller, body_of, sandboxed, text_of

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("header", [None, "plain Credential=a,Signature=b", "Bearer sandbox-access-key"])
async def test_a_wrong_key_is_refused_in_the_envelope(caller: Caller, header: str | None) -> None:
    caller.auth = {"Authorization": header} if header else {}
    response = await caller.control("deployment/sandbox-qwen3")
    assert (response.status_code, body_of(response)["code"]) == (401, -1)


async def test_an_unknown_deployment_is_a_404_in_the_envelope(caller: Caller) -> None:
    response = await caller.control("deployment/nobody")
    assert (response.status_code, body_of(response)["code"]) == (404, -1)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "deployment"),
        ("POST", "deployment/lora"),
        ("PUT", "deployment/expert/sandbox-expert"),
        ("POST", "deployment/sandbox-qwen3/cancel"),
        ("DELETE", "deployment/sandbox-qwen3"),
    ],
)
async def test_what_would_change_something_is_refused(caller: Caller, method: str, path: str) -> None:
    response = await caller.control(path, method)
    assert response.status_code == 403
    assert body_of(response) == {"code": -1, "msg": "the sandbox is read-only"}


async def test_the_default_deployment_is_described_as_documented(caller: Caller) -> None:
    body = body_of(await caller.control("deployment/sandbox-qwen3"))
    assert body["code"] == 0
    data = body["data"]
    assert data["serviceUrl"] == f"{caller.origin}/serve/sandbox-qwen3"
    assert data["servedName"] == ["qwen3-8b", "qwen3-8b-chat"]
    assert data["status"] == "running"
    assert data["mode"] == "quickStart"
    assert data["instance"] == [
        {"instanceId": each, "loraModels": ["support-zh", "sql-writer"], "baseModelReady": True} for each in ("0", "1")
    ]


async def test_the_lora_service_has_no_envelope_and_no_instance(caller: Caller) -> None:
    body = body_of(await caller.control("deployment/sandbox-lora-service"))
    assert "code" not in body
    assert "instance" not in body
    assert (body["servedName"], body["baseServiceId"]) == ("legal-zh", "sandbox-qwen3")
    assert body["apiKey"]


async def test_the_expert_deployment_has_the_shape_of_the_documented_sample(caller: Caller) -> None:
    body = body_of(await caller.control("deployment/sandbox-expert"))
    assert body["code"] == "0"
    data = body["data"]
    assert "servedName" not in data
    assert data["quickStart"] is None
    head, worker = data["expert"]["headConfig"], data["expert"]["workerConfig"]
    assert set(worker) - set(head) == {"workers"}
    assert head["imagePullSecret"]["password"]
    assert "--api-key" in head["args"][0]
    assert head["pvcMounts"][0]["readOnly"] == "true"
    assert set(data["expert"]["scale"]) == {"max", "min", "rpsValue", "idleTime"}


async def test_every_documented_spelling_occurs_in_the_catalogue(caller: Caller) -> None:
    details = [body_of(await caller.control(f"deployment/{each}")) for each in caller.sandbox.service_ids]
    data = [each.get("data", each) for each in details]
    assert {repr(each.get("code")) for each in details} == {"0", "'0'", "None"}
    assert {"apikey" in each for each in data} == {True, False}
    assert {each["serviceUrl"].endswith("/") for each in data} == {True, False}
    assert {type(each.get("servedName")) for each in data} == {list, str, type(None)}
    assert {"staring", "running", "stoping", "stoped", "failed"} == {each["status"] for each in data}


async def test_a_starting_deployment_runs_some_time_after_it_was_first_looked_at() -> None:
    async with sandboxed(starting_seconds=0) as each:
        first, second = await each.detail("sandbox-starting"), await each.detail("sandbox-starting")
        assert (first["status"], first["instance"]) == ("staring", None)
        assert (second["status"], len(second["instance"])) == ("running", 1)
        assert (await each.chat("sandbox-starting")).status_code == 200


async def test_the_list_is_paged_with_strings_where_the_documentation_has_them(caller: Caller) -> None:
    body = body_of(await caller.control("deployment/list?page=2&size=4"))
    assert body["code"] == "0"
    assert body["data"]["count"] == str(len(CATALOGUE))
    assert [row["serviceId"] for row in body["data"]["rows"]] == list(caller.sandbox.service_ids[4:8])
    assert {row["type"] for row in body["data"]["rows"]} == {"base", "lora"}
    assert all(isinstance(row["servedName"], str) and row["apikey"] for row in body["data"]["rows"])


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("model=expert", ["sandbox-expert"]),
        ("model=lora", ["sandbox-lora-service"]),
        ("status=stopped", ["sandbox-stopped"]),
        ("status=stoped", ["sandbox-stopped"]),
        ("status=starting", ["sandbox-starting"]),
        ("name=poem", ["sandbox-sglang"]),
        ("modelId=Qwen/Qwen3-4B", ["sandbox-lora-partial"]),
        ("namespace=finance", ["sandbox-expert"]),
        ("vksId=vks-sandbox-2", ["sandbox-expert"]),
        ("modelType=lora", ["sandbox-lora-service"]),
        ("aidcId=elsewhere", []),
        ("aidcId=aidc-sandbox&name=poem", ["sandbox-sglang"]),
        ("extensions.team=support", []),
        ("extensions.team=&name=poem", ["sandbox-sglang"]),
        ("model=&modelType=&status=&name=poem", ["sandbox-sglang"]),
        ("status=stoping", ["sandbox-stopping"]),
        ("status=staring", ["sandbox-starting"]),
        ("status=nonsense", []),
        ("name=nobody", []),
        ("page=9", []),
    ],
)
async def test_the_list_can_be_filtered(caller: Caller, query: str, ids: list[str]) -> None:
    rows = body_of(await caller.control(f"deployment/list?{query}"))["data"]["rows"]
    assert [row["serviceId"] for row in rows] == ids


@pytest.mark.parametrize("query", ["size=101", "size=0", "page=0", "page=x", "page=-1"])
async def test_a_page_that_cannot_be_is_refused(caller: Caller, query: str) -> None:
    response = await caller.control(f"deployment/list?{query}")
    assert (response.status_code, body_of(response)["code"]) == (400, -1)


async def test_an_adapter_that_was_loaded_at_the_engine_is_known_to_it_alone(caller: Caller) -> None:
    (instance,) = (await caller.detail("sandbox-hot-load"))["instance"]
    models = body_of(await caller.engine("v1/models", "sandbox-hot-load"))["data"]
    assert instance["loraModels"] == ["kept-zh", "gone-zh"]
    assert [each["id"] for each in models if each["parent"]] == ["kept-zh", "fresh-zh"]
    assert (await caller.chat("sandbox-hot-load", model="gone-zh")).status_code == 404
    text_of(await caller.chat("sandbox-hot-load", model="fresh-zh"))
