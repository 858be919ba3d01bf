"""Deployments by the hundred, the same each time: what a team's account looks like, with names that clash."""

from collections.abc import Iterator
from itertools import count, islice, product
from typing import Final
from uuid import UUID, uuid5

from alaya_mcp.sandbox.deployments import Deployment, Instance, lora_service

LARGEST_FLEET: Final = 2000

_OURS = UUID("6f1d6a52-4c1b-4f0e-9d0a-5b1c8a2f7e11")
_PURPOSES = (
    *("support", "search", "客服助手", "code-review"),
    *("\uff31\uff21 bot", "meeting notes", "合同审核", "translation"),  # the first in full-width letters
    *("ocr", "sql", "summaries"),
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
    """Return so many deployments; a larger fleet begins with the smaller one.

    Their ids are UUIDs. Of ten names one is there three times, one twice, and two differ in case only.

    Raises:
        ValueError: It is not a number from 0 to 2,000.
    """
    if not 0 <= fleet <= LARGEST_FLEET:
        raise ValueError(f"a fleet is a number from 0 to {LARGEST_FLEET}")
    return tuple(_deployment(number, *named) for number, named in enumerate(islice(_names(), fleet)))


def _names() -> Iterator[tuple[str, str]]:
    """Yield names without end, each with the purpose in it."""
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
    is_lora = number % _LORA_EVERY == _LORA_EVERY - 1
    status = _status(number)
    aidc_id, vks_id, namespace = _PLACES[number % len(_PLACES)]
    # API documentation, LoRA detail: on a running base service, here the nearest before it.
    base = next(each for each in reversed(range(number)) if _status(each) == "running") if is_lora else number
    model_id, model = _MODELS[base % len(_MODELS)]
    adapter = f"adapter-{number}"
    # The starting ones have theirs from the moment they run.
    works = status in ("running", "starting", "staring")
    deployment = Deployment(
        _service_id(number),
        "one of many",
        key_name=str(number),
        name=name,
        model=model,
        model_id=model_id,
        instances=(Instance((adapter,) if is_lora else ()),) if works else (),
        status=status,
        code=("0", 0)[number % 2],
        aidc_id=aidc_id,
        vks_id=vks_id,
        namespace=namespace,
        extensions={"team": purpose},
    )
    return lora_service(adapter, _service_id(base), deployment) if is_lora else deployment


def _service_id(number: int) -> str:
    return str(uuid5(_OURS, str(number)))


def _status(number: int) -> str:
    return _STATUSES[number % len(_STATUSES)]
