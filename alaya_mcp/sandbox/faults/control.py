"""Faults of the control plane, and of the two lists: of deployments, and of an engine's models."""

from dataclasses import replace
from http import HTTPStatus

from alaya_mcp.sandbox.exchange import JSON, NOT_FOUND, Exchange, encode, envelope, json_response
from alaya_mcp.sandbox.faults.bodies import AT_ONCE, BOMB, DRIP_JSON, EMPTY, FAILURE, PAGE, huge, nginx_page, redirect
from alaya_mcp.sandbox.faults.fault import Fault, Page, Report, reply, send
from alaya_mcp.sandbox.wire import Fields

CONTROL_STATUSES = (400, 401, 403, 404, 408, 429, 500, 502, 503, 504)

_HUGE = encode({"code": 0, "data": {"serviceId": "three", "status": "running"}})
_SECOND = 2
# Ollama's list of its own API, which some gateways pass on as it is; assumed.
_OLLAMA = {"models": [{"name": "qwen3-8b", "model": "qwen3-8b"}]}
_FORBIDDEN = envelope(-1, "this key pair may not list deployments", 403)


def _address(url: str) -> Report:
    return lambda fields, _looks, port: fields | {"serviceUrl": url.format(port=port)}


def _without(*names: str) -> Report:
    return lambda fields, _looks, _port: {name: value for name, value in fields.items() if name not in names}


def _https(fields: Fields, _looks: int, _port: int) -> Fields:
    origin, serve, _ = str(fields["serviceUrl"]).partition("/serve")
    return fields | {"serviceUrl": origin.replace("http:", "https:") + serve}


def _second(page: Page, rows: list[Fields] | None) -> Fields:
    return page.data(rows=rows) if page.number == _SECOND else page.data()


def _growing(page: Page) -> Fields:
    new = [f"sandbox-new-{number}" for number in range(page.before, -1, -1)]
    rows: list[Fields] = [{**row, "serviceId": service_id} for row in page.rows[:1] for service_id in new]
    return replace(page, rows=rows + page.rows).data()


def _repeated_id(page: Page) -> Fields:
    return page.data(rows=[*page.shown, *({**row, "name": "another"} for row in page.shown[:1])])


def _cards(*cards: object) -> Fields:
    return {"object": "list", "data": list(cards)}


# Two lines an entry: name and summary, then its handlers.
# fmt: off
ADDRESSES = (
    Fault("dns", "the service URL's host has no address", report=_address("http://engine.invalid")),
    Fault("tls", "the service URL says https, the port speaks plain http", report=_https),
    Fault("refused", "nothing listens at the service URL's port", report=_address("http://127.0.0.1:{port}/serve")),
)

CONTROL = (
    # API documentation: the envelope. Its words for a status are assumed.
    *(Fault(f"control-{status}", f"{status} in the envelope",
        control=reply(envelope(-1, HTTPStatus(status).phrase, status))) for status in CONTROL_STATUSES),
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
    Fault("control-huge", "a JSON body of more than 8 MiB", control=send(lambda _: huge(_HUGE), JSON)),
    Fault("control-endless", "a JSON body that drips spaces, for ever", control=DRIP_JSON),
    Fault("control-gzip-bomb", "a small compressed body, unasked for, that unpacks to more than 1 GiB", control=BOMB),
    Fault("control-no-path", "404 of a web server that knows no such path", control=reply(NOT_FOUND)),
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
        report=lambda fields, _looks, _port: fields | {"servedName": ["qwen3-8b-renamed"]}),
)

LISTS = (
    Fault("list-int-count", "the count of the list is a number", page=lambda page: page.data(count=len(page.rows))),
    Fault("list-no-count", "the list has no count", page=lambda page: {"rows": page.shown}),
    Fault("list-page-count", "the count of the list is that of the page",
        page=lambda page: page.data(count=str(len(page.shown)))),
    Fault("list-high-count", "the list counts 100 rows that never come",
        page=lambda page: page.data(count=str(len(page.rows) + 100))),
    Fault("list-small-pages", "the list has at most 10 rows a page, whatever size was asked for",
        page=lambda page: replace(page, size=min(page.size, 10)).data()),
    Fault("list-large-pages", "the list has all rows on every page", page=lambda page: page.data(rows=page.rows)),
    Fault("list-empty-page", "the second page of the list is empty", page=lambda page: _second(page, [])),
    Fault("list-null-page", "the second page of the list has null in place of its rows",
        page=lambda page: _second(page, None)),
    Fault("list-growing", "each time a page of the list is asked for, one more deployment is in front", page=_growing),
    Fault("list-junk-rows", "each page of the list ends with rows that are not deployments",
        page=lambda page: page.data(rows=[*page.shown, None, "junk", {"name": "no id"}])),
    Fault("list-repeated-id", "each page of the list ends with the id of its first row, under another name",
        page=_repeated_id),
    Fault("list-same-page", "every page of the list is its first", page=lambda page: replace(page, number=1).data()),
    Fault("list-null-rows", "the list has null in place of its data", page=lambda _: None),
    Fault("list-wrong-shape", "the list has an object in place of its rows", page=lambda page: page.data(rows={})),
    Fault("list-forbidden", "403 for the list alone", page=lambda _: _FORBIDDEN),
)

MODELS = (
    Fault("models-junk", "/v1/models lists words, numbers and null",
        models=lambda _: _cards("qwen3-8b", None, {"id": 7}, {"name": ["x"]})),
    Fault("models-empty", "/v1/models lists nothing", models=lambda _: _cards()),
    Fault("models-part", "/v1/models lists the first model, then what cannot be read",
        models=lambda cards: _cards(*cards[:1], "support-zh", 7)),
    Fault("models-bare", "/v1/models is the list itself, without an object around it", models=lambda cards: cards),
    Fault("models-ollama", "/v1/models has Ollama's shape", models=lambda _: _OLLAMA),
)
# fmt: on
