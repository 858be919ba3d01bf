"""The first checks: what is configured, where each value comes from, and what of it is wrong."""

import json
import os
from pathlib import Path

import pytest

from alaya_mcp.doctor.check import Check, Fact
from alaya_mcp.doctor.configuration import Configuration, fingerprint, read_configuration
from alaya_mcp.doctor.quick_start import about_first_answers
from alaya_mcp.first_answers import FirstAnswers
from tests.doctor_patient import KEYS
from tests.host_machine import posix_only

ACCESS, SECRET = KEYS.values()


def check(configuration: Configuration, of: str) -> Check:
    return next(each for each in configuration.checks if each.id == of)


def fact(configuration: Configuration, name: str) -> Fact:
    return next(each for each in check(configuration, "configuration").facts if each.name == name)


def with_file(folder: Path, text: str, **environ: str) -> Configuration:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return read_configuration({"ALAYA_CONFIG": str(path), **environ})


@pytest.mark.parametrize(
    ("environ", "level", "verdict", "words"),
    [
        ({}, "failed", "key_missing", "ALAYA_ACCESS_KEY is not set; ALAYA_SECRET_KEY is not set"),
        ({**KEYS, "ALAYA_SECRET_KEY": " "}, "failed", "key_missing", "ALAYA_SECRET_KEY is empty"),
        ({**KEYS, "ALAYA_SECRET_KEY": "${SK}"}, "failed", "variable_unexpanded", "ALAYA_SECRET_KEY holds"),
        ({**KEYS, "ALAYA_SECRET_KEY": "sk-${SK}"}, "failed", "variable_unexpanded", "ALAYA_SECRET_KEY holds"),
        ({**KEYS, "ALAYA_SECRET_KEY": "$ALAYA_SK"}, "failed", "variable_unexpanded", "ALAYA_SECRET_KEY holds"),
        ({**KEYS, "ALAYA_ACCESS_KEY": "%ALAYA_AK%"}, "failed", "variable_unexpanded", "ALAYA_ACCESS_KEY holds"),
        ({**KEYS, "ALAYA_ACCESS_KEY": "your access key"}, "failed", "key_unusable", "ALAYA_ACCESS_KEY has a space"),
        ({**KEYS, "ALAYA_BASE_URL": "http://h.invalid/v1"}, "failed", "base_url_plain_http", "must use https"),
        (
            {**KEYS, "ALAYA_BASE_URL": "api.alayanew.com"},
            "failed",
            "base_url_unusable",
            "ALAYA_BASE_URL does not start with",
        ),
        (
            {**KEYS, "ALAYA_TIMEOUT_SECONDS": "soon"},
            "failed",
            "setting_unusable",
            "ALAYA_TIMEOUT_SECONDS must be a number",
        ),
        ({**KEYS, "ALAYA_SERVICE_ID": "${ID}"}, "warning", "variable_unexpanded", "ALAYA_SERVICE_ID holds"),
        ({**KEYS, "ALAYA_BASE_URL": "${URL}"}, "warning", "variable_unexpanded", "ALAYA_BASE_URL holds"),
        ({**KEYS, "ALAYA_BASE_URL": "http://[::1]:9/v1"}, "ok", "configured", "ALAYA_ACCESS_KEY and ALAYA_SECRET_KEY"),
        ({**KEYS, "ALAYA_LOG_FORMAT": "JSON"}, "ok", "configured", "ALAYA_ACCESS_KEY and ALAYA_SECRET_KEY"),
        ({**KEYS, "ALAYA_LOG_LEVEL": "debug"}, "ok", "configured", "ALAYA_ACCESS_KEY and ALAYA_SECRET_KEY"),
    ],
)
def test_each_thing_that_is_wrong_with_a_setting_has_its_verdict(
    environ: dict[str, str], level: str, verdict: str, words: str
) -> None:
    configuration = read_configuration(environ)
    found = check(configuration, "configuration")

    assert (found.level, found.verdict) == (level, verdict)
    assert words in found.found
    assert bool(found.next_step) is (level != "ok")
    assert (configuration.settings is None) is (level == "failed")


def test_the_gravest_of_several_is_the_verdict_and_all_are_told() -> None:
    environ = {"ALAYA_ACCESS_KEY": ACCESS, "ALAYA_SECRET_KEY": "${SK}", "ALAYA_BASE_URL": "http://h.invalid"}
    found = check(read_configuration(environ), "configuration")

    assert found.verdict == "variable_unexpanded"
    assert "must use https" in found.found


def test_a_reference_in_one_setting_is_told_beside_another_that_is_missing() -> None:
    found = check(read_configuration({"ALAYA_SERVICE_ID": "${ID}", "ALAYA_LOG_FORMAT": "JSON"}), "configuration")

    assert found.verdict == "variable_unexpanded"
    assert "ALAYA_SERVICE_ID holds a reference that was not replaced" in found.found
    assert "ALAYA_ACCESS_KEY is not set" in found.found
    assert fact(read_configuration({**KEYS, "ALAYA_LOG_FORMAT": "JSON"}), "ALAYA_LOG_FORMAT").value == "json"


def test_several_wrong_settings_have_steps_for_all_of_them() -> None:
    environ = {**KEYS, "ALAYA_SERVICE_ID": "${ID}", "ALAYA_TIMEOUT_SECONDS": "soon", "ALAYA_IDLE_SECONDS": "x"}
    step = check(read_configuration(environ), "configuration").next_step

    assert step.startswith("For ALAYA_SERVICE_ID: write the value itself")
    assert step.endswith("For ALAYA_TIMEOUT_SECONDS and ALAYA_IDLE_SECONDS: correct it, or unset it for its default.")


@pytest.mark.parametrize(
    ("keys", "step"),
    [
        ('access_key = "a"', "Add secret_key to profile work of {0}."),
        (
            'access_key = "a"\nsecret_key_env = "SK"',
            "Set the variable named by secret_key_env of profile work, or name another",
        ),
        ('access_key = "a"\nsecret_key = "b c"', "Correct secret_key of profile work, in {0}."),
    ],
)
def test_a_fault_in_a_profile_is_to_be_mended_there(tmp_path: Path, keys: str, step: str) -> None:
    found = check(with_file(tmp_path, f"[profiles.work]\n{keys}\n", ALAYA_PROFILE="work"), "configuration")

    assert found.level == "failed"
    assert found.next_step.startswith(step.format(tmp_path / "config.toml"))
    assert "ALAYA_SECRET_KEY" not in found.next_step


def test_a_base_url_that_is_not_used_is_told(tmp_path: Path) -> None:
    text = '[profiles.work]\naccess_key = "a"\nsecret_key = "b"\nbase_url = "https://h.invalid/v1"\n'
    base_url = {"ALAYA_BASE_URL": "https://other.invalid/v1"}
    ignored = check(with_file(tmp_path, text, ALAYA_PROFILE="work", **base_url), "variables")
    used = check(with_file(tmp_path, text, ALAYA_PROFILE="work", **base_url, **KEYS), "variables")

    assert ignored.level == used.level == "ok"
    assert "ALAYA_BASE_URL is set and not used, since the key pair goes with base_url of profile work" in ignored.found
    assert "ALAYA_BASE_URL" not in used.found


def test_the_base_is_known_where_only_the_keys_are_missing_and_unknown_where_it_cannot_be_used() -> None:
    assert read_configuration({"ALAYA_BASE_URL": "https://h.invalid/v1/"}).base_url == "https://h.invalid/v1"
    assert read_configuration({**KEYS, "ALAYA_BASE_URL": "http://h.invalid/v1"}).base_url is None


def test_a_secret_is_told_by_its_length_and_the_beginning_of_its_hash() -> None:
    configuration = read_configuration(KEYS)

    # printf %s planted-SK-b91e63 | sha256sum
    assert fact(configuration, "ALAYA_SECRET_KEY").value == fingerprint(SECRET)
    assert fingerprint("abc") == "3 characters, SHA-256 ba7816bf"
    assert SECRET not in repr(configuration)
    assert ACCESS not in repr(configuration)


def test_each_value_is_told_with_its_source(tmp_path: Path) -> None:
    text = """
        [profiles.work]
        base_url = "https://h.invalid/v1"
        access_key_env = "WORK_AK"
        secret_key = "planted-SK-b91e63"
    """
    environ = {"ALAYA_PROFILE": "work", "WORK_AK": ACCESS, "ALAYA_SERVICE_ID": "", "ALAYA_LOG_LEVEL": "info"}
    configuration = with_file(tmp_path, text, **environ)
    told = {each.name: (each.value, each.source) for each in check(configuration, "configuration").facts}

    assert told["ALAYA_ACCESS_KEY"][1] == "WORK_AK (named by access_key_env of profile work)"
    assert told["ALAYA_SECRET_KEY"] == (fingerprint(SECRET), "secret_key of profile work")
    assert told["ALAYA_BASE_URL"] == ("https://h.invalid/v1", "base_url of profile work")
    assert told["ALAYA_SERVICE_ID"] == ("none", "empty in the environment")
    assert told["ALAYA_LOG_LEVEL"] == ("INFO", "environment")
    assert told["ALAYA_IDLE_SECONDS"] == ("45", "default")
    assert check(configuration, "configuration_file").verdict == "config_file_good"
    assert configuration.has_profile_keys
    assert set(configuration.secrets) == {ACCESS, SECRET}


def test_a_value_that_cannot_be_used_is_not_quoted() -> None:
    environ = {**KEYS, "ALAYA_BASE_URL": "https://u:planted-pass@h.invalid", "ALAYA_TIMEOUT_SECONDS": "planted-pass"}
    configuration = read_configuration(environ)

    assert fact(configuration, "ALAYA_BASE_URL").value == "cannot be used"
    assert "planted-pass" not in json.dumps([repr(each) for each in configuration.checks])


@pytest.mark.parametrize(
    ("text", "environ", "verdict"),
    [
        ("[profiles", {}, "config_file_invalid"),
        ("nonsense = 1", {}, "config_file_invalid"),
        ("[profiles.work]", {"ALAYA_PROFILE": "wrok"}, "profile_unknown"),
    ],
)
def test_a_file_that_cannot_be_used_is_the_ground_of_everything(
    tmp_path: Path, text: str, environ: dict[str, str], verdict: str
) -> None:
    configuration = with_file(tmp_path, text, **KEYS, **environ)

    assert configuration.ground is check(configuration, "configuration_file")
    assert (configuration.ground.level, configuration.ground.verdict) == ("failed", verdict)
    assert check(configuration, "configuration").verdict == "left_out"
    assert configuration.base_url is None


def test_a_file_that_is_named_and_cannot_be_read_is_told(tmp_path: Path) -> None:
    for place, words in ((tmp_path, "is not a file"), (tmp_path / "nowhere.toml", "is not there")):
        configuration = read_configuration({**KEYS, "ALAYA_CONFIG": str(place)})

        assert configuration.ground.verdict == "config_file_unreadable"
        assert words in configuration.ground.found
        assert configuration.settings is None


@posix_only
def test_a_file_with_keys_that_others_can_read_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    keys = '[profiles.default]\naccess_key = "planted-AK-40f1a7"\nsecret_key = "planted-SK-b91e63"\n'
    names = '[profiles.default]\naccess_key_env = "A"\nsecret_key_env = "S"\n'
    verdicts: list[str] = []
    for text, mode in ((keys, 0o644), (keys, 0o600), (names, 0o644)):
        path.write_text(text)
        path.chmod(mode)
        found = check(read_configuration({"ALAYA_CONFIG": str(path)}), "configuration_file")
        verdicts.append(found.verdict)

    assert verdicts == ["config_file_readable_by_others", "config_file_good", "config_file_good"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ALAYA_ACESS_KEY", "ALAYA_ACCESS_KEY"),
        ("ALAYA_SERVICEID", "ALAYA_SERVICE_ID"),
        ("alaya-base-url", "ALAYA_BASE_URL"),
        ("ALAYA_BASEURL", "ALAYA_BASE_URL"),
        ("ALAYA_TIMEOUT_SECOND", "ALAYA_TIMEOUT_SECONDS"),
        ("ALAYA_TIMEOUT", "ALAYA_TIMEOUT_SECONDS"),
        ("ALAYA_BASE_URL_OF_THE_CONTROL_PLANE", "ALAYA_BASE_URL"),
    ],
)
def test_a_misspelt_variable_is_a_warning_that_names_the_one_that_is_meant(name: str, meant: str) -> None:
    found = check(read_configuration({**KEYS, name: "planted-value"}), "variables")

    assert (found.level, found.verdict) == ("warning", "unknown_variable")
    assert name in found.found
    assert f"{name}: did you mean {meant}?" in found.next_step
    assert "planted-value" not in repr(found)


@pytest.mark.parametrize("name", ["ALAYA_WORLD", "ALAYA_MAX", "ALAYA_"])
def test_a_variable_with_our_prefix_that_is_near_to_none_or_to_several_is_a_warning_too(name: str) -> None:
    found = check(read_configuration({**KEYS, name: "planted-value"}), "variables")

    assert (found.level, found.verdict) == ("warning", "unknown_variable")
    assert name in found.found
    assert "did you mean" not in found.next_step
    assert f"{name}: unset it" in found.next_step


def test_where_the_file_cannot_be_used_only_misspelt_variables_are_told(tmp_path: Path) -> None:
    named = with_file(tmp_path, "[profiles", ALAYA_WORK_AK="a")
    misspelt = with_file(tmp_path, "[profiles", ALAYA_ACESS_KEY="a")

    assert check(named, "variables").level == "ok"
    assert check(misspelt, "variables").verdict == "unknown_variable"


def test_variables_of_others_are_not_mentioned(tmp_path: Path) -> None:
    others = {"ALAYA": "x", "ALAYANESE": "x", "PATH": "/bin", "MY_ALAYA_ACCESS_KEY": "x"}
    text = '[profiles.default]\naccess_key_env = "ALAYA_ACCESS_KEY2"\nsecret_key_env = "ALAYA_SECRET_KEY2"\n'
    named = with_file(tmp_path, text, ALAYA_ACCESS_KEY2="a", ALAYA_SECRET_KEY2="b")

    assert check(read_configuration({**KEYS, **others}), "variables").level == "ok"
    assert check(named, "variables").level == "ok"


@posix_only
def test_the_doctor_says_whether_first_answers_are_kept(tmp_path: Path) -> None:
    environ = {"XDG_CACHE_HOME": str(tmp_path)}
    none_yet = about_first_answers(environ)
    answers = FirstAnswers(environ, ())
    answers.save(answers.file(""), {})
    kept = about_first_answers(environ)
    nowhere = about_first_answers({"XDG_CACHE_HOME": os.devnull})

    assert [(each.level, each.verdict) for each in (none_yet, kept, nowhere)] == [
        ("ok", "none_yet"),
        ("ok", "kept"),
        ("skipped", "not_kept"),
    ]
    assert str(tmp_path) in kept.found
