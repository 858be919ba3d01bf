"""What each kind of failed exchange is taken for: none is left without a verdict."""

from typing import get_args

import pytest
from pydantic import SecretStr

from alaya_mcp.config.settings import load_settings
from alaya_mcp.deployment.model_names import Names
from alaya_mcp.deployment.wire import parse_deployment
from alaya_mcp.doctor.control_plane import judged
from alaya_mcp.doctor.deployment import none_named
from alaya_mcp.doctor.engine import Evidence, about_api_key, about_first_token, about_served_names, about_service_url
from alaya_mcp.errors import AlayaError, CredentialsRejected, DeploymentNotReady, UpstreamTimeout
from alaya_mcp.origins import Credential, Origin
from alaya_mcp.upstream.client import Engine
from alaya_mcp.upstream.explain import explain
from alaya_mcp.upstream.failures import Failure, Kind
from alaya_mcp.upstream.subject import Subject
from tests.doctor_patient import KEYS

SETTINGS = load_settings({**KEYS, "ALAYA_BASE_URL": "https://alaya.invalid/v1"})
DEPLOYMENT = parse_deployment(b'{"serviceId": "x", "status": "running", "servedName": "base"}')
SAME = Names("vllm", ("base",), ())
KINDS: dict[Kind, tuple[str, str]] = {
    "dns": ("dns_failed", "engine_dns_failed"),
    "tls": ("tls_failed", "engine_tls_failed"),
    "refused": ("unreachable", "engine_unreachable"),
    "not_public": ("not_the_api", "engine_odd_answer"),
    "connect_timeout": ("unreachable", "engine_unreachable"),
    "proxy": ("proxy_refused", "engine_proxy_refused"),
    "reset": ("unreachable", "engine_unreachable"),
    "timeout": ("no_answer", "engine_unreachable"),
    "encoding": ("not_the_api", "engine_odd_answer"),
    "broken_http": ("not_the_api", "engine_odd_answer"),
    "unusable_url": ("not_the_api", "engine_odd_answer"),
    "too_large": ("not_the_api", "engine_odd_answer"),
}


def explained(failure: Failure) -> AlayaError:
    """The error that the core raises for a failure."""
    return explain(failure, Subject(""))


def evidence(listed: Names | Failure | AlayaError, url: str = "https://engine.invalid", **more: AlayaError) -> Evidence:
    return Evidence(DEPLOYMENT, Engine(url, None, "x", Subject("")), listed, more.get("chat"))


def test_the_table_has_every_kind() -> None:
    assert {*KINDS, "status"} == set(get_args(Kind))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_failure_has_its_verdict_on_either_plane(kind: Kind) -> None:
    control, data = KINDS[kind]
    answer = judged(explained(Failure("control", kind)), SETTINGS)
    engine = about_service_url(evidence(Failure("data", kind)))

    assert (answer.control_plane.level, answer.control_plane.verdict, answer.key) == ("failed", control, None)
    assert (engine.level, engine.verdict) == ("failed", data)
    assert answer.control_plane.next_step
    assert engine.next_step


def test_an_answer_that_does_not_come_in_time_is_told_apart_from_no_connection() -> None:
    assert (
        judged(UpstreamTimeout("no_answer", plane="control", seconds=10), SETTINGS).control_plane.verdict == "no_answer"
    )
    assert about_service_url(evidence(UpstreamTimeout("no_answer", plane="data", seconds=8))).verdict == "engine_silent"


def test_a_proxy_may_be_the_cause_of_a_name_that_cannot_be_resolved_and_of_a_refusal() -> None:
    through_proxy = judged(explained(Failure("control", "dns", proxy="HTTPS_PROXY")), SETTINGS)
    refused = about_service_url(evidence(Failure("data", "refused", proxy="HTTPS_PROXY")))

    assert through_proxy.control_plane.verdict == "unreachable"
    assert "proxy" in refused.found


def test_an_engine_over_plain_http_is_a_warning_but_not_on_this_machine() -> None:
    beyond, here = (about_service_url(evidence(SAME, url)) for url in ("http://engine.invalid", "http://127.0.0.1:9"))

    assert (beyond.level, beyond.verdict) == ("warning", "engine_plain_http")
    assert (here.level, here.verdict) == ("ok", "engine_reachable")


def test_a_deployment_that_is_not_ready_any_more_is_told_so() -> None:
    error = DeploymentNotReady("deployment_stopping", service_id="svc-1")
    seen = evidence(SAME, chat=error)
    check = about_first_token(seen, about_served_names(seen))

    assert (check.level, check.verdict) == ("failed", "deployment_not_ready")
    assert "svc-1 is stopping" in check.found


def test_nothing_is_said_of_an_api_key_that_nothing_tells_of() -> None:
    url = "https://engine.invalid"
    engine = Engine(url, Credential.of_api_key(Origin.of(url), SecretStr("planted-apikey")), "x", Subject(""))
    check = about_api_key(Evidence(DEPLOYMENT, engine, Failure("data", "status", status=404)))

    assert (check.level, check.verdict) == ("skipped", "left_out")


def test_a_key_pair_that_is_revoked_during_the_chat_is_no_matter_of_the_api_key() -> None:
    error = CredentialsRejected("key_pair_rejected", plane="control")
    seen = evidence(SAME, chat=error)

    assert not seen.is_rejected
    assert about_first_token(seen, about_served_names(seen)).verdict == "chat_refused"


@pytest.mark.parametrize(
    ("rows", "words"), [(None, "none is named"), ([], "the account has none"), ([DEPLOYMENT], "1 of 1 are running")]
)
def test_where_none_is_named_it_says_what_there_is(rows: list[object] | None, words: str) -> None:
    check = none_named(rows)  # pyright: ignore[reportArgumentType] # deployments, which the table's type does not say

    assert (check.level, check.verdict) == ("skipped", "no_deployment_named")
    assert words in check.found
