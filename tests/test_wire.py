"""What the control plane sends, in every documented spelling, and what it should not send."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alaya_mcp.deployment.views import deployment_result, lora_list_result
from alaya_mcp.deployment.wire import Deployment, EnvelopeFailure, WrongShape, normalised_status, parse_deployment


def parse(**fields: object) -> Deployment:
    return parse_deployment(json.dumps({"code": 0, "data": {"serviceId": "s", **fields}}).encode())


@pytest.mark.parametrize(
    "envelope",
    [
        pytest.param({"code": 0, "data": {"serviceId": "s"}, "msg": ""}, id="code 0"),
        pytest.param({"code": "0", "data": {"serviceId": "s"}}, id="code as text"),
        pytest.param({"data": {"serviceId": "s"}}, id="no code"),
        pytest.param({"serviceId": "s", "baseServiceId": "b"}, id="no envelope"),
    ],
)
def test_a_deployment_is_read_with_and_without_its_envelope(envelope: dict[str, Any]) -> None:
    assert parse_deployment(json.dumps(envelope).encode()).service_id == "s"
    assert parse_deployment(b"\xef\xbb\xbf " + json.dumps(envelope).encode()).service_id == "s"


@pytest.mark.parametrize(
    "answer",
    [
        {"code": -1, "msg": "服务不存在"},
        {"code": "-1", "msg": "服务不存在", "data": None},
        {"code": -1, "msg": "服务不存在", "data": {}},
        {"code": -1, "msg": "服务不存在", "data": {"serviceId": "s"}},
        {"code": -1, "msg": "服务不存在", "status": "failed"},
    ],
    ids=["no data", "text code", "empty data", "data all the same", "a status beside it"],
)
def test_a_failure_code_is_a_failure_with_its_words(answer: dict[str, Any]) -> None:
    with pytest.raises(EnvelopeFailure) as raised:
        parse_deployment(json.dumps(answer).encode())
    assert raised.value.message == "服务不存在"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>portal</html>",
        b"not json",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"code": 0}',
        b'{"code": 0, "data": null}',
        b'{"code": 0, "data": []}',
        b'{"code": 0, "data": "x"}',
        b'{"code": 0, "data": {}}',
        b'{"code": 0, "data": {"rows": [], "count": 0}}',
        b"[" * 100_000,
        b'{"code": 0, "data": {"serviceId": "\xff',
    ],
    ids=lambda body: repr(body[:24]),
)
def test_a_body_without_a_deployment_has_the_wrong_shape(body: bytes) -> None:
    with pytest.raises(WrongShape):
        parse_deployment(body)


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"apikey": "K1"}, "K1"),
        ({"apiKey": "K1"}, "K1"),
        ({"apikey": " K1\n"}, "K1"),
        ({"apikey": "", "apiKey": "K1"}, "K1"),
        ({"apikey": None, "apiKey": "K1"}, "K1"),
        ({"apikey": " ", "apiKey": "K1"}, "K1"),
        ({"apikey": ""}, None),
        ({"apikey": None}, None),
        ({"apikey": ["K1"]}, None),
        ({}, None),
    ],
    ids=repr,
)
def test_the_key_is_read_in_both_spellings(fields: dict[str, object], key: str | None) -> None:
    api_key = parse(**fields).api_key
    assert (api_key.get_secret_value() if api_key else None) == key


SERVED_NAMES: list[tuple[Any, list[str]]] = [
    (["a", "b"], ["a", "b"]),
    (["a", "b", "a"], ["a", "b"]),
    ("a", ["a"]),
    (["a", None, {}, ["x"], ""], ["a"]),
    ("", []),
    (None, []),
    ({}, []),
    ([], []),
]


@pytest.mark.parametrize(("sent", "names"), SERVED_NAMES, ids=repr)
def test_served_names_come_as_a_list_or_a_text(sent: object, names: list[str]) -> None:
    assert parse(servedName=sent).served_names == names
    assert parse().served_names == []


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        ("starting", "starting"),
        ("staring", "starting"),
        ("running", "running"),
        ("stopping", "stopping"),
        ("stoping", "stopping"),
        ("stopped", "stopped"),
        ("stoped", "stopped"),
        ("failed", "failed"),
        ("RUNNING", "running"),
        (" Stoped ", "stopped"),
        ("paused", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_a_state_is_normalised_its_misspellings_too(raw: str | None, status: str) -> None:
    assert normalised_status(raw) == status
    assert parse(status=raw).status == status


@pytest.mark.parametrize(
    ("fields", "tells"),
    [({}, False), ({"instance": None}, True), ({"instance": []}, True), ({"instance": {}}, True)],
    ids=["absent", "null", "empty", "no list"],
)
def test_no_instances_and_none_told_are_two_things(fields: dict[str, object], *, tells: bool) -> None:
    deployment = parse(**fields)
    assert deployment.reports_instances == tells
    assert deployment.instances == []


@pytest.mark.parametrize(
    ("sent", "number"),
    [
        (8, 8),
        ("8", 8),
        (" 8 ", 8),
        ("8.0", 8),
        (0.5, 0.5),
        ("0.5", 0.5),
        (-1, -1),
        ("16Gi", "16Gi"),
        ("required,int", "required,int"),
        ("nan", "nan"),
        ("", None),
        (None, None),
        (True, None),
        ([8], None),
        ({}, None),
    ],
    ids=repr,
)
def test_a_number_is_read_as_number_or_text_and_kept_as_sent_where_it_is_none(sent: object, number: object) -> None:
    quick_start = parse(quickStart={"resource": {"cpu": sent}}).quick_start
    assert quick_start is not None
    assert quick_start.resource is not None
    assert quick_start.resource.cpu == number
    assert isinstance(quick_start.resource.cpu, type(number))


@pytest.mark.parametrize("literal", ["1" + "0" * 400, "-1" + "0" * 400, "1e400", "-Infinity", "NaN"])
def test_a_number_beyond_counting_does_not_spoil_the_deployment(literal: str) -> None:
    body = '{"serviceId": "s", "scale": {"min": 0}, "quickStart": {"resource": {"workers": 0}}}'.replace("0", literal)
    assert parse_deployment(body.encode()).service_id == "s"


@pytest.mark.parametrize(
    ("sent", "read_only"),
    [
        (True, True),
        ("true", True),
        ("TRUE", True),
        ("1", True),
        (False, False),
        ("false", False),
        (0, False),
        ("", None),
    ],
    ids=repr,
)
def test_read_only_comes_as_boolean_or_text(sent: object, *, read_only: bool | None) -> None:
    expert = parse(expert={"headConfig": {"pvcMounts": [{"pvcName": "p", "readOnly": sent}]}}).expert
    assert expert is not None
    assert expert.head is not None
    assert expert.head.mounts[0].read_only is read_only


@pytest.mark.parametrize("spelling", ["backendArgs", "backenArgs"])
def test_backend_args_are_read_in_both_spellings(spelling: str) -> None:
    quick_start = parse(quickStart={"backend": "vllm", spelling: ["--port", "80"]}).quick_start
    assert quick_start is not None
    assert quick_start.backend_args == ["--port", "80"]


@pytest.mark.parametrize(
    "absent", [{}, {"headConfig": None, "workerConfig": None}, {"headConfig": [], "workerConfig": 3}]
)
def test_missing_configs_count_as_absent(absent: dict[str, object]) -> None:
    expert = parse(expert=absent, quickStart=None).expert
    assert expert is not None
    assert (expert.head, expert.worker) == (None, None)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(10**300, 10**330) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)


def shaped(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object with any of these fields, or anything else in its place."""
    return st.fixed_dictionaries({}, optional={name: anything | value for name, value in fields.items()}) | anything


resource = shaped(cpu=anything, mem=anything, workers=anything, gpu=shaped(gpuType=anything, count=st.integers(0, 8)))
words = st.lists(st.sampled_from(["vllm", "--port", "80", "A=1 sglang", "--api-key='x"]) | anything, max_size=4)
node = shaped(
    image=st.just("u:p@r/vllm:1"),
    imagePullSecret=shaped(registry=anything, username=anything),
    workers=anything,
    labels=anything,
    env=st.lists(shaped(name=anything), max_size=2),
    cmd=words,
    args=words,
    resource=resource,
    pvcMounts=st.lists(shaped(pvcName=anything, readOnly=anything), max_size=2),
)
instance = shaped(
    instanceId=anything, loraModels=st.lists(st.just("lora1") | anything, max_size=2), baseModelReady=st.booleans()
)
deployments = st.fixed_dictionaries(
    {"serviceId": anything},
    optional={
        "serviceUrl": st.just("http://[") | anything,
        "apikey": anything,
        "status": st.just("running") | anything,
        "instance": st.lists(instance, max_size=2) | anything,
        "name": anything,
        "servedName": st.lists(st.text(max_size=3), max_size=2) | anything,
        "baseServiceId": anything,
        "quickStart": shaped(backend=st.just("sglang"), backendArgs=words, resource=resource),
        "expert": shaped(headConfig=node, workerConfig=node, scale=shaped(min=anything)),
        "scale": anything,
    },
)


@given(deployments)
@settings(max_examples=100, deadline=None)
def test_whatever_a_deployment_holds_it_is_read_and_shown(fields: dict[str, object]) -> None:
    deployment = parse_deployment(json.dumps({"code": 0, "data": fields}).encode())
    for result in (deployment_result(deployment, "s"), lora_list_result(deployment, "s")):
        assert json.loads(result.model_dump_json(exclude_none=True))["service_id"]


@given(anything | deployments | st.fixed_dictionaries({}, optional={"code": anything, "data": anything | deployments}))
@settings(max_examples=100, deadline=None)
def test_any_json_is_a_deployment_or_a_named_failure(answer: object) -> None:
    try:
        deployment = parse_deployment(json.dumps(answer).encode())
    except (WrongShape, EnvelopeFailure):
        return
    assert isinstance(answer, dict)
    assert deployment_result(deployment, "s").summary


@given(st.binary(max_size=40))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_a_deployment_or_a_named_failure(body: bytes) -> None:
    with pytest.raises((WrongShape, EnvelopeFailure)):
        parse_deployment(body)
