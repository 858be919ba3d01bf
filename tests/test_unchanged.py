"""A deployment is read anew at each look, and worked out anew only if it has changed."""

import pytest

from alaya_mcp.accounts import Account, open_account
from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.errors import RequestRejected
from tests.calls import connected, content_of, text_of
from tests.upstream import SERVICE, Upstream, in_turn, says

pytestmark = [pytest.mark.anyio]

MOST = 64
"""Deployments whose last answer is remembered."""


async def looked_at(account: Account, service_id: str = SERVICE) -> Deployment:
    """The deployment, as a request that begins now tells it."""
    return await account.client.deployment(service_id, Deadline.after(60))


async def test_a_change_is_shown_by_the_next_look_and_so_is_the_way_back() -> None:
    async with Upstream() as upstream, connected(upstream.settings()) as client:
        first = await client.call_tool("get_deployment")
        upstream.deployment["status"] = "stopped"
        second = await client.call_tool("get_deployment")
        upstream.deployment["status"] = "running"
        third = await client.call_tool("get_deployment")

    assert [content_of(each)["status"] for each in (first, second, third)] == ["running", "stopped", "running"]
    assert "status: stopped" in text_of(second)
    assert (content_of(third), text_of(third)) == (content_of(first), text_of(first))
    assert len(upstream.requests) == 3


async def test_one_answer_about_two_ids_is_told_for_each() -> None:
    other = "38fbfc3d-6a88-4c35-b8b6-9efc83949d47"
    async with Upstream() as upstream, connected(upstream.settings()) as client:
        own = await client.call_tool("get_deployment")
        others = await client.call_tool("get_deployment", {"service_id": other})
        again = await client.call_tool("get_deployment")

    assert any(other in warning for warning in content_of(others)["warnings"])
    assert content_of(again) == content_of(own)


async def test_what_is_computed_of_a_deployment_is_computed_once_for_each_id() -> None:
    deployment = Deployment.model_validate({"name": "qwen"})
    asked: list[str] = []

    def compute(told: Deployment, service_id: str) -> str:
        asked.append(service_id)
        return f"{told.name} as {service_id}"

    assert [deployment.once(compute, each) for each in "aba"] == ["qwen as a", "qwen as b", "qwen as a"]
    assert asked == ["a", "b"]


async def test_only_what_has_not_changed_is_the_same_object() -> None:
    async with Upstream() as upstream, open_account(upstream.settings()) as account:
        first, second = await looked_at(account), await looked_at(account)
        upstream.deployment["name"] = "renamed"
        third = await looked_at(account)

    assert second is first
    assert (first.name, third.name) == ("scripted", "renamed")


@pytest.mark.parametrize("others", [MOST - 1, MOST])
async def test_what_was_looked_at_longest_ago_is_forgotten(others: int) -> None:
    async with Upstream() as upstream, open_account(upstream.settings()) as account:
        first = await looked_at(account, "first")
        await looked_at(account, "early")
        for number in range(others - 1):
            await looked_at(account, f"other-{number}")

        assert (await looked_at(account, "first") is first) is (others < MOST)


async def test_a_large_answer_is_not_kept() -> None:
    async with Upstream() as upstream, open_account(upstream.settings()) as account:
        upstream.deployment["extensions"] = "x" * 2**16
        first, second = await looked_at(account), await looked_at(account)

    assert second is not first
    assert second == first


async def test_what_is_no_deployment_is_refused_each_time() -> None:
    works, fails = {"code": 0, "data": {"status": "running"}}, {"code": -1, "msg": "gone"}
    control = in_turn(says(200, works), says(200, fails), says(200, fails), says(200, works))
    async with Upstream(control=control) as upstream, open_account(upstream.settings()) as account:
        first = await looked_at(account)
        for _ in range(2):
            with pytest.raises(RequestRejected):
                await looked_at(account)
        assert await looked_at(account) == first
