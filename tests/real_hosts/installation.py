"""The hosts from the package registry, as the lock file here has them: `python -m tests.real_hosts.installation`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER_VARIABLE = "REAL_HOSTS"
"""Names the folder where they are installed, which may be kept from one run to the next."""

_HERE = Path(__file__).parent
_DONE = "installed.lock"


def why_not(folder: Path | None) -> str | None:
    """What keeps the hosts from being run from this folder, in words; None if nothing does."""
    if folder is None:
        return f"{FOLDER_VARIABLE} names no folder with hosts: see tests/real_hosts/installation.py"
    if shutil.which("node") is None:
        return "Node is not installed"
    if not _is_installed(folder):
        return f"{folder} has not these versions: run python -m tests.real_hosts.installation"
    return None


def folder() -> Path | None:
    """The folder that the environment names."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else None


def install(folder: Path) -> None:
    """Put them there, unless they are; no package's own scripts are run."""
    if _is_installed(folder):
        return
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(_HERE / name, folder)
    # Not `npm ci`: it refuses a lock file without the optional packages of other platforms.
    what = [
        "install",
        "--no-save",
        "--omit=optional",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ]
    subprocess.run([npm, *what], cwd=folder, check=True)  # noqa: S603 - npm, found on the PATH
    shutil.copy(_HERE / "package-lock.json", folder / _DONE)


def _is_installed(folder: Path) -> bool:
    done = folder / _DONE
    return done.is_file() and done.read_bytes() == (_HERE / "package-lock.json").read_bytes()


if __name__ == "__main__":
    where = folder()
    if where is None:
        sys.exit(f"{FOLDER_VARIABLE} must name a folder")
    install(where)
