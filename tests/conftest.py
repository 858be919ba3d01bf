"""What all tests share: the event loop's backend."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """uvicorn, and so the sandbox, runs on asyncio."""
    return "asyncio"
