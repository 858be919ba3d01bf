"""DeploymentCache for chats: shared while under way, kept while ready, dropped at any sign that they are stale."""

import anyio
import pytest

from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.errors import AccessDenied, AlayaError, UpstreamTimeout, UpstreamUnavailable
from alaya_mcp.upstream.deployment_lookup import KEPT_SECONDS, DeploymentCache
from tests.calls import CHAT, connected, content_of, error_of
from tests.upstream import DONE, Exchange, Handler, Request, Upstream, in_turn, replies, says, text_chunk

pytestmark = [pytest.mark.anyio, pytest.mark.quick]

READY = {"status": "running", "instance": [{"baseModelReady": True}], "reports_instances": True}


class ControlPlane:
    """Answers when it is told to, and counts."""

    def __init__(self, *outcomes: object) -> None:
        self.asked = 0
        self.go = anyio.Event()
        self.begun = anyio.Event()
        self._outcomes = list(outcomes)

    async def __call__(self, service_id: str, deadline: Deadline) -> Deployment:
        del service_id, deadline
        self.asked += 1
        self.begun.set()
        await self.go.wait()
        outcome = self._outcomes.pop(0) if self._outcomes else READY
        if isinstance(outcome, AlayaError):
            raise outcome
        return Deployment.model_validate(outcome)


def soon() -> Deadline:
    return Deadline.after(10)


async def at_once(cache: DeploymentCache, plane: ControlPlane, number: int) -> list[Deployment | AlayaError]:
    """So many callers, all waiting before the first answer."""
    found: list[Deployment | AlayaError] = []

    async def ask() -> None:
        try:
            found.append((await cache.recent("svc", soon()))[0])
        except AlayaError as error:
            found.append(error)

    async with anyio.create_task_group() as tasks:
        for _ in range(number):
            tasks.start_soon(ask)
        await plane.begun.wait()
        await anyio.wait_all_tasks_blocked()
        plane.go.set()
    return found


async def test_callers_at_once_share_one_request() -> None:
    plane = ControlPlane()
    found = await at_once(DeploymentCache(plane), plane, 50)

    assert plane.asked == 1
    assert len({id(each) for each in found}) == 1


async def test_they_share_a_deployment_that_is_not_ready_and_a_refusal_too() -> None:
    for outcome in ({"status": "stopped"}, AccessDenied("deployment_denied")):
        plane = ControlPlane(outcome)
        found = await at_once(DeploymentCache(plane), plane, 5)

        assert plane.asked == 1
        assert len(found) == 5


async def test_only_what_is_ready_is_kept() -> None:
    plane = ControlPlane({"status": "starting"}, READY)
    plane.go.set()
    cache = DeploymentCache(plane)

    assert [(await cache.recent("svc", soon()))[1] for _ in range(3)] == [False, False, True]
    assert plane.asked == 2


async def test_it_is_kept_no_longer_than_its_time() -> None:
    plane = ControlPlane()
    plane.go.set()
    cache = DeploymentCache(plane, seconds=0)

    assert [(await cache.recent("svc", soon()))[1] for _ in range(2)] == [False, False]
    assert KEPT_SECONDS == 30


async def test_a_fresh_lookup_takes_no_request_that_began_before_it() -> None:
    plane = ControlPlane()
    cache = DeploymentCache(plane)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cache.recent, "svc", soon())
        await plane.begun.wait()
        tasks.start_soon(cache.fresh, "svc", soon())
        tasks.start_soon(cache.fresh, "svc", soon())
        await anyio.wait_all_tasks_blocked()

        assert plane.asked == 1
        plane.go.set()
    assert plane.asked == 2  # the two that wanted it fresh share the second


async def test_another_caller_takes_over_from_one_that_was_cancelled() -> None:
    plane = ControlPlane()
    cache = DeploymentCache(plane)
    found: list[Deployment] = []

    async def ask() -> None:
        found.append((await cache.recent("svc", soon()))[0])

    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as first:
            async with anyio.create_task_group() as leading:
                leading.start_soon(cache.recent, "svc", soon())
                await plane.begun.wait()
                tasks.start_soon(ask)
                await anyio.wait_all_tasks_blocked()
                first.cancel()
        plane.go.set()

    assert len(found) == 1
    assert plane.asked == 2


async def test_whoever_waits_longer_asks_again_after_a_time_out() -> None:
    plane = ControlPlane(UpstreamTimeout("no_answer"), READY)
    found = await at_once(DeploymentCache(plane), plane, 3)

    assert sum(isinstance(each, Deployment) for each in found) == 2
    assert plane.asked == 2


async def test_a_failure_for_want_of_the_callers_own_time_is_not_the_others() -> None:
    plane = ControlPlane(UpstreamUnavailable("upstream_failing", is_cut_short=True), READY)
    cache = DeploymentCache(plane)
    found: list[object] = []

    async def ask() -> None:
        try:
            found.append((await cache.recent("svc", soon()))[0].status)
        except UpstreamUnavailable:
            found.append("failed")

    async with anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(ask)
        await plane.begun.wait()
        await anyio.wait_all_tasks_blocked()
        plane.go.set()

    assert found == ["failed", "running"]
    assert plane.asked == 2


async def test_who_comes_after_the_sign_does_not_get_what_began_before_it() -> None:
    plane = ControlPlane({"status": "stopped"}, READY)
    cache = DeploymentCache(plane)
    found: list[str] = []

    async def ask() -> None:
        found.append((await cache.recent("svc", soon()))[0].status)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await plane.begun.wait()
        cache.forget("svc")
        tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        plane.go.set()

    assert found == ["stopped", "running"]


async def test_waiting_for_another_callers_request_ends_at_ones_own_deadline() -> None:
    plane = ControlPlane()
    cache = DeploymentCache(plane)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cache.recent, "svc", soon())
        await plane.begun.wait()
        with pytest.raises(UpstreamTimeout):
            await cache.recent("svc", Deadline.after(0.01))
        tasks.cancel_scope.cancel()


async def test_a_time_out_that_upstream_tells_is_shared() -> None:
    plane = ControlPlane(UpstreamTimeout("gave_up_waiting", http_status=504))
    found = await at_once(DeploymentCache(plane), plane, 20)

    assert plane.asked == 1
    assert all(isinstance(each, UpstreamTimeout) for each in found)


async def test_a_lookup_that_was_refused_drops_what_was_kept() -> None:
    plane = ControlPlane(READY, AccessDenied("deployment_denied"))
    plane.go.set()
    cache = DeploymentCache(plane)
    await cache.recent("svc", soon())
    with pytest.raises(AccessDenied):
        await cache.fresh("svc", soon())

    assert (await cache.recent("svc", soon()))[1] is False


async def test_what_was_asked_before_a_sign_of_staleness_is_not_kept_after_it() -> None:
    plane = ControlPlane()
    cache = DeploymentCache(plane)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cache.recent, "svc", soon())
        await plane.begun.wait()
        cache.forget("svc")
        plane.go.set()

    assert (await cache.recent("svc", soon()))[1] is False


async def test_a_thousand_are_kept_at_most() -> None:
    plane = ControlPlane()
    plane.go.set()
    cache = DeploymentCache(plane)
    for number in range(1_001):
        await cache.recent(str(number), soon())

    assert [(await cache.recent(service_id, soon()))[1] for service_id in ("1", "0")] == [True, False]


async def test_a_chat_with_a_deployment_seen_just_now_is_one_request() -> None:
    async with Upstream(chat=replies("ok")) as upstream, connected(upstream.settings()) as client:
        for _ in range(3):
            content_of(await client.call_tool(CHAT, {"prompt": "x"}))

        assert len(upstream.asked("/deployment/svc-1")) == 1
        assert len(upstream.chats) == 3


async def test_a_read_is_always_fresh_and_spares_the_next_chat_its_lookup() -> None:
    async with Upstream(chat=replies("ok")) as upstream, connected(upstream.settings()) as client:
        for _ in range(2):
            content_of(await client.call_tool("get_deployment", {}))
        content_of(await client.call_tool(CHAT, {"prompt": "x"}))

        assert len(upstream.asked("/deployment/svc-1")) == 2


async def test_a_read_that_finds_it_stopped_drops_what_was_kept() -> None:
    async with Upstream(chat=replies("ok")) as upstream, connected(upstream.settings()) as client:
        content_of(await client.call_tool(CHAT, {"prompt": "x"}))
        upstream.deployment["status"] = "stopped"
        content_of(await client.call_tool("get_deployment", {}))

        assert error_of(await client.call_tool(CHAT, {"prompt": "x"}))["code"] == "deployment_not_ready"
        assert len(upstream.chats) == 1


async def _cut(_: Request, exchange: Exchange) -> None:
    await exchange.events(text_chunk("half"))
    exchange.reset()


async def _breaks(_: Request, exchange: Exchange) -> None:
    await exchange.events(text_chunk("half"), {"error": {"message": "died", "code": 500}}, DONE)


@pytest.mark.parametrize(
    "chat", [pytest.param(_cut, id="cut"), pytest.param(_breaks, id="error"), pytest.param(says(500, {}), id="500")]
)
async def test_a_chat_that_goes_wrong_drops_what_was_kept(chat: Handler) -> None:
    async with Upstream(chat=in_turn(chat, replies("ok"))) as upstream, connected(upstream.settings()) as client:
        await client.call_tool(CHAT, {"prompt": "x"})
        content_of(await client.call_tool(CHAT, {"prompt": "x"}))

        assert len(upstream.asked("/deployment/svc-1")) == 2


@pytest.mark.parametrize("status", [400, 413, 422, 429])
async def test_a_refusal_of_the_request_itself_drops_nothing(status: int) -> None:
    chat = in_turn(says(status, {}, retry_after="3600"), replies("ok"))
    async with Upstream(chat=chat) as upstream, connected(upstream.settings()) as client:
        error_of(await client.call_tool(CHAT, {"prompt": "x"}))
        content_of(await client.call_tool(CHAT, {"prompt": "x"}))

        assert len(upstream.asked("/deployment/svc-1")) == 1


async def test_a_chat_that_has_queued_goes_by_what_is_known_then() -> None:
    begun, release = anyio.Event(), anyio.Event()

    async def breaks(request: Request, exchange: Exchange) -> None:
        begun.set()
        await release.wait()
        await _cut(request, exchange)

    async with (
        Upstream(chat=in_turn(breaks, replies("ok"))) as upstream,
        connected(upstream.settings(ALAYA_MAX_CONCURRENCY="1")) as client,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(client.call_tool, CHAT, {"prompt": "x"})
        await begun.wait()
        tasks.start_soon(client.call_tool, CHAT, {"prompt": "y"})
        await anyio.wait_all_tasks_blocked()
        upstream.deployment["apikey"] = "new-key"
        release.set()

    assert [chat.headers["apikey"] for chat in upstream.chats] == ["deployment-apikey-0", "new-key"]


async def test_a_deployment_that_has_moved_is_found_where_it_is_now() -> None:
    async with (
        Upstream(chat=replies("ok")) as old,
        Upstream(chat=replies("moved")) as new,
        connected(old.settings()) as client,
    ):
        content_of(await client.call_tool(CHAT, {"prompt": "x"}))
        async with Upstream() as gone:
            old.deployment["serviceUrl"] = gone.deployment["serviceUrl"]
        content_of(await client.call_tool("get_deployment", {}))
        old.deployment["serviceUrl"] = new.deployment["serviceUrl"]
        content = content_of(await client.call_tool(CHAT, {"prompt": "x"}))

    assert content["content"] == "moved"
