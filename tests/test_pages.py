"""A list that changes while it is walked, cursor by cursor: nothing that stays is lost, nothing comes twice."""

import json
from dataclasses import dataclass, field
from random import Random
from typing import Literal

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st

from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.wire import Page, parse_page
from alaya_mcp.upstream.pages import Walk
from alaya_mcp.upstream.position import Position
from tests.registry import row

Counting = Literal["right", "as text", "its page", "too low", "none"]


@dataclass
class Changing:
    """A list of rows by their numbers; those that are added have numbers from 1,000 on.

    Attributes:
        rows: Now.
        largest: Most rows of a page.
        counting: What `count` is of.
        gone: The rows that were deleted.
        requests: How often a page was asked for.
    """

    rows: list[int]
    largest: int
    counting: Counting
    gone: set[int] = field(default_factory=set[int])
    requests: int = 0
    added: int = 1_000

    async def fetch(self, page: int, size: int, deadline: Deadline, name: str | None = None) -> Page:
        del deadline, name
        self.requests += 1
        size = min(size, self.largest)
        shown = self.rows[(page - 1) * size : page * size]
        counts = {
            "right": len(self.rows),
            "as text": str(len(self.rows)),
            "its page": len(shown),
            "too low": len(self.rows) // 2,
            "none": "",
        }
        body = {"code": 0, "data": {"count": counts[self.counting], "rows": [row(number) for number in shown]}}
        return parse_page(json.dumps(body).encode())

    def change(self, random: Random) -> None:
        """Delete a row, or add one at an end."""
        if self.rows and random.random() < 0.5:
            self.gone.add(self.rows.pop(random.randrange(len(self.rows))))
        else:
            self.rows.insert(0 if random.random() < 0.7 else len(self.rows), self.added)
            self.added += 1


async def walked(listed: Changing, size: int, limit: int, random: Random) -> tuple[list[int], list[str]]:
    """What comes, and what is warned of, `limit` rows at a time; between two times the list changes now and then."""
    found: list[int] = []
    warnings: list[str] = []
    position = Position(size)
    for _ in range(200):
        walk = Walk(listed.fetch, Deadline.after(30), position)
        taken = [await anext(walk, None) for _ in range(limit)]
        found += [int(str(each.service_id)[-12:], 16) for each in taken if each]
        has_more = await walk.has_more()
        warnings += walk.warnings
        if not has_more:
            return found, warnings
        position = walk.position
        for _ in range(random.choice((0, 0, 0, 1, 2, 4))):
            listed.change(random)
    raise AssertionError("the list never ends")


@given(
    number=st.integers(0, 40),
    largest=st.sampled_from([10, 100]),
    counting=st.sampled_from(["right", "as text", "its page", "too low", "none"]),
    limit=st.sampled_from([1, 3, 5, 10, 20]),
    has_filter=st.booleans(),
    random=st.randoms(use_true_random=False),
)
@settings(max_examples=150, deadline=None)
def test_nothing_that_stays_is_lost_and_nothing_comes_twice(
    number: int, largest: int, counting: Counting, limit: int, has_filter: bool, random: Random
) -> None:
    listed = Changing(list(range(number)), largest, counting)
    found, warnings = anyio.run(walked, listed, 100 if has_filter else limit, limit, random)

    if not any("its place was not found" in warning for warning in warnings):
        assert set(range(number)) - listed.gone <= set(found)
        assert len(found) == len(set(found))
    assert listed.requests <= 6 * (len(found) + 2)
