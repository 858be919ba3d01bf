"""What is released: the bundle, server.json, the icon and the licences agree with the package, and with each other."""

import json
import struct
import sys
from importlib.metadata import Distribution
from pathlib import Path

import pytest
from mcp import Client

from alaya_mcp import __version__
from alaya_mcp.config.settings import DEFAULT_BASE_URL, VARIABLES, load_settings
from alaya_mcp.errors import NotConfigured
from alaya_mcp.serving.server import create_server
from release import licences, publication
from release.__main__ import TWINE
from release.bundle import bundle_files, packed, unpacked
from release.conversation import converse
from release.manifest import USER_CONFIG, manifest
from release.mcpb import TOOL
from release.project import ICON, ROOT, metadata
from release.publication import with_owner, wrong_in
from release.steps import Failed, Refused, Skipped, Steps
from tests.stdio_host import own_environ

PUBLISHED = with_owner(publication.read_server())
CONSTRAINTS = json.loads(publication.CONSTRAINTS.read_text(encoding="utf-8"))
UNFILLED = {f"ALAYA_{field.upper()}": f"${{user_config.{field}}}" for field in USER_CONFIG}


@pytest.mark.anyio
async def test_the_manifest_lists_what_the_server_lists() -> None:
    made = manifest()
    async with Client(create_server(NotConfigured("key_missing"))) as client:
        tools = (await client.list_tools()).tools
        prompts = (await client.list_prompts()).prompts

    assert made["tools"] == [{"name": tool.name, "description": tool.description} for tool in tools]
    assert [(each["name"], each["description"], each["arguments"]) for each in made["prompts"]] == [
        (each.name, each.description, [argument.name for argument in each.arguments or ()]) for each in prompts
    ]


def test_the_text_of_each_prompt_has_a_place_for_each_argument() -> None:
    for prompt in manifest()["prompts"]:
        assert all(f"${{arguments.{name}}}" in prompt["text"] for name in prompt["arguments"])


def test_the_keys_reach_the_server_in_its_environment_alone() -> None:
    made = manifest()
    server = made["server"]["mcp_config"]

    assert server["env"] == UNFILLED
    assert set(server["env"]) <= set(VARIABLES)
    assert not [argument for argument in server["args"] if "user_config" in argument]
    secret = {field for field, asked in made["user_config"].items() if asked.get("sensitive")}
    assert secret == {field for field, asked in made["user_config"].items() if asked["required"]}
    assert secret == {"access_key", "secret_key"}


@pytest.mark.parametrize("unset", ["", "${user_config.service_id}", " "])
def test_what_a_host_leaves_unfilled_counts_as_unset(unset: str) -> None:
    keys = {"ALAYA_ACCESS_KEY": "ak", "ALAYA_SECRET_KEY": "sk"}
    settings = load_settings({**keys, "ALAYA_SERVICE_ID": unset, "ALAYA_BASE_URL": unset})

    assert settings.service_id is None
    assert settings.base_url == DEFAULT_BASE_URL


def test_without_keys_the_error_names_both() -> None:
    with pytest.raises(NotConfigured) as raised:
        load_settings(UNFILLED)

    assert {(setting.source, setting.problem) for setting in raised.value.settings} == {
        ("ALAYA_ACCESS_KEY", "unexpanded"),
        ("ALAYA_SECRET_KEY", "unexpanded"),
    }


def test_the_bundle_has_the_package_and_what_starts_it_and_nothing_else() -> None:
    files = bundle_files()
    package = {name for name in files if name.startswith("alaya_mcp/")}

    assert files.keys() - package == {"LICENSE", "icon.png", "manifest.json", "pyproject.toml", "server.py"}
    assert {name.removeprefix("alaya_mcp/") for name in package} >= {"__main__.py", "serving/stdio/opening.py"}
    assert all(name.endswith((".py", ".json", "/py.typed", ".html", ".css", ".js")) for name in package)


def test_a_bundle_is_the_same_bytes_each_time() -> None:
    files = bundle_files()
    backwards = dict(reversed(files.items()))

    assert packed(files) == packed(backwards)
    assert unpacked(packed(files)) == files


def test_the_server_starts_from_the_bundle(tmp_path: Path) -> None:
    for name, content in bundle_files().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content.replace(__version__.encode(), b"9.9.9"))
    command = [sys.executable, str(tmp_path / "server.py")]
    opened, tools, called = converse(command, own_environ(**UNFILLED), tmp_path, "list_deployments")

    assert opened["serverInfo"]["version"] == "9.9.9", "it is not the bundle's package that was started"
    assert [tool["name"] for tool in tools] == [tool["name"] for tool in manifest()["tools"]]
    assert called["isError"]
    assert called["content"][0]["text"].startswith("not_configured: ")


def test_a_key_in_the_arguments_of_a_process_is_found(tmp_path: Path) -> None:
    if not Path("/proc/self/cmdline").exists():
        pytest.skip("this system does not show other processes' arguments")
    program = "import sys; del sys.argv[1:]; from alaya_mcp.cli.main import main; sys.exit(main())"
    server = [sys.executable, "-c", program]

    with pytest.raises(Failed, match="plan"):
        converse([*server, "planted-key"], own_environ(), tmp_path, "list_deployments", ["planted-key"])
    converse([*server, "another-key"], own_environ(), tmp_path, "list_deployments", ["planted-key"])


def test_a_server_that_does_not_answer_is_a_failure_with_its_words(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="no such file"):
        converse(
            [sys.executable, "-c", "raise SystemExit('no such file')"], own_environ(), tmp_path, "list_deployments"
        )


def test_every_version_is_the_packages() -> None:
    made = [manifest()["version"], PUBLISHED["version"], *(package["version"] for package in PUBLISHED["packages"])]

    assert set(made) == {__version__}
    assert f'version = "{__version__}"' in bundle_files()["pyproject.toml"].decode()


def test_server_json_keeps_the_rules_that_are_known() -> None:
    assert wrong_in(PUBLISHED, CONSTRAINTS) == []
    assert PUBLISHED["description"] == metadata()["description"] == manifest()["description"]
    assert PUBLISHED["title"] == manifest()["display_name"]


@pytest.mark.parametrize(
    "change",
    [
        {"name": "alayanew-mcp"},
        {"name": publication.read_server()["name"]},
        {"description": "a" * 101},
        {"version": "latest"},
        {"version": ">=0.1.0"},
        {"packages": [{**PUBLISHED["packages"][0], "transport": {"type": "pipe"}}]},
        {"packages": []},
        {"more": 1},
    ],
    ids=str,
)
def test_the_rules_refuse_what_the_registry_refuses(change: dict[str, object]) -> None:
    assert wrong_in({**PUBLISHED, **change}, CONSTRAINTS)


def test_server_json_asks_for_the_same_settings_as_the_bundle() -> None:
    (package,) = PUBLISHED["packages"]
    asked = {each["name"]: each for each in package["environmentVariables"]}

    assert asked.keys() == UNFILLED.keys()
    for field, of_bundle in USER_CONFIG.items():
        variable = asked[f"ALAYA_{field.upper()}"]
        assert variable["description"] == of_bundle["description"]
        assert variable.get("isSecret", False) is of_bundle.get("sensitive", False)
        assert variable.get("isRequired", False) is of_bundle["required"]
        assert variable.get("default", "") == of_bundle.get("default", "")


def test_the_readme_names_the_server_as_server_json_does() -> None:
    publication.names_agree()


def test_a_release_is_refused_until_the_owner_is_said() -> None:
    if publication.OWNER_IS_NOT_SET not in publication.read_server()["name"]:
        pytest.skip("it is said")
    said: list[str] = []
    final, draft = Steps(is_draft=False, write=said.append), Steps(is_draft=True, write=said.append)
    for steps in (final, draft):
        steps.run("the owner", publication.owner_is_set)

    assert final.stops == ["the owner"]
    assert not draft.stops
    assert all("OWNER_IS_NOT_SET in server.json, README.md" in line for line in said)


@pytest.mark.parametrize(
    ("why", "stops_final", "stops_draft"), [(Skipped, False, False), (Refused, True, False), (Failed, True, True)]
)
def test_what_stops_a_release(why: type[Exception], stops_final: bool, stops_draft: bool) -> None:
    def step() -> None:
        raise why("a reason")

    for is_draft, stops in ((False, stops_final), (True, stops_draft)):
        steps = Steps(is_draft=is_draft, write=str)
        steps.run("a step", step)
        assert bool(steps.stops) is stops


def test_the_icon_is_what_hosts_take() -> None:
    content = ICON.read_bytes()

    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", content[16:24]) == (512, 512)
    assert len(content) < 20_000
    assert 'viewBox="0 0 512 512"' in ICON.with_suffix(".svg").read_text(encoding="utf-8")


def test_the_icon_is_drawn_from_its_source() -> None:
    icon = pytest.importorskip("release.icon")
    pytest.importorskip("resvg_py", reason="release/requirements.txt is not installed")

    assert icon.drawn() == ICON.read_bytes()


def test_every_licence_is_accepted_and_on_the_page() -> None:
    if sys.platform != "linux":
        pytest.skip("what is needed on Linux alone is not installed here")
    page = licences.PAGE.read_text(encoding="utf-8")

    for rows in licences.tables().values():
        assert all(f"| {name} | {licence} |" in page for name, licence in rows.items())
    assert "| mcp | MIT |" in page
    assert "## The extra `otel` adds" in page


@pytest.mark.parametrize(
    ("name", "licence", "is_accepted"),
    [
        ("a", "MIT", True),
        ("a", "Apache-2.0 OR GPL-3.0-only", True),
        ("a", "Apache-2.0 AND BSD-2-Clause", True),
        ("a", "Apache-2.0, MIT", True),
        ("a", "Apache-2.0 AND GPL-3.0-only", False),
        ("a", "GNU General Public License v3 (GPLv3), MIT", False),
        ("a", "MPL-2.0", False),
        ("certifi", "MPL-2.0", True),
        ("certifi", "GPL-3.0-only", False),
        ("a", "LGPL-2.1-or-later", False),
        ("a", "UNKNOWN", False),
        ("a", "", False),
    ],
)
def test_a_licence_that_asks_for_more_is_not_accepted(name: str, licence: str, is_accepted: bool) -> None:
    assert licences.is_accepted(name, licence) is is_accepted


@pytest.mark.parametrize(
    ("lines", "licence"),
    [
        (["License-Expression: MIT"], "MIT"),
        (["License: BSD License"], "BSD-3-Clause"),
        (["License: see LICENSE", "Classifier: License :: OSI Approved :: MIT License"], "MIT"),
        (
            ["License: MIT", "Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)"],
            "GNU General Public License v3 (GPLv3)",
        ),
        ([], ""),
    ],
)
def test_a_licence_is_what_the_metadata_states(tmp_path: Path, lines: list[str], licence: str) -> None:
    folder = tmp_path / "a-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("\n".join(["Metadata-Version: 2.4", "Name: a", "Version: 1", *lines, ""]))

    assert licences.licence_of(Distribution.at(folder)) == licence


def test_the_pages_name_the_commands_that_there_are() -> None:
    page = (ROOT / "docs" / "releasing.md").read_text(encoding="utf-8")

    for command in ("build", "bundle", "check", "licences", "icon"):
        assert f"python -m release {command}" in page
    assert TOOL in page
    assert TWINE in page
