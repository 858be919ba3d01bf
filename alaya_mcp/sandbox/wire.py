"""How an answer looks on the wire: one JSON object, or the chunks of an event stream."""

import json
import secrets
import time
from collections.abc import Iterator
from typing import TypeAlias

from alaya_mcp.sandbox.answers import Answer, Call
from alaya_mcp.sandbox.chat_request import StreamOptions
from alaya_mcp.sandbox.deployments import VLLM_VERSION
from alaya_mcp.sandbox.exchange import DONE, event

Fields: TypeAlias = dict[str, object]

_FINGERPRINT: Fields = {"system_fingerprint": f"vllm-{VLLM_VERSION}-sandbox"}
_VLLM_MESSAGE = ("refusal", "annotations", "audio", "function_call")
_TRANSFERS = ("kv_transfer_params", "ec_transfer_params", "metrics")
_SGLANG_DELTA = ("role", "content", "reasoning_content", "tool_calls")
_RAW_CALL = '<tool_call>\n{{"name": {}, "arguments": {}'
_SGLANG_END_TOKEN = 151645


class Wire:
    """The shapes in which one answer is sent.

    vLLM's are recorded (chat, chat_stream_usage, chat_stream_usage_continuous), but for its reasoning, of which only
    the name is known, and its calls of tools, which are OpenAI's. SGLang's `matched_stop`, `reasoning_content` and
    calls are from its source, the rest is assumed.
    """

    def __init__(self, *, model: str, prompt_tokens: int, sglang: bool) -> None:
        self._prompt_tokens = prompt_tokens
        self._sglang = sglang
        self._thoughts = "reasoning_content" if sglang else "reasoning"
        answer_id = secrets.token_hex(16) if sglang else f"chatcmpl-{secrets.token_hex(8)}"
        created = int(time.time())
        self._head: Fields = {"id": answer_id, "object": "chat.completion.chunk", "created": created, "model": model}

    def whole(self, answer: Answer) -> Fields:
        """Return the answer to a request without `stream`."""
        # An answer cut off while it still reasons has no content at all.
        content = "".join(answer.content) if answer.content else None
        calls = [self._call(*each) for each in enumerate(answer.calls)]
        if calls and answer.finish_reason == "length":
            # No parser reads a call that is cut off, so its text is left (wire facts); in Qwen's chat template.
            named = [(json.dumps(call.name, ensure_ascii=False), call.arguments) for call in answer.calls]
            content, calls = "\n".join(_RAW_CALL.format(*each) for each in named), []
        message: Fields = {"role": "assistant", "content": content}
        thoughts: Fields = {self._thoughts: "".join(answer.reasoning) or None}
        usage = self._usage(answer.tokens, prompt_tokens_details=None)
        head = self._head | {"object": "chat.completion"}
        if self._sglang:
            choice = self._choice("message", message | thoughts | {"tool_calls": calls or None}, answer)
            choice |= {"matched_stop": None} if calls else {}
            return head | {"choices": [choice], "usage": usage, "metadata": {"weight_version": "default"}}
        message |= dict.fromkeys(_VLLM_MESSAGE) | ({"tool_calls": calls} if calls else {}) | thoughts
        choice = self._choice("message", message, answer) | {"token_ids": None, "routed_experts": None}
        body = head | {"choices": [choice], "service_tier": None} | _FINGERPRINT
        body |= {"usage": usage | {"completion_tokens_details": None}}
        return body | dict.fromkeys(("prompt_logprobs", "prompt_token_ids", "prompt_text", *_TRANSFERS))

    def events(self, answer: Answer, options: StreamOptions | None) -> Iterator[bytes]:
        """Yield what is sent with each token: the role comes with the first one, and the end with the last one."""
        continuous = bool(options and options.include_usage and options.continuous_usage_stats)
        role = self._choice("delta", {"role": "assistant", "content": ""})
        first = self._head | {"choices": [role]} | self._running(0, wanted=continuous)
        waiting = event(first if self._sglang else first | {"prompt_token_ids": None, "prompt_text": None})
        deltas = list(self._deltas(answer))
        for count, delta in enumerate(deltas, start=1):
            last = count == len(deltas)
            choice = self._choice("delta", delta, answer if last and not self._sglang else None)
            choice |= {} if self._sglang else {"token_ids": None}
            waiting += event(self._head | {"choices": [choice]} | self._running(count, wanted=continuous))
            yield waiting + b"".join(self._tail(answer, options)) if last else waiting
            waiting = b""

    def _tail(self, answer: Answer, options: StreamOptions | None) -> Iterator[bytes]:
        if self._sglang:
            yield event(self._head | {"choices": [self._choice("delta", {}, answer)], "usage": None})
        if options and options.include_usage:
            usage: Fields = {"choices": [], "usage": self._usage(answer.tokens)}
            yield event(self._head | usage | ({} if self._sglang else _FINGERPRINT))
        yield DONE

    def _deltas(self, answer: Answer) -> Iterator[Fields]:
        """Yield what each token adds to the message."""
        for token in answer.reasoning:
            yield {"content": None, self._thoughts: token}
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
        function = {"name": call.name, "arguments": call.arguments}
        if self._sglang:
            return {"id": f"call_{secrets.token_hex(12)}", "index": index, "type": "function", "function": function}
        return {"id": f"chatcmpl-tool-{secrets.token_hex(8)}", "type": "function", "function": function}

    def _choice(self, field: str, message: Fields, ended: Answer | None = None) -> Fields:
        """Return a choice; `ended` is the answer that it completes."""
        if self._sglang and field == "delta":
            message = dict.fromkeys(_SGLANG_DELTA) | message
        reason, stopped = (ended.finish_reason, ended.stop_reason) if ended else (None, None)
        choice: Fields = {"index": 0, field: message, "logprobs": None, "finish_reason": reason}
        if self._sglang:
            by_itself = reason in ("stop", "tool_calls") and stopped is None
            return choice | {"matched_stop": _SGLANG_END_TOKEN if by_itself else stopped}
        return choice | {"stop_reason": stopped} if ended else choice

    def _usage(self, tokens: int, **more: object) -> Fields:
        total = self._prompt_tokens + tokens
        return {"prompt_tokens": self._prompt_tokens, "total_tokens": total, "completion_tokens": tokens} | more

    def _running(self, tokens: int, *, wanted: bool) -> Fields:
        """Return the usage so far; vLLM leaves the key out when it was not asked for, SGLang makes it null."""
        if wanted:
            return {"usage": self._usage(tokens, completion_tokens_details=None)}
        return {"usage": None} if self._sglang else {}
