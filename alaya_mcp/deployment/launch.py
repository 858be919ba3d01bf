"""The parts of a launch command that may be shown: an allow-list, since users put tokens in commands. Pure."""

import re
import shlex
from collections.abc import Iterable
from itertools import zip_longest
from typing import Final

SHOWN_WITH_VALUE: Final = frozenset(
    {
        "model",
        "model-path",
        "served-model-name",
        "tensor-parallel-size",
        "pipeline-parallel-size",
        "data-parallel-size",
        "tp",
        "tp-size",
        "dp-size",
        "max-model-len",
        "context-length",
        "max-num-seqs",
        "max-num-batched-tokens",
        "gpu-memory-utilization",
        "mem-fraction-static",
        "dtype",
        "quantization",
        "kv-cache-dtype",
        "max-loras",
        "max-lora-rank",
        "max-cpu-loras",
        "tool-call-parser",
        "reasoning-parser",
        "host",
        "port",
        "seed",
        "nnodes",
    }
)
"""Flags whose values are shown; of other flags only the name is."""

_FLAG = re.compile(r"--([A-Za-z][A-Za-z0-9._-]{0,63})(?:=(.*))?", re.DOTALL)
_TAKES_NEXT = re.compile(r"--[^=\s]*|-[abd-zA-Z]")  # not -c: a shell line follows it
_PLAIN_VALUE = re.compile(r"[A-Za-z0-9._/:+,-]{1,200}")
_PROGRAM = re.compile(r"[A-Za-z0-9._/+-]{1,200}")
_SECRET = re.compile(r"key|token(?!iz|s)|secret|pass|pwd|auth|cred|bearer|(?:^|[-_])(?:ak|sk)$", re.IGNORECASE)
_CONTINUED = re.compile(r"\\\r?\n")


def _split(line: str) -> list[str]:
    line = _CONTINUED.sub(" ", line)
    try:
        return shlex.split(line)
    except ValueError:  # an unbalanced quote
        return line.split()


def words_of(command: Iterable[str]) -> list[str]:
    """Return the words of a cmd or args list, with shell lines split.

    An item after a bare `--flag` is that flag's value and stays whole; so does an item with a secret flag and its
    value.
    """
    words: list[str] = []
    is_value = False
    for item in command:
        given = _FLAG.fullmatch(item.strip())
        is_secret = given is not None and given.group(2) is not None and _takes_a_secret(given.group(1))
        if is_value or is_secret or not any(char.isspace() for char in item):
            words.append(item.strip())
        else:
            words.extend(_split(item))
        is_value = bool(_TAKES_NEXT.fullmatch(item))
    return words


def _value(flag: str, inline: str | None, following: str | None) -> str:
    value = inline if inline is not None else following
    if flag not in SHOWN_WITH_VALUE or value is None or value.startswith("--") or not _PLAIN_VALUE.fullmatch(value):
        return ""
    return f"={value}"


def shown_flags(*commands: Iterable[str]) -> list[str]:
    """Return `--name`, or `--name=value` for names in `SHOWN_WITH_VALUE` with a plain value; in order, each once."""
    flags: dict[str, None] = {}
    for command in commands:
        words = words_of(command)
        is_value = False
        for word, following in zip_longest(words, words[1:]):
            match = None if is_value else _FLAG.fullmatch(word)
            if match is None:
                is_value = False
                continue
            name, inline = match.group(1), match.group(2)
            flags[f"--{name}{_value(name.replace('_', '-'), inline, following)}"] = None
            is_value = inline is None and _takes_a_secret(name)
    return list(flags)


def _takes_a_secret(flag: str) -> bool:
    """Return whether the next word is this flag's value even if it looks like a flag."""
    return _SECRET.search(flag) is not None


def program(cmd: Iterable[str]) -> str | None:
    """Return the first word of a cmd, None if it is not a plain name: a leading assignment may hold a secret."""
    word = next(iter(words_of(cmd)), "")
    return word if _PROGRAM.fullmatch(word) else None


def shown_image(image: str | None) -> str | None:
    """Return an image reference without a user part before its registry; a digest is kept."""
    if image is None:
        return None
    head, at, digest = image.rpartition("@")
    if at and digest.startswith("sha256:"):
        return f"{head.rpartition('@')[2]}@{digest}"
    return digest
