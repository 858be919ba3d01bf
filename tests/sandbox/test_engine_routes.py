"""The data plane: who may ask, and where."""

from collections.abc import Mapping

import pytest

from tests.sandbox.caller import HELLO, Caller, body_of

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("headers", [{}, {"apiKey": "wrong"}, {"Authorization": "Bearer sandbox-key-qwen3"}])
async def test_the_key_goes_into_its_own_header(caller: Caller, headers: Mapping[str, str]) -> None:
    url = f"{caller.origin}/serve/sandbox-qwen3/v1/chat/completions"
    response = await caller.http.post(url, headers=headers, json={"messages": HELLO})
    assert (response.status_code, body_of(response)) == (401, {"error": "Unauthorized"})


@pytest.mark.parametrize("state", ["starting", "stopping", "stopped", "failed", "loading"])
async def test_an_engine_that_does_not_run_is_a_503(caller: Caller, state: str) -> None:
    assert (await caller.chat(f"sandbox-{state}")).status_code == 503


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("POST", "v1/nothing", 404, '{"detail":"Not Found"}'),
        ("GET", "v1/models/qwen3-8b", 404, '{"detail":"Not Found"}'),
        ("GET", "v1/chat/completions", 405, '{"detail":"Method Not Allowed"}'),
        ("POST", "/v1/chat/completions", 404, '{"detail":"Not Found"}'),
        ("POST", "v1/chat/completions/", 307, ""),
        ("GET", "health", 200, ""),
        ("GET", "version", 200, '{"version":"0.32.0"}'),
    ],
)
async def test_the_router_answers_as_recorded(caller: Caller, method: str, path: str, status: int, body: str) -> None:
    response = await caller.engine(path, method=method)
    assert (response.status_code, response.text) == (status, body)


async def test_what_is_not_there_is_a_404(caller: Caller) -> None:
    assert (await caller.engine("version", "sandbox-sglang")).status_code == 404
    assert (await caller.http.get(f"{caller.origin}/serve/nobody/health")).status_code == 404
    assert (await caller.control("deployments")).status_code == 404


async def test_a_redirect_names_the_path_without_its_slash(caller: Caller) -> None:
    response = await caller.engine("v1/chat/completions/", method="POST")
    assert response.headers["location"] == f"{caller.origin}/serve/sandbox-qwen3/v1/chat/completions"


async def test_vllm_lists_aliases_with_a_length_and_adapters_with_a_parent(caller: Caller) -> None:
    models = body_of(await caller.engine("v1/models"))["data"]
    assert [(each["id"], each["parent"], each["max_model_len"]) for each in models] == [
        ("qwen3-8b", None, 32768),
        ("qwen3-8b-chat", None, 32768),
        ("support-zh", "qwen3-8b", None),
        ("sql-writer", "qwen3-8b", None),
    ]
    assert {each["owned_by"] for each in models} == {"vllm"}
    assert set(models[0]) == {
        "id",
        "object",
        "created",
        "owned_by",
        "root",
        "parent",
        "max_model_len",
        "permission",
    }
