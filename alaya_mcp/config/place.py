"""The configuration file's path and bytes; parsing is in `config.file`, which most starts do not load."""

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from platformdirs import user_config_path

from alaya_mcp.config.environment import value_of
from alaya_mcp.errors import NotConfigured

CONFIG_VARIABLE: Final = "ALAYA_CONFIG"
PROFILE_VARIABLE: Final = "ALAYA_PROFILE"
FILE_NAME: Final = "config.toml"
FOLDER_NAME: Final = "alayanew-mcp"

_BYTES: Final = 2**20


def default_config_path() -> Path:
    """Return the path in the platform's configuration folder; a relative one, never read, without a home folder.

    The system knows a user's home folder where no variable has it: some hosts start servers without any.
    """
    try:
        folder = user_config_path(FOLDER_NAME, appauthor=False)
    except (LookupError, ValueError, RuntimeError):  # Windows, without its folders and their variables
        folder = Path("~") / FOLDER_NAME
    return folder / FILE_NAME


def config_path(environ: Mapping[str, str]) -> Path:
    """Return the file's path, whether it exists or not."""
    given = value_of(environ, CONFIG_VARIABLE)
    if not given:
        return default_config_path()
    try:
        return Path(given).expanduser()
    except RuntimeError:  # the home folder of an unknown user
        return Path(given)


def config_bytes(environ: Mapping[str, str]) -> bytes | None:
    """Return the file's bytes; None if ALAYA_CONFIG is unset and there is no file.

    Raises:
        NotConfigured: the file named by ALAYA_CONFIG does not exist, or the file cannot be read.
    """
    path = config_path(environ)
    if not path.is_absolute() and not value_of(environ, CONFIG_VARIABLE):
        return None
    try:
        if stat.S_ISFIFO(path.stat().st_mode):  # reading it would wait for a writer
            raise NotConfigured("config_file_unreadable", file=str(path), detail="it is not a file")
        with path.open("rb") as file:
            text = file.read(_BYTES + 1)
    except FileNotFoundError:
        if value_of(environ, CONFIG_VARIABLE):
            raise NotConfigured("config_file_missing", file=str(path)) from None
        return None
    except OSError as error:
        detail = error.strerror or type(error).__name__
        raise NotConfigured("config_file_unreadable", file=str(path), detail=detail) from None
    if len(text) > _BYTES:
        raise NotConfigured("config_file_too_large", file=str(path), limit=f"{_BYTES // 2**20} MiB")
    return text
