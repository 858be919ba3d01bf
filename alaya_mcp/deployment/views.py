"""Map the control plane's data to the results that agents see: an allow-list of fields. Pure."""

from typing import Any

from alaya_mcp.deployment.launch import program, shown_flags, shown_image
from alaya_mcp.deployment.model_names import Names, deployment_names, launch_name
from alaya_mcp.deployment.readiness import Readiness, readiness
from alaya_mcp.deployment.wire import Deployment, NodeConfig, QuickStart, Resource
from alaya_mcp.error_causes import NotReadyCause
from alaya_mcp.origins import Origin, UrlRefused, is_link_local, shown_endpoint
from alaya_mcp.results import (
    Availability,
    Cluster,
    DeploymentResult,
    ExpertConfig,
    ExpertNode,
    ExpertWorker,
    InstanceState,
    LoraListResult,
    LoraModel,
    QuickStartConfig,
    Resources,
    ScaleConfig,
    Volume,
)

_ENGINE_UNKNOWN = (
    "The engine is unknown, so adapters are named as for vLLM; SGLang needs base-name:adapter. A chat reads "
    "the engine's name from its /v1/models."
)


_LOADING = "Its model is still loading: trying again helps once it is loaded, which can take minutes."
_NEXT_STEPS: dict[NotReadyCause, str] = {
    "deployment_starting": _LOADING,
    "model_loading": _LOADING,
    "no_instance": "It may be starting one, or have been scaled down: trying again helps once it is loaded.",
    "deployment_stopping": "It will not answer again until somebody starts it in the Alaya NeW console.",
    "deployment_stopped": "Start it in the Alaya NeW console, then look again.",
    "deployment_failed": "Look at its events and logs in the Alaya NeW console; it needs a change before it can run.",
    "deployment_state_unknown": "Look at it in the Alaya NeW console.",
}
"""The next step for a deployment that is not ready, at the end of a summary."""


def _next_step(verdict: Readiness) -> str:
    return f" {_NEXT_STEPS[verdict.cause]}" if verdict.cause else ""


def deployment_result(deployment: Deployment, service_id: str) -> DeploymentResult:
    """Return get_deployment's result."""
    names = deployment_names(deployment)
    verdict = readiness(deployment)
    endpoint, endpoint_warning = _endpoint(deployment)
    return DeploymentResult(
        service_id=deployment.service_id or service_id,
        name=deployment.name,
        mode=deployment.mode,
        model_id=deployment.model_id,
        base_service_id=deployment.base_service_id,
        kind=deployment.kind,
        status=deployment.status,
        status_raw=deployment.status_raw,
        ready=verdict.ready,
        summary=_deployment_summary(deployment, names, verdict),
        models=list(names.models),
        lora_models=list(names.adapters),
        engine=names.engine,
        endpoint=endpoint,
        cluster=Cluster(vks_id=deployment.vks_id, namespace=deployment.namespace)
        if deployment.vks_id or deployment.namespace
        else None,
        instances=_instances(deployment),
        expert=_expert(deployment),
        quick_start=_quick_start(deployment.quick_start) if deployment.quick_start else None,
        scale=_scale(deployment),
        total_gpus=_total_gpus(deployment),
        warnings=_warnings(deployment, service_id, names, verdict, endpoint_warning),
    )


def lora_list_result(deployment: Deployment, service_id: str, known: Names | None = None) -> LoraListResult:
    """Return list_lora_models' result: the control plane's adapters, named by all known names."""
    reported = deployment_names(deployment)
    names = known or reported
    rows = [_lora_row(deployment, names, adapter) for adapter in reported.adapters]
    return LoraListResult(
        service_id=deployment.service_id or service_id,
        base_service_id=deployment.base_service_id,
        status=deployment.status,
        engine=names.engine,
        base_models=list(names.base),
        lora_models=rows,
        summary=_lora_summary(deployment, rows),
        warnings=_warnings(deployment, service_id, names, readiness(deployment), None),
    )


def _warnings(
    deployment: Deployment, service_id: str, names: Names, verdict: Readiness, endpoint_warning: str | None
) -> list[str]:
    warnings = [verdict.doubt, endpoint_warning]
    if deployment.service_id not in {None, service_id}:
        warnings.append(f"{service_id} was requested, but the answer is about {deployment.service_id}.")
    if names.lacks_base or names.is_empty:
        hint = f" ({hint})" if (hint := launch_name(deployment)) else ""
        what = "base model name" if names.adapters else "models"
        warnings.append(f"{what}: not reported by the control plane{hint}; leave model out of a chat.")
    if names.adapters and names.engine == "unknown":
        warnings.append(_ENGINE_UNKNOWN)
    if names.adapters and names.engine == "sglang" and not names.base:
        warnings.append(
            "SGLang needs base-name:adapter, but no base name is reported; bare names reach the base model."
        )
    return [warning for warning in warnings if warning]


def _endpoint(deployment: Deployment) -> tuple[str | None, str | None]:
    if deployment.service_url is None:
        return None, "The control plane reports no serviceUrl." if deployment.status == "running" else None
    try:
        url = shown_endpoint(deployment.service_url)
    except UrlRefused as refusal:
        return None, f"The serviceUrl cannot be used: it {refusal}."
    refused = is_link_local(Origin.of(url).host)
    return url, "The serviceUrl names a link-local address, so chats with it are refused." if refused else None


def _instances(deployment: Deployment) -> list[InstanceState] | None:
    if not deployment.reports_instances:
        return None
    return [
        InstanceState(
            instance_id=instance.instance_id,
            base_model_ready=instance.base_model_ready is True,
            lora_models=list(instance.lora_models),
        )
        for instance in deployment.instances
    ]


def _resources(resource: Resource | None) -> Resources | None:
    if resource is None:
        return None
    gpu = resource.gpu
    return Resources(
        cpu=resource.cpu,
        memory=resource.mem,
        gpu_type=gpu.gpu_type if gpu else None,
        gpu_count=gpu.count if gpu else None,
    )


def _node_fields(node: NodeConfig) -> dict[str, Any]:
    return {
        "image": shown_image(node.image),
        "program": program(node.cmd),
        "flags": shown_flags(node.cmd, node.args),
        "env_names": list(node.env_names),
        "label_names": list(node.label_names),
        "private_registry": node.pull_secret is not None and node.pull_secret.is_set,
        "resources": _resources(node.resource),
        "volumes": [
            Volume(
                name=mount.pvc_name,
                sub_path=mount.sub_path,
                mount_path=mount.container_path,
                read_only=mount.read_only,
            )
            for mount in node.mounts
        ],
    }


def _expert(deployment: Deployment) -> ExpertConfig | None:
    expert = deployment.expert
    if expert is None:
        return None
    return ExpertConfig(
        head=ExpertNode(**_node_fields(expert.head)) if expert.head else None,
        worker=ExpertWorker(**_node_fields(expert.worker), replicas=expert.worker.workers) if expert.worker else None,
    )


def _quick_start(form: QuickStart) -> QuickStartConfig:
    return QuickStartConfig(
        backend=form.backend,
        backend_version=form.backend_version,
        flags=shown_flags(form.backend_args),
        workers=form.resource.workers if form.resource else None,
        resources=_resources(form.resource),
    )


def _scale(deployment: Deployment) -> ScaleConfig | None:
    scale = deployment.autoscaling
    if scale is None:
        return None
    return ScaleConfig(min=scale.min, max=scale.max, rps_value=scale.rps_value, idle_time=scale.idle_time)


def _gpu_count(resource: Resource | None) -> int | None:
    count = resource.gpu.count if resource and resource.gpu else None
    return count if isinstance(count, int) else None


def _total_gpus(deployment: Deployment) -> int | None:
    """Return the GPUs of one running copy: head + workers x worker, or workers x count."""
    if deployment.expert:
        head, worker = deployment.expert.head, deployment.expert.worker
        head_gpus = _gpu_count(head.resource) if head else 0
        if worker is None:
            return head_gpus if head else None
        worker_gpus = _gpu_count(worker.resource)
        replicas = 1 if worker.workers is None else worker.workers
        if head_gpus is None or worker_gpus is None or not isinstance(replicas, int):
            return None
        return head_gpus + replicas * worker_gpus
    resource = deployment.quick_start.resource if deployment.quick_start else None
    count = _gpu_count(resource)
    workers = 1 if resource is None or resource.workers is None else resource.workers
    return count * workers if count is not None and isinstance(workers, int) else None


def _deployment_summary(deployment: Deployment, names: Names, verdict: Readiness) -> str:
    title = deployment.name or "This deployment"
    if deployment.is_lora_service:
        on = f" on base deployment {deployment.base_service_id}" if deployment.base_service_id else ""
        what = f"{title} is a LoRA service{on}"
        what += f", answering as {', '.join(names.adapters)}" if names.adapters else ""
    else:
        kind = {"vllm": "a vLLM deployment", "sglang": "an SGLang deployment"}.get(names.engine, "a deployment")
        serving = f" serving {' / '.join(names.base)}" if names.base else ""
        count = len(names.adapters)
        adapters = f" with {count} LoRA adapter{'s' if count > 1 else ''}" if count else ""
        what = f"{title} is {kind}{serving}{adapters}"
    return f"{what}; it is {verdict.state}.{_next_step(verdict)}"


def _lora_row(deployment: Deployment, names: Names, adapter: str) -> LoraModel:
    running = deployment.status == "running"
    if deployment.is_lora_service and not deployment.reports_instances:
        return LoraModel(name=adapter, model=names.exact(adapter), available="all" if running else "none")
    holders = [i for i in deployment.instances if i.base_model_ready is True]
    holding = sum(deployment.is_lora_service or adapter in i.lora_models for i in holders)
    available: Availability = "none"
    if running and holding:
        available = "all" if holding == len(holders) else "some"
    return LoraModel(
        name=adapter,
        model=names.exact(adapter),
        ready_on=holding,
        instances=len(deployment.instances),
        available=available,
    )


def _lora_summary(deployment: Deployment, rows: list[LoraModel]) -> str:
    verdict = readiness(deployment)
    if not rows:
        if deployment.is_lora_service:
            base = deployment.base_service_id or "that it is on"
            return f"The control plane reports no served name of this LoRA service; look at the base deployment {base}."
        if not verdict.ready:
            return (
                f"No adapters can be seen: the deployment is {verdict.state}, and only running instances report "
                f"them.{_next_step(verdict)}"
            )
        if not deployment.reports_instances:
            return (
                "No adapters are reported, because the control plane reports no instances of this deployment; "
                "one may still be loaded: pass its name as model to chat_with_deployment to try."
            )
        return (
            "No LoRA adapter is loaded. Deploy one onto this service in the Alaya NeW console "
            "(the engine must have been started with LoRA enabled)."
        )
    partly = [row.name for row in rows if row.available == "some"]
    nowhere = [row.name for row in rows if row.available == "none"]
    summary = f"{len(rows)} LoRA adapter{'s' if len(rows) > 1 else ''}: {', '.join(row.name for row in rows)}."
    if not verdict.ready:
        return f"{summary} None can answer now: the deployment is {verdict.state}.{_next_step(verdict)}"
    if partly:
        summary += f" Loaded on some instances only: {', '.join(partly)}; a chat may need more than one try."
    if nowhere:
        summary += f" On no ready instance: {', '.join(nowhere)}."
    return summary
