"""Replies held to a JSON Schema: sent to the engine, and checked for real when they come."""

import json
import signal
import subprocess
import sys
from typing import Any

import anyio
import pytest

from alaya_mcp.chat.structured import SchemaChecks, SchemaRefused, check
from alaya_mcp.deadline import Deadline
from tests.calls import CHAT, call, connected, content_of, error_of, text_of
from tests.upstream import DONE, Exchange, Request, Upstream, replies, says, text_chunk

pytestmark = [pytest.mark.anyio]

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "note": {"type": ["string", "null"]}},
    "required": ["city"],
    "additionalProperties": False,
}
REMOTE = "http://schemas.invalid/city.json"


@pytest.mark.parametrize("schema", [SCHEMA, json.dumps(SCHEMA)], ids=["object", "JSON text"])
async def test_a_reply_that_follows_the_schema_comes_as_data_too(schema: object) -> None:
    async with Upstream(chat=replies('{"city": ', '"巴黎", "note": null}')) as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x", response_schema=schema)

        sent = upstream.chats[0].json["response_format"]
    content = content_of(result)
    assert sent == {"type": "json_schema", "json_schema": {"name": "reply", "schema": SCHEMA, "strict": True}}
    assert content["parsed"] == {"city": "巴黎", "note": None}
    assert json.loads(content["content"]) == content["parsed"]
    assert content["warnings"] == []
    assert "parsed:" in text_of(result)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ('{"town": "Paris"}', "'city' is a required property"),
        ('{"city": 3}', "at city: 3 is not of type"),
        ("Paris", "not JSON"),
        ('{"city": NaN}', "not JSON (NaN"),
        ('{"city": "\\ud800"}', "surrogate"),
    ],
)
async def test_a_reply_that_does_not_is_returned_with_the_reason(reply: str, why: str) -> None:
    async with Upstream(chat=replies(reply)) as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x", response_schema=SCHEMA)

    content = content_of(result)
    assert content["content"] == reply
    assert "parsed" not in content
    assert any(why in warning for warning in content["warnings"])
    assert why in text_of(result)


async def test_json_in_a_code_fence_is_taken() -> None:
    async with Upstream(chat=replies('```json\n{"city": "Rome"}\n```')) as upstream:
        content = content_of(await call(upstream.settings(), CHAT, prompt="x", response_schema=SCHEMA))

    assert content["parsed"] == {"city": "Rome"}


async def test_a_reply_that_was_cut_is_not_parsed() -> None:
    async def cut(_: Request, exchange: Exchange) -> None:
        await exchange.events(text_chunk('{"city": "Rome"}'), text_chunk(finish_reason="length"), DONE)

    async with Upstream(chat=cut) as upstream:
        content = content_of(await call(upstream.settings(), CHAT, prompt="x", response_schema=SCHEMA))

    assert "parsed" not in content
    assert any("not whole" in warning for warning in content["warnings"])


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "nonsense"}, "at type"),
        ({"properties": {"a": {"$ref": REMOTE}}}, f"$ref {REMOTE} points outside it"),
        ({"items": {"$ref": "#/nowhere"}}, "$ref #/nowhere points outside it"),
        ({"description": "x" * 70_000}, "at most 65536"),
        ('{"minimum": Infinity}', "NaN or an infinity"),
        ("[]", "response_schema"),
    ],
)
async def test_a_schema_that_cannot_be_used_is_refused_before_anything_is_sent(schema: object, why: str) -> None:
    async with Upstream() as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x", response_schema=schema)

        assert upstream.requests == []
    assert error_of(result)["code"] == "invalid_arguments"
    assert why in text_of(result)


async def test_references_inside_the_schema_are_followed() -> None:
    schema = {"$ref": "#/$defs/city", "$defs": {"city": SCHEMA}}
    async with Upstream(chat=replies('{"city": 3}')) as upstream:
        content = content_of(await call(upstream.settings(), CHAT, prompt="x", response_schema=schema))

    assert any("3 is not of type" in warning for warning in content["warnings"])


async def test_an_engine_that_cannot_use_the_schema_is_explained() -> None:
    refusal = says(400, {"error": {"message": "Grammar error: Invalid type: nonsense", "code": 400}})
    async with Upstream(chat=refusal) as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x", response_schema=SCHEMA)

    assert error_of(result)["code"] == "request_rejected"
    assert "Simplify the schema" in text_of(result)


CATASTROPHE = {"type": "string", "pattern": "^(a+)+$"}
EXPLOSION = {
    "$ref": "#/$defs/0",
    "$defs": {
        str(depth): {"anyOf": [{"$ref": f"#/$defs/{depth + 1}"}] * 8} if depth < 40 else {"type": "null"}
        for depth in range(41)
    },
}


@pytest.mark.parametrize(
    ("schema", "text"), [(CATASTROPHE, json.dumps("a" * 60 + "b")), (EXPLOSION, "3")], ids=["pattern", "references"]
)
async def test_a_check_without_end_is_ended_and_the_loop_goes_on_meanwhile(schema: dict[str, Any], text: str) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await anyio.sleep(0.01)
            turns += 1

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(count)
            structured = await SchemaChecks().read(schema, text, Deadline.after(1))
            assert structured.problem == "checking it took too long"
            tasks.cancel_scope.cancel()

        again = await SchemaChecks().read({"type": "integer"}, "3", Deadline.after(10))
    assert turns > 10
    assert (again.value, again.problem) == (3, None)


async def test_slow_checks_do_not_starve_another_one() -> None:
    checks, deadline = SchemaChecks(), Deadline.after(60)
    good = {"type": "object"}
    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(checks.read, CATASTROPHE, json.dumps("a" * 60 + "b"), deadline)
        await anyio.wait_all_tasks_blocked()
        await checks.refuse_unusable(good, deadline)
        structured = await checks.read(good, '{"a": 1}', deadline)
        assert (structured.value, structured.problem) == ({"a": 1}, None)
        tasks.cancel_scope.cancel()


async def test_a_schema_that_could_not_be_checked_in_time_is_not_refused() -> None:
    await SchemaChecks().refuse_unusable({"type": "nonsense"}, Deadline.after(0))


def test_a_bug_in_a_check_is_a_problem_and_no_failure() -> None:
    assert check("value", ("no JSON at all", "3"), 8) == "it cannot be evaluated (JSONDecodeError)"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no alarm")
def test_a_check_whose_server_is_gone_ends_itself() -> None:
    texts = (json.dumps(CATASTROPHE), json.dumps("a" * 60 + "b"))
    script = f"from alaya_mcp.chat.structured import check; check('value', {texts!r}, 1)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60, check=False)  # noqa: S603 our own words

    assert run.returncode == -signal.SIGALRM


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")
def test_a_worker_is_held_to_its_memory() -> None:
    script = (
        "import resource; from alaya_mcp.chat.structured import check; check('value', ('{}', '3'), 8); "
        "print(resource.getrlimit(resource.RLIMIT_AS)[0])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60, check=True)  # noqa: S603 our own words

    assert int(run.stdout) == 2**30


@pytest.mark.parametrize(
    "text", ["[" * 200 + "]" * 200, "[" * 99_999, "1e999", '{"a": [1e999]}'], ids=lambda text: text[:9]
)
async def test_json_that_cannot_be_sent_on_is_no_data(text: str) -> None:
    assert (await SchemaChecks().read({}, text, Deadline.after(10))).problem


async def test_a_pattern_that_is_no_expression_is_a_problem_of_the_schema() -> None:
    with pytest.raises(SchemaRefused):
        await SchemaChecks().refuse_unusable({"pattern": "("}, Deadline.after(10))


async def test_a_continued_reply_is_read_from_its_beginning() -> None:
    messages = [{"role": "user", "content": "x"}, {"role": "assistant", "content": '{"city": "Pa'}]
    async with Upstream(chat=replies('ris"}')) as upstream:
        content = content_of(
            await call(upstream.settings(), CHAT, messages=messages, continue_reply=True, response_schema=SCHEMA)
        )

    assert content["content"] == 'ris"}'
    assert content["parsed"] == {"city": "Paris"}


async def test_concurrent_structured_chats_each_get_their_own_data() -> None:
    async def echoes(request: Request, exchange: Exchange) -> None:
        await replies(json.dumps({"city": request.json["messages"][0]["content"]}))(request, exchange)

    found: dict[str, str] = {}
    async with Upstream(chat=echoes) as upstream, connected(upstream.settings()) as client:

        async def ask(city: str) -> None:
            result = await client.call_tool(CHAT, {"prompt": city, "response_schema": SCHEMA})
            found[city] = content_of(result)["parsed"]["city"]

        async with anyio.create_task_group() as tasks:
            for number in range(12):
                tasks.start_soon(ask, f"city {number}")

    assert all(city == answer for city, answer in found.items())
    assert len(found) == 12
