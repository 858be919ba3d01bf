"""What all tests share: the event loop's backend, and telling asserts in the modules that tests share."""

import pytest

pytest.register_assert_rewrite("tests.calls", "tests.stdio_host", "tests.upstream", "tests.sandbox.caller")


@pytest.fixture
def anyio_backend() -> str:
    """uvicorn, and so the sandbox, runs on asyncio."""
    return "asyncio"
