"""Deployments by the hundred, the same each time: what a team's account looks like, with names that clash."""

from __future__ import annotations

from itertools import cycle, islice, product
from uuid import UUID, uuid5

from alaya_mcp.sandbox.configurations import quick_start
from alaya_mcp.sandbox.deployments import STARTING, Deployment, Instance

_OURS = UUID("6f1d6a52-4c1b-4f0e-9d0a-5b1c8a2f7e11")
_PURPOSES = ("support", "search", "code-review", "translation", "客服助手", "ocr", "summaries", "\uff31\uff21 bot")
_MODELS = (("Qwen/Qwen3-8B", "qwen3-8b"), ("Qwen/Qwen3-32B", "qwen3-32b"), ("meta-llama/Llama-3.1-8B", "llama3.1-8b"))
_STAGES = ("prod", "staging", "PROD", "prod")  # one name twice, and once in capitals
_STATUSES = ("running", "running", "stoped", "running", "stopped", "failed", "running", STARTING, "stoping", "running")
_PLACES = (("vks-sandbox-1", "sandbox"), ("vks-sandbox-1", "research"), ("vks-sandbox-2", "sandbox"))
_LORA_EVERY = 7


def generated(count: int) -> tuple[Deployment, ...]:
    """Give so many deployments. Their ids are UUIDs; every fourth name is another's too."""
    names = (f"{purpose} {stage}" for purpose, stage in product(_PURPOSES, _STAGES))
    told = zip(cycle(names), cycle(_MODELS), cycle(_STATUSES), cycle(_PLACES), strict=False)
    return tuple(_deployment(number, *each) for number, each in enumerate(islice(told, count)))


def _deployment(number: int, name: str, model: tuple[str, str], status: str, place: tuple[str, str]) -> Deployment:
    model_id, served_name = model
    vks_id, namespace = place
    service_id = str(uuid5(_OURS, str(number)))
    is_lora = number % _LORA_EVERY == _LORA_EVERY - 1
    return Deployment(
        service_id=service_id,
        summary="one of many",
        api_key=f"sandbox-key-{number}",
        name=name,
        model=served_name,
        served_name=f"adapter-{number}" if is_lora else (served_name,),
        model_id=model_id,
        instances=(Instance("0", (f"adapter-{number}",) if is_lora else ()),),
        instance_shown=not is_lora,
        fields={"baseServiceId": str(uuid5(_OURS, "base"))} if is_lora else quick_start(()),
        source="lora" if is_lora else "quickstart",
        status=status,
        code=("0", 0)[number % 2],
        vks_id=vks_id,
        namespace=namespace,
        extensions={"team": name.partition(" ")[0]},
    )
