"""The card's document, put together from the readable files beside this module (docs/card.md)."""

import base64
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from alaya_mcp import __version__

MIME_TYPE: Final = "text/html;profile=mcp-app"
FRESH_MS: Final = 3_600_000
"""It changes with a release only."""
META: Final[dict[str, Any]] = {
    "ui": {
        "csp": {"connectDomains": [], "resourceDomains": [], "frameDomains": [], "baseUriDomains": []},
        "prefersBorder": True,
    }
}
"""For the host: the page loads nothing and connects to nothing."""

_FOLDER: Final = Path(__file__).parent
_SCRIPTS: Final = (
    *("elements.js", "words.js", "host.js"),
    "../../comparison/page_source/difference.js",  # the page of a comparison marks the same
    *("deployment.js", "comparison.js", "card.js"),
)
"""In the order of their use."""


@cache
def document() -> str:
    """Return the page: one HTML document that needs nothing else, and whose policy allows its own script alone."""
    style = f"\n{_file('card.css')}"
    scripts = "\n".join(_file(name) for name in _SCRIPTS)
    script = f'\n"use strict";\n(() => {{\n{scripts}}})();\n'
    policy = (
        f"default-src 'none'; script-src {_digest(script)}; style-src {_digest(style)}; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    parts = {"{policy}": policy, "{version}": __version__, "{style}": style, "{script}": script}
    page = _file("card.html")
    for place, part in parts.items():
        page = page.replace(place, part)
    return page


def _file(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """Return a policy's source for exactly this inline text."""
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"
