"""A bug costs one call: the agent hears that it is none of its doing, the log hears where, nobody hears a value."""

import dataclasses
import logging

import mcp_types as types
import pytest
from mcp.shared.exceptions import MCPError

from alaya_mcp.accounts import Account, open_account
from alaya_mcp.errors import NotConfigured
from alaya_mcp.progress import Phase
from alaya_mcp.results import DeploymentResult
from alaya_mcp.serving.caller import Caller
from alaya_mcp.serving.errors import guarded
from alaya_mcp.serving.tools.get_deployment import GET_DEPLOYMENT, GetDeploymentArguments
from tests.calls import error_of, text_of
from tests.upstream import Upstream

pytestmark = [pytest.mark.anyio]


async def quiet(progress: float, message: str, phase: Phase) -> None:
    """A host that asked for no notes."""


@pytest.mark.parametrize(
    "bug",
    [
        KeyError("planted-value"),
        ExceptionGroup("planted-value", [ExceptionGroup("inner", [ValueError("planted-value")])]),
    ],
    ids=["plain", "grouped"],
)
async def test_a_bug_is_an_internal_error_that_shows_nothing(bug: Exception, caplog: pytest.LogCaptureFixture) -> None:
    async def run(account: Account, arguments: GetDeploymentArguments, caller: Caller) -> DeploymentResult:
        del account, arguments, caller
        raise bug

    tool = dataclasses.replace(GET_DEPLOYMENT, run=run)
    async with Upstream() as upstream, open_account(upstream.settings()) as account:
        with caplog.at_level(logging.ERROR, logger="alaya_mcp"):
            result = await tool.call(account, {}, Caller(quiet))

    assert error_of(result) == {"code": "internal_error", "retryable": False}
    assert "planted-value" not in text_of(result) + caplog.text
    kind = "KeyError" if isinstance(bug, KeyError) else "ValueError"
    assert f"get_deployment failed with {kind}" in caplog.text


async def test_a_bug_of_another_handler_costs_one_request_and_shows_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def read_resource(context: None, params: None) -> None:
        del context, params
        raise ValueError("planted-value")

    with pytest.raises(MCPError) as raised:
        await guarded(read_resource)(None, None)

    assert raised.value.error.code == types.INTERNAL_ERROR
    assert "planted-value" not in raised.value.error.message + caplog.text
    assert "read_resource failed with ValueError" in caplog.text


async def test_a_server_without_settings_still_checks_arguments_first() -> None:
    problem = NotConfigured("key_missing")

    wrong = await GET_DEPLOYMENT.call(problem, {"servce": 1}, Caller(quiet))
    right = await GET_DEPLOYMENT.call(problem, None, Caller(quiet))

    assert error_of(wrong)["code"] == "invalid_arguments"
    assert error_of(right)["code"] == "not_configured"
