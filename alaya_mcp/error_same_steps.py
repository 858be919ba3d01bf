"""The next steps that are the same for every reader: things to do in a console. Pure."""

from typing import Final

from alaya_mcp.error_causes import Cause
from alaya_mcp.error_sentences import Row

OF_LOGIN: Final = ("profile ", "keychain ")
"""How the place of a key pair begins that `alayanew-mcp login` can replace."""

SAME_STEPS: Final[dict[Cause, Row]] = {
    "apikey_missing": "Check in the Alaya NeW console whether the deployment has an apikey; create one if it has none.",
    "apikey_unusable": "Renew the deployment's apikey in the Alaya NeW console.",
    "deployment_denied": "Check in the Alaya NeW console that the key pair's account may use it.",
    "quota_used_up": "Check the quota and the balance in the console of the engine's provider.",
    "deployment_failed": "It needs a change before it can run. Read its events and logs in the Alaya NeW console.",
    "deployment_state_unknown": "Look at it in the Alaya NeW console.",
    "service_url_missing": "Look at the deployment in the Alaya NeW console: it may not be set up yet.",
    "service_url_refused": "Correct the deployment's address in the Alaya NeW console.",
}
"""By cause."""
