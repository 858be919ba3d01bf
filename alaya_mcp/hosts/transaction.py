"""One change to a host's configuration: shown to the user, confirmed, and made completely or not at all."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alaya_mcp.hosts.catalogue import Host, Level, Machine, project_file
from alaya_mcp.hosts.changes import is_left_by, present_entry, uninstalled
from alaya_mcp.hosts.documents import Document, members, read_document, reason
from alaya_mcp.hosts.entries import OUR_VARIABLES, SERVER_NAME, literal_keys, variables_of
from alaya_mcp.hosts.files import Server
from alaya_mcp.hosts.json_text import BLANK
from alaya_mcp.hosts.places import user_file
from alaya_mcp.hosts.writing import back_up, backups, content_of, replace

_YES: Final = frozenset({"y", "yes"})
_STANDARD: Final = frozenset({"type", "command", "args", "env", "environment", "enabled", "tools", "env_vars"})


class Refused(Exception):
    """Nothing, or not everything, was changed; the text says why and what to do."""


class Declined(Refused):
    """The user said no."""


@dataclass(frozen=True, slots=True)
class Terminal:
    """The user's terminal; `write` takes a rich style, `ask` and `ask_secret` are None if nobody can answer."""

    write: Callable[[str, str], None]
    warn: Callable[[str], None]
    ask: Callable[[str], str] | None = None
    ask_secret: Callable[[str], str] | None = None

    def say(self, text: str, style: str = "") -> None:
        """Show lines."""
        self.write(text, style)


def check_name(name: str) -> None:
    """Refuse a server's name that some host would not take.

    Raises:
        Refused: it is one.
    """
    if not SERVER_NAME.fullmatch(name):
        raise Refused("A server's name has 1 to 32 letters, digits, - and _, and starts with a letter or a digit.")


def confirm(question: str, terminal: Terminal) -> None:
    """Ask a question.

    Raises:
        Declined: the answer was no.
        Refused: nobody can answer.
    """
    if terminal.ask is None:
        raise Refused("Nothing was changed: there is no terminal to ask on. --yes goes ahead without asking.")
    if terminal.ask(f"{question} [y/N] ").strip().casefold() not in _YES:
        raise Declined("Nothing was changed.")


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for.

    Attributes:
        name: The server's name in the hosts.
        project: The project's folder; None for the user's own files.
        is_sandbox: Whether the server is one over the embedded sandbox.
        has_env_keys: Whether entries refer to keys in the host's environment.
        is_dry: Whether nothing is to be changed.
        is_agreed: Whether not to ask.
    """

    name: str
    project: Path | None = None
    is_sandbox: bool = False
    has_env_keys: bool = False
    is_dry: bool = False
    is_agreed: bool = False


@dataclass(frozen=True, slots=True)
class Transaction:
    """A request, the host and file that it is about, and that file's present content."""

    request: Request
    machine: Machine
    terminal: Terminal
    host: Host
    level: Level
    document: Document

    @classmethod
    def begin(cls, request: Request, host: Host, machine: Machine, terminal: Terminal) -> "Transaction":
        """Find and read the file.

        Raises:
            Refused: the host has no such file, or the server's name is invalid.
        """
        check_name(request.name)
        if request.project is None:
            return cls(request, machine, terminal, host, "user", read_document(user_file(host, machine)))
        try:
            folder = machine.directory / request.project.expanduser()
        except RuntimeError:  # ~ of an unknown user
            raise Refused(f"{request.project} is not a folder. --project takes the project's own folder.") from None
        path = project_file(host, folder)
        if path is None:
            raise Refused(f"{host.title} has no configuration file for projects. Leave --project out.")
        if not folder.is_dir():
            raise Refused(f"{folder} is not a folder. --project takes the project's own folder.")
        return cls(request, machine, terminal, host, "project", read_document(path))

    @property
    def directory(self) -> Path:
        """The folder that the host is to be started in: the project's, or the present one."""
        project = self.request.project
        return self.machine.directory / project.expanduser() if project else self.machine.directory

    @property
    def present(self) -> object:
        """The entry that is there, or None."""
        return present_entry(self.document, self.host, self.request.name)

    def spare_another(self, advice: str) -> None:
        """Refuse if the present entry is another server's; the error ends with the advice.

        Raises:
            Refused: it is another server's.
        """
        name = self.request.name
        if Server(name, members(self.present)).is_another:
            raise Refused(f"{self.host.title} has another server called {name}, which is not this one. {advice}")

    def write(self, text: str) -> bool:
        """Replace the file's text if the user agrees; return whether it was: not in a dry run.

        Raises:
            Declined: the user said no.
            Refused: nobody can answer, the file changed in the meantime, or it cannot be written.
        """
        if not self._is_agreed("Write this?"):
            return False
        self._change(text.encode(), keeps_old=self._needs_copy)
        self.terminal.say(f"Written: {self.document.path}")
        return True

    def take_out(self, text: str) -> bool:
        """Replace the file's text with what is left of it if the user agrees; return whether it was.

        A file as it was before the first install is put back from its backup, byte for byte. A file in which nothing
        is left is deleted.

        Raises:
            Declined: the user said no.
            Refused: as `write`.
        """
        path = self.document.path
        original = next((copy for copy in backups(self.document) if self._is_original(copy, text)), None)
        if path.is_symlink() and not text:  # deleting the link would leave its target
            text = BLANK
        if not (original or text):
            self.terminal.say("Nothing else is in the file: it will be deleted.")
        if not self._is_agreed("Take it out?" if text or original else "Delete it?"):
            return False
        self._change(original.content if original else text.encode() or None, keeps_old=self._has_more and not original)
        if original:
            original.path.unlink(missing_ok=True)
        said = "As it was before" if original else "Written" if text else "Deleted"
        self.terminal.say(f"{said}: {path}")
        return True

    def _is_original(self, copy: Document, text: str) -> bool:
        with suppress(ValueError):  # a copy that cannot be edited is not one of ours
            return is_left_by(copy, self.host, text)
        return False

    @property
    def _needs_copy(self) -> bool:
        """Whether the file must be kept: not if it has keys, or a copy of it without this server's entry is there."""
        if self.present is None:
            return True
        if literal_keys(self.present):
            return False
        with suppress(ValueError):
            text = uninstalled(self.document, self.host, self.request.name)
            return not any(self._is_original(copy, text) for copy in backups(self.document))
        return True

    @property
    def _has_more(self) -> bool:
        """Whether a backup would keep something: other members of the file, or what install does not write."""
        entry = members(self.present)
        if literal_keys(entry):  # they must not stay in a copy
            return False
        is_plain = entry.keys() <= _STANDARD and variables_of(entry).keys() <= OUR_VARIABLES
        return not is_plain or set(self.document.data) != {self.host.servers_key}

    def _change(self, content: bytes | None, *, keeps_old: bool) -> None:
        path = self.document.path
        try:
            if content_of(path) != self.document.content:
                raise Refused(f"{path} was changed by another program meanwhile. Run this again.")
            if keeps_old and self.document.content is not None:
                self.terminal.say(f"Backup: {back_up(self.document)}")
            if content is None:
                path.unlink()
            else:
                replace(self.document, content)
        except OSError as error:
            raise Refused(f"{path} could not be changed: {reason(error)}. It is as it was.") from None

    def _is_agreed(self, question: str) -> bool:
        """Return whether to go on; False in a dry run.

        Raises:
            Declined: the answer was no.
            Refused: nobody can answer.
        """
        if self.request.is_dry:
            self.terminal.say("A dry run: nothing was changed.")
            return False
        if not self.request.is_agreed:
            confirm(question, self.terminal)
        return True
