"""The configuration file's text with a profile's key pair added or removed; the rest stays byte for byte. Pure.

A new table is appended as text, under a comment by which it is known again. Entries of a table that is there are edited
by tomlkit. Every result is parsed and compared with what it must mean, so that no slip of an edit reaches a file.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import tomlkit
from tomlkit.exceptions import TOMLKitError

KEY_ENTRIES: Final = ("access_key", "access_key_env", "secret_key", "secret_key_env", "keyring")
_HELD: Final = ("access_key", "secret_key", "keyring")
"""Those that hold the pair here; the others name variables, which somebody wrote by hand."""
BASE_URL: Final = "base_url"
_BY_LOGIN: Final = "# by `alayanew-mcp login`"
_NEW_TABLE: Final = f"{_BY_LOGIN}; `alayanew-mcp logout` removes it"
_NEW_FILE: Final = f"{_BY_LOGIN}; `alayanew-mcp logout` removes the file, if nothing else is in it"


class CannotEdit(ValueError):
    """The text has a form in which the entries cannot be changed safely; the text says so, as the end of a sentence."""

    def __init__(self) -> None:
        super().__init__("its tables have a form that this command does not edit")


@dataclass(frozen=True, slots=True)
class LoggedOut:
    """A text without a profile's pair; `is_empty` if it should not stay as a file."""

    text: str
    is_empty: bool


def logged_in(text: str, profile: str, entries: Mapping[str, str], *, is_new: bool) -> str:
    """Return the text with these entries as the profile's key pair, in place of those that it has.

    Args:
        text: Valid TOML; each line ends in a line feed.
        profile: The profile's name.
        entries: `base_url`, and the two keys or `keyring`.
        is_new: Whether there was no file.

    Raises:
        CannotEdit: it cannot be edited safely.
    """
    wanted = tomllib.loads(text)
    there: dict[str, Any] = wanted.setdefault("profiles", {}).setdefault(profile, {})
    changed = {name: value for name, value in entries.items() if there.get(name) != value}
    replaced = {name: value for name, value in changed.items() if name in there}
    added = {name: value for name, value in changed.items() if name not in there}
    gone = [name for name in KEY_ENTRIES if name in there and name not in entries]
    for name in gone:
        del there[name]
    there |= entries

    def appended() -> str:
        lines = [_NEW_FILE if is_new else _NEW_TABLE, f"[{_path(profile)}]"]
        lines += [_line(name, value) for name, value in entries.items()]
        return text + ("\n" if text else "") + "\n".join(lines) + "\n"

    def inserted() -> str:
        edited = _edited(text, profile, gone, replaced)
        header = _found(re.search(_header(profile), edited))
        lines = "".join(f"{_line(name, value)}\n" for name, value in added.items())
        return edited[: header.end()] + lines + edited[header.end() :]

    result = _first_right(wanted, [appended, inserted, lambda: _edited(text, profile, gone, changed)])
    if BASE_URL in changed and not is_by_login(result, profile):  # as in an inline table, which has no comments
        raise CannotEdit
    return result


def logged_out(text: str, profile: str) -> LoggedOut:
    """Return the text without the profile's pair, without a base URL that login wrote, and without an empty table.

    Raises:
        CannotEdit: it cannot be edited safely.
    """
    wanted = tomllib.loads(text)
    there: dict[str, Any] = wanted["profiles"][profile]
    gone = [name for name in _HELD if name in there]
    if BASE_URL in there and is_by_login(text, profile):
        gone.append(BASE_URL)
    for name in gone:
        del there[name]
    left = _edited(text, profile, gone, {})
    if not there:
        del wanted["profiles"][profile]
    mark = f"(?:{re.escape(_NEW_FILE)}|{re.escape(_NEW_TABLE)})\\n"
    ours = re.search(rf"\n?(?m:^){mark}{_header(profile)}", left)
    candidates: list[Callable[[], str]] = [
        lambda: _cut(left, ours),
        lambda: _cut(left, ours, keep="\n"),
        lambda: _cut(left, re.search(rf"(?m:^){mark}", left)),
    ]
    if there:
        candidates.append(lambda: left)
    else:
        candidates[2:] = [lambda: _cut(left, re.search(_header(profile), left)), lambda: _without_table(left, profile)]
    result = _first_right(wanted, candidates)
    is_ours = ours is not None and _NEW_FILE in ours[0]
    if is_ours and (rest := result.lstrip("\n")).startswith(_NEW_TABLE):  # another profile's, which is the first now
        result = rest.replace(_NEW_TABLE, _NEW_FILE, 1)
    return LoggedOut(result, is_empty=is_ours and not result.strip())


def is_by_login(text: str, profile: str) -> bool:
    """Return whether login wrote the profile's base URL."""
    try:
        document: Any = tomlkit.parse(text)
        return str(document["profiles"][profile][BASE_URL].trivia.comment).strip() == _BY_LOGIN
    except (TOMLKitError, AttributeError, KeyError, TypeError):
        return False


def _line(name: str, value: str) -> str:
    comment = f"  {_BY_LOGIN}" if name == BASE_URL else ""
    return f"{name} = {tomlkit.string(value).as_string()}{comment}"


def _path(profile: str) -> str:
    return f"profiles.{tomlkit.key(profile).as_string()}"


def _edited(text: str, profile: str, gone: Iterable[str], entries: Mapping[str, str]) -> str:
    """Return the text with entries of a table that is there removed and set.

    Raises:
        CannotEdit: tomlkit cannot.
    """
    try:
        for name in gone:
            document: Any = tomlkit.parse(text)
            del document["profiles"][profile][name]
            text = tomlkit.dumps(document)
        document = tomlkit.parse(text)
        for name, value in entries.items():
            item: Any = tomlkit.string(value)
            if name == BASE_URL:
                item.comment(_BY_LOGIN)
            document["profiles"][profile][name] = item
        return tomlkit.dumps(document) if entries else text
    except (TOMLKitError, AttributeError, KeyError, TypeError, ValueError):
        raise CannotEdit from None


def _without_table(text: str, profile: str) -> str:
    try:
        document: Any = tomlkit.parse(text)
        del document["profiles"][profile]
        if not document["profiles"]:
            del document["profiles"]
        return tomlkit.dumps(document)
    except (TOMLKitError, AttributeError, KeyError, TypeError, ValueError):
        raise CannotEdit from None


def _header(profile: str) -> str:
    """Return the pattern of the line that begins the profile's table."""
    return rf"(?m:^)\[{re.escape(_path(profile))}\][^\n]*\n"


def _cut(text: str, part: re.Match[str] | None, keep: str = "") -> str:
    """Return the text with `keep` in place of a part of it.

    Raises:
        CannotEdit: there is no such part.
    """
    found = _found(part)
    return text[: found.start()] + keep + text[found.end() :]


def _found(part: re.Match[str] | None) -> re.Match[str]:
    if part is None:
        raise CannotEdit
    return part


def _first_right(wanted: Mapping[str, Any], candidates: Iterable[Callable[[], str]]) -> str:
    """Return the first candidate that means what is wanted.

    Raises:
        CannotEdit: none does.
    """
    for candidate in candidates:
        try:
            text = candidate()
            if _meaning(tomllib.loads(text)) == _meaning(wanted):
                return text
        except (CannotEdit, tomllib.TOMLDecodeError):
            continue
    raise CannotEdit


def _meaning(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a text means: a table of profiles without any is as good as none."""
    return {name: value for name, value in data.items() if name != "profiles" or value}
