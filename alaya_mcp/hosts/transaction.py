"""One change to a host, with the person who wants it: shown, asked about, and made whole or not at all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alaya_mcp.hosts.catalogue import HOSTS, Host, Level, Machine, project_file, user_file
from alaya_mcp.hosts.changes import present_entry
from alaya_mcp.hosts.differences import difference, hidden_values
from alaya_mcp.hosts.documents import Document, content_of, members, read_document
from alaya_mcp.hosts.entries import SERVER_NAME, literal_keys
from alaya_mcp.hosts.files import Server
from alaya_mcp.hosts.json_text import with_member, without
from alaya_mcp.hosts.own_commands import Call, Outcome, run, shown
from alaya_mcp.hosts.writing import back_up, is_readable_by_others, make_private, replace

_YES: Final = frozenset({"y", "yes"})
_STYLES: Final = {"+": "green", "-": "red", "@": "cyan"}
_IN_THE_CLEAR: Final = """\
While it runs, other users of this machine can read the masked values in its arguments. To avoid that, use --project, \
or keep the keys in a profile of the configuration file (docs/decisions/configuration.md)."""

_IsRight = Callable[[Document], bool]


class Refused(Exception):
    """Nothing, or not everything, was changed; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Terminal:
    """The person, or nobody.

    Attributes:
        write: Shows lines, in a style of rich's.
        warn: Says what went wrong, beside the output.
        ask: Asks and returns the answer; None where nobody is there.
        ask_secret: The same, without showing the answer.
    """

    write: Callable[[str, str], None]
    warn: Callable[[str], None]
    ask: Callable[[str], str] | None = None
    ask_secret: Callable[[str], str] | None = None

    def say(self, text: str, style: str = "") -> None:
        """Show lines."""
        self.write(text, style)


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for on the command line.

    Attributes:
        host: The host's name.
        name: The server's name in it.
        project: A project's folder, for its file rather than the person's own.
        is_sandbox: Over the sandbox.
        is_dry: Only show.
        is_agreed: Do not ask.
    """

    host: str
    name: str
    project: Path | None = None
    is_sandbox: bool = False
    is_dry: bool = False
    is_agreed: bool = False


@dataclass(frozen=True, slots=True)
class Transaction:
    """A request, and where it leads.

    Attributes:
        request: What was asked for.
        machine: Where.
        terminal: Whom to ask.
        host: In which host.
        level: In whose file.
        document: That file, as it is.
    """

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
            Refused: there is no such file for this host, or the name is none.
        """
        host = HOSTS[request.host]
        if not SERVER_NAME.fullmatch(request.name):
            raise Refused("A server's name is 1 to 32 letters, digits, - and _, the first a letter or a digit.")
        if request.project is None:
            return cls(request, machine, terminal, host, "user", read_document(user_file(host, machine)))
        folder = machine.directory / request.project.expanduser()
        path = project_file(host, folder)
        if path is None:
            raise Refused(f"{host.title} has no configuration file of a project's. Leave --project out.")
        if not folder.is_dir():
            raise Refused(f"{folder} is not a folder. --project takes the project's own folder.")
        return cls(request, machine, terminal, host, "project", read_document(path))

    @property
    def present(self) -> object:
        """The entry that is there; None where there is none."""
        return present_entry(self.document, self.host, self.request.name)

    def spare_another(self, advice: str) -> None:
        """Go on only where the entry that is there is this server's, or nobody's.

        Args:
            advice: What to do where it is another's.

        Raises:
            Refused: it is another's.
        """
        name = self.request.name
        if Server(name, members(self.present)).is_another:
            raise Refused(f"{self.host.title} has another server called {name}, which is not this one. {advice}")

    def edit(self, text: str, *, is_private: bool) -> bool:
        """Put another text in the file's place, when it is agreed to.

        Args:
            text: The new text.
            is_private: Whether it holds keys.

        Returns:
            Whether the file was written; a dry run does not.

        Raises:
            Refused: nobody agreed, the file changed in the meantime, or it cannot be written.
        """
        document = self.document
        self._show(document.text, text)
        if not self._is_agreed("Write this?"):
            return False
        try:
            if content_of(document.path) != document.content:
                raise Refused(f"{document.path} was changed by another program meanwhile. Run this again.")
            self._keep_old()
            replace(document, text, is_private=is_private)
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise Refused(f"{document.path} could not be written: {why}. It is as it was.") from None
        self.terminal.say(f"Written: {document.path}")
        return True

    def command(
        self, program: str, calls: Sequence[Call], *, entry: Mapping[str, object] | None, is_right: _IsRight
    ) -> bool:
        """Run the host's own command, when it is agreed to.

        Args:
            program: The command's path.
            calls: How often, and with what.
            entry: What the entry will be; None where it goes.
            is_right: Whether the file, read afterwards, says what it should.

        Returns:
            Whether it ran; a dry run does not.

        Raises:
            Refused: nobody agreed, the command failed, or the file does not say what it should.
        """
        if self.present is not None:
            before = with_member("", self._own, self.present)
            self._show(before, without(before, self._own) if entry is None else with_member("", self._own, entry))
        secrets = hidden_values(entry, self.present)
        texts = [shown(self.host, call, platform=self.machine.platform) for call in calls]
        self.terminal.say(f"{self.host.title}'s own command does this:")
        for line in texts:
            self.terminal.say(f"  {line}", "bold")
        if any(call.holds_secrets for call in calls):
            self.terminal.say(_IN_THE_CLEAR)
        if not self._is_agreed("Run this?"):
            return False
        try:
            kept = self._keep_old()
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise Refused(f"No backup of {self.document.path} could be made: {why}. Nothing was changed.") from None
        try:
            self._run(program, [*zip(calls, texts, strict=True)], secrets)
            self._check(is_right, kept)
        except BaseException:  # Ctrl-C between two runs too
            if entry is not None:
                self._put_back(kept)
            raise
        return True

    def _run(self, program: str, calls: Sequence[tuple[Call, str]], secrets: list[str]) -> None:
        for call, line in calls:
            outcome = run(program, call.arguments, self.machine.environ, secrets)
            if outcome.status != 0:
                raise Refused(_failure(self.host, self.document.path, line, outcome))
            if outcome.output:
                self.terminal.say(outcome.output)

    def _check(self, is_right: _IsRight, backup: Path | None) -> None:
        self._close_to_others()
        if not is_right(read_document(self.document.path)):
            raise Refused(_wrong(self.host, self.document.path, self.request.name, backup))

    def _put_back(self, backup: Path | None) -> None:
        """Put the old entry back where the host's command took it out and then failed to add the new one."""
        now = read_document(self.document.path)
        if self.present is None or present_entry(now, self.host, self.request.name) is not None:
            return
        why = "the file cannot be edited as it is now" if now.state not in {"missing", "parsed"} else ""
        try:
            if not why:
                text = with_member(now.text, self._own, self.present)
                replace(now, text, is_private=bool(literal_keys(self.present)))
        except OSError as error:
            why = error.strerror or type(error).__name__
        if why:
            self.terminal.warn(f"The old entry was removed and could not be put back: {why}. It is still in {backup}.")
        else:
            self.terminal.warn("The old entry, which had been removed, was put back.")

    @property
    def _own(self) -> tuple[str, str]:
        """Where our entry is in the file."""
        return self.host.servers_key, self.request.name

    def _show(self, before: str, after: str) -> None:
        """Show the difference between two texts of the file."""
        for line in difference(before, after, self._own, label=str(self.document.path)).splitlines():
            self.terminal.say(line, _STYLES.get(line[:1], ""))

    def _is_agreed(self, question: str) -> bool:
        """Whether to go on; False in a dry run.

        Raises:
            Refused: the answer was no, or nobody is there to ask.
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
        """Back the file up.

        Raises:
            OSError: it cannot be.
        """
        if not self.document.content:
            return None
        copy = back_up(self.document)
        self.terminal.say(f"Backup: {copy} (with every key that the file held; delete it when it is no longer needed)")
        return copy

    def _close_to_others(self) -> None:
        """Take from others what they may do with a file that holds keys now."""
        document = read_document(self.document.path)
        if literal_keys(present_entry(document, self.host, self.request.name)) and is_readable_by_others(document.mode):
            try:
                make_private(document.path)
            except OSError:
                self.terminal.warn(f"{document.path} holds keys, and others can read it: chmod 600 it.")
            else:
                self.terminal.say(f"Others could read {document.path}; now only you can.")


def _wrong(host: Host, path: Path, name: str, backup: Path | None) -> str:
    lines = [f"{host.title}'s own command ended well, but the server {name} in {path} is not as it should be now."]
    if backup:
        lines.append(f"The file as it was is in {backup}.")
    lines.append(
        f"Look at it there, and run this again. Where `{host.command}` is not on the PATH, {path} is edited without it."
    )
    return "\n".join(lines)


def _failure(host: Host, path: Path, text: str, outcome: Outcome) -> str:
    status = "did not succeed" if outcome.status is None else f"ended with exit status {outcome.status}"
    lines = [f"{host.title}'s own command {status}: {text}", outcome.output]
    lines.append(
        f"Correct what it complains of and run this again. Where `{host.command}` is not on the PATH, "
        f"{path} is edited without it."
    )
    return "\n".join(line for line in lines if line)
