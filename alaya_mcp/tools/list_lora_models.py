"""list_lora_models: a deployment's adapters and the exact string that reaches each."""

from alaya_mcp.deployment.views import lora_list_result
from alaya_mcp.progress import Notify
from alaya_mcp.results import LoraListResult
from alaya_mcp.tools.text import lora_list_text
from alaya_mcp.tools.tool import Arguments, Session, Tool


class ListLoraModelsArguments(Arguments):
    """Just the deployment."""


async def _run(session: Session, arguments: ListLoraModelsArguments, notify: Notify) -> LoraListResult:
    service_id, deployment = await session.look_up(arguments.service_id, notify)
    return lora_list_result(deployment, service_id)


LIST_LORA_MODELS = Tool(
    name="list_lora_models",
    title="List LoRA models",
    description=(
        "List the LoRA adapters of a deployment, each with the exact string to pass as model to "
        "chat_with_deployment, and on how many instances it is loaded. An empty list says why. Changes nothing."
    ),
    arguments=ListLoraModelsArguments,
    result=LoraListResult,
    run=_run,
    text=lora_list_text,
    idempotent=True,
)
