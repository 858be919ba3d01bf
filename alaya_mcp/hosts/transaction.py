"""One change to a host's configuration: shown to the user, confirmed, and made completely or not at all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alaya_mcp.hosts.catalogue import HOSTS, Host, Level, Machine, project_file, user_file
from alaya_mcp.hosts.changes import present_entry
from alaya_mcp.hosts.differences import difference, hidden_values
from alaya_mcp.hosts.documents import Document, members, read_document, reason
from alaya_mcp.hosts.entries import SERVER_NAME, literal_keys
from alaya_mcp.hosts.files import Server
from alaya_mcp.hosts.json_text import BLANK, with_member, without
from alaya_mcp.hosts.own_commands import Call, run, shown
from alaya_mcp.hosts.writing import PRIVATE, back_up, content_of, is_readable_by_others, replace

_YES: Final = frozenset({"y", "yes"})
_STYLES: Final = {"+": "green", "-": "red", "@": "cyan"}
_IN_THE_CLEAR: Final = """\
While it runs, other users of this machine can read the masked values in its arguments. To avoid that, use --project, \
or keep the keys in a profile of the configuration file (docs/decisions/configuration.md)."""


class Refused(Exception):
    """Nothing, or not everything, was changed; the text says why and what to do."""


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


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for; `project` is the project's folder, None for the user's own file."""

    host: str
    name: str
    project: Path | None = None
    is_sandbox: bool = False
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
    def begin(cls, request: Request, machine: Machine, terminal: Terminal) -> "Transaction":
        """Find and read the file.

        Raises:
            Refused: the host has no such file, or the server's name is invalid.
        """
        host = HOSTS[request.host]
        if not SERVER_NAME.fullmatch(request.name):
            raise Refused("A server's name has 1 to 32 letters, digits, - and _, and starts with a letter or a digit.")
        if request.project is None:
            return cls(request, machine, terminal, host, "user", read_document(user_file(host, machine)))
        folder = machine.directory / request.project.expanduser()
        path = project_file(host, folder)
        if path is None:
            raise Refused(f"{host.title} has no configuration file for projects. Leave --project out.")
        if not folder.is_dir():
            raise Refused(f"{folder} is not a folder. --project takes the project's own folder.")
        return cls(request, machine, terminal, host, "project", read_document(path))

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

    def edit(self, text: str, *, is_private: bool) -> bool:
        """Replace the file's text if the user agrees; delete the file if the text is empty.

        Return whether the file was changed: not in a dry run. A text with keys is private.

        Raises:
            Refused: the user declined, the file changed in the meantime, or it cannot be written.
        """
        path = self.document.path
        if path.is_symlink():  # deleting the link would leave its target
            text = text or BLANK
        self._show(self.document.text, text)
        if not text:
            self.terminal.say("Nothing else is in the file: it will be deleted.")
        if not self._is_agreed("Write this?" if text else "Delete it?"):
            return False
        try:
            if content_of(path) != self.document.content:
                raise Refused(f"{path} was changed by another program meanwhile. Run this again.")
            self._keep_old()
            if text:
                replace(self.document, text, is_private=is_private)
            else:
                path.unlink()
        except OSError as error:
            raise Refused(f"{path} could not be changed: {reason(error)}. It is as it was.") from None
        self.terminal.say(f"{'Written' if text else 'Deleted'}: {path}")
        return True

    def command(
        self,
        program: str,
        calls: Sequence[Call],
        *,
        entry: Mapping[str, object] | None,
        is_right: Callable[[Document], bool],
    ) -> bool:
        """Run the host's own command if the user agrees; return whether it ran: not in a dry run.

        Args:
            program: The command's path.
            calls: Its runs, in order.
            entry: The new entry; None if it is removed.
            is_right: Whether the file, read afterwards, is as it should be.

        Raises:
            Refused: the user declined, the command failed, or the file is not as it should be.
        """
        if self.present is not None:
            before = with_member("", self._own, self.present)
            self._show(before, without(before, self._own) if entry is None else with_member("", self._own, entry))
        lines = [shown(self.host, call, platform=self.machine.platform) for call in calls]
        self.terminal.say(f"{self.host.title}'s own command does this:")
        for line in lines:
            self.terminal.say(f"  {line}", "bold")
        if any(call.holds_secrets for call in calls):
            self.terminal.say(_IN_THE_CLEAR)
        if not self._is_agreed("Run this?"):
            return False
        try:
            backup = self._keep_old()
        except OSError as error:
            why = f"No backup of {self.document.path} could be made: {reason(error)}. Nothing was changed."
            raise Refused(why) from None
        try:
            for call, line in zip(calls, lines, strict=True):
                self._run(program, call, line, hidden_values(entry, self.present))
            self._close_to_others()
            self._check(is_right, backup)
        except BaseException:  # Ctrl-C between two runs too
            if entry is not None:
                self._put_back(backup)
            raise
        return True

    def _run(self, program: str, call: Call, line: str, secrets: list[str]) -> None:
        outcome = run(program, call.arguments, self.machine.environ, secrets)
        if outcome.status == 0:
            if outcome.output:
                self.terminal.say(outcome.output)
            return
        ending = "failed" if outcome.status is None else f"ended with exit status {outcome.status}"
        said = f"{outcome.output}\n" if outcome.output else ""
        raise Refused(self._advice(f"{ending}: {line}\n{said}Correct what it reports"))

    def _check(self, is_right: Callable[[Document], bool], backup: Path | None) -> None:
        if not is_right(read_document(self.document.path)):
            kept = f"The file as it was is in {backup}.\n" if backup else ""
            what = f"succeeded, but the entry {self.request.name} in {self.document.path} is not as it should be"
            raise Refused(self._advice(f"{what}.\n{kept}Look at it there"))

    def _advice(self, what: str) -> str:
        """Return a refusal that names the way around the host's command."""
        return (
            f"{self.host.title}'s own command {what}, and run this again. If `{self.host.command}` is not on the PATH, "
            f"{self.document.path} is edited without it."
        )

    def _put_back(self, backup: Path | None) -> None:
        """Restore the old entry if the host's command removed it and then failed to add the new one."""
        now = read_document(self.document.path)
        if self.present is None or present_entry(now, self.host, self.request.name) is not None:
            return
        why = "the file cannot be edited as it is now" if now.state not in {"missing", "parsed"} else ""
        try:
            if not why:
                text = with_member(now.text, self._own, self.present)
                replace(now, text, is_private=bool(literal_keys(self.present)))
        except OSError as error:
            why = reason(error)
        if why:
            self.terminal.warn(f"The old entry was removed and could not be put back: {why}. It is still in {backup}.")
        else:
            self.terminal.warn("The old entry, which had been removed, was put back.")

    @property
    def _own(self) -> tuple[str, str]:
        """The path of our entry in the file."""
        return self.host.servers_key, self.request.name

    def _show(self, before: str, after: str) -> None:
        """Show the difference between two texts of the file."""
        for line in difference(before, after, self._own, label=str(self.document.path)).splitlines():
            self.terminal.say(line, _STYLES.get(line[:1], ""))

    def _is_agreed(self, question: str) -> bool:
        """Return whether to go on; False in a dry run.

        Raises:
            Refused: the answer was no, or nobody can answer.
        """
        if self.request.is_dry:
            self.terminal.say("A dry run: nothing was changed.")
            return False
        if self.request.is_agreed:
            return True
        if self.terminal.ask is None:
            raise Refused("Nothing was changed: there is no terminal to ask on. --yes goes ahead without asking.")
        if self.terminal.ask(f"{question} [y/N] ").strip().casefold() not in _YES:
            raise Refused("Nothing was changed.")
        return True

    def _keep_old(self) -> Path | None:
        """Back the file up and return the copy's path; None if there is nothing to keep.

        Raises:
            OSError: the copy cannot be written.
        """
        if not self.document.content:
            return None
        copy = back_up(self.document)
        self.terminal.say(f"Backup: {copy} (with every key that the file held; delete it when it is no longer needed)")
        return copy

    def _close_to_others(self) -> None:
        """Make the file private if it holds keys now."""
        document = read_document(self.document.path)
        if literal_keys(present_entry(document, self.host, self.request.name)) and is_readable_by_others(document.mode):
            try:
                document.path.chmod((document.mode or 0) & PRIVATE)
            except OSError:
                self.terminal.warn(f"Others can read {document.path}, which holds keys: run `chmod 600` on it.")
            else:
                self.terminal.say(f"Others could read {document.path}; now only you can.")
