"""What has been said, as a value: each step gives a new one. Pure."""

from dataclasses import dataclass, replace

from alaya_mcp.chat.exchange import starts_over
from alaya_mcp.chat.request import Turn


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of an answer.

    Attributes:
        text: Without the thinking.
        model: That answered.
        cut: Why it is not whole; empty where it is.
    """

    text: str
    model: str = ""
    cut: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn, and for an assistant's how it came about.

    Attributes:
        model: That answered; empty where it is not known.
        cut: Why it is not whole; empty where it is, or where that is not known.
    """

    turn: Turn
    model: str = ""
    cut: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation.

    Attributes:
        system: The system message.
        messages: What was said, the oldest first.
        unanswered: The last question, where no text came in answer; not part of `messages`.
    """

    system: str | None = None
    messages: tuple[Message, ...] = ()
    unanswered: Turn | None = None

    @classmethod
    def of(cls, turns: tuple[Turn, ...]) -> "Conversation":
        """The conversation that these turns are."""
        system = turns[0].content if turns and turns[0].role == "system" else None
        said = turns if system is None else turns[1:]
        unanswered = said[-1] if said and said[-1].role == "user" else None
        messages = tuple(Message(turn) for turn in (said[:-1] if unanswered else said))
        return cls(system, messages, unanswered)

    @property
    def turns(self) -> tuple[Turn, ...]:
        """As a chat takes them."""
        system = () if self.system is None else (Turn("system", self.system),)
        return (*system, *(message.turn for message in self.messages))

    @property
    def can_continue(self) -> bool:
        """Whether there is a reply to go on from."""
        last = self.messages[-1].turn if self.messages else None
        return last is not None and last.role == "assistant" and bool(last.content) and not last.tool_calls

    def last_question(self) -> "tuple[Conversation, Turn] | None":
        """The user's last message, and the conversation before it; None where there is none."""
        if self.unanswered:
            return replace(self, unanswered=None), self.unanswered
        for index in reversed(range(len(self.messages))):
            if self.messages[index].turn.role == "user":
                return replace(self, messages=self.messages[:index]), self.messages[index].turn
        return None

    def answered(self, question: Turn, reply: Reply) -> "Conversation":
        """With a question and what came in answer."""
        answer = Message(Turn("assistant", reply.text), reply.model, reply.cut)
        return replace(self, messages=(*self.messages, Message(question), answer), unanswered=None)

    def not_answered(self, question: Turn) -> "Conversation":
        """With a question that is still to be answered."""
        return replace(self, unanswered=question)

    def continued(self, reply: Reply) -> "Conversation":
        """With what came after the last reply, or in its place where the engine started over."""
        last = self.messages[-1].turn
        begun = "" if starts_over(last.content, reply.text) else last.content
        whole = Message(replace(last, content=begun + reply.text), reply.model, reply.cut)
        return replace(self, messages=(*self.messages[:-1], whole))
