"""What all tests of the sandbox share: one that answers at once, and its client."""

from collections.abc import AsyncGenerator

import pytest

from tests.sandbox.caller import Caller, sandboxed


@pytest.fixture
async def caller() -> AsyncGenerator[Caller]:
    async with sandboxed() as each:
        yield each
