"""The configuration file: aliases and profiles; a key pair is taken whole from one source, the environment first."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from alaya_mcp.config.place import config_path, default_config_path
from alaya_mcp.config.precedence import gather
from alaya_mcp.config.settings import DEFAULT_BASE_URL, VARIABLES, load_settings
from alaya_mcp.errors import NotConfigured
from alaya_mcp.serving.errors import error_text
from tests.stdio_host import host
from tests.test_settings import KEYS
from tests.upstream import SERVICE, Upstream

FILE = """
[aliases]
Support = "38fbfc3d-6a88-4c35-b8b6-9efc83949d47"
"我的 Qwen" = "qwen3-support"

[profiles.work]
base_url = "https://work.example/v1/"
access_key = "AKwork"
secret_key_env = "WORK_SECRET"
service_id = "support"

[profiles.work.aliases]
support = "work-support"

[profiles.default]
access_key = "AKdefault"
secret_key = "SKdefault"

[profiles.place]
base_url = "https://place.example/v1"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(FILE, encoding="utf-8")
    return path


def pair(environ: Mapping[str, str]) -> tuple[str, str, str]:
    """Both keys, and where they go."""
    loaded = load_settings(environ)
    return loaded.access_key.get_secret_value(), loaded.secret_key.get_secret_value(), loaded.base_url


def refusal(environ: Mapping[str, str]) -> str:
    with pytest.raises(NotConfigured) as raised:
        load_settings(environ)
    assert raised.value.__cause__ is None
    return error_text(raised.value)


def test_a_profile_gives_the_pair_the_place_and_the_default(file: Path) -> None:
    environ = {"ALAYA_CONFIG": str(file), "ALAYA_PROFILE": "work", "WORK_SECRET": "SKwork"}
    loaded = load_settings(environ)

    assert pair(environ) == ("AKwork", "SKwork", "https://work.example/v1")
    assert loaded.service_id == "support"
    assert loaded.key_pair == f"profile work of {file}"
    assert loaded.aliases["support"] == "work-support", "a profile's own alias comes first"
    assert loaded.aliases["我的 qwen"] == "qwen3-support"


def test_the_profile_called_default_is_used_where_none_is_chosen(file: Path) -> None:
    assert pair({"ALAYA_CONFIG": str(file)}) == ("AKdefault", "SKdefault", DEFAULT_BASE_URL)
    assert load_settings({"ALAYA_CONFIG": str(file)}).aliases["support"].startswith("38fbfc3d")


def test_a_pair_in_the_environment_comes_first_and_is_not_sent_where_another_belongs(file: Path) -> None:
    environ = {**KEYS, "ALAYA_CONFIG": str(file), "ALAYA_PROFILE": "work"}

    assert pair(environ) == ("AKplanted", "SKplanted", DEFAULT_BASE_URL)
    assert load_settings(environ).key_pair == "ALAYA_ACCESS_KEY and ALAYA_SECRET_KEY"


def test_a_pair_of_a_profile_is_not_sent_where_the_environment_says(file: Path) -> None:
    environ = {"ALAYA_CONFIG": str(file), "ALAYA_PROFILE": "work", "WORK_SECRET": "SKwork"}

    assert pair({**environ, "ALAYA_BASE_URL": "https://other.example/v1"})[2] == "https://work.example/v1"


def test_a_profile_without_a_pair_says_where_the_environments_goes(file: Path) -> None:
    environ = {**KEYS, "ALAYA_CONFIG": str(file), "ALAYA_PROFILE": "place"}

    assert pair(environ) == ("AKplanted", "SKplanted", "https://place.example/v1")


def test_a_variable_comes_before_a_profile(file: Path) -> None:
    environ = {"ALAYA_CONFIG": str(file), "ALAYA_BASE_URL": "http://127.0.0.1:1/v1", "ALAYA_SERVICE_ID": "mine"}

    assert pair(environ) == ("AKdefault", "SKdefault", "http://127.0.0.1:1/v1")
    assert load_settings(environ).service_id == "mine"


@pytest.mark.parametrize("half", ["ALAYA_ACCESS_KEY", "ALAYA_SECRET_KEY"])
def test_half_a_pair_in_the_environment_is_never_completed_by_a_profile(file: Path, half: str) -> None:
    (other,) = KEYS.keys() - {half}
    said = refusal({half: KEYS[half], "ALAYA_CONFIG": str(file)})

    assert f"{other} is not set" in said
    assert "AKdefault" not in said


def test_half_a_pair_in_a_profile_is_never_completed_by_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[profiles.half]\naccess_key = "AKhalf"\n')

    assert f"secret_key of profile half of {path} is not set" in refusal(
        {"ALAYA_CONFIG": str(path), "ALAYA_PROFILE": "half"}
    )


def test_a_profiles_variable_that_is_not_set_is_named(file: Path) -> None:
    said = refusal({"ALAYA_CONFIG": str(file), "ALAYA_PROFILE": "work", "WORK_SECRET": " "})

    assert "WORK_SECRET (named by secret_key_env of profile work) is not set" in said


def test_a_key_that_was_written_as_the_name_of_a_variable_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[profiles.work]\naccess_key_env = "AKIAplanted"\nsecret_key_env = "planted/key"\n')

    said = refusal({"ALAYA_CONFIG": str(path), "ALAYA_PROFILE": "work"})

    assert "the variable named by secret_key_env of profile work is not set" in said
    assert "planted" not in said


def test_a_wrong_value_in_a_profile_is_named_and_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[profiles.default]\nbase_url = "http://planted.example"\naccess_key = "a b"\nsecret_key = "c"\n')
    said = refusal({"ALAYA_CONFIG": str(path)})

    assert "base_url of profile default must use https" in said
    assert "access_key of profile default has a space" in said
    assert "a b" not in said
    assert "planted" not in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[profiles.x]\nacess_key = 'planted'\n", "profiles.x.acess_key: unknown entry"),
        ("[profile.x]\n", "profile: unknown entry"),
        ("[aliases]\nx = 3\n", "aliases.x"),
        ("[aliases]\nx = ''\n", "aliases.x"),
        ("[aliases]\nx = 'a'\nX = 'b'\n", "two aliases differ only in case"),
        ("[aliases]\n'' = 'a'\n", "one is empty"),
        ("[profiles.x]\naccess_key = 'planted'\naccess_key_env = 'X'\n", "access_key and access_key_env are both"),
        ("secret = planted\n", "is not valid TOML"),
        ("x" * (2**20 + 1), "larger than 1 MiB"),
        ("a = " + "9" * 5_000, "is not valid TOML: it cannot be read"),
        ("a = " + "[" * 5_000, "is not valid TOML"),
        (b"\xff\xfe", "is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_understood_is_told_with_the_place(tmp_path: Path, text: str | bytes, words: str) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    said = refusal({**KEYS, "ALAYA_CONFIG": str(path)})

    assert words in said
    assert str(path) in said
    assert "planted" not in said


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    assert "is named by ALAYA_CONFIG and is not there" in refusal({**KEYS, "ALAYA_CONFIG": str(tmp_path / "none")})
    assert "cannot be read" in refusal({**KEYS, "ALAYA_CONFIG": str(tmp_path)})
    assert "is not there" in refusal({**KEYS, "ALAYA_CONFIG": "~no-such-user/config.toml"})


def test_a_profile_that_is_chosen_must_be_there(file: Path) -> None:
    said = refusal({**KEYS, "ALAYA_CONFIG": str(file), "ALAYA_PROFILE": "wrok"})

    assert "chooses the profile 'wrok'" in said
    assert "work, default, place" in said
    assert "none" in refusal({**KEYS, "ALAYA_PROFILE": "work"})


def test_an_unexpanded_choice_counts_as_none(file: Path) -> None:
    environ = {"ALAYA_CONFIG": str(file), "ALAYA_PROFILE": "${PROFILE}"}

    assert pair(environ)[0] == "AKdefault"
    assert load_settings({**KEYS, "ALAYA_CONFIG": "${CONFIG}"}).aliases == {}


def test_each_value_knows_where_it_comes_from(file: Path) -> None:
    environ = {
        "ALAYA_CONFIG": str(file),
        "ALAYA_PROFILE": "work",
        "WORK_SECRET": "SKwork",
        "ALAYA_TIMEOUT_SECONDS": "9",
    }
    sources = gather(environ, VARIABLES)

    assert {field: value.source for field, value in sources.values.items()} == {
        "base_url": "base_url of profile work",
        "access_key": "access_key of profile work",
        "secret_key": "WORK_SECRET (named by secret_key_env of profile work)",
        "service_id": "service_id of profile work",
        "timeout_seconds": "ALAYA_TIMEOUT_SECONDS",
    }
    assert "SKwork" not in repr(sources)


def test_the_default_place_is_the_platforms(
    no_configuration_of_the_developers_own: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert default_config_path().name == "config.toml"
    assert default_config_path().is_relative_to(no_configuration_of_the_developers_own)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    default_config_path().parent.mkdir(parents=True)
    default_config_path().write_text(FILE, encoding="utf-8")

    assert config_path({}) == default_config_path()
    assert pair({})[0] == "AKdefault"


@pytest.mark.anyio
async def test_a_host_serves_with_a_profile_and_its_aliases(tmp_path: Path) -> None:
    async with Upstream() as upstream:
        path = tmp_path / "config.toml"
        environ = upstream.environ
        path.write_text(
            f'[aliases]\nmine = "{SERVICE}"\n[profiles.default]\nbase_url = "{environ["ALAYA_BASE_URL"]}"\n'
            'access_key_env = "MY_AK"\nsecret_key = "from-the-file"\nservice_id = "mine"\n'
        )
        async with host(ALAYA_CONFIG=str(path), MY_AK="from-the-environment") as server:
            initialized = await server.initialize()
            await server.call(1, "get_deployment")
            answer = await server.answer(1)
        sent = upstream.requests[0].headers["authorization"]

    assert answer["result"]["structuredContent"]["service_id"] == SERVICE
    assert "left out: mine." in initialized["result"]["instructions"]
    assert sent == "plain Credential=from-the-environment,Signature=from-the-file"
    assert b"from-the-" not in server.raw
