"""A deployment is read anew at each look, and worked out anew only if it has changed."""

import pytest

from alaya_mcp.accounts import Account, open_account
from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.errors import RequestRejected
from tests.calls import CHAT, connected, content_of, text_of
from tests.upstream import SERVICE, Upstream, in_turn, replies, says

pytestmark = [pytest.mark.anyio]

MOST = 64
"""Deployments that are remembered."""


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


def count(told: Deployment, service_id: str) -> list[str]:
    """Something that is computed of a deployment: another object each time."""
    return [told.name or "", service_id]


async def test_what_was_computed_of_a_deployment_stays_until_it_changes() -> None:
    async with Upstream() as upstream, open_account(upstream.settings()) as account:
        first, second = await looked_at(account), await looked_at(account)
        upstream.deployment["name"] = "renamed"
        third = await looked_at(account)

    assert second.once(count, SERVICE) is first.once(count, SERVICE)
    assert third.once(count, SERVICE) == ["renamed", SERVICE]
    assert second is not first, "each lookup is an object of its own"


async def test_names_that_only_the_engine_tells_are_asked_for_again_after_a_lookup_that_found_no_change() -> None:
    async with Upstream(chat=replies("hi"), models=says(200, {"data": [{"id": "one"}]})) as upstream:
        upstream.deployment["servedName"] = []
        async with connected(upstream.settings()) as client:
            for _ in range(2):
                await client.call_tool(CHAT, {"prompt": "x"})
                await client.call_tool("get_deployment")
            upstream.models = says(200, {"data": [{"id": "two"}]})
            last = await client.call_tool(CHAT, {"prompt": "x"})

    assert content_of(last)["model"] == "two"
    assert len(upstream.asked("/v1/models")) == 3


async def test_what_was_looked_at_longest_ago_is_forgotten() -> None:
    async with Upstream() as upstream, open_account(upstream.settings()) as account:
        early, first = await looked_at(account, "early"), await looked_at(account, "first")
        for number in range(MOST - 2):
            await looked_at(account, f"other-{number}")
        again = await looked_at(account, "early")
        await looked_at(account, "one more")

        assert again.once(count, "x") is early.once(count, "x")
        assert (await looked_at(account, "early")).once(count, "x") is early.once(count, "x")
        assert (await looked_at(account, "first")).once(count, "x") is not first.once(count, "x")


async def test_what_is_no_deployment_is_refused_each_time() -> None:
    works, fails = {"code": 0, "data": {"status": "running"}}, {"code": -1, "msg": "gone"}
    control = in_turn(says(200, works), says(200, fails), says(200, fails), says(200, works))
    async with Upstream(control=control) as upstream, open_account(upstream.settings()) as account:
        first = await looked_at(account)
        for _ in range(2):
            with pytest.raises(RequestRejected):
                await looked_at(account)
        again = await looked_at(account)

    assert again == first
    assert again.once(count, "x") is not first.once(count, "x"), "nothing is remembered of what was refused"
