"""Deployments by the hundred: listed, looked up and asked like the others, with names that clash."""

import unicodedata
from collections import Counter
from typing import cast
from uuid import UUID

import pytest

from alaya_mcp.sandbox import CATALOGUE, Sandbox
from tests.sandbox.caller import Caller, Json, body_of, sandboxed, text_of

pytestmark = pytest.mark.anyio

STATUSES = {"running", "starting", "staring", "stopping", "stoping", "stopped", "stoped", "failed"}
STARTING = {"starting", "staring"}


async def listed(caller: Caller, query: str = "") -> list[Json]:
    """All rows of the fleet, without the catalogue's."""
    rows: list[Json] = []
    while True:
        page = body_of(await caller.control(f"deployment/list?size=100&page={len(rows) // 100 + 1}{query}"))["data"]
        rows += page["rows"]
        if len(rows) >= int(page["count"]):
            return [row for row in rows if row["serviceId"] not in caller.sandbox.service_ids]


async def test_a_fleet_is_listed_behind_the_catalogue_and_stands_in_none() -> None:
    async with sandboxed(fleet=250) as each:
        first = body_of(await each.control("deployment/list?size=100"))["data"]
        rows = await listed(each)
        assert each.sandbox.catalogue == CATALOGUE
    assert first["count"] == str(250 + len(CATALOGUE))
    assert [row["serviceId"] for row in first["rows"][: len(CATALOGUE)]] == [service_id for service_id, _ in CATALOGUE]
    assert len({row["serviceId"] for row in rows}) == len(rows) == 250
    assert all(str(UUID(row["serviceId"])) == row["serviceId"] for row in rows)


async def test_names_clash_as_a_teams_do() -> None:
    async with sandboxed(fleet=250) as each:
        names = [row["name"] for row in await listed(each)]
    times = Counter(names)
    assert set(times.values()) == {1, 2, 3}
    assert sum(count for count in times.values() if count > 1) >= 100
    assert len({name.casefold() for name in times}) <= len(times) - 15, "in case only"
    assert any(unicodedata.normalize("NFKC", name) != name for name in times), "full-width letters"
    assert any(" " in name for name in times)
    assert any(name.isascii() and " " not in name for name in times), "what could be an id"
    assert any("\u4e00" <= letter <= "\u9fff" for name in times for letter in name)


async def test_the_largest_fleet_has_no_name_more_than_three_times() -> None:
    async with sandboxed(fleet=2000) as each:
        names = [row["name"] for row in await listed(each)]
    assert len(names) == 2000
    assert max(Counter(names).values()) == 3


async def test_a_fleet_has_every_status_and_place_and_kind() -> None:
    async with sandboxed(fleet=250) as each:
        rows = await listed(each)
        elsewhere = await listed(each, "&aidcId=aidc-sandbox-2")
        team = await listed(each, "&extensions.team=support")
        lora = await listed(each, "&modelType=lora")
    assert {row["status"] for row in rows} == STATUSES
    assert {row["status"] for row in lora} == {row["status"] for row in rows if row["type"] == "base"} == STATUSES
    assert {row["vksId"] for row in elsewhere} == {"vks-sandbox-3"}
    assert len({(row["vksId"], row["namespace"]) for row in rows}) == 4
    assert 0 < len(team) < len(rows)
    assert {row["name"][:7].lower() for row in team} == {"support"}


async def test_a_row_and_its_detail_agree_and_only_what_runs_has_instances() -> None:
    async with sandboxed(fleet=60) as each:
        rows = await listed(each)
        for row in rows:
            detail = await each.detail(row["serviceId"])
            assert (detail["name"], detail["status"]) == (row["name"], row["status"])
            if row["type"] == "base":
                instances = cast("list[Json] | None", detail["instance"])
                assert (instances is None) == (row["status"] in STARTING)
                assert [one["baseModelReady"] for one in instances or []] == [True] * (row["status"] == "running")


async def test_a_lora_service_of_the_fleet_hangs_on_a_running_base_and_has_the_documented_shape() -> None:
    async with sandboxed(fleet=100) as each:
        services = await listed(each, "&model=lora")
        for row in services:
            body = body_of(await each.control(f"deployment/{row['serviceId']}"))
            assert not {"code", "instance"} & set(body)
            base = await each.detail(body["baseServiceId"])
            assert (base["status"], base.get("baseServiceId")) == ("running", None)
    assert len(services) == 14


async def test_what_runs_answers_by_its_served_name_and_the_rest_does_not() -> None:
    async with sandboxed(fleet=40) as each:
        for row in await listed(each):
            response = await each.chat(row["serviceId"], model=row["servedName"])
            assert response.status_code == (200 if row["status"] == "running" else 503)
            if row["status"] == "running":
                assert row["servedName"] in text_of(response)


async def test_both_spellings_of_starting_come_to_run() -> None:
    async with sandboxed(fleet=20, starting_seconds=0) as each:
        starting = [row for row in await listed(each) if row["status"] in STARTING]
        for row in starting:
            assert (await each.detail(row["serviceId"]))["instance"] is None
            later = await each.detail(row["serviceId"])
            assert (later["status"], len(later["instance"])) == ("running", 1)
    assert {row["status"] for row in starting} == STARTING


async def test_a_fleet_is_the_same_each_time_and_a_larger_one_begins_with_it() -> None:
    fields = ("serviceId", "name", "status", "modelId", "vksId", "type")
    lists: list[list[tuple[str, ...]]] = []
    for fleet in (30, 30, 60):
        async with sandboxed(fleet=fleet) as each:
            lists.append([tuple(row[field] for field in fields) for row in (await listed(each))[:30]])
    assert lists[0] == lists[1] == lists[2]


async def test_a_fault_everywhere_is_the_fleets_too() -> None:
    async with sandboxed(fleet=1, fault="vllm-429") as each:
        (row,) = await listed(each)
        assert (await each.chat(row["serviceId"])).status_code == 429


@pytest.mark.parametrize("fleet", [-1, 2001])
def test_a_fleet_of_a_number_out_of_range_is_refused(fleet: int) -> None:
    with pytest.raises(ValueError, match="a fleet is a number from 0 to 2000"):
        Sandbox(fleet=fleet)
