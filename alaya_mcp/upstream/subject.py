"""What a call to upstream is about. Pure."""

from dataclasses import dataclass

from alaya_mcp.config.precedence import KEY_PAIR_VARIABLES
from alaya_mcp.upstream.error_text import quotable


@dataclass(frozen=True, slots=True)
class Subject:
    """What a call is about.

    Attributes:
        service_id: The deployment asked for; empty where the list of them was.
        secrets: Values that must not be quoted back, should upstream echo them.
        key_pair: What holds the account's key pair, for the one who has to correct it.
        has_api_key: Whether the control plane reported a key for the deployment's engine.
    """

    service_id: str
    secrets: tuple[str, ...] = ()
    key_pair: str = KEY_PAIR_VARIABLES
    has_api_key: bool = True

    def words(self, message: str | None) -> str:
        """What upstream said, fit to be quoted in an error; empty for nothing."""
        return quotable(message, self.secrets)
