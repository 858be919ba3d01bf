"""A running sandbox and a client of it, and what can be read from its answers."""

import json
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, cast

import anyio
import httpx2

from alaya_mcp.sandbox import Sandbox
from tests.patience import PATIENCE

# JSON of a shape that the test looking into it knows.
Json: TypeAlias = dict[str, Any]

# One for all tests: reading the certificates takes longer than a test does.
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

HELLO = [{"role": "user", "content": "Hello, how are you today?"}]
SLOW = 600.0


class Caller:
    """A client of one running sandbox."""

    def __init__(self, sandbox: Sandbox, http: httpx2.AsyncClient) -> None:
        self.sandbox = sandbox
        self.http = http
        self.origin = sandbox.base_url.removesuffix("/api/serverless-infer/v1")
        self.auth = {"Authorization": f"plain Credential={sandbox.access_key},Signature={sandbox.secret_key}"}

    async def control(self, path: str, method: str = "GET") -> httpx2.Response:
        return await self.http.request(method, f"{self.sandbox.base_url}/{path}", headers=self.auth)

    async def detail(self, service_id: str) -> Json:
        body = body_of(await self.control(f"deployment/{service_id}"))
        return body.get("data", body)

    async def engine(
        self,
        path: str,
        service_id: str = "sandbox-qwen3",
        method: str = "GET",
        **options: Any,  # noqa: ANN401 - whatever the client takes
    ) -> httpx2.Response:
        headers = {"apiKey": await self.key(service_id), **options.pop("headers", {})}
        return await self.http.request(method, f"{self.origin}/serve/{service_id}/{path}", headers=headers, **options)

    async def chat(self, service_id: str = "sandbox-qwen3", **fields: object) -> httpx2.Response:
        body = {"messages": HELLO, **fields}
        return await self.engine("v1/chat/completions", service_id, "POST", json=body)

    async def key(self, service_id: str) -> str:
        detail = await self.detail(service_id)
        return detail.get("apikey") or detail["apiKey"]


@asynccontextmanager
async def sandboxed(**options: Any) -> AsyncGenerator[Caller]:  # noqa: ANN401 - what Sandbox takes
    options = {"token_delay": 0.0} | options
    with anyio.fail_after(PATIENCE):
        async with (
            Sandbox(**options) as sandbox,
            httpx2.AsyncClient(trust_env=False, verify=NO_CERTIFICATES, timeout=PATIENCE) as http,
        ):
            yield Caller(sandbox, http)


def body_of(response: httpx2.Response) -> Json:
    return cast("Json", response.json())


def text_of(response: httpx2.Response) -> str:
    assert response.status_code == 200, response.text
    return body_of(response)["choices"][0]["message"]["content"]


def chunks_of(response: httpx2.Response) -> list[Json]:
    events = response.text.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""], response.text
    return [json.loads(event.removeprefix("data: ")) for event in events[:-2]]


def streamed(chunks: list[Json], field: str = "content") -> str:
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    return "".join(delta.get(field) or "" for delta in deltas)
