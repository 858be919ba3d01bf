"""The text form of each result, complete on its own. Pure.

Some hosts show a model only this, others only the structured form (docs/decisions/two-forms.md).
"""

import json
import re
from typing import Any, Final

from pydantic import BaseModel

from alaya_mcp.comparison.result import ComparedAnswer, CompareResult
from alaya_mcp.printable import printable
from alaya_mcp.results import (
    ChatResult,
    DeploymentListResult,
    DeploymentResult,
    ExpertNode,
    LoraListResult,
    ReportedBy,
    Resources,
    ScaleConfig,
)

_REPORTED_BY: Final[dict[ReportedBy, str]] = {
    "both": "the control plane and the engine",
    "control_plane": "the control plane only",
    "engine": "the engine only",
}


def _compact(part: BaseModel) -> str:
    fields: dict[str, Any] = part.model_dump(exclude_none=True)
    return ", ".join(f"{key} {value}" for key, value in fields.items())


def _json(part: BaseModel) -> str:
    return json.dumps(part.model_dump(exclude_none=True), ensure_ascii=False)


def _listed(values: list[str]) -> str:
    return ", ".join(values) if values else "none"


def _warnings(warnings: list[str]) -> list[str]:
    return [f"warning: {warning}" for warning in warnings]


def deployment_text(result: DeploymentResult) -> str:
    """Return get_deployment's text: the summary, then one line per fact."""
    facts: list[tuple[str, object]] = [
        ("service_id", result.service_id),
        ("name", result.name),
        ("kind", result.kind),
        ("mode", result.mode),
        ("status", _status(result)),
        ("ready", "yes" if result.ready else "no"),
        ("models for chat", ", ".join(result.models) or None),
        ("lora_models", _listed(result.lora_models)),
        ("engine", result.engine),
        ("endpoint", result.endpoint),
        ("model_id", result.model_id),
        ("base_service_id", result.base_service_id),
        ("cluster", _compact(result.cluster) if result.cluster else None),
        ("total_gpus", result.total_gpus),
        ("scale", _scale(result.scale)),
    ]
    lines = [result.summary, "", *(f"{key}: {value}" for key, value in facts if value is not None)]
    if result.instances is not None:
        lines += [
            f"instance {instance.instance_id or '?'}: base model {'' if instance.base_model_ready else 'not '}ready, "
            f"adapters {_listed(instance.lora_models)}"
            for instance in result.instances
        ]
    if form := result.quick_start:
        version = f" {form.backend_version}" if form.backend_version else ""
        workers = "" if form.workers is None else f"; workers {form.workers}"
        launch = f"{form.backend or '?'}{version}; flags {_words(form.flags)}{workers}"
        lines.append(f"quick_start: {launch}{_resources(form.resources)}")
    if result.expert and result.expert.head:
        lines.append(f"head: {_node(result.expert.head)}")
    if result.expert and result.expert.worker:
        replicas = result.expert.worker.replicas
        lines.append(f"worker{'' if replicas is None else f' x {replicas}'}: {_node(result.expert.worker)}")
    return "\n".join([*lines, *_warnings(result.warnings)])


def _status(result: DeploymentResult) -> str:
    if result.status_raw is None or result.status_raw == result.status:
        return result.status
    return f"{result.status} (sent as {printable(result.status_raw)[:60]})"


def _words(flags: list[str]) -> str:
    return " ".join(flags) if flags else "none"


def _resources(resources: Resources | None) -> str:
    return f"; {_compact(resources)}" if resources and _compact(resources) else ""


def _scale(scale: ScaleConfig | None) -> str | None:
    return (_compact(scale) or None) if scale else None


def _node(node: ExpertNode) -> str:
    volumes = [_compact(volume) for volume in node.volumes]
    parts = [
        f"image {node.image or '?'}",
        f"program {node.program or '?'}",
        f"flags {_words(node.flags)}",
        f"env {_listed(node.env_names)} (values not shown)",
        f"labels {_listed(node.label_names)}",
        f"private registry {'yes' if node.private_registry else 'no'}",
        f"volumes {' | '.join(volumes)}" if volumes else "volumes none",
    ]
    return "; ".join(parts) + _resources(node.resources)


def deployment_list_text(result: DeploymentListResult) -> str:
    """Return list_deployments' text: the summary, then one line per deployment."""
    lines = [result.summary]
    if result.deployments:
        lines.append("")
    for row in result.deployments:
        ready = "" if row.ready is None else f", {'ready' if row.ready else 'not ready'}"
        facts = [
            f"- {row.name or '(no name)'}: service_id {row.service_id}, {row.kind}, {row.status}{ready}",
            f"models {_listed(row.models)}" if row.models else "models: see get_deployment",
            f"model_id {row.model_id}" if row.model_id else "",
            f"cluster {_compact(row.cluster)}" if row.cluster else "",
        ]
        lines.append("; ".join(filter(None, facts)))
    if result.next_cursor:
        lines.append(f"next_cursor: {result.next_cursor}")
    return "\n".join([*lines, *_warnings(result.warnings)])


def lora_list_text(result: LoraListResult) -> str:
    """Return list_lora_models' text: the summary, then one line per adapter."""
    base = f"\nbase_service_id: {result.base_service_id}" if result.base_service_id else ""
    lines = [
        result.summary,
        "",
        f"service_id: {result.service_id}{base}",
        f"status: {result.status}",
        f"engine: {result.engine}",
        *([f"base_models: {', '.join(result.base_models)}"] if result.base_models else []),
    ]
    for row in result.lora_models:
        spread = "" if row.ready_on is None else f", ready on {row.ready_on} of {row.instances} instances"
        reported = "" if row.reported_by is None else f", reported by {_REPORTED_BY[row.reported_by]}"
        lines.append(f"- {row.name}: model={row.model}, available: {row.available}{spread}{reported}")
    return "\n".join([*lines, *_warnings(result.warnings)])


def _ruler(reply: str) -> str:
    """Return a line of dashes longer than any in the reply, so that a model cannot forge a section."""
    return "-" * (max(map(len, re.findall(r"^-{3,}$", reply, re.MULTILINE)), default=2) + 1)


def chat_text(result: ChatResult, *, is_later: bool = False) -> str:
    """Return chat_with_deployment's text: the facts, the reply, then tool calls, data and conversation.

    `is_later`: an earlier result has the text before.

    The model's text is below the first ruler, so that it can forge nothing above it; hosts that show only the start of
    a long result show the facts.
    """
    served = f", served by {result.served_by}" if result.served_by not in {None, result.model} else ""
    facts = [f"model {result.model}{served} on {result.service_id}"]
    if result.finish_reason:
        facts.append(f"finish_reason {result.finish_reason}")
    if result.truncated:
        facts.append(f"truncated: {result.truncated_reason}")
    if result.usage:
        facts.append(_compact(result.usage))
    facts.append(_compact(result.timing))
    lines = ["; ".join(facts)]
    if result.read_on:
        lines.append(f"read_on: {result.read_on}")
    lines += _warnings(result.warnings)
    reply = result.content or _no_text(result, is_later=is_later)
    more = _beside_the_reply(result, reply, is_later=is_later)
    ruler = _ruler("\n".join([reply, *more, result.reasoning or ""]))
    lines += [ruler, reply]
    if more:
        lines += [ruler, *more]
    if result.reasoning:
        lines += [ruler, "thinking, to the end:", result.reasoning]
    return "\n".join(lines)


def comparison_text(result: CompareResult) -> str:
    """Return compare_models' text: the facts about each model, then each reply in a section of its own."""
    lines = [result.summary, *_warnings(result.warnings), "", f"service_id: {result.service_id}"]
    for answer in result.answers:
        lines.append(_row(answer))
        lines += [f"read_on: {answer.read_on}"] if answer.read_on else []
        lines += _warnings(answer.warnings)
    sections = [section for answer in result.answers if answer.error is None for section in _sections(answer)]
    ruler = _ruler("\n".join(sections))
    return "\n".join([*lines, *(line for section in sections for line in (ruler, section))])


def _row(answer: ComparedAnswer) -> str:
    """Return the facts about one model's answer, or why there is none."""
    if answer.error:
        return f"- {answer.model} ({answer.kind}): {answer.error.message}"
    served = f"served by {answer.served_by}" if answer.served_by not in {None, answer.model} else ""
    facts = [
        {None: "", True: "differs from the base model", False: "same as the base model"}[answer.differs],
        served,
        f"finish_reason {answer.finish_reason}" if answer.finish_reason else "",
        f"truncated: {answer.truncated_reason}" if answer.truncated else "",
        {None: "", True: "follows response_schema", False: "does not follow response_schema"}[answer.valid],
        _compact(answer.usage) if answer.usage else "",
        _compact(answer.timing) if answer.timing else "",
    ]
    return f"- {answer.model} ({answer.kind}): {'; '.join(filter(None, facts))}"


def _sections(answer: ComparedAnswer) -> list[str]:
    """Return what a model wrote, and the same as data where it is not bare."""
    content = answer.content or ""
    empty = "(nothing yet)" if answer.truncated_reason == "still_generating" else "(no reply)"
    sections = [f"{answer.model} answers:\n{content or empty}"]
    if answer.parsed is not None and content.lstrip().startswith("```"):
        sections.append(f"{answer.model}, parsed:\n{json.dumps(answer.parsed, ensure_ascii=False)}")
    if answer.reasoning:
        sections.append(f"{answer.model}, thinking, to the end:\n{answer.reasoning}")
    return sections


def _no_text(result: ChatResult, *, is_later: bool) -> str:
    if result.truncated_reason == "still_generating":
        return "(nothing new yet)" if is_later else "(nothing yet)"
    if is_later:
        return "(no more text)"
    return "(no reply, but tool calls)" if result.tool_calls else "(no reply)"


def _beside_the_reply(result: ChatResult, reply: str, *, is_later: bool) -> list[str]:
    lines = [f"tool call: {_json(call)}" for call in result.tool_calls or ()]
    if result.parsed is not None:
        is_bare = not is_later and not reply.lstrip().startswith("```")
        data = "" if is_bare else f": {json.dumps(result.parsed, ensure_ascii=False)}"
        lines.append(f"parsed: the {'whole reply' if is_later else 'reply above'} follows response_schema{data}")
    if result.messages is not None:
        messages = [message.model_dump(exclude_none=True) for message in result.messages]
        lines += [
            "the conversation so far, to send as messages with your next message added:",
            json.dumps(messages, ensure_ascii=False),
        ]
    return lines
