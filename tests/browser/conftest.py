"""One Chromium for all tests of a module."""

from collections.abc import AsyncGenerator, Iterator

import pytest
from playwright import async_api
from playwright.sync_api import Browser, sync_playwright

from tests.browser.chromium import LAUNCH, MISSING, PATH


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The browser of a module, since no event loop can run beside it; each test opens a context of its own."""
    if PATH is None:
        pytest.skip(MISSING)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(**LAUNCH)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for a module, whose tests share a browser."""
    return "asyncio"


@pytest.fixture(scope="module")
async def chromium(anyio_backend: str) -> AsyncGenerator[async_api.Browser]:
    """The same for tests with an event loop, beside which a server can run."""
    del anyio_backend
    if PATH is None:
        pytest.skip(MISSING)
    async with async_api.async_playwright() as playwright:
        running = await playwright.chromium.launch(**LAUNCH)
        yield running
        await running.close()
