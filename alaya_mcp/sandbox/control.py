"""The control plane: the detail of a deployment and the list of them, read only."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, cast

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from alaya_mcp.sandbox.deployments import STARTING, Deployment
from alaya_mcp.sandbox.exchange import Exchange, envelope, json_response
from alaya_mcp.sandbox.faults.fault import Page
from alaya_mcp.sandbox.faults.shown import ShownFaults
from alaya_mcp.sandbox.fleet import Fleet
from alaya_mcp.sandbox.stats import Stats

ACCESS_KEY: Final = "sandbox-access-key"
SECRET_KEY: Final = "sandbox-secret-key"

_LARGEST_PAGE = 100
_LONGEST_NUMBER = 9
_EXTENSION = "extensions."
_SPELLINGS = {STARTING: "starting", "stoping": "stopping", "stoped": "stopped"}


class ControlPlane:
    """ASGI application for `/api/serverless-infer/v1/{path}`.

    API documentation, authorizations: one header, with the literal scheme `plain` and both halves of the key.
    """

    def __init__(self, fleet: Fleet, stats: Stats, faults: ShownFaults, *, origin: str) -> None:
        self._fleet = fleet
        self._stats = stats
        self._faults = faults
        self._origin = origin
        self._lists = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or nothing to a client that left before it had asked."""
        exchange = Exchange(Request(scope, receive), send)
        path: str = exchange.request.path_params["path"]
        self._stats.count_control_request(path)
        with suppress(ClientDisconnect):
            if not _is_authorized(exchange.request):
                await exchange.answer(envelope(-1, "the access key or the secret key is wrong", 401))
            elif not await self._faults.answer_control(exchange, path):
                await exchange.answer(self._answer(exchange.request, path))

    def _answer(self, request: Request, path: str) -> Response:
        match request.method, path.split("/"):
            case "GET", ["deployment", "list"]:
                return self._list(request.query_params)
            case "GET", ["deployment", service_id]:
                return self._detail(service_id)
            case (("GET" | "HEAD" | "OPTIONS"), _):
                return envelope(-1, "no such path", 404)
            case _, ["deployment", *_]:
                return envelope(-1, "the sandbox is read-only", 403)
            case _:
                return envelope(-1, "no such path", 404)

    def _detail(self, service_id: str) -> Response:
        deployment = self._fleet.find(service_id)
        if deployment is None:
            return envelope(-1, f"deployment {service_id} does not exist", 404)
        looks = self._faults.look(deployment)
        body = self._faults.change_report(deployment, self._describe(deployment), looks=looks)
        # Noted after its status was asked for, so that the first look at a starting deployment always sees it starting.
        self._fleet.look(deployment)
        return json_response(body if deployment.code is None else {"code": deployment.code, "data": body})

    def _describe(self, deployment: Deployment) -> dict[str, object]:
        instances = self._fleet.instances(deployment)
        body = self._common(deployment)
        if deployment.reported_name is None:
            del body["servedName"]
        if deployment.instance_shown:
            body["instance"] = instances and [
                {
                    "instanceId": each.instance_id,
                    "loraModels": each.lora_models if each.reported_lora_models is None else each.reported_lora_models,
                    "baseModelReady": each.base_model_ready,
                }
                for each in instances
            ]
        return body | dict(deployment.fields)

    def _common(self, deployment: Deployment) -> dict[str, object]:
        return {
            "serviceId": deployment.service_id,
            "serviceUrl": f"{self._origin}/serve/{deployment.service_id}{deployment.url_end}",
            deployment.key_field: self._faults.key(deployment),
            "status": self._fleet.status(deployment),
            "vksId": deployment.vks_id,
            "namespace": deployment.namespace,
            "name": deployment.name,
            "modelId": deployment.model_id,
            "servedName": deployment.reported_name,
        }

    def _list(self, query: Mapping[str, str]) -> Response:
        """Answer the list; the documentation shows strings for the code, the count and the served name.

        Assumed: `name` matches a part of the name, `status` is matched in either spelling, `modelType` is the row's
        type, and the other filters match exactly. An empty filter is none, and a page out of range is empty.
        """
        page, size = _number(query.get("page", "1")), _number(query.get("size", "10"))
        if page is None or size is None or size > _LARGEST_PAGE:
            return envelope(-1, f"page and size must be positive, and size at most {_LARGEST_PAGE}", 400)
        rows = [self._row(each) for each in self._fleet.all() if self._matches(each, query)]
        data = self._faults.change_page(Page(rows, page, size, self._lists))
        self._lists += 1
        return data if isinstance(data, Response) else json_response({"code": "0", "data": data, "msg": ""})

    def _row(self, deployment: Deployment) -> dict[str, object]:
        row = self._faults.change_report(deployment, self._common(deployment))
        name = cast("str | Sequence[str] | None", row["servedName"]) or ""
        row["servedName"] = name if isinstance(name, str) else name[0]
        if deployment.key_field in row:
            row["apikey"] = row.pop(deployment.key_field)
        return row | {"type": _type_of(deployment)}

    def _matches(self, deployment: Deployment, query: Mapping[str, str]) -> bool:
        exact = {
            "aidcId": deployment.aidc_id,
            "modelId": deployment.model_id,
            "modelType": _type_of(deployment),
            "vksId": deployment.vks_id,
            "namespace": deployment.namespace,
            "model": deployment.source,
        }
        exact |= {f"{_EXTENSION}{key}": value for key, value in deployment.extensions.items()}
        filters = {key: value for key, value in query.items() if value and (key in exact or key.startswith(_EXTENSION))}
        return (
            all(exact.get(key) == value for key, value in filters.items())
            and query.get("name", "") in deployment.name
            and _spelt(query.get("status", "")) in ("", _spelt(self._fleet.status(deployment)))
        )


def _spelt(status: str) -> str:
    return _SPELLINGS.get(status, status)


def _type_of(deployment: Deployment) -> str:
    return "lora" if deployment.source == "lora" else "base"


def _is_authorized(request: Request) -> bool:
    expected = f"plain Credential={ACCESS_KEY},Signature={SECRET_KEY}"
    return request.headers.get("authorization") == expected


def _number(text: str) -> int | None:
    """Read a positive number of a sensible length; None for anything else."""
    is_number = text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER
    return int(text) or None if is_number else None
