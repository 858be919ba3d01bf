"""`login`, `logout` and `status` as a person uses them: real processes, real files, a real terminal."""

import json
import os
import stat
import subprocess
import sys
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from alaya_mcp.cli.login import log_in
from alaya_mcp.config.pasted import fault_of
from tests import warm_start
from tests.accounts_upstream import ACCESS, SECRET, account_upstream
from tests.patience import PATIENCE
from tests.stdio_host import own_environ
from tests.upstream import Upstream

pytestmark = pytest.mark.anyio

posix_only = pytest.mark.skipif(os.name == "nt", reason="there are no such modes or terminals")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def config(home: Path) -> Path:
    return home / ".config" / "alayanew-mcp" / "config.toml"


def environ_of(home: Path, **environ: str) -> dict[str, str]:
    """A shell of somebody whose home is this."""
    environ = own_environ(HOME=str(home), **environ)
    return {name: value for name, value in environ.items() if name != "XDG_CONFIG_HOME" or os.name == "nt"}


def run(home: Path, *arguments: str, stdin: str = "", **environ: str) -> "subprocess.CompletedProcess[str]":
    """One command to its end, without a terminal; loaded already, where that is possible."""
    if not warm_start.IS_POSSIBLE:
        return run_anew(home, *arguments, stdin=stdin, **environ)
    done = warm_start.run(arguments, environ_of(home, **environ), stdin.encode())
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def run_anew(home: Path, *arguments: str, stdin: str = "", **environ: str) -> "subprocess.CompletedProcess[str]":
    """The same, from the interpreter's start."""
    return subprocess.run(  # noqa: S603 our own command
        [sys.executable, "-m", "alaya_mcp", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE,
        env=environ_of(home, **environ),
        check=False,
    )


async def running_anew(
    home: Path, *arguments: str, stdin: str = "", **environ: str
) -> "subprocess.CompletedProcess[str]":
    """A process from the interpreter's start, while something here answers it."""
    return await anyio.to_thread.run_sync(partial(run_anew, home, *arguments, stdin=stdin, **environ))


async def running(home: Path, *arguments: str, stdin: str = "", **environ: str) -> "subprocess.CompletedProcess[str]":
    """The same, while something here answers it."""
    return await anyio.to_thread.run_sync(partial(run, home, *arguments, stdin=stdin, **environ))


def text_of(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def is_there(path: Path) -> bool:
    return path.exists()


def make_readable(file: Path) -> None:
    file.chmod(0o644)


def holders(folder: Path) -> list[Path]:
    """The files that hold the secret key."""
    return [path for path in folder.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]


def arguments_of(pid: int) -> bytes:
    """What other users see of a process, where the system shows it in files."""
    process = Path("/proc") / str(pid)
    return (process / "cmdline").read_bytes() if process.exists() else b""


def base_url(upstream: Upstream) -> str:
    return upstream.environ["ALAYA_BASE_URL"]


PAIR = f"{ACCESS}\n{SECRET}\n"


def shown(done: "subprocess.CompletedProcess[str]") -> str:
    """All that a command said, which is never a key."""
    said = done.stdout + done.stderr
    assert ACCESS not in said
    assert SECRET not in said
    assert "Traceback" not in said
    return said


async def test_a_pair_from_a_pipe_is_checked_once_and_kept_where_servers_look(home: Path, config: Path) -> None:
    async with account_upstream() as upstream:
        done = await running(home, "login", stdin=PAIR, ALAYA_BASE_URL=base_url(upstream))
        asked = len(upstream.requests)
        status = await running(home, "status")

    assert (done.returncode, asked) == (0, 1), done.stderr
    assert "Logged in: account " in shown(done)
    assert str(config) in shown(done)
    assert status.returncode == 0
    assert f"The key pair is in profile default of {config}." in shown(status)
    assert f"It works at {base_url(upstream)}." in shown(status)


@posix_only
def test_the_file_and_its_folders_are_their_owners_alone(home: Path, config: Path) -> None:
    home.mkdir()
    assert run(home, "login", "--no-check", stdin=PAIR).returncode == 0

    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in list(config.parents)[:2]] == [0o700, 0o700]


async def test_a_refused_pair_is_not_written(home: Path, config: Path) -> None:
    async with account_upstream() as upstream:
        done = await running(home, "login", stdin=f"{ACCESS}\nanother\n", ALAYA_BASE_URL=base_url(upstream))

    assert done.returncode == 1
    assert f"{base_url(upstream)} (from ALAYA_BASE_URL) refused the key pair of account " in shown(done)
    assert "Nothing was written." in shown(done)
    assert not is_there(config.parent)


def test_an_api_that_cannot_be_reached_leaves_everything_unless_it_is_not_asked(home: Path, config: Path) -> None:
    nowhere = {"ALAYA_BASE_URL": "https://nowhere.invalid/v1"}
    done = run(home, "login", stdin=PAIR, **nowhere)

    assert done.returncode == 1
    assert "could not be resolved. Nothing was written." in shown(done)
    assert "--no-check" in shown(done)
    assert not config.exists()
    assert run(home, "login", "--no-check", stdin=PAIR, **nowhere).returncode == 0
    status = run(home, "status")
    assert status.returncode == 3
    assert "It does not work at https://nowhere.invalid/v1." in shown(status)


async def test_a_pair_that_may_not_list_deployments_is_a_good_one(home: Path) -> None:
    async with account_upstream(status=403) as upstream:
        done = await running(home, "login", stdin=PAIR, ALAYA_BASE_URL=base_url(upstream))

    assert done.returncode == 0


def test_the_pair_of_the_environment_is_taken_and_it_says_so(home: Path, config: Path) -> None:
    keys = {"ALAYA_ACCESS_KEY": ACCESS, "ALAYA_SECRET_KEY": SECRET}
    done = run(home, "login", "--no-check", "--profile", "work", **keys)

    assert done.returncode == 0
    assert "Taking the key pair from ALAYA_ACCESS_KEY and ALAYA_SECRET_KEY." in shown(done)
    assert "come before the profile: `unset ALAYA_ACCESS_KEY ALAYA_SECRET_KEY`" in shown(done)
    assert "ALAYA_PROFILE=work" in shown(done)
    assert '[profiles.work]\nbase_url = "https://api.alayanew.com/' in config.read_text()


@pytest.mark.parametrize(
    ("half", "words"),
    [
        ("", "is empty"),
        (f"{ACCESS} {SECRET}", "has a space inside"),
        (f"{ACCESS}\t{SECRET}", "has a space inside"),
        ("your secret key", "is a placeholder"),
        ("${ALAYA_ACCESS_KEY}", "is a placeholder"),
        ("sk-${ALAYA_ACCESS_KEY}", "is a placeholder"),
        ("$ALAYA_ACCESS_KEY", "is a placeholder"),
        ("%ALAYA_ACCESS_KEY%", "is a placeholder"),
        ("<access key>", "is a placeholder"),
        ("...", "is a placeholder"),
        ("xxxxxxxx", "is a placeholder"),
        (f"ключ{ACCESS}", "has a character that no key has"),
        (f"{ACCESS}\x1b", "has a character that no key has"),
        ("k" * 1001, "is too long"),
    ],
)
def test_what_cannot_be_a_key_has_its_words(half: str, words: str) -> None:
    fault = fault_of(half)

    assert fault is not None
    assert words in fault
    assert not half or half not in fault


@pytest.mark.parametrize("half", [ACCESS, "a", "AK/+=.-_%20", "k" * 1000])
def test_what_can_be_a_key_is_taken(half: str) -> None:
    assert fault_of(half) is None


@pytest.mark.parametrize(
    ("stdin", "words"),
    [
        (f"{ACCESS}\n", "there is no key to read"),
        (f"{ACCESS}\nyour secret key\n", "the secret key: it is a placeholder"),
        (f"{ACCESS}\n{ACCESS}\n", "Both halves are the same"),
    ],
)
def test_a_pipe_is_not_asked_again(home: Path, config: Path, stdin: str, words: str) -> None:
    done = run(home, "login", "--no-check", stdin=stdin)

    assert done.returncode == 1
    assert words in shown(done)
    assert "Nothing was written." in shown(done)
    assert not config.exists()


async def test_a_pair_is_bound_to_the_api_that_it_was_checked_at(home: Path) -> None:
    async with account_upstream() as upstream, account_upstream() as other:
        await running(home, "login", stdin=PAIR, ALAYA_BASE_URL=base_url(upstream))
        upstream.requests.clear()
        status = await running(home, "status", "--json", ALAYA_BASE_URL=base_url(other))
        again = await running(home, "login", stdin=PAIR)

    assert json.loads(shown(status))["base_url"] == base_url(upstream)
    assert (len(upstream.requests), other.requests) == (2, [])
    assert again.returncode == 0


def test_the_address_of_a_profile_is_said_before_the_keys_are_asked_for(home: Path, config: Path) -> None:
    write(config, '[profiles.default]\nbase_url = "http://127.0.0.1:1/v1"\n')
    done = run(home, "login", stdin=PAIR)

    assert done.returncode == 1
    assert "The key pair is for http://127.0.0.1:1/v1 (base_url of profile default)." in shown(done)
    assert "for another API, set ALAYA_BASE_URL or run `alayanew-mcp logout` first." in shown(done)


def test_other_profiles_with_keys_are_named_where_nobody_is_logged_in(home: Path, config: Path) -> None:
    write(config, f'[profiles.work]\naccess_key = "{ACCESS}"\nsecret_key = "{SECRET}"\n')

    others = f"Other profiles of {config} have keys: work (--profile NAME)."
    assert [others in shown(run(home, command)) for command in ("status", "logout")] == [True, True]


async def test_a_new_address_takes_the_place_of_the_profiles_and_it_says_so(home: Path, config: Path) -> None:
    write(config, '[profiles.default]\nbase_url = "https://old.invalid/v1"\nservice_id = "mine"\n')
    async with account_upstream() as upstream:
        done = await running(home, "login", stdin=PAIR, ALAYA_BASE_URL=base_url(upstream))

    assert "The profile's base_url was https://old.invalid/v1 until now." in shown(done)
    assert "old.invalid" not in text_of(config)
    assert 'service_id = "mine"' in text_of(config)


@pytest.mark.parametrize(
    "content",
    [
        b'\xef\xbb\xbf# mine\r\n[aliases]\r\nx = "y"\r\n',
        b'[profiles.default]\nservice_id = "x" # mine',
        '# 我的\n[profiles."我的"]\nservice_id = "x"\n'.encode(),
        b"",
    ],
    ids=["Windows", "no end", "Chinese", "empty"],
)
def test_logout_returns_the_file_byte_for_byte(home: Path, config: Path, content: bytes) -> None:
    config.parent.mkdir(parents=True)
    config.write_bytes(content)
    assert run(home, "login", "--no-check", stdin=PAIR).returncode == 0
    within = config.read_bytes()
    done = run(home, "logout")

    assert SECRET.encode() in within
    assert within.count(b"\n") == within.count(b"\r\n") or b"\r\n" not in within
    assert (done.returncode, config.read_bytes()) == (0, content)
    assert "Logged out" in shown(done)


def test_logout_deletes_a_file_that_login_made(home: Path, config: Path) -> None:
    run(home, "login", "--no-check", stdin=PAIR)
    assert run(home, "status", "--json").returncode == 3  # the API is nowhere to be reached from here
    done = run(home, "logout", ALAYA_ACCESS_KEY="AKother")
    again = run(home, "logout")

    assert not config.exists()
    assert "is deleted" in shown(done)
    assert "This shell still has ALAYA_ACCESS_KEY: `unset ALAYA_ACCESS_KEY`." in shown(done)
    assert (again.returncode, again.stderr) == (0, "")
    assert "Not logged in" in shown(again)
    assert run(home, "status").returncode == 1


def test_logout_leaves_keys_that_come_from_variables(home: Path, config: Path) -> None:
    config.parent.mkdir(parents=True)
    config.write_text('[profiles.default]\naccess_key_env = "MY_AK"\nsecret_key_env = "MY_SK"\n')
    done = run(home, "logout")

    assert done.returncode == 0
    assert "a variable, MY_AK, which is not removed here" in shown(done)
    assert "MY_AK" in config.read_text()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[profiles\n", "is not valid TOML"),
        (b"\xff\xfe\x00", "is not UTF-8"),
        (b'profiles = {default = {service_id = "x"}}\n', "a form that this command does not edit"),
        (b"[profile.x]\n", "unknown entry"),
    ],
)
def test_a_file_that_cannot_be_edited_stays_as_it_is(home: Path, config: Path, content: bytes, words: str) -> None:
    config.parent.mkdir(parents=True)
    config.write_bytes(content)
    done = run(home, "login", "--no-check", stdin=PAIR)

    assert done.returncode == 1
    assert words in shown(done)
    assert str(config) in shown(done)
    assert config.read_bytes() == content
    assert [file.name for file in config.parent.iterdir()] == ["config.toml"]


@posix_only
def test_a_file_that_is_read_only_stays_as_it_is(home: Path, config: Path) -> None:
    config.parent.mkdir(parents=True)
    config.write_text("# mine\n")
    config.chmod(0o400)
    done = run(home, "login", "--no-check", stdin=PAIR)

    assert done.returncode == 1
    assert f"{config} cannot be changed: it is read-only." in shown(done)
    assert config.read_text() == "# mine\n"


@posix_only
@posix_only
@pytest.mark.parametrize("command", ["login", "logout"])
def test_what_is_no_file_is_neither_waited_for_nor_replaced(home: Path, tmp_path: Path, command: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = run(home, command, stdin=PAIR, ALAYA_CONFIG=str(tmp_path / "pipe"))

    assert done.returncode == 1
    assert "it is not a file" in shown(done)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_link_stays_a_link(home: Path, config: Path, tmp_path: Path) -> None:
    target = tmp_path / "dotfiles" / "config.toml"
    target.parent.mkdir()
    target.write_text("# mine\n")
    config.parent.mkdir(parents=True)
    config.symlink_to(target)
    run(home, "login", "--no-check", stdin=PAIR)

    assert config.is_symlink()
    assert SECRET in target.read_text()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    run(home, "logout")
    assert (config.is_symlink(), target.read_text()) == (True, "# mine\n")


async def test_a_file_that_was_changed_meanwhile_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    lines: list[str] = []

    def answers(question: str) -> str:
        write(file, "# another program's\n")
        return ACCESS if question == "Access key: " else SECRET

    async with account_upstream() as upstream:
        environ = {"ALAYA_CONFIG": str(file), "ALAYA_BASE_URL": base_url(upstream)}
        assert not await log_in(lines.append, answers, environ, None)

    assert "was changed by another program meanwhile" in lines[-1]
    assert text_of(file) == "# another program's\n"


async def test_another_command_can_have_somebody_log_in(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    lines: list[str] = []
    async with account_upstream() as upstream:
        environ = {"ALAYA_CONFIG": str(file), "ALAYA_BASE_URL": base_url(upstream)}
        nobody = await log_in(lines.append, None, environ, None)
        typed = iter(["two words", ACCESS, SECRET])
        somebody = await log_in(lines.append, lambda _: next(typed), environ, None)

    assert (nobody, somebody) == (False, True)
    assert lines[0].endswith("Set ALAYA_ACCESS_KEY and ALAYA_SECRET_KEY.")
    assert "create one in the Alaya NeW console" in lines[1]
    assert "it has a space inside: paste one half alone. Paste it again." in lines[2]
    assert not any(key in line for line in lines for key in (ACCESS, SECRET))
    assert SECRET in text_of(file)


@posix_only
async def test_on_a_terminal_keys_are_asked_for_without_being_shown(home: Path, config: Path) -> None:
    from tests.typed_terminal import TypedTerminal  # noqa: PLC0415 there are no such terminals on Windows

    def typed(environ: dict[str, str]) -> tuple[int, str, bytes]:
        with TypedTerminal("login", environ=environ) as terminal:
            terminal.shows("Access key: ")
            assert not terminal.echoes
            terminal.types("your access key")
            terminal.shows("it is a placeholder, not a key. Paste it again.")
            terminal.shows("Access key: ")
            terminal.types(ACCESS)
            terminal.shows("Secret key: ")
            assert not terminal.echoes
            arguments = arguments_of(terminal.process.pid)
            terminal.types(SECRET)
            return terminal.ends(), terminal.screen, arguments

    async with account_upstream() as upstream:
        environ = environ_of(home, ALAYA_BASE_URL=base_url(upstream), TERM="dumb")
        status, screen, arguments = await anyio.to_thread.run_sync(typed, environ)

    assert status == 0, screen
    assert "create one in the Alaya NeW console" in screen
    assert "Logged in: account " in screen
    assert ACCESS not in screen
    assert SECRET not in screen
    assert ACCESS.encode() not in arguments
    assert holders(home) == [config]


@posix_only
def test_three_wrong_answers_or_none_end_it(home: Path, config: Path) -> None:
    from tests.typed_terminal import TypedTerminal  # noqa: PLC0415 as above

    with TypedTerminal("login", environ=environ_of(home, TERM="dumb")) as terminal:
        for _ in range(3):
            terminal.shows("Access key: ")
            terminal.types("a b")
        assert terminal.ends() == 1
        assert "Nothing was written. Run this again." in terminal.screen
    with TypedTerminal("login", environ=environ_of(home, TERM="dumb")) as terminal:
        terminal.shows("Access key: ")
        terminal.presses(b"\x04")
        assert terminal.ends() == 1
    with TypedTerminal("login", environ=environ_of(home, TERM="dumb")) as terminal:
        terminal.shows("Access key: ")
        terminal.presses(b"\x03")
        assert terminal.ends() == 130
    assert not config.exists()


async def test_status_names_the_environment_and_what_does_not_work(home: Path) -> None:
    keys = {"ALAYA_ACCESS_KEY": ACCESS, "ALAYA_SECRET_KEY": "another"}
    async with account_upstream() as upstream:
        refused = await running(home, "status", "--json", ALAYA_BASE_URL=base_url(upstream), **keys)
    half = run(home, "status", "--json", ALAYA_ACCESS_KEY=ACCESS)

    assert refused.returncode == 3
    told = json.loads(shown(refused))
    assert (told["kind"], told["logged_in"], told["works"]) == ("environment", True, False)
    assert told["error"]["cause"] == "key_pair_rejected"
    assert (half.returncode, json.loads(shown(half))["error"]["cause"]) == (3, "key_missing")


@posix_only
async def test_status_warns_where_others_can_read_the_keys(home: Path, config: Path) -> None:
    async with account_upstream() as upstream:
        await running(home, "login", stdin=PAIR, ALAYA_BASE_URL=base_url(upstream))
        make_readable(config)
        status = await running(home, "status")

    assert status.returncode == 0
    assert f"run `chmod 600 {config}`" in shown(status)


@pytest.mark.parametrize("name", ["", " x", "a\nb", "n" * 61])
def test_a_name_that_cannot_be_a_profiles_is_refused(home: Path, config: Path, name: str) -> None:
    done = run(home, "login", "--no-check", "--profile", name, stdin=PAIR)

    assert done.returncode == 1
    assert "Choose another --profile." in shown(done)
    assert not config.exists()


def test_a_profile_that_is_not_there_is_not_logged_in(home: Path) -> None:
    run(home, "login", "--no-check", stdin=PAIR)
    status = run(home, "status", "--profile", "wrok")

    assert status.returncode == 1
    assert "add it: `alayanew-mcp login --profile wrok`" in shown(status)
