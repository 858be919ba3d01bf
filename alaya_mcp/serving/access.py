"""The account that a request may use, or why it may use none."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Protocol

from alaya_mcp.accounts import Account
from alaya_mcp.errors import AlayaError

Access = Account | AlayaError


def of_guest(error: AlayaError, access: Access) -> AlayaError:
    """Return an error, marked if its reader is a guest over HTTP."""
    is_guests = isinstance(access, Account) and access.settings.guest is not None
    return replace(error, is_guests=True) if is_guests else error


class AccountSource(Protocol):
    """Gives each request its account."""

    def using(self, request: Any, /) -> AbstractContextManager[Access]:  # noqa: ANN401 the SDK types it so
        """Yield what a request may use; it stays open while the block runs. `request` is None on stdio."""
        ...

    @property
    def lists_replies(self) -> bool:
        """Whether an account's replies are listed: all its callers are the same person."""
        ...


@dataclass(frozen=True, slots=True)
class OneAccount:
    """The same for every request."""

    access: Access
    lists_replies: bool = True

    def using(self, request: Any, /) -> AbstractContextManager[Access]:  # noqa: ANN401, ARG002 as the protocol has it
        """Yield the account."""
        return nullcontext(self.access)
