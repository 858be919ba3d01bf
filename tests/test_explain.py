"""From a failed exchange to the error that the caller reads."""

import socket
import ssl
from typing import get_args

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from alaya_mcp.error_causes import Plane
from alaya_mcp.error_sentences import what_happened as happened
from alaya_mcp.errors import AlayaError, UnexpectedResponse, UpstreamTimeout
from alaya_mcp.serving.errors import error_text
from alaya_mcp.upstream.explain import explain, explain_envelope
from alaya_mcp.upstream.failures import Failure, Kind, kind_of
from alaya_mcp.upstream.statuses import explain_status
from alaya_mcp.upstream.subject import Subject
from tests.recordings import Recording, recording, refusals

SERVICE = "38fbfc3d-6a88-4c35-b8b6-9efc83949d47"
SUBJECT = Subject(SERVICE, secrets=tuple(map(SecretStr, ("AKplanted", "SKplanted", "KEYplanted"))))
WORDS = "words of upstream"
PLANES: tuple[Plane, ...] = ("control", "data")
RETRYABLE = {"rate_limited", "upstream_timeout", "upstream_unavailable"}

# status: (control plane, data plane)
CODES = {
    100: ("unexpected_response", "unexpected_response"),
    204: ("unexpected_response", "unexpected_response"),
    301: ("unexpected_response", "unexpected_response"),
    302: ("unexpected_response", "unexpected_response"),
    307: ("unexpected_response", "unexpected_response"),
    400: ("request_rejected", "request_rejected"),
    401: ("credentials_rejected", "credentials_rejected"),
    403: ("access_denied", "access_denied"),
    404: ("unexpected_response", "unexpected_response"),  # what is no envelope is not the API's
    408: ("upstream_timeout", "upstream_timeout"),
    413: ("request_rejected", "request_rejected"),
    422: ("request_rejected", "request_rejected"),
    429: ("rate_limited", "rate_limited"),
    500: ("upstream_unavailable", "upstream_unavailable"),
    502: ("upstream_unavailable", "upstream_unavailable"),
    503: ("upstream_unavailable", "upstream_unavailable"),
    504: ("upstream_timeout", "upstream_timeout"),
}


def told(error: AlayaError) -> str:
    return f"{error_text(error)} {error!r} {error.candidates}"


def explained(one: Recording, plane: Plane = "data") -> AlayaError:
    return explain(Failure(plane, "status", status=one.status, body=one.body), SUBJECT)


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("status", CODES)
def test_each_status_of_each_plane_has_its_code(status: int, plane: Plane) -> None:
    error = explain(Failure(plane, "status", status=status, body=WORDS.encode(), retry_after_header="7"), SUBJECT)
    code = CODES[status][PLANES.index(plane)]
    assert (error.code, error.plane, error.http_status) == (code, plane, status)
    assert error.retryable == (code in RETRYABLE)
    assert error.retry_after == (7 if error.retryable else None)
    assert error_text(error)


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("status", [400, 408, 413, 422, 429, 500, 502, 503, 504])
def test_upstreams_words_are_quoted_and_marked(status: int, plane: Plane) -> None:
    assert f'Upstream said: "{WORDS}"' in happened(explain_status(plane, status, WORDS, SUBJECT))


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("status", [401, 403])
def test_a_rejected_credential_never_quotes_upstream(status: int, plane: Plane) -> None:
    assert WORDS not in told(explain_status(plane, status, WORDS, SUBJECT))


def test_a_rejected_credential_says_which_key() -> None:
    control, data = (happened(explain_status(plane, 401, None, SUBJECT)) for plane in PLANES)
    assert "ALAYA_ACCESS_KEY and ALAYA_SECRET_KEY" in control
    assert "apikey" not in control
    assert "the deployment's own apikey" in data


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("status", CODES)
def test_a_known_secret_that_upstream_echoes_is_not_told(status: int, plane: Plane) -> None:
    echo = f"model not found: AKplanted SKplanted KEYplanted {'x' * 500}"
    text = told(explain_status(plane, status, echo, SUBJECT))
    assert "planted" not in text
    assert "x" * 300 not in text


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("context_overflow_max_tokens", "5120"),
        ("context_overflow_prompt", "23090"),
        ("context_overflow_prompt_stream", "23090"),
    ],
)
def test_a_recorded_context_overflow_names_both_numbers(name: str, asked: str) -> None:
    error = explained(recording(name))
    assert (error.code, error.http_status, error.retryable) == ("context_too_long", 400, False)
    before_the_quotation = happened(error).partition("Upstream said")[0]
    assert asked in before_the_quotation
    assert "512" in before_the_quotation


@pytest.mark.parametrize("name", ["unknown_model", "unknown_model_stream", "chat_lora_wrong_case", "chat_colon_lora"])
def test_a_recorded_unknown_model_is_not_served(name: str) -> None:
    error = explained(recording(name))
    assert (error.code, error.http_status, error.retryable) == ("model_not_served", 404, False)
    assert "does not exist" in happened(error)


@pytest.mark.parametrize("name", ["unknown_path", "double_slash_path", "models_retrieve"])
def test_a_recorded_404_that_is_not_about_a_model_is_unexpected(name: str) -> None:
    error = explained(recording(name))
    assert (error.code, error.http_status) == ("unexpected_response", 404)


def test_a_recorded_redirect_is_unexpected() -> None:
    error = explained(recording("trailing_slash_path"))
    assert (error.code, error.http_status) == ("unexpected_response", 307)
    assert "redirect" in happened(error)


@pytest.mark.parametrize("name", ["no_key", "wrong_key", "wrong_key_stream"])
def test_a_recorded_401_is_about_the_deployments_key(name: str) -> None:
    error = explained(recording(name))
    assert (error.code, error.plane) == ("credentials_rejected", "data")


@pytest.mark.parametrize("one", [pytest.param(one, id=one.name) for one in refusals() if one.status == 400])
def test_every_other_recorded_400_is_a_rejected_request(one: Recording) -> None:
    code = "context_too_long" if one.name.startswith("context_overflow") else "request_rejected"
    error = explained(one)
    assert error.code == code
    quotation = happened(error).partition('Upstream said: "')[2].removesuffix('".')
    assert 10 < len(quotation) <= 300


def test_sglangs_400_about_an_adapter_is_a_model_not_served() -> None:
    body = b'{"object": "error", "message": "LoRA adapter x is not loaded", "code": 400}'
    assert explain(Failure("data", "status", status=400, body=body), SUBJECT).code == "model_not_served"


def test_the_control_plane_never_speaks_of_contexts_or_models() -> None:
    assert explain_status("control", 400, "maximum context length is 5", SUBJECT).code == "request_rejected"
    assert explain_status("control", 404, "model x not found", SUBJECT).code == "deployment_not_found"


def test_a_deployment_that_is_not_found_is_named_and_where_others_are() -> None:
    error = explain_status("control", 404, None, Subject(SERVICE))
    assert SERVICE in happened(error)
    assert "list_deployments" in error_text(error)


def test_a_list_that_is_not_found_is_no_deployment() -> None:
    error = explain_status("control", 404, "deployment does not exist", Subject(""))
    assert error.code == "unexpected_response"
    assert explain_envelope("control", "deployment does not exist", Subject("")).code == "request_rejected"
    failure = Failure("control", "status", status=500, body=b'{"code": -1, "msg": "deployment does not exist"}')
    assert explain(failure, Subject("")).code == "upstream_unavailable"
    assert "the list of deployments" in happened(explain_status("control", 403, None, Subject("")))


def test_an_html_page_is_not_quoted() -> None:
    failure = Failure("data", "status", status=502, body=b"<html><body>nginx secret page</body></html>")
    assert "nginx" not in told(explain(failure, SUBJECT))


KINDS: dict[Kind, str] = {
    "dns": "upstream_unavailable",
    "tls": "upstream_unavailable",
    "refused": "upstream_unavailable",
    "not_public": "unexpected_response",
    "connect_timeout": "upstream_unavailable",
    "proxy": "not_configured",
    "reset": "upstream_unavailable",
    "timeout": "upstream_timeout",
    "encoding": "unexpected_response",
    "broken_http": "unexpected_response",
    "unusable_url": "unexpected_response",
    "too_large": "unexpected_response",
}


def test_the_table_has_every_kind() -> None:
    assert {*KINDS, "status"} == set(get_args(Kind))


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize(("kind", "code"), KINDS.items())
def test_each_failure_without_a_status_has_its_code(kind: Kind, code: str, plane: Plane) -> None:
    error = explain(Failure(plane, kind), SUBJECT)
    told_by = "control" if kind == "not_public" else plane  # the control plane reports where an engine is
    assert (error.code, error.plane, error.http_status) == (code, told_by, None)
    assert error.retryable == (code in RETRYABLE)
    assert error_text(error)


def test_a_proxy_is_named_only_where_one_is_configured() -> None:
    with_proxy, without = (happened(explain(Failure("data", "reset", proxy=via), SUBJECT)) for via in ("all_proxy", ""))
    assert "the proxy in all_proxy" in with_proxy
    assert "proxy" not in without


@pytest.mark.parametrize(
    ("plane", "message", "code"),
    [
        ("control", "服务不存在", "deployment_not_found"),
        ("control", "deployment not found", "deployment_not_found"),
        ("control", "余额不足", "request_rejected"),
        ("control", None, "request_rejected"),
        ("data", "余额不足", "request_rejected"),
        ("data", "服务不存在", "request_rejected"),
        ("data", None, "request_rejected"),
    ],
)
def test_a_failure_code_under_http_200_is_explained_by_its_words(plane: Plane, message: str | None, code: str) -> None:
    error = explain_envelope(plane, message, SUBJECT)
    assert (error.code, error.plane, error.http_status, error.retryable) == (code, plane, 200, False)
    if code == "request_rejected" and message:
        assert message in happened(error)


def test_a_time_out_is_retryable_and_names_its_budget() -> None:
    error = UpstreamTimeout("no_answer", plane="data", seconds=50)
    assert (error.code, error.retryable, error.plane) == ("upstream_timeout", True, "data")
    assert "50 s" in happened(error)


def test_an_unexpected_answer_is_not_retryable() -> None:
    error = UnexpectedResponse("html_page", plane="control", http_status=200)
    assert (error.code, error.retryable, error.http_status) == ("unexpected_response", False, 200)


def caused(error: httpx2.HTTPError, cause: BaseException) -> httpx2.HTTPError:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (httpx2.ConnectTimeout("x"), "connect_timeout"),
        (httpx2.ConnectError("x"), "refused"),
        (caused(httpx2.ConnectError("x"), socket.gaierror("x")), "dns"),
        (caused(httpx2.ConnectError("x"), ssl.SSLCertVerificationError("x")), "tls"),
        (caused(httpx2.ConnectError("x"), ExceptionGroup("x", [OSError("x"), ConnectionRefusedError()])), "refused"),
        (caused(httpx2.ConnectError("x"), ExceptionGroup("x", [socket.gaierror("x")])), "dns"),
        (httpx2.ProxyError("x"), "proxy"),
        (httpx2.ReadTimeout("x"), "timeout"),
        (httpx2.WriteTimeout("x"), "timeout"),
        (httpx2.ReadError("x"), "reset"),
        (httpx2.WriteError("x"), "reset"),
        (httpx2.RemoteProtocolError("Server disconnected without sending a response."), "reset"),
        (httpx2.RemoteProtocolError("multiple Transfer-Encoding headers"), "broken_http"),
        (httpx2.DecodingError("x"), "encoding"),
        (httpx2.InvalidURL("x"), "unusable_url"),
        (httpx2.UnsupportedProtocol("x"), "unusable_url"),
        (httpx2.LocalProtocolError("x"), "unusable_url"),
    ],
    ids=repr,
)
def test_what_the_http_client_raises_is_classified(raised: httpx2.HTTPError | httpx2.InvalidURL, kind: Kind) -> None:
    assert kind_of(raised) == kind


def test_a_failure_tells_no_body() -> None:
    failure = Failure("data", "status", status=500, body=b"SECRET", retry_after_header="SECRET")
    assert str(failure) == "data plane: status 500"


@given(st.sampled_from(PLANES), st.integers(100, 999), st.binary(max_size=60), st.none() | st.text(max_size=12))
@settings(max_examples=120, deadline=None)
def test_any_status_with_any_body_is_explained(plane: Plane, status: int, body: bytes, retry_after: str | None) -> None:
    error = explain(Failure(plane, "status", status=status, body=body, retry_after_header=retry_after), SUBJECT)
    assert error.http_status == status
    assert happened(error).isprintable()
