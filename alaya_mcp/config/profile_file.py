"""The configuration file as `login` and `logout` change it: one profile's key pair, and nothing else."""

import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from alaya_mcp.atomic_file import replace_file
from alaya_mcp.config.file import ConfigFile, parsed
from alaya_mcp.config.place import CONFIG_VARIABLE, config_bytes, config_path, default_config_path
from alaya_mcp.config.profile_text import CannotEdit, logged_in, logged_out
from alaya_mcp.errors import NotConfigured

_MARK: Final = "\ufeff"
_OWNER_ONLY: Final = 0o600
_OWNERS_FOLDER: Final = 0o700


@dataclass(frozen=True, slots=True)
class ProfileFile:
    """The file as it was when it was read.

    Attributes:
        path: The file.
        content: Its bytes; None if there is none.
        file: What it means.
    """

    path: Path
    content: bytes | None = field(repr=False)
    file: ConfigFile = field(repr=False)

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "ProfileFile":
        """Read the file that this environment names, which need not be there.

        Raises:
            NotConfigured: it cannot be used.
        """
        path = config_path(environ)
        if not path.is_absolute() and not environ.get(CONFIG_VARIABLE):
            raise NotConfigured("home_missing")
        try:
            content = config_bytes(environ)
        except NotConfigured as problem:
            if problem.cause != "config_file_missing":
                raise
            content = None  # the one that ALAYA_CONFIG names is to be made
        if content is not None and not path.is_file():
            raise NotConfigured("config_file_unwritable", file=str(path), detail="it is not a file")
        return cls(path, content, parsed(content or b"", path))

    def log_in(self, profile: str, entries: Mapping[str, str]) -> None:
        """Write these entries as a profile's key pair; only the owner may read the file then.

        Raises:
            NotConfigured: it cannot be changed; it is as it was.
        """
        try:
            text = logged_in(self._text, profile, entries, is_new=self.content is None)
        except CannotEdit as why:
            raise self._unwritable(str(why)) from None
        self._replace(text, _OWNER_ONLY)

    def log_out(self, profile: str) -> bool:
        """Remove a profile's key pair; return whether the file is still there: one that login made and is empty is not.

        Raises:
            NotConfigured: it cannot be changed; it is as it was.
        """
        try:
            left = logged_out(self._text, profile)
        except CannotEdit as why:
            raise self._unwritable(str(why)) from None
        if not left.is_empty or self.path.is_symlink():
            self._replace(left.text, self._mode)
            return True
        self._check_unchanged()
        try:
            self.path.unlink()
        except OSError as error:
            raise self._unwritable(error.strerror or type(error).__name__) from None
        if self.path == default_config_path():
            with suppress(OSError):  # there is something else in it
                self.path.parent.rmdir()
        return False

    @property
    def _text(self) -> str:
        """The text without a byte order mark, each line ending in a line feed."""
        text = (self.content or b"").decode("utf-8-sig")
        return text.replace("\r\n", "\n") if self._is_of_windows else text

    @property
    def _is_of_windows(self) -> bool:
        lines = (self.content or b"").count(b"\n")
        return bool(lines) and (self.content or b"").count(b"\r\n") == lines

    @property
    def _mode(self) -> int:
        return stat.S_IMODE(self.path.stat().st_mode)

    def _replace(self, text: str, mode: int) -> None:
        self._check_unchanged()
        mark = _MARK if (self.content or b"").startswith(_MARK.encode()) else ""
        whole = mark + (text.replace("\n", "\r\n") if self._is_of_windows else text)
        try:
            if self.content is not None and not self._mode & stat.S_IWUSR:
                raise self._unwritable("it is read-only")
            _make_folder(self.path.resolve().parent)
            replace_file(self.path, whole.encode(), mode)
        except OSError as error:
            raise self._unwritable(error.strerror or type(error).__name__) from None

    def _check_unchanged(self) -> None:
        try:
            now = self.path.read_bytes()
        except FileNotFoundError:
            now = None
        except OSError as error:
            raise self._unwritable(error.strerror or type(error).__name__) from None
        if now != self.content:
            raise NotConfigured("config_file_changed", file=str(self.path))

    def _unwritable(self, why: str) -> NotConfigured:
        return NotConfigured("config_file_unwritable", file=str(self.path), detail=why)


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing, for their owner alone."""
    for each in (*reversed(folder.parents), folder):
        if not each.exists():
            each.mkdir(mode=_OWNERS_FOLDER, exist_ok=True)
