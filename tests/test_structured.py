"""Replies held to a JSON Schema: sent to the engine, and checked for real when they come."""

import json
import signal
import subprocess
import sys
from typing import Any

import anyio
import pytest

from alaya_mcp.chat import structured
from alaya_mcp.chat.schema_verdict import Verdict
from alaya_mcp.chat.structured import SchemaChecks, SchemaRefused, check
from alaya_mcp.deadline import Deadline
from tests.calls import CHAT, call, connected, content_of, error_of, text_of
from tests.patience import PATIENCE
from tests.quick_loop import QUICK
from tests.upstream import DONE, Exchange, Handler, Request, Upstream, replies, says, text_chunk

pytestmark = [pytest.mark.anyio]

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "note": {"type": ["string", "null"]}},
    "required": ["city"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """One loop for all of them: its worker processes, which take long to load the validator, are kept."""
    return "asyncio", QUICK


@pytest.fixture(scope="module", autouse=True)
async def one_loop(anyio_backend: object) -> None:
    """Keep the loop from one test to the next."""


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


@pytest.mark.parametrize("end", ["</s>", "<|im_end|>", "\n<|eot_id|>\n", "<end_of_turn>", "<|im_end|><|endoftext|>"])
async def test_a_token_that_ends_the_turn_is_no_part_of_the_data(end: str) -> None:
    async with Upstream(chat=replies(f'{{"city": "Rome</s>"}}{end}')) as upstream:
        content = content_of(await call(upstream.settings(), CHAT, prompt="x", response_schema=SCHEMA))

    assert content["parsed"] == {"city": "Rome</s>"}


def cut_off(*words: str) -> Handler:
    async def handler(_: Request, exchange: Exchange) -> None:
        await exchange.events(*map(text_chunk, words), text_chunk(finish_reason="length"), DONE)

    return handler


@pytest.mark.parametrize(
    ("schema", "text"), [(SCHEMA, '{"city": "Ro'), ({"type": "integer"}, "12"), (SCHEMA, '{"city"')]
)
async def test_a_reply_that_was_cut_is_not_parsed(schema: dict[str, Any], text: str) -> None:
    async with Upstream(chat=cut_off(text)) as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x", response_schema=schema, return_messages=True)

    content = content_of(result)
    assert "parsed" not in content
    assert any("incomplete" in warning for warning in content["warnings"])
    assert "larger max_tokens" in text_of(result)
    assert "continue_reply" not in text_of(result)


@pytest.mark.parametrize(
    ("schema", "text", "data"),
    [
        (SCHEMA, '{"city": "Rome"}' + " " * 99, {"city": "Rome"}),
        (SCHEMA, '{"city": "Rome"}\n\n\t\n', {"city": "Rome"}),
        (SCHEMA, '{"city": "Rome"}', {"city": "Rome"}),
        ({"type": "integer"}, "12\n", 12),
        ({"type": "array"}, "[1]\n", [1]),
    ],
)
async def test_whole_json_is_parsed_although_what_followed_was_cut(
    schema: dict[str, Any], text: str, data: object
) -> None:
    async with Upstream(chat=cut_off(text)) as upstream:
        content = content_of(await call(upstream.settings(), CHAT, prompt="x", response_schema=schema))

    assert content["parsed"] == data
    assert content["truncated_reason"] == "max_tokens"
    assert content["warnings"] == ["The reply was cut (max_tokens) after its complete JSON."]


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
async def test_json_that_came_as_reasoning_is_the_reply(field: str) -> None:
    async def handler(_: Request, exchange: Exchange) -> None:
        for piece in ('{"city": ', '"Rome"}'):
            thought = text_chunk()
            thought["choices"][0]["delta"] = {field: piece, "content": None}
            await (exchange.event if upstream.chats[1:] else exchange.events)(thought)
            upstream.requests.append(upstream.chats[0])
        await exchange.event(text_chunk(finish_reason="stop"))
        await exchange.event(DONE)

    notes: list[str] = []

    async def keep(progress: float, total: float | None, message: str | None) -> None:
        del progress, total
        notes.append(message or "")

    async with Upstream(chat=handler) as upstream, connected(upstream.settings()) as client:
        arguments = {"prompt": "x", "response_schema": SCHEMA}
        content = content_of(await client.call_tool(CHAT, arguments, progress_callback=keep))

    assert (content["content"], content["parsed"]) == ('{"city": "Rome"}', {"city": "Rome"})
    assert "reasoning" not in content
    assert notes[-1] == content["content"]


async def test_a_reply_of_null_is_told() -> None:
    async with Upstream(chat=replies("null")) as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x", response_schema={"type": ["object", "null"]})

    assert "parsed" not in content_of(result)
    assert content_of(result)["warnings"] == ["The reply is null, which follows response_schema; parsed is left out."]


@pytest.mark.parametrize(
    ("pattern", "text", "problem", "is_checked"),
    [
        (r"^(?<x>a)b$", "ab", None, True),
        (r"^(?<x>a)\k<x>$", "aa", None, True),
        (r"^(?<x>a)b$", "ac", "does not match", True),
        (r"^\p{L}+$", "ab", None, False),
        (r"^[^]*$", "ab", None, False),
        (r"(?<=a+)b", "ab", None, False),
    ],
)
async def test_a_pattern_of_ecma_262_is_taken(
    pattern: str, text: str, problem: str | None, *, is_checked: bool
) -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"pattern": {"pattern": pattern}},
        "patternProperties": {pattern: {}},
    }
    async with Upstream(chat=replies(json.dumps({"pattern": text}))) as upstream:
        content = content_of(await call(upstream.settings(), CHAT, prompt="x", response_schema=schema))

    assert ("parsed" in content) is (problem is None)
    said = " ".join(content["warnings"])
    assert (problem or "") in said
    assert ("was not checked" not in said) is is_checked


async def test_a_continuation_that_starts_the_json_over_is_taken_by_itself() -> None:
    messages = [{"role": "user", "content": "x"}, {"role": "assistant", "content": '"gr'}]
    async with Upstream(chat=replies('"green"')) as upstream:
        content = content_of(
            await call(
                upstream.settings(),
                CHAT,
                messages=messages,
                continue_reply=True,
                return_messages=True,
                response_schema={"type": "string"},
            )
        )

    assert (content["content"], content["parsed"]) == ('"green"', "green")
    assert content["messages"][-1] == {"role": "assistant", "content": '"green"'}
    assert any("started the JSON over" in warning for warning in content["warnings"])


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "nonsense"}, "at type"),
        ({"properties": {"a": {"$ref": REMOTE}}}, f"$ref {REMOTE} points outside it"),
        ({"items": {"$ref": "#/nowhere"}}, "$ref #/nowhere points to nothing in it"),
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

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(count)
            structured = await SchemaChecks().read(schema, [text], Deadline.after(1))
            assert structured
            assert structured.problem == "checking it took too long"
            tasks.cancel_scope.cancel()

        again = await SchemaChecks().read({"type": "integer"}, ["3"], Deadline.after(PATIENCE))
    assert turns > 2, "one at its start, and one after a check that stopped the loop"
    assert again
    assert (again.value, again.problem) == (3, None)


@pytest.mark.quick
async def test_slow_checks_do_not_starve_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async def worker(_: object, what: str, texts: tuple[str, ...], *__: object, **___: object) -> Verdict:
        del what
        await anyio.sleep(9 if "pattern" in texts[0] else 4)
        return Verdict()

    monkeypatch.setattr(structured, "CHECK_SECONDS", 5)
    monkeypatch.setattr(anyio.to_process, "run_sync", worker)
    checks, deadline = SchemaChecks(), Deadline.after(99)
    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(checks.read, CATASTROPHE, [json.dumps("a" * 60 + "b")], deadline)
        await anyio.wait_all_tasks_blocked()
        found = await checks.read({"type": "object"}, ['{"a": 1}'], deadline)
        assert found
        assert (found.value, found.problem) == ({"a": 1}, None)
        tasks.cancel_scope.cancel()


async def test_a_schema_that_could_not_be_checked_in_time_is_not_refused() -> None:
    await SchemaChecks().refuse_unusable({"type": "nonsense"}, Deadline.after(0))


def test_a_bug_in_a_check_is_a_problem_and_no_failure() -> None:
    # As on Windows: elsewhere the limit of memory would stay with this process, and no browser starts within it.
    assert check("value", ("no JSON at all", "3"), 8, "win32").problem == "it cannot be evaluated (JSONDecodeError)"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no alarm")
def test_a_check_whose_server_is_gone_ends_itself() -> None:
    texts = (json.dumps(CATASTROPHE), json.dumps("a" * 60 + "b"))
    script = f"from alaya_mcp.chat.structured import check; check('value', {texts!r}, 1)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=PATIENCE, check=False)  # noqa: S603 our own words

    assert run.returncode == -signal.SIGALRM


def test_a_check_whose_server_is_gone_ends_itself_on_windows_too() -> None:
    """Without an alarm, though the regular expression leaves no other thread of Python a turn."""
    texts = (json.dumps(CATASTROPHE), json.dumps("a" * 60 + "b"))
    script = f"from alaya_mcp.chat.structured import check; check('value', {texts!r}, 1, 'win32')"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=PATIENCE, check=False)  # noqa: S603 our own words

    assert (run.returncode, run.stdout, run.stderr) == (1, b"", b"")


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_a_check_that_ended_leaves_nothing_that_ends_its_worker_on_windows() -> None:
    script = (
        "import os; from alaya_mcp.chat.structured import check; "
        "print(check('value', ('{}', '3'), 900, 'win32').problem, len(os.listdir('/proc/self/task')))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=PATIENCE, check=True)  # noqa: S603 our own words

    assert run.stdout.split() == [b"None", b"1"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")
def test_a_worker_is_held_to_its_memory() -> None:
    script = (
        "import resource; from alaya_mcp.chat.structured import check; check('value', ('{}', '3'), 8); "
        "print(resource.getrlimit(resource.RLIMIT_AS)[0])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=PATIENCE, check=True)  # noqa: S603 our own words

    assert int(run.stdout) == 2**30


@pytest.mark.parametrize(
    "text", ["[" * 200 + "]" * 200, "[" * 99_999, "1e999", '{"a": [1e999]}'], ids=lambda text: text[:9]
)
async def test_json_that_cannot_be_sent_on_is_no_data(text: str) -> None:
    structured = await SchemaChecks().read({}, [text], Deadline.after(PATIENCE))

    assert structured
    assert structured.problem


async def test_a_pattern_that_is_no_expression_is_a_problem_of_the_schema() -> None:
    with pytest.raises(SchemaRefused):
        await SchemaChecks().refuse_unusable({"pattern": "("}, Deadline.after(PATIENCE))


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
