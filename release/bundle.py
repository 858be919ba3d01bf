"""The bundle for hosts (.mcpb): its files, and the archive of them. The same files give the same bytes."""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from release.manifest import ENTRY_POINT, ICON_FILE, manifest
from release.project import ICON, NAME, ROOT, VERSION, metadata, tracked

BUNDLE_NAME: Final = f"{NAME}-{VERSION}.mcpb"

_BEGINNING: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip archive can name."""
_UNIX: Final = 3
_MODE: Final = 0o100644

_SERVER: Final = '''\
"""Start the server; the package is beside this file."""

import sys

from alaya_mcp.cli.main import main

# A worker process that checks schemas imports this module under another name.
if __name__ == "__main__":
    sys.exit(main())
'''


def bundle_files() -> dict[str, bytes]:
    """Return the contents of the bundle by path: the package, what uv needs to install for it, and the manifest."""
    package = {name: (ROOT / name).read_bytes() for name in tracked() if name.startswith("alaya_mcp/")}
    return package | {
        "manifest.json": _json(manifest()),
        "pyproject.toml": _pyproject().encode(),
        ENTRY_POINT: _SERVER.encode(),
        ICON_FILE: ICON.read_bytes(),
        "LICENSE": (ROOT / "LICENSE").read_bytes(),
    }


def _pyproject() -> str:
    """Return the bundle's own project file.

    Without the development group, which `uv run` would install, and without a build system: uv then installs the
    dependencies only, and Python finds the package beside the entry point. The dependencies are ranges, as everywhere:
    a lock would name the index that it was made with, which not every user can reach, and would keep out fixes.
    """
    project = metadata()
    dependencies = "".join(f"    {json.dumps(each)},\n" for each in project["dependencies"])
    return (
        "[project]\n"
        f"name = {json.dumps(NAME)}\n"
        f"version = {json.dumps(VERSION)}\n"
        f"description = {json.dumps(project['description'])}\n"
        f"requires-python = {json.dumps(project['requires-python'])}\n"
        f"dependencies = [\n{dependencies}]\n\n"
        "[tool.uv]\n"
        "package = false\n"
    )


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def packed(files: Mapping[str, bytes]) -> bytes:
    """Return a zip archive of the files. `mcpb pack` writes the time of packing into it; this one writes none."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as written:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _BEGINNING)
            entry.create_system, entry.external_attr = _UNIX, _MODE << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            written.writestr(entry, files[name])
    return archive.getvalue()


def unpacked(archive: bytes) -> dict[str, bytes]:
    """Return the files of an archive by path."""
    with zipfile.ZipFile(io.BytesIO(archive)) as read:
        return {entry.filename: read.read(entry) for entry in read.infolist() if not entry.is_dir()}


def write_bundle(folder: Path) -> Path:
    """Write the bundle into a folder and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / BUNDLE_NAME
    path.write_bytes(packed(bundle_files()))
    return path
