"""A conversation as a file: Markdown for people, JSON messages for programs."""

import json
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, cast

from pydantic import ValidationError

from alaya_mcp.atomic_file import replace_file, usual_mode
from alaya_mcp.chat.messages import Message as GivenMessage
from alaya_mcp.chat.request import Role, Turn
from alaya_mcp.printable import encodable
from alaya_mcp.terminal.conversation import Conversation, Message
from alaya_mcp.validation import why_refused

_BYTES: Final = 32 * 2**20
"""The largest file that is loaded."""
_TITLES: Final[dict[Role, str]] = {"system": "System", "user": "You", "assistant": "Model", "tool": "Tool"}


class FileRefused(Exception):
    """A file was not written or read; the text says why and what to do."""


def path_of(argument: str) -> Path:
    """Return the path of an argument; terminals put quotes around dropped files.

    Raises:
        FileRefused: its ~user does not exist.
    """
    quote = argument[:1]
    is_quoted = len(argument) > 1 and quote in {"'", '"'} and argument.endswith(quote)
    path = Path(argument[1:-1] if is_quoted else argument)
    try:
        return path.expanduser()
    except RuntimeError:
        raise FileRefused(f"The user of {path} does not exist. Use a full path.") from None


def save(conversation: Conversation, title: str, path: Path, *, overwrite: bool) -> None:
    """Write a conversation, as Markdown if the file's name says so.

    Raises:
        FileRefused: the file exists, or cannot be written.
    """
    is_markdown = path.suffix.lower() in {".md", ".markdown"}
    text = encodable(markdown(conversation, title) if is_markdown else messages_json(conversation)).encode()
    try:
        _refuse_odd(path)
        if overwrite:
            replace_file(path, text, _mode_of(path))
        else:
            _create(path, text)
    except FileExistsError:
        raise FileRefused(f"{path} exists already. /save! {path} overwrites it.") from None
    except (OSError, ValueError) as error:
        raise FileRefused(f"{path} cannot be written: {_why(error)}.") from None


def _mode_of(path: Path) -> int:
    """Return the permission bits for a file: a private one stays private when it is replaced."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return usual_mode()


def _create(path: Path, text: bytes) -> None:
    with path.open("xb") as file:
        try:
            file.write(text)
            file.flush()
        except OSError:
            with suppress(OSError):
                path.unlink()
            raise


def _refuse_odd(path: Path) -> None:
    """Refuse pipes and devices, which could block forever.

    Raises:
        OSError: the path exists and is not a file.
    """
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(path.stat().st_mode):
            raise OSError(0, "it is not a file")


def load(path: Path) -> Conversation:
    """Return a conversation that was saved as JSON.

    Raises:
        FileRefused: the file cannot be read, or is not a conversation.
    """
    try:
        _refuse_odd(path)
        with path.open("rb") as file:
            found = file.read(_BYTES + 1)
        if len(found) > _BYTES:
            raise FileRefused(f"{path} is larger than {_BYTES // 2**20} MiB.")
        text = found.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileRefused(f"{path} is not UTF-8 text.") from None
    except (OSError, ValueError) as error:
        raise FileRefused(f"{path} cannot be read: {_why(error)}.") from None
    try:
        return Conversation.of(parse_messages(text))
    except ValueError as wrong:
        hint = " Markdown files cannot be loaded." if path.suffix.lower() == ".md" else ""
        raise FileRefused(f"{path} is not a conversation: {wrong}.{hint}") from None


def _why(error: OSError | ValueError) -> str:
    """Return the system's reason, or Python's if it cannot be a path."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def markdown(conversation: Conversation, title: str) -> str:
    """Return Markdown: each turn under its speaker."""
    system = [Message(Turn("system", conversation.system))] if conversation.system is not None else []
    parts = [f"# {title}"]
    waiting = [Message(conversation.unanswered)] if conversation.unanswered else []
    for message in (*system, *conversation.messages, *waiting):
        who = message.model or _TITLES[message.turn.role]
        parts += [f"## {who}", message.turn.content.strip("\n")]
        parts += [f"![]({image})" for image in message.turn.images]
        parts += [f"```json\n{json.dumps(call, ensure_ascii=False)}\n```" for call in message.turn.tool_calls]
        if message.cut:
            parts.append(f"*(cut: {message.cut})*")
    return "\n\n".join(part for part in parts if part) + "\n"


def messages_json(conversation: Conversation) -> str:
    """Return OpenAI's messages as JSON, which `chat_with_deployment` takes as `messages`."""
    turns = [*conversation.turns, *([conversation.unanswered] if conversation.unanswered else [])]
    return json.dumps([turn.wire() for turn in turns], ensure_ascii=False, indent=2) + "\n"


def parse_messages(text: str) -> tuple[Turn, ...]:
    """Return the turns of OpenAI's messages, a list or an object with `messages`.

    Raises:
        ValueError: says what is wrong, and in which message.
    """
    try:
        # JSON may have halves of surrogate pairs, which cannot be sent.
        found: Any = json.loads(encodable(json.dumps(json.loads(text), ensure_ascii=False)))
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if isinstance(found, dict):
        found = cast("dict[str, Any]", found).get("messages")
    if not isinstance(found, list) or not found:
        raise ValueError("it has no list of messages")
    return tuple(_turn(message, number) for number, message in enumerate(cast("list[Any]", found), 1))


def _turn(message: object, number: int) -> Turn:
    """Return one message's turn; fields of other programs are ignored."""
    if isinstance(message, dict):
        fields = cast("dict[str, Any]", message)
        message = {name: fields[name] for name in GivenMessage.model_fields if name in fields}
    try:
        return GivenMessage.model_validate(message).turn()
    except ValidationError as invalid:
        first = invalid.errors(include_url=False)[0]
        where = "".join(f"{part}: " for part in first["loc"] if isinstance(part, str))
        raise ValueError(f"message {number}: {where}{why_refused(first)}") from None
