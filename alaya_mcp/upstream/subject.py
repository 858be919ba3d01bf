"""What a call to upstream is about. Pure."""

from dataclasses import dataclass, replace

from pydantic import SecretStr

from alaya_mcp.config.precedence import KEY_PAIR_VARIABLES
from alaya_mcp.upstream.error_text import quotable


@dataclass(frozen=True, slots=True)
class Subject:
    """What a call is about, for its errors.

    Attributes:
        service_id: The requested deployment; empty for the list.
        secrets: Values that must not be quoted back, should upstream echo them.
        key_pair: Where the account's key pair is set.
        has_api_key: Whether the control plane reported a key for the deployment's engine.
    """

    service_id: str
    secrets: tuple[SecretStr, ...] = ()
    key_pair: str = KEY_PAIR_VARIABLES
    has_api_key: bool = True

    def words(self, message: str | None) -> str:
        """Return upstream's message, ready to be quoted in an error; empty for None."""
        return quotable(message, tuple(secret.get_secret_value() for secret in self.secrets))

    def about(self, service_id: str, api_key: SecretStr | None) -> "Subject":
        """Return the subject of a call to a deployment's engine."""
        secrets = (*self.secrets, api_key) if api_key else self.secrets
        return replace(self, service_id=service_id, secrets=secrets, has_api_key=api_key is not None)
