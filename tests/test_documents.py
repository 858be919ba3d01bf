"""The documents as a web of pages: every link and path in them leads somewhere, and no page is an island."""

import re
from pathlib import Path

import pytest

from tests.readme_output import DOCUMENTS, ROOT, links

DOCS = ROOT / "docs"
_INSTALL_BY_NAME = re.compile(
    r"(?:pip install|uvx(?! --from \.)|pipx (?:run|install)(?! --no-cache --spec \.)|uv tool install)"
    r"[^\n`&;]*[ \"](?:alaya-mcp|alayanew-mcp)"
)
_STRANGER = re.compile(r"(?<![\w/.-])alaya-mcp\b")
"""A package of that name belongs to somebody else."""
_FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_BROKEN = re.compile(r"^.*[\u4e00-\u9fff].*\n *(?![-|#<>]|\d+\. )\S.*", re.MULTILINE)
"""A line of Chinese that goes on in the next one: its end would show as a space between two characters."""
_PATH = re.compile(r"`((?:[\w.-]+/)*[\w-]+\.py|(?:alaya_mcp|tests|docs|benchmarks)/[\w./-]+)`")


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def slugs(page: Path) -> set[str]:
    """The anchors of a page's headings, as forges make them."""
    headings = re.findall(r"^#+ (.*)$", read(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_nobody_is_told_to_install_a_package_by_its_name() -> None:
    for page in [*DOCUMENTS, *ROOT.glob("*.json")]:
        assert not _INSTALL_BY_NAME.search(read(page)), page.name
        assert not _STRANGER.search(read(page)), page.name


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in links(page):
        if not target.startswith("https://"):
            file, _, anchor = target.partition("#")
            there = page.parent / file if file else page
            assert there.exists(), target
            assert not anchor or anchor in slugs(there), target


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_leads_somewhere(page: Path) -> None:
    beside = DOCS / "decisions" if page.parent.name == "decisions" else ROOT
    for path in _PATH.findall(read(page)):
        found = [root / path for root in (ROOT, ROOT / "alaya_mcp", beside) if (root / path).exists()]
        is_named_before = "/" not in path and f"/{path}`" in read(page)
        assert found or is_named_before, path


def test_every_page_is_reachable_from_the_readme() -> None:
    seen, ahead = set[Path](), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        seen.add(page)
        linked = {(page.parent / target.partition("#")[0]).resolve() for target in links(page) if target[0] != "#"}
        ahead += [page for page in linked if page.suffix == ".md" and page not in seen]

    assert {page.resolve() for page in DOCUMENTS} <= seen


def test_a_chinese_paragraph_is_one_line() -> None:
    assert not _BROKEN.findall(_FENCED.sub("", read(ROOT / "README.zh-CN.md")))
