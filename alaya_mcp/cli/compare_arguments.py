"""The arguments of the command that compares models."""

import argparse
from collections.abc import Callable
from typing import Final

from alaya_mcp.cli.account_arguments import Add

_MOST_AT_ONCE: Final = 256
_MOST_REPEATS: Final = 1_000
_MOST_SHARDS: Final = 100_000
_MOST_TOKENS: Final = 10_000_000
_MOST_STOPS: Final = 4
_HOTTEST: Final = 2.0
_ASKING: Final[dict[str, object]] = {
    "service": None,
    "prompts": None,
    "models": None,
    "repeat": 1,
    "system": None,
    "thinking": "auto",
    "temperature": None,
    "top_p": None,
    "max_tokens": None,
    "seed": None,
    "stop": None,
    "response_schema": None,
    "concurrency": 16,
    "timeout": 600.0,
    "shard": (1, 1),
    "over_sandbox": False,
}
"""What is about asking, as it is if it is not given."""


def add_compare(add: Add, seconds: Callable[[str], float]) -> None:
    """Add the parser of `compare`; `seconds` reads a time limit."""
    compare = add(
        "compare",
        help="ask the base model and its adapters the same, and compare the answers",
        description="Ask several models of a deployment the same prompts, each in a conversation of its own, and "
        "show a table. With --out, answers are written as they come, and the same command goes on where it stopped. "
        "Exit status: 0 if every question has an answer, 1 if not, 2 if a file or an argument is wrong, 130 after "
        "Ctrl-C.",
    )
    compare.set_defaults(command="compare", **_ASKING)
    compare.add_argument("service", nargs="?", metavar="SERVICE", help="a deployment's id, name or alias")
    compare.add_argument("prompt", nargs="*", metavar="PROMPT", help="what to ask; or --prompts")
    _asks(compare, seconds)
    _writes(compare)
    compare.add_argument("--sandbox", dest="over_sandbox", action="store_true", help="compare in the embedded sandbox")


def _asks(compare: argparse.ArgumentParser, seconds: Callable[[str], float]) -> None:
    compare.add_argument(
        "--prompts", metavar="FILE", help="a prompt a line, or JSON Lines, or CSV with a column prompt; - is stdin"
    )
    compare.add_argument(
        "--models", metavar="NAMES", help="names with commas, base is the base model; default: it and every adapter"
    )
    compare.add_argument("--repeat", type=_whole(1, _MOST_REPEATS), metavar="N", help="ask N times")
    compare.add_argument("--system", metavar="TEXT", help="the system message of prompts without one of their own")
    compare.add_argument("--thinking", choices=("auto", "on", "off"), help="whether the models think")
    compare.add_argument("--temperature", type=_number(0, _HOTTEST), metavar="X", help="0 to 2")
    compare.add_argument("--top-p", type=_number(0, 1, above=True), metavar="X", help="above 0, at most 1")
    compare.add_argument("--max-tokens", type=_whole(1, _MOST_TOKENS), metavar="N", help="most tokens of an answer")
    compare.add_argument("--seed", type=_whole(-(2**63), 2**63 - 1), metavar="N", help="seed of the engine's choices")
    compare.add_argument(
        "--stop", action="append", metavar="TEXT", help="text that ends an answer; may be given four times"
    )
    compare.add_argument("--response-schema", metavar="FILE", help="the JSON Schema that answers are to follow")
    compare.add_argument(
        "--concurrency",
        type=_whole(1, _MOST_AT_ONCE),
        metavar="N",
        help="questions asked at once: 1 to 256, default 16",
    )
    compare.add_argument(
        "--timeout",
        type=seconds,
        metavar="SECONDS",
        help="time limit of one answer: 1 to 3600, default 600",
    )


def _writes(compare: argparse.ArgumentParser) -> None:
    compare.add_argument("--out", metavar="FILE", help="write answers to it, a JSON line each, or go on with it")
    compare.add_argument("--fresh", action="store_true", help="start FILE over; its answers are kept in FILE.bak")
    compare.add_argument("--html", metavar="FILE", help="write a page to look at the answers, which needs no network")
    compare.add_argument("--shard", type=_shard, metavar="I/N", help="ask the I-th of N parts of the prompts")
    compare.add_argument("--join", nargs="+", metavar="FILE", help="ask nothing; join the --out files of other runs")
    compare.add_argument("--json", action="store_true", help="print the summary as one JSON object and nothing else")


def with_prompts(found: argparse.Namespace, unknown: list[str]) -> list[str]:
    """Add the prompts that argparse left over because an option was before them; return what is still unknown."""
    words, dashes, rest = unknown, [], []
    if "--" in unknown:
        at = unknown.index("--")
        words, dashes, rest = unknown[:at], ["--"], unknown[at + 1 :]
    if any(word.startswith("-") for word in words) or (not words and not dashes):
        return unknown
    found.prompt = [*found.prompt, *words, *rest]
    return []


def contradiction(found: argparse.Namespace) -> str | None:
    """Return why the options do not go together, None if they do."""
    if found.join:
        if found.prompt or any(getattr(found, name) != unused for name, unused in _ASKING.items()):
            return "--join asks nothing: beside it only --out, --fresh, --html and --json are used"
        return "--fresh needs --out" if found.fresh and not found.out else None
    if found.prompt and found.prompts:
        return "PROMPT and --prompts exclude each other"
    if not found.prompt and not found.prompts:
        return "there is nothing to ask: write prompts after SERVICE, or name a file with --prompts"
    if found.fresh and not found.out:
        return "--fresh needs --out"
    if found.stop and len(found.stop) > _MOST_STOPS:
        return f"--stop may be given {_MOST_STOPS} times"
    return None


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        digits = text.removeprefix("-")
        is_short = digits.isascii() and digits.isdigit() and len(digits) <= len(str(most))
        if not is_short or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"must be a whole number from {least} to {most}")
        return int(text)

    return read


def _number(least: float, most: float, *, above: bool = False) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = most + 1
        if not least <= number <= most or (above and number == least):
            raise argparse.ArgumentTypeError(f"must be a number {'above' if above else 'from'} {least:g} to {most:g}")
        return number

    return read


def _shard(text: str) -> tuple[int, int]:
    index, slash, of = text.partition("/")
    try:
        part, parts = _whole(1, _MOST_SHARDS)(index), _whole(1, _MOST_SHARDS)(of)
    except argparse.ArgumentTypeError:
        part, parts = 1, 0
    if not slash or part > parts:
        raise argparse.ArgumentTypeError("must be I/N, from 1/N to N/N")
    return part, parts
