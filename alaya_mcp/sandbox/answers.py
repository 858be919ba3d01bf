"""How an answer looks on the wire: one JSON object, or the chunks of an event stream."""

from __future__ import annotations

import json
import secrets
import time
from typing import TYPE_CHECKING

from alaya_mcp.sandbox.configurations import VLLM_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alaya_mcp.sandbox.chat_request import StreamOptions
    from alaya_mcp.sandbox.replies import Answer
    from alaya_mcp.sandbox.tool_calls import Call

_FINGERPRINT = f"vllm-{VLLM_VERSION}-sandbox"
_SGLANG_END_TOKEN = 151645


def encode(value: object) -> bytes:
    """Write JSON as engines do: compact, and not escaped; a lone surrogate becomes a question mark."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


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
        self._model = model
        self._id = secrets.token_hex(16) if sglang else f"chatcmpl-{secrets.token_hex(8)}"
        self._created = int(time.time())

    def whole(self, answer: Answer) -> dict[str, object]:
        """Give the answer to a request without `stream`."""
        thoughts = "".join(answer.reasoning) or None
        # An answer cut off while it still reasons has no content at all.
        content = "".join(answer.content) if answer.content else None
        calls: list[dict[str, object]] | None = [self._call(*each) for each in enumerate(answer.calls)] or None
        if calls and answer.finish_reason == "length":
            # No parser reads a call that is cut off, so its text is left (wire facts).
            content, calls = "\n".join(call.raw for call in answer.calls), None
        message: dict[str, object] = {"role": "assistant", "content": content}
        if self._sglang:
            message |= {"reasoning_content": thoughts, "tool_calls": calls}
        else:
            message |= {
                "refusal": None,
                "annotations": None,
                "audio": None,
                "function_call": None,
                **({"tool_calls": calls} if calls else {}),
                "reasoning": thoughts,
            }
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish_reason}
        choice |= self._ending(answer)
        if self._sglang and calls:
            choice["matched_stop"] = None
        if not self._sglang:
            choice |= {"token_ids": None, "routed_experts": None}
        body = {**self._head("chat.completion"), "choices": [choice]}
        usage = self._usage(answer.tokens) | {"prompt_tokens_details": None}
        if self._sglang:
            return body | {"usage": usage, "metadata": {"weight_version": "default"}}
        return body | {
            "service_tier": None,
            "system_fingerprint": _FINGERPRINT,
            "usage": usage | {"completion_tokens_details": None},
            "prompt_logprobs": None,
            "prompt_token_ids": None,
            "prompt_text": None,
            "kv_transfer_params": None,
            "ec_transfer_params": None,
            "metrics": None,
        }

    def events(self, answer: Answer, options: StreamOptions | None) -> Iterator[bytes]:
        """Give the stream, cut where an engine would wait: what is sent with each token.

        The role comes together with the first token, and everything after the last token together with it.
        """
        continuous = bool(options and options.include_usage and options.continuous_usage_stats)
        head = self._head("chat.completion.chunk")
        role = self._delta({"role": "assistant", "content": ""}, None)
        first = head | {"choices": [role]} | self._running(0, wanted=continuous)
        if not self._sglang:
            first |= {"prompt_token_ids": None, "prompt_text": None}
        waiting = event(first)
        deltas = list(self._deltas(answer))
        for count, delta in enumerate(deltas, start=1):
            last = count == len(deltas)
            choice = self._delta(delta, answer if last and not self._sglang else None)
            if not self._sglang:
                choice["token_ids"] = None
            waiting += event(head | {"choices": [choice]} | self._running(count, wanted=continuous))
            if last:
                waiting += self._tail(answer, options)
            yield waiting
            waiting = b""

    def _tail(self, answer: Answer, options: StreamOptions | None) -> bytes:
        head = self._head("chat.completion.chunk")
        tail = b""
        if self._sglang:
            tail += event(head | {"choices": [self._delta({}, answer)], "usage": None})
        if options and options.include_usage:
            usage: dict[str, object] = {**head, "choices": [], "usage": self._usage(answer.tokens)}
            tail += event(usage if self._sglang else usage | {"system_fingerprint": _FINGERPRINT})
        return tail + b"data: [DONE]\n\n"

    def _head(self, kind: str) -> dict[str, object]:
        return {"id": self._id, "object": kind, "created": self._created, "model": self._model}

    def _deltas(self, answer: Answer) -> Iterator[dict[str, object]]:
        """Give what each token adds to the message."""
        for token in answer.reasoning:
            yield {"content": None, "reasoning_content" if self._sglang else "reasoning": token}
        for token in answer.content:
            yield {"content": token}
        for index, call in enumerate(answer.calls):
            begun = self._call(index, call) | {"function": {"name": call.name, "arguments": ""}}
            yield {"content": None, "tool_calls": [{"index": index} | begun]}
            for piece in call.pieces:
                function: dict[str, object] = {"arguments": piece}
                more: dict[str, object] = {"index": index, "function": function}
                if self._sglang:
                    more = {"id": None, "index": index, "type": "function", "function": {"name": None, **function}}
                yield {"content": None, "tool_calls": [more]}

    def _call(self, index: int, call: Call) -> dict[str, object]:
        """Give a whole call; SGLang tells its index also outside of a stream."""
        name = f"call_{secrets.token_hex(12)}" if self._sglang else f"chatcmpl-tool-{secrets.token_hex(8)}"
        place = {"index": index} if self._sglang else {}
        function = {"name": call.name, "arguments": call.arguments}
        return {"id": name, **place, "type": "function", "function": function}

    def _delta(self, delta: dict[str, object], ended: Answer | None) -> dict[str, object]:
        if self._sglang:
            delta = {"role": None, "content": None, "reasoning_content": None, "tool_calls": None} | delta
        choice: dict[str, object] = {
            "index": 0,
            "delta": delta,
            "logprobs": None,
            "finish_reason": ended.finish_reason if ended else None,
        }
        if ended:
            choice |= self._ending(ended)
        elif self._sglang:
            choice["matched_stop"] = None
        return choice

    def _ending(self, answer: Answer) -> dict[str, object]:
        if not self._sglang:
            return {"stop_reason": answer.stop_reason}
        ended_itself = answer.finish_reason in ("stop", "tool_calls") and answer.stop_reason is None
        return {"matched_stop": _SGLANG_END_TOKEN if ended_itself else answer.stop_reason}

    def _usage(self, tokens: int) -> dict[str, object]:
        return {
            "prompt_tokens": self._prompt_tokens,
            "total_tokens": self._prompt_tokens + tokens,
            "completion_tokens": tokens,
        }

    def _running(self, tokens: int, *, wanted: bool) -> dict[str, object]:
        """Give the usage so far; vLLM leaves the key out when it was not asked for, SGLang makes it null."""
        if wanted:
            return {"usage": self._usage(tokens) | {"completion_tokens_details": None}}
        return {"usage": None} if self._sglang else {}
