"""The checks of which deployment is meant, and of its state. Pure."""

from typing import Final

from alaya_mcp.deployment.readiness import readiness
from alaya_mcp.deployment.spelling import label, references
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.doctor.check import Check, Fact
from alaya_mcp.error_causes import NotReadyCause
from alaya_mcp.error_sentences import what_happened
from alaya_mcp.errors import AccessDenied, AlayaError, DeploymentNotFound

_MOST_SHOWN: Final = 10
_CORRECT_DEFAULT: Final = "Correct ALAYA_SERVICE_ID (or the profile's service_id)"
_START: Final = "Start it in the Alaya NeW console, then run the doctor again."
_STATES: Final[dict[NotReadyCause, tuple[str, str]]] = {
    "deployment_starting": ("deployment_starting", "Wait: a large model loads for minutes. Then run the doctor again."),
    "deployment_stopping": ("deployment_stopping", _START),
    "deployment_stopped": ("deployment_stopped", _START),
    "deployment_failed": (
        "deployment_failed",
        "It needs a change before it can run: look at its events and logs in the Alaya NeW console.",
    ),
    "deployment_state_unknown": (
        "unknown_state",
        "Look at it in the Alaya NeW console; nothing is sent to a deployment in an unknown state.",
    ),
    **dict.fromkeys(
        ("model_loading", "no_instance"),
        (
            "model_not_loaded",
            "Wait: its model may be loading. If it persists, look at its log and its scale in the console.",
        ),
    ),
}
"""Verdict and next step of the states in which a deployment cannot answer."""


def found(service_id: str, deployment: Deployment, named: str) -> Check:
    """Return the check for a deployment that was found; `named` is what it was called."""
    name = f"{deployment.name} ({service_id})" if deployment.name else service_id
    kind = f"a LoRA service on {deployment.base_service_id}" if deployment.is_lora_service else ""
    as_named = f"named by {named}" if named not in {service_id, deployment.name} else ""
    return Check("deployment", "ok", "deployment_found", ", ".join(filter(None, (name, kind, as_named))))


def not_found(error: AlayaError, *, is_default: bool) -> Check:
    """Return the check for an error in place of the deployment; `is_default` if the settings name it."""
    facts = tuple(Fact("candidate", each) for each in error.candidates)
    if isinstance(error, DeploymentNotFound):
        verdict = "deployment_not_found"
        name = f"{_CORRECT_DEFAULT} to the" if is_default else "Use the"
        step = f"{name} id, name or alias of one of this account's deployments; other accounts' cannot be seen."
    elif error.cause == "name_ambiguous":
        verdict = "name_ambiguous"
        step = f"{_CORRECT_DEFAULT} to the id of the one you mean." if is_default else "Use the id of the one you mean."
    elif error.cause in {"base_url_path_wrong", "list_missing"}:
        verdict = "base_url_path"
        step = "Correct ALAYA_BASE_URL: it ends in the path of the serverless-infer API, /api/serverless-infer/v1."
    elif isinstance(error, AccessDenied):
        verdict = "deployment_denied"
        step = "Use its id, and check in the Alaya NeW console that the key's account may use it."
    else:
        verdict, step = "lookup_failed", "Try again later; if it persists, look at the deployment in the console."
    return Check("deployment", "failed", verdict, what_happened(error), step, facts)


def none_named(rows: list[Deployment] | None) -> Check:
    """Return the check for the case that no deployment is named; `rows` is None if they cannot be listed."""
    running = [row for row in rows or () if row.status == "running"]
    if rows is None:
        seen = ""
    elif running:
        seen = f"; {len(running)} of {len(rows)} are running"
    else:
        seen = f"; none of {len(rows)} is running" if rows else "; the account has none"
    ways = {str(row.service_id): way for way, row in references(running).items()}
    facts = tuple(
        Fact("running", label(row), "" if (way := ways[str(row.service_id)]) == row.name else f"as {way}")
        for row in running[:_MOST_SHOWN]
    )
    if len(running) > _MOST_SHOWN:
        facts = (*facts, Fact("running", f"and {len(running) - _MOST_SHOWN} more"))
    step = "Check one with `alayanew-mcp doctor NAME`. ALAYA_SERVICE_ID sets a default for every tool."
    return Check("deployment", "skipped", "no_deployment_named", f"none is named{seen}", step, facts)


def about_state(deployment: Deployment) -> Check:
    """Return the check of the deployment's state; one that passes by itself is a warning."""
    verdict = readiness(deployment)
    if verdict.cause is None:
        doubt = f". {verdict.doubt}" if verdict.doubt else ""
        return Check("state", "ok", "deployment_running", f"{verdict.state}{doubt}")
    name, step = _STATES[verdict.cause]
    return Check("state", "warning" if verdict.may_pass else "failed", name, verdict.state, step)
