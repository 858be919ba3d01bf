"""What the arguments of `compare` mean: files to read and write, models, and how prompts are asked."""

import argparse
import json
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, cast

from alaya_mcp.chat.request import Features, Sampling
from alaya_mcp.chat.structured import CHECK_SECONDS, SCHEMA_BYTES, SchemaChecks, SchemaRefused
from alaya_mcp.comparison.asking import Asking
from alaya_mcp.comparison.prompts_file import GivenPrompts, Prompts, PromptsFile
from alaya_mcp.comparison.unusable import Unusable, unreadable
from alaya_mcp.deadline import Deadline
from alaya_mcp.printable import encodable

_NOT_LINES: Final = frozenset({".csv", ".tsv", ".html", ".htm", ".xlsx"})
_GENERATOR: Final = b'<meta name="generator" content="alayanew-mcp '
_HEAD: Final = 4_096
"""Bytes at the beginning of a page that have its generator."""


@contextmanager
def prompts_of(arguments: argparse.Namespace) -> Generator[Prompts]:
    """Yield the prompts, each checked.

    Raises:
        Unusable: they cannot be read, or one cannot be sent.
    """
    if not arguments.prompts:
        yield GivenPrompts(encodable(text) for text in arguments.prompt)
        return
    if arguments.prompts == "-" and sys.stdin is None:
        raise Unusable("stdin is closed.")
    with PromptsFile(Path(arguments.prompts), sys.stdin.buffer if sys.stdin is not None else None) as prompts:
        yield prompts


def models_asked(arguments: argparse.Namespace) -> tuple[str, ...]:
    """Return the names of models, in order."""
    return tuple(name.strip() for name in encodable(arguments.models or "").split(",") if name.strip())


def asking_of(arguments: argparse.Namespace) -> Asking:
    """Return how prompts are asked, of a deployment that is not known yet.

    Raises:
        Unusable: the schema's file cannot be read.
    """
    schema = _schema(Path(arguments.response_schema)) if arguments.response_schema else None
    sampling = Sampling(
        arguments.temperature,
        arguments.top_p,
        arguments.max_tokens,
        arguments.seed,
        tuple(encodable(each) for each in arguments.stop or () if each),
    )
    features = Features(thinking=arguments.thinking, response_schema=schema)
    system = encodable(arguments.system) if arguments.system else None
    return Asking("", system, sampling, features, arguments.timeout)


def _schema(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(SCHEMA_BYTES + 1)
    except OSError as error:
        raise unreadable(path, error) from None
    if len(content) > SCHEMA_BYTES:
        raise Unusable(f"{path} is larger than {SCHEMA_BYTES // 2**10} KiB.")
    try:
        schema = json.loads(content.decode("utf-8-sig"))
        json.dumps(schema, ensure_ascii=False, allow_nan=False).encode()
    except json.JSONDecodeError as error:
        raise Unusable(f"{path} line {error.lineno}: not valid JSON: {error.msg}.") from None
    except (ValueError, RecursionError) as error:
        raise Unusable(f"{path} is not valid JSON: {error}.") from None
    if not isinstance(schema, dict):
        raise Unusable(f"{path} is not a JSON Schema: it is not an object.")
    return cast("dict[str, Any]", schema)


async def refuse_schema(schema: dict[str, Any], name: str) -> None:
    """Refuse what is not a JSON Schema.

    Raises:
        Unusable: it is not one.
    """
    try:
        await SchemaChecks().refuse_unusable(schema, Deadline.after(CHECK_SECONDS))
    except SchemaRefused as refusal:
        raise Unusable(f"{name} is not a usable JSON Schema: {str(refusal).rstrip('.')}.") from None


def refuse_targets(arguments: argparse.Namespace) -> None:
    """Refuse files that cannot be written, and those that would be read and written.

    Raises:
        Unusable: one is so.
    """
    read = [*(arguments.join or ()), *(each for each in (arguments.prompts, arguments.response_schema) if each)]
    written = [each for each in (arguments.out, arguments.html) if each]
    for target in written:
        path = Path(target)
        if path.is_dir():
            raise Unusable(f"{target} is a folder. Name a file in it.")
        if not path.absolute().parent.is_dir():
            raise Unusable(f"{target} cannot be written: the folder {path.absolute().parent} is not there.")
        if any(_is_same(target, other) for other in read):
            raise Unusable(f"{target} would be both read and written. Name another file.")
    if arguments.html and not os.access(Path(arguments.html).absolute().parent, os.W_OK):
        raise Unusable(f"{arguments.html} cannot be written: its folder is read-only.")
    if arguments.html and not _is_page(Path(arguments.html)):
        raise Unusable(f"{arguments.html} is there and is not a page of a comparison. Name another file with --html.")
    if arguments.out and Path(arguments.out).suffix.lower() in _NOT_LINES:
        raise Unusable(f"{arguments.out}: answers are written as JSON Lines. Name it {Path(arguments.out).stem}.jsonl.")
    if arguments.out and arguments.html and _is_same(arguments.out, arguments.html):
        raise Unusable("--out and --html name the same file.")


def _is_page(path: Path) -> bool:
    """Return whether a file is missing, empty, or a page that this program made."""
    try:
        with path.open("rb") as file:
            beginning = file.read(_HEAD)
    except FileNotFoundError:
        return True
    except OSError as error:
        raise unreadable(path, error) from None
    return not beginning or _GENERATOR in beginning


def _is_same(one: str, other: str) -> bool:
    with suppress(OSError):  # one is not there
        return Path(one).samefile(other)
    return Path(one).resolve() == Path(other).resolve()
