"""What must be true before a release, beside the files that are made: names, versions, what a person fills in."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft7Validator

from release.project import ROOT, TITLE, VERSION, metadata
from release.steps import Failed, Refused

OWNER_IS_NOT_SET: Final = "OWNER_IS_NOT_SET"
"""In place of the repository's owner, who is not known yet. No name in the registry may have a `_` there."""
SERVER: Final = ROOT / "server.json"
CONSTRAINTS: Final = ROOT / "release" / "server.constraints.json"
README: Final = ROOT / "README.md"

_MARK: Final = re.compile(r"<!-- mcp-name: (\S+) -->")
"""How the registry is shown that a package belongs to a server."""


def read_server() -> dict[str, Any]:
    """Return what is in server.json."""
    return json.loads(SERVER.read_text(encoding="utf-8"))


def with_owner(server: dict[str, Any], owner: str = "example") -> dict[str, Any]:
    """Return server.json with an owner where it has none."""
    return {**server, "name": server["name"].replace(OWNER_IS_NOT_SET, owner)}


def wrong_in(server: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    """Return what a JSON Schema finds wrong, each with its place."""
    found = Draft7Validator(schema).iter_errors(server)  # pyright: ignore[reportUnknownMemberType] of jsonschema
    return [f"{error.json_path}: {error.message}" for error in found]


def server_is_valid(schema: Path | None) -> str:
    """Check server.json by the rules known here, and by the registry's own schema if its file is given.

    Raises:
        Failed: a rule is broken, or a version differs from the package's.
    """
    server = with_owner(read_server())
    for path in filter(None, (CONSTRAINTS, schema)):
        if wrong := wrong_in(server, json.loads(path.read_text(encoding="utf-8"))):
            raise Failed(f"by {path.name}: {'; '.join(wrong)}")
    versions = {server["version"], *(package["version"] for package in server["packages"])}
    if versions != {VERSION}:
        raise Failed(f"versions {sorted(versions)}, but the package is {VERSION}")
    if (server["title"], server["description"]) != (TITLE, metadata()["description"]):
        raise Failed("its title or description is not that of the package")
    return f"by {schema.name}" if schema else "by the rules known here; --schema FILE adds the registry's own"


def names_agree() -> None:
    """Check that the README, which is the package's page, names the server as server.json does.

    Raises:
        Failed: it does not.
    """
    name = read_server()["name"]
    if _MARK.findall(README.read_text(encoding="utf-8")) != [name]:
        raise Failed(f"{README.name} must have one line <!-- mcp-name: {name} -->")


def owner_is_set() -> None:
    """Check that a person has said who owns the repository.

    Raises:
        Refused: it is not said.
    """
    pages = [path.name for path in (SERVER, README) if OWNER_IS_NOT_SET in path.read_text(encoding="utf-8")]
    if pages:
        raise Refused(f"write the owner of the repository in place of {OWNER_IS_NOT_SET} in {', '.join(pages)}")
    if "urls" not in metadata():
        raise Refused("write the repository's address into [project.urls] of pyproject.toml")


def changelog_has_the_version() -> None:
    """Check that the changes are listed under the version.

    Raises:
        Refused: there is no such heading.
    """
    heading = rf"^## \[{re.escape(VERSION)}\] - \d{{4}}-\d\d-\d\d$"
    if not re.search(heading, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE):
        raise Refused(f"give the changes in CHANGELOG.md the heading ## [{VERSION}] - and the day")


def tree_is_clean() -> None:
    """Check that what is built is what is committed.

    Raises:
        Refused: something is not committed.
    """
    changed = subprocess.run(
        ["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    if changed:
        raise Refused(f"commit or remove what is changed: {', '.join(line[3:] for line in changed[:5])}")
