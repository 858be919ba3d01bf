"""What a caller should know about a reply, beyond its text, as warnings. Pure.

Each thing is said by one function: what cut a reply, what is missing in it and what brings more by `about_the_ending`.
"""

from alaya_mcp.chat.exchange import Exchange
from alaya_mcp.chat.reply_window import size_of
from alaya_mcp.chat.stream.answer_fields import EngineError
from alaya_mcp.chat.stream.tool_calls import Flaw
from alaya_mcp.deployment.wire import EnvelopeFailure
from alaya_mcp.upstream.error_text import quoted

ABOUT_A_CUT = ("The reply was cut", "The reply ends at")
"""How what `about_the_ending` says of a cut begins, for those who say it in words of their own."""
_AGAIN = "call get_deployment to see its state, then ask again"
_CALL_IN_TEXT = ("<tool_call>", "<|tool_call", "[TOOL_CALLS]", "<function=", "<|python_tag|>")
"""How models write tool calls that no parser took out of the text (Qwen, GLM, Mistral, Qwen-Coder, Llama)."""
_FLAWS: dict[Flaw, str] = {
    "cut": "The call of {} was cut off, so do not run it: ask again{}.",
    "not_json": "The arguments of the call of {} are not valid JSON, so do not run it: ask again.",
    "not_an_object": "The arguments of the call of {} are JSON but not an object, so do not run it: ask again.",
}


def about_the_text(exchange: Exchange) -> list[str]:
    """What is odd about the reply's text and its thinking."""
    reply = exchange.decoder.reply
    remarks: list[str] = []
    has_text = bool(exchange.content or reply.tool_calls)
    if exchange.asked.features.thinking == "on" and has_text and not exchange.reasoning:
        remarks.append("No thinking came although it was switched on: the model may not think, or not know the switch.")
    if (shown := size_of(exchange.shown_reasoning)) < (whole := size_of(exchange.reasoning)):
        remarks.append(f"The thinking is shown up to {shown} of {whole} bytes; the rest is not kept.")
    if exchange.orphan:
        remarks.append(
            "The text before a closing tag such as </think> was taken for thinking, although progress notes showed it "
            "as text. A reasoning parser that fits the model parts the two from the start."
        )
    if reply.moved:
        remarks.append("The engine sent the reply as reasoning; it is shown as content.")
    return remarks


def about_tool_calls(exchange: Exchange) -> list[str]:
    """What is odd about the tools that the model asks for, or does not."""
    content, reply, features = exchange.content, exchange.decoder.reply, exchange.asked.features
    offered = bool(features.tools)
    larger = " with a larger max_tokens" if exchange.reason == "max_tokens" else ""
    remarks = [
        _FLAWS[flaw].format(call.function.name, larger) for call, flaw in exchange.tool_calls if flaw is not None
    ]
    if not exchange.has_all_calls:
        remarks.append(
            f"Only {len(exchange.tool_calls)} of the calls are shown: together they are larger than a result may be. "
            "The others are not kept."
        )
    if reply.tool_calls and not offered:
        remarks.append("The engine asked for a tool although none was offered.")
    if offered and not reply.tool_calls and any(mark in content for mark in _CALL_IN_TEXT):
        remarks.append(
            "The reply holds a tool call as text: the engine runs without a tool parser for this model "
            "(vLLM: --enable-auto-tool-choice and --tool-call-parser; SGLang: --tool-call-parser), or the call was cut."
        )
    elif features.tool_choice not in {None, "auto", "none"} and not reply.tool_calls and content:
        remarks.append("tool_choice asked for a tool call, but the engine answered in text.")
    return remarks


def about_continuing(exchange: Exchange) -> list[str]:
    """Whether the engine went on from the last message."""
    if exchange.went_on or not exchange.content:
        return []
    if exchange.structured and exchange.structured.is_alone and exchange.structured.problem is None:
        return ["The engine started the JSON over instead of going on; content is a whole reply of its own."]
    return ["The engine seems to have started over instead of going on: it may not know continue_final_message."]


def about_structure(exchange: Exchange) -> list[str]:
    """Why there is no `parsed`, or what of it was not checked."""
    structured = exchange.structured
    if exchange.decoder.reply.tool_calls:
        return ["The model asked for a tool instead of replying, so there is no parsed yet."]
    if structured is None or (exchange.reason and not structured.is_json):
        why = "is not whole in this result" if exchange.content else "has no text"
        return [f"The reply {why}, so there is no parsed."]
    if not structured.is_checked:
        return [f"The reply could not be checked against response_schema, so there is no parsed: {structured.problem}."]
    if structured.problem:
        joined = "" if structured.is_alone else ", together with the message that it goes on from,"
        why = f"does not follow response_schema, so there is no parsed: {structured.problem}."
        return [f"The reply{joined} {why} Ask again, or simplify the schema."]
    remarks = [f"The pattern {pattern} of response_schema was not checked." for pattern in structured.unchecked]
    if structured.value is None:
        remarks.append("The reply is null, which follows response_schema; parsed is left out for it.")
    return remarks


def about_the_ending(exchange: Exchange, *, has_messages: bool) -> list[str]:
    """What cut the reply or is missing in it, and what would bring more.

    Args:
        exchange: The answer.
        has_messages: Whether the conversation is returned with it.
    """
    content, reason = exchange.content, exchange.reason
    is_empty = not content and not exchange.decoder.reply.tool_calls
    if reason is None:
        if exchange.is_all_thinking:
            return ["Only thinking arrived, no reply."]
        return ["The model ended its reply without any text."] if is_empty else []
    if exchange.structured and exchange.structured.problem is None:
        return [f"The reply was cut ({reason}) after its JSON was whole."]
    where = ""
    if exchange.is_all_thinking:
        where = " while the model was still thinking, before any reply"
    elif is_empty:
        where = ", before any text"
    return [f"{_cut(exchange, where)}{_go_on(exchange, has_messages=has_messages)}."]


def _cut(exchange: Exchange, where: str) -> str:
    """What cut the reply and where it had got, with what to do about it; without its full stop."""
    ending, limits = exchange.ending, exchange.limits
    match exchange.reason:
        case "max_tokens":
            without = exchange.is_all_thinking and exchange.asked.features.thinking != "off"
            more = "pass a larger max_tokens" + (", or thinking: off" if without else "")
            return f"The reply ends at max_tokens or at the end of the context{where}: {more}"
        case "deadline":
            more = "pass a larger timeout_seconds (hosts may give up at 60 s)"
            return f"The reply was cut at the deadline of {limits.budget:g} s{where}: {more}"
        case "idle":
            return f"The reply was cut{where}: the engine was silent for {limits.idle:g} s; {_AGAIN}"
        case "content_filter":
            filtered = f"a content filter (finish_reason {exchange.finish_reason})"
            return f"The reply was cut by {filtered}{where}: change the request, since the same one may be cut again"
        case "size_cap":
            return f"The reply was cut{where}: it is larger than this server reads"
        case "upstream_error":
            words = ending.cause.message if isinstance(ending.cause, EngineError | EnvelopeFailure) else None
            said = quoted(words, exchange.subject.secrets)
            return f"The reply was cut by an error of the engine{where}.{said} {_AGAIN[0].upper()}{_AGAIN[1:]}"
        case _:
            return f"The reply was cut{where}: the connection to the engine ended before the answer did; {_AGAIN}"


def _go_on(exchange: Exchange, *, has_messages: bool) -> str:
    """How to go on from what came: there must be text, and neither calls nor data can be gone on from."""
    asked = exchange.asked
    cannot = exchange.decoder.reply.tool_calls or asked.features.response_schema is not None
    if cannot or not exchange.content or exchange.reason in {"size_cap", "content_filter"}:
        return ""
    if has_messages:
        return ", or pass messages with continue_reply to go on from it"
    how = "" if asked.return_messages else " (return_messages gives them)"
    return f", or go on from it: continue_reply, with this reply as the last of messages{how}"
