"""The wire formats of four model services, as far as one call of one tool needs them."""

import json
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

# JSON of a shape that the dialect reading it knows.
Json: TypeAlias = dict[str, Any]

CALL_ID = "call_1"
BRIDGE = "tool_call"
"""A host's tool that calls another one, which the host names in the conversation only."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool, by its own or by the host's name for it."""

    name: str
    arguments: Json = field(default_factory=dict[str, Any])


class Dialect(ABC):
    """How one service names tools, takes their results and answers."""

    @abstractmethod
    def offered(self, body: Json, wanted: Call) -> Call | None:
        """The wanted call by the host's name for the tool; None where this request does not offer it."""

    @abstractmethod
    def results(self, body: Json) -> list[str]:
        """The tool results that this request carries, as JSON text."""

    @abstractmethod
    def call(self, call: Call, body: Json) -> list[Json]:
        """The events of an answer that makes this call."""

    @abstractmethod
    def text(self, text: str, body: Json) -> list[Json]:
        """The events of an answer that says this text."""

    @abstractmethod
    def whole(self, events: list[Json]) -> Json:
        """The same answer in one piece."""

    def streams(self, path: str, body: Json) -> bool:
        """Whether the host wants events."""
        del path
        return bool(body.get("stream"))

    def stream(self, events: list[Json]) -> bytes:
        """The events as server-sent events."""
        return b"".join(_event(event.get("type"), event) for event in events)


def spoken_at(path: str) -> "Dialect | None":
    """The dialect of a route; None for any other route."""
    if path.endswith("/chat/completions"):
        return ChatCompletions()
    if path.endswith("/responses"):
        return Responses()
    if path.endswith("/messages"):
        return Messages()
    if path.endswith(("generateContent", "GenerateContent")):
        return GenerateContent()
    return None


def _event(kind: str | None, data: Json) -> bytes:
    head = f"event: {kind}\n" if kind else ""
    return f"{head}data: {json.dumps(data)}\n\n".encode()


def _named(names: list[str], wanted: Call) -> Call | None:
    """The call of what has a name that ends with the tool's."""
    return next((replace(wanted, name=name) for name in names if name.endswith(wanted.name)), None)


def _through_the_bridge(names: list[str], body: Json, wanted: Call) -> Call | None:
    """The call of a tool that the conversation names and another tool calls."""
    named = re.search(rf"\w+__{wanted.name}\b", json.dumps(body["messages"]))
    return Call(BRIDGE, {"name": named[0], "arguments": wanted.arguments}) if named and BRIDGE in names else None


class ChatCompletions(Dialect):
    """OpenAI's chat completions."""

    def offered(self, body: Json, wanted: Call) -> Call | None:
        names = [one["function"]["name"] for one in body.get("tools", ()) if "function" in one]
        return _named(names, wanted) or _through_the_bridge(names, body, wanted)

    def results(self, body: Json) -> list[str]:
        return [json.dumps(one["content"]) for one in body.get("messages", ()) if one["role"] == "tool"]

    def call(self, call: Call, body: Json) -> list[Json]:
        function = {"name": call.name, "arguments": json.dumps(call.arguments)}
        calls = [{"index": 0, "id": CALL_ID, "type": "function", "function": function}]
        delta = {"role": "assistant", "tool_calls": calls}
        return [self._chunk(body, delta, None), self._chunk(body, {}, "tool_calls")]

    def text(self, text: str, body: Json) -> list[Json]:
        return [self._chunk(body, {"role": "assistant", "content": text}, None), self._chunk(body, {}, "stop")]

    def whole(self, events: list[Json]) -> Json:
        first, last = (event["choices"][0] for event in events)
        choice = {"index": 0, "message": {"content": None, **first["delta"]}, "finish_reason": last["finish_reason"]}
        return {**events[-1], "object": "chat.completion", "choices": [choice]}

    def stream(self, events: list[Json]) -> bytes:
        return super().stream(events) + b"data: [DONE]\n\n"

    def _chunk(self, body: Json, delta: Json, finish: str | None) -> Json:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1}
        last = {"usage": usage} if finish else {}
        return {**head, "model": body.get("model", "scripted"), "choices": [choice], **last}


class Responses(Dialect):
    """OpenAI's responses; tools may stand in a namespace, which is then told with a dot."""

    def offered(self, body: Json, wanted: Call) -> Call | None:
        names: list[str] = []
        for one in body.get("tools", ()):
            names += [f"{one['name']}.{inner['name']}" for inner in one.get("tools", ())] or [one.get("name", "")]
        return _named(names, wanted)

    def results(self, body: Json) -> list[str]:
        items = body.get("input", ())
        return [json.dumps(one["output"]) for one in items if one.get("type") == "function_call_output"]

    def call(self, call: Call, body: Json) -> list[Json]:
        space, _, name = call.name.rpartition(".")
        arguments = json.dumps(call.arguments)
        item = {"type": "function_call", "id": "fc_1", "call_id": CALL_ID, "name": name, "arguments": arguments}
        return self._turn({**item, **({"namespace": space} if space else {})}, body)

    def text(self, text: str, body: Json) -> list[Json]:
        content: list[Json] = [{"type": "output_text", "text": text, "annotations": []}]
        return self._turn({"type": "message", "id": "msg_1", "role": "assistant", "content": content}, body)

    def whole(self, events: list[Json]) -> Json:
        return events[-1]["response"]

    def _turn(self, item: Json, body: Json) -> list[Json]:
        item = {**item, "status": "completed"}
        usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
        response = {"id": "resp_1", "object": "response", "created_at": 1, "model": body.get("model", "scripted")}
        done = {**response, "status": "completed", "output": [item], "usage": usage}
        return [
            {"type": "response.created", "response": {**response, "status": "in_progress", "output": []}},
            {"type": "response.output_item.added", "output_index": 0, "item": item},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": done},
        ]


class Messages(Dialect):
    """Anthropic's messages."""

    def offered(self, body: Json, wanted: Call) -> Call | None:
        return _named([one["name"] for one in body.get("tools", ())], wanted)

    def results(self, body: Json) -> list[str]:
        blocks = [
            block for one in body.get("messages", ()) if isinstance(one["content"], list) for block in one["content"]
        ]
        return [json.dumps(block.get("content")) for block in blocks if block.get("type") == "tool_result"]

    def call(self, call: Call, body: Json) -> list[Json]:
        block: Json = {"type": "tool_use", "id": "toolu_1", "name": call.name, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(call.arguments)}
        return self._turn(block, delta, "tool_use", body)

    def text(self, text: str, body: Json) -> list[Json]:
        return self._turn({"type": "text", "text": ""}, {"type": "text_delta", "text": text}, "end_turn", body)

    def whole(self, events: list[Json]) -> Json:
        block, delta = events[1]["content_block"], events[2]["delta"]
        whole = (
            {**block, "text": delta["text"]}
            if "text" in delta
            else {**block, "input": json.loads(delta["partial_json"])}
        )
        return {**events[0]["message"], "content": [whole], "stop_reason": events[4]["delta"]["stop_reason"]}

    def _turn(self, block: Json, delta: Json, reason: str, body: Json) -> list[Json]:
        usage = {"input_tokens": 1, "output_tokens": 1}
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": body.get("model", "scripted")}
        return [
            {"type": "message_start", "message": {**message, "content": [], "stop_reason": None, "usage": usage}},
            {"type": "content_block_start", "index": 0, "content_block": block},
            {"type": "content_block_delta", "index": 0, "delta": delta},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage},
            {"type": "message_stop"},
        ]


class GenerateContent(Dialect):
    """Gemini's generateContent."""

    def offered(self, body: Json, wanted: Call) -> Call | None:
        declared = [one for group in body.get("tools", ()) for one in group.get("functionDeclarations", ())]
        return _named([one["name"] for one in declared], wanted)

    def results(self, body: Json) -> list[str]:
        parts = [part for one in body.get("contents", ()) for part in one.get("parts", ())]
        return [json.dumps(part["functionResponse"]) for part in parts if "functionResponse" in part]

    def call(self, call: Call, body: Json) -> list[Json]:
        del body
        return self._turn({"functionCall": {"name": call.name, "args": call.arguments}})

    def text(self, text: str, body: Json) -> list[Json]:
        del body
        return self._turn({"text": text})

    def whole(self, events: list[Json]) -> Json:
        return events[0]

    def streams(self, path: str, body: Json) -> bool:
        del body
        return "streamGenerateContent" in path

    def _turn(self, part: Json) -> list[Json]:
        usage = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
        candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}
        return [{"candidates": [candidate], "usageMetadata": usage, "modelVersion": "scripted"}]
