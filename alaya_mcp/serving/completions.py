"""Completions for prompts and resource templates: deployment names and models, if they can be read quickly."""

import re
from collections.abc import Iterable
from typing import Final

import mcp_types as types
from mcp.shared.exceptions import MCPError

from alaya_mcp.accounts import Account
from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.model_names import deployment_names
from alaya_mcp.deployment.spelling import folded, references
from alaya_mcp.errors import AlayaError
from alaya_mcp.serving.access import Access
from alaya_mcp.serving.prompts import DEPLOYMENT_ARGUMENT, MODELS_ARGUMENT, PROMPTS
from alaya_mcp.serving.resources import listed_templates

_VARIABLE = re.compile(r"\{(\w+)\}")
_MOST_VALUES: Final = 100
"""The protocol's limit."""
_BUDGET_SECONDS: Final = 10.0
_NOTHING: Final = types.Completion(values=[], total=0, has_more=False)


async def completion(account: Access, params: types.CompleteRequestParams) -> types.Completion:
    """Return completions of the value being typed; none if they cannot be read quickly.

    Raises:
        MCPError: invalid params: unknown prompt, template or argument.
    """
    argument, typed = params.argument.name, params.argument.value
    _check(params.ref, argument)
    if isinstance(account, AlayaError):
        return _NOTHING
    others = (params.context.arguments if params.context else None) or {}
    deadline = Deadline.after(_BUDGET_SECONDS)
    try:
        if argument == DEPLOYMENT_ARGUMENT:
            return _matching(typed, await _deployments(account, deadline))
        if argument == MODELS_ARGUMENT:
            named = others.get(DEPLOYMENT_ARGUMENT) or account.settings.service_id
            chosen, comma, last = typed.rpartition(",")
            taken = {each.strip() for each in chosen.split(",")}
            known = await _models(account, named, deadline) if named else []
            models = [model for model in known if model not in taken]
            return _matching(last.strip(), models, before=f"{chosen}{comma} " if comma else "")
    except AlayaError:
        pass
    return _NOTHING


def _check(ref: types.PromptReference | types.ResourceTemplateReference, argument: str) -> None:
    if isinstance(ref, types.PromptReference):
        what, name = "prompt", ref.name
        known = {prompt.name: [each.name for each in prompt.arguments] for prompt in PROMPTS}
    else:
        what, name = "resource template", ref.uri
        known = {each.uri_template: _VARIABLE.findall(each.uri_template) for each in listed_templates()}
    if name not in known:
        raise _invalid(f"Unknown {what}. The {what}s are: {', '.join(known)}.")
    if argument not in known[name]:
        raise _invalid(f"Unknown argument. The arguments of {name} are: {', '.join(known[name])}.")


def _invalid(message: str) -> MCPError:
    return MCPError(code=types.INVALID_PARAMS, message=message)


async def _deployments(account: Account, deadline: Deadline) -> list[str]:
    """Return aliases, then names, running ones first, then ids."""
    rows = sorted(await account.names.known(deadline), key=lambda row: row.status != "running")
    aliases = account.settings.aliases
    return [*aliases, *references(rows, aliases), *(str(row.service_id) for row in rows)]


async def _models(account: Account, named: str, deadline: Deadline) -> list[str]:
    _, (deployment, _) = await account.names.find(named, deadline, account.cache.recent)
    return list(deployment_names(deployment).models)


def _matching(typed: str, values: Iterable[str], before: str = "") -> types.Completion:
    """Return the values that start with the typed text, then those that contain it."""
    wanted = folded(typed)
    found = [value for value in dict.fromkeys(values) if wanted in folded(value)]
    found.sort(key=lambda value: not folded(value).startswith(wanted))
    shown = [f"{before}{value}" for value in found[:_MOST_VALUES]]
    return types.Completion(values=shown, total=len(found), has_more=len(found) > len(shown))
