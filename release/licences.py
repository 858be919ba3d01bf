"""The licences of what the package needs, from the metadata of what is installed."""

from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from release.project import NAME, ROOT, metadata
from release.steps import Failed

PAGE: Final = ROOT / "docs" / "licences.md"

PERMISSIVE: Final = frozenset({"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "PSF-2.0"})
"""Licences that ask for no more than that they are named."""
EXCEPTIONS: Final = {
    "certifi": "MPL-2.0",
}
"""Accepted one by one. certifi is a file of certificates, unchanged; the MPL asks only for changes to that file."""
ELSEWHERE: Final = {
    "brotlicffi": "MIT",
    "pywin32": "PSF-2.0",
    "pywin32-ctypes": "BSD-3-Clause",
}
"""Needed on other platforms than that of CI, so their metadata is not here: read in their wheels by hand."""

_PLATFORMS: Final[tuple[dict[str, str], ...]] = (
    {},
    {"sys_platform": "darwin", "platform_system": "Darwin"},
    {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"},
    {"implementation_name": "pypy", "platform_python_implementation": "PyPy"},
)
"""This one, and how the others differ from it."""
_SPELLINGS: Final = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""Names in metadata that predates licence expressions."""


def licence_of(found: Distribution) -> str:
    """Return a distribution's licence as an SPDX expression, or what it states instead.

    Older metadata has no expression. Where it lists several licences, all of them are returned, with commas.
    """
    stated = found.metadata.json
    if expression := stated.get("license_expression"):
        return str(expression)
    lines = [line.rpartition(" :: ")[2] for line in stated.get("classifier", ()) if line.startswith("License")]
    names = [line for line in lines if line != "OSI Approved"] or [str(stated.get("license", ""))[:60]]
    return ", ".join(sorted({_SPELLINGS.get(name, name) for name in names}))


def is_accepted(name: str, licence: str) -> bool:
    """Return whether a dependency may have a licence: all that it lists, of each one alternative with all its parts."""
    return EXCEPTIONS.get(name) == licence or all(map(_is_permissive, licence.split(", ")))


def _is_permissive(licence: str) -> bool:
    return any({*alternative.split(" AND ")} <= PERMISSIVE for alternative in licence.split(" OR "))


def needed(extra: str = "") -> dict[str, str]:
    """Return the licence of each dependency, and of theirs, by name.

    Raises:
        Failed: one is not installed, and not known to be needed elsewhere only.
    """
    found: dict[str, str] = {}
    ahead = [(NAME, "")] if not extra else list(_asked(distribution(NAME), extra, own=True))
    seen: set[tuple[str, str]] = set()
    while ahead:
        name, asked = ahead.pop()
        if (name, asked) in seen:
            continue
        seen.add((name, asked))
        try:
            there = distribution(name)
        except PackageNotFoundError:
            if name not in ELSEWHERE:
                raise Failed(f"{name} is not installed; run the command with the environment of dev.lock") from None
            found[name] = ELSEWHERE[name]
            continue
        if name != NAME:
            found[name] = licence_of(there)
        ahead += _asked(there, asked)
    return dict(sorted(found.items()))


def _asked(there: Distribution, extra: str, *, own: bool = False) -> Iterator[tuple[str, str]]:
    """What a distribution asks for, once for each extra of it; with `own`, for its extra alone."""
    for requirement in map(Requirement, there.requires or []):
        name, marker = canonicalize_name(requirement.name), requirement.marker
        if own and (marker is None or marker.evaluate({"extra": ""})):
            continue
        if marker is None or any(marker.evaluate({**platform, "extra": extra}) for platform in _PLATFORMS):
            yield from ((name, each) for each in ("", *requirement.extras))


def tables() -> dict[str, dict[str, str]]:
    """Return the dependencies with their licences: the package's own, then what each extra adds.

    Raises:
        Failed: a licence is unknown, or not accepted.
    """
    own = needed()
    extras = {extra: needed(extra) for extra in metadata()["optional-dependencies"]}
    found = {"": own} | {extra: {n: at for n, at in more.items() if n not in own} for extra, more in extras.items()}
    everything = {each for rows in found.values() for each in rows.items()}
    refused = sorted(f"{name} ({at or 'unknown'})" for name, at in everything if not is_accepted(name, at))
    if refused:
        raise Failed(f"not accepted: {', '.join(refused)}")
    return found


def page(found: dict[str, dict[str, str]]) -> str:
    """Return the page of all licences."""
    parts = [
        "# Licences",
        "",
        "What the package needs at run time, and under which licence, as each states it. It is installed beside the",
        "package and is not part of it. `python -m release licences` writes this page from the installed metadata; it",
        "fails on a licence that is unknown or that asks for more than to be named. Two need a word:",
        "",
        "- `certifi`, a file of certificates, is under the MPL; it is used unchanged.",
        "- `pywin32`, which `mcp` needs on Windows, contains `adodbapi`, which is under the LGPL and is not loaded.",
        "",
        *_table(found[""]),
    ]
    for extra, rows in found.items():
        if extra and rows:
            parts += ["", f"## The extra `{extra}` adds", "", *_table(rows)]
    return "\n".join(parts) + "\n"


def _table(rows: dict[str, str]) -> Iterable[str]:
    return ("| package | licence |", "|---|---|", *(f"| {name} | {licence} |" for name, licence in rows.items()))
