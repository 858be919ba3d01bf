"""The clock that moves on at once: how far, and for what it waits."""

import asyncio
import time

import anyio
import anyio.to_process
import pytest

from tests.upstream import Upstream, replies

pytestmark = [pytest.mark.anyio, pytest.mark.quick]

WORK = 0.1
"""Seconds that a thread or a process is really at work, since it is the real clock that must go on meanwhile."""


async def test_an_hour_is_over_at_once_and_has_passed() -> None:
    began = anyio.current_time()
    with anyio.fail_after(3_601):
        await anyio.sleep(3_600)  # of the quick loop's clock: it is what is tested

    assert anyio.current_time() >= began + 3_600


async def test_timers_go_off_in_their_order() -> None:
    heard: list[int] = []

    async def rings(after: int) -> None:
        await anyio.sleep(after)
        heard.append(after)

    async with anyio.create_task_group() as tasks:
        for after in (300, 100, 200):
            tasks.start_soon(rings, after)

    assert heard == [100, 200, 300]


@pytest.mark.parametrize("how", ["thread", "process", "executor"])
async def test_work_outside_of_the_loop_is_waited_for(how: str) -> None:
    began = anyio.current_time()
    with anyio.move_on_after(3_600):
        if how == "thread":
            await anyio.to_thread.run_sync(time.sleep, WORK)  # stands for real work: it is what is tested
        elif how == "process":
            await anyio.to_process.run_sync(time.sleep, WORK)  # as above
        else:
            await asyncio.get_running_loop().run_in_executor(None, time.sleep, WORK)  # as above

    assert anyio.current_time() < began + 3_600


async def test_bytes_from_one_end_to_the_other_are_waited_for() -> None:
    async with Upstream(chat=replies("x")) as upstream:
        for _ in range(20):
            with anyio.fail_after(60):
                reader, writer = await asyncio.open_connection("127.0.0.1", upstream.port)
                writer.write(b"POST /v1/chat/completions HTTP/1.1\r\n\r\n")
                assert b"[DONE]" in await reader.read()
                writer.close()
