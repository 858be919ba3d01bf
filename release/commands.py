"""Programs that the checks run, and the environment that they run in."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from release.steps import Failed, ended

MINUTES: Final = 600
"""Seconds for one program. The network may be slow; what takes longer hangs."""


def own_environ(folder: Path) -> dict[str, str]:
    """Return the environment of a person who has nothing: no settings of this server, no Python path, an empty home."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ALAYA_", "PYTHON", "VIRTUAL_"))}
    home = folder / "home"
    home.mkdir(exist_ok=True)
    return kept | {"HOME": str(home), "XDG_CONFIG_HOME": str(home / "config"), "XDG_CACHE_HOME": str(home / "cache")}


def for_uv(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return an environment for uv, which does not read pip's settings: a certificate of pip's is uv's too."""
    certificate = environ.get("PIP_CERT")
    return {**environ, "SSL_CERT_FILE": certificate} if certificate else dict(environ)


def uv() -> str:
    """Return the path of uv, which stands beside this Python.

    Raises:
        Failed: it is not installed.
    """
    for path in (Path(sys.executable).with_name("uv"), Path(sys.executable).with_name("uv.exe")):
        if path.is_file():
            return str(path)
    raise Failed("uv is not installed; run: .venv/bin/pip install --quiet --requirement release/requirements.txt")


def run(*command: str, cwd: Path, environ: Mapping[str, str] | None = None, umask: int = -1, said: str = "") -> str:
    """Run a program and return its output.

    Raises:
        Failed: it ended with an error; with the end of what it wrote.
    """
    ran = subprocess.run(
        command,
        cwd=cwd,
        env=environ,
        umask=umask,
        input=said,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=MINUTES,
        check=False,
    )
    if ran.returncode:
        raise Failed(f"{' '.join(command[:4])} ended with {ran.returncode}:\n{ended(ran.stdout + ran.stderr)}")
    return ran.stdout
