"""Every fault by its name, which one each deployment of a running sandbox shows, and what is remembered of it."""

import difflib
from contextlib import nullcontext
from dataclasses import dataclass, field

from alaya_mcp.sandbox.deployments import Deployment, Instance, configured
from alaya_mcp.sandbox.exchange import Exchange
from alaya_mcp.sandbox.faults.bodies import BODIES, REFUSALS
from alaya_mcp.sandbox.faults.control import ADDRESSES, CONTROL, LISTS, MODELS
from alaya_mcp.sandbox.faults.fault import Fault, Memory, Pace, Script
from alaya_mcp.sandbox.faults.streams import GATEWAYS, STREAMS
from alaya_mcp.sandbox.stats import CountedChat, Stats
from alaya_mcp.sandbox.wire import Fields

KINDS = (ADDRESSES, STREAMS, GATEWAYS, BODIES, REFUSALS, MODELS, CONTROL, LISTS)
REGISTRY = {fault.name: fault for kind in KINDS for fault in kind}
FAULTS: tuple[tuple[str, str], ...] = tuple((fault.name, fault.summary) for fault in REGISTRY.values())
NO_FAULT = Fault("none", "everything is as it should be")


def find_fault(name: str) -> Fault:
    """Find a fault by its name, or raise a ValueError that lists near ones."""
    if name in REGISTRY:
        return REGISTRY[name]
    near = difflib.get_close_matches(name, REGISTRY, n=5, cutoff=0.5)
    nearest = f"near it: {', '.join(near)}; " if near else ""
    raise ValueError(f"there is no fault {name!r}; {nearest}`alayanew-mcp sandbox --faults` lists them all")


def _deployment(fault: Fault) -> Deployment:
    engine = "sglang" if fault.sglang else "vllm"
    return Deployment(
        f"fault-{fault.name}",
        fault.summary,
        name=fault.name,
        model="qwen3-8b",
        model_id="Qwen/Qwen3-8B",
        instances=(Instance(("support-zh",)),),
        engine=engine,
        fields=configured("quickStart", {"backend": engine}),
    )


_OWN = {f"fault-{name}": fault for name, fault in REGISTRY.items()}
FAULT_DEPLOYMENTS = {service_id: _deployment(fault) for service_id, fault in _OWN.items()}


@dataclass(eq=False)
class ShownFaults:
    """The faults of one running sandbox."""

    everywhere: Fault  # of each deployment that has none of its own
    stats: Stats
    pace: Pace
    closed_port: int  # on which nothing listens
    _memories: dict[str, Memory] = field(default_factory=dict[str, Memory], init=False)
    _met: set[str] = field(default_factory=set[str], init=False)

    def of(self, service_id: str) -> Fault:
        """Return the fault of a deployment."""
        return _OWN.get(service_id, self.everywhere)

    def memory(self, deployment: Deployment) -> Memory:
        """Return what is remembered of a deployment."""
        return self._memories.setdefault(deployment.service_id, Memory([deployment.api_key]))

    def report(self, deployment: Deployment, fields: Fields, looks: int = 0) -> Fields:
        """Return what the control plane reports of a deployment, changed by its fault."""
        return self.of(deployment.service_id).report(fields, looks, self.closed_port)

    async def answer_chat(self, exchange: Exchange, deployment: Deployment) -> bool:
        """Show a deployment's fault in place of a chat's answer; False for a good answer."""
        fault = self.of(deployment.service_id)
        if (show := fault.chat) is None or not self._meets(fault, deployment.service_id):
            return False
        sglang = fault.sglang or deployment.engine == "sglang"
        body = await exchange.request.body()
        with nullcontext(CountedChat()) if fault.refuses else self.stats.chat() as counted:
            script = Script(exchange, body, deployment, sglang=sglang, pace=self.pace, counted=counted)
            await script.run(lambda: show(script))
        return True

    async def answer_control(self, exchange: Exchange, path: str) -> bool:
        """Show a fault in place of what the control plane would answer; False for its own answer."""
        fault = self.everywhere if self.everywhere.control else self.of(path.removeprefix("deployment/"))
        if (show := fault.control) is None or not self._meets(fault, path):
            return False
        await exchange.run(lambda: show(exchange))
        return True

    def _meets(self, fault: Fault, subject: str) -> bool:
        """Return whether to show a fault now; one that is shown once is shown once for each subject."""
        met = subject in self._met
        self._met.add(subject)
        return not (fault.once and met)
