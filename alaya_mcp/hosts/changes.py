"""The text of a configuration file after an install or an uninstall. Pure."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Final

from alaya_mcp.hosts.catalogue import Host, Level
from alaya_mcp.hosts.documents import Document, elements, members
from alaya_mcp.hosts.entries import KEY_VARIABLES, PLACEHOLDER, KeyPair, Wanted, is_same, merged
from alaya_mcp.hosts.files import Server
from alaya_mcp.hosts.json_text import with_element, with_member, without, without_empty
from alaya_mcp.hosts.references import is_reference, unreplaced

INPUTS: Final = "inputs"
_KEY: Final = re.compile(r"(?!.*\$\{)[\x21-\x7e]+")
"""Visible ASCII without a reference."""
_INPUT_REFERENCE: Final = re.compile(r"\$\{input:([^{}]+)\}")


def unfit(document: Document, host: Host) -> str | None:
    """Return why a file is not edited, as a clause; None if it can be."""
    if document.state == "broken":
        return document.problem
    if document.state == "commented":
        return "has comments or trailing commas, which would be lost"
    return wrong_kind(document, host)


def wrong_kind(document: Document, host: Host) -> str | None:
    """Return which member of a file has the wrong JSON type for the host, as a clause."""
    if not isinstance(document.data.get(host.servers_key, {}), dict):
        return f'has a "{host.servers_key}" that is not an object'
    if host.has_inputs and not isinstance(document.data.get(INPUTS, []), list):
        return f'has an "{INPUTS}" that is not an array'
    return None


def present_entry(document: Document, host: Host, name: str) -> object:
    """Return the entry of that name, or None."""
    return members(document.data.get(host.servers_key)).get(name)


def installed(document: Document, host: Host, wanted: Wanted) -> str:
    """Return the text with the entry and its inputs added or updated; unchanged if they are there."""
    present = present_entry(document, host, wanted.name)
    entry = merged(wanted, present)
    text = document.text
    for given in _missing_inputs(document, wanted):
        text = with_element(text, (INPUTS,), given)
    if not is_same(entry, present):
        text = with_member(text, (host.servers_key, wanted.name), entry)
    return _without_inputs(text, input_references(present) - input_references(entry)) if host.has_inputs else text


def is_installed(document: Document, host: Host, wanted: Wanted) -> bool:
    """Return whether the entry and its inputs are already there."""
    present = present_entry(document, host, wanted.name)
    return is_same(merged(wanted, present), present) and not _missing_inputs(document, wanted)


def holds(document: Document, host: Host, wanted: Wanted, entry: Mapping[str, object]) -> bool:
    """Return whether a file has the entry as written, and its inputs; further members are allowed."""
    present = members(present_entry(document, host, wanted.name))
    of_ours = {name: value for name, value in present.items() if name in entry or name in {"type", "args", "env"}}
    return is_same(entry, of_ours) and not _missing_inputs(document, wanted)


def held_keys(document: Document, host: Host, level: Level, name: str) -> KeyPair | None:
    """Return the keys or references of an entry if both can stay; a project's file keeps references only.

    The keys in an entry of another project's package do not stay: that package may have read them.
    """
    inputs = [str(members(given).get("id")) for given in elements(document.data.get(INPUTS))]
    server = Server(name, members(present_entry(document, host, name)))

    def can_stay(text: str) -> bool:
        if is_reference(text):
            return all(each.variable for each in unreplaced(host, text, {}, inputs))
        return level == "user" and bool(_KEY.fullmatch(text)) and not PLACEHOLDER.fullmatch(text)

    access_key, secret_key = (str(server.env.get(variable, "")).strip() for variable in KEY_VARIABLES)
    is_good = can_stay(access_key) and can_stay(secret_key) and not server.is_strangers
    return KeyPair(access_key, secret_key) if is_good else None


def uninstalled(document: Document, host: Host, name: str) -> str:
    """Return the text without the entry, its unused inputs and containers that became empty; "" if nothing is left."""
    asked_for = input_references(present_entry(document, host, name))
    text = without_empty(without(document.text, (host.servers_key, name)), host.servers_key)
    if host.has_inputs:
        text = _without_inputs(text, asked_for)
    return text if members(json.loads(text)) else ""


def input_references(value: object) -> set[str]:
    """Return the ids of the inputs that a value refers to."""
    return set(_INPUT_REFERENCE.findall(json.dumps(value, ensure_ascii=False)))


def snippet(host: Host, wanted: Wanted) -> str:
    """Return what to paste into a file that is not edited."""
    whole: dict[str, object] = {INPUTS: list(wanted.inputs)} if wanted.inputs else {}
    return json.dumps({**whole, host.servers_key: {wanted.name: wanted.entry}}, indent=2, ensure_ascii=False)


def _missing_inputs(document: Document, wanted: Wanted) -> list[Mapping[str, object]]:
    known = [members(given).get("id") for given in elements(document.data.get(INPUTS))]
    return [given for given in wanted.inputs if given["id"] not in known]


def _without_inputs(text: str, ids: Iterable[str]) -> str:
    """Return the text without those inputs that nothing in it refers to any more."""
    data = members(json.loads(text))
    unused = set(ids) - input_references({name: value for name, value in data.items() if name != INPUTS})
    indices = [at for at, given in enumerate(elements(data.get(INPUTS))) if members(given).get("id") in unused]
    for index in reversed(indices):
        text = without(text, (INPUTS, index))
    return without_empty(text, INPUTS) if indices else text
