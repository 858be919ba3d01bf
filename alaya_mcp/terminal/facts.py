"""Facts about a deployment, its models and its answers, in lines for a person. Pure."""

from collections.abc import Iterable
from typing import Final

from alaya_mcp.chat.remark import WORDS, Remark, words_of
from alaya_mcp.deployment.readiness import readiness
from alaya_mcp.deployment.spelling import label
from alaya_mcp.deployment.views import deployment_result
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.results import ChatResult, LoraListResult, LoraModel, TruncatedReason

_CUTS: Final[dict[TruncatedReason, str]] = {
    "max_tokens": "it reached the engine's limit of tokens, or the end of the context",
    "deadline": "the time limit of one answer is over; --timeout sets it",
    "idle": "the engine stopped sending",
    "stream_cut": "the connection to the engine closed before the end",
    "upstream_error": "the engine failed in the middle of it",
    "size_cap": "it is larger than this program's limit",
    "content_filter": "a content filter of the engine or a gateway ended it",
}


def doubts(remarks: Iterable[Remark]) -> list[str]:
    """Return the warnings about an answer, except that it was cut."""
    return [words_of(WORDS[remark.kind], remark) for remark in remarks if remark.kind in WORDS]


def cut_line(result: ChatResult) -> str | None:
    """Return why an answer is incomplete, None if it is complete."""
    return f"Cut: {_CUTS[result.truncated_reason]}." if result.truncated and result.truncated_reason else None


def deployment_line(deployment: Deployment) -> str:
    """Return the deployment's name and state."""
    return f"{label(deployment)} is {readiness(deployment).state}."


def model_line(model: str | None, adapters: tuple[str, ...]) -> str:
    """Return which model answers, and the LoRAs."""
    answers = f"{model} answers" if model else "Its model is not known yet"
    loras = {0: "no LoRAs", 1: "1 LoRA"}.get(len(adapters), f"{len(adapters)} LoRAs")
    listed = f": {', '.join(adapters)}" if adapters else ""
    return f"{answers}; {loras}{listed}."


def model_lines(result: LoraListResult, asked: str | None) -> list[str]:
    """Return one line per model, the current one marked, LoRAs with where they are loaded."""
    rows = [(name, name, "base model") for name in result.base_models]
    rows += [(row.model, row.name, f"LoRA, {_loaded(row)}") for row in result.lora_models]
    width = max((len(model) for model, _, _ in rows), default=0)
    return [f"{'*' if asked in {model, name} else ' '} {model:<{width}}  {what}" for model, name, what in rows]


def _loaded(row: LoraModel) -> str:
    if row.reported_by == "engine":
        return "reported by the engine only"
    if row.ready_on is None:
        return "loaded" if row.available != "none" else "not loaded"
    return f"loaded on {row.ready_on} of {row.instances} instances" if row.ready_on else "loaded on no ready instance"


def deployment_lines(deployment: Deployment, service_id: str) -> list[str]:
    """Return the deployment's summary and facts."""
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
    """Return which model answered, and how fast."""
    served = f" (answered by {result.served_by})" if result.served_by not in {None, result.model} else ""
    tokens = result.usage.completion_tokens if result.usage else None
    timing = result.timing
    facts = [
        f"{result.model}{served}",
        None if tokens is None else f"{tokens} token{'' if tokens == 1 else 's'}",
        None if timing.first_token_seconds is None else f"{timing.first_token_seconds:.2f} s to the first token",
        f"{timing.total_seconds:.2f} s in total"
        if timing.tokens_per_second is None
        else f"{timing.tokens_per_second:g} tokens/s",
    ]
    return ", ".join(fact for fact in facts if fact)
