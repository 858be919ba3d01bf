"""The answers to a host's first requests, kept from one start to the next (docs/decisions/opening.md).

The real server records them as it gives them; the next start with the same versions, configuration and requests gives
them again while the server is still being loaded (opening.py). Without them the server only starts more slowly.
"""

import json
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import Any, Final, cast

_METHODS: Final = frozenset(
    {"initialize", "server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list"}
)
"""Requests whose answers depend only on versions, configuration and what the connection began with."""
_PLACES: Final = ("HOME", "XDG_CONFIG_HOME")
"""Variables that decide where the configuration file is."""
_PACKAGE: Final = os.path.dirname(__file__)  # noqa: PTH120 pathlib is slow to load
_BYTES: Final = 2**20
_MOST_ANSWERS: Final = 64
_MOST_FILES: Final = 32
"""Configurations and versions; the oldest are dropped."""
_OF_OTHERS: Final = 0o077
"""Permissions of other users."""


class Beginning:
    """What a connection began with, as far as later answers depend on it. No I/O."""

    def __init__(self) -> None:
        self.version = ""
        self._is_stateless = self._is_announced = False

    def key(self, method: object, params: object) -> str | None:
        """Return the key of the answer to a request; None if the request ends the beginning."""
        if not isinstance(method, str) or method not in _METHODS:
            return None
        state = [self.version, self._is_announced, self._is_stateless]
        # A digest, since a host may send anything in `_meta`.
        return _digest(json.dumps([*state, method, _without_token(params)], sort_keys=True).encode())

    def decides(self, method: object) -> bool:
        """Return whether the server answers differently after this message, so that it must see it."""
        return method in {"initialize", "notifications/initialized"} or (
            method != "server/discover" and not self.version and not self._is_stateless
        )

    def go_on(self, method: object, params: object) -> None:
        """Record a message that decides how the server answers."""
        if method == "initialize":
            self.version = str(_fields(params).get("protocolVersion"))
        elif method == "notifications/initialized":
            self._is_announced = True
        else:
            self._is_stateless = True


def _without_token(params: object) -> object:
    """Return a request's params without its progress token, on which no answer depends."""
    fields = _fields(params)
    meta = _fields(fields.get("_meta"))
    if not isinstance(meta.get("progressToken"), str | int):
        return params
    return {**fields, "_meta": {name: value for name, value in meta.items() if name != "progressToken"}}


def _fields(value: object) -> dict[str, Any]:
    """Return a JSON object's fields, empty for anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def folder_of(environ: Mapping[str, str], platform: str = sys.platform) -> str:
    """Return the folder for the answers of all configurations, whether it exists or not; it cannot, without a home."""
    usual = ("Library", "Caches") if platform == "darwin" else (".cache",)
    caches = environ.get("XDG_CACHE_HOME") or os.path.join(environ.get("HOME", ""), *usual)  # noqa: PTH118 as above
    is_usable = os.path.isabs(caches) and platform != "win32"  # noqa: PTH117 as above
    return os.path.join(caches if is_usable else os.devnull, "alayanew-mcp")  # noqa: PTH118 as above


class FirstAnswers:
    """The answers of one configuration, in a private file in the platform's cache folder.

    Args:
        environ: The environment.
        arguments: The command line.
        platform: As in `sys.platform`.

    Attributes:
        known: Results as JSON, by key.
    """

    def __init__(self, environ: Mapping[str, str], arguments: Sequence[str], platform: str = sys.platform) -> None:
        self._environ = environ
        own = {name: environ[name] for name in environ if name.startswith("ALAYA_") or name in _PLACES}
        installed = [*_distributions(), *_modules(_PACKAGE)]
        self._stamp = _digest(json.dumps([sys.version, installed, list(arguments), own], sort_keys=True).encode())
        self._folder = folder_of(environ, platform)
        self.path = os.path.join(self._folder, f"{self._stamp}.json")  # noqa: PTH118 as above
        self.known: dict[str, str] = {}

    def load(self) -> bool:
        """Read the answers; return whether there are any for what is installed and configured now."""
        with suppress(OSError, ValueError, LookupError, TypeError):
            held = json.loads(_private_bytes(self.path))
            path, variables = held["file"][0], held["variables"]
            if held["file"] == self.file(path) and variables == self.variables(variables):
                self.known = held["answers"]
        return bool(self.known)

    def save(self, file: list[str], variables: Mapping[str, str]) -> None:
        """Write the answers; if that is not possible, nothing changes.

        Args:
            file: The configuration file, as `file` returned it before the settings were read from it.
            variables: The variables that the settings depend on, as `variables` returned them.
        """
        from pathlib import Path  # noqa: PLC0415 not loaded before the first answers

        from alaya_mcp.atomic_file import replace_file  # noqa: PLC0415 as above

        kept = dict(list(self.known.items())[-_MOST_ANSWERS:])
        with suppress(OSError):
            os.makedirs(self._folder, mode=0o700, exist_ok=True)  # noqa: PTH103 as above
            text = json.dumps({"file": file, "variables": variables, "answers": kept})
            replace_file(Path(self.path), text.encode(), 0o600)
            by_age = sorted(Path(self._folder).glob("*.json"), key=lambda file: file.stat().st_mtime_ns, reverse=True)
            for each in by_age[_MOST_FILES:]:
                each.unlink()

    def file(self, path: str) -> list[str]:
        """Return a configuration file's path, and a digest of its content, empty if there is none."""
        content: bytes | None = None
        with suppress(OSError), open(path, "rb") as file:  # noqa: PTH123 as above
            content = file.read()
        return [path, self._digest(content)]

    def variables(self, names: Iterable[str]) -> dict[str, str]:
        """Return digests of variables, empty for those that are not set."""
        values = ((name, self._environ.get(name)) for name in names)
        encoded = ((name, None if value is None else value.encode(errors="surrogateescape")) for name, value in values)
        return {name: self._digest(value) for name, value in encoded}

    def _digest(self, data: bytes | None) -> str:
        """Return a digest that is of no use outside of this file; empty for None."""
        return "" if data is None else _digest(self._stamp.encode() + data)


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()


def _private_bytes(path: str) -> bytes:
    """Return a file's bytes, none unless it is a regular file of this user that others cannot read or write."""
    with open(path, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NOFOLLOW)) as file:
        found = os.fstat(file.fileno())
        is_private = stat.S_ISREG(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & _OF_OTHERS
        return file.read(_BYTES) if is_private else b""


def _distributions() -> Iterator[str]:
    """Yield the metadata folders of all installed distributions, whose names have versions."""
    for folder in sys.path:
        with suppress(OSError):
            yield from sorted(name for name in os.listdir(folder) if name.endswith("-info"))  # noqa: PTH208 as above


def _modules(folder: str) -> Iterator[str]:
    """Yield the path, time and size of each module in a package."""
    with suppress(OSError):
        for entry in sorted(os.scandir(folder), key=lambda each: each.name):
            if entry.is_dir():
                yield from _modules(entry.path)
            elif entry.name.endswith(".py"):
                found = entry.stat()
                yield f"{entry.path} {found.st_mtime_ns} {found.st_size}"
