"""The card as a resource: who is told of it, and what it is. What it shows: tests/browser."""

import json
import re
from pathlib import Path

import pytest

from alaya_mcp.errors import NotConfigured
from alaya_mcp.serving import card
from alaya_mcp.serving.card.document import META, MIME_TYPE, document
from alaya_mcp.serving.server import TOOLS
from alaya_mcp.serving.tools.tool import CARD_URI
from tests.calls import ERAS, Era, connected
from tests.stdio_host import MODERN, host
from tests.test_architecture import loaded_after
from tests.upstream import Upstream

FILES = sorted(path for path in Path(card.__path__[0]).iterdir() if path.suffix in {".html", ".css", ".js"})
SCRIPTS = {path.name: path.read_text(encoding="utf-8") for path in FILES if path.suffix == ".js"}
MOST_BYTES = 60_000
MOST_LINES = 300
MOST_LISTED_BYTES = 60
"""What the card adds to a tool's entry in tools/list."""
MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|new Function|\.href\b|\.src\b"
)
WORD = re.compile(r"(?:^|[\s{])(\w+): (?=[\"(])", re.MULTILINE)


@pytest.mark.anyio
@pytest.mark.parametrize("era", ERAS)
async def test_a_host_finds_it_by_the_tool_and_reads_it(era: Era) -> None:
    async with Upstream() as upstream, connected(upstream.settings(), era) as client:
        tools = {tool.name: tool.meta for tool in (await client.list_tools()).tools}
        listed = await client.list_resources()
        read = await client.read_resource(CARD_URI)
        deployments = await client.read_resource("alaya://deployments/svc-1")

    assert tools["get_deployment"] == {"ui": {"resourceUri": CARD_URI}}
    assert [name for name, meta in tools.items() if meta] == [tool.name for tool in TOOLS if tool.card]
    assert CARD_URI not in {resource.uri for resource in listed.resources}, "nobody who browses resources wants it"
    (page,) = read.contents
    assert (page.uri, page.mime_type, page.meta) == (CARD_URI, MIME_TYPE, META)
    assert page.model_dump()["text"] == document()
    if era == "auto":
        assert (read.cache_scope, deployments.cache_scope) == ("public", "private")
        assert read.ttl_ms > deployments.ttl_ms


@pytest.mark.anyio
async def test_it_is_there_without_an_account() -> None:
    async with connected(NotConfigured("key_missing")) as client:
        assert (await client.read_resource(CARD_URI)).contents


@pytest.mark.anyio
async def test_only_the_modern_era_can_say_that_there_are_cards() -> None:
    async with host() as server:
        await server.request(1, "server/discover", {"_meta": MODERN})
        discovered = (await server.answer(1))["result"]["capabilities"]
        shaken = (await server.initialize())["result"]["capabilities"]

    assert discovered["extensions"] == {"io.modelcontextprotocol/ui": {}}
    assert "extensions" not in shaken


def test_a_tool_with_a_card_costs_a_host_few_bytes() -> None:
    (tool,) = (tool.listed() for tool in TOOLS if tool.name == "get_deployment")
    listed, without = (
        json.dumps(each.model_dump(mode="json", by_alias=True, exclude_none=True), separators=(",", ":"))
        for each in (tool, tool.model_copy(update={"meta": None}))
    )

    assert 0 < len(listed) - len(without) <= MOST_LISTED_BYTES


def test_a_start_loads_nothing_of_it() -> None:
    assert not [
        name for name in loaded_after("import alaya_mcp.cli.serve") if name.startswith("alaya_mcp.serving.card")
    ]


def test_it_is_one_small_page_that_needs_nothing_else() -> None:
    page = document()

    assert len(page.encode()) < MOST_BYTES
    assert not re.search(r"https?:|//\w+\.|@import|url\(|<link|<img|<iframe", page)
    assert page.count("<script>") == page.count("</script>") == 1
    policy = page.partition('Content-Security-Policy" content="')[2].partition('"')[0]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy


@pytest.mark.parametrize("name", SCRIPTS)
def test_nothing_in_it_parses_markup_or_follows_a_link(name: str) -> None:
    assert not MARKUP.search(SCRIPTS[name])


def test_each_of_its_files_is_part_of_it_and_can_be_read_at_a_sitting() -> None:
    page = document()

    for path in FILES:
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= MOST_LINES, path.name
        assert path.suffix == ".html" or lines[-1] in page, path.name


def test_both_languages_say_the_same_and_nothing_is_said_in_vain() -> None:
    english, _, chinese = SCRIPTS["words.js"].partition("const CHINESE")
    said = set(WORD.findall(english))
    code = "".join(SCRIPTS.values())

    assert len(said) > 50
    assert said <= set(WORD.findall(chinese))
    unsaid = {word for word in said if not re.search(rf"\bwords\.{word}\b", code)}
    assert unsaid == {"running", "loading", "starting", "stopping", "stopped", "failed"}, (
        "states are said by their names"
    )
