"""Deployments by the hundred, the same each time: what a team's account looks like, with names that clash."""

from __future__ import annotations

from itertools import count, islice, product
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid5

from alaya_mcp.sandbox.configurations import quick_start
from alaya_mcp.sandbox.deployments import Deployment, Instance

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST_FLEET: Final = 2000

_OURS = UUID("6f1d6a52-4c1b-4f0e-9d0a-5b1c8a2f7e11")
_PURPOSES = (
    "support",
    "search",
    "客服助手",
    "code-review",
    "\uff31\uff21 bot",  # full-width letters
    "meeting notes",
    "合同审核",
    "translation",
    "ocr",
    "sql",
    "summaries",
)
_ENDINGS = ("-prod", " staging", "_canary", " 测试", "-demo")
_NEW_NAMES = 6

# The lengths of what is taken in turn have no common divisor, so that everything meets everything.
_MODELS = (("Qwen/Qwen3-8B", "qwen3-8b"), ("Qwen/Qwen3-32B", "qwen3-32b"), ("meta-llama/Llama-3.1-8B", "llama3.1-8b"))
_STATUSES = (
    *("running", "running", "stoped", "running", "starting", "running", "failed", "running", "stopping"),
    *("running", "staring", "running", "stopped", "running", "stoping", "running", "running"),
)
_PLACES = (  # aidcId, vksId, namespace
    ("aidc-sandbox", "vks-sandbox-1", "sandbox"),
    ("aidc-sandbox", "vks-sandbox-1", "research"),
    ("aidc-sandbox", "vks-sandbox-2", "sandbox"),
    ("aidc-sandbox-2", "vks-sandbox-3", "research"),
)
_LORA_EVERY = 7


def generated(fleet: int) -> tuple[Deployment, ...]:
    """Give so many deployments; a larger fleet begins with the smaller one.

    Their ids are UUIDs. Of ten names one is there three times, one twice, and two differ in case only.

    Raises:
        ValueError: It is not a number from 0 to 2,000.
    """
    if not 0 <= fleet <= LARGEST_FLEET:
        raise ValueError(f"a fleet is a number from 0 to {LARGEST_FLEET}")
    return tuple(_deployment(number, *named) for number, named in enumerate(islice(_names(), fleet)))


def _names() -> Iterator[tuple[str, str]]:
    """Give names without end, each with the purpose it tells."""
    fresh = _fresh_names()
    while True:
        first, second, third, *others = islice(fresh, _NEW_NAMES)
        yield from (first, second, third, *others)
        yield first[0].title(), first[1]
        yield from (second, third, second)


def _fresh_names() -> Iterator[tuple[str, str]]:
    for version in count(1):
        for ending, purpose in product(_ENDINGS, _PURPOSES):
            yield f"{purpose}{ending}" + (f" v{version}" if version > 1 else ""), purpose


def _deployment(number: int, name: str, purpose: str) -> Deployment:
    is_lora = _is_lora(number)
    base = _base_of(number) if is_lora else number
    model_id, model = _MODELS[base % len(_MODELS)]
    aidc_id, vks_id, namespace = _PLACES[number % len(_PLACES)]
    status = _status(number)
    adapter = f"adapter-{number}"
    # The starting ones have theirs from the moment they run.
    works = status in ("running", "starting", "staring")
    return Deployment(
        service_id=_service_id(number),
        summary="one of many",
        api_key=f"sandbox-key-{number}",
        name=name,
        model=model,
        served_name=adapter if is_lora else (model,),
        model_id=f"sandbox/{adapter}" if is_lora else model_id,
        instances=(Instance("0", (adapter,) if is_lora else ()),) if works else (),
        # API documentation, LoRA detail: no instance, no envelope, and the key spelt so.
        instance_shown=not is_lora,
        fields={"baseServiceId": _service_id(base)} if is_lora else quick_start(()),
        source="lora" if is_lora else "quickstart",
        status=status,
        code=None if is_lora else ("0", 0)[number % 2],
        key_field="apiKey" if is_lora else "apikey",
        aidc_id=aidc_id,
        vks_id=vks_id,
        namespace=namespace,
        extensions={"team": purpose},
    )


def _base_of(number: int) -> int:
    """Find the base service of a LoRA service (API documentation: a running one): the nearest before it."""
    return next(each for each in reversed(range(number)) if _status(each) == "running")


def _service_id(number: int) -> str:
    return str(uuid5(_OURS, str(number)))


def _is_lora(number: int) -> bool:
    return number % _LORA_EVERY == _LORA_EVERY - 1


def _status(number: int) -> str:
    return _STATUSES[number % len(_STATUSES)]
