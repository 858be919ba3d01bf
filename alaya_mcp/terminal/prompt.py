"""The line editor: several lines, history, and completion of commands and models."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import Output

from alaya_mcp.terminal.commands import completions, goes_on
from alaya_mcp.terminal.lines import LineInterrupted

_CONTINUATION: Final = "  "


class _Interrupted(Exception):
    """Ctrl-C, as the editor raises it."""


class Prompt:
    """Reads what a person types; its history is in memory only.

    Args:
        models: Returns the names that complete `/model`.
        source: The keyboard; this process's by default.
        target: The screen; this process's by default.
    """

    def __init__(
        self, models: Callable[[], Sequence[str]], source: Input | None = None, target: Output | None = None
    ) -> None:
        self._editor: PromptSession[str] = PromptSession(
            history=InMemoryHistory(),
            completer=CommandCompleter(models),
            key_bindings=_key_bindings(),
            multiline=True,
            prompt_continuation=_CONTINUATION,
            reserve_space_for_menu=4,
            interrupt_exception=_Interrupted,
            input=source,
            output=target,
        )

    async def __call__(self, prompt: str, /) -> str:
        """Return what was typed.

        Raises:
            EOFError: Ctrl-D at an empty prompt.
            LineInterrupted: Ctrl-C.
        """
        try:
            return await self._editor.prompt_async(prompt, handle_sigint=False)
        except _Interrupted:
            raise LineInterrupted(had_text=bool(self._editor.default_buffer.text)) from None


class CommandCompleter(Completer):
    """Completes commands and their arguments.

    Args:
        models: Returns the names that complete `/model`.
    """

    def __init__(self, models: Callable[[], Sequence[str]]) -> None:
        self._models = models

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Return the completions of the word before the cursor."""
        del complete_event
        text = document.text_before_cursor
        begun = len(text.partition(" ")[2]) if " " in text else len(text)
        return (Completion(word, start_position=-begun) for word in completions(text, self._models()))


def _key_bindings() -> KeyBindings:
    bindings = KeyBindings()

    def enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.document.is_cursor_at_the_end and goes_on(buffer.text):
            buffer.delete_before_cursor()
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    def new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    bindings.add("enter")(enter)
    bindings.add("escape", "enter")(new_line)
    return bindings
