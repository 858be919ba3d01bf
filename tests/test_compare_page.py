"""The page of a comparison as a file: what is in it, and what becomes of it when something fails."""

import json
import re
import tracemalloc
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from alaya_mcp.comparison import page as page_module
from alaya_mcp.comparison.answer_line import AnswerLine
from alaya_mcp.comparison.page import write_page
from alaya_mcp.comparison.summary import summaries
from tests.compared import BASE, answer

ASSETS = Path(page_module.__file__).parent / "page_source"


class Blocks(HTMLParser):
    """The scripts of a page by type, as a browser takes them apart."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: list[tuple[str | None, str]] = []
        self.policy = ""
        self._is_in_script = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "script":
            self._is_in_script = True
            self.scripts.append((named.get("type"), ""))
        if named.get("http-equiv") == "Content-Security-Policy":
            self.policy = named["content"] or ""

    def handle_endtag(self, tag: str) -> None:
        self._is_in_script &= tag != "script"

    def handle_data(self, data: str) -> None:
        if self._is_in_script:
            kind, text = self.scripts[-1]
            self.scripts[-1] = kind, text + data


def written(path: Path, *lines: AnswerLine, title: str = "Models of qwen3-support") -> tuple[list[Any], Any]:
    """The records and the summaries of a page of these answers."""
    write_page(path, lines, title=title)
    scripts = Blocks(path.read_text(encoding="utf-8")).scripts
    records = [
        json.loads(record)
        for kind, text in scripts
        if kind == "application/x-ndjson"
        for record in text.strip().split("\n")
        if record
    ]
    (summary,) = [json.loads(text) for kind, text in scripts if kind == "application/json"]
    assert [kind for kind, _ in scripts[-2:]] == ["application/json", None]
    return records, summary


def test_a_question_is_in_the_page_once_and_only_what_is_shown_of_an_answer(tmp_path: Path) -> None:
    timing = {"first_token_seconds": 0.2, "total_seconds": 1.5, "tokens_per_second": 8.0}
    usage = {"prompt_tokens": 5, "completion_tokens": 12, "total_tokens": 17}
    full = answer(1, BASE, "429", expected="429", served_by=BASE, usage=usage, timing=timing, finish_reason="stop")

    records, summary = written(tmp_path / "page.html", full, answer(1, "zh", "429.", expected="429", served_by=BASE))

    assert records == [
        {"question": 0, "id": "q1", "number": 1, "prompt": "Question 1", "expected": "429"},
        {"of": 0, "model": 0, "content": "429", "finish": "stop", "match": "exact", "tokens": 12}
        | {"rate": 8.0, "first": 0.2, "total": 1.5},
        {"of": 0, "model": 1, "content": "429.", "match": "normalised", "servedBy": BASE},
    ]
    assert summary["names"] == [BASE, "zh"]
    expected = summaries([full, answer(1, "zh", "429.", expected="429")])
    assert summary["summaries"] == [one.model_dump(mode="json") for one in expected]


def test_conversations_and_columns_are_text(tmp_path: Path) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "text", "text": "What is it?"}, image]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
        {"role": "tool", "content": "4"},
    ]
    columns = {"topic": "billing", "weight": float("nan"), "tags": ["a", "中"]}

    (question, _), _ = written(tmp_path / "page.html", answer(1, BASE, prompt=None, messages=messages, columns=columns))

    assert question["messages"] == [
        {"role": "user", "text": "What is it?\n[image_url]"},
        {"role": "assistant", "text": '[{"id": "1"}]'},
        {"role": "tool", "text": "4"},
    ]
    assert question["columns"] == {"topic": "billing", "weight": "NaN", "tags": '["a", "中"]'}


@pytest.mark.parametrize(
    "text",
    [
        "</script><script>alert(1)</script>",
        "<!-- <script> -->",
        "\u2028\u2029\r\n\x00\x1f\ufeff\ufffe",
        "{title}{script}{answers}",
        "\ud800 and \udfff",
        "😀 部署 \u202e",
    ],
)
def test_any_text_comes_back_as_it_was_and_never_as_markup(text: str, tmp_path: Path) -> None:
    line = answer(1, text, text, id=text, reasoning=text, warnings=[text], columns={text: text, "__proto__": text})

    (question, record), summary = written(tmp_path / "page.html", line, title=text)

    assert (question["id"], question["columns"]) == (text, {text: text, "__proto__": text})
    assert (record["content"], record["reasoning"], record["warnings"]) == (text, text, [text])
    assert summary["names"] == [summary["summaries"][0]["model"]] == [text]
    assert len(re.findall("<script", (tmp_path / "page.html").read_text(encoding="utf-8"))) == 3


def test_figures_that_are_not_numbers_are_left_out(tmp_path: Path) -> None:
    timing = {"total_seconds": float("inf"), "tokens_per_second": float("nan")}

    (_, record), summary = written(tmp_path / "page.html", answer(1, BASE, "a", timing=timing))

    assert not record.keys() & {"total", "rate"}
    assert summary["summaries"][0]["total_seconds"] == {"p50": None, "p95": None}


def test_many_answers_are_in_several_blocks_and_never_all_in_memory(tmp_path: Path) -> None:
    def lines() -> Iterator[AnswerLine]:
        for number in range(400):
            yield answer(number, BASE, f"{number} " * 20_000)

    tracemalloc.start()
    write_page(tmp_path / "page.html", lines(), title="Many")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert len(text) > 25_000_000
    assert peak < 4_000_000
    assert text.count('<script type="application/x-ndjson">') > 5


def test_the_policy_allows_nothing_but_the_page_itself(tmp_path: Path) -> None:
    write_page(tmp_path / "page.html", [], title="Empty")

    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    policy = dict(part.strip().split(" ", maxsplit=1) for part in Blocks(text).policy.split(";"))
    assert policy["default-src"] == "'none'"
    assert "unsafe" not in " ".join(policy.values())
    assert not re.findall(r"""(?:src|href)=["'](?!data:,)""", text)
    assert "http://" not in text
    assert "https://" not in text


def test_a_page_that_cannot_be_finished_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("old", encoding="utf-8")

    def lines() -> Iterator[AnswerLine]:
        yield answer(1, BASE, "a")
        raise ValueError("unreadable")

    with pytest.raises(ValueError, match="unreadable"):
        write_page(path, lines(), title="Half")

    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_an_error_and_leaves_the_old_page(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="only POSIX limits how large a file can grow")
    path = tmp_path / "page.html"
    path.write_text("old", encoding="utf-8")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            write_page(path, [answer(1, BASE, "a" * 300_000)], title="Full")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_page(tmp_path / "missing" / "page.html", [], title="Nowhere")


def test_the_page_is_small_and_readable() -> None:
    sources = [path.read_text(encoding="utf-8") for path in ASSETS.iterdir()]

    assert sum(len(text.encode()) for text in sources) < 66_000
    assert max(len(line) for text in sources for line in text.splitlines()) <= 141


def test_the_page_never_parses_markup() -> None:
    scripts = "".join(path.read_text(encoding="utf-8") for path in ASSETS.glob("*.js"))

    assert not re.findall(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|setHTML", scripts)
