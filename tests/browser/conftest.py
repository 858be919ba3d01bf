"""One Chromium for all tests of a module."""

from collections.abc import Iterator

import pytest
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
