"""Chromium, as it is installed on this machine, without a window and without a word to any network of its own."""

import shutil
from typing import Any, Final

PATH: Final = shutil.which("chromium") or shutil.which("chromium-browser")
LAUNCH: Final[dict[str, Any]] = {
    "executable_path": PATH,
    "args": [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ],
}
"""What Playwright's `launch` is given."""
MISSING: Final = "no Chromium is installed: apt-get install chromium fonts-noto-cjk"
