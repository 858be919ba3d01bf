"""A chat over a pipe: each line is a message or a command, and stdout has nothing but the answers."""

import json
from collections.abc import AsyncIterable
from typing import Any, Protocol

from alaya_mcp.chat.request import Turn
from alaya_mcp.errors import AlayaError
from alaya_mcp.printable import encodable
from alaya_mcp.terminal.chat_session import ChatSession, Received
from alaya_mcp.terminal.commands import IN_A_PIPE, Do, Say, Unknown, parse_line
from alaya_mcp.terminal.conversation import Conversation, Message
from alaya_mcp.terminal.error_steps import STEPS_IN_A_PIPE, STEPS_OF_ONE_LINE, Steps, error_fields, error_lines
from alaya_mcp.terminal.facts import answer_line, cut_line, doubts
from alaya_mcp.terminal.lines import PipedLine
from alaya_mcp.terminal.screen import Screen

_NOT_TEXT = (
    "The line is neither UTF-8 nor text in this system's encoding, so it was not sent. Convert the input first, "
    "for example: iconv -f GBK -t UTF-8 questions.txt | alayanew-mcp chat NAME"
)


class Report(Protocol):
    """Reports the outcome of each line."""

    def answered(self, line: PipedLine, received: Received) -> None:
        """Report a complete or partial answer; the screen may have shown its text already."""
        ...

    def failed(self, line: PipedLine, error: AlayaError, steps: Steps) -> None:
        """Report a line without an answer, with the next step from `steps`."""
        ...

    def refused(self, line: PipedLine, why: str) -> None:
        """Report a line that was not sent."""
        ...


class TextReport:
    """Writes facts, warnings and errors to stderr."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def answered(self, line: PipedLine, received: Received) -> None:
        """Show which model answered, and the warnings."""
        del line
        if result := received.result:
            self._screen.fact(answer_line(result))
            for warning in _warnings(received):
                self._screen.warn(warning)

    def failed(self, line: PipedLine, error: AlayaError, steps: Steps) -> None:
        """Show the line's number and the error."""
        self.refused(line, error_lines(error, steps, self._screen.doctor))

    def refused(self, line: PipedLine, why: str) -> None:
        """Show the line's number and the reason."""
        self._screen.say(f"line {line.number}: {why}", "red")


def _warnings(received: Received) -> list[str]:
    cut = cut_line(received.result) if received.result else None
    return [*doubts(received.remarks), *([cut] if cut else [])]


class JsonReport:
    """Prints one JSON object per line on stdout: `line`, `prompt`, and the fields of the result or an `error`."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def answered(self, line: PipedLine, received: Received) -> None:
        """Print the result."""
        result = received.result and received.result.model_copy(update={"warnings": _warnings(received)})
        self._print(line, result.model_dump(mode="json", exclude_none=True) if result else {})

    def failed(self, line: PipedLine | None, error: AlayaError, steps: Steps) -> None:
        """Print the error; without a line, it is about the start."""
        self._print(line, {"error": error_fields(error, steps, self._screen.doctor)})

    def refused(self, line: PipedLine, why: str) -> None:
        """Print the error."""
        self._print(line, {"error": {"code": "invalid_arguments", "message": why, "retryable": False}})

    def _print(self, line: PipedLine | None, fields: dict[str, Any]) -> None:
        prompt = {"prompt": encodable(line.text)} if line and line.text is not None else {}
        self._screen.record(json.dumps({"line": line and line.number, **prompt, **fields}, ensure_ascii=False))


class PipedChat:
    """Answers lines, each by itself or all as one conversation.

    Args:
        session: The deployment.
        screen: Receives the answers; knows whether its reader is gone.
        report: Reports the outcome of each line.
        system: The system message, or None.
        is_conversation: Whether each line continues the conversation.
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
        """Answer every line and return the exit status: 1 if a line had no complete answer, or the reader is gone.

        Commands that touch files are refused: piped text can come from anybody.
        """
        status = 0
        async for line in lines:
            match parse_line(line.text) if line.text is not None else None:
                case Say(text):
                    has_answer = await self._ask(line, encodable(text))
                case Do("quit", ""):
                    break
                case Do(name, argument) if name in IN_A_PIPE:
                    has_answer = await self._do(line, name, argument)
                case Do(name) | Unknown(name):
                    known = ", ".join(f"/{each}" for each in sorted(IN_A_PIPE))
                    self._report.refused(
                        line,
                        f"/{name} is not a command in a pipe ({known}), so the line was not sent. To send a "
                        "message that begins with a slash, write two.",
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
        """Return whether a complete answer arrived."""
        question, manner = Turn("user", text), self._session.manner
        try:
            received = await self._session.reply((*self._conversation.turns, question))
        except AlayaError as error:
            manner.waits = not error.passes_once_loaded  # the next lines fail at once, until it is ready
            self._fail(line, error)
            return False
        manner.waits = True
        self._report.answered(line, received)
        if received.text and self._is_conversation:
            self._conversation = self._conversation.answered(question, Message.reply(received.text))
        return bool(received.text) and not (received.result and received.result.truncated)

    def _fail(self, line: PipedLine, error: AlayaError) -> None:
        self._report.failed(line, error, STEPS_IN_A_PIPE if self._is_conversation else STEPS_OF_ONE_LINE)

    async def _do(self, line: PipedLine, name: str, argument: str) -> bool:
        """Execute a command for the lines that follow; return whether its argument was valid."""
        manner = self._session.manner
        match name, argument:
            case "clear", "":
                self._conversation = Conversation(self._conversation.system)
            case "model", _:
                if argument and (unserved := await self._session.unserved(argument)):
                    self._fail(line, unserved)
                    return False
                manner.model = argument or None
            case "system", str(text) if text:
                self._conversation = Conversation(None if text == "off" else text, self._conversation.messages)
            case "thinking", "auto" | "on" | "off":
                manner.thinking = argument
            case "thinking", _:
                self._report.refused(line, "/thinking takes auto, on or off in a pipe.")
                return False
            case _:
                wrong = "takes no argument" if argument else "needs an argument in a pipe"
                self._report.refused(line, f"/{name} {wrong}.")
                return False
        return True
