"""What the project says about itself, in the one place where each fact is."""

import subprocess
import tomllib
from pathlib import Path
from typing import Any, Final

from alaya_mcp import __version__

ROOT: Final = Path(__file__).parent.parent
NAME: Final = "alayanew-mcp"
"""Of the distribution, of its command and of the bundle."""
TITLE: Final = "Alaya NeW"
AUTHORS: Final = "the alayanew-mcp authors"
"""As in LICENSE."""
VERSION: Final = __version__
ICON: Final = ROOT / "release" / "icon.png"


def metadata() -> dict[str, Any]:
    """Return the table `project` of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def tracked(root: Path = ROOT) -> list[str]:
    """Return the files that Git tracks and that exist, relative to the root, with slashes; outside of a clone, all."""
    if not (root / ".git").exists():
        there = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
        return sorted(path.as_posix() for path in there if "__pycache__" not in path.parts)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True).stdout
    return sorted(name for name in listed.decode().split("\0") if name and (root / name).is_file())
