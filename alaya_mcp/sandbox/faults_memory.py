"""Which fault each deployment of a running sandbox shows, and what it remembers of having shown it."""

from __future__ import annotations

import secrets
from collections import Counter
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Final, cast

from starlette.requests import ClientDisconnect, Request

from alaya_mcp.sandbox.deployments import Deployment, Instance
from alaya_mcp.sandbox.faults import find_fault
from alaya_mcp.sandbox.faults_bodies import BODIES
from alaya_mcp.sandbox.faults_control import BAD_URL, CONTROL
from alaya_mcp.sandbox.faults_exchange import Exchange
from alaya_mcp.sandbox.faults_gateways import GATEWAYS
from alaya_mcp.sandbox.faults_lists import MODEL_LISTS
from alaya_mcp.sandbox.faults_refusals import REFUSALS
from alaya_mcp.sandbox.faults_script import read_script
from alaya_mcp.sandbox.faults_streams import STREAMS
from alaya_mcp.sandbox.stats import Chat

if TYPE_CHECKING:
    from starlette.types import Send

    from alaya_mcp.sandbox.faults import Fault
    from alaya_mcp.sandbox.stats import Stats

PREFIX: Final = "fault-"
WRONG_NAME: Final = "qwen3-8b-renamed"

_ONCE = ("busy-once", "rate-limited-once", "control-once")
_NO_CHAT = (*REFUSALS, "redirect-302", "redirect-307", "endless-body")
_CHAT_SHOWS = {**STREAMS, **GATEWAYS, **BODIES, **REFUSALS}


def fault_deployment(service_id: str) -> Deployment | None:
    """Give the deployment that shows the fault its id names; None for any other id."""
    try:
        fault = find_fault(service_id.removeprefix(PREFIX)) if service_id.startswith(PREFIX) else None
    except ValueError:
        fault = None
    if fault is None:
        return None
    engine = "sglang" if fault.sglang else "vllm"
    return Deployment(
        service_id=service_id,
        summary=fault.summary,
        api_key=f"sandbox-key-{fault.name}",
        name=fault.name,
        model="qwen3-8b",
        served_name=("qwen3-8b",),
        model_id="Qwen/Qwen3-8B",
        instances=(Instance("0", ("support-zh",)),),
        engine=engine,
        fields={"mode": "quickStart", "expert": None, "quickStart": {"backend": engine}},
    )


class Faults:
    """The faults of one running sandbox.

    Args:
        everywhere: The fault that every deployment shows which is not there for another.
        stats: Counters; a chat counts as started unless it is answered with a status other than 200.
        token_delay: Seconds before each token.
        slow_seconds: Seconds until what is slow comes.
        tls_origin: Where TLS is promised and not spoken.
        closed_origin: Where nothing listens.
    """

    def __init__(
        self,
        everywhere: Fault | None,
        stats: Stats,
        *,
        token_delay: float,
        slow_seconds: float,
        tls_origin: str,
        closed_origin: str,
    ) -> None:
        self._everywhere = everywhere
        self._stats = stats
        self._token_delay = token_delay
        self._slow_seconds = slow_seconds
        self._urls = {
            "dns": "http://engine.invalid",
            "tls": f"{tls_origin}/serve",
            "refused": f"{closed_origin}/serve",
            "control-bad-url": BAD_URL,
        }
        self._met: set[tuple[str, str]] = set()
        self._looks: Counter[str] = Counter()
        self._rotations: Counter[str] = Counter()
        self._refused: set[str] = set()

    def accepts(self, deployment: Deployment, key: str, *, chatting: bool) -> bool:
        """Tell whether an engine takes a key. A fault of the key concerns chats alone."""
        name = self._name(deployment.service_id)
        rotations = self._rotations[deployment.service_id]
        if name == "control-no-key":
            return True
        if name == "rejected-key" and chatting:
            return False
        if name == "rotated-key" and not chatting:
            return any(_same(key, _key(deployment, issued)) for issued in range(rotations + 1))
        right = _same(key, _key(deployment, rotations))
        if name == "rotated-key" and not (right and rotations):
            self._refused.add(deployment.service_id)
            return False
        return right

    async def answer_chat(self, request: Request, send: Send, deployment: Deployment) -> bool:
        """Show a deployment's fault in place of a chat's answer; False when the answer is to be a good one.

        Raises:
            ClientDisconnect: The client left before it had asked.
        """
        fault = self._fault(deployment.service_id)
        show = fault and _CHAT_SHOWS.get(fault.name)
        if fault is None or show is None or not self._meets(fault.name, deployment.service_id):
            return False
        raw = await request.body()
        with nullcontext(Chat()) if fault.name in _NO_CHAT else self._stats.chat() as counted:
            script = read_script(
                raw,
                deployment,
                sglang=fault.sglang or deployment.engine == "sglang",
                token_delay=self._token_delay,
                slow_seconds=self._slow_seconds,
                counted=counted,
            )
            await Exchange(request, send).run(lambda exchange: show(exchange, script))
        return True

    async def answer_control(self, request: Request, send: Send, path: str) -> bool:
        """Show a fault in place of what the control plane would answer; False when it is to answer properly."""
        fault = self._everywhere
        if fault is None or fault.name not in CONTROL:
            fault = self._fault(path.removeprefix("deployment/"))
        show = fault and CONTROL.get(fault.name)
        if fault is None or show is None or not self._meets(fault.name, path):
            return False
        with suppress(ClientDisconnect):  # it left before it had asked
            await Exchange(request, send).run(show)
        return True

    def change_detail(self, deployment: Deployment, detail: dict[str, object]) -> dict[str, object]:
        """Give a deployment's detail as its fault wants it."""
        service_id = deployment.service_id
        name = self._name(service_id)
        self._looks[service_id] += 1
        if service_id in self._refused:
            self._refused.discard(service_id)
            self._rotations[service_id] += 1
        if name == "wrong-served-name":
            return detail | {"servedName": [WRONG_NAME]}
        if name == "restarting" and self._looks[service_id] > 1:
            return detail | {"status": "starting", "instance": None}
        return self._reached(deployment, detail)

    def change_row(self, deployment: Deployment, row: dict[str, object]) -> dict[str, object]:
        """Give a deployment's row in the list as its fault wants it, as far as rows tell what details do."""
        if self._name(deployment.service_id) == "wrong-served-name":
            return row | {"servedName": WRONG_NAME}
        return self._reached(deployment, row)

    def _reached(self, deployment: Deployment, told: dict[str, object]) -> dict[str, object]:
        """Change the address and the key that are told of a deployment."""
        name = self._name(deployment.service_id)
        if name in self._urls:
            return told | {"serviceUrl": self._urls[name]}
        if name == "control-no-url":
            return {field: value for field, value in told.items() if field != "serviceUrl"}
        if name == "control-no-key":
            return {field: value for field, value in told.items() if field != deployment.key_field}
        if name == "rotated-key":
            return told | {deployment.key_field: _key(deployment, self._rotations[deployment.service_id])}
        return told

    def change_models(self, deployment: Deployment, body: dict[str, object]) -> object:
        """Give an engine's list of its models as its fault wants it."""
        change = MODEL_LISTS.get(self._name(deployment.service_id))
        return change(cast("list[object]", body["data"])) if change else body

    @property
    def of_the_list(self) -> str:
        """The name of the fault that the list shows; empty where it shows none."""
        return self._everywhere.name if self._everywhere and self._everywhere.name.startswith("list-") else ""

    def _fault(self, service_id: str) -> Fault | None:
        own = fault_deployment(service_id)
        return find_fault(own.name) if own else self._everywhere

    def _name(self, service_id: str) -> str:
        fault = self._fault(service_id)
        return fault.name if fault else ""

    def _meets(self, name: str, subject: str) -> bool:
        """Tell whether a fault is to be shown now; what comes only once is so for each subject."""
        if name in _ONCE and (name, subject) in self._met:
            return False
        self._met.add((name, subject))
        return True


def _key(deployment: Deployment, rotations: int) -> str:
    return f"{deployment.api_key}-{rotations}" if rotations else deployment.api_key


def _same(given: str, key: str) -> bool:
    return secrets.compare_digest(given.encode(errors="replace"), key.encode())
