"""Settings from the environment."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alaya_mcp.config.environment import is_unexpanded, value_of
from alaya_mcp.config.settings import DEFAULT_BASE_URL, load_settings, log_level
from alaya_mcp.errors import NotConfigured
from alaya_mcp.origins import Origin
from alaya_mcp.serving.errors import error_text, told

KEYS = {"ALAYA_ACCESS_KEY": "AKplanted", "ALAYA_SECRET_KEY": "SKplanted"}


def refusal(**environ: str) -> str:
    """What the refusal of these variables says, the key pair being there."""
    with pytest.raises(NotConfigured) as raised:
        load_settings({**KEYS, **environ})
    error = raised.value
    assert (error.code, error.retryable) == ("not_configured", False)
    assert error.__cause__ is None
    assert error.__context__ is None
    return f"{error_text(error)} {error.settings!r}"


def test_the_defaults_are_the_contracts() -> None:
    loaded = load_settings(KEYS)
    assert loaded.access_key.get_secret_value() == "AKplanted"
    assert loaded.secret_key.get_secret_value() == "SKplanted"
    assert loaded.base_url == DEFAULT_BASE_URL == "https://api.alayanew.com/api/serverless-infer/v1"
    assert loaded.control_plane == Origin("https", "api.alayanew.com", 443)
    assert loaded.service_id is None
    assert (loaded.timeout_seconds, loaded.idle_seconds, loaded.progress_interval_ms) == (50, 45, 250)
    assert (loaded.max_concurrency, loaded.log_level, loaded.sandbox_ids) == (64, "WARNING", ())


def test_every_variable_is_read() -> None:
    loaded = load_settings(
        {
            **KEYS,
            "ALAYA_BASE_URL": "http://127.0.0.1:8080/v1/",
            "ALAYA_SERVICE_ID": "my.service-1_a",
            "ALAYA_TIMEOUT_SECONDS": "12.5",
            "ALAYA_IDLE_SECONDS": "9",
            "ALAYA_PROGRESS_INTERVAL_MS": "0",
            "ALAYA_MAX_CONCURRENCY": "1",
            "ALAYA_LOG_LEVEL": "debug",
            "ALAYA_SANDBOX_IDS": "x",
        }
    )
    assert (loaded.base_url, loaded.service_id) == ("http://127.0.0.1:8080/v1", "my.service-1_a")
    assert (loaded.timeout_seconds, loaded.idle_seconds, loaded.progress_interval_ms) == (12.5, 9, 0)
    assert (loaded.max_concurrency, loaded.log_level, loaded.sandbox_ids) == (1, "DEBUG", ())


def test_values_are_stripped() -> None:
    loaded = load_settings({"ALAYA_ACCESS_KEY": " AKplanted\n", "ALAYA_SECRET_KEY": "\tSKplanted\r\n"})
    assert loaded.access_key.get_secret_value() == "AKplanted"
    assert loaded.secret_key.get_secret_value() == "SKplanted"


OPTIONAL = [
    "ALAYA_BASE_URL",
    "ALAYA_SERVICE_ID",
    "ALAYA_TIMEOUT_SECONDS",
    "ALAYA_IDLE_SECONDS",
    "ALAYA_PROGRESS_INTERVAL_MS",
    "ALAYA_MAX_CONCURRENCY",
    "ALAYA_LOG_LEVEL",
]
UNSET = ["", "  \n", "${HOME}", "${env:ALAYA}", " ${X:-y} ", "${}"]


@pytest.mark.parametrize("value", UNSET)
@pytest.mark.parametrize("name", OPTIONAL)
def test_an_empty_or_unexpanded_value_counts_as_unset(name: str, value: str) -> None:
    assert load_settings({**KEYS, name: value}) == load_settings(KEYS)
    assert value_of({name: value}, name) == ""


@pytest.mark.parametrize("value", [None, *UNSET])
@pytest.mark.parametrize(
    ("missing", "other"), [("ALAYA_ACCESS_KEY", "ALAYA_SECRET_KEY"), ("ALAYA_SECRET_KEY", "ALAYA_ACCESS_KEY")]
)
def test_one_key_without_the_other_is_refused_by_name(missing: str, other: str, value: str | None) -> None:
    environ = {other: KEYS[other], **({} if value is None else {missing: value})}
    with pytest.raises(NotConfigured) as raised:
        load_settings(environ)
    assert missing in told(raised.value)
    assert other not in told(raised.value)
    assert "planted" not in error_text(raised.value)


def test_a_missing_pair_says_so_of_both() -> None:
    with pytest.raises(NotConfigured) as raised:
        load_settings({"ALAYA_SECRET_KEY": "${SECRET}"})
    assert "ALAYA_ACCESS_KEY is not set" in told(raised.value)
    assert "ALAYA_SECRET_KEY holds a reference that was not replaced" in told(raised.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("ALAYA_ACCESS_KEY", "pla nted", id="a space in a key"),
        pytest.param("ALAYA_SECRET_KEY", "pla\nnted", id="a line end in a key"),
        pytest.param("ALAYA_SECRET_KEY", "plan\u00adted\u5bc6", id="a key outside ASCII"),
        pytest.param("ALAYA_ACCESS_KEY", "plan\x7fted", id="a control character in a key"),
        pytest.param("ALAYA_BASE_URL", "http://planted.example/v1", id="plain http elsewhere"),
        pytest.param("ALAYA_BASE_URL", "https://user:planted@h.example/v1", id="userinfo"),
        pytest.param("ALAYA_BASE_URL", "https://h.example/v1?planted=1", id="a query"),
        pytest.param("ALAYA_BASE_URL", "https://h.example/v1#planted", id="a fragment"),
        pytest.param("ALAYA_BASE_URL", "ftp://planted.example", id="another scheme"),
        pytest.param("ALAYA_BASE_URL", "planted.example/v1", id="no scheme"),
        pytest.param("ALAYA_BASE_URL", "https://planted.example:99999", id="no such port"),
        pytest.param("ALAYA_BASE_URL", "https://planted example", id="a space in the base URL"),
        pytest.param("ALAYA_SERVICE_ID", "planted" * 37, id="more than 256 characters"),
        pytest.param("ALAYA_SERVICE_ID", "\u200b", id="nothing that can be printed"),
        pytest.param("ALAYA_TIMEOUT_SECONDS", "planted", id="a word"),
        pytest.param("ALAYA_TIMEOUT_SECONDS", "0.98765", id="too short"),
        pytest.param("ALAYA_TIMEOUT_SECONDS", "98765", id="too long"),
        pytest.param("ALAYA_TIMEOUT_SECONDS", "nan", id="NaN"),
        pytest.param("ALAYA_TIMEOUT_SECONDS", "inf", id="infinity"),
        pytest.param("ALAYA_IDLE_SECONDS", "-98765", id="negative"),
        pytest.param("ALAYA_IDLE_SECONDS", "98765s", id="a unit"),
        pytest.param("ALAYA_PROGRESS_INTERVAL_MS", "-98765", id="negative interval"),
        pytest.param("ALAYA_PROGRESS_INTERVAL_MS", "98.765", id="a fraction"),
        pytest.param("ALAYA_MAX_CONCURRENCY", "0", id="none at all"),
        pytest.param("ALAYA_MAX_CONCURRENCY", "9876543", id="too many"),
        pytest.param("ALAYA_LOG_LEVEL", "planted", id="no level"),
        pytest.param("ALAYA_TIMEOUT_SECONDS", "${A}98765", id="partly unexpanded"),
    ],
)
def test_a_bad_value_names_its_variable_alone_and_shows_no_value(name: str, value: str) -> None:
    said = refusal(**{name: value})
    message = said.partition(" Set the ALAYA_* variables")[0]
    assert set(re.findall(r"ALAYA_[A-Z_]+", message)) == {name}
    assert not any(part in said for part in ("plan", "98765", "98.765", "nted"))


def test_each_of_several_bad_values_is_named() -> None:
    said = refusal(ALAYA_TIMEOUT_SECONDS="x", ALAYA_BASE_URL="y", ALAYA_MAX_CONCURRENCY="0")
    assert {"ALAYA_TIMEOUT_SECONDS", "ALAYA_BASE_URL", "ALAYA_MAX_CONCURRENCY"} <= set(
        re.findall(r"ALAYA_[A-Z_]+", said)
    )


@pytest.mark.parametrize("name", ["a", "a" * 200, "..a", "38fbfc3d-6a88-4c35-b8b6-9efc83949d47", "客服 Qwen", "a/b"])
def test_a_default_deployment_is_an_id_or_a_name(name: str) -> None:
    assert load_settings({**KEYS, "ALAYA_SERVICE_ID": name}).service_id == name


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"])
def test_a_log_level_is_taken_in_any_case(level: str) -> None:
    for spelling in (level, level.lower(), f" {level.title()} "):
        assert log_level({"ALAYA_LOG_LEVEL": spelling}) == level
        assert load_settings({**KEYS, "ALAYA_LOG_LEVEL": spelling}).log_level == level


@pytest.mark.parametrize("value", ["", "${LEVEL}", "loud", "WARN", "10"])
def test_the_log_level_is_warning_where_none_is_told(value: str) -> None:
    assert log_level({"ALAYA_LOG_LEVEL": value}) == log_level({}) == "WARNING"


def test_settings_show_no_key() -> None:
    loaded = load_settings(KEYS)
    assert "planted" not in f"{loaded!r} {loaded} {loaded.model_dump_json()}"


visible = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=6, max_size=20)


@given(visible, st.text(min_size=1, max_size=12))
@settings(max_examples=250, deadline=None)
def test_a_key_is_kept_as_it_is_or_refused_without_being_shown(head: str, tail: str) -> None:
    key = f"{head}{tail}".strip()
    environ = {**KEYS, "ALAYA_SECRET_KEY": f"{head}{tail}"}
    if is_unexpanded(key) or not re.fullmatch(r"[!-~]+", key):
        with pytest.raises(NotConfigured) as raised:
            load_settings(environ)
        assert key not in told(raised.value)
    else:
        assert load_settings(environ).secret_key.get_secret_value() == key
