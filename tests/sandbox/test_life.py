"""What a sandbox says of itself, how it starts and stops, and that it leaves its process alone."""

import logging
import signal
import socket

import anyio
import httpx2
import pytest

from alaya_mcp.sandbox import CATALOGUE, KNOBS, LIMITS, Sandbox
from tests.patience import PATIENCE
from tests.sandbox.caller import HELLO, NO_CERTIFICATES, SLOW, Caller, sandboxed

pytestmark = pytest.mark.anyio


async def test_every_deployment_has_a_line_in_the_catalogue(caller: Caller) -> None:
    assert caller.sandbox.catalogue == CATALOGUE
    assert caller.sandbox.service_ids == tuple(service_id for service_id, _ in CATALOGUE)
    assert caller.sandbox.default_service_id == "sandbox-qwen3"


async def test_a_taken_port_is_an_error_that_names_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}"):
            async with Sandbox(port=port):
                pytest.fail("it started")


async def test_a_port_can_be_taken_again_as_soon_as_the_sandbox_has_stopped() -> None:
    async with sandboxed() as first:
        await first.chat()
        port = int(first.origin.rpartition(":")[2])
    async with sandboxed(port=port) as second:
        assert second.origin == first.origin


async def test_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    async with sandboxed():
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


async def test_nothing_is_printed_and_nothing_logged(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with sandboxed() as each:
        await each.chat()
        await each.chat(model="nobody")
    assert capfd.readouterr() == ("", "")
    assert [record.name for record in caplog.records if record.name.startswith("uvicorn")] == []


async def test_stopping_cuts_off_a_stream_and_counts_it_as_aborted() -> None:
    async with httpx2.AsyncClient(trust_env=False, verify=NO_CERTIFICATES) as http:
        with anyio.fail_after(PATIENCE):
            async with Sandbox(token_delay=SLOW) as sandbox:
                each = Caller(sandbox, http)
                request = http.build_request(
                    "POST",
                    f"{each.origin}/serve/sandbox-qwen3/v1/chat/completions",
                    headers={"apiKey": await each.key("sandbox-qwen3")},
                    json={"messages": HELLO, "stream": True},
                )
                response = await http.send(request, stream=True)
                assert sandbox.stats.chats_active == 1
        with pytest.raises(httpx2.TransportError):
            await response.aread()
        assert (sandbox.stats.chats_aborted, sandbox.stats.chats_active) == (1, 0)


async def test_a_cancelled_block_leaves_no_sandbox_behind() -> None:
    sandbox = Sandbox()
    with anyio.move_on_after(PATIENCE) as scope:
        async with sandbox:
            scope.cancel()
            await anyio.sleep_forever()
    async with httpx2.AsyncClient(trust_env=False, verify=NO_CERTIFICATES) as http:
        with pytest.raises(httpx2.ConnectError):
            await http.get(sandbox.base_url)


async def test_the_help_texts_name_the_knobs_and_the_limits() -> None:
    assert "sandbox: repeat N WORD" in KNOBS
    assert "sandbox: silence SECONDS" in KNOBS
    assert "sandbox: say TEXT" in KNOBS
    assert "No language model" in LIMITS
