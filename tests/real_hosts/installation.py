"""The hosts from the package registry, as the lock file here has them: `python -m tests.real_hosts.installation`."""

from pathlib import Path

from tests.npm_packages import NpmPackages

HOSTS = NpmPackages("REAL_HOSTS", "tests.real_hosts.installation", Path(__file__).parent)

if __name__ == "__main__":
    HOSTS.install()
