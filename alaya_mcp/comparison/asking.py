"""What is asked: of each prompt its request, the digest of it, and the question as an answers file has it. Pure."""

import json
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Final

from alaya_mcp.chat.request import ChatRequest, Features, Sampling, Turn, chat_body
from alaya_mcp.comparison.answer_line import Question
from alaya_mcp.comparison.prompt import Prompt

REPLY_BYTES: Final = 10_000_000
"""No reader of a file limits the size of a reply."""
_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class Asking:
    """How every prompt is asked.

    Attributes:
        service_id: The deployment.
        system: The system message of prompts without one of their own.
        sampling: Sampling parameters.
        features: Thinking, and the schema that replies are to follow.
        timeout: Time limit of one answer, in seconds.
    """

    service_id: str
    system: str | None = None
    sampling: Sampling = field(default_factory=Sampling)
    features: Features = field(default_factory=Features)
    timeout: float = 600

    def at(self, service_id: str) -> "Asking":
        """Return the same for a deployment."""
        return replace(self, service_id=service_id)

    def request(self, prompt: Prompt) -> ChatRequest:
        """Return the request of a prompt, for any model."""
        system = self._system(prompt)
        turns = (*((Turn("system", system),) if system else ()), *prompt.turns)
        return ChatRequest(
            turns, self.sampling, self.features, wait_seconds=self.timeout, reply_bytes=REPLY_BYTES, outlives=False
        )

    def digest(self, request: ChatRequest) -> str:
        """Return a digest of the deployment and of what is sent, except the model."""
        body = chat_body("", request.turns, request.sampling, request.features)
        sent = json.dumps([self.service_id, body], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return sha256(sent.encode()).hexdigest()[:_DIGITS]

    def question(self, prompt: Prompt, request: str, repeat: int) -> Question:
        """Return what an answers file says about a prompt; `request` is the digest."""
        return Question(
            id=prompt.id,
            number=prompt.number,
            repeat=repeat,
            request=request,
            prompt=prompt.prompt,
            messages=prompt.messages,
            system=self._system(prompt),
            expected=prompt.expected,
            columns=prompt.columns,
        )

    def _system(self, prompt: Prompt) -> str | None:
        has_own = prompt.system or any(turn.role == "system" for turn in prompt.turns)
        return prompt.system if has_own else self.system
