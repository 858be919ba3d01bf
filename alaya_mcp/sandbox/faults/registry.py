"""Every fault by its name."""

import difflib

from alaya_mcp.sandbox.faults.bodies import BODIES
from alaya_mcp.sandbox.faults.control import ADDRESSES, CONTROL
from alaya_mcp.sandbox.faults.fault import Fault
from alaya_mcp.sandbox.faults.gateways import GATEWAYS
from alaya_mcp.sandbox.faults.lists import LISTS, MODELS
from alaya_mcp.sandbox.faults.refusals import REFUSALS
from alaya_mcp.sandbox.faults.streams import STREAMS

KINDS = (ADDRESSES, STREAMS, GATEWAYS, BODIES, REFUSALS, MODELS, CONTROL, LISTS)
_NEAREST = 5

REGISTRY = {fault.name: fault for kind in KINDS for fault in kind}

FAULTS: tuple[tuple[str, str], ...] = tuple((fault.name, fault.summary) for fault in REGISTRY.values())


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
