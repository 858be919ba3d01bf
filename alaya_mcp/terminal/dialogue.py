"""A chat with a person: reads messages and commands; an error does not end it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from alaya_mcp.chat.request import Turn
from alaya_mcp.deployment.readiness import not_ready, readiness
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.errors import AlayaError
from alaya_mcp.printable import encodable
from alaya_mcp.terminal.chat_session import ChatSession, Received
from alaya_mcp.terminal.commands import COMMANDS, LEAVING, Do, Say, Unknown, help_text, parse_line
from alaya_mcp.terminal.conversation import Conversation, Message
from alaya_mcp.terminal.facts import (
    answer_line,
    cut_line,
    deployment_line,
    deployment_lines,
    doubts,
    model_line,
    model_lines,
)
from alaya_mcp.terminal.interruption import Interruption
from alaya_mcp.terminal.lines import LineInterrupted, ReadLine
from alaya_mcp.terminal.screen import Screen
from alaya_mcp.terminal.transcript import FileRefused, load, path_of, save

INTERRUPTED: Final = 130
"""The exit status after Ctrl-C."""
_HOW_TO_LEAVE: Final = "Ctrl-D or /quit leaves."
_CUT_HERE: Final = "Ctrl-C"


class Dialogue:
    """One chat with a person.

    Args:
        session: The deployment.
        screen: Shows everything.
        read: Reads what the person types.
        interruption: Ctrl-C.
        system: The system message, or None.
    """

    def __init__(
        self,
        session: ChatSession,
        screen: Screen,
        read: ReadLine,
        interruption: Interruption,
        system: str | None = None,
    ) -> None:
        self._session = session
        self._screen = screen
        self._read = read
        self._interruption = interruption
        self._conversation = Conversation(system)
        self._shows_thinking = False
        self._title = ""
        self._answers_as: str | None = None

    async def run(self) -> int:
        """Chat until the person leaves; return the exit status.

        Raises:
            AlayaError: the deployment or the model does not exist.
        """
        if not await self._begin():
            return INTERRUPTED
        while True:
            try:
                line = await self._read(f"{self._answers_as or ''}> ")
            except EOFError:
                return 0
            except LineInterrupted as interrupted:
                if not interrupted.had_text:
                    self._screen.fact(_HOW_TO_LEAVE)
                continue
            if not await self._execute(encodable(line)):
                return 0

    async def _begin(self) -> bool:
        """Wait for the deployment and show which model answers; False if the person cancelled before that."""
        with self._interruption.block():
            service_id, deployment = await self._session.look()
            self._title = f"Conversation with {deployment.name or service_id}"
            if readiness(deployment).may_pass and not readiness(deployment).ready:
                self._screen.say(f"{deployment_line(deployment)} Ctrl-C ends the wait.")
                with self._interruption.block():
                    deployment = await self._session.awaited(deployment)
            self._screen.say(deployment_line(deployment), "bold")
            if readiness(deployment).ready:
                await self._meet(service_id, deployment)
            elif readiness(deployment).may_pass:
                self._screen.fact("Your next message waits for it.")
            else:
                self._screen.fail(not_ready(deployment, service_id))
            self._screen.fact("/help lists the commands.")
            return True
        return False

    async def _meet(self, service_id: str, deployment: Deployment) -> None:
        choice = await self._session.choose(self._session.manner.model, service_id, deployment)
        self._answers_as = choice.model.asked
        self._screen.say(model_line(self._answers_as, choice.names.adapters))
        for warning in doubts(choice.remarks):
            self._screen.warn(warning)

    async def _execute(self, line: str) -> bool:
        """Send a message or execute a command; return whether the chat goes on."""
        match Do("quit", "") if line.strip().casefold() in LEAVING else parse_line(line):
            case None:
                pass
            case Say(text):
                await self._ask(self._conversation, Turn("user", text))
            case Do("quit", ""):
                return False
            case Do(name, argument):
                await self._do(name, argument)
            case Unknown(name, nearest):
                meant = f" Did you mean {' or '.join(f'/{each}' for each in nearest)}?" if nearest else ""
                self._screen.warn(
                    f"There is no command /{name}.{meant} /help lists them. To send a message that begins with a "
                    "slash, type two."
                )
        return True

    async def _do(self, name: str, argument: str) -> None:
        command = next(command for command in COMMANDS if command.name == name)
        if argument and not command.argument:
            self._screen.warn(f"/{name} takes no argument.")
            return
        if not argument and command.argument and not command.argument.startswith("["):
            self._screen.warn(f"/{name} needs a file: {command.usage}")
            return
        with self._interruption.block() as doing:
            try:
                await self._actions[name](argument)
            except AlayaError as error:
                self._screen.fail(error)
            except FileRefused as refused:
                self._screen.say(str(refused), "red")
        if doing.cancelled_caught:
            self._screen.warn(f"/{name} was cancelled.")

    async def _ask(self, before: Conversation, question: Turn) -> None:
        """Ask, and add the answer to the conversation; without text, the conversation stays as it is."""
        try:
            received = await self._session.reply((*before.turns, question))
            reply = self._shown(received)
        except AlayaError as error:
            self._screen.fail(error)
            reply = None
        if reply:
            self._conversation = before.answered(question, reply)
        elif before.messages == self._conversation.messages:  # else a retry failed: the earlier answer stays
            self._conversation = before.not_answered(question)

    async def _continue(self, _argument: str) -> None:
        if not self._conversation.can_continue:
            self._screen.warn("There is no reply to continue.")
            return
        received = await self._session.reply(self._conversation.turns, continues=True)
        if reply := self._shown(received):
            self._conversation = self._conversation.continued(reply)

    def _shown(self, received: Received) -> Message | None:
        """Show the facts and warnings of an answer; return its reply, None without text."""
        result, text = received.result, received.text
        if result is None:
            self._screen.warn("Cancelled; /continue resumes it." if text else "Cancelled before any text.")
            return Message.reply(text, self._answers_as or "", _CUT_HERE) if text else None
        if not text:
            self._screen.fact("(no reply)")
        if self._shows_thinking and result.reasoning:
            self._screen.fact(f"Thinking:\n{result.reasoning}")
        self._screen.fact(answer_line(result))
        for warning in doubts(received.remarks):
            self._screen.warn(warning)
        if cut := cut_line(result):
            self._screen.warn(f"{cut}{' /continue resumes it.' if text else ''}")
        self._answers_as = result.model
        return Message.reply(text, result.model, result.truncated_reason or "") if text else None

    async def _retry(self, _argument: str) -> None:
        if last := self._conversation.last_question():
            await self._ask(*last)
        else:
            self._screen.warn("There is no message to ask again.")

    async def _model(self, name: str) -> None:
        service_id, deployment = await self._session.look()
        if not readiness(deployment).ready:
            raise not_ready(deployment, service_id)
        choice = await self._session.choose(name or self._session.manner.model, service_id, deployment)
        self._answers_as = choice.model.asked
        if name:
            self._session.manner.model = name
            self._screen.say(f"{name} answers from now on.")
        else:
            listed = await self._session.listed(service_id, deployment)
            self._screen.say("\n".join(model_lines(listed, choice.model.sent)))
        for warning in doubts(choice.remarks):
            self._screen.warn(warning)

    async def _system(self, text: str) -> None:
        if text:
            self._conversation = replace(self._conversation, system=None if text == "off" else text)
        system = self._conversation.system
        self._screen.say("There is no system message." if system is None else f"The system message: {system}")

    async def _thinking(self, mode: str) -> None:
        match mode:
            case "show" | "hide":
                self._shows_thinking = mode == "show"
            case "auto" | "on" | "off":
                self._session.manner.thinking = mode
            case "":
                pass
            case _:
                self._screen.warn("/thinking takes show, hide, on, off or auto.")
                return
        shown = "shown" if self._shows_thinking else "hidden"
        self._screen.say(f"The model's thinking: {self._session.manner.thinking}, {shown}.")

    async def _clear(self, _argument: str) -> None:
        self._conversation = Conversation(self._conversation.system)
        self._screen.fact("This is a new conversation.")

    async def _save(self, file: str, *, overwrite: bool = False) -> None:
        if not (self._conversation.messages or self._conversation.unanswered):
            raise FileRefused("There is nothing to save yet.")
        path = path_of(file)
        save(self._conversation, self._title, path, overwrite=overwrite)
        self._screen.fact(f"Saved {_size(self._conversation)} to {path}.")

    async def _load(self, file: str) -> None:
        path = path_of(file)
        self._conversation = load(path)
        waiting = " The last message has no answer yet: /retry asks it." if self._conversation.unanswered else ""
        self._screen.fact(f"Loaded {_size(self._conversation)} from {path}.{waiting}")

    async def _info(self, _argument: str) -> None:
        service_id, deployment = await self._session.look()
        self._screen.say("\n".join(deployment_lines(deployment, service_id)))

    async def _help(self, _argument: str) -> None:
        self._screen.say(help_text())

    @property
    def _actions(self) -> Mapping[str, Callable[[str], Awaitable[None]]]:
        """The commands other than `/quit`."""
        return {
            "model": self._model,
            "system": self._system,
            "thinking": self._thinking,
            "retry": self._retry,
            "continue": self._continue,
            "clear": self._clear,
            "save": self._save,
            "save!": partial(self._save, overwrite=True),
            "load": self._load,
            "info": self._info,
            "help": self._help,
        }


def _size(conversation: Conversation) -> str:
    count = len(conversation.messages) + bool(conversation.unanswered)
    return f"{count} message{'' if count == 1 else 's'}"
