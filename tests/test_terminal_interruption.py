"""Ctrl-C, as the signal that it is."""

import signal

import anyio
import pytest
from anyio.lowlevel import checkpoint

from alaya_mcp.terminal.interruption import Interruption
from tests.patience import PATIENCE

pytestmark = pytest.mark.anyio


async def test_sigint_ends_the_innermost_block_and_what_stood_before_is_put_back() -> None:
    interruption, before = Interruption(), signal.getsignal(signal.SIGINT)

    with anyio.fail_after(PATIENCE), interruption.on_sigint(), interruption.block() as outer:
        with interruption.block() as inner:
            signal.raise_signal(signal.SIGINT)
            await anyio.sleep_forever()

        assert inner.cancelled_caught
        assert not outer.cancel_called
        signal.raise_signal(signal.SIGINT)
        await anyio.sleep_forever()

    assert outer.cancelled_caught
    assert signal.getsignal(signal.SIGINT) is before


async def test_sigint_with_nothing_under_way_does_nothing() -> None:
    interruption = Interruption()

    with anyio.fail_after(PATIENCE), interruption.on_sigint():
        signal.raise_signal(signal.SIGINT)
        await checkpoint()
        with interruption.block() as later:
            await checkpoint()

    assert not later.cancel_called
