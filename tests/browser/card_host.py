"""A host that shows the card in Chromium by the real bridge, and what comes of it."""

import os
import subprocess
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

import anyio
from playwright.async_api import Browser, ConsoleMessage, Frame, Page, Route

from alaya_mcp.serving.card.document import document
from tests.browser.installation import BRIDGE
from tests.patience import PATIENCE

HERE: Final = "http://host.test/"
TOOLS: Final[dict[str, Any]] = {"serverTools": {}}
"""The capabilities of a host that calls tools for the card."""

Call = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


@cache
def _bridge() -> str:
    """The script of the host page, with the bridge and all that it needs."""
    folder = BRIDGE.folder()
    assert folder is not None
    program = folder / "node_modules" / "@esbuild" / "linux-x64" / "bin" / "esbuild"
    page = Path(__file__).with_name("host_page.js")
    command = [program, page, "--bundle", "--minify", "--format=iife", "--log-level=error"]
    environ = {**os.environ, "NODE_PATH": str(folder / "node_modules")}
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE, env=environ).stdout  # noqa: S603 pinned by the lock file


@dataclass
class CardHost:
    """A host page, and the card in it.

    Attributes:
        page: The host's.
        answer: Answers the card's tool calls; a failure is the host's.
        calls: The card's tool calls.
        requests: Addresses that anything asked for.
        troubles: Errors and warnings of the browser's console, exceptions, dialogs.
    """

    page: Page
    answer: Call | None = None
    calls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    requests: list[str] = field(default_factory=list[str])
    troubles: list[str] = field(default_factory=list[str])

    @property
    def card(self) -> Frame:
        """The card's document."""
        return self.page.frames[1]

    async def show(
        self,
        context: Mapping[str, Any] | None = None,
        *,
        capabilities: Mapping[str, Any] = TOOLS,
        html: str = "",
        width: int = 700,
    ) -> None:
        """Show the card, until it has initialized."""
        shown = {"html": html or document(), "context": context or {}, "capabilities": capabilities, "width": width}
        with anyio.fail_after(PATIENCE):
            await self.page.evaluate("(shown) => show(shown)", shown)

    async def tell(self, what: str, value: object) -> None:
        """Send the card something: input, result, cancel, change. It has it on return, as messages keep their order."""
        await self.page.evaluate(f"(value) => {what}(value).then(() => ask('ping'))", value)

    async def heard(self) -> dict[str, Any]:
        """What the bridge has heard: sizes, initialized, problems."""
        return await self.page.evaluate("heard")

    async def text(self) -> str:
        """What the card shows."""
        return await self.card.locator("main").inner_text()

    async def style(self, selector: str, name: str) -> str:
        """The computed value of a property of the first element in the card that a selector finds."""
        script = "([selector, name]) => getComputedStyle(document.querySelector(selector)).getPropertyValue(name)"
        return await self.card.evaluate(script, [selector, name])

    async def called(self, params: dict[str, Any]) -> dict[str, Any]:
        """Answer a tool call of the card."""
        self.calls.append(params)
        assert self.answer is not None
        return await self.answer(params)


@asynccontextmanager
async def card_host(
    browser: Browser,
    answer: Call | None = None,
    *,
    reduced_motion: Literal["reduce"] | None = None,
) -> AsyncGenerator[CardHost]:
    """A host page without a card yet; after it, nothing was loaded and nothing went wrong in the browser."""
    context = await browser.new_context(viewport={"width": 800, "height": 900}, reduced_motion=reduced_motion)
    context.set_default_timeout(PATIENCE * 1000)
    page = await context.new_page()
    host = CardHost(page, answer)

    async def serve(route: Route) -> None:
        host.requests.append(route.request.url)
        script = _bridge().replace("</script", "<\\/script")
        await route.fulfill(content_type="text/html", body=f"<!doctype html><body><script>{script}</script>")

    def note(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            host.troubles.append(message.text)

    await context.route("**/*", serve)
    page.on("console", note)
    page.on("pageerror", lambda error: host.troubles.append(str(error)))
    page.on("dialog", lambda dialog: host.troubles.append(dialog.message))
    await page.expose_function("callTool", host.called)  # type: ignore[reportUnknownMemberType] # half typed by Playwright
    await page.goto(HERE)
    try:
        yield host
        problems = (await host.heard())["problems"]
        assert (problems, host.requests, host.troubles) == ([], [HERE], []), (
            f"{problems} {host.requests} {host.troubles}"
        )
    finally:
        await context.close()
