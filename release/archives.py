"""The wheel and the source archive: built twice, and looked into."""

import os
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Final

from release.commands import run
from release.project import NAME, ROOT, VERSION, tracked
from release.steps import Failed

STEM: Final = f"{NAME.replace('-', '_')}-{VERSION}"
WHEEL: Final = f"{STEM}-py3-none-any.whl"
SDIST: Final = f"{STEM}.tar.gz"

_IN_SDIST: Final = ("alaya_mcp/", "benchmarks/", "deploy/", "docs/", "release/", "tests/")
_ANOTHER_DAY: Final = 1_000_000_000
_MODES: Final = {0o644, 0o755}


def build(source: Path, into: Path, *, umask: int = -1) -> tuple[Path, Path]:
    """Build both and return the wheel and the source archive.

    Raises:
        Failed: the build did.
    """
    command = (sys.executable, "-m", "build", "--no-isolation", "--outdir", str(into), str(source))
    run(*command, cwd=source, umask=umask)
    return into / WHEEL, into / SDIST


def build_again(first: tuple[Path, Path], folder: Path) -> str:
    """Build from a copy whose path, times and modes are others, and compare.

    Raises:
        Failed: a byte is different.
    """
    copy, umask = folder / "elsewhere", 0o077
    for name in tracked():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, copy / name)
        (copy / name).chmod(0o600)
        os.utime(copy / name, (_ANOTHER_DAY, _ANOTHER_DAY))
    for one, other in zip(first, build(copy, folder / "again", umask=umask), strict=True):
        if one.read_bytes() != other.read_bytes():
            raise Failed(f"{one.name} has other bytes when it is built again")
    return ", ".join(f"{path.name} {path.stat().st_size // 1024} kB" for path in first)


def contents(wheel: Path, sdist: Path) -> str:
    """Check what is in them: what Git tracks, and nothing that it does not.

    Raises:
        Failed: something is missing, too much, or has an odd mode.
    """
    known = set(tracked())
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = set(archive.namelist())
        modes = {entry.external_attr >> 16 & 0o777 for entry in archive.infolist()}
    package = {name for name in known if name.startswith("alaya_mcp/")}
    info = {name for name in in_wheel if name.startswith(f"{STEM}.dist-info/")}
    _same("the wheel", in_wheel - info, package)
    with tarfile.open(sdist) as archive:
        members = [member for member in archive.getmembers() if member.isfile()]
        in_sdist = {member.name.removeprefix(f"{STEM}/") for member in members}
        modes |= {member.mode for member in members}
        owners = {(member.uid, member.gid, member.uname, member.gname) for member in members}
    at_root = {name for name in known if "/" not in name and not name.startswith(".")} | {".gitignore"}
    _same("the source archive", in_sdist - {"PKG-INFO"}, at_root | {n for n in known if n.startswith(_IN_SDIST)})
    if not modes <= _MODES or len(owners) > 1:
        raise Failed(f"modes {sorted(map(oct, modes))}, owners {sorted(owners)}")
    return f"{len(in_wheel)} and {len(in_sdist)} files"


def _same(what: str, found: set[str], expected: set[str]) -> None:
    if found != expected:
        more, less = sorted(found - expected)[:10], sorted(expected - found)[:10]
        raise Failed(f"{what} has {more} too much, and lacks {less}")
