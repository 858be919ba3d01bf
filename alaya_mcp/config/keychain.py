"""Key pairs in the system's keychain, by the library `keyring`, loaded for a profile that names an entry only."""

import asyncio
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar, cast

from alaya_mcp.errors import NotConfigured

SERVICE: Final = "alayanew-mcp"
"""The service of all entries."""
SECONDS: Final = 20.0
"""How long a reader waits for the keychain, which may be asking its owner."""

_T = TypeVar("_T")


class _Ring(Protocol):
    """What is used of a backend of the library."""

    def get_password(self, service: str, username: str) -> str | None: ...
    def set_password(self, service: str, username: str, password: str) -> None: ...
    def delete_password(self, service: str, username: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the keychain: its name, and what names it in messages."""

    name: str
    label: str

    def read(self) -> "Pair":
        """Return the pair; blocks for as long as the keychain asks its owner.

        Raises:
            NotConfigured: it cannot be read.
        """
        text = self._using(lambda ring: ring.get_password(SERVICE, self.name))
        if text is None:
            raise self._unusable("keychain_entry_missing")
        with suppress(ValueError):
            held = cast("object", json.loads(text))
            pair = cast("dict[str, object]", held) if isinstance(held, dict) else {}
            access_key, secret_key = pair.get("access_key"), pair.get("secret_key")
            if isinstance(access_key, str) and isinstance(secret_key, str):
                return Pair(access_key, secret_key)
        raise self._unusable("keychain_entry_unusable")

    def write(self, pair: "Pair") -> None:
        """Write the pair, in one value, and read it again: a backend may keep nothing.

        Raises:
            NotConfigured: it cannot be written.
        """
        text = json.dumps({"access_key": pair.access_key, "secret_key": pair.secret_key})
        self._using(lambda ring: ring.set_password(SERVICE, self.name, text))
        if self._using(lambda ring: ring.get_password(SERVICE, self.name)) != text:
            raise self._unusable("keychain_missing")

    def remove(self) -> bool:
        """Remove the entry; return whether there was one.

        Raises:
            NotConfigured: it cannot be removed.
        """
        if self._using(lambda ring: ring.get_password(SERVICE, self.name)) is None:
            return False
        self._using(lambda ring: ring.delete_password(SERVICE, self.name))
        return True

    def _using(self, act: Callable[[_Ring], _T]) -> _T:
        try:
            import keyring  # noqa: PLC0415 an extra, loaded for a profile that names an entry only
            from keyring import errors  # noqa: PLC0415 as above
        except ImportError:
            raise self._unusable("keychain_extra_missing") from None
        try:
            return act(cast("_Ring", keyring.get_keyring()))
        except errors.NoKeyringError:
            raise self._unusable("keychain_missing") from None
        except (errors.KeyringLocked, errors.InitError):
            raise self._unusable("keychain_locked") from None
        except Exception as error:  # noqa: BLE001 backends raise what their systems do; its words may quote the value
            raise self._unusable("keychain_failed", detail=type(error).__name__) from None

    def _unusable(self, cause: Any, **facts: Any) -> NotConfigured:  # noqa: ANN401 fields of any kind
        return NotConfigured(cause, source=self.label, **facts)


@dataclass(frozen=True, slots=True)
class Pair:
    """The two halves of an Open API Key."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)


class Reading:
    """One reading of an entry, in a thread that ends with the process: a dialog may stay open for ever.

    Make it in the event loop.
    """

    def __init__(self, entry: Entry) -> None:
        self._entry = entry
        self._loop = asyncio.get_running_loop()
        self._done = asyncio.Event()
        self._found: Pair | NotConfigured | None = None
        threading.Thread(target=self._run, name="keychain", daemon=True).start()

    async def pair(self, seconds: float = SECONDS) -> Pair:
        """Return the pair.

        Raises:
            NotConfigured: it cannot be read, or not within this time; it can be asked for again then.
        """
        with suppress(TimeoutError):
            await asyncio.wait_for(self._done.wait(), seconds)
        found = self._found or NotConfigured("keychain_silent", source=self._entry.label, seconds=seconds)
        if isinstance(found, NotConfigured):
            raise found
        return found

    def _run(self) -> None:
        try:
            self._found = self._entry.read()
        except NotConfigured as unusable:
            self._found = unusable
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._done.set)


class Readings:
    """Readings of several entries, one of each at a time, so that its owner is asked once."""

    def __init__(self) -> None:
        self._open: dict[str, Reading] = {}

    async def pair(self, entry: Entry, seconds: float = SECONDS) -> Pair:
        """Return an entry's pair.

        Raises:
            NotConfigured: as `Reading.pair`.
        """
        reading = self._open.get(entry.name) or self._open.setdefault(entry.name, Reading(entry))
        try:
            pair = await reading.pair(seconds)
        except NotConfigured as unusable:
            if unusable.cause != "keychain_silent":
                self._open.pop(entry.name, None)
            raise
        self._open.pop(entry.name, None)
        return pair
