"""Make what is released, and check it.

python -m release build [FOLDER]    the wheel, the source archive and the bundle; into dist by default
python -m release bundle [FOLDER]   the bundle alone, which needs nothing that is not installed
python -m release check [--draft] [--schema FILE]
python -m release licences          docs/licences.md again, from what is installed
python -m release icon              the PNG again, from the SVG
"""

import argparse
import sys
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from typing import Final

from release import archives, environments, mcpb, publication
from release.bundle import write_bundle
from release.commands import for_uv, run, uv
from release.icon import drawn, write_icon
from release.licences import PAGE, page, tables
from release.project import ICON, ROOT
from release.steps import Failed, Skipped, Steps

TWINE: Final = "twine@7.0.0"
"""In an environment of its own: it brings a keychain, which the server would find beside it."""


def main() -> int:
    """Run one command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m release", description="Make what is released, and check it.")
    commands = parser.add_subparsers(dest="command", required=True)
    building = commands.add_parser("build", help="make the wheel, the source archive and the bundle")
    bundling = commands.add_parser("bundle", help="make the bundle alone")
    for making in (building, bundling):
        making.add_argument("folder", nargs="?", type=Path, default=ROOT / "dist")
    checking = commands.add_parser("check", help="make all of it in a temporary folder, and check it")
    checking.add_argument("--draft", action="store_true", help="go on where a person must still fill something in")
    checking.add_argument("--schema", type=Path, help="the registry's own schema of server.json")
    commands.add_parser("licences", help="write docs/licences.md again")
    commands.add_parser("icon", help="draw the PNG again")
    arguments = parser.parse_args()
    match arguments.command:
        case "build":
            for path in (*archives.build(ROOT, arguments.folder.resolve()), write_bundle(arguments.folder)):
                sys.stdout.write(f"{path}\n")
        case "bundle":
            sys.stdout.write(f"{write_bundle(arguments.folder)}\n")
        case "check":
            return check(arguments)
        case "licences":
            PAGE.write_text(page(tables()), encoding="utf-8")
        case _:
            write_icon()
    return 0


def check(arguments: argparse.Namespace) -> int:
    """Run all checks and return 1 if one of them stops the release."""
    steps = Steps(is_draft=arguments.draft)
    steps.run("the owner of the repository", publication.owner_is_set)
    steps.run("the changelog", publication.changelog_has_the_version)
    steps.run("nothing uncommitted", publication.tree_is_clean)
    steps.run("server.json", partial(publication.server_is_valid, arguments.schema))
    steps.run("the server's name in README.md", publication.names_agree)
    steps.run("the icon", _icon)
    with tempfile.TemporaryDirectory() as made, ThreadPoolExecutor(1) as beside:
        folder = Path(made).resolve()
        tool = beside.submit(mcpb.install_tool, folder / "mcpb")  # it waits for the network
        _archives(steps, folder)
        steps.run("mcpb, which checks the bundle", lambda: tool.result().name)
        if tool.exception() is None:
            steps.run("the bundle", partial(mcpb.validated, tool.result(), folder))
            steps.run("the bundle, started as a host does", partial(mcpb.started, tool.result(), folder))
    if steps.stops:
        sys.stdout.write(f"Do not release: {', '.join(steps.stops)}.\n")
    return 1 if steps.stops else 0


def _archives(steps: Steps, folder: Path) -> None:
    built = archives.build(ROOT, folder / "first")
    installed: list[tuple[str, Future[str]]] = []
    steps.run("the wheel and the source archive, built twice", partial(archives.build_again, built, folder))
    steps.run("what is in them", partial(archives.contents, *built))
    steps.run("their metadata", partial(_metadata, built))
    with ThreadPoolExecutor() as pool:  # they wait for most of their time
        for series, archive in product(environments.SERIES, built):
            ran = pool.submit(environments.installed, series, archive, folder)
            installed.append((f"{archive.name} on Python {series}", ran))
        for title, ran in installed:
            steps.run(title, ran.result)


def _metadata(built: tuple[Path, Path]) -> None:
    run(uv(), "tool", "run", "--quiet", TWINE, "check", "--strict", *map(str, built), cwd=ROOT, environ=for_uv())


def _icon() -> str:
    try:
        if drawn() != ICON.read_bytes():
            raise Failed("the PNG is not what the SVG draws; run: .venv/bin/python -m release icon")
    except ImportError:
        raise Skipped("resvg-py is not installed") from None
    return f"{ICON.stat().st_size // 1024} kB"


if __name__ == "__main__":
    sys.exit(main())
