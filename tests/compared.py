"""Lines of an answers file, as a comparison writes them."""

from typing import Any

from alaya_mcp.comparison.answer_line import AnswerLine

BASE = "qwen3-8b"


def answer(number: int, model: str, content: str | None = None, **fields: Any) -> AnswerLine:  # noqa: ANN401 as the fields are
    """One model's answer to the prompt of a number; the base model is `BASE`."""
    kind = "base" if model == BASE else "lora"
    given: dict[str, Any] = {"id": f"q{number}", "prompt": f"Question {number}", "request": "digest", "warnings": []}
    named = {"number": number, "model": model, "kind": kind, "content": content}
    return AnswerLine.model_validate(given | named | fields)
