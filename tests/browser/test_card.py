"""The card in a host: what it shows, what it asks, and what cannot be done to it."""

import json
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp import Client
from playwright.async_api import Browser

from alaya_mcp.serving.card.document import document
from tests.browser.card_host import card_host
from tests.browser.installation import BRIDGE
from tests.browser.results import COMPARED, DEPLOYMENT, HOSTILE, answered, with_text
from tests.calls import ERAS, Era
from tests.http_host import client_of, serving
from tests.upstream import SERVICE, Upstream

FAINT_TEXTS = Path(__file__).with_name("faint_texts.js").read_text(encoding="utf-8")
WHY_NOT = BRIDGE.why_not()
pytestmark = [pytest.mark.anyio, pytest.mark.skipif(WHY_NOT is not None, reason=WHY_NOT or "")]


async def read_card(client: Client) -> str:
    """The card, as a host finds it."""
    (tool,) = (tool for tool in (await client.list_tools()).tools if tool.name == "get_deployment")
    (page,) = (await client.read_resource((tool.meta or {})["ui"]["resourceUri"])).contents
    assert isinstance(page, types.TextResourceContents)
    return page.text


def as_sent(result: types.CallToolResult) -> dict[str, Any]:
    """A result as a host has it."""
    return result.model_dump(mode="json", by_alias=True, exclude_none=True)


@pytest.mark.parametrize("era", ERAS)
async def test_it_shows_a_deployment_and_asks_the_server_again(chromium: Browser, era: Era) -> None:
    async with Upstream() as upstream, serving(upstream) as server, client_of(server, era) as client:

        async def forward(params: dict[str, Any]) -> dict[str, Any]:
            return as_sent(await client.call_tool(params["name"], params["arguments"]))

        async with card_host(chromium, forward) as host:
            await host.show({"locale": "en-US", "theme": "light"}, html=await read_card(client))
            assert "Waiting for the result" in await host.text()
            await host.tell("input", {})
            await host.tell("result", as_sent(await client.call_tool("get_deployment", {})))
            assert await host.card.get_by_role("heading", level=1).inner_text() == "scripted"
            assert await host.card.locator(".state").inner_text() == "Running"
            rows = await host.card.get_by_role("listitem").all_inner_texts()
            assert [" ".join(row.split()) for row in rows] == [
                "base base ready on 1 of 1 instances 1 of 1",
                "base-alias base ready on 1 of 1 instances 1 of 1",
                "lora1 adapter ready on 1 of 1 instances 1 of 1",
            ]

            upstream.deployment |= {"instance": [{"instanceId": "0", "baseModelReady": False}]}
            await host.card.get_by_role("button", name="Refresh").click()
            await host.card.get_by_text("Running, not ready").wait_for()
            assert host.calls == [{"name": "get_deployment", "arguments": {"service_id": SERVICE}}]
            assert (await host.card.get_by_role("status").inner_text()).startswith("Updated ")


async def test_the_host_is_told_the_size_of_each_view(chromium: Browser) -> None:
    async with card_host(chromium) as host:
        await host.show()
        for shown in (DEPLOYMENT, COMPARED, with_text("short")):
            await host.tell("result", shown)
            height = await host.card.evaluate(
                "Math.ceil(document.querySelector('main').getBoundingClientRect().height)"
            )
            await host.page.wait_for_function("(height) => heard.sizes.at(-1)?.height === height", arg=height)
        before = await host.page.evaluate("heard.sizes.at(-1).height")
        await host.tell("result", DEPLOYMENT)
        await host.card.locator("summary").click()
        await host.page.wait_for_function("(before) => heard.sizes.at(-1).height > before", arg=before)


async def test_it_follows_the_theme_and_the_colours_of_the_host(chromium: Browser) -> None:
    async with card_host(chromium) as host:
        await host.show({"theme": "light"})
        await host.tell("result", DEPLOYMENT)
        assert await host.style("body", "background-color") == "rgb(255, 255, 255)"
        await host.tell("change", {"theme": "dark"})
        assert await host.style("body", "background-color") == "rgb(28, 29, 32)"
        variables = {
            "--color-background-primary": "light-dark(#010203, #040506)",
            "--font-sans": "Fancy",
            "--evil": "1px",
        }
        await host.tell("change", {"theme": "dark", "styles": {"variables": variables}})
        assert await host.style("body", "background-color") == "rgb(4, 5, 6)"
        await host.tell("change", {"theme": "light", "styles": {"variables": variables}})
        assert await host.style("body", "background-color") == "rgb(1, 2, 3)"
        assert (await host.style("body", "font-family")).startswith("Fancy")
        assert await host.style("html", "--evil") == ""


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_its_own_colours_can_be_read(chromium: Browser, theme: str) -> None:
    """A contrast of 4.5 to 1 for every text, WCAG AA."""
    async with card_host(chromium) as host:
        await host.show({"theme": theme})
        for shown in (DEPLOYMENT, COMPARED, {**with_text("no"), "isError": True}):
            await host.tell("result", shown)
            await host.card.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
            assert await host.card.evaluate(FAINT_TEXTS) == []


@pytest.mark.parametrize(
    ("told", "browsers", "language"),
    [
        ("zh-CN", "en-US", "zh-CN"),
        ("zh-Hant-TW", "en-US", "zh-CN"),
        ("en-GB", "zh-CN", "en"),
        ("fr-FR", "zh-CN", "en"),
        (None, "zh-CN", "zh-CN"),
        ("not a locale", "zh-CN", "zh-CN"),
    ],
)
async def test_it_speaks_the_language_of_the_host(
    chromium: Browser, told: str | None, browsers: str, language: str
) -> None:
    # Playwright's own emulation comes too late for a frame in a sandbox. Scripts of hosts before the policy may run.
    script = f"<head><script>Object.defineProperty(navigator, 'language', {{ value: '{browsers}' }})</script>"
    async with card_host(chromium) as host:
        await host.show({"locale": told} if told else {}, html=document().replace("<head>", script))
        await host.tell("result", DEPLOYMENT)
        assert await host.card.evaluate("document.documentElement.lang") == language
        said, other = ("运行中", "Running") if language == "zh-CN" else ("Running", "运行中")
        assert said in await host.text()
        assert other not in await host.text()
        await host.tell("change", {"locale": "en" if language == "zh-CN" else "zh"})
        assert other in await host.text()


async def test_what_is_opened_stays_open_and_what_has_the_focus_keeps_it(chromium: Browser) -> None:
    async with card_host(chromium, answered(DEPLOYMENT)) as host:
        await host.show({"locale": "en"})
        await host.tell("result", DEPLOYMENT)
        assert not await host.card.get_by_text("--enable-lora").is_visible()
        await host.card.get_by_text("Launch settings").click()
        assert await host.card.get_by_text("--enable-lora").is_visible()
        await host.card.get_by_role("button", name="Refresh").focus()
        await host.page.keyboard.press("Enter")
        await host.card.locator("main").get_by_text("Updated").wait_for()
        assert await host.card.get_by_text("--enable-lora").is_visible()
        assert await host.card.evaluate("document.activeElement.dataset.key") == "refresh"


async def test_while_it_refreshes_it_says_so_and_asks_only_once(chromium: Browser) -> None:
    asked, may_answer = anyio.Event(), anyio.Event()

    async def slow(_: dict[str, Any]) -> dict[str, Any]:
        asked.set()
        await may_answer.wait()
        return DEPLOYMENT

    async with card_host(chromium, slow, reduced_motion="reduce") as host:
        await host.show({"locale": "en"})
        await host.tell("result", DEPLOYMENT)
        await host.card.get_by_role("button", name="Refresh").click()
        await asked.wait()
        busy = host.card.get_by_role("button", name="Refreshing…", disabled=True)
        await busy.wait_for()
        assert await host.style(".turning", "animation-name") == "none"
        assert await host.card.get_by_role("status").inner_text() == "Refreshing…"
        await busy.click(force=True)
        may_answer.set()
        await host.card.get_by_role("button", name="Refresh", disabled=False).wait_for()
        assert len(host.calls) == 1


async def test_a_refresh_that_fails_leaves_what_was_there_and_says_why(chromium: Browser) -> None:
    async def refused(_: dict[str, Any]) -> dict[str, Any]:
        raise RuntimeError("the host says no")

    error = {**with_text("unauthorized: <b>the keys</b> were refused"), "isError": True}
    for answer, why in ((refused, "the host says no"), (answered(error), "<b>the keys</b> were refused")):
        async with card_host(chromium, answer) as host:
            await host.show({"locale": "en"})
            await host.tell("result", DEPLOYMENT)
            await host.card.get_by_role("button", name="Refresh").click()
            await host.card.locator("main").get_by_text("Could not refresh").wait_for()
            assert why in await host.text()
            assert "qwen3-support" in await host.text()
            assert "Could not refresh" in await host.card.get_by_role("status").inner_text()
            host.answer = answered(DEPLOYMENT)
            await host.card.get_by_role("button", name="Refresh").click()
            await host.card.locator("main").get_by_text("Updated").wait_for()
            assert "Could not refresh" not in await host.text()


async def test_without_a_host_that_calls_tools_there_is_nothing_to_press(chromium: Browser) -> None:
    async with card_host(chromium) as host:
        await host.show(capabilities={})
        await host.tell("result", DEPLOYMENT)
        assert "qwen3-support" in await host.text()
        assert await host.card.get_by_role("button").count() == 0


async def test_the_host_s_requests_are_answered(chromium: Browser) -> None:
    async with card_host(chromium) as host:
        await host.show()
        assert await host.page.evaluate("ask('ping')") == {}
        for method in ("ui/unheard-of", "toString", "__proto__"):
            said = await host.page.evaluate("(method) => ask(method).catch((error) => error.message)", method)
            assert "Method not found" in said
        assert await host.page.evaluate("tearDown()") == {}


async def test_only_its_parent_is_listened_to(chromium: Browser) -> None:
    forged = {"jsonrpc": "2.0", "method": "ui/notifications/tool-result", "params": with_text("forged")}
    async with card_host(chromium) as host:
        await host.show()
        await host.tell("result", with_text("real"))
        script = f"""() => new Promise((resolve) => {{
          const sibling = document.createElement("iframe");
          sibling.sandbox = "allow-scripts";
          sibling.srcdoc = `<script>
            parent.frames[0].postMessage({json.dumps(forged)}, "*");
            parent.postMessage("sent", "*");
          </` + `script>`;
          addEventListener("message", (event) => event.data === "sent" && resolve());
          document.body.append(sibling);
        }})"""
        await host.page.evaluate(script)
        await host.card.evaluate("(message) => postMessage(message, '*')", forged)
        await host.tell("change", {"locale": "zh"})
        assert (await host.text()).split() == ["结果", "real"]


@pytest.mark.parametrize("what", HOSTILE)
async def test_hostile_text_stays_text(chromium: Browser, what: str) -> None:
    async with card_host(chromium, answered(HOSTILE[what])) as host:
        await host.show({"locale": "en"}, width=360)
        await host.tell("input", {"service_id": "<script>alert(1)</script>", "prompt": "<img src=x onerror=alert(1)>"})
        await host.tell("result", HOSTILE[what])
        for each in await host.card.get_by_role("button").all():
            await each.click()
        if what == "comparison":
            await host.card.locator(".note:not(:empty)").first.wait_for()
        assert "<img src=x onerror=alert(1)>" in await host.text()
        made = "main :is(a, img, script, iframe, object, embed, svg, form, input, link, style, base, meta)"
        assert await host.card.locator(made).count() == 0
        assert await host.card.evaluate("document.querySelectorAll('script').length") == 1
        attributes = "[...document.querySelectorAll('main *')].flatMap((each) => each.getAttributeNames())"
        assert not {name for name in await host.card.evaluate(attributes) if name.startswith("on")}
        # A word of any length stays inside.
        assert await host.card.evaluate("document.documentElement.scrollWidth") <= 360


async def test_names_cannot_turn_the_direction_of_what_is_beside_them(chromium: Browser) -> None:
    async with card_host(chromium) as host:
        await host.show({"locale": "en"})
        await host.tell("result", HOSTILE["deployment"])
        for bad in ("\u202e", "\u2066", "\u200b", "\x07"):
            assert bad not in await host.card.locator("h1").inner_text()
        assert await host.style("h1 bdi", "unicode-bidi") == "isolate"


async def test_its_own_policy_stops_what_its_code_does_not_do(chromium: Browser) -> None:
    async with card_host(chromium) as host:
        await host.show()
        tried = {
            "markup": "() => { document.body.innerHTML = '<b>x</b>'; return 'done'; }",
            "code": "() => { eval('1'); return 'done'; }",
            "a request": "() => fetch('http://elsewhere.test/').then(() => 'done')",
            "a script": """() => { const made = document.createElement('script'); made.text = 'window.ran = 1';
                           document.body.append(made); return window.ran ? 'done' : 'refused'; }""",
        }
        for what, script in tried.items():
            # Later, since what the tests evaluate may do anything.
            tried_it = f"Promise.resolve().then({script}).catch((error) => error.name).then(resolve)"
            said = await host.card.evaluate(f"() => new Promise((resolve) => setTimeout(() => {tried_it}))")
            assert said in {"TypeError", "EvalError", "refused"}, what
        assert host.troubles, "the browser reports each of them"
        host.troubles.clear()


async def test_it_is_used_by_keyboard_in_the_order_of_reading(chromium: Browser) -> None:
    many = json.loads(json.dumps(DEPLOYMENT))
    many["structuredContent"]["models"] += [f"adapter-{number}" for number in range(20)]
    async with card_host(chromium) as host:
        await host.show({"locale": "en"})
        await host.tell("result", many)
        await host.card.locator("body").evaluate("(body) => { body.tabIndex = -1; body.focus(); }")
        order: list[str] = []
        for _ in range(3):
            await host.page.keyboard.press("Tab")
            order.append(await host.card.evaluate("document.activeElement.innerText"))
        assert [name.strip(" ↻") for name in order] == ["Refresh", "Show all 24", "Launch settings"]
        await host.page.keyboard.press("Enter")
        assert await host.card.get_by_text("--enable-lora").is_visible()
        await host.page.keyboard.press("Shift+Tab")
        await host.page.keyboard.press("Enter")
        assert await host.card.locator(".models > li").count() == 24
        assert await host.card.get_by_role("button", name="Show fewer", expanded=True).evaluate(
            "(button) => button === document.activeElement"
        )


async def test_a_screen_reader_hears_what_is_seen(chromium: Browser) -> None:
    async with card_host(chromium) as host:
        await host.show({"locale": "en"})
        await host.tell("result", DEPLOYMENT)
        assert await host.card.locator("main").aria_snapshot() == DEPLOYMENT_HEARD
        await host.tell("result", COMPARED)
        for title in ("qwen3-8b", "support-zh", "sql-writer", "gone"):
            await host.card.get_by_role("article", name=title).wait_for()


DEPLOYMENT_HEARD = """\
- main:
  - heading "qwen3-support" [level=1]
  - text: Running
  - button "Refresh"
  - paragraph: qwen3-support is a vLLM deployment; it is running, 2 of 3 instances ready.
  - list "Warnings":
    - listitem: "Warning: on-none is on no ready instance."
  - term: Engine
  - definition: vLLM 0.32.0
  - term: GPUs
  - definition: 3 × H800
  - term: Instances
  - definition: 2 of 3 ready
  - term: Service ID
  - definition: svc-1
  - term: Endpoint
  - definition: https://engine.example/serve/svc-1
  - region "Models 4":
    - heading "Models 4" [level=2]
    - list:
      - listitem: qwen3-8b base ready on 2 of 3 instances
      - listitem: support-zh adapter ready on 2 of 3 instances
      - listitem: sql-writer adapter ready on 1 of 3 instances
      - listitem: on-none adapter ready on 0 of 3 instances
  - group: Launch settings"""  # noqa: RUF001 as the card writes it


BESIDES: list[tuple[dict[str, Any], str]] = [
    (
        {**with_text("not_configured: the keys are missing"), "isError": True},
        "The call failed\nnot_configured: the keys",
    ),
    (with_text("qwen3-support is running."), "Result\nqwen3-support is running."),
    ({"content": [{"type": "image", "data": "", "mimeType": "image/png"}]}, "Result"),
    ({"content": []}, "Result"),
    ({"content": [], "structuredContent": {"service_id": "svc-1", "status": "dreaming"}}, "svc-1\nUnknown state"),
    ({"content": [], "structuredContent": {"answers": []}}, "Comparison"),
    (
        {"content": [], "structuredContent": {"answers": [{}, {"model": "m", "error": {}}]}},
        "Comparison\n?\nbase\nNo answer",
    ),
]


async def test_it_makes_the_best_of_what_comes(chromium: Browser) -> None:
    async with card_host(chromium) as host:
        await host.show({"locale": "en"})
        for result, shown in BESIDES:
            await host.tell("result", result)
            assert (await host.text()).strip().startswith(shown)


ODD: list[Any] = [None, 7, "text", True, [], {}, [None], [{}], {"a": 1}]


async def test_fields_of_any_type_do_no_harm(chromium: Browser) -> None:
    async with card_host(chromium) as host:
        await host.show({"locale": "en"})
        for odd in ODD:
            for shown in (DEPLOYMENT, COMPARED):
                fields = dict.fromkeys(shown["structuredContent"], odd)
                keys = ("answers",) if shown is COMPARED else ("service_id", "status")
                kept = {name: shown["structuredContent"][name] for name in keys}
                await host.tell("result", {"content": [], "structuredContent": fields | kept})
                assert await host.card.locator("h1").count() == 1
            answers = [dict.fromkeys(COMPARED["structuredContent"]["answers"][1], odd)]
            await host.tell("result", {"content": [], "structuredContent": {"answers": answers}})
            assert await host.card.get_by_role("article").count() == 1


async def test_a_cancelled_call_is_said(chromium: Browser) -> None:
    async with card_host(chromium) as host:
        await host.show({"locale": "en"})
        await host.tell("cancel", "the user stopped it")
        assert (await host.text()).split("\n") == ["The call was cancelled.", "the user stopped it"]
