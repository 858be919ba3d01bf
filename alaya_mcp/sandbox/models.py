"""Which model a request's `model` field means, and the list of models, as each engine sees them."""

import secrets
import time
from dataclasses import dataclass

from alaya_mcp.sandbox.chat_request import ChatRequest
from alaya_mcp.sandbox.deployments import Deployment, Instance
from alaya_mcp.sandbox.refusals import MAX_MODEL_LEN, unknown_adapter, unknown_model

_PERMISSION: dict[str, object] = {
    "allow_create_engine": False,
    "allow_sampling": True,
    "allow_logprobs": True,
    "allow_search_indices": False,
    "allow_view": True,
    "allow_fine_tuning": False,
    "organization": "*",
    "group": None,
    "is_blocking": False,
}


@dataclass(frozen=True, slots=True)
class Target:
    """What answers a request: the base model or an adapter on it, and the name that the answer gives."""

    name: str
    base: str
    adapter: str | None = None


def find_target(deployment: Deployment, instance: Instance, chat: ChatRequest) -> Target:
    """Choose what answers, by the naming of the deployment's engine.

    Raises:
        RefusedError: The engine does not know the name.
    """
    if deployment.engine == "sglang":
        # SGLang's source: what follows the colon is the adapter and goes before lora_path; the name itself is never
        # looked at. That the answer repeats it, its default and the text of the refusal are assumed.
        name = chat.model or "default"
        adapter = name.partition(":")[2] or (chat.lora_path if isinstance(chat.lora_path, str) else "")
        if adapter and adapter not in instance.lora_models:
            raise unknown_adapter(adapter, instance.lora_models)
        return Target(name, deployment.model, adapter or None)
    # Recorded: a missing or empty model and SGLang's lora_path field are silently answered by the base.
    if not chat.model or chat.model in deployment.names:
        return Target(deployment.model, deployment.model)
    if chat.model in instance.lora_models:
        return Target(chat.model, deployment.model, chat.model)
    raise unknown_model(chat.model, deployment.names)


def list_models(deployment: Deployment, instance: Instance) -> list[object]:
    """Return the `data` of `GET /v1/models` (recorded: models; SGLang's from its source)."""
    base = [_card(deployment, name, parent=None) for name in deployment.names]
    return [*base, *(_card(deployment, name, parent=deployment.model) for name in instance.lora_models)]


def _card(deployment: Deployment, name: str, *, parent: str | None) -> dict[str, object]:
    created = int(time.time())
    card: dict[str, object] = {
        "id": name,
        "object": "model",
        "created": created,
        "owned_by": deployment.engine,
        "root": f"models/{name if parent else deployment.model}",
        "parent": parent,
        "max_model_len": None if parent else MAX_MODEL_LEN,
    }
    if deployment.engine == "vllm":
        head = {"id": f"modelperm-{secrets.token_hex(8)}", "object": "model_permission", "created": created}
        card["permission"] = [head | _PERMISSION]
    return card
