"""Every fault by its name, which one each deployment of a running sandbox shows, and what is remembered of it."""

import difflib
from contextlib import nullcontext
from dataclasses import dataclass, field

from alaya_mcp.sandbox.deployments import Deployment, Instance
from alaya_mcp.sandbox.exchange import Exchange
from alaya_mcp.sandbox.faults.bodies import BODIES
from alaya_mcp.sandbox.faults.control import ADDRESSES, CONTROL, LISTS, MODELS
from alaya_mcp.sandbox.faults.fault import Fault, Memory, Pace, Page, Report, Script
from alaya_mcp.sandbox.faults.gateways import GATEWAYS
from alaya_mcp.sandbox.faults.refusals import REFUSALS
from alaya_mcp.sandbox.faults.streams import STREAMS
from alaya_mcp.sandbox.stats import CountedChat, Stats
from alaya_mcp.sandbox.wire import Fields

KINDS = (ADDRESSES, STREAMS, GATEWAYS, BODIES, REFUSALS, MODELS, CONTROL, LISTS)
REGISTRY = {fault.name: fault for kind in KINDS for fault in kind}
FAULTS: tuple[tuple[str, str], ...] = tuple((fault.name, fault.summary) for fault in REGISTRY.values())

NO_FAULT = Fault("none", "everything is as it should be")

_NEAREST = 5
_PREFIX = "fault-"


def find_fault(name: str) -> Fault:
    """Find a fault by its name.

    Raises:
        ValueError: There is none of that name; the text lists near ones.
    """
    if name in REGISTRY:
        return REGISTRY[name]
    near = difflib.get_close_matches(name, REGISTRY, n=_NEAREST, cutoff=0.5)
    nearest = f"near it: {', '.join(near)}; " if near else ""
    raise ValueError(f"there is no fault {name!r}; {nearest}`alayanew-mcp sandbox --faults` lists them all")


def fault_deployment(service_id: str) -> Deployment | None:
    """Return the deployment that shows the fault in its id; None for any other id."""
    if (fault := _fault_in(service_id)) is None:
        return None
    engine = "sglang" if fault.sglang else "vllm"
    return Deployment(
        service_id,
        fault.summary,
        name=fault.name,
        model="qwen3-8b",
        model_id="Qwen/Qwen3-8B",
        instances=(Instance(("support-zh",)),),
        engine=engine,
        fields={"mode": "quickStart", "expert": None, "quickStart": {"backend": engine}},
    )


def _fault_in(service_id: str) -> Fault | None:
    return REGISTRY.get(service_id.removeprefix(_PREFIX)) if service_id.startswith(_PREFIX) else None


@dataclass(eq=False)
class ShownFaults:
    """The faults of one running sandbox.

    `everywhere` is the fault of each deployment that has none of its own. A chat counts as started in `stats`, unless
    its fault is a refusal. Nothing listens on `closed_port`.
    """

    everywhere: Fault
    stats: Stats
    pace: Pace
    closed_port: int
    _memories: dict[str, Memory] = field(default_factory=dict[str, Memory], init=False)
    _met: set[str] = field(default_factory=set[str], init=False)

    def key(self, deployment: Deployment) -> str:
        """Return the present key of a deployment."""
        return self._memory(deployment).key()

    def accepts(self, deployment: Deployment, key: str, *, chatting: bool) -> bool:
        """Return whether an engine takes a key."""
        return self._fault(deployment.service_id).accepts(self._memory(deployment), key, chatting)

    async def answer_chat(self, exchange: Exchange, deployment: Deployment) -> bool:
        """Show a deployment's fault in place of a chat's answer; False when the answer is to be a good one.

        Raises:
            ClientDisconnect: The client left before it had asked.
        """
        fault = self._fault(deployment.service_id)
        if (show := fault.chat) is None or not self._meets(fault, deployment.service_id):
            return False
        sglang = fault.sglang or deployment.engine == "sglang"
        body = await exchange.request.body()
        with nullcontext(CountedChat()) if fault.refuses else self.stats.chat() as counted:
            script = Script(exchange, body, deployment, sglang=sglang, pace=self.pace, counted=counted)
            await script.run(lambda: show(script))
        return True

    async def answer_control(self, exchange: Exchange, path: str) -> bool:
        """Show a fault in place of what the control plane would answer; False when it is to answer properly."""
        fault = self.everywhere if self.everywhere.control else self._fault(path.removeprefix("deployment/"))
        if (show := fault.control) is None or not self._meets(fault, path):
            return False
        await exchange.run(lambda: show(exchange))
        return True

    def look(self, deployment: Deployment) -> int:
        """Note that a deployment is looked up, and return how often it has been; its key rotates if it is due."""
        memory = self._memory(deployment)
        memory.looks += 1
        memory.rotations += memory.key_refused
        memory.key_refused = False
        return memory.looks

    def change_report(self, deployment: Deployment, fields: Fields, *, looks: int = 0) -> Fields:
        """Return what the control plane reports of a deployment as its fault wants it."""
        return self._fault(deployment.service_id).report(Report(fields, looks, self.closed_port))

    def change_models(self, deployment: Deployment, cards: list[object]) -> object:
        """Return the body of an engine's list of models as its fault wants it."""
        return self._fault(deployment.service_id).models(cards)

    def change_page(self, page: Page) -> object:
        """Return a page of the list as a fault of every deployment wants it."""
        return self.everywhere.page(page)

    def _fault(self, service_id: str) -> Fault:
        return _fault_in(service_id) or self.everywhere

    def _memory(self, deployment: Deployment) -> Memory:
        return self._memories.setdefault(deployment.service_id, Memory(deployment))

    def _meets(self, fault: Fault, subject: str) -> bool:
        """Return whether a fault is to be shown now; what comes only once is so for each subject."""
        if fault.once and subject in self._met:
            return False
        self._met.add(subject)
        return True
