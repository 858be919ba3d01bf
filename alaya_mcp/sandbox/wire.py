"""How an answer looks on the wire: one JSON object, or the chunks of an event stream."""

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from alaya_mcp.sandbox.answers import Answer
from alaya_mcp.sandbox.chat_request import StreamOptions
from alaya_mcp.sandbox.configurations import VLLM_VERSION
from alaya_mcp.sandbox.exchange import encode
from alaya_mcp.sandbox.tool_calls import Call

Fields: TypeAlias = dict[str, object]

DONE = b"data: [DONE]\n\n"

_FINGERPRINT: Fields = {"system_fingerprint": f"vllm-{VLLM_VERSION}-sandbox"}
_TRANSFERS = ("kv_transfer_params", "ec_transfer_params", "metrics")


@dataclass(frozen=True, slots=True)
class _Dialect:
    """The names in which the engines' answers differ; ids are formats of random digits."""

    answer_id: str
    call_id: str
    thoughts: str
    ending: str
    end_token: int | None = None
    delta: tuple[str, ...] = ()
    """The fields that are null in a delta without them."""


_VLLM = _Dialect("chatcmpl-{:.16}", "chatcmpl-tool-{:.16}", thoughts="reasoning", ending="stop_reason")
_SGLANG = _Dialect(
    "{:.32}",
    "call_{:.24}",
    thoughts="reasoning_content",
    ending="matched_stop",
    end_token=151645,
    delta=("role", "content", "reasoning_content", "tool_calls"),
)


def event(value: object) -> bytes:
    """Write one event of a stream."""
    return b"data: " + encode(value) + b"\n\n"


class Wire:
    """The shapes in which one answer is sent.

    vLLM's are recorded (chat, chat_stream_usage, chat_stream_usage_continuous), except its reasoning, of which
    only the field's name is known, and its calls of tools, which are OpenAI's. Of SGLang's, `matched_stop`,
    `reasoning_content` and the calls are from its source and the rest is assumed.
    """

    def __init__(self, *, model: str, prompt_tokens: int, sglang: bool) -> None:
        self._prompt_tokens = prompt_tokens
        self._sglang = sglang
        self._dialect = _SGLANG if sglang else _VLLM
        self._model = model
        self._id = self._dialect.answer_id.format(secrets.token_hex(16))
        self._created = int(time.time())

    def whole(self, answer: Answer) -> Fields:
        """Return the answer to a request without `stream`."""
        # An answer cut off while it still reasons has no content at all.
        content = "".join(answer.content) if answer.content else None
        calls = [self._call(*each) for each in enumerate(answer.calls)]
        if calls and answer.finish_reason == "length":
            # No parser reads a call that is cut off, so its text is left (wire facts).
            content, calls = "\n".join(call.raw for call in answer.calls), []
        message: Fields = {"role": "assistant", "content": content}
        thoughts: Fields = {self._dialect.thoughts: "".join(answer.reasoning) or None}
        usage = self._usage(answer.tokens) | {"prompt_tokens_details": None}
        head = self._head("chat.completion")
        if self._sglang:
            choice = self._choice("message", message | thoughts | {"tool_calls": calls or None}, answer)
            choice |= {"matched_stop": None} if calls else {}
            return head | {"choices": [choice], "usage": usage, "metadata": {"weight_version": "default"}}
        message |= dict.fromkeys(("refusal", "annotations", "audio", "function_call"))
        choice = self._choice("message", message | ({"tool_calls": calls} if calls else {}) | thoughts, answer)
        body = head | {"choices": [choice | {"token_ids": None, "routed_experts": None}], "service_tier": None}
        body |= _FINGERPRINT | {"usage": usage | {"completion_tokens_details": None}}
        return body | dict.fromkeys(("prompt_logprobs", "prompt_token_ids", "prompt_text", *_TRANSFERS))

    def events(self, answer: Answer, options: StreamOptions | None) -> Iterator[bytes]:
        """Yield the stream, cut where an engine would wait: what is sent with each token.

        The role comes together with the first token, and everything after the last token together with it.
        """
        continuous = bool(options and options.include_usage and options.continuous_usage_stats)
        head = self._head("chat.completion.chunk")
        role = self._choice("delta", {"role": "assistant", "content": ""})
        first = head | {"choices": [role]} | self._running(0, wanted=continuous)
        waiting = event(first if self._sglang else first | {"prompt_token_ids": None, "prompt_text": None})
        deltas = list(self._deltas(answer))
        for count, delta in enumerate(deltas, start=1):
            last = count == len(deltas)
            choice = self._choice("delta", delta, answer if last and not self._sglang else None)
            choice |= {} if self._sglang else {"token_ids": None}
            waiting += event(head | {"choices": [choice]} | self._running(count, wanted=continuous))
            if last:
                waiting += b"".join(self._tail(answer, options))
            yield waiting
            waiting = b""

    def _tail(self, answer: Answer, options: StreamOptions | None) -> Iterator[bytes]:
        head = self._head("chat.completion.chunk")
        if self._sglang:
            yield event(head | {"choices": [self._choice("delta", {}, answer)], "usage": None})
        if options and options.include_usage:
            usage: Fields = {"choices": [], "usage": self._usage(answer.tokens)}
            yield event(head | usage if self._sglang else head | usage | _FINGERPRINT)
        yield DONE

    def _head(self, kind: str) -> Fields:
        return {"id": self._id, "object": kind, "created": self._created, "model": self._model}

    def _deltas(self, answer: Answer) -> Iterator[Fields]:
        """Yield what each token adds to the message."""
        for token in answer.reasoning:
            yield {"content": None, self._dialect.thoughts: token}
        for token in answer.content:
            yield {"content": token}
        for index, call in enumerate(answer.calls):
            begun = self._call(index, call) | {"function": {"name": call.name, "arguments": ""}}
            yield {"content": None, "tool_calls": [{"index": index} | begun]}
            for piece in call.pieces:
                more: Fields = {"index": index, "function": {"arguments": piece}}
                if self._sglang:
                    function = {"name": None, "arguments": piece}
                    more = {"id": None, "index": index, "type": "function", "function": function}
                yield {"content": None, "tool_calls": [more]}

    def _call(self, index: int, call: Call) -> Fields:
        """Return a whole call; SGLang gives its index also outside of a stream."""
        call_id = self._dialect.call_id.format(secrets.token_hex(16))
        place = {"index": index} if self._sglang else {}
        function = {"name": call.name, "arguments": call.arguments}
        return {"id": call_id, **place, "type": "function", "function": function}

    def _choice(self, field: str, message: Fields, ended: Answer | None = None) -> Fields:
        """Return a choice; `ended` is the answer that it completes."""
        if field == "delta":
            message = dict.fromkeys(self._dialect.delta) | message
        reason = ended.finish_reason if ended else None
        choice: Fields = {"index": 0, field: message, "logprobs": None, "finish_reason": reason}
        if ended:
            by_itself = ended.finish_reason in ("stop", "tool_calls") and ended.stop_reason is None
            choice[self._dialect.ending] = self._dialect.end_token if by_itself else ended.stop_reason
        elif self._sglang:
            choice["matched_stop"] = None
        return choice

    def _usage(self, tokens: int) -> Fields:
        total = self._prompt_tokens + tokens
        return {"prompt_tokens": self._prompt_tokens, "total_tokens": total, "completion_tokens": tokens}

    def _running(self, tokens: int, *, wanted: bool) -> Fields:
        """Return the usage so far; vLLM leaves the key out when it was not asked for, SGLang makes it null."""
        if wanted:
            return {"usage": self._usage(tokens) | {"completion_tokens_details": None}}
        return {"usage": None} if self._sglang else {}
