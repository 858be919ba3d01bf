"""Planted secrets are looked for in every byte that leaves the process, at every log level."""

import pytest

from tests.stdio_host import host, warm_host
from tests.upstream import DONE, SERVICE, Exchange, Handler, Request, Upstream, text_chunk

pytestmark = [pytest.mark.anyio]

ACCESS, SECRET, APIKEY = "planted-AK-5f1c9a", "planted-SK-77aa01", "planted-apikey-3b3b"
HIDDEN = {
    "pull_user": "planted-pull-user",
    "pull_password": "planted-pull-password",
    "env": "planted-env-value",
    "label": "planted-label-value",
    "args": "planted-args-token",
    "inline": "planted-inline-token",
    "shell": "planted-shell-token",
    "assigned": "planted-assigned-token",
    "userinfo": "planted-userinfo",
    "query": "planted-query-token",
}
PROMPT = "planted-conversation"


def expert(url: str) -> dict[str, object]:
    """A deployment with a secret in every place that can hold one, with trailing newlines too."""
    node = {
        "image": "registry.example.com/vllm:1",
        "imagePullSecret": {
            "registry": "r",
            "username": HIDDEN["pull_user"],
            "password": HIDDEN["pull_password"] + "\n",
        },
        "labels": {"team": HIDDEN["label"]},
        "env": {"HF_TOKEN": HIDDEN["env"] + "\n"},
        "cmd": ["/bin/sh", "-c", f"TOKEN={HIDDEN['assigned']} exec vllm serve m --api-key {HIDDEN['shell']}"],
        "args": ["--api-key", HIDDEN["args"] + "\n", f"--hf-token={HIDDEN['inline']}", "--max-model-len", "4096"],
        "resource": {"cpu": "8", "gpu": {"count": "1"}},
    }
    address = url.replace("http://", f"http://user:{HIDDEN['userinfo']}@")
    return {
        "mode": "expert",
        "quickStart": None,
        "serviceUrl": f"{address}/serve?token={HIDDEN['query']}",
        "apikey": APIKEY + "\n",
        "expert": {"headConfig": node, "workerConfig": {**node, "workers": "2"}},
    }


async def refuses(request: Request, exchange: Exchange) -> None:
    """Quotes what it was sent."""
    await exchange.answer_json(500, {"error": {"message": f"bad {' '.join(request.headers.values())}"}})


def control_plane(upstream: Upstream) -> Handler:
    """One with a single deployment, which quotes what it was sent where another is asked for."""

    async def answer(request: Request, exchange: Exchange) -> None:
        if "/deployment/list?" in request.path:
            await exchange.answer_json(200, {"code": 0, "data": {"count": "1", "rows": [upstream.deployment]}})
        elif request.path.endswith(SERVICE):
            await exchange.answer_json(200, {"code": 0, "data": upstream.deployment})
        else:
            await exchange.answer_json(404, {"code": -1, "msg": f"no such thing, {request.headers}"})

    return answer


@pytest.mark.parametrize(
    ("level", "log_format", "newline"),
    [
        ("DEBUG", "text", ""),
        ("DEBUG", "json", "\n"),
        ("INFO", "json", ""),
        ("WARNING", "text", "\n"),
        ("ERROR", "text", ""),
        ("nonsense", "json", "\n"),
    ],
)
async def test_no_secret_reaches_stdout_or_stderr(level: str, log_format: str, newline: str) -> None:
    async def echoes(request: Request, exchange: Exchange) -> None:
        """An upstream that quotes what it was sent, in an error and in a stream's error."""
        headers = " ".join(request.headers.values())
        kind = request.json["messages"][0]["content"]
        if PROMPT in kind and "stream" in kind:
            await exchange.events(text_chunk("half"), {"error": {"message": f"bad {headers}"}}, DONE)
        else:
            await exchange.answer_json(int(kind.split()[-1]), {"error": {"message": f"bad {headers}"}})

    async with Upstream(chat=echoes, models=refuses) as upstream:
        upstream.deployment |= expert(upstream.url)
        upstream.control = control_plane(upstream)
        environ = {
            **upstream.environ,
            "ALAYA_ACCESS_KEY": ACCESS + newline,
            "ALAYA_SECRET_KEY": SECRET + newline,
            "ALAYA_LOG_LEVEL": level,
            "ALAYA_LOG_FORMAT": log_format,
        }
        async with warm_host(**environ) as server:
            await server.initialize()
            await server.call(1, "get_deployment")
            await server.call(2, "list_lora_models")
            await server.call(3, "chat_with_deployment", prompt=f"{PROMPT} stream", model="lora1")
            for number, status in enumerate((400, 401, 404, 422, 500), start=4):
                await server.call(number, "chat_with_deployment", prompt=f"{PROMPT} {status}", model="lora1")
            await server.call(9, "get_deployment", service_id={"secret": SECRET})
            await server.call(10, "list_deployments")
            await server.call(11, "get_deployment", service_id="scripted")
            await server.call(12, "get_deployment", service_id="nobody")
            await server.call(13, "list_lora_models", service_id="scripted", verify=True)
            await server.request(14, "resources/read", {"uri": "alaya://deployments/scripted"})
            await server.request(15, "resources/read", {"uri": "alaya://deployments"})
            template = {"type": "ref/resource", "uri": "alaya://deployments/{service_id}"}
            argument = {"name": "service_id", "value": ""}
            await server.request(16, "completion/complete", {"ref": template, "argument": argument})
            answers = [await server.answer(number) for number in range(1, 17)]
            await server.leave()

    if level != "nonsense":
        assert answers[0]["result"]["structuredContent"]["expert"]["head"]["env_names"] == ["HF_TOKEN"]
        assert upstream.chats[0].headers["apikey"] == APIKEY
        assert "[redacted]" in answers[3]["result"]["content"][0]["text"]
        assert [row["name"] for row in answers[9]["result"]["structuredContent"]["deployments"]] == ["scripted"]
        assert answers[10]["result"]["structuredContent"]["service_id"] == SERVICE
        assert "could not be read" in answers[12]["result"]["structuredContent"]["warnings"][-1]
        assert "scripted" in answers[15]["result"]["completion"]["values"]
    said = bytes(server.raw)
    assert said.count(SERVICE.encode()) > 0 or level == "nonsense"
    for secret in [ACCESS, SECRET, APIKEY, *HIDDEN.values()]:
        assert secret.encode() not in said
    assert PROMPT.encode() not in said


async def test_a_key_that_cannot_be_a_header_is_refused_without_being_shown() -> None:
    environ = {"ALAYA_ACCESS_KEY": ACCESS, "ALAYA_SECRET_KEY": f"{SECRET}\u00fc x", "ALAYA_SERVICE_ID": SERVICE}
    async with warm_host(**environ) as server:
        await server.initialize()
        await server.call(1, "get_deployment")
        answer = await server.answer(1)

    text = answer["result"]["content"][0]["text"]
    assert "ALAYA_SECRET_KEY" in text
    assert SECRET.encode() not in bytes(server.raw)


async def test_an_apikey_that_cannot_be_a_header_is_refused_without_being_shown() -> None:
    async with Upstream() as upstream:
        upstream.deployment["apikey"] = f"{APIKEY}\u00fc\r\nX-Other: 1"
        async with host(**upstream.environ) as server:
            await server.initialize()
            await server.call(1, "chat_with_deployment", prompt="x")
            answer = await server.answer(1)

        assert upstream.chats == []
    assert answer["result"]["_meta"]["com.alayanew.mcp/error"]["code"] == "unexpected_response"
    assert APIKEY.encode() not in bytes(server.raw)
