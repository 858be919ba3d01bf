"""The card's view of compare_models: answers side by side, and the words in which they differ."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.async_api import Browser, Frame

from alaya_mcp import comparison
from tests.browser.card_host import card_host
from tests.browser.installation import BRIDGE
from tests.browser.results import BASE, COMPARED, OTHER

WHY_NOT = BRIDGE.why_not()
pytestmark = [pytest.mark.anyio, pytest.mark.skipif(WHY_NOT is not None, reason=WHY_NOT or "")]


async def boxes(card: Frame) -> list[tuple[float, float]]:
    """Where the answers begin, from the left and from the top."""
    found = [await each.bounding_box() for each in await card.get_by_role("article").all()]
    return [(box["x"], box["y"]) for box in found if box]


async def words_of(card: Frame, tag: str) -> list[str]:
    """What is marked so in the second answer."""
    return await card.get_by_role("article").nth(1).locator(tag).all_text_contents()


async def test_answers_are_side_by_side_or_below_each_other_where_it_is_narrow(chromium: Browser) -> None:
    async with card_host(chromium) as host:
        await host.show({"locale": "en"}, width=1000)
        await host.tell("result", COMPARED)
        wide = await boxes(host.card)
        await host.page.evaluate("document.querySelector('iframe').style.width = '360px'")
        narrow = await boxes(host.card)

    assert len({top for _, top in wide}) == 1
    assert len({left for left, _ in wide}) == 4
    assert len({left for left, _ in narrow}) == 1


async def test_the_words_that_differ_from_the_base_are_marked(chromium: Browser) -> None:
    async with card_host(chromium) as host:
        await host.show({"locale": "zh-CN"})
        await host.tell("input", {"prompt": "退款多久到账?"})
        await host.tell("result", COMPARED)
        await host.card.get_by_text("新增").wait_for()
        assert await words_of(host.card, "ins") == ["您好，", "会", "立即"]  # noqa: RUF001 Chinese punctuation
        assert await words_of(host.card, "del") == ["一般", "原路"]
        assert "原路退回" not in await host.card.get_by_role("article").nth(1).inner_text()
        assert "退款多久到账?" in await host.text()
        button = host.card.get_by_role("button", name="显示被删除的词")
        await button.click()
        assert await host.card.get_by_role("article").nth(1).locator("del").first.is_visible()
        assert await button.get_attribute("aria-pressed") == "true"


async def test_each_answer_says_how_it_came_and_how_it_ended(chromium: Browser) -> None:
    async with card_host(chromium) as host:
        await host.show({"locale": "en"})
        await host.tell("result", COMPARED)
        said = [await each.inner_text() for each in await host.card.get_by_role("article").all()]
        bars = await host.card.evaluate(
            "[...document.querySelectorAll('.rate .filled')].map((each) => each.style.inlineSize)"
        )

    base, chinese, sql, gone = said
    for part in ("base", BASE, "30", "0.2 s", "2.5 s", "70 tokens · ended: stop"):
        assert part in base
    assert "differs" not in base
    for part in ("adapter", "differs from base", "follows the schema", "Thinking"):
        assert part in chinese
    assert "先说时间。" not in chinese, "folded"
    for part in ("truncated (max_tokens)", "does not follow the schema", "ask the assistant to read on"):
        assert part in sql
    for part in ("ended: length", "answered by sql-writer-2", "The reply is not valid."):
        assert part in sql
    assert "No answer: model_not_found\n\nsvc-1 does not serve gone." in gone
    assert bars == ["75%", "50%", "100%"]


async def test_texts_too_different_or_too_long_are_left_unmarked(chromium: Browser) -> None:
    async with card_host(chromium) as host:
        await host.show({"locale": "en"})
        await host.tell("result", COMPARED)
        await host.card.get_by_role("article").nth(2).get_by_text("Too different").wait_for()
        assert await host.card.get_by_role("article").nth(2).locator("ins").count() == 0

        long = json.loads(json.dumps(COMPARED))
        base, other = long["structuredContent"]["answers"][:2]
        base["content"] = " ".join(f"word{number} same" for number in range(20_000))
        other["content"] = base["content"].replace("word", "other")
        await host.tell("result", long)
        await host.card.get_by_role("article").nth(1).get_by_text("too long").wait_for()
        shown = (
            await host.card.get_by_role("article")
            .nth(1)
            .locator(".text")
            .first.evaluate("(text) => [text.textContent.length, text.clientHeight, text.tabIndex]")
        )
        assert shown[0] == len(other["content"])
        assert shown[1] <= 320
        assert shown[2] == 0, "what scrolls is reached by keyboard"


PIECES = st.sampled_from(["the ", "a ", "cat ", "dog\n", "退款", "会", "，", "。", "😀 ", "x", " "])  # noqa: RUF001 Chinese punctuation
TEXTS = st.lists(PIECES, max_size=30).map("".join)


async def test_the_parts_make_up_both_texts(chromium: Browser) -> None:
    """For any two texts: what is not removed is the one, what is not added is the other but for its white space."""
    pairs: list[tuple[str, str]] = [(BASE, OTHER), ("", "a"), ("a", ""), ("a", "a")]

    @settings(max_examples=300)
    @given(TEXTS, TEXTS)
    def collect(one: str, other: str) -> None:
        pairs.append((one, other))

    collect()
    folder = Path(comparison.__path__[0]) / "page_source"
    source = (folder / "difference.js").read_text(encoding="utf-8").replace("LEAST_SHARED = 0.3", "LEAST_SHARED = 0")
    page = await chromium.new_page()
    found: list[list[dict[str, Any]]] = await page.evaluate(
        f"(pairs) => {{ {source}\nreturn pairs.map((pair) => differences(...pair)); }}",
        pairs,
    )
    await page.close()

    for (one, other), parts in zip(pairs, found, strict=True):
        assert "".join(part["text"] for part in parts if part["kind"] != "removed") == other
        kept = "".join(part["text"] for part in parts if part["kind"] != "added")
        assert kept.split() == one.split() or "".join(kept.split()) == "".join(one.split())
        assert all(left["kind"] != right["kind"] for left, right in pairwise(parts))
        if one.strip() and one.strip() == other.strip():
            assert {part["kind"] for part in parts} <= {"same"}
