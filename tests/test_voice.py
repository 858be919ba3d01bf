"""How the project speaks: phrases of its former dialect stay out of documents, messages and docstrings."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import alaya_mcp
from tests.readme_output import DOCS_OF_OTHERS, DOCUMENTS, ROOT, own_words

PACKAGE: Final = Path(alaya_mcp.__file__).parent

DIALECT: Final = {
    r"\btold by\b": "reported by",
    r"\b(?:is|are|was|were) told in\b": "is in, is reported in",
    r"\bnot told here\b": "see get_deployment",
    r"\bas it is told\b": "as reported",
    r"\bno (?:apikey|key|name)s? (?:is|are) told\b": "none is reported",
    r"\btells? (?:it\b|otherwise\b|no names?\b|of\b|the exact\b|them\b(?! apart))": "reports, lists, disagrees",
    r"\b(?:plane|engine|list|API|detail|lookup)s? (?:itself )?(?:does not |do not )?tells?\b": "reports, says",
    r"\bboth (?:sides|planes) tell\b": "both report, agree on",
    r"\bstands? for\b": "is, means",
    r"\bstands? (?:in|at|on|there|first|above|below|beside|behind|once|alone|with)\b": "is (in, at, ...)",
    r"\b(?:call|check|chat)s? that stands?\b": "say what it is",
    r"\b[Ww]hoever\b": "the caller, the reader, code that ...",
    r"\bso many (?:more|seconds)\b": "N more, N seconds",
    r"\bfor so long\b": "for N seconds",
    r"\bthe very (?:spelling|name)\b": "the exact spelling, name",
    r"(?<!there )(?<!There )\b(?:is|are) no (?:TOML|JSON|UTF-8|terminal|level|object|deployments?|number|file)\b": (
        "is not (valid) ..."
    ),
    r"\bis none that\b": "is not one that",
    r"\banswers? to no such\b": "does not serve",
    r"\b(?:models?|deployment|it) (?:that )?answers? to:": "serves:",
    r"\bin the state (?:starting|running|stopping|stopped|failed|unknown)\b": "is starting, is failed",
    r"\bno sense in\b": "say the reason",
    r"\basking again in\b": "trying again in",
    r"\bcomes? apart\b": "is returned separately",
    r"\bhow far it is\b": "its progress",
    r"\b[Aa]sk the doctor\b": "run `alayanew-mcp doctor`",
    r"\bpays no heed\b": "ignores",
    r"\bcannot take it now\b": "does not have the adapter, is busy",
    r"\b(?:made|asked for) anew\b|\bwrites (?:them|it) anew\b": "again",
}
"""What is not written, and what is written instead."""
AT_THE_BEGINNING: Final = {r"\AGive\b(?! up)": "Return ..."}
"""The same, for docstrings alone."""
CHINESE: Final = re.compile(
    "看见并使用|“医生”|不要账号|检出目录|请写出它的路径|基模型|基础模型|两半|把它取出来|看看你有什么|各是谁说的"
    "|带声明模式|取消的是这个回答|中途被杀|什么会被重发|能重发的都已重发|基地址|控制面的源(?!.origin)|结果是白名单"
    "|模型所说的话是数据|整对取自|如果不工作|朴素实现放在一起测量"
)
"""What the Chinese README does not say: translated word for word, it reads oddly."""


def texts(path: Path) -> Iterator[tuple[int, str, bool]]:
    """The strings of a module that are not code, with their lines, and whether each is a docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value, id(node) in docstrings


def found_in(text: str, patterns: dict[str, str] = DIALECT) -> list[str]:
    """What a text says that is not said, and what to say instead."""
    plain = re.sub(r"\s+", " ", text)
    return [f"{hit[0]!r}: {better}" for pattern, better in patterns.items() for hit in re.finditer(pattern, plain)]


def found_in_module(path: Path) -> list[str]:
    """The same for a module, with lines."""
    return [
        f"{path.relative_to(ROOT)}:{line}: {found}"
        for line, text, is_docstring in texts(path)
        for found in (*found_in(text), *(found_in(text, AT_THE_BEGINNING) if is_docstring else ()))
    ]


MODULES: Final = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize(
    "page", [page for page in DOCUMENTS if page not in DOCS_OF_OTHERS], ids=lambda page: str(page.relative_to(ROOT))
)
def test_documents_are_in_plain_english(page: Path) -> None:
    assert not found_in(own_words(page))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_messages_and_docstrings_are_in_plain_english(path: Path) -> None:
    assert not found_in_module(path)


def test_the_chinese_readme_is_written_for_its_readers() -> None:
    assert not CHINESE.findall(own_words(ROOT / "README.zh-CN.md"))


@pytest.mark.parametrize(
    ("text", "is_dialect"),
    [
        ("2 adapters, told by control plane and engine.", True),
        ("The file is no TOML: line 3", True),
        ("There is no JSON in the body", False),
        ("so many more deployments", True),
        ("so many tokens that it is cut", False),
        ("It does not tell them apart", False),
        ("The default stands for\nthe deployment", True),
        ("Each form must be complete", False),
        ("The error tells the caller what to do", False),
        ("Whoever reads it", True),
    ],
)
def test_the_list_finds_the_dialect_and_nothing_else(text: str, is_dialect: bool) -> None:
    assert bool(found_in(text)) is is_dialect
