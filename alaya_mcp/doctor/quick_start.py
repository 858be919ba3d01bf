"""Check whether first answers are kept from one start to the next (docs/decisions/opening.md)."""

import os
from collections.abc import Mapping
from pathlib import Path

from alaya_mcp.doctor.check import Check
from alaya_mcp.first_answers import folder_of


def about_first_answers(environ: Mapping[str, str]) -> Check:
    """Return what there is in the folder for them; without one the server starts more slowly, and is not wrong."""
    folder = Path(folder_of(environ))
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK)):
        what = f"first answers cannot be kept in {folder}, so each start is a slow one"
        return Check("first_answers", "skipped", "not_kept", what)
    kept = len(list(folder.glob("*.json")))
    what = f"first answers are kept in {folder} ({kept or 'none'} so far)"
    return Check("first_answers", "ok", "kept" if kept else "none_yet", what)
