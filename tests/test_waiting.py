"""Waiting for a deployment that is starting or loads its model."""

from typing import Any

import anyio
import pytest
from mcp import Client

from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.waiting import poll_interval, ready_instances, wait_until_ready
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.errors import AlayaError, DeploymentNotFound, UpstreamUnavailable
from alaya_mcp.progress import Phase, ProgressNotes
from alaya_mcp.serving.server import create_server
from tests.calls import CHAT, call, connected, content_of, error_of, text_of
from tests.patience import PATIENCE
from tests.upstream import Exchange, Handler, Request, Upstream, in_turn, replies, says

pytestmark = [pytest.mark.anyio, pytest.mark.quick]

STARTING: dict[str, object] = {"status": "staring", "instance": [{"baseModelReady": False}, {"baseModelReady": False}]}
LOADING: dict[str, object] = {"status": "running", "instance": [{"baseModelReady": False}, {"baseModelReady": False}]}


def told(upstream: Upstream, *states: dict[str, object]) -> Handler:
    """A control plane that tells one state after the other, then the deployment as it is."""
    return in_turn(
        *(says(200, {"code": 0, "data": {**upstream.deployment, **state}}) for state in states),
        says(200, {"code": 0, "data": upstream.deployment}),
    )


@pytest.mark.parametrize("state", [STARTING, LOADING, {"status": "running", "instance": None}], ids=str)
async def test_a_chat_waits_for_a_deployment_that_becomes_ready(state: dict[str, object]) -> None:
    async with Upstream(chat=replies("ok")) as upstream:
        upstream.control = told(upstream, state)
        content = content_of(await call(upstream.settings(), CHAT, prompt="x", wait_seconds=20))

        assert len(upstream.chats) == 1
    assert content["content"] == "ok"


async def test_a_read_waits_too_and_tells_the_state_it_found() -> None:
    async with Upstream() as upstream:
        upstream.control = told(upstream, STARTING)
        content = content_of(await call(upstream.settings(), "get_deployment", wait_seconds=20))

    assert (content["status"], content["ready"]) == ("running", True)


async def test_a_read_that_waited_in_vain_gives_the_last_state() -> None:
    async with Upstream() as upstream:
        upstream.control = told(upstream, *[STARTING] * 9)
        content = content_of(await call(upstream.settings(), "get_deployment", wait_seconds=17))

        assert len(upstream.requests) in {6, 7}, "before it waits, in growing intervals, and at the end"
    assert (content["status"], content["ready"]) == ("starting", False)


async def test_waiting_is_told_in_words() -> None:
    messages: list[tuple[str | None, float]] = []

    async def keep(progress: float, total: float | None, message: str | None) -> None:
        del total
        messages.append((message, progress))

    async with Upstream(chat=replies("ok")) as upstream:
        upstream.control = told(upstream, STARTING, LOADING)
        async with Client(create_server(upstream.settings())) as client:
            content_of(await client.call_tool(CHAT, {"prompt": "x", "wait_seconds": 20}, progress_callback=keep))

    words = [message or "" for message, _ in messages]
    assert any(text.startswith("starting, ") and text.endswith(" s, 0 of 2 instances ready") for text in words)
    assert any(text.startswith("loading its model, ") for text in words)
    assert [progress for _, progress in messages] == sorted(progress for _, progress in messages)


@pytest.mark.parametrize(
    ("status", "word"), [("stoped", "Start it"), ("stoping", "somebody starts it"), ("failed", "events and logs")]
)
async def test_a_deployment_that_will_not_become_ready_ends_the_wait_at_once(status: str, word: str) -> None:
    async with Upstream(deployment={"status": status}) as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x", wait_seconds=40)

        assert len(upstream.requests) == 1
    assert error_of(result)["code"] == "deployment_not_ready"
    assert error_of(result)["retryable"] is False
    assert word in text_of(result)


@pytest.mark.parametrize(("state", "retryable"), [(STARTING, True), (LOADING, True)])
async def test_a_wait_in_vain_says_how_long_it_was(state: dict[str, object], *, retryable: bool) -> None:
    async with Upstream(deployment=state) as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x", wait_seconds=17)

        assert upstream.chats == []
    detail = error_of(result)
    assert (detail["code"], detail["retryable"]) == ("deployment_not_ready", retryable)
    assert "after 17 s of waiting" in text_of(result)


async def test_without_wait_seconds_nothing_is_waited_for() -> None:
    async with Upstream(deployment=STARTING) as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x")

        assert len(upstream.requests) == 1
    assert "wait_seconds" in text_of(result)


@pytest.mark.parametrize(
    ("tool", "arguments", "word"),
    [
        (CHAT, {"prompt": "x", "wait_seconds": 51}, "budget of 50 s"),
        (CHAT, {"prompt": "x", "wait_seconds": 6, "timeout_seconds": 5}, "budget of 5 s"),
        (CHAT, {"prompt": "x", "wait_seconds": -1}, "wait_seconds"),
        ("get_deployment", {"wait_seconds": 21}, "wait_seconds"),
    ],
)
async def test_more_waiting_than_the_call_has_time_for_is_refused(
    tool: str, arguments: dict[str, Any], word: str
) -> None:
    async with Upstream() as upstream:
        result = await call(upstream.settings(), tool, **arguments)

        assert upstream.requests == []
    assert error_of(result)["code"] == "invalid_arguments"
    assert word in text_of(result)


async def test_the_end_of_the_wait_is_looked_at_too() -> None:
    async def starts_for_seventeen_seconds(_: Request, exchange: Exchange) -> None:
        state = {} if anyio.current_time() >= began + 17 else STARTING
        await exchange.answer_json(200, {"code": 0, "data": {**upstream.deployment, **state}})

    async with Upstream(chat=replies("ok"), control=starts_for_seventeen_seconds) as upstream:
        began = anyio.current_time()
        content = content_of(await call(upstream.settings(), CHAT, prompt="x", wait_seconds=17))

    assert content["content"] == "ok"


async def test_chats_that_wait_for_one_deployment_leave_the_places_to_others() -> None:
    looked = anyio.Event()

    async def tells(request: Request, exchange: Exchange) -> None:
        state = STARTING if request.path.endswith("/waking") else {}
        if state:
            looked.set()
        await exchange.answer_json(200, {"code": 0, "data": {**upstream.deployment, **state}})

    async with (
        Upstream(chat=replies("ok"), control=tells) as upstream,
        connected(upstream.settings(ALAYA_MAX_CONCURRENCY="1")) as client,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(client.call_tool, CHAT, {"prompt": "x", "service_id": "waking", "wait_seconds": 40})
        await looked.wait()
        assert content_of(await client.call_tool(CHAT, {"prompt": "x"}))["content"] == "ok"
        tasks.cancel_scope.cancel()


async def test_a_chat_whose_deployment_stops_being_ready_while_it_queues_leaves_its_place() -> None:
    first, release, looked = anyio.Event(), anyio.Event(), anyio.Event()
    waking = False

    async def tells(request: Request, exchange: Exchange) -> None:
        state = STARTING if waking and request.path.endswith("/waking") else {}
        if state:
            looked.set()
        await exchange.answer_json(200, {"code": 0, "data": {**upstream.deployment, **state}})

    async def breaks(_: Request, exchange: Exchange) -> None:
        first.set()
        await release.wait()
        await exchange.answer_json(500, {})

    async with (
        Upstream(chat=in_turn(breaks, replies("ok")), control=tells) as upstream,
        connected(upstream.settings(ALAYA_MAX_CONCURRENCY="1")) as client,
        anyio.create_task_group() as tasks,
    ):
        waits = {"prompt": "x", "service_id": "waking", "wait_seconds": 40}
        tasks.start_soon(client.call_tool, CHAT, waits)
        await first.wait()
        tasks.start_soon(client.call_tool, CHAT, waits)
        await anyio.wait_all_tasks_blocked()
        waking = True
        release.set()
        await looked.wait()
        assert content_of(await client.call_tool(CHAT, {"prompt": "x"}))["content"] == "ok"
        tasks.cancel_scope.cancel()


async def test_an_engine_that_goes_away_meanwhile_is_waited_for() -> None:
    async def restarts(_: Request, exchange: Exchange) -> None:
        upstream.control = told(upstream, STARTING)
        await exchange.answer_json(503, {}, headers={"retry-after": "3600"})

    async with Upstream(chat=in_turn(restarts, replies("ok"))) as upstream:
        content = content_of(await call(upstream.settings(), CHAT, prompt="x", wait_seconds=20))

        assert len(upstream.chats) == 2
    assert content["content"] == "ok"


def deployment(**fields: object) -> Deployment:
    return Deployment.model_validate({"reports_instances": True, **fields})


async def wait(*looks: Deployment | AlayaError, seconds: float = 30) -> tuple[Deployment, list[str]]:
    left, said = list(looks), list[str]()

    async def look() -> Deployment:
        found = left.pop(0)
        if isinstance(found, AlayaError):
            raise found
        return found

    first = deployment(status="starting")

    async def notify(progress: float, message: str, phase: Phase) -> None:
        del progress, phase
        said.append(message)

    notes = ProgressNotes(notify, 0, "")
    with anyio.fail_after(PATIENCE):
        found = await notes.during(lambda: wait_until_ready(first, look, Deadline.after(seconds), notes))
    assert not left
    return found, said[1:]


async def test_a_look_that_fails_in_passing_does_not_end_the_wait() -> None:
    ready = deployment(status="running", instance=[{"baseModelReady": True}])
    found, said = await wait(UpstreamUnavailable("upstream_failing"), ready)

    assert found is ready
    assert said == ["starting"]


async def test_a_look_that_fails_for_good_ends_it() -> None:
    with pytest.raises(DeploymentNotFound):
        await wait(DeploymentNotFound("deployment_unknown"))


async def test_a_deployment_that_fails_while_it_starts_is_given_back() -> None:
    found, _ = await wait(deployment(status="failed"))

    assert found.status == "failed"


def test_the_intervals_grow_up_to_ten_seconds() -> None:
    intervals = [poll_interval(polls) for polls in range(50)]

    assert intervals[0] == 1
    assert intervals == sorted(intervals)
    assert intervals[-1] == 10


@pytest.mark.parametrize(
    ("instances", "words"),
    [([], ""), ([{"baseModelReady": True}, {}], "1 of 2 instances ready")],
)
def test_how_far_it_is(instances: list[dict[str, object]], words: str) -> None:
    assert ready_instances(deployment(instance=instances)) == words
