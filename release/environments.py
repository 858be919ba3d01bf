"""The wheel and the source archive, installed where nothing else is, on each Python of this machine."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from alaya_mcp.serving.server import TOOLS
from release.commands import for_uv, own_environ, run, uv
from release.conversation import converse
from release.project import NAME, VERSION
from release.steps import Failed, Skipped

SERIES: Final = ("3.11", "3.12", "3.13", "3.14")
"""Those of the classifiers, and the next one."""


def python_of(series: str) -> str | None:
    """Return a Python of a series: this one, or one from the path or from pyenv."""
    if series == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    beside = sorted(pyenv.glob(f"versions/{series}.*/bin/python{series}"))
    for path in filter(None, (shutil.which(f"python{series}"), *map(str, beside))):
        asked = [path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        said = subprocess.run(asked, capture_output=True, text=True, check=False)
        if said.stdout.strip() == series:
            return path
    return None


def installed(series: str, archive: Path, folder: Path) -> str:
    """Install an archive on a Python, in an environment of its own, and use it there; the wheel shows its demo too.

    Raises:
        Skipped: there is no such Python here.
        Failed: it does not work.
    """
    python = python_of(series)
    if python is None:
        raise Skipped("not on this machine")
    folder = folder / f"{series}{archive.suffix}"
    folder.mkdir()
    environment = folder / "environment"
    run(uv(), "venv", "--quiet", "--python", python, str(environment), cwd=folder, environ=for_uv())
    into = ("--quiet", "--python", str(environment))
    run(uv(), "pip", "install", *into, str(archive), cwd=folder, environ=for_uv())
    run(uv(), "pip", "check", *into, cwd=folder, environ=for_uv())
    command, environ = str(environment / ("Scripts" if os.name == "nt" else "bin") / NAME), own_environ(folder)
    version = run(command, "--version", cwd=folder, environ=environ).strip()
    if VERSION not in version:
        raise Failed(f"{archive.name} says {version}")
    if archive.suffix == ".whl":
        run(command, "demo", cwd=folder, environ=environ)
    opened, tools, called = converse([command, "--sandbox"], environ, folder, "list_deployments")
    if opened["serverInfo"]["version"] != VERSION or len(tools) != len(TOOLS) or called.get("isError"):
        raise Failed(f"{archive.name} answers otherwise over stdio")
    return version
