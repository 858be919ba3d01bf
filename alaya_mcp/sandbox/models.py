"""Which model a request's `model` field means, and the list of models, as each engine sees them."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from alaya_mcp.sandbox.refusals import MAX_MODEL_LEN, RefusedError

if TYPE_CHECKING:
    from alaya_mcp.sandbox.chat_request import ChatRequest
    from alaya_mcp.sandbox.deployments import Deployment, Instance


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
        return _find_on_sglang(deployment, instance, chat)
    return _find_on_vllm(deployment, instance, chat)


def list_models(deployment: Deployment, instance: Instance) -> dict[str, object]:
    """Give the answer of `GET /v1/models` (recorded: models; SGLang's from its source)."""
    base = [
        _card(deployment, name, parent=None, length=MAX_MODEL_LEN) for name in (deployment.model, *deployment.aliases)
    ]
    adapters = [_card(deployment, name, parent=deployment.model, length=None) for name in instance.lora_models]
    return {"object": "list", "data": base + adapters}


def _find_on_vllm(deployment: Deployment, instance: Instance, chat: ChatRequest) -> Target:
    # Recorded: a missing or empty model and SGLang's lora_path field are silently answered by the base.
    aliases = (deployment.model, *deployment.aliases)
    if not chat.model or chat.model in aliases:
        return Target(deployment.model, deployment.model)
    if chat.model in instance.lora_models:
        return Target(chat.model, deployment.model, chat.model)
    raise RefusedError(
        f"The model `{chat.model}` does not exist. Valid aliases: {', '.join(aliases)}.",
        status=404,
        kind="NotFoundError",
        param="model",
    )


def _find_on_sglang(deployment: Deployment, instance: Instance, chat: ChatRequest) -> Target:
    # SGLang's source: what stands after the colon is the adapter and goes before lora_path; the name itself
    # is never looked at. That the answer repeats it, its default and the text of the refusal are assumed.
    name = chat.model or "default"
    _, _, adapter = name.partition(":")
    if not adapter and isinstance(chat.lora_path, str):
        adapter = chat.lora_path
    if not adapter:
        return Target(name, deployment.model)
    if adapter not in instance.lora_models:
        loaded = ", ".join(instance.lora_models)
        raise RefusedError(
            f"The following requested LoRA adapters are not loaded: {adapter}\nLoaded adapters: {loaded}."
        )
    return Target(name, deployment.model, adapter)


def _card(deployment: Deployment, name: str, *, parent: str | None, length: int | None) -> dict[str, object]:
    created = int(time.time())
    card: dict[str, object] = {
        "id": name,
        "object": "model",
        "created": created,
        "owned_by": deployment.engine,
        "root": f"models/{name if parent else deployment.model}",
        "parent": parent,
        "max_model_len": length,
    }
    if deployment.engine == "vllm":
        card["permission"] = [
            {
                "id": f"modelperm-{secrets.token_hex(8)}",
                "object": "model_permission",
                "created": created,
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
        ]
    return card
