"""Packages from npm's registry that tests need, as a lock file beside them has them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

_DONE = "installed.lock"


class NpmPackages:
    """The packages of one folder of tests, installed where the environment says.

    Args:
        variable: Names the folder where they are installed, which may be kept from one run to the next.
        module: Installs them, as a command.
        lists: Has `package.json` and `package-lock.json`.
    """

    def __init__(self, variable: str, module: str, lists: Path) -> None:
        self._variable, self._module, self._lists = variable, module, lists

    def folder(self) -> Path | None:
        """The folder that the environment names."""
        named = os.environ.get(self._variable)
        return Path(named) if named else None

    def why_not(self) -> str | None:
        """What keeps them from being used, in words; None if nothing does."""
        folder = self.folder()
        if folder is None:
            return f"{self._variable} names no folder: python -m {self._module} installs what is needed into it"
        if shutil.which("node") is None:
            return "Node is not installed"
        if not self._is_installed(folder):
            return f"{folder} has not these versions: run python -m {self._module}"
        return None

    def install(self) -> None:
        """Put them there, unless they are; no package's own scripts are run."""
        folder = self.folder()
        if folder is None:
            sys.exit(f"{self._variable} must name a folder")
        if self._is_installed(folder):
            return
        npm = shutil.which("npm")
        if npm is None:
            sys.exit("npm is not installed")
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(self._lists / name, folder)
        # Not `npm ci`: it refuses a lock file without the optional packages of other platforms.
        what = ["install", "--no-save", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run([npm, *what, "--loglevel=error"], cwd=folder, check=True)  # noqa: S603 - npm, found on the PATH
        shutil.copy(self._lists / "package-lock.json", folder / _DONE)

    def _is_installed(self, folder: Path) -> bool:
        done = folder / _DONE
        return done.is_file() and done.read_bytes() == (self._lists / "package-lock.json").read_bytes()
