"""Whether the control plane and the engine tell the same adapters. Pure."""

from collections import Counter
from collections.abc import Sequence
from functools import reduce

from alaya_mcp.deployment.names import Names, deployment_names, together
from alaya_mcp.deployment.views import lora_list_result
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.results import LoraListResult, LoraModel


def verified(deployment: Deployment, service_id: str, answers: Sequence[Names]) -> LoraListResult:
    """The list of adapters, with who tells each of them.

    Args:
        deployment: As the control plane tells it.
        service_id: As it was asked for.
        answers: What the engine's `/v1/models` told, each time it was asked: each may come from another instance.
    """
    names = reduce(together, answers, deployment_names(deployment))
    result = lora_list_result(deployment, service_id, names)
    heard = Counter(name for answer in answers for name in {*answer.base, *answer.adapters})
    rows = [
        row.model_copy(update={"told_by": "both" if heard[row.name] else "control_plane"}) for row in result.lora_models
    ]
    known = {row.name for row in rows}
    if not names.is_lora_service:  # the engine of a LoRA service has its base's other adapters too
        rows += [
            LoraModel(
                name=name,
                model=names.exact(name),
                available="all" if heard[name] == len(answers) else "some",
                told_by="engine",
            )
            for name in names.adapters
            if name not in known
        ]
    summary = f"{result.summary} {_agreement(rows, len(answers))}"
    return result.model_copy(update={"lora_models": rows, "summary": summary})


def _agreement(rows: list[LoraModel], asked: int) -> str:
    gone = [row.name for row in rows if row.told_by == "control_plane"]
    loaded = [row.name for row in rows if row.told_by == "engine"]
    if not gone and not loaded:
        return "The engine itself tells the same." if rows else "The engine itself tells none either."
    parts = ["The engine itself tells otherwise."]
    if loaded:
        parts.append(f"It also has {', '.join(loaded)}, which can be asked all the same.")
    if gone:
        times = f" (asked {asked} times, perhaps not of every instance)" if asked > 1 else ""
        parts.append(f"It does not have {', '.join(gone)}{times}; a chat with that is likely to be refused.")
    return " ".join(parts)
