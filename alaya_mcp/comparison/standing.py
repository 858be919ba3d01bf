"""Where the models of a comparison are, told as one status."""

from collections.abc import Sequence

from alaya_mcp.progress import Notes, Phase


class Standing:
    """Tells the progress of several answers as the status of one call: "1 of 3 done; waiting for a, b (writing)".

    Its phases are queued, while every model that is left waits for a place, and waiting. What the models write is not
    told: joined, the texts of several would be no text.

    Args:
        models: Their names.
        notes: Receives the status.
    """

    def __init__(self, models: Sequence[str], notes: Notes) -> None:
        self._all = len(models)
        self._phases: dict[str, Phase] = dict.fromkeys(models, "waiting")
        self._notes = notes
        self._tell()

    def of(self, model: str) -> Notes:
        """Return what receives the progress of a model's answer."""
        return _Place(self, model)

    def moved(self, model: str, phase: Phase) -> None:
        """Record where a model is."""
        if self._phases.get(model, phase) != phase:
            self._phases[model] = phase
            self._tell()

    def done(self, model: str) -> None:
        """Record that a model's answer is there, or that there is none."""
        del self._phases[model]
        if self._phases:
            self._tell()

    def _tell(self) -> None:
        names = (name if phase == "waiting" else f"{name} ({phase})" for name, phase in self._phases.items())
        are_queued = set(self._phases.values()) == {"queued"}
        words = f"{self._all - len(self._phases)} of {self._all} done; waiting for {', '.join(names)}"
        self._notes.status("queued" if are_queued else "waiting", words)


class _Place:
    """Receives the progress of one model's answer."""

    def __init__(self, standing: Standing, model: str) -> None:
        self._standing = standing
        self._model = model

    def status(self, phase: Phase, words: str, detail: str = "") -> None:
        """Record the phase."""
        del words, detail
        self._standing.moved(self._model, phase)

    def think(self, pieces: int = 1) -> None:
        """Record that the model is thinking."""
        del pieces
        self._standing.moved(self._model, "thinking")

    def write(self, text: str) -> None:
        """Record that the model is writing."""
        if text:
            self._standing.moved(self._model, "writing")
