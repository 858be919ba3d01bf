"""The icon as PNG, drawn from the SVG beside it."""

from typing import Any, Final

from release.project import ICON, ROOT

DRAWING: Final = ROOT / "release" / "icon.svg"
SIDE: Final = 512
"""Pixels."""


def drawn(side: int = SIDE) -> bytes:
    """Return the icon as PNG.

    Raises:
        ImportError: resvg-py is not installed.
    """
    import resvg_py  # noqa: PLC0415 # pyright: ignore[reportMissingImports, reportMissingTypeStubs] of release/requirements.txt

    svg = DRAWING.read_text(encoding="utf-8")
    draw: Any = resvg_py.svg_to_bytes  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] as above
    return bytes(draw(svg_string=svg, width=side, height=side, skip_system_fonts=True))


def write_icon() -> None:
    """Write the PNG that is kept in the repository."""
    ICON.write_bytes(drawn())
