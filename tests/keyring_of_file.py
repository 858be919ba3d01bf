"""A keychain that is a file: a backend of the library `keyring`, chosen with PYTHON_KEYRING_BACKEND."""

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError

NAME = "tests.keyring_of_file.FileKeyring"
ROOT = Path(__file__).parent.parent


def environ_of(folder: Path, **more: str) -> dict[str, str]:
    """What makes a process use the keychain in this folder."""
    return {
        "PYTHON_KEYRING_BACKEND": NAME,
        "PYTHONPATH": str(ROOT),
        "KEYCHAIN_FILE": str(folder / "keychain.json"),
        **more,
    }


class FileKeyring(KeyringBackend):  # type: ignore[misc] # its metaclass is untyped
    """Keeps entries in the file that KEYCHAIN_FILE names.

    With KEYCHAIN_GATE it waits, before it returns one, until something is written to that named pipe. With
    KEYCHAIN_FAULT it is locked, or fails with words that quote what it holds.
    """

    priority = 1  # type: ignore[assignment] # the library's own way

    def get_password(self, service: str, username: str) -> str | None:
        if gate := os.environ.get("KEYCHAIN_GATE"):
            Path(gate).read_bytes()
        match os.environ.get("KEYCHAIN_FAULT"):
            case "locked":
                raise KeyringLocked("locked")
            case "fails":
                raise OSError(f"D-Bus failed at {self._entries()}")
            case _:
                return self._entries().get(f"{service}/{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self._keep({**self._entries(), f"{service}/{username}": password})

    def delete_password(self, service: str, username: str) -> None:
        entries = self._entries()
        if entries.pop(f"{service}/{username}", None) is None:
            raise PasswordDeleteError("not there")
        self._keep(entries)

    def _entries(self) -> dict[str, str]:
        file = Path(os.environ["KEYCHAIN_FILE"])
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}

    def _keep(self, entries: dict[str, str]) -> None:
        Path(os.environ["KEYCHAIN_FILE"]).write_text(json.dumps(entries), encoding="utf-8")
