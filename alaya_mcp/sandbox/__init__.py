"""An emulator of the inference cloud, for trying things out without an account and for tests.

It speaks HTTP on a loopback port, control plane and data plane, and shares no code with the client.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alaya_mcp.sandbox.deployments import CATALOGUE
    from alaya_mcp.sandbox.faults.registry import FAULTS
    from alaya_mcp.sandbox.server import Sandbox
    from alaya_mcp.sandbox.stats import Stats

__all__ = ["CATALOGUE", "FAULTS", "KNOBS", "LIMITS", "Sandbox", "Stats"]

# Late, because the web server is slow to import and most programs never start a sandbox.
_LATE = {"CATALOGUE": "deployments", "FAULTS": "faults.registry", "Sandbox": "server", "Stats": "stats"}

KNOBS = """\
Some messages make the sandbox do something special; SECONDS are at most 600:
  sandbox: repeat N WORD     answers WORD N times, one token each
  sandbox: say TEXT          answers TEXT, also where JSON was asked for
  sandbox: queue SECONDS     queues the request that long before its response begins
  sandbox: silence SECONDS   begins its response, then stays silent that long before its first token
  sandbox: think SECONDS     thinks that long, then answers
  sandbox: slow SECONDS      takes that long to write its answer
A message that mentions tools by their names, among those it came with, calls them.
"""

LIMITS = """\
What the sandbox does not do:
  - No language model runs in it. Answers are fixed texts that quote the question, and tokens are
    estimated without a tokenizer. Only n=1 is generated; sampling parameters are checked, not used.
  - Tools are called when the question mentions their names or when they have to be. Arguments and JSON
    answers are made from the schema: a word of the question for a text, 1 for a number, every property;
    pattern, uniqueItems and not are not followed. Only an unknown type makes a schema refused.
  - Images are counted, neither fetched nor looked at. No audio, video, log probabilities, embeddings,
    plain completions, or structured output other than by response_format.
  - An answer that goes on from an assistant's message starts over where JSON was asked for.
  - How the list's filters match is assumed: a part of the name, either spelling of a status, the rest exactly.
  - Nothing can be deployed, changed, stopped or deleted, and nothing scales or wakes up by itself.
  - No rate limits, quotas, expiring keys, TLS, or faults of a network in between, except those
    that `--fault` asks for; `alayanew-mcp sandbox --faults` lists them.
  - vLLM's answers follow recordings of 0.32.0. SGLang's names and error shape follow its source, the
    rest of SGLang and the gateway's own errors (401, 503) are assumed: neither was seen running.
"""


def __getattr__(name: str) -> object:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LATE[name]}"), name)
