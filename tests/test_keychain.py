"""A key pair in the system's keychain (a real backend, in a file), and servers that find it without any variable."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any

import anyio
import anyio.to_thread
import keyring
import pytest

from alaya_mcp.config.callers import CallersSettings
from alaya_mcp.config.keychain import Entry, Pair, Readings
from alaya_mcp.config.settings import load_settings, load_settings_aside
from alaya_mcp.errors import NotConfigured
from tests.accounts_upstream import ACCESS, SECRET, account_upstream
from tests.keyring_of_file import ROOT, FileKeyring, environ_of
from tests.patience import PATIENCE
from tests.stdio_host import Host, host
from tests.test_login import PAIR, base_url, is_there, shown, text_of, write
from tests.test_login import run_anew as run
from tests.test_login import running_anew as running

pytestmark = pytest.mark.anyio

posix_only = pytest.mark.skipif(os.name == "nt", reason="named pipes and users are other things there")

FAIL = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
NULL = {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def config(home: Path) -> Path:
    return home / ".config" / "alayanew-mcp" / "config.toml"


def entries_of(folder: Path) -> dict[str, str]:
    return json.loads(text_of(folder / "keychain.json"))


async def logged_in(home: Path, folder: Path, upstream_url: str) -> None:
    """Log in, with the pair in the keychain of this folder."""
    done = await running(home, "login", "--keyring", stdin=PAIR, ALAYA_BASE_URL=upstream_url, **environ_of(folder))
    assert done.returncode == 0, done.stderr


async def test_the_pair_is_in_the_keychain_and_the_profile_names_it(home: Path, config: Path, tmp_path: Path) -> None:
    async with account_upstream() as upstream:
        await logged_in(home, tmp_path, base_url(upstream))
        status = await running(home, "status", "--json", **environ_of(tmp_path))
    (held,) = entries_of(tmp_path).items()
    out = run(home, "logout", **environ_of(tmp_path))

    assert json.loads(held[1]) == {"access_key": ACCESS, "secret_key": SECRET}
    told = json.loads(shown(status))
    assert (status.returncode, told["kind"]) == (0, "keychain")
    assert told["keys_in"] == f"keychain entry {held[0].removeprefix('alayanew-mcp/')} of profile default"
    assert (out.returncode, entries_of(tmp_path)) == (0, {})
    assert not is_there(config)


async def test_two_configuration_files_have_entries_of_their_own(tmp_path: Path) -> None:
    for name in ("one", "two"):
        done = run(
            tmp_path,
            "login",
            "--keyring",
            "--no-check",
            stdin=PAIR.replace(SECRET, f"{SECRET}{name}"),
            ALAYA_CONFIG=str(tmp_path / f"{name}.toml"),
            **environ_of(tmp_path),
        )
        assert done.returncode == 0, done.stderr
    assert len(entries_of(tmp_path)) == 2
    copied = tmp_path / "copy.toml"
    write(copied, text_of(tmp_path / "one.toml"))
    out = run(tmp_path, "logout", ALAYA_CONFIG=str(copied), **environ_of(tmp_path))

    assert "was not made for this file, and is left there" in shown(out)
    assert len(entries_of(tmp_path)) == 2


def test_a_login_into_the_file_takes_the_pair_out_of_the_keychain(home: Path, config: Path, tmp_path: Path) -> None:
    run(home, "login", "--keyring", "--no-check", stdin=PAIR, **environ_of(tmp_path))
    assert SECRET not in text_of(config)
    run(home, "login", "--no-check", stdin=PAIR, **environ_of(tmp_path))

    assert SECRET in text_of(config)
    assert entries_of(tmp_path) == {}


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        (FAIL, "this system has no keychain that this process can reach.\nRun `alayanew-mcp login`, which keeps"),
        (NULL, "this system has no keychain that this process can reach.\nRun `alayanew-mcp login`, which keeps"),
        ({"KEYCHAIN_FAULT": "locked"}, "is locked, or access to it was denied.\nUnlock the keychain"),
        ({"KEYCHAIN_FAULT": "fails"}, "the keychain failed (OSError).\n"),
        ({"PYTHON_KEYRING_BACKEND": "no.such.backend"}, "the keychain failed (ModuleNotFoundError).\n"),
    ],
    ids=["none", "null", "locked", "fails", "no backend"],
)
def test_a_keychain_that_cannot_be_used_is_told_and_nothing_is_written(
    home: Path, config: Path, tmp_path: Path, environ: dict[str, str], words: str
) -> None:
    done = run(home, "login", "--keyring", "--no-check", stdin=PAIR, **{**environ_of(tmp_path), **environ})

    assert done.returncode == 1
    assert words in shown(done)
    assert not config.exists()


def test_a_process_without_the_extra_is_told_what_to_install(home: Path, config: Path, tmp_path: Path) -> None:
    write(config, '[profiles.default]\nkeyring = "x"\n')
    without = tmp_path / "without" / "keyring"
    write(without / "__init__.py", "raise ModuleNotFoundError('keyring')\n")
    status = run(home, "status", PYTHONPATH=str(without.parent))

    assert status.returncode == 3
    assert "keychain entry x of profile default cannot be read: what the extra keyring installs" in shown(status)
    assert "pip install '.[keyring]'" in shown(status)


@pytest.fixture
def file_keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A keychain for this process."""
    monkeypatch.setenv("KEYCHAIN_FILE", str(tmp_path / "keychain.json"))
    before = keyring.get_keyring()
    keyring.set_keyring(FileKeyring())
    monkeypatch.setattr(keyring.core, "_keyring_backend", keyring.get_keyring())  # undone at the end
    assert before is not None
    return tmp_path


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        (None, "keychain_entry_missing"),
        ("AKplanted0123456789", "keychain_entry_unusable"),
        ("[1]", "keychain_entry_unusable"),
        ('{"access_key": "a"}', "keychain_entry_unusable"),
        ('{"access_key": "a", "secret_key": "b c"}', "key_unusable"),
    ],
)
def test_an_entry_that_holds_no_pair_is_told_and_not_shown(file_keyring: Path, value: str | None, cause: str) -> None:
    write(file_keyring / "config.toml", '[profiles.default]\nkeyring = "x"\n')
    if value:
        keyring.set_password("alayanew-mcp", "x", value)
    with pytest.raises(NotConfigured) as raised:
        load_settings({"ALAYA_CONFIG": str(file_keyring / "config.toml")})

    assert raised.value.cause == cause
    assert raised.value.__cause__ is None
    assert ACCESS not in repr(raised.value)


async def test_settings_know_where_their_pair_is(file_keyring: Path) -> None:
    write(file_keyring / "config.toml", '[profiles.work]\nkeyring = "x"\n')
    Entry("x", "keychain entry x").write(Pair(ACCESS, SECRET))
    environ = {"ALAYA_CONFIG": str(file_keyring / "config.toml"), "ALAYA_PROFILE": "work"}
    settings = await load_settings_aside(environ)
    own = load_settings({**environ, "ALAYA_ACCESS_KEY": "a", "ALAYA_SECRET_KEY": "b"})

    assert settings.secret_key.get_secret_value() == SECRET
    assert settings.key_pair == "keychain entry x of profile work"
    assert (own.access_key.get_secret_value(), own.key_pair) == ("a", "ALAYA_ACCESS_KEY and ALAYA_SECRET_KEY")
    assert SECRET not in repr(settings)


def test_a_profile_has_its_pair_in_one_place(tmp_path: Path) -> None:
    write(tmp_path / "config.toml", '[profiles.default]\nkeyring = "x"\naccess_key = "planted"\n')
    with pytest.raises(NotConfigured) as raised:
        load_settings({"ALAYA_CONFIG": str(tmp_path / "config.toml")})

    assert raised.value.detail.endswith("keyring and access_key are both set; remove one")


@posix_only
async def test_a_keychain_that_waits_for_its_owner_blocks_nothing_and_is_asked_once(
    file_keyring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = file_keyring / "gate"
    os.mkfifo(gate)
    Entry("x", "keychain entry x").write(Pair(ACCESS, SECRET))
    monkeypatch.setenv("KEYCHAIN_GATE", str(gate))
    entry, readings = Entry("x", "keychain entry x"), Readings()
    for _ in range(2):
        with pytest.raises(NotConfigured) as raised:
            await readings.pair(entry, seconds=0)
        assert raised.value.cause == "keychain_silent"
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.to_thread.run_sync, gate.write_bytes, b"yes")
            pair = await readings.pair(entry, seconds=PATIENCE)
            assert (pair.access_key, pair.secret_key) == (ACCESS, SECRET)


async def test_callers_over_http_use_a_profile_of_the_keychain(file_keyring: Path) -> None:
    write(file_keyring / "config.toml", '[profiles.work]\nkeyring = "x"\n[profiles.gone]\nkeyring = "y"\n')
    Entry("x", "keychain entry x").write(Pair(ACCESS, SECRET))
    callers = CallersSettings({"ALAYA_CONFIG": str(file_keyring / "config.toml")}, frozenset())
    settings, gone = await callers.of_profile("work", "ana"), await callers.of_profile("gone", "ana")

    assert not isinstance(settings, NotConfigured)
    assert settings.secret_key.get_secret_value() == SECRET
    assert isinstance(gone, NotConfigured)
    assert gone.cause == "profile_unusable"


async def called(server: Host) -> dict[str, Any]:
    """The result of a call that needs the account."""
    await server.call(7, "list_deployments")
    return (await server.answer(7))["result"]


@posix_only
async def test_a_server_answers_at_once_while_the_keychain_waits_for_its_owner(home: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    async with account_upstream() as upstream:
        await logged_in(home, tmp_path, base_url(upstream))
        variables = environ_of(tmp_path, HOME=str(home), XDG_CONFIG_HOME=str(home / ".config"))
        async with host(**variables, KEYCHAIN_GATE=str(gate)) as server:
            began = await server.initialize()
            await server.request(1, "tools/list")
            listed = await server.answer(1)
            await server.call(2, "list_deployments")
            await server.request(3, "resources/list")
            await server.answer(3)
            before = [line for line in server.lines if line.get("id") == 2]
            await anyio.to_thread.run_sync(gate.write_bytes, b"yes")
            answer = await server.answer(2)
            again = await called(server)

    assert "not configured" not in began["result"]["instructions"]
    assert len(listed["result"]["tools"]) == 5
    assert before == []
    assert answer["result"]["structuredContent"]["deployments"][0]["name"] == "scripted"
    assert "isError" not in again or not again["isError"]
    assert SECRET.encode() not in server.raw


async def test_a_server_whose_keychain_fails_says_so_at_each_call(config: Path, tmp_path: Path) -> None:
    write(config, '[profiles.default]\nkeyring = "x"\n')
    variables = environ_of(tmp_path, ALAYA_CONFIG=str(config))
    async with host(**variables) as server:
        await server.initialize()
        first, second = await called(server), await called(server)

    for result in (first, second):
        assert result["_meta"]["com.alayanew.mcp/error"]["code"] == "not_configured"
        assert "keychain entry x of profile default is not in the keychain" in result["content"][0]["text"]
        assert "`alayanew-mcp login`" in result["content"][0]["text"]
    assert b"is not in the keychain" in server.stderr


async def test_the_doctor_reads_the_keychain_and_hides_what_it_holds(home: Path, config: Path, tmp_path: Path) -> None:
    async with account_upstream() as upstream:
        await logged_in(home, tmp_path, base_url(upstream))
        fine = await running(home, "doctor", "--json", **environ_of(tmp_path))
    gone = run(home, "doctor", "--json", **{**environ_of(tmp_path), "KEYCHAIN_FILE": str(tmp_path / "none")})

    def check(text: str, of: str) -> dict[str, Any]:
        return next(each for each in json.loads(text)["checks"] if each["id"] == of)

    assert (
        check(shown(fine), "key")["verdict"] == "key_accepted" or check(fine.stdout, "control_plane")["level"] == "ok"
    )
    assert "keys in keychain entry default " in check(fine.stdout, "configuration")["found"]
    assert check(shown(gone), "configuration")["verdict"] == "keychain_entry_missing"
    assert check(gone.stdout, "configuration")["next_step"] == "Run `alayanew-mcp login --keyring` again."
    assert is_there(config)


def test_a_start_without_such_a_profile_loads_no_keychain(config: Path) -> None:
    write(config, '[profiles.default]\naccess_key = "a"\nsecret_key = "b"\n')
    script = (
        "import sys, os\nfrom alaya_mcp.config.settings import load_settings\nimport alaya_mcp.cli.serve\n"
        "load_settings(os.environ)\nprint([name for name in sys.modules if name.split('.')[0] in {'keyring', 'tomlkit'}"
        " or 'keychain' in name])"
    )
    done = subprocess.run(  # noqa: S603 our own words
        [sys.executable, "-c", script], capture_output=True, check=True, env={"ALAYA_CONFIG": str(config)}
    )
    assert done.stdout.strip() == b"[]"


BARE = """
import os, pwd, runpy, sys
home = sys.argv.pop(1)
of_system = pwd.getpwuid
def entry(uid):
    if not home:
        raise KeyError(uid)
    return pwd.struct_passwd((*of_system(uid)[:5], home, ""))
pwd.getpwuid = entry
runpy.run_module("alaya_mcp", run_name="__main__", alter_sys=True)
"""
"""Starts the server on a machine whose list of users has this home folder, or none."""


@asynccontextmanager
async def bare_host(home: str) -> AsyncGenerator[Host]:
    """A host that passes no variable at all."""
    with anyio.fail_after(PATIENCE):
        command = [sys.executable, "-c", BARE, home]
        process = await anyio.open_process(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env={}, cwd=ROOT)
        async with process:
            server = Host(process)
            yield server
            await server.leave()


@posix_only
async def test_a_server_without_any_variable_finds_the_profile(home: Path) -> None:
    async with account_upstream() as upstream:
        await running(home, "login", stdin=PAIR, ALAYA_BASE_URL=base_url(upstream))
        async with bare_host(str(home)) as server:
            await server.initialize()
            result = await called(server)

    assert result["structuredContent"]["deployments"][0]["name"] == "scripted"


@posix_only
async def test_a_server_without_a_home_folder_says_so() -> None:
    async with bare_host("") as server:
        await server.initialize()
        result = await called(server)

    assert result["_meta"]["com.alayanew.mcp/error"]["code"] == "not_configured"
    assert "there is no home folder to look for the configuration file in" in result["content"][0]["text"]
