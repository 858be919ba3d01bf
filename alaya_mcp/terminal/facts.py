"""What is said about a deployment, its models and its answers, in lines for a person. Pure."""

from collections.abc import Iterable
from typing import Final

from alaya_mcp.chat.remark import WORDS, Remark, words_of
from alaya_mcp.deployment.readiness import readiness
from alaya_mcp.deployment.spelling import label
from alaya_mcp.deployment.views import deployment_result
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.results import ChatResult, LoraListResult, LoraModel, TruncatedReason

_CUTS: Final[dict[TruncatedReason, str]] = {
    "max_tokens": "it ends at the most tokens that the engine gives, or at the end of the context",
    "deadline": "the time for one answer is over; --timeout gives more",
    "idle": "the engine fell silent",
    "stream_cut": "the connection to the engine ended before the answer did",
    "upstream_error": "the engine failed in the middle of it",
    "size_cap": "it is larger than this program reads",
    "content_filter": "a content filter of the engine or a gateway ended it",
}


def doubts(remarks: Iterable[Remark]) -> list[str]:
    """What should be known about an answer, without what `cut_line` tells."""
    return [words_of(WORDS[remark.kind], remark) for remark in remarks if remark.kind in WORDS]


def cut_line(result: ChatResult) -> str | None:
    """Why an answer is incomplete; None where it is not."""
    return f"Cut: {_CUTS[result.truncated_reason]}." if result.truncated and result.truncated_reason else None


def deployment_line(deployment: Deployment) -> str:
    """Which deployment it is, and its state."""
    return f"{label(deployment)} is {readiness(deployment).state}."


def model_line(model: str | None, adapters: tuple[str, ...]) -> str:
    """Which model answers, and how many LoRAs there are."""
    answers = f"{model} answers" if model else "Its model is not known yet"
    loras = {0: "no LoRAs", 1: "1 LoRA"}.get(len(adapters), f"{len(adapters)} LoRAs")
    listed = f": {', '.join(adapters)}" if adapters else ""
    return f"{answers}; {loras}{listed}."


def model_lines(result: LoraListResult, asked: str | None) -> list[str]:
    """What can be asked, the one that is asked marked; LoRAs with where they are loaded."""
    rows = [(name, name, "base model") for name in result.base_models]
    rows += [(row.model, row.name, f"LoRA, {_loaded(row)}") for row in result.lora_models]
    width = max((len(model) for model, _, _ in rows), default=0)
    return [f"{'*' if asked in {model, name} else ' '} {model:<{width}}  {what}" for model, name, what in rows]


def _loaded(row: LoraModel) -> str:
    if row.reported_by == "engine":
        return "reported by the engine only"
    if row.ready_on is None:
        return "loaded" if row.available != "none" else "not loaded"
    return f"loaded on {row.ready_on} of {row.instances} instances" if row.ready_on else "on no instance that is ready"


def deployment_lines(deployment: Deployment, service_id: str) -> list[str]:
    """The deployment at a glance."""
    result = deployment_result(deployment, service_id)
    facts: list[tuple[str, object]] = [
        ("id", result.service_id),
        ("models", ", ".join(result.models) or None),
        ("LoRAs", ", ".join(result.lora_models) or None),
        ("engine", None if result.engine == "unknown" else result.engine),
        ("endpoint", result.endpoint),
        ("model id", result.model_id),
        ("base deployment", result.base_service_id),
        ("GPUs", result.total_gpus),
    ]
    return [result.summary, *(f"{name}: {value}" for name, value in facts if value is not None)]


def answer_line(result: ChatResult) -> str:
    """Which model answered, and how fast."""
    served = f" (answered by {result.served_by})" if result.served_by not in {None, result.model} else ""
    tokens = result.usage.completion_tokens if result.usage else None
    timing = result.timing
    facts = [
        f"{result.model}{served}",
        None if tokens is None else f"{tokens} token{'' if tokens == 1 else 's'}",
        None if timing.first_token_seconds is None else f"{timing.first_token_seconds:.2f} s to the first token",
        f"{timing.total_seconds:.2f} s in all"
        if timing.tokens_per_second is None
        else f"{timing.tokens_per_second:g} tokens/s",
    ]
    return ", ".join(fact for fact in facts if fact)
