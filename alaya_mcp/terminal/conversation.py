"""A conversation as an immutable value. Pure."""

from dataclasses import dataclass, replace

from alaya_mcp.chat.exchange import starts_over
from alaya_mcp.chat.request import Turn


@dataclass(frozen=True, slots=True)
class Message:
    """One turn, with the origin of an assistant's.

    Attributes:
        model: The model that answered; empty if unknown.
        cut: Why it is incomplete; empty if it is complete or unknown.
    """

    turn: Turn
    model: str = ""
    cut: str = ""

    @classmethod
    def reply(cls, text: str, model: str = "", cut: str = "") -> "Message":
        """Return an assistant's message."""
        return cls(Turn("assistant", text), model, cut)


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation.

    Attributes:
        system: The system message.
        messages: The turns after it, oldest first.
        unanswered: The last question, if it has no answer yet; not in `messages`.
    """

    system: str | None = None
    messages: tuple[Message, ...] = ()
    unanswered: Turn | None = None

    @classmethod
    def of(cls, turns: tuple[Turn, ...]) -> "Conversation":
        """Return the conversation of these turns."""
        system = turns[0].content if turns and turns[0].role == "system" else None
        said = turns if system is None else turns[1:]
        unanswered = said[-1] if said and said[-1].role == "user" else None
        messages = tuple(Message(turn) for turn in (said[:-1] if unanswered else said))
        return cls(system, messages, unanswered)

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The turns to send."""
        system = () if self.system is None else (Turn("system", self.system),)
        return (*system, *(message.turn for message in self.messages))

    @property
    def can_continue(self) -> bool:
        """Whether the last message is a reply that can be continued."""
        last = self.messages[-1].turn if self.messages else None
        return last is not None and last.role == "assistant" and bool(last.content) and not last.tool_calls

    def last_question(self) -> "tuple[Conversation, Turn] | None":
        """Return the conversation before the user's last message, and that message; None without one."""
        if self.unanswered:
            return replace(self, unanswered=None), self.unanswered
        for index in reversed(range(len(self.messages))):
            if self.messages[index].turn.role == "user":
                return replace(self, messages=self.messages[:index]), self.messages[index].turn
        return None

    def answered(self, question: Turn, reply: Message) -> "Conversation":
        """Return the conversation with a question and its answer added."""
        return replace(self, messages=(*self.messages, Message(question), reply), unanswered=None)

    def not_answered(self, question: Turn) -> "Conversation":
        """Return the conversation with an unanswered question."""
        return replace(self, unanswered=question)

    def continued(self, reply: Message) -> "Conversation":
        """Return the conversation with the last reply continued, or replaced if the engine started over."""
        last = self.messages[-1].turn
        begun = "" if starts_over(last.content, reply.turn.content) else last.content
        whole = replace(reply, turn=replace(last, content=begun + reply.turn.content))
        return replace(self, messages=(*self.messages[:-1], whole))
