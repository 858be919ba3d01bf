"""chat_with_deployment: one chat with a deployed model, or one of its adapters."""

from dataclasses import replace

from alaya_mcp.accounts import Account
from alaya_mcp.deadline import Deadline
from alaya_mcp.errors import InvalidArguments
from alaya_mcp.progress import ProgressNotes
from alaya_mcp.results import ChatResult
from alaya_mcp.serving.elicitation import Caller
from alaya_mcp.serving.host_limits import reply_bytes_for
from alaya_mcp.serving.reply_warnings import with_warnings
from alaya_mcp.serving.tools.chat_arguments import ChatArguments
from alaya_mcp.serving.tools.subject import reference
from alaya_mcp.serving.tools.text import chat_text
from alaya_mcp.serving.tools.tool import Tool


async def _run(account: Account, arguments: ChatArguments, caller: Caller) -> ChatResult:
    settings = account.settings
    is_set = "max_reply_bytes" in settings.model_fields_set
    reply_bytes = reply_bytes_for(caller.name, settings.max_reply_bytes, is_set=is_set)
    if arguments.read_on:
        if arguments.prompt or arguments.messages:
            raise InvalidArguments("read_on_with_question")
        return with_warnings(account.chats.read_on(arguments.read_on, reply_bytes))
    budget = arguments.timeout_seconds or settings.timeout_seconds
    request = replace(arguments.chat(budget), reply_bytes=reply_bytes)
    deadline = Deadline.after(budget)
    notes = ProgressNotes(caller.notify, settings.progress_interval_ms / 1000)

    async def work() -> ChatResult:
        named, until = await reference(account, arguments.service_id, caller, deadline, notes)
        return with_warnings(await account.chats.run(named, request, until, notes))

    return await notes.during(work)


CHAT_WITH_DEPLOYMENT = Tool(
    name="chat_with_deployment",
    title="Chat with deployment",
    description=(
        "Ask a language model deployed on Alaya NeW, or one of its LoRA adapters (pass the adapter's name as model), "
        "and get its reply with finish_reason, token usage and timing. prompt for one question, messages for a "
        "conversation: nothing is remembered between calls. Can wait for a starting deployment, constrain the reply to "
        "a JSON Schema, offer tools, show images, continue a truncated reply. A truncated reply is returned with "
        "truncated and the reason.  Costs tokens and sends the text to the deployment; changes nothing else."
    ),
    arguments=ChatArguments,
    result=ChatResult,
    run=_run,
    text=chat_text,
    idempotent=False,
)
