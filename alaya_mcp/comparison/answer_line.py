"""A line of an answers file: a question, and one model's answer to it."""

from typing import Any

from pydantic import ConfigDict, Field

from alaya_mcp.comparison.result import ComparedAnswer
from alaya_mcp.results import ResultModel


class Question(ResultModel):
    """What was asked, once."""

    id: str = Field(description="The prompt's own id, else its number")
    number: int = Field(description="The prompt's number in the prompts file, from 1")
    repeat: int = Field(default=1, description="Which asking of it this is, from 1")
    request: str = Field(description="Digest of what was sent, except the model: other digests are other questions")
    prompt: str | None = Field(default=None, description="The one message")
    messages: list[dict[str, Any]] | None = Field(default=None, description="The conversation, in place of prompt")
    system: str | None = Field(default=None, description="The system message beside prompt")
    expected: str | None = Field(default=None, description="The right answer")
    columns: dict[str, Any] | None = Field(default=None, description="Further columns of the prompts file")


class AnswerLine(ComparedAnswer, Question):
    """One line; without `read_on` and `differs`, which are about one call."""

    model_config = ConfigDict(extra="ignore")

    @property
    def key(self) -> tuple[str, int, str]:
        """What no two current lines of a file share: the id, the repeat and the model."""
        return self.id, self.repeat, self.model

    def encoded(self) -> bytes:
        """Return the line, with its end."""
        return self.model_dump_json(exclude_none=True, exclude={"read_on", "differs"}).encode() + b"\n"
