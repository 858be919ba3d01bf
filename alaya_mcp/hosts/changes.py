"""The text of a configuration file after an install or an uninstall. Pure."""

import json
import re
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from alaya_mcp.config.pasted import PLACEHOLDER
from alaya_mcp.hosts.catalogue import Host
from alaya_mcp.hosts.documents import Document, elements, is_toml, members, parsed
from alaya_mcp.hosts.entries import KEY_VARIABLES, Wanted, is_same, merged, variables_of
from alaya_mcp.hosts.files import Server
from alaya_mcp.hosts.json_comments import blanked, squeezed
from alaya_mcp.hosts.json_text import with_element, with_value, without, without_empty
from alaya_mcp.hosts.toml_text import with_table, without_table

INPUTS: Final = "inputs"
_CANNOT: Final = "has its servers in a form that cannot be edited"
_FAILURES: Final = (ValueError, LookupError, TypeError, RecursionError)
"""What an edit of an unusual file ends with; nothing was written then."""
_INPUT_REFERENCE: Final = re.compile(r"\$\{input:([^{}]+)\}")


def unfit(document: Document, host: Host) -> str | None:
    """Return why a file is not edited, as a clause; None if it can be."""
    return document.problem if document.state == "broken" else wrong_kind(document, host)


def wrong_kind(document: Document, host: Host) -> str | None:
    """Return which member of a file has the wrong type for the host, as a clause."""
    if not isinstance(document.data.get(host.servers_key, {}), dict):
        return f'has a "{host.servers_key}" that is not an object'
    if host.has_inputs and not isinstance(document.data.get(INPUTS, []), list):
        return f'has an "{INPUTS}" that is not an array'
    return None


def present_entry(document: Document, host: Host, name: str) -> object:
    """Return the entry of that name, or None."""
    return members(document.data.get(host.servers_key)).get(name)


def installed(document: Document, host: Host, wanted: Wanted) -> str:
    """Return the text with the entry and its inputs added or updated; unchanged if they are there.

    Raises:
        ValueError: the file has its servers in a form that cannot be edited.
    """
    with _refusing():
        return _installed(document, host, wanted)


def _installed(document: Document, host: Host, wanted: Wanted) -> str:
    present = present_entry(document, host, wanted.name)
    entry, text, path = merged(host, wanted, present), document.text, (host.servers_key, wanted.name)
    for given in _missing_inputs(document, wanted):
        text = with_element(text, (INPUTS,), given)
    if is_same(host, entry, present):
        pass
    elif is_toml(document.path):
        text = with_table(text, path, entry, present)
    else:
        text = with_value(text, path, entry, present)
    servers = {**members(document.data.get(host.servers_key)), wanted.name: present if text == document.text else entry}
    found = parsed(document.path, blanked_of(document.path, text))
    _compare(found, {**document.data, host.servers_key: servers})
    unused = _own_inputs(present, wanted.name) - input_references(entry)
    return _without_inputs(text, unused) if host.has_inputs else text


def is_installed(document: Document, host: Host, wanted: Wanted) -> bool:
    """Return whether the entry and its inputs are already there."""
    present = present_entry(document, host, wanted.name)
    return is_same(host, merged(host, wanted, present), present) and not _missing_inputs(document, wanted)


def has_keys(document: Document, host: Host, name: str) -> bool:
    """Return whether the server can have a key pair from its entry as it is: keys, references, or a file of variables.

    The keys in an entry of another project's package do not count: that package may have read them.
    """
    entry = present_entry(document, host, name)
    server = Server(name, members(entry))
    env = variables_of(entry)
    values = [str(env.get(variable, "")).strip() for variable in KEY_VARIABLES]
    return not server.is_strangers and (
        all(value and not PLACEHOLDER.fullmatch(value) for value in values)
        or {*KEY_VARIABLES} <= {*map(str, elements(server.entry.get("env_vars")))}
    )


def uninstalled(document: Document, host: Host, name: str) -> str:
    """Return the text without the entry, its unused inputs and containers that became empty; "" if nothing is left.

    Raises:
        ValueError: the file has its servers in a form that cannot be edited.
    """
    with _refusing():
        return _uninstalled(document, host, name)


def _uninstalled(document: Document, host: Host, name: str) -> str:
    present = present_entry(document, host, name)
    path = (host.servers_key, name)
    if is_toml(document.path):
        text = without_table(document.text, path) if present is not None else document.text
    else:
        text = without_empty(without(document.text, path), host.servers_key)
        if host.has_inputs:
            text = _without_inputs(text, _own_inputs(present, name))
    left = {member: entry for member, entry in members(document.data.get(host.servers_key)).items() if member != name}
    expected = {member: value for member, value in document.data.items() if member != host.servers_key}
    found = parsed(document.path, blanked_of(document.path, text))
    _compare({host.servers_key: {}, **found}, {**expected, host.servers_key: left})
    return text if _says_something(document.path, text) else ""


def is_left_by(document: Document, host: Host, text: str) -> bool:
    """Return whether a text, but for its layout, is what is left of a document without what install adds.

    Raises:
        ValueError: the document has its servers in a form that cannot be edited.
    """
    if is_toml(document.path):
        return _lines(document.text) == _lines(text) and parsed(document.path, text) == document.data
    with _refusing():
        bare = without_empty(document.text, host.servers_key)
        bare = without_empty(bare, INPUTS) if host.has_inputs else bare
    bare = bare if _says_something(document.path, bare) else ""
    return squeezed(bare) == squeezed(text)


@contextmanager
def _refusing() -> Generator[None]:
    """Have every failure of an edit say the same."""
    try:
        yield
    except _FAILURES:
        raise ValueError(_CANNOT) from None


def blanked_of(path: Path, text: str) -> str:
    """Return a file's text as its parser reads it."""
    return text if is_toml(path) else blanked(text)


def input_references(value: object) -> set[str]:
    """Return the ids of the inputs that a value refers to."""
    return set(_INPUT_REFERENCE.findall(json.dumps(value, ensure_ascii=False, default=str)))


def _says_something(path: Path, text: str) -> bool:
    """Return whether a text has a member, or a comment."""
    return bool(text.strip() if is_toml(path) else "".join(text.split()) not in {"", "{}"})


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def _compare(found: Mapping[str, object], expected: Mapping[str, object]) -> None:
    """Raise ValueError if a text does not say what it should: what an editor of text cannot do is not written."""
    if {**found, INPUTS: None} != {**expected, INPUTS: None}:
        raise ValueError(_CANNOT)


def _own_inputs(entry: object, name: str) -> set[str]:
    """Return the ids of the inputs that an install wrote for an entry."""
    return input_references(entry) & {f"{name}-access-key", f"{name}-secret-key"}


def _missing_inputs(document: Document, wanted: Wanted) -> list[Mapping[str, object]]:
    known = [members(given).get("id") for given in elements(document.data.get(INPUTS))]
    return [given for given in wanted.inputs if given["id"] not in known]


def _without_inputs(text: str, ids: Iterable[str]) -> str:
    """Return the text without those inputs that nothing in it refers to any more."""
    data = members(json.loads(blanked(text))) if text.strip() else {}
    unused = set(ids) - input_references({name: value for name, value in data.items() if name != INPUTS})
    indices = [at for at, given in enumerate(elements(data.get(INPUTS))) if members(given).get("id") in unused]
    for index in reversed(indices):
        text = without(text, (INPUTS, index))
    return without_empty(text, INPUTS) if indices else text
