"""The deployments of one sandbox: what changes about them while it runs, and those of `--fleet`."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count, islice, product
from uuid import UUID, uuid5

from alaya_mcp.sandbox.deployments import STARTING, Deployment, Instance, lora_service
from alaya_mcp.sandbox.faults.registry import FAULT_DEPLOYMENTS

STARTING_SPELLINGS = (STARTING, "starting")  # both are documented
_MOST = 2000
_OURS = UUID("6f1d6a52-4c1b-4f0e-9d0a-5b1c8a2f7e11")
_PURPOSES = (
    *("support", "search", "客服助手", "code-review"),
    *("\uff31\uff21 bot", "meeting notes", "合同审核", "translation"),  # the first in full-width letters
    *("ocr", "sql", "summaries"),
)
_ENDINGS = ("-prod", " staging", "_canary", " 测试", "-demo")

# The lengths of what is taken in turn have no common divisor, so that everything meets everything.
_MODELS = (("Qwen/Qwen3-8B", "qwen3-8b"), ("Qwen/Qwen3-32B", "qwen3-32b"), ("meta-llama/Llama-3.1-8B", "llama3.1-8b"))
_STATUSES = (
    *("running", "running", "stoped", "running", "starting", "running", "failed", "running", "stopping"),
    *("running", "staring", "running", "stopped", "running", "stoping", "running", "running"),
)
_PLACES = (  # aidcId, vksId, namespace
    ("aidc-sandbox", "vks-sandbox-1", "sandbox"),
    ("aidc-sandbox", "vks-sandbox-1", "research"),
    ("aidc-sandbox", "vks-sandbox-2", "sandbox"),
    ("aidc-sandbox-2", "vks-sandbox-3", "research"),
)
_LORA_EVERY = 7


class Fleet:
    """The deployments of one sandbox, by their ids and in order, with their present state."""

    def __init__(self, deployments: Iterable[Deployment], starting_seconds: float) -> None:
        self.deployments = {deployment.service_id: deployment for deployment in deployments}
        self._starting_seconds = starting_seconds
        self._first_looked: dict[str, float] = {}
        self._turns: Counter[tuple[str, str]] = Counter()

    def find(self, service_id: str) -> Deployment | None:
        """Find a deployment by its id, also one that shows a fault, which is not among `deployments`."""
        return self.deployments.get(service_id) or FAULT_DEPLOYMENTS.get(service_id)

    def look(self, deployment: Deployment) -> None:
        """Note that the detail of a deployment was read; the first time starts the clock of a starting one."""
        self._first_looked.setdefault(deployment.service_id, time.monotonic())

    def status(self, deployment: Deployment) -> str:
        """Return the status of a deployment at this moment, in the spelling that the API answers with."""
        looked = self._first_looked.get(deployment.service_id)
        started = looked is not None and time.monotonic() - looked >= self._starting_seconds
        return "running" if deployment.status in STARTING_SPELLINGS and started else deployment.status

    def next_instance(self, deployment: Deployment, path: str) -> Instance | None:
        """Choose the instance to answer a request, in turn for each path (assumed); None when no engine listens."""
        ready = [instance for instance in deployment.instances if instance.base_model_ready]
        if self.status(deployment) != "running" or not ready:
            return None
        turn = self._turns[deployment.service_id, path]
        self._turns[deployment.service_id, path] += 1
        return ready[turn % len(ready)]


def generated(number: int) -> tuple[Deployment, ...]:
    """Return deployments as a team's account has them, the same each time; a larger number begins with a smaller one.

    Their ids are UUIDs. Of ten names one is there three times, one twice, and two differ in case only.
    """
    if not 0 <= number <= _MOST:
        raise ValueError(f"a fleet is a number from 0 to {_MOST}")
    return tuple(_deployment(index, *named) for index, named in enumerate(islice(_names(), number)))


def _names() -> Iterator[tuple[str, str]]:
    """Yield names without end, each with the purpose in it."""
    versions = ("" if version == 1 else f" v{version}" for version in count(1))
    fresh = ((f"{p}{end}{version}", p) for version in versions for end, p in product(_ENDINGS, _PURPOSES))
    while True:
        first, second, third, *others = islice(fresh, 6)
        yield from (first, second, third, *others)
        yield first[0].title(), first[1]
        yield from (second, third, second)


def _deployment(number: int, name: str, purpose: str) -> Deployment:
    is_lora = number % _LORA_EVERY == _LORA_EVERY - 1
    status = _status(number)
    aidc_id, vks_id, namespace = _PLACES[number % len(_PLACES)]
    # API documentation, LoRA detail: on a running base service, here the nearest before it.
    base = next(each for each in reversed(range(number)) if _status(each) == "running") if is_lora else number
    model_id, model = _MODELS[base % len(_MODELS)]
    adapter = f"adapter-{number}"
    service_id, base_id = (str(uuid5(_OURS, str(each))) for each in (number, base))
    # The starting ones have theirs from the moment they run.
    works = status in ("running", *STARTING_SPELLINGS)
    deployment = Deployment(
        service_id,
        "one of many",
        key_name=str(number),
        name=name,
        model=model,
        model_id=model_id,
        instances=(Instance((adapter,) if is_lora else ()),) if works else (),
        status=status,
        code=("0", 0)[number % 2],
        aidc_id=aidc_id,
        vks_id=vks_id,
        namespace=namespace,
        extensions={"team": purpose},
    )
    return lora_service(adapter, base_id, deployment) if is_lora else deployment


def _status(number: int) -> str:
    return _STATUSES[number % len(_STATUSES)]
