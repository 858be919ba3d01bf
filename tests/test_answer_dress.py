"""One answer in every dress that engines and proxies put on it: however the bytes look, the answer is the same."""

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from alaya_mcp.chat.stream.decoder import AnswerDecoder

Chunk = dict[str, Any]

words = st.text(st.characters(codec="utf-8"), max_size=6).filter(
    lambda text: "<" not in text and not text[:1].isspace()
)
arguments = st.dictionaries(st.text(max_size=3), st.text(max_size=6), max_size=2)


@dataclass(frozen=True)
class Answer:
    """What an engine means to say."""

    reasoning: list[str]
    content: list[str]
    calls: list[dict[str, str]]

    def chunks(self, reasoning_field: str) -> list[Chunk]:
        """The stream of it: a role, the pieces, why it stopped, the count."""
        deltas: list[Chunk] = [{"role": "assistant", "content": ""}, {"role": "assistant", "content": None}]
        deltas += [{"content": None, reasoning_field: piece} for piece in self.reasoning]
        deltas += [{"content": piece} for piece in self.content]
        for index, call in enumerate(self.calls):
            text = json.dumps(call)
            head = {"index": index, "id": f"c{index}", "type": "function"}
            deltas.append({"tool_calls": [{**head, "function": {"name": f"f{index}", "arguments": text[:3]}}]})
            deltas.append({"content": None, "tool_calls": [{"index": index, "function": {"arguments": text[3:]}}]})
        choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
        end: Chunk = {"index": 0, "delta": {}, "finish_reason": "stop"}
        return [*({"model": "m", "choices": [choice]} for choice in choices), {"model": "m", "choices": [end]}]


answers = st.builds(Answer, st.lists(words, max_size=4), st.lists(words, max_size=5), st.lists(arguments, max_size=2))

HARMLESS: list[Chunk] = [
    {"choices": []},
    {"choices": None},
    {"choices": [None]},
    {"choices": [{"index": 1, "delta": {"content": "of another choice"}}]},
    {"choices": [{"index": 0, "delta": None}]},
    {"choices": [{"index": 0, "delta": {"role": "assistant"}}], "usage": None},
    {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}},
]
NOISE = [b": keep-alive", b":", b"event: message", b"id: 7", b"retry: 100"]
LATER_NOISE = [*NOISE, b"unknown: field", b"no-colon"]
"""A stream is known as one by its first line."""


@st.composite
def dressed(draw: st.DrawFn) -> tuple[Answer, bytes]:
    """An answer and its bytes."""
    answer = draw(answers)
    chunks = answer.chunks(draw(st.sampled_from(["reasoning", "reasoning_content"])))
    for chunk in draw(st.lists(st.sampled_from(HARMLESS), max_size=4)):
        chunks.insert(draw(st.integers(0, len(chunks))), chunk)
    if draw(st.booleans()):  # why it stopped, told twice and differently, and then not at all
        chunks.insert(0, {"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]})
        chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "null"}]})
    end = draw(st.sampled_from([b"\n", b"\r\n", b"\r"]))
    body = draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    for number, chunk in enumerate(chunks):
        for noise in draw(st.lists(st.sampled_from(LATER_NOISE if number else NOISE), max_size=2)):
            body += noise + end
        pretty = draw(st.booleans())  # JSON over several data lines
        text = json.dumps(chunk, ensure_ascii=draw(st.booleans()), indent=1 if pretty else None)
        space = draw(st.sampled_from([b"", b" "]))
        body += b"".join(b"data:" + space + line.encode() + end for line in text.split("\n")) + end
    return answer, body + draw(st.sampled_from([b"", b"data: [DONE]" + end + end, b"data:[DONE]"]))


@given(dressed(), st.lists(st.integers(0, 4_000), max_size=12))
@settings(max_examples=100, deadline=None)
def test_an_answer_is_the_same_in_every_dress_and_cut_anywhere(dress: tuple[Answer, bytes], cuts: list[int]) -> None:
    answer, body = dress
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    decoder = AnswerDecoder()
    told = [delta for a, b in pairwise(edges) for delta in decoder.feed(body[a:b])] + list(decoder.finish())

    reply = decoder.reply
    assert (reply.content, reply.reasoning) == ("".join(answer.content), "".join(answer.reasoning))
    assert "".join(delta.content for delta in told) == reply.content
    assert [json.loads(call.arguments) for call in reply.tool_calls] == answer.calls
    assert [(call.call_id, call.name) for call in reply.tool_calls] == [
        (f"c{index}", f"f{index}") for index in range(len(answer.calls))
    ]
    assert (reply.finish_reason, decoder.unreadable) == ("stop", 0)
    assert reply.begun is any([*answer.content, *answer.reasoning, answer.calls])


@given(dressed(), st.integers(0, 4_000))
@settings(max_examples=60, deadline=None)
def test_an_answer_cut_off_anywhere_is_a_beginning_of_it(dress: tuple[Answer, bytes], cut: int) -> None:
    answer, body = dress
    decoder = AnswerDecoder()
    role = b'data: {"choices": [{"index": 0, "delta": {"role": "assistant"}}]}\n\n'  # as every engine begins
    told = [*decoder.feed(role + body[:cut]), *decoder.salvage()]

    assert "".join(answer.content).startswith(decoder.reply.content)
    assert "".join(answer.reasoning).startswith(decoder.reply.reasoning)
    assert "".join(delta.content for delta in told) == decoder.reply.content


@given(dressed(), st.integers(0, 4_000), st.binary(min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_bytes_that_are_no_text_in_the_middle_cost_at_most_an_event(
    dress: tuple[Answer, bytes], at: int, junk: bytes
) -> None:
    _, body = dress
    decoder = AnswerDecoder()
    list(decoder.feed(b": starts as events do\n\n" + body[:at] + junk + body[at:]))
    list(decoder.finish())

    assert decoder.reply.content.encode().decode() == decoder.reply.content
    assert decoder.unreadable <= 3
