"""get_deployment: one deployment's state, names and launch configuration."""

from pydantic import Field

from alaya_mcp.accounts import Account
from alaya_mcp.config.settings import READ_BUDGET_SECONDS
from alaya_mcp.deployment.views import deployment_result
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.results import DeploymentResult
from alaya_mcp.serving.caller import Caller
from alaya_mcp.serving.tools.reading import Reading
from alaya_mcp.serving.tools.text import deployment_text
from alaya_mcp.serving.tools.tool import Answer, DeploymentArguments, Tool


class GetDeploymentArguments(DeploymentArguments):
    """The deployment, and how long to wait for it."""

    wait_seconds: float = Field(
        0,
        ge=0,
        le=READ_BUDGET_SECONDS,
        description="0 to 20: wait for a deployment that is loading",
    )


async def _run(account: Account, arguments: GetDeploymentArguments, caller: Caller) -> Answer:
    reading = Reading.begin(account, caller)
    service_id, deployment = await reading.notes.during(lambda: reading.deployment(arguments, arguments.wait_seconds))
    return deployment.once(_answer, service_id)


def _answer(deployment: Deployment, service_id: str) -> Answer:
    result = deployment_result(deployment, service_id)
    return Answer.of(result, deployment_text(result))


GET_DEPLOYMENT = Tool(
    name="get_deployment",
    title="Get deployment",
    description=(
        "Look at one model deployment on Alaya NeW: whether it is running and ready, every model name it serves "
        "(base and LoRA), its engine (vLLM or SGLang), endpoint, instances, GPUs and launch flags. "
        "Use it before a first chat, and to find out why a chat failed. Changes nothing; secrets are never shown."
    ),
    arguments=GetDeploymentArguments,
    result=DeploymentResult,
    run=_run,
    idempotent=True,
    card=True,
)
