"""docs/faults.md, row by row, over real sockets: what the caller sees, and what is sent again."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from mcp import Client

from alaya_mcp.config.settings import load_settings
from alaya_mcp.sandbox import FAULTS, Sandbox
from alaya_mcp.serving.errors import ERROR_META_KEY
from alaya_mcp.serving.server import create_server
from tests.calls import CHAT, environ_of, text_of
from tests.patience import PATIENCE
from tests.quick_loop import QUICK
from tests.stdio_host import host, warm_host

PAGE = (Path(__file__).parent.parent / "docs" / "faults.md").read_text(encoding="utf-8")
BUDGET = 40.0
"""Seconds of a clock that moves on at once: no fault costs them, and a busy machine has them to spare."""
AT_ONCE = 16
"""Faults shown at the same time: the server and the sandbox share one loop, and each chat has a budget."""

HEAVY = ("huge-body", "huge-event", "huge-stream", "gzip-bomb", "control-huge", "control-gzip-bomb", "odd-events")
"""They keep the loop busy, so they run by themselves: others are about time."""
SENT_AGAIN = {
    "no": 1,
    "once": 2,
    "until": 2,
    "up to 3 times": 4,
}
FEWER_SENDS = {"vllm-404-model": 1, "sglang-400-adapter": 1, "rate-limited-seconds": 4, "rate-limited-date": 4}
"""Where the page gives a most, and what is seen depends on the adapter or the clock."""


@dataclass(frozen=True)
class Row:
    """One row of the page."""

    faults: list[str]
    outcome: str
    again: str


def rows() -> list[Row]:
    found: list[Row] = []
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `") and len(cells) == 4:
            found.append(Row(re.findall(r"`([^`]+)`", cells[0]), cells[2], cells[3]))
    return found


ROWS = rows()
CASES = [(name, row) for row in ROWS for name in row.faults]


@dataclass
class Seen:
    """What came of one chat."""

    result: Any
    chats: int
    lookups: int
    notes: list[str] = field(default_factory=list[str])

    @property
    def outcome(self) -> str:
        """The code, or what cut the answer, or that it is whole."""
        if self.result.is_error:
            return str(self.result.meta[ERROR_META_KEY]["code"])
        content = self.result.structured_content
        return str(content.get("truncated_reason", "whole"))


async def _one(client: Client, sandbox: Sandbox, name: str, seen: dict[str, Seen]) -> None:
    notes: list[str] = []

    async def keep(progress: float, total: float | None, message: str | None) -> None:
        del progress, total
        notes.append(message or "")

    service_id = f"fault-{name}"
    arguments = {"service_id": service_id, "prompt": "x", "timeout_seconds": BUDGET}
    with anyio.fail_after(BUDGET + PATIENCE):
        result = await client.call_tool(CHAT, arguments, progress_callback=keep)
    seen[name] = Seen(result, sandbox.stats.chat_requests[service_id], sandbox.stats.lookups[service_id], notes)


async def _all(names: Iterable[str], at_once: int) -> dict[str, Seen]:
    seen: dict[str, Seen] = {}
    async with Sandbox(token_delay=0, slow_seconds=2) as sandbox:
        settings = load_settings({**environ_of(sandbox), "ALAYA_IDLE_SECONDS": "30"})
        async with Client(create_server(settings)) as client:
            places = anyio.CapacityLimiter(at_once)

            async def one(name: str) -> None:
                async with places:
                    await _one(client, sandbox, name, seen)

            async with anyio.create_task_group() as tasks:
                for name in names:
                    tasks.start_soon(one, name)
            after = await client.call_tool(CHAT, {"prompt": "still there?"})
            assert not after.is_error, "the next call works"
            await sandbox.stats.wait_for(lambda stats: stats.chats_active == 0)
    return seen


@pytest.fixture(scope="module")
def seen() -> dict[str, Seen]:
    """Every fault, each by one chat."""
    light = [name for name, _ in FAULTS if name not in HEAVY]
    together = anyio.run(lambda: _all(light, AT_ONCE), backend_options=QUICK)
    return together | anyio.run(lambda: _all(HEAVY, 1), backend_options=QUICK)


def test_every_fault_stands_on_the_page_once() -> None:
    assert sorted(name for name, _ in CASES) == sorted(name for name, _ in FAULTS)


@pytest.mark.parametrize(("name", "row"), CASES, ids=[name for name, _ in CASES])
def test_a_fault_has_the_outcome_that_the_page_tells(name: str, row: Row, seen: dict[str, Seen]) -> None:
    told = re.findall(r"`([^`]+)`", row.outcome)

    assert seen[name].outcome == (told[0] if told else "whole")
    assert row.outcome.startswith(("truncated: ", "`", "the whole answer"))


@pytest.mark.parametrize(("name", "row"), CASES, ids=[name for name, _ in CASES])
def test_a_fault_has_as_many_sends_as_the_page_tells(name: str, row: Row, seen: dict[str, Seen]) -> None:
    most = FEWER_SENDS.get(name) or next(sends for words, sends in SENT_AGAIN.items() if row.again.startswith(words))
    one = seen[name]
    if name.startswith("control-"):
        assert one.lookups == most
        assert one.chats == (1 if "whole" in row.outcome else 0)
    elif name in {"dns", "tls", "refused"}:
        assert one.chats == 0  # no request reaches an engine
    elif name == "rate-limited-date":
        assert 2 <= one.chats <= most
    else:
        assert one.chats == most


@pytest.mark.parametrize(("name", "row"), CASES, ids=[name for name, _ in CASES])
def test_a_fault_is_told_so_that_a_caller_can_act_and_shows_no_secret(
    name: str, row: Row, seen: dict[str, Seen]
) -> None:
    result = seen[name].result
    text = text_of(result)
    told = f"{text}{result.model_dump_json()}{seen[name].notes}"

    assert "sandbox-secret-key" not in told
    assert "sandbox-key-" not in told
    if result.is_error:
        assert "Trying again" in text
        assert result.structured_content is None
    else:
        content = cast("dict[str, Any]", result.structured_content)
        assert content["truncated"] is row.outcome.startswith("truncated")
        assert content["content"] or content["truncated_reason"] == "still_generating"
        says_what_to_do = any("cut" in warning or "read_on" in warning for warning in content["warnings"])
        assert not content["truncated"] or says_what_to_do


@pytest.mark.anyio
@pytest.mark.parametrize("modern", [False, True])
async def test_a_host_can_rehearse_a_fault(*, modern: bool) -> None:
    async with (warm_host if modern else host)("--sandbox", "--fault", "engine-killed") as server:
        if not modern:
            await server.initialize()
        await server.call(1, CHAT, modern=modern, prompt="x")
        answer = await server.answer(1)
        await server.call(2, "get_deployment", modern=modern)
        after = await server.answer(2)

    content = answer["result"]["structuredContent"]
    assert (content["content"], content["truncated_reason"]) == ("one two three", "upstream_error")
    assert after["result"]["structuredContent"]["ready"] is True
