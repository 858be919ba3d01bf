"""The accounts of the HTTP server's callers: each request uses the one that it was granted."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from alaya_mcp.accounts import Accounts
from alaya_mcp.config.settings import Settings
from alaya_mcp.errors import RateLimited
from alaya_mcp.serving.access import Access
from alaya_mcp.serving.http.gate import GRANT


@dataclass(frozen=True, slots=True)
class CallersAccounts:
    """The accounts of all callers.

    Attributes:
        accounts: Those that are open.
        lists_replies: Whether each caller is shown the replies of its account.
    """

    accounts: Accounts
    lists_replies: bool = False

    @contextmanager
    def using(self, request: Any, /) -> Generator[Access]:  # noqa: ANN401 as the protocol has it
        """Yield the account that the request was granted."""
        grant = request.scope["state"][GRANT]
        if not isinstance(grant, Settings):
            yield grant
            return
        with ExitStack() as held:
            try:
                access: Access = held.enter_context(self.accounts.using(grant))
            except RateLimited as full:
                access = full
            yield access
