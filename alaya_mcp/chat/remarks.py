"""What a caller should know about a reply, beyond its text, as warnings. Pure."""

from alaya_mcp.chat.exchange import Exchange
from alaya_mcp.chat.reply import EngineError
from alaya_mcp.chat.size import size_of
from alaya_mcp.deployment.wire import EnvelopeFailure
from alaya_mcp.upstream.words import quoted

ABOUT_A_CUT = ("The reply was cut", "The reply ends at")
"""How what `about_the_cut` says begins, for those who say it in words of their own."""
_GO_ON = ", or go on from it: continue_reply, with this reply as the last of messages (return_messages gives them)"
_AGAIN = "Call get_deployment to see its state, then ask again"
_CALL_IN_TEXT = ("<tool_call>", "<|tool_call", "[TOOL_CALLS]", "<function=", "<|python_tag|>")
"""How models write tool calls that no parser took out of the text (Qwen, GLM, Mistral, Qwen-Coder, Llama)."""


def about_the_text(exchange: Exchange) -> list[str]:
    """What is odd about the reply's text, or that there is none."""
    content, reply, reason = exchange.content, exchange.decoder.reply, exchange.reason
    remarks: list[str] = []
    if exchange.is_all_thinking:
        remarks.append(
            "All of it went into thinking and no reply came: pass a larger max_tokens, or thinking: off."
            if reason == "max_tokens"
            else "Only thinking arrived, no reply."
        )
    elif not content and not reply.tool_calls:
        remarks.append("The model ended its reply without any text.")
    elif exchange.asked.features.thinking == "on" and not exchange.reasoning:
        remarks.append("No thinking came although it was switched on: the model may not think, or not know the switch.")
    if (shown := size_of(exchange.shown_reasoning)) < (whole := size_of(exchange.reasoning)):
        remarks.append(f"The thinking is shown up to {shown} of {whole} bytes; the rest is not kept.")
    if exchange.orphan:
        remarks.append(
            "What stood before </think> was taken for thinking; progress notes had shown it as text. Starting the "
            "engine with a reasoning parser parts the two from the start."
        )
    return remarks


def about_tool_calls(exchange: Exchange) -> list[str]:
    """What is odd about the tools that the model asks for, or does not."""
    content, reply, features = exchange.content, exchange.decoder.reply, exchange.asked.features
    offered = bool(features.tools)
    remarks = [
        f"The call of {call.function.name} was cut off: its arguments are not a JSON object, so do not run it. "
        "Ask again, with a larger max_tokens."
        for call, is_complete in exchange.tool_calls
        if not is_complete
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
    elif features.tool_choice not in {None, "auto", "none"} and not reply.tool_calls:
        remarks.append("tool_choice asked for a tool call, but the engine answered in text.")
    return remarks


def about_continuing(exchange: Exchange) -> list[str]:
    """Whether the engine went on from the last message."""
    if exchange.went_on:
        return []
    return ["The engine seems to have started over instead of going on: it may not know continue_final_message."]


def about_structure(exchange: Exchange) -> list[str]:
    """Why there is no `parsed`."""
    if exchange.decoder.reply.tool_calls:
        return ["The model asked for a tool instead of replying, so there is no parsed yet."]
    if exchange.structured is None:
        why = "is not whole in this result" if exchange.content else "has no text"
        return [f"The reply {why}, so there is no parsed."]
    if exchange.structured.problem is None:
        return []
    joined = ", together with the message that it goes on from," if exchange.asked.continued else ""
    why = f"does not follow response_schema, so there is no parsed: {exchange.structured.problem}."
    return [f"The reply{joined} {why} Ask again, or simplify the schema."]


def about_the_cut(exchange: Exchange) -> list[str]:
    """Why the reply is incomplete, and what would bring more."""
    ending, limits = exchange.ending, exchange.limits
    # There must be text to go on from, and a call cannot be gone on from.
    go_on = f"{_GO_ON}." if exchange.content and not exchange.decoder.reply.tool_calls else "."
    match exchange.reason:
        case None:
            return []
        case "max_tokens":
            why = f"The reply ends at max_tokens or at the end of the context: pass a larger max_tokens{go_on}"
        case "deadline":
            why = (
                f"The reply was cut at the deadline of {limits.budget:g} s: pass a larger timeout_seconds (hosts may "
                f"give up at 60 s){go_on}"
            )
        case "idle":
            why = f"The reply was cut: the engine was silent for {limits.idle:g} s. {_AGAIN}{go_on}"
        case "stream_cut":
            why = f"The reply was cut: the connection to the engine ended before the answer did. {_AGAIN}{go_on}"
        case "size_cap":
            why = "The reply was cut: it is larger than this server reads."
        case "upstream_error":
            words = ending.cause.message if isinstance(ending.cause, EngineError | EnvelopeFailure) else None
            why = (
                f"The reply was cut by an error of the engine.{quoted(words, exchange.subject.secrets)} {_AGAIN}{go_on}"
            )
    return [why]
