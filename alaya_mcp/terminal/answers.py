"""A chat at the end of a pipe: each line is a message, each answer is printed, and nothing else is."""

from collections.abc import AsyncIterable

from alaya_mcp.chat.request import Turn
from alaya_mcp.deployment.lenient import encodable
from alaya_mcp.errors import AlayaError
from alaya_mcp.terminal.conversation import Conversation, Reply
from alaya_mcp.terminal.facts import answer_line, cut_line, doubts
from alaya_mcp.terminal.respondent import Respondent
from alaya_mcp.terminal.screen import Screen


async def answer_lines(
    respondent: Respondent, screen: Screen, lines: AsyncIterable[str], system: str | None = None
) -> int:
    """Answer every line of one conversation; the exit status, 1 where any had no whole answer, or no reader.

    A line that begins with a slash is a message as any other: what is piped in may come from anybody.
    """
    conversation, status = Conversation(system), 0
    async for line in lines:
        question = Turn("user", encodable(line))
        try:
            received = await respondent.reply((*conversation.turns, question))
        except AlayaError as error:
            screen.fail(error)
            status = 1
            continue
        if not screen.is_read:
            return 1
        if result := received.result:
            screen.fact(answer_line(result))
            for warning in doubts(result):
                screen.warn(warning)
            if cut := cut_line(result):
                screen.warn(cut)
                status = 1
        if not received.text:
            status = 1
        else:
            conversation = conversation.answered(question, Reply(received.text))
    return status
