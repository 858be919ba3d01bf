"""From the control plane to the first token: what each answer is taken for, over real sockets."""

import socket
from collections.abc import Mapping

import pytest

from alaya_mcp.doctor.check import TITLES
from alaya_mcp.sandbox import Sandbox
from tests.calls import environ_of
from tests.doctor_patient import (
    KEYS,
    Examined,
    Patient,
    account,
    models,
    no_proxies_of_the_developers_own,
)
from tests.upstream import SERVICE, Exchange, Handler, Request, Upstream, replies, says

__all__ = ["no_proxies_of_the_developers_own"]
pytestmark = [pytest.mark.anyio, pytest.mark.quick]

PAGE = (200, b"<html>welcome</html>", "text/html")
ALL_NAMES = models("base", "base-alias", adapters=("lora1",))


def answers(status: int, body: bytes, kind: str) -> Handler:
    async def handler(_: Request, exchange: Exchange) -> None:
        await exchange.answer(status, body, headers={"content-type": kind})

    return handler


async def reset(_: Request, exchange: Exchange) -> None:
    exchange.reset()


async def of_control(handler: Handler, service: str = SERVICE) -> Examined:
    async with Upstream(control=handler) as upstream:
        return await Patient({**upstream.environ, **KEYS}).examined(service)


async def of_account(
    service: str | None = SERVICE,
    lists: Handler | None = None,
    detail: Handler | None = None,
    **changes: str,
) -> Examined:
    """A control plane whose list or details are answered otherwise."""
    async with Upstream(models=ALL_NAMES, chat=replies("yes")) as upstream:
        upstream.control = account(upstream, lists=lists, detail=detail)
        return await Patient({**upstream.environ, **KEYS, **changes}).examined(service)


async def of_engine(
    chat: Handler | None = None,
    listing: Handler = ALL_NAMES,
    model: str | None = None,
    told: Mapping[str, object] | None = None,
) -> Examined:
    """A deployment whose engine answers so, or that is told otherwise."""
    async with Upstream(models=listing, chat=chat or replies("yes")) as upstream:
        upstream.control = account(upstream)
        upstream.deployment |= told or {}
        return await Patient({**upstream.environ, **KEYS}).examined(SERVICE, model=model)


@pytest.mark.parametrize(
    ("handler", "of", "verdict"),
    [
        (answers(*PAGE), "control_plane", "not_the_api"),
        (answers(401, b"<html>log in</html>", "text/html"), "control_plane", "not_the_api"),
        (answers(403, b"<html>blocked</html>", "text/html"), "control_plane", "not_the_api"),
        (answers(302, b"", "text/plain"), "control_plane", "not_the_api"),
        (answers(200, b'{"status": "ok"}', "application/json"), "control_plane", "not_the_api"),
        (answers(200, b"", "application/json"), "control_plane", "not_the_api"),
        (reset, "control_plane", "unreachable"),
        (says(500, {"code": -1}, retry_after="0"), "control_plane", "control_plane_failing"),
        (answers(502, b"<html>Bad Gateway</html>", "text/html"), "control_plane", "control_plane_failing"),
        (says(429, {"code": -1}, retry_after="0"), "control_plane", "rate_limited"),
        (says(401, {"code": -1, "msg": "who?"}), "key", "key_rejected"),
        (says(403, {"code": -1, "msg": "no"}), "key", "key_denied"),
    ],
)
async def test_whoever_answers_in_the_control_planes_place_is_told_apart(
    handler: Handler, of: str, verdict: str
) -> None:
    examined = await of_control(handler)

    assert examined.troubles == [("failed", of, verdict)]
    assert examined.status == 3


@pytest.mark.parametrize("body", [b"nothing here", b'{"detail": "Not Found"}'])
async def test_a_base_url_without_its_path_is_told_as_that(body: bytes) -> None:
    examined = await of_control(answers(404, body, "text/plain"))

    assert examined.troubles == [("failed", "control_plane", "base_url_path")]
    assert "/api/serverless-infer/v1" in examined.check("control_plane").next_step
    assert [check.id for check in examined.checks] == list(TITLES)[1:]
    assert examined.status == 3


async def test_where_the_list_alone_is_missing_the_deployment_is_looked_at_all_the_same() -> None:
    missing = says(404, {"detail": "Not Found"})
    listing = models("base", "base-alias", adapters=("lora1",))
    async with Upstream(models=listing, chat=replies("yes")) as upstream:
        upstream.control = account(upstream, lists=missing)
        examined = await Patient({**upstream.environ, **KEYS}).examined(SERVICE)

    assert examined.troubles == [("warning", "control_plane", "list_missing")]
    assert "If it is right, use the deployment's id" in examined.check("control_plane").next_step
    assert [check.id for check in examined.checks] == list(TITLES)[1:]
    assert examined.verdicts["key"] == "key_accepted"
    assert examined.verdicts["first_token"] == "first_token"


async def test_of_many_deployments_it_is_told_that_there_are_more() -> None:
    rows = [{"serviceId": f"svc-{number}", "name": f"one-{number:02}", "status": "running"} for number in range(13)]
    async with Upstream(control=says(200, {"code": 0, "data": {"count": 13, "rows": rows}})) as upstream:
        examined = await Patient({**KEYS, "ALAYA_BASE_URL": upstream.environ["ALAYA_BASE_URL"]}).examined()

    assert "13 of 13 are running" in examined.check("deployment").found
    assert [fact.value for fact in examined.check("deployment").facts][-1] == "and 3 more"


async def test_a_port_on_which_nobody_listens_is_unreachable() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{bound.getsockname()[1]}/v1"
        examined = await Patient({**KEYS, "ALAYA_BASE_URL": base}).examined()

    assert examined.troubles == [("failed", "control_plane", "unreachable")]
    assert "refused" in examined.check("control_plane").found


async def test_a_list_that_is_forbidden_does_not_end_the_examination() -> None:
    examined = await of_account(lists=says(403, {"code": -1}))

    assert examined.troubles == [("warning", "key", "list_denied")]
    assert examined.verdicts["first_token"] == "first_token"
    assert [check.id for check in examined.checks].index("key") == 7


@pytest.mark.parametrize("answer", [says(200, {"code": -1, "msg": "no list today"}), says(400, {"code": -1})])
async def test_a_list_that_is_refused_is_told_in_upstreams_words_and_does_not_end_it_either(answer: Handler) -> None:
    examined = await of_account(lists=answer)

    assert examined.troubles == [("warning", "key", "list_refused")]


async def test_where_the_list_is_forbidden_the_deployment_tells_about_the_key() -> None:
    rejected = await of_account(lists=says(403, {}), detail=says(401, {}))
    missing = await of_account("nowhere", lists=says(403, {}))
    by_name = await of_account("a name", lists=says(403, {}))

    assert rejected.troubles == [("failed", "key", "key_rejected")]
    assert missing.troubles == [("warning", "key", "list_denied"), ("failed", "deployment", "deployment_not_found")]
    assert by_name.troubles == [("warning", "key", "list_denied"), ("failed", "deployment", "deployment_denied")]


async def test_a_deployment_that_there_is_not_is_told_with_candidates() -> None:
    examined = await of_account("scriptet")
    check = examined.check("deployment")

    assert examined.troubles == [("failed", "deployment", "deployment_not_found")]
    assert [fact.value for fact in check.facts] == ["scripted"]


async def test_a_name_that_two_have_is_ambiguous() -> None:
    rows = [{"serviceId": f"id-{number}", "name": "twin", "status": "running"} for number in range(2)]
    examined = await of_account("twin", lists=says(200, {"code": 0, "data": {"count": 2, "rows": rows}}))

    assert examined.troubles == [("failed", "deployment", "name_ambiguous")]
    assert [fact.value for fact in examined.check("deployment").facts] == ["id-0", "id-1"]


async def test_a_default_that_is_not_found_or_ambiguous_is_to_be_corrected_where_it_is_set() -> None:
    rows = [{"serviceId": f"id-{number}", "name": "twin", "status": "running"} for number in range(2)]
    lists = says(200, {"code": 0, "data": {"count": 2, "rows": rows}})
    wrong = await of_account(None, ALAYA_SERVICE_ID="scriptet")
    twin = await of_account(None, lists, ALAYA_SERVICE_ID="twin")
    asked = await of_account("scriptet", ALAYA_SERVICE_ID="scripted")

    for examined in (wrong, twin):
        step = examined.check("deployment").next_step
        assert step.startswith("Correct ALAYA_SERVICE_ID (or the profile's service_id)")
    assert "ALAYA_SERVICE_ID" not in asked.check("deployment").next_step


async def test_a_reference_that_could_be_nothing_is_told() -> None:
    examined = await of_account("\u200b")

    assert examined.troubles == [("failed", "deployment", "reference_unusable")]


async def test_a_deployment_that_cannot_be_looked_up_is_no_matter_of_its_name() -> None:
    examined = await of_account(detail=says(200, {"code": 0, "data": {}}))

    assert examined.troubles == [("failed", "deployment", "lookup_failed")]


async def test_where_none_is_named_the_running_ones_are_shown() -> None:
    rows = [
        {"serviceId": "id-1", "name": "twin", "status": "running"},
        {"serviceId": "id-2", "name": "twin", "status": "running"},
        {"serviceId": "id-3", "name": "asleep", "status": "stopped"},
    ]
    examined = await of_account(None, lists=says(200, {"data": {"count": 3, "rows": rows}}), ALAYA_SERVICE_ID="")

    assert examined.troubles == []
    assert examined.verdicts["deployment"] == "no_deployment_named"
    assert "2 of 3 are running" in examined.check("deployment").found
    assert "twin (id-2)" in examined.text
    assert "asleep" not in examined.text
    assert "No problem found. Not checked: Deployment, State" in examined.text
    assert examined.status == 0


@pytest.mark.parametrize(
    ("changes", "level", "verdict"),
    [
        ({"status": "staring"}, "warning", "deployment_starting"),
        ({"status": "stoping"}, "failed", "deployment_stopping"),
        ({"status": "stoped"}, "failed", "deployment_stopped"),
        ({"status": "failed"}, "failed", "deployment_failed"),
        ({"status": "hibernating"}, "failed", "unknown_state"),
        ({"instance": []}, "warning", "model_not_loaded"),
        ({"instance": [{"baseModelReady": False}]}, "warning", "model_not_loaded"),
    ],
)
async def test_each_state_has_its_verdict(changes: dict[str, object], level: str, verdict: str) -> None:
    examined = await of_engine(told=changes)

    assert examined.troubles == [(level, "state", verdict)]
    assert examined.check("service_url").verdict == "left_out"


@pytest.mark.parametrize(
    ("changes", "of", "verdict"),
    [
        ({"serviceUrl": None}, "service_url", "service_url_missing"),
        ({"serviceUrl": "ftp://h.invalid"}, "service_url", "service_url_refused"),
        ({"serviceUrl": "http://169.254.169.254/"}, "service_url", "service_url_refused"),
        ({"serviceUrl": "https://engine.invalid/serve"}, "service_url", "engine_dns_failed"),
        ({"apikey": "two words"}, "apikey", "apikey_unusable"),
    ],
)
async def test_an_engine_that_cannot_even_be_asked_is_told_by_why(
    changes: dict[str, object], of: str, verdict: str
) -> None:
    examined = await of_engine(told=changes)

    assert examined.troubles == [("failed", of, verdict)]
    assert ("`nslookup engine.invalid`" in examined.check(of).next_step) is (verdict == "engine_dns_failed")


@pytest.mark.parametrize("fault", ["refused", "tls"])
async def test_an_engine_that_is_not_there_is_told_apart_from_one_without_tls(fault: str) -> None:
    async with Sandbox(token_delay=0, fault=fault) as sandbox:
        examined = await Patient(environ_of(sandbox)).examined()

    verdict = {"refused": "engine_unreachable", "tls": "engine_tls_failed"}[fault]
    assert examined.troubles == [("failed", "service_url", verdict)]


@pytest.mark.parametrize(
    ("listing", "verdict"),
    [
        (reset, "engine_unreachable"),
        (says(503, {}, retry_after="0"), "engine_failing"),
        (answers(502, b"<html>Bad Gateway</html>", "text/html"), "engine_failing"),
    ],
)
async def test_a_gateway_without_an_engine_is_no_engine(listing: Handler, verdict: str) -> None:
    examined = await of_engine(listing=listing, chat=listing)

    assert examined.troubles == [("failed", "service_url", verdict)]


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 502])
async def test_a_gateway_that_lets_chats_alone_through_is_no_trouble(status: int) -> None:
    examined = await of_engine(listing=says(status, {}, retry_after="60"))

    assert examined.status == 0
    assert examined.verdicts["apikey"] == "apikey_accepted"
    assert examined.verdicts["first_token"] == "first_token"


async def test_a_list_of_models_alone_is_no_proof_that_the_apikey_is_taken() -> None:
    async with Sandbox(token_delay=0, fault="rejected-key") as sandbox:
        examined = await Patient(environ_of(sandbox)).examined(chats=False)

    assert examined.verdicts["apikey"] == "apikey_not_refused"
    assert "only a chat shows whether it is accepted" in examined.text


async def test_an_api_key_that_only_a_chat_is_refused_with_is_rejected_all_the_same() -> None:
    async with Sandbox(token_delay=0, fault="rejected-key") as sandbox:
        examined = await Patient(environ_of(sandbox)).examined()

    assert examined.troubles == [("failed", "apikey", "apikey_rejected")]
    assert "listed its models" in examined.check("apikey").found


async def test_an_api_key_that_may_not_and_one_that_there_is_not_are_told_apart() -> None:
    denied = await of_engine(listing=says(403, {}), chat=says(403, {}))
    wanted = await of_engine(listing=says(401, {}), chat=says(401, {}), told={"apikey": None})
    spared = await of_engine(told={"apikey": None})

    assert denied.troubles == [("failed", "apikey", "apikey_denied")]
    assert wanted.troubles == [("failed", "apikey", "apikey_missing")]
    assert spared.troubles == [("warning", "apikey", "apikey_missing")]
    assert spared.verdicts["first_token"] == "first_token"


NO_SUCH_MODEL = says(404, {"error": {"message": "The model `base` does not exist.", "code": 404}})


@pytest.mark.parametrize(
    ("listing", "chat", "troubles"),
    [
        (models("real"), NO_SUCH_MODEL, [("failed", "served_names", "served_name_unknown")]),
        (says(404, {}), NO_SUCH_MODEL, [("failed", "served_names", "served_name_unknown")]),
        (models("base", adapters=("lora1",)), None, [("warning", "served_names", "alias_unknown")]),
        (models("base", "base-alias"), None, [("warning", "served_names", "adapters_differ")]),
        (
            models("base", "base-alias", adapters=("lora1", "new")),
            None,
            [("warning", "served_names", "adapters_differ")],
        ),
        (says(404, {}), None, []),
        (
            answers(*PAGE),
            says(400, {"message": "no"}),
            [("warning", "served_names", "no_model_list"), ("failed", "first_token", "chat_refused")],
        ),
    ],
)
async def test_names_that_only_one_side_tells_are_told_by_what_that_means(
    listing: Handler, chat: Handler | None, troubles: list[tuple[str, str, str]]
) -> None:
    assert (await of_engine(chat, listing)).troubles == troubles


async def test_an_adapter_on_some_instances_only_is_told_with_how_many() -> None:
    one, another = {"baseModelReady": True, "loraModels": ["lora1"]}, {"baseModelReady": True}
    examined = await of_engine(listing=models("base", "base-alias"), told={"instance": [one, another]})

    assert examined.troubles == [("warning", "served_names", "adapter_partly_loaded")]
    assert "lora1 is loaded on 1 of 2 ready instances" in examined.check("served_names").found


async def test_names_that_the_control_plane_does_not_tell_are_the_engines_own() -> None:
    chat = replies("yes", model="own")
    examined = await of_engine(chat, models("own"), told={"servedName": None, "instance": [{"baseModelReady": True}]})

    assert examined.verdicts["served_names"] == "names_from_engine"
    assert examined.status == 0


@pytest.mark.parametrize(
    ("chat", "model", "verdict"),
    [
        (replies("yes"), "lora2", "model_not_served"),
        (reset, None, "no_first_token"),
        (answers(*PAGE), None, "no_first_token"),
        (says(500, {"message": "dead"}), None, "no_first_token"),
        (says(400, {"message": "max_tokens is too small"}), None, "chat_refused"),
        (replies("yes", model="stranger"), None, "answered_by_another"),
        (replies(), None, "empty_answer"),
    ],
)
async def test_each_way_in_which_no_first_token_comes_has_its_verdict(
    chat: Handler, model: str | None, verdict: str
) -> None:
    examined = await of_engine(chat, model=model)

    assert [trouble[1:] for trouble in examined.troubles] == [("first_token", verdict)]


async def test_an_engine_that_limits_the_rate_is_no_failure_and_is_to_be_tried_later() -> None:
    examined = await of_engine(says(429, {"message": "slow down"}, retry_after="3600"))

    assert examined.troubles == [("warning", "first_token", "rate_limited")]
    assert examined.check("first_token").next_step.startswith("Try again later")
    assert examined.status == 1


async def test_the_list_of_deployments_is_asked_for_one_row_where_a_deployment_is_named() -> None:
    async with Upstream(models=ALL_NAMES, chat=replies("yes")) as upstream:
        upstream.control = account(upstream)
        await Patient({**upstream.environ, **KEYS}).examined(SERVICE)
        listed = [request.path for request in upstream.requests if "/deployment/list" in request.path]
        methods = {(request.method, request.path.rpartition("/")[2]) for request in upstream.requests}

    assert [path.partition("?")[2] for path in listed] == ["page=1&size=1"]
    assert {method for method, path in methods if path != "completions"} == {"GET"}
