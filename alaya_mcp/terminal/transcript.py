"""A conversation as a file: Markdown for people, JSON messages for programs."""

import json
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, cast

from alaya_mcp.atomic_file import replace_file, usual_mode
from alaya_mcp.chat.request import Role, Turn
from alaya_mcp.printable import encodable
from alaya_mcp.terminal.conversation import Conversation, Message

_BYTES: Final = 32 * 2**20
"""Of a conversation that is read."""
_ROLES: Final[dict[str, Role]] = {"system": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
_TITLES: Final[dict[Role, str]] = {"system": "System", "user": "You", "assistant": "Model", "tool": "Tool"}


class FileRefused(Exception):
    """A file was not written or not read; the text says why and what to do."""


def path_of(argument: str) -> Path:
    """The path that was typed or dropped into the terminal, which may put quotes around it.

    Raises:
        FileRefused: it begins at the home of a user that there is not.
    """
    quote = argument[:1]
    is_quoted = len(argument) > 1 and quote in {"'", '"'} and argument.endswith(quote)
    path = Path(argument[1:-1] if is_quoted else argument)
    try:
        return path.expanduser()
    except RuntimeError:
        raise FileRefused(f"{path} begins at the home of a user that there is not.") from None


def save(conversation: Conversation, title: str, path: Path, *, overwrite: bool) -> None:
    """Write a conversation; Markdown where the file is called so.

    Raises:
        FileRefused: it is there already, or cannot be written.
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
        raise FileRefused(f"{path} is there already and was left alone; /save! {path} writes over it.") from None
    except (OSError, ValueError) as error:
        raise FileRefused(f"{path} cannot be written: {_why(error)}.") from None


def _mode_of(path: Path) -> int:
    """The permission bits that a file has, or would have: nobody gets to read by a replacement what was private."""
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
    """Refuse what a program could wait for without end.

    Raises:
        OSError: it is there and no file.
    """
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(path.stat().st_mode):
            raise OSError(0, "it is no file")


def load(path: Path) -> Conversation:
    """Read a conversation that was saved as JSON.

    Raises:
        FileRefused: it cannot be read, or is none.
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
        hint = " What is saved as Markdown is for reading only." if path.suffix.lower() == ".md" else ""
        raise FileRefused(f"{path} is no conversation: {wrong}.{hint}") from None


def _why(error: OSError | ValueError) -> str:
    """The system's words, or Python's about what cannot be a path at all."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def markdown(conversation: Conversation, title: str) -> str:
    """For people: each turn under who said it."""
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
    """For programs: OpenAI's messages, which `chat_with_deployment` takes as `messages`."""
    turns = [*conversation.turns, *([conversation.unanswered] if conversation.unanswered else [])]
    return json.dumps([turn.wire() for turn in turns], ensure_ascii=False, indent=2) + "\n"


def parse_messages(text: str) -> tuple[Turn, ...]:
    """The turns of OpenAI's messages, alone or as `messages` of an object.

    Raises:
        ValueError: what is wrong, and with which message.
    """
    try:
        # Halves of surrogate pairs, which JSON may hold, are no text that could be sent.
        found: Any = json.loads(encodable(json.dumps(json.loads(text), ensure_ascii=False)))
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if isinstance(found, dict):
        found = cast("dict[str, Any]", found).get("messages")
    if not isinstance(found, list) or not found:
        raise ValueError("it holds no list of messages")
    return tuple(_turn(message, number) for number, message in enumerate(cast("list[Any]", found), 1))


def _turn(message: object, number: int) -> Turn:
    if not isinstance(message, dict):
        raise ValueError(f"message {number} is not an object")  # noqa: TRY004 one kind of error for one file
    fields = cast("dict[str, Any]", message)
    role = _ROLES.get(str(fields.get("role")))
    if role is None:
        raise ValueError(f"message {number} has none of the roles {', '.join(_ROLES)}")
    content, images = _content(fields, number)
    calls = _list_of(dict, fields.get("tool_calls"), f"message {number}: tool_calls")
    call_id = fields.get("tool_call_id")
    return Turn(
        role,
        content,
        images=(*images, *_list_of(str, fields.get("images"), f"message {number}: images")),
        tool_calls=tuple(cast("list[dict[str, Any]]", calls)),
        tool_call_id=call_id if isinstance(call_id, str) and call_id else None,
    )


def _content(fields: dict[str, Any], number: int) -> tuple[str, list[str]]:
    """The text, and the images where it comes as a list of parts."""
    content = fields.get("content")
    if isinstance(content, str):
        return content, []
    if content is None and fields.get("tool_calls"):
        return "", []
    if not isinstance(content, list):
        raise ValueError(f"message {number} has no text as its content")  # noqa: TRY004 one kind of error for one file
    texts: list[str] = []
    images: list[str] = []
    for part in cast("list[Any]", content):
        match part:
            case {"type": "text", "text": str(text)}:
                texts.append(text)
            case {"type": "image_url", "image_url": {"url": str(url)}}:
                images.append(url)
            case _:
                raise ValueError(f"message {number} has a part that is neither text nor an image")
    return "".join(texts), images


def _list_of(kind: type, value: object, what: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, kind) for item in cast("list[Any]", value)):
        raise ValueError(f"{what} is not a list of the right shape")
    return cast("list[Any]", value)
