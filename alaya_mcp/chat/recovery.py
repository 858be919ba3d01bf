"""The meaning of a failed chat, and whether a fresh lookup allows another try.

A chat is sent again only if no engine can have started it: the rule is in docs/errors.md.
"""

from typing import Final

from alaya_mcp.chat.model_choice import listed_names, unserved
from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.readiness import not_ready, readiness
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.errors import AlayaError, ModelNotServed
from alaya_mcp.upstream.client import AlayaClient
from alaya_mcp.upstream.deployment_lookup import DeploymentCache
from alaya_mcp.upstream.explain import explain
from alaya_mcp.upstream.failures import NOTHING_WAS_SENT, Failure

_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_UNAVAILABLE: Final = 503


class Recovery:
    """Decides on the failures of one chat.

    Args:
        client: For error subjects and the engine's names.
        cache: Looks the deployment up again.
        service_id: The deployment.
        wanted: The model asked for, if any.
        was_kept: Whether the chat used a cached lookup.
    """

    def __init__(
        self, client: AlayaClient, cache: DeploymentCache, service_id: str, wanted: str | None, *, was_kept: bool
    ) -> None:
        self._client = client
        self._cache = cache
        self._service_id = service_id
        self._wanted = wanted
        self._was_kept = was_kept
        self._has_rotated = False

    async def after(
        self, failure: Failure, deployment: Deployment, deadline: Deadline, *, may_wait: bool
    ) -> Deployment:
        """Return the current deployment if the chat is worth sending again.

        Args:
            failure: Of the chat.
            deployment: As the chat used it.
            deadline: Of the call.
            may_wait: Whether the caller waits for the deployment to become ready.

        Raises:
            AlayaError: the failure's meaning, if it is not.
        """
        was_kept, self._was_kept = self._was_kept, False
        error = explain(failure, self._client.subject(self._service_id, deployment))
        if failure.status == _UNAUTHORIZED and not self._has_rotated:
            fresh = await self._fresh(error, deadline)
            if fresh.api_key != deployment.api_key:
                self._has_rotated = True
                return fresh
        elif failure.status == _UNAVAILABLE:
            fresh = await self._fresh(error, deadline)
            verdict = readiness(fresh)
            if verdict.may_pass and may_wait:
                return fresh
            if not verdict.ready:
                raise not_ready(fresh, self._service_id, refusal=error)
        elif failure.status == _FORBIDDEN:
            await self._fresh(error, deadline)  # raises if the deployment is gone
        elif failure.kind in NOTHING_WAS_SENT and was_kept:
            fresh = await self._fresh(error, deadline)
            if fresh.service_url != deployment.service_url or not readiness(fresh).ready:
                return fresh
        elif isinstance(error, ModelNotServed):
            known = await self._fresh(error, deadline) if was_kept else deployment
            listed = await listed_names(self._client, known, self._service_id, deadline)
            raise unserved(self._wanted, known, error, listed)
        raise error

    async def _fresh(self, error: AlayaError, deadline: Deadline) -> Deployment:
        """Return the current deployment; raise `error` if it cannot be read now."""
        try:
            return await self._cache.fresh(self._service_id, deadline)
        except AlayaError as other:
            if other.retryable:
                raise error from None
            raise
