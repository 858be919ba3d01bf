"""The page of a comparison in a real Chromium: what is seen, found, reached by keys, and never run."""

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from alaya_mcp.comparison.answer_line import AnswerLine
from alaya_mcp.comparison.page import write_page
from tests.compared import BASE, answer

FAINT_TEXTS = (Path(__file__).parent / "faint_texts.js").read_text(encoding="utf-8")
ADAPTERS = ("support-zh", "terse")

Open = Callable[..., Page]


def timed(seconds: float) -> dict[str, Any]:
    """Fields of an answer that took this long."""
    timing = {"first_token_seconds": 0.25, "total_seconds": seconds, "tokens_per_second": 40.0}
    return {"timing": timing, "usage": {"completion_tokens": 20}, "finish_reason": "stop", "served_by": BASE}


def few() -> list[AnswerLine]:
    """Answers of each kind, to six prompts."""
    failed = {"code": "upstream_timeout", "message": "The engine did not finish.", "retryable": True}
    cut = timed(9) | {"truncated": True, "truncated_reason": "max_tokens", "finish_reason": "length"}
    found: list[AnswerLine] = []
    for number, base, zh, terse in (
        (1, "The engine loads the adapter on each instance.", "The engine loads an adapter on every instance.", "no"),
        (2, "引擎在每个实例上加载适配器。", "引擎会在所有实例上加载适配器。", "引擎在每个实例上加载适配器。 "),
        (3, "429", "429.", "The status is 404"),
        (4, "Yes  it\nis.", "Yes it is.", ""),
    ):
        asked = {"expected": "429", "columns": {"topic": "http"}} if number == 3 else {}
        found += [
            answer(number, BASE, base, **timed(1), **asked),
            answer(number, "support-zh", zh, **timed(2) | {"served_by": "support-zh"}, **asked),
            answer(number, "terse", terse, **timed(3) | {"served_by": "terse"}, **asked),
        ]
    conversation = [{"role": "user", "content": "Count."}, {"role": "assistant", "content": "1, 2"}]
    for model in (BASE, *ADAPTERS):
        name: dict[str, Any] = {"prompt": None, "messages": conversation, "id": "count/中"}
        for repeat in (1, 2):
            content = " ".join(map(str, range(3, 900 if model == BASE else 9)))
            found.append(answer(5, model, content, repeat=repeat, reasoning="One by one.", **timed(1), **name))
    found.append(answer(6, BASE, "It was cut", warnings=["The reply is incomplete."], **cut))
    found.append(answer(6, "terse", error=failed))
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a few answers."""
    path = tmp_path_factory.mktemp("page") / "page.html"
    write_page(path, few(), title="Models of qwen3-support")
    return path


@pytest.fixture
def opened(browser: Browser, made: Path) -> Iterator[Open]:
    """Opens a page without a network, and sees that it asks for nothing else and complains of nothing."""
    noticed: list[str] = []
    contexts: list[Any] = []

    def open_page(path: Path = made, anchor: str = "", **options: Any) -> Page:  # noqa: ANN401 Playwright's own
        options = {"viewport": {"width": 1400, "height": 1600}, "locale": "en-GB"} | options
        context = browser.new_context(**options)
        contexts.append(context)
        context.set_offline(True)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("request", lambda request: noticed.append(request.url.split("#")[0]))
        page.on("console", lambda message: noticed.append(message.text))
        page.on("pageerror", lambda error: noticed.append(str(error)))
        page.goto(path.as_uri() + anchor)
        noticed.remove(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not [notice for notice in noticed if not notice.startswith("data:,")]


def row(page: Page, name: str) -> Locator:
    """The row of a prompt, by its number as it is shown and, of several, its repeat."""
    number, _, repeat = name.partition(" ")
    found = page.locator(".row", has=page.locator(f".number:text-is('#{number}')"))
    return found.filter(has_text=f"repeat {repeat}") if repeat else found


def names(page: Page) -> Locator:
    """The headers of the columns."""
    return page.locator("#names").get_by_role("columnheader")


def numbers(page: Page) -> list[str]:
    """The rows that are shown, by their numbers."""
    return page.locator(".number").all_inner_texts()


def test_the_summary_is_a_table_with_each_model(opened: Open) -> None:
    page = opened()

    expect(page.get_by_role("region", name="Summary")).to_match_aria_snapshot("""
      - table:
        - rowgroup:
          - row /Model Answers Differs As expected First token p50 . p95 Total p50 . p95 Tokens.s p50 . p95 Length/
        - rowgroup:
          - row /qwen3-8b base/:
            - rowheader "qwen3-8b base"
            - cell "7 1 truncated"
            - cell
            - cell "100 % exact 100 % normalised"
            - cell "0.25 s / 0.25 s"
            - cell "1.00 s / 6.60 s"
            - cell "40.0 / 40.0"
          - row /support-zh adapter/:
            - cell "6"
            - cell "100 % 6 of 6"
            - cell "0 % exact 100 % normalised"
          - row /terse adapter/:
            - cell "6 1 failed"
            - cell "83 % 5 of 6"
    """)


def test_a_row_has_what_was_asked_and_each_answer_with_its_facts(opened: Open) -> None:
    page = opened()

    expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", "8")
    expect(row(page, "3")).to_have_attribute("aria-rowindex", "4")
    expect(row(page, "3")).to_match_aria_snapshot("""
      - row:
        - rowheader:
          - link "Link to q3"
          - text: q3 Question 3 Expected 429
          - group: 1 column
        - gridcell "429 as expected stop 20 tokens 40.0 tokens/s first 0.25 s 1.00 s"
        - gridcell /429. differs .* as expected, normalised stop 20 tokens 40\\.0 tokens.s first 0\\.25 s 2\\.00 s/
        - gridcell /The status is 404 differs, not marked not as expected stop 20 tokens/
    """)
    cells = row(page, "6").get_by_role("gridcell")
    expect(cells.nth(0)).to_contain_text("truncated: max_tokensThe reply is incomplete.length")
    expect(cells.nth(1)).to_have_text("Not asked")
    expect(cells.nth(2)).to_have_text("upstream_timeoutThe engine did not finish.trying again can help")
    expect(row(page, "5 2").get_by_role("gridcell").nth(1)).to_contain_text(f"answered by {BASE}")


def test_thinking_columns_and_conversations_unfold(opened: Open) -> None:
    page = opened()

    row(page, "3").get_by_text("1 column").click()
    expect(row(page, "3").locator("dl")).to_have_text("topichttp")
    row(page, "5 1").get_by_text("Thinking").first.click()
    expect(row(page, "5 1").get_by_text("One by one.")).to_be_visible()
    expect(row(page, "5 1").get_by_role("rowheader")).to_contain_text("UserCount.Assistant1, 2")


def test_differences_to_the_base_are_marked_by_words(opened: Open) -> None:
    page = opened()
    english, chinese = (row(page, name).get_by_role("gridcell").nth(1) for name in "12")

    expect(english.locator("ins")).to_have_text(["an", "every"])
    expect(english.locator(".chip")).to_have_text("differs +2 \u22122")
    expect(chinese.locator("ins")).to_have_text(["会", "所有"])
    expect(row(page, "1").get_by_role("gridcell").nth(2).locator("ins, del")).to_have_count(0)
    expect(row(page, "2").get_by_role("gridcell").nth(2)).to_contain_text("same as base")
    expect(row(page, "4").get_by_role("gridcell").nth(1)).to_contain_text("differs in white space only")
    page.get_by_label("Removed words").check()
    expect(english.locator("del")).to_have_text(["the", "each"])
    expect(english.locator(".text")).to_have_text("The engine loads the an adapter on each every instance.")


@pytest.mark.parametrize(
    ("width", "scheme"), [(1400, "light"), (800, "dark")], ids=["wide and light", "narrow and dark"]
)
def test_cells_are_under_their_models_and_nothing_overlaps(opened: Open, width: int, scheme: str) -> None:
    page = opened(viewport={"width": width, "height": 800}, color_scheme=scheme)
    expect(row(page, "1").locator("ins")).to_have_count(2)
    boxes = page.evaluate("""() => {
      const box = (each) => {
        const { x, y, width, height } = each.getBoundingClientRect();
        return [x, y, width, height];
      };
      const rows = [...document.querySelectorAll("#rows > .row")];
      return {
        names: [...document.querySelector("#names").children].map(box),
        rows: rows.map(box), cells: rows.map((row) => [...row.children].map(box)),
        body: [document.body.scrollWidth, document.body.scrollHeight],
      };
    }""")

    assert boxes["body"] == [width, 800]
    for cells in boxes["cells"]:
        assert [(x, wide) for x, _, wide, _ in cells] == [(x, wide) for x, _, wide, _ in boxes["names"]]
        assert all(left[0] + left[2] <= right[0] + 0.5 for left, right in pairwise(cells))
    for above, below in pairwise(boxes["rows"]):
        assert below[1] == pytest.approx(above[1] + above[3], abs=1)
    assert page.evaluate(FAINT_TEXTS) == []

    page.locator("#scroller").evaluate("(scroller) => { scroller.scrollLeft = 10_000; scroller.scrollTop = 10_000 }")
    expect(row(page, "6").get_by_role("gridcell").last).to_be_in_viewport(ratio=1)
    assert row(page, "6").get_by_role("rowheader").evaluate("(cell) => cell.getBoundingClientRect().x") == 0
    expect(page.get_by_role("columnheader", name="terse")).to_be_in_viewport()


def test_colours_follow_the_system_and_the_switch(opened: Open) -> None:
    page = opened(color_scheme="dark")
    brightness = """() => getComputedStyle(document.body).backgroundColor.match(/\\d+/g).reduce((a, b) => a + +b, 0)"""

    assert page.evaluate(brightness) < 100
    page.get_by_label("Colours").select_option("light")
    assert page.evaluate(brightness) > 700
    assert page.evaluate(FAINT_TEXTS) == []


def test_a_chinese_reader_has_it_in_chinese(opened: Open) -> None:
    page = opened(locale="zh-CN")

    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    expect(page.locator("#size")).to_contain_text("3 个模型")
    expect(page.get_by_role("columnheader", name="提示词")).to_be_visible()
    expect(row(page, "3").get_by_role("gridcell").first).to_contain_text(
        "符合预期stop20 token40.0 token/秒首个 0.25 秒"
    )
    page.get_by_label("语言").select_option("en")
    assert page.evaluate("document.documentElement.lang") == "en"
    expect(page.get_by_role("columnheader", name="Prompt")).to_be_visible()
    assert "undefined" not in page.locator("body").inner_text()


def test_a_filter_leaves_the_rows_that_have_it(opened: Open) -> None:
    page = opened()

    for name, left in (
        ("Differs", ["#1", "#2", "#3", "#4", "#5", "#5"]),
        ("Failed", ["#6"]),
        ("Truncated", ["#6"]),
        ("Wrong or invalid", ["#3"]),
    ):
        button = page.get_by_role("button", name=name)
        button.click()
        assert numbers(page) == left
        expect(page.get_by_role("status")).to_have_text(f"{len(left)} of 7 rows")
        expect(button).to_have_attribute("aria-pressed", "true")
        expect(button).to_contain_text(str(len(left)))
        button.click()
        assert len(numbers(page)) == 7


def test_filters_add_up_and_look_at_the_chosen_models(opened: Open) -> None:
    page = opened()

    page.get_by_label("Longer than").fill("1000")
    assert numbers(page) == ["#5", "#5"]
    page.get_by_label("Search in prompts").fill("STATUS is 40")
    assert numbers(page) == []
    expect(page.get_by_text("No row fits these filters.")).to_be_visible()
    page.get_by_role("button", name="Clear filters").click()
    page.get_by_label("Search in prompts").fill("STATUS is 40")
    assert numbers(page) == ["#3"]
    page.locator("#columns summary").click()
    page.get_by_label("terse").uncheck()
    assert numbers(page) == []
    page.get_by_label("Search in prompts").fill("")
    expect(names(page)).to_have_text(["Prompt", "qwen3-8b base", "support-zh adapter"])
    expect(page.get_by_role("button", name="Failed")).to_have_count(0)
    expect(page.get_by_role("grid")).to_have_attribute("aria-colcount", "3")


def test_rows_are_sorted(opened: Open) -> None:
    page = opened()

    for order, first in (
        ("longest", ["#5", "#5", "#1"]),
        ("slowest", ["#6", "#1", "#2"]),
        ("most different", ["#1", "#3", "#4"]),
        ("number", ["#1", "#2", "#3"]),
    ):
        page.get_by_label("Sort by").select_option(order)
        assert numbers(page)[:3] == first


def focused(page: Page) -> tuple[str, int]:
    """The number of the row that has the focus, and the column."""
    where = "(cell) => [cell.closest('.row').querySelector('.number').innerText, +cell.ariaColIndex]"
    number, column = page.locator(":focus").evaluate(where)
    return number, column


def test_every_row_and_cell_is_reached_by_keys(opened: Open) -> None:
    page = opened()

    page.keyboard.press("j")
    assert focused(page) == ("#1", 1)
    for key in ("j", "ArrowDown", "k", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    assert focused(page) == ("#2", 3)
    expect(page.locator(":focus")).to_have_css("outline-style", "solid")
    for key, reached in (
        ("End", ("#2", 4)),
        ("Control+End", ("#6", 4)),
        ("Home", ("#6", 1)),
        ("Control+Home", ("#1", 1)),
    ):
        page.keyboard.press(key)
        assert focused(page) == reached
    page.keyboard.press("/")
    page.keyboard.type("j?e")
    expect(page.get_by_label("Search in prompts")).to_have_value("j?e")
    page.keyboard.press("Escape")
    expect(page.get_by_label("Search in prompts")).to_have_value("j?e")
    page.get_by_role("button", name="Clear filters").click()
    page.keyboard.press("f")
    expect(page.get_by_role("button", name="Differs")).to_be_focused()
    page.keyboard.press("Escape")
    assert focused(page) == ("#1", 1)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("Next or previous row")
    page.keyboard.press("Escape")
    assert focused(page) == ("#1", 1)


def test_tab_stops_once_in_the_rows_and_at_what_the_active_row_has(opened: Open) -> None:
    page = opened()

    row(page, "5 1").get_by_role("gridcell").nth(1).click()

    stops = page.locator("#rows :is([tabindex='0'])")
    assert {each.evaluate("(it) => it.closest('.row').ariaRowIndex") for each in stops.all()} == {"6"}
    page.keyboard.press("Shift+Tab")
    expect(row(page, "5 1").get_by_role("button", name="Show all")).to_be_focused()


def test_a_long_answer_is_opened_and_closed(opened: Open) -> None:
    page = opened()
    cell = row(page, "5 1").get_by_role("gridcell").first
    expect(cell).not_to_contain_text("899")

    cell.get_by_role("button", name="Show all 3,483 characters").click()
    expect(cell).to_contain_text("899")
    cell.get_by_role("button", name="Show less").click()
    expect(cell).not_to_contain_text("899")
    cell.click()
    page.keyboard.press("Enter")
    expect(cell).to_contain_text("899")
    expect(cell).to_be_focused()
    page.keyboard.press("e")
    expect(cell).not_to_contain_text("899")


@pytest.mark.parametrize(("anchor", "index"), [("#q4", "5"), ("#count%2F%E4%B8%AD/2", "7"), ("#q6", "8")])
def test_an_address_leads_to_a_row(opened: Open, anchor: str, index: str) -> None:
    page = opened(anchor=anchor, viewport={"width": 1400, "height": 500})

    expect(page.locator(f".row[aria-rowindex='{index}'] > .question")).to_be_focused()
    expect(page.locator(f".row[aria-rowindex='{index}'] > .question .number")).to_be_in_viewport()
    page.get_by_role("button", name="Failed").click()
    page.evaluate("location.hash = '#q2'")
    expect(page.locator(".row[aria-rowindex='3'] > .question")).to_be_focused()
    expect(page.get_by_role("button", name="Failed")).to_have_attribute("aria-pressed", "false")


def test_an_address_of_no_row_changes_nothing(opened: Open) -> None:
    page = opened(anchor="#%")

    for anchor in ("#", "#nothing", "#__proto__", "#rows", "#%E4"):
        page.evaluate("(anchor) => { location.hash = anchor }", anchor)
        assert len(numbers(page)) == 7
    expect(page.locator("body")).to_be_focused()


def test_ten_thousand_rows(opened: Open, tmp_path: Path) -> None:
    texts = ("The engine loads the adapter.", "引擎会加载适配器然后在每个实例上回答问题。\n" * 3, "Yes.\nNo.")
    lines = (
        answer(number, model, f"{number} {texts[number % 3]}{model}")
        for number in range(1, 10_001)
        for model in (BASE, "zh")
    )
    write_page(tmp_path / "many.html", lines, title="Many")
    page = opened(tmp_path / "many.html")
    elements = "document.querySelectorAll('*').length"
    expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", "10001")
    assert page.evaluate(elements) < 900

    page.locator("#scroller").evaluate("(scroller) => { scroller.scrollTop = scroller.scrollHeight }")
    expect(row(page, "10,000")).to_be_in_viewport(ratio=0.95)
    assert page.evaluate(elements) < 900
    page.keyboard.press("k")
    page.keyboard.press("Control+Home")
    assert focused(page) == ("#1", 1)
    for _ in range(3):
        page.keyboard.press("PageDown")
    number, _ = focused(page)
    assert 4 < int(number.removeprefix("#")) < 60
    expect(page.locator(":focus")).to_be_in_viewport()
    page.evaluate("location.hash = '#q7777'")
    expect(row(page, "7,777").get_by_role("rowheader")).to_be_focused()
    expect(row(page, "7,777")).to_be_in_viewport(ratio=1)
    place = "(row) => row.getBoundingClientRect().y"
    before = row(page, "7,777").evaluate(place)
    page.get_by_label("Removed words").check()
    assert row(page, "7,777").evaluate(place) == pytest.approx(before, abs=1)
    page.get_by_label("Sort by").select_option("most different")
    page.get_by_label("Search in prompts").fill("9999 the")
    expect(page.get_by_role("status")).to_have_text("1 of 10,000 rows")
    assert numbers(page) == ["#9,999"]


HOSTILE = (
    "</script><script>window.ran = 1</script>",
    "<!--<script>window.ran = 1",
    "<img src=x onerror='window.ran = 1'><svg onload='window.ran = 1'>",
    "javascript:window.ran = 1",
    "__proto__",
    "constructor",
    "\u202eevil\u2066 \ud800\x00\u2028\ufeff",
    "a\u0301" * 400,
)


def test_nothing_in_an_answer_is_run_or_breaks_the_page(opened: Open, tmp_path: Path) -> None:
    models = [BASE, *HOSTILE, *(f"adapter-{number}-{'x' * 200}" for number in range(21))]
    columns = dict.fromkeys((*HOSTILE, *(f"column {number}" for number in range(42))), HOSTILE[0])
    lines = [
        answer(
            number, model, text + model, id=text, prompt=text, reasoning=text, system=text, expected=text
        ).model_copy(update={"columns": columns, "warnings": [text], "finish_reason": text, "served_by": text})
        for number, text in enumerate(HOSTILE, 1)
        for model in models
    ]
    lines.append(answer(9, BASE, error={"code": HOSTILE[0], "message": HOSTILE[2], "retryable": False}))
    write_page(tmp_path / "hostile.html", lines, title=HOSTILE[0])
    page = opened(tmp_path / "hostile.html")

    assert page.title() == HOSTILE[0]
    for model in HOSTILE[:6]:
        expect(row(page, "1").get_by_text(HOSTILE[0] + model, exact=True)).to_be_attached()
    expect(names(page)).to_have_count(len(models) + 1)
    for text in HOSTILE[:6]:
        page.evaluate("(text) => { location.hash = encodeURIComponent(text) }", text)
        expect(page.locator(":focus > .text")).to_have_text(text)
        page.locator(":focus").get_by_text("50 columns").click()
        expect(page.locator(".row.active dl > div")).to_have_count(50)
        page.locator(".row.active").get_by_text("Thinking").first.click()
    page.get_by_label("Search in prompts").fill(HOSTILE[3])
    expect(page.get_by_role("status")).to_have_text("8 of 9 rows")
    assert page.locator("img, svg, iframe").count() == 0
    assert page.locator("script").count() == 2
    assert page.evaluate("window.ran") is None
    assert page.evaluate("document.body.scrollWidth <= innerWidth")


def test_an_answer_of_a_megabyte_is_cut_until_it_is_wanted(opened: Open, tmp_path: Path) -> None:
    text = "word 部署\n" * 125_000
    lines = [answer(1, BASE, text), answer(1, "zh", f"{text}!"), answer(1, "long-line", "x" * 1_000_000)]
    write_page(tmp_path / "large.html", lines, title="Large")
    page = opened(tmp_path / "large.html")
    first = row(page, "1").get_by_role("gridcell").first
    assert len(first.inner_text()) < 1_000
    expect(row(page, "1").get_by_role("gridcell").nth(2)).to_contain_text("differs, not marked")

    first.get_by_role("button", name=re.compile("Show all")).click()
    first.get_by_role("button", name=re.compile("Show more")).click()

    assert 200_000 < len(first.inner_text()) < 230_000
    page.keyboard.press("k")
    page.keyboard.press("e")
    expect(first).not_to_contain_text("Show more")


def test_a_page_without_answers_says_so(opened: Open, tmp_path: Path) -> None:
    write_page(tmp_path / "empty.html", [], title="Empty")
    page = opened(tmp_path / "empty.html")

    expect(page.get_by_text("No row fits these filters.")).to_be_visible()
    for key in ("j", "k", "e", "f", "Escape", "/"):
        page.keyboard.press(key)
    expect(page.get_by_label("Search in prompts")).to_be_focused()


def test_without_a_base_model_nothing_differs(opened: Open, tmp_path: Path) -> None:
    write_page(tmp_path / "adapters.html", [answer(1, name, name) for name in ADAPTERS], title="Adapters")
    page = opened(tmp_path / "adapters.html")

    expect(names(page)).to_have_text(["Prompt", "support-zh adapter", "terse adapter"])
    assert "iffers" not in page.locator("body").inner_text().replace("most different", "")


def test_on_paper_rows_follow_each_other(opened: Open) -> None:
    page = opened()
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")

    expect(page.locator("#tools")).to_be_hidden()
    tops = page.locator("#rows > .row").evaluate_all("(rows) => rows.map((row) => row.getBoundingClientRect().top)")
    assert len(tops) == 7
    assert tops == sorted(set(tops))
