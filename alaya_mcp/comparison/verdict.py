"""What a comparison shows, as a person would say it. Pure."""

from collections.abc import Sequence

from alaya_mcp.comparison.result import ComparedAnswer


def verdict(answers: Sequence[ComparedAnswer]) -> str:
    """Return who answered, who was fastest, who differs from the base model, and who failed."""
    came = [answer for answer in answers if answer.content is not None and not _is_writing(answer)]
    return " ".join(filter(None, (_count(answers, came), _differences(answers), *_failures(answers), _left(answers))))


def _is_writing(answer: ComparedAnswer) -> bool:
    return answer.truncated_reason == "still_generating"


def _count(answers: Sequence[ComparedAnswer], came: Sequence[ComparedAnswer]) -> str:
    if len(answers) == 1:
        said = f"{answers[0].model} {'answered' if came else 'has not answered'}"
    else:
        said = f"{len(came)} of {len(answers)} models answered"
    return f"{said}{_fastest(came)}."


def _fastest(came: Sequence[ComparedAnswer]) -> str:
    """Return a clause about the model with the most tokens a second; of some engines only the time is known."""
    ended = [(answer.model, answer.timing) for answer in came if answer.timing and answer.finish_reason]
    rated = [(model, timing, timing.tokens_per_second) for model, timing in ended if timing.tokens_per_second]
    if len(rated) == len(ended) > 0:
        model, timing, rate = max(rated, key=lambda each: each[2])
        speed = f"{rate:g} tokens/s, {timing.total_seconds:.1f} s in total"
    elif ended:
        model, timing = min(ended, key=lambda each: each[1].total_seconds)
        speed = f"{timing.total_seconds:.1f} s in total"
    else:
        return ""
    return f" ({speed})" if len(came) == 1 else f"; {model} was fastest ({speed})"


def _differences(answers: Sequence[ComparedAnswer]) -> str:
    base = next((answer.model for answer in answers if answer.kind == "base"), "")
    differ = [answer.model for answer in answers if answer.differs]
    same = [answer.model for answer in answers if answer.differs is False]
    if not differ and not same:
        return ""
    if not differ:
        return f"{_all(same)} {_s('answer', same)} exactly as {base} does."
    tail = f"; {_all(same)} {'does' if len(same) == 1 else 'do'} not" if same else ""
    return f"{_all(differ)} {_s('differ', differ)} from {base}{tail}."


def _failures(answers: Sequence[ComparedAnswer]) -> list[str]:
    codes: dict[str, list[str]] = {}
    for answer in answers:
        if answer.error:
            codes.setdefault(answer.error.code, []).append(answer.model)
    return [f"{_all(models)} failed: {code}." for code, models in codes.items()]


def _left(answers: Sequence[ComparedAnswer]) -> str:
    models = [answer.model for answer in answers if _is_writing(answer)]
    return f"{_all(models)} {'is' if len(models) == 1 else 'are'} not done yet: see read_on." if models else ""


def _all(models: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(models[:-1]), models[-1])))


def _s(verb: str, models: Sequence[str]) -> str:
    return f"{verb}s" if len(models) == 1 else verb
