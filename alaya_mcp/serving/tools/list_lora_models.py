"""list_lora_models: a deployment's adapters and the exact model name of each."""

from typing import Final

from pydantic import Field

from alaya_mcp.accounts import Account
from alaya_mcp.deployment.model_names import Names
from alaya_mcp.deployment.readiness import not_ready, readiness
from alaya_mcp.deployment.verification import verified
from alaya_mcp.deployment.views import lora_list_result
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.errors import AlayaError
from alaya_mcp.results import LoraListResult
from alaya_mcp.serving.caller import Caller
from alaya_mcp.serving.errors import told
from alaya_mcp.serving.tools.reading import Reading
from alaya_mcp.serving.tools.text import lora_list_text
from alaya_mcp.serving.tools.tool import Answer, DeploymentArguments, Tool
from alaya_mcp.upstream.explain import explain
from alaya_mcp.upstream.failures import Failure

_MOST_QUESTIONS: Final = 4
"""Requests to an engine with several instances, each of which answers for itself."""


class ListLoraModelsArguments(DeploymentArguments):
    """The deployment, and whether to ask its engine too."""

    verify: bool = Field(
        default=False, description="Also ask the engine, and say who reports each adapter, e.g. after a load."
    )


async def _run(account: Account, arguments: ListLoraModelsArguments, caller: Caller) -> Answer:
    reading = Reading.begin(account, caller)

    async def work() -> LoraListResult:
        service_id, deployment = await reading.deployment(arguments)
        if not arguments.verify:
            return lora_list_result(deployment, service_id)
        try:
            return verified(deployment, service_id, await _answers(reading, deployment, service_id))
        except AlayaError as error:  # the control plane's report is still useful
            result = lora_list_result(deployment, service_id)
            doubt = f"The engine's own list could not be read. {told(error)}"
            return result.model_copy(update={"warnings": [*result.warnings, doubt]})

    result = await reading.notes.during(work)
    return Answer.of(result, lora_list_text(result))


async def _answers(reading: Reading, deployment: Deployment, service_id: str) -> list[Names]:
    if not readiness(deployment).ready:
        raise not_ready(deployment, service_id)
    reading.notes.status("waiting", "asking the engine")
    client = reading.account.client
    engine = client.engine(deployment, service_id)
    ready = sum(instance.base_model_ready is True for instance in deployment.instances)
    answers: list[Names] = []
    try:
        for _ in range(min(max(ready, 1), _MOST_QUESTIONS)):
            answers.append(await client.served_names(engine, reading.deadline))  # noqa: PERF401 what came is kept
    except Failure as failure:
        if not answers:
            raise explain(failure, engine.subject) from None
    except AlayaError:
        if not answers:
            raise
    return answers


LIST_LORA_MODELS = Tool(
    name="list_lora_models",
    title="List LoRA models",
    description=(
        "List the LoRA adapters of a deployment, each with the exact name to pass as model to "
        "chat_with_deployment, and on how many instances it is loaded. An empty list says why. Changes nothing."
    ),
    arguments=ListLoraModelsArguments,
    result=LoraListResult,
    run=_run,
    idempotent=True,
)
