"""What installing and uninstalling make of a configuration file's text. Pure."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Final

from alaya_mcp.hosts.catalogue import Host
from alaya_mcp.hosts.documents import Document, elements, members
from alaya_mcp.hosts.entries import Wanted, is_same, merged
from alaya_mcp.hosts.json_text import with_element, with_member, without

INPUTS: Final = "inputs"

_INPUT_REFERENCE: Final = re.compile(r"\$\{input:([^{}]+)\}")


def unfit(document: Document, host: Host) -> str | None:
    """Why a file is left alone, as a clause; None where it can be changed."""
    if document.state == "broken":
        return document.problem
    if document.state == "commented":
        return "has comments or trailing commas, which would be lost"
    return wrong_kind(document, host)


def wrong_kind(document: Document, host: Host) -> str | None:
    """Which part of a file is of a kind that the host does not take, as a clause."""
    if not isinstance(document.data.get(host.servers_key, {}), dict):
        return f'has a "{host.servers_key}" that is no object'
    if host.has_inputs and not isinstance(document.data.get(INPUTS, []), list):
        return f'has an "{INPUTS}" that is no array'
    return None


def present_entry(document: Document, host: Host, name: str) -> object:
    """The entry of a name; None where there is none."""
    return members(document.data.get(host.servers_key)).get(name)


def installed(document: Document, host: Host, wanted: Wanted) -> str:
    """The text with the entry in it; the text as it is where it is there already."""
    present = present_entry(document, host, wanted.name)
    entry = merged(wanted, present)
    text = document.text
    known = _input_ids(document)
    for given in wanted.inputs:
        if given["id"] not in known:
            text = with_element(text, (INPUTS,), given)
    if not is_same(entry, present):
        text = with_member(text, (host.servers_key, wanted.name), entry)
    return _without_inputs(text, input_references(present) - input_references(entry)) if host.has_inputs else text


def is_installed(document: Document, host: Host, wanted: Wanted) -> bool:
    """Whether the entry and its inputs are there already."""
    present = present_entry(document, host, wanted.name)
    known = _input_ids(document)
    return is_same(merged(wanted, present), present) and all(given["id"] in known for given in wanted.inputs)


def holds(document: Document, host: Host, wanted: Wanted, entry: Mapping[str, object]) -> bool:
    """Whether a file has an entry, and the inputs that it needs, as they were to be written; members may be more."""
    present = members(present_entry(document, host, wanted.name))
    of_ours = {name: value for name, value in present.items() if name in entry or name in {"type", "args", "env"}}
    known = _input_ids(document)
    return is_same(entry, of_ours) and all(given["id"] in known for given in wanted.inputs)


def uninstalled(document: Document, host: Host, name: str) -> str:
    """The text without the entry, and without the inputs that nothing else uses."""
    asked_for = input_references(present_entry(document, host, name))
    text = without(document.text, (host.servers_key, name))
    return _without_inputs(text, asked_for) if host.has_inputs else text


def input_references(value: object) -> set[str]:
    """The ids of the inputs that a value refers to."""
    return set(_INPUT_REFERENCE.findall(json.dumps(value, ensure_ascii=False)))


def snippet(host: Host, wanted: Wanted) -> str:
    """What to paste into a file that is left alone."""
    whole: dict[str, object] = {INPUTS: list(wanted.inputs)} if wanted.inputs else {}
    return json.dumps({**whole, host.servers_key: {wanted.name: wanted.entry}}, indent=2, ensure_ascii=False)


def _input_ids(document: Document) -> set[object]:
    return {
        identity
        for given in elements(document.data.get(INPUTS))
        if isinstance(identity := members(given).get("id"), str)
    }


def _without_inputs(text: str, ids: Iterable[str]) -> str:
    """The text without those of the inputs that nothing in it refers to any more."""
    if not text.strip():
        return text
    data = members(json.loads(text))
    unused = set(ids) - input_references({name: value for name, value in data.items() if name != INPUTS})
    given = elements(data.get(INPUTS))
    for index in reversed(range(len(given))):
        if members(given[index]).get("id") in unused:
            text = without(text, (INPUTS, index))
    return text
