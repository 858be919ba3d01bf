"""A comparison as one HTML page that needs nothing else: no network, no other file."""

import base64
import html
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from alaya_mcp import __version__
from alaya_mcp.atomic_file import replacement, usual_mode
from alaya_mcp.comparison.answer_line import AnswerLine
from alaya_mcp.comparison.page_record import answer_record, question_record, record_text
from alaya_mcp.comparison.summary import Summaries
from alaya_mcp.printable import printable

_SOURCE: Final = Path(__file__).parent / "page_source"
_SCRIPTS: Final = ("words", "elements", "difference", "distance", "answers", "rows", "cells", "overview", "page")
"""In the order of their use."""
_BLOCK: Final = 2**22
"""Characters of a data block, about: the page drops each when it is read, so that they are never all in memory."""
_BEGIN: Final = '<script type="application/x-ndjson">\n'
_END: Final = "</script>"


def write_page(path: Path, lines: Iterable[AnswerLine], *, title: str, order: Sequence[str] = ()) -> None:
    """Write the page of these answers, in memory that grows by some hundred bytes for each.

    Args:
        path: The file, which is replaced as a whole; the page is written beside it first.
        lines: The answers, in any order; each question and model once.
        title: Of the page.
        order: Names of models in the order of their columns; the base model is the first whatever it says.

    Raises:
        OSError: the page cannot be written; what was there is as it was.
    """
    before, after = _frame(title)
    with replacement(path, usual_mode()) as file:
        file.write(_bytes(before))
        for text in _data(lines, order):
            file.write(_bytes(text))
        file.write(_bytes(after))


def _bytes(text: str) -> bytes:
    """Return text as UTF-8; half a character, which UTF-8 does not have, as its escape, which JSON has too."""
    return text.encode("utf-8", "backslashreplace")


def _data(lines: Iterable[AnswerLine], order: Sequence[str]) -> Iterator[str]:
    """Yield the data blocks: each question once, before its answers, then what all answers add up to."""
    summaries = Summaries(order)
    questions: dict[str, int] = {}
    models: dict[str, int] = {}
    size = 0
    yield _BEGIN
    for line in lines:
        if size > _BLOCK:
            yield f"{_END}\n{_BEGIN}"
            size = 0
        summaries.add(line)
        is_new = line.id not in questions
        question = questions.setdefault(line.id, len(questions))
        model = models.setdefault(line.model, len(models))
        text = record_text(answer_record(line, question, model))
        if is_new:
            text = f"{record_text(question_record(line, question))}\n{text}"
        size += len(text)
        yield f"{text}\n"
    yield f"{_END}\n"
    shown = {"names": list(models), "summaries": [each.model_dump() for each in summaries.all()]}
    yield f'<script type="application/json" id="summaries">{record_text(shown)}{_END}'


def _frame(title: str) -> tuple[str, str]:
    """Return what is before the data, and behind it; the policy allows the page's own script and style alone."""
    style, script = _style(), _script()
    policy = (
        f"default-src 'none'; script-src {_digest(script)}; style-src-elem {_digest(style)}; style-src-attr 'none'; "
        "img-src data:; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    parts = {
        "policy": policy,
        "version": __version__,
        "title": html.escape(printable(title)),
        "style": style,
        "script": script,
    }
    before, after = _file("page.html").split("{answers}")
    return _filled(before, parts), _filled(after, parts)


def _filled(text: str, parts: dict[str, str]) -> str:
    """Return text with its places filled; a place within a part is not one."""
    return re.sub(r"\{(\w+)\}", lambda place: parts[place[1]], text)


@cache
def _style() -> str:
    return f"\n{_file('page.css')}"


@cache
def _script() -> str:
    scripts = "\n".join(_file(f"{name}.js") for name in _SCRIPTS)
    return f'\n"use strict";\n(() => {{\n{scripts}}})();\n'


def _file(name: str) -> str:
    return (_SOURCE / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """Return a policy's source for exactly this inline text."""
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"
