"""The bridge of hosts that show cards, as the lock file here has it: `python -m tests.browser.installation`."""

from pathlib import Path

from tests.npm_packages import NpmPackages

BRIDGE = NpmPackages("CARD_BRIDGE", "tests.browser.installation", Path(__file__).parent)

if __name__ == "__main__":
    BRIDGE.install()
