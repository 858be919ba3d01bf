"""A chat at the end of a pipe: each line is a message, each answer is printed, and nothing else is."""

import json
from collections.abc import AsyncIterable
from typing import Any, Protocol

from alaya_mcp.chat.request import Turn
from alaya_mcp.errors import AlayaError
from alaya_mcp.printable import encodable
from alaya_mcp.terminal.chat_session import ChatSession, Received
from alaya_mcp.terminal.commands import IN_A_PIPE, Do, Say, Unknown, parse_line
from alaya_mcp.terminal.conversation import Conversation, Reply
from alaya_mcp.terminal.error_steps import error_fields
from alaya_mcp.terminal.facts import answer_line, cut_line, doubts
from alaya_mcp.terminal.lines import PipedLine
from alaya_mcp.terminal.screen import Screen

_NOT_TEXT = (
    "The line is not UTF-8, nor text in this system's encoding, so it was not sent. Convert the input first, "
    "for example: iconv -f GBK -t UTF-8 questions.txt | alayanew-mcp chat NAME"
)
_MODES = ("auto", "on", "off")


class Report(Protocol):
    """Says what came of each line."""

    def answered(self, line: PipedLine, received: Received) -> None:
        """An answer came, whole or in part; its text has been shown already where it is shown as it comes."""
        ...

    def failed(self, line: PipedLine, error: AlayaError) -> None:
        """No answer came."""
        ...

    def refused(self, line: PipedLine, why: str) -> None:
        """Nothing was asked."""
        ...


class TextReport:
    """Answers on stdout as they come, and everything else beside them."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def answered(self, line: PipedLine, received: Received) -> None:
        """Say which model answered and what is doubtful."""
        del line
        if result := received.result:
            self._screen.fact(answer_line(result))
            for warning in _warnings(received):
                self._screen.warn(warning)

    def failed(self, line: PipedLine, error: AlayaError) -> None:
        """Say which line and why."""
        self._screen.fact(f"line {line.number}:")
        self._screen.fail(error)

    def refused(self, line: PipedLine, why: str) -> None:
        """Say which line and why."""
        self._screen.say(f"line {line.number}: {why}", "red")


def _warnings(received: Received) -> list[str]:
    cut = cut_line(received.result) if received.result else None
    return [*doubts(received.remarks), *([cut] if cut else [])]


class JsonReport:
    """One JSON object a line on stdout: `line`, `prompt`, and the fields of the result or an `error`."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def answered(self, line: PipedLine, received: Received) -> None:
        """Print the result."""
        if result := received.result:
            result = result.model_copy(update={"warnings": _warnings(received)})
            self._print(line, result.model_dump(mode="json", exclude_none=True))
        else:
            self._print(line, {})

    def failed(self, line: PipedLine, error: AlayaError) -> None:
        """Print the error."""
        self._print(line, {"error": error_fields(error)})

    def refused(self, line: PipedLine, why: str) -> None:
        """Print the error."""
        self._print(line, {"error": {"code": "invalid_arguments", "message": why, "retryable": False}})

    def _print(self, line: PipedLine, fields: dict[str, Any]) -> None:
        prompt = {} if line.text is None else {"prompt": encodable(line.text)}
        self._screen.record(json.dumps({"line": line.number, **prompt, **fields}, ensure_ascii=False))


class PipedChat:
    """Answers lines, each by itself or all as one conversation.

    Args:
        session: The deployment.
        screen: Where the answers go; it knows whether somebody reads them.
        report: What is said of each line.
        system: The system message, or None.
        is_conversation: Whether each line goes on from those before it.
    """

    def __init__(
        self,
        session: ChatSession,
        screen: Screen,
        report: Report,
        system: str | None = None,
        *,
        is_conversation: bool = False,
    ) -> None:
        self._session = session
        self._screen = screen
        self._report = report
        self._conversation = Conversation(system)
        self._is_conversation = is_conversation

    async def run(self, lines: AsyncIterable[PipedLine]) -> int:
        """Answer every line; the exit status, 1 where any had no whole answer, or no reader.

        A line may be one of the commands that touch no file; a message that begins with a slash is typed with two.
        """
        status = 0
        async for line in lines:
            match parse_line(line.text) if line.text is not None else None:
                case Say(text):
                    has_answer = await self._ask(line, encodable(text))
                case Do("quit"):
                    break
                case Do(name, argument) if name in IN_A_PIPE:
                    has_answer = self._do(line, name, argument)
                case Do(name) | Unknown(name):
                    known = ", ".join(f"/{each}" for each in sorted(IN_A_PIPE))
                    self._report.refused(
                        line,
                        f"/{name} is no command that a pipe may hold ({known}), so the line was not sent; a message "
                        "that begins with a slash is written with two.",
                    )
                    has_answer = False
                case None:
                    self._report.refused(line, _NOT_TEXT)
                    has_answer = False
            if not self._screen.is_read:
                return 1
            status = status if has_answer else 1
        return status

    async def _ask(self, line: PipedLine, text: str) -> bool:
        """Whether a whole answer came."""
        question = Turn("user", text)
        try:
            received = await self._session.reply((*self._conversation.turns, question))
        except AlayaError as error:
            self._report.failed(line, error)
            return False
        self._report.answered(line, received)
        if received.text and self._is_conversation:
            self._conversation = self._conversation.answered(question, Reply(received.text))
        return bool(received.text) and not (received.result and received.result.truncated)

    def _do(self, line: PipedLine, name: str, argument: str) -> bool:
        """Whether the command could be obeyed; it holds for the lines after it."""
        manner = self._session.manner
        match name, argument:
            case "clear", "":
                self._conversation = Conversation(self._conversation.system)
            case "model", _:
                manner.model = argument or None
            case "system", str(text) if text:
                self._conversation = Conversation(None if text == "off" else text, self._conversation.messages)
            case "thinking", "auto" | "on" | "off":
                manner.thinking = argument
            case "thinking", _:
                self._report.refused(line, f"/thinking takes {', '.join(_MODES)} in a pipe.")
                return False
            case _:
                wrong = "takes nothing after it" if argument else "needs something after it in a pipe"
                self._report.refused(line, f"/{name} {wrong}.")
                return False
        return True
