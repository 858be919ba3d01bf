"""Faults of the control plane: what it answers in place of a detail, or reports wrongly of a deployment."""

from collections.abc import Callable
from http import HTTPStatus

from alaya_mcp.sandbox.exchange import Exchange, encode, envelope, json_response
from alaya_mcp.sandbox.faults.bodies import BOMB, DRIP_JSON, EMPTY, FAILURE, PAGE, huge, redirect, send
from alaya_mcp.sandbox.faults.fault import Fault, Fields, Report, reply
from alaya_mcp.sandbox.faults.refusals import AT_ONCE, nginx_page

CONTROL_STATUSES = (400, 401, 403, 404, 408, 429, 500, 502, 503, 504)

_HUGE = encode({"code": 0, "data": {"serviceId": "three", "status": "running"}})


def _address(url: str) -> Callable[[Report], Fields]:
    return lambda report: report.fields | {"serviceUrl": url.format(port=report.closed_port)}


def _without(*names: str) -> Callable[[Report], Fields]:
    return lambda report: {name: value for name, value in report.fields.items() if name not in names}


def _https(report: Report) -> Fields:
    origin, serve, _ = str(report.fields["serviceUrl"]).partition("/serve")
    return report.fields | {"serviceUrl": origin.replace("http:", "https:") + serve}


# Two lines an entry: name and summary, then its handlers.
# fmt: off
ADDRESSES = (
    Fault("dns", "the service URL's host has no address", report=_address("http://engine.invalid")),
    Fault("tls", "the service URL says https, the port speaks plain http", report=_https),
    Fault("refused", "nothing listens at the service URL's port", report=_address("http://127.0.0.1:{port}/serve")),
)

CONTROL = (
    *(
        # API documentation: the envelope. Its words for a status are assumed.
        Fault(
            f"control-{status}",
            f"{status} in the envelope",
            control=reply(envelope(-1, HTTPStatus(status).phrase, status)),
        )
        for status in CONTROL_STATUSES
    ),
    Fault("control-code", '200 with "code": -1', control=reply(FAILURE)),
    # Assumed words, and the code as the string that the documentation's samples show it to be.
    Fault("control-not-found", '200 with "code": "-1" and the words that the deployment does not exist',
        control=reply(envelope("-1", "the deployment does not exist"))),
    Fault("control-html", "200 with an HTML page", control=reply(PAGE)),
    Fault("control-gateway-502", "502 with a gateway's HTML page", control=reply(nginx_page(502))),
    Fault("control-reset", "resets the connection before any byte of an answer", control=Exchange.reset),
    Fault("control-eof", "closes the connection before any byte of an answer", control=Exchange.close),
    Fault("control-hang", "reads the request and never answers", control=Exchange.hang),
    Fault("control-redirect", "302 to another host", control=redirect(302)),
    Fault("control-huge", "a JSON body of more than 8 MiB", control=send(lambda _: huge(_HUGE))),
    Fault("control-endless", "a JSON body that drips spaces, for ever", control=DRIP_JSON),
    Fault("control-gzip-bomb", "a small compressed body, unasked for, that unpacks to more than 1 GiB", control=BOMB),
    Fault("control-no-path", "404 of a web server that knows no such path",
        control=reply(json_response({"detail": "Not Found"}, 404))),
    Fault("control-wrong-shape", "200 with a JSON list", control=reply(json_response([1, 2, 3]))),
    Fault("control-empty", "200 with no body", control=reply(EMPTY)),
    Fault("control-once", "503 with Retry-After: 0 for the first request, then the detail",
        control=reply(envelope(-1, HTTPStatus(503).phrase, 503, AT_ONCE)), once=True),
    Fault("control-no-url", "a detail without serviceUrl", report=_without("serviceUrl")),
    Fault("control-bad-url", "a detail whose serviceUrl is not an http address",
        report=_address("ftp://engine.invalid/")),
    Fault("control-no-key", "a detail without a key, of an engine that wants none",
        report=_without("apikey", "apiKey"), accepts=lambda _memory, _key, _chatting: True),
    Fault("wrong-served-name", "a detail with a served name that the engine does not have",
        report=lambda report: report.fields | {"servedName": ["qwen3-8b-renamed"]}),
)
# fmt: on
