"""Whether the control plane and the engine report the same adapters. Pure."""

from collections import Counter
from collections.abc import Sequence
from functools import reduce

from alaya_mcp.deployment.model_names import Names, deployment_names, together
from alaya_mcp.deployment.views import lora_list_result
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.results import LoraListResult, LoraModel


def verified(deployment: Deployment, service_id: str, answers: Sequence[Names]) -> LoraListResult:
    """Return the list of adapters, with the side that reports each.

    Args:
        deployment: As the control plane reports it.
        service_id: As requested.
        answers: The names in each response of the engine's `/v1/models`: each may come from another instance.
    """
    names = reduce(together, answers, deployment_names(deployment))
    result = lora_list_result(deployment, service_id, names)
    counts = Counter(name for answer in answers for name in {*answer.base, *answer.adapters})
    rows = [
        row.model_copy(update={"reported_by": "both" if counts[row.name] else "control_plane"})
        for row in result.lora_models
    ]
    known = {row.name for row in rows}
    if not names.is_lora_service:  # the engine of a LoRA service also lists its base's other adapters
        rows += [
            LoraModel(
                name=name,
                model=names.exact(name),
                available="all" if counts[name] == len(answers) else "some",
                reported_by="engine",
            )
            for name in names.adapters
            if name not in known
        ]
    is_whole = all(answer.is_whole for answer in answers)
    agreement = _agreement(rows, len(answers), is_whole=is_whole)
    unlisted = [] if names.is_lora_service else [name for name in deployment.served_names if not counts[name]]
    if unlisted and is_whole and (listed := [name for answer in answers for name in answer.base]):
        agreement += (
            f" But the engine lists {', '.join(dict.fromkeys(listed))} where the control plane reports "
            f"{', '.join(unlisted)}: a chat with it may be refused, so pass a name that the engine lists as model."
        )
    return result.model_copy(update={"lora_models": rows, "summary": f"{result.summary} {agreement}"})


def _agreement(rows: list[LoraModel], asked: int, *, is_whole: bool) -> str:
    gone = [row.name for row in rows if row.reported_by == "control_plane"]
    loaded = [row.name for row in rows if row.reported_by == "engine"]
    if not gone and not loaded:
        return "The control plane and the engine agree about the adapters."
    parts: list[str] = []
    if loaded:
        parts.append(f"the engine also serves {', '.join(loaded)}, which the control plane does not list")
    if gone and is_whole:
        times = f" (asked {asked} times, perhaps not every instance)" if asked > 1 else ""
        parts.append(f"it does not list {', '.join(gone)}{times}; a chat with it is likely to be refused")
    disagreement = f"The engine disagrees: {'; '.join(parts)}." if parts else ""
    doubt = f"The engine's /v1/models could only be read in part, so it may still serve {', '.join(gone)}."
    return " ".join(filter(None, [disagreement, "" if is_whole or not gone else doubt]))
