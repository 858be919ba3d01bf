"""The configuration file's text after login and logout: what is not about the key pair stays, byte for byte."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alaya_mcp.config.profile_text import CannotEdit, logged_in, logged_out

PAIR = {"base_url": "https://api.example/v1", "access_key": 'A"\\', "secret_key": "S"}
ENTRY = {"base_url": "https://api.example/v1", "keyring": "default 1a2b3c4d"}

FILES = [
    "",
    "\n\n",
    "# only a comment",
    '[aliases]\nx = "y"',
    '[aliases]\nx = "y"\n',
    '[profiles.work]\nservice_id = "s" # c\n\n[profiles.work.aliases]\na = "b"\n\n[http]\nmode="keys"\n',
    '[profiles.default]\nservice_id = "s"\n\n# about http\n[http]\n',
    '[profiles.default]\nservice_id = "s"',
    '[profiles.default]  # mine\nbase_url = "https://api.example/v1"\n',
    '[profiles.work]\na="b"\n[aliases]\nx="y"\n[profiles.default.aliases]\nq="r"\n',
    'profiles.default.service_id = "x"\n[aliases]\na="b"\n',
    "[profiles]\n",
]


@pytest.mark.parametrize("entries", [PAIR, ENTRY], ids=["keys", "keychain"])
@pytest.mark.parametrize("text", FILES)
def test_logout_undoes_login_byte_for_byte(text: str, entries: dict[str, str]) -> None:
    within = logged_in(text, "default", entries, is_new=False)

    assert tomllib.loads(within)["profiles"]["default"].items() >= entries.items()
    assert logged_out(within, "default").text == text


@pytest.mark.parametrize("profile", ["default", "我的", "two words", "a.b", 'q"q', "\\"])
def test_a_profile_of_any_name_comes_and_goes(profile: str) -> None:
    within = logged_in("# mine\n", profile, PAIR, is_new=False)

    assert tomllib.loads(within)["profiles"] == {profile: PAIR}
    assert logged_out(within, profile).text == "# mine\n"


def test_what_stands_there_stays_and_what_was_the_pair_goes() -> None:
    text = (
        "[profiles.default]\naccess_key_env = 'X' # from a variable\nsecret_key_env = 'Y'\nservice_id = 'z'  # mine\n"
        "[profiles.default.aliases]\na = 'b'\n"
    )
    within = logged_in(text, "default", PAIR, is_new=False)

    assert tomllib.loads(within)["profiles"]["default"] == {**PAIR, "service_id": "z", "aliases": {"a": "b"}}
    assert "service_id = 'z'  # mine\n" in within
    assert logged_out(within, "default").text == "[profiles.default]\nservice_id = 'z'  # mine\n" + text[-35:]


def test_a_second_login_replaces_the_first_in_its_place() -> None:
    first = logged_in("# mine\n", "default", PAIR, is_new=False)
    to_keychain = logged_in(first, "default", ENTRY, is_new=False)
    back = logged_in(to_keychain, "default", PAIR, is_new=False)
    other = logged_in(first, "default", {**PAIR, "secret_key": "S2", "base_url": "https://other.example"}, is_new=False)

    assert tomllib.loads(to_keychain)["profiles"]["default"] == ENTRY
    assert tomllib.loads(back)["profiles"]["default"] == PAIR
    assert other == first.replace('"S"', '"S2"').replace("https://api.example/v1", "https://other.example").replace(
        '"  # by', '" # by'
    )
    for text in (to_keychain, back, other):
        assert logged_out(text, "default").text == "# mine\n"


def test_a_base_url_that_somebody_wrote_stays_unless_login_had_to_replace_it() -> None:
    text = '[profiles.default]\nbase_url = "https://api.example/v1"\nservice_id = "s"\n'
    other = {**PAIR, "base_url": "https://other.example"}

    assert logged_out(logged_in(text, "default", PAIR, is_new=False), "default").text == text
    left = logged_out(logged_in(text, "default", other, is_new=False), "default").text
    assert left == '[profiles.default]\nservice_id = "s"\n', "a pair of the environment must not be sent there"


def test_a_file_that_login_made_goes_with_its_last_profile() -> None:
    text = logged_in("", "work", PAIR, is_new=True)
    text = logged_in(text, "home", PAIR, is_new=False)

    first = logged_out(text, "work")
    assert not first.is_empty
    assert tomllib.loads(first.text) == {"profiles": {"home": PAIR}}
    assert logged_out(first.text, "home").is_empty


def test_a_file_that_was_there_or_has_other_things_now_stays() -> None:
    assert not logged_out(logged_in("", "default", PAIR, is_new=False), "default").is_empty
    grown = logged_in("", "default", PAIR, is_new=True) + '\n[aliases]\nx = "y"\n'
    left = logged_out(grown, "default")
    assert (left.text, left.is_empty) == ('\n[aliases]\nx = "y"\n', False)


def test_what_was_added_to_logins_table_keeps_it() -> None:
    text = logged_in("", "default", PAIR, is_new=True) + 'service_id = "mine"\n'
    left = logged_out(text, "default")

    assert (left.text, left.is_empty) == ('[profiles.default]\nservice_id = "mine"\n', False)


def test_comments_of_a_table_that_becomes_empty_stay() -> None:
    text = '[profiles.default]\n# old\naccess_key = "a"\nsecret_key = "b"\n\n# about http\n[http]\n'

    left = logged_out(text, "default").text
    assert tomllib.loads(left) == {"http": {}}
    assert "# old\n" in left
    assert "# about http\n[http]\n" in left


@pytest.mark.parametrize("text", ['profiles = {default = {service_id = "x"}}\n', "profiles = {}\n"])
def test_a_form_that_cannot_be_edited_safely_is_refused(text: str) -> None:
    with pytest.raises(CannotEdit):
        logged_in(text, "default", PAIR, is_new=False)


NAMES = st.sampled_from(["a", "b c", "我", "default", "x.y"])
LINES = st.sampled_from(["\n", "# c\n", "# [profiles.default]\n", 'v = """\n[profiles.default]\n"""\n'])


def table(name: str, keys: list[str], lines: list[str]) -> str:
    """A profile's table."""
    return f'[profiles."{name}"]\n{"".join(keys)}{"".join(lines)}'


TABLES = st.builds(
    table,
    NAMES,
    st.lists(st.sampled_from(['service_id = "s" # x\n', 'aliases = {q = "r"}\n']), unique=True),
    st.lists(LINES.filter(lambda line: not line.startswith("v")), max_size=3),
)


@given(head=st.lists(LINES, max_size=3), tables=st.lists(TABLES, max_size=3), cut=st.booleans())
def test_any_file_means_what_it_meant_plus_the_pair(head: list[str], tables: list[str], cut: bool) -> None:
    text = "".join(head) + "".join(tables)
    text = text.rstrip("\n") if cut else text
    try:
        before = tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # a table twice
        return
    within = logged_in(text, "default", PAIR, is_new=False)
    after = tomllib.loads(within)
    had = before.get("profiles", {}).get("default")

    assert after.pop("profiles") == {**before.get("profiles", {}), "default": {**(had or {}), **PAIR}}
    assert after == {name: value for name, value in before.items() if name != "profiles"}
    if had != {}:
        assert logged_out(within, "default").text in {text, f"{text}\n"}
