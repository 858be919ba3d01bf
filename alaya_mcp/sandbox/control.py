"""The control plane: the detail of a deployment and the list of them, read only."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import Response

from alaya_mcp.sandbox.answers import encode
from alaya_mcp.sandbox.deployments import STARTING
from alaya_mcp.sandbox.faults_lists import Ask, list_page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

    from alaya_mcp.sandbox.deployments import Deployment
    from alaya_mcp.sandbox.faults_lists import Row
    from alaya_mcp.sandbox.faults_memory import Faults
    from alaya_mcp.sandbox.fleet import Fleet
    from alaya_mcp.sandbox.stats import Stats

ACCESS_KEY: Final = "sandbox-access-key"
SECRET_KEY: Final = "sandbox-secret-key"

_LARGEST_PAGE = 100
_EXTENSION = "extensions."
_SPELLINGS = {STARTING: "starting", "stoping": "stopping", "stoped": "stopped"}


class ControlPlane:
    """ASGI application for `/api/serverless-infer/v1/{path}`.

    API documentation, authorizations: one header, with the literal scheme `plain` and both halves of the key.
    """

    def __init__(self, fleet: Fleet, stats: Stats, faults: Faults, *, origin: str) -> None:
        self._fleet = fleet
        self._stats = stats
        self._faults = faults
        self._origin = origin
        self._lists = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        self._stats.count_control_request(request.path_params["path"])
        if not _is_authorized(request):
            response = _failure(401, "the access key or the secret key is wrong")
        elif await self._faults.answer_control(request, send, request.path_params["path"]):
            return
        else:
            response = self._answer(request)
        await response(scope, receive, send)

    def _answer(self, request: Request) -> Response:
        path: str = request.path_params["path"]
        match request.method, path.split("/"):
            case "GET", ["deployment", "list"]:
                return self._list(request.query_params)
            case "GET", ["deployment", service_id]:
                return self._detail(service_id)
            case (("GET" | "HEAD" | "OPTIONS"), _):
                return _failure(404, "no such path")
            case _, ["deployment", *_]:
                return _failure(403, "the sandbox is read-only")
            case _:
                return _failure(404, "no such path")

    def _detail(self, service_id: str) -> Response:
        deployment = self._fleet.find(service_id)
        if deployment is None:
            return _failure(404, f"deployment {service_id} does not exist")
        # Asked before noted, so that the first look at a starting deployment always sees it starting.
        body = self._faults.change_detail(deployment, self._describe(deployment))
        self._fleet.look(deployment)
        if deployment.code is None:
            return _json(body)
        return _json({"code": deployment.code, "data": body})

    def _describe(self, deployment: Deployment) -> dict[str, object]:
        instances = self._fleet.instances(deployment)
        body = self._common(deployment)
        if deployment.served_name is not None:
            name = deployment.served_name
            body["servedName"] = name if isinstance(name, str) else list(name)
        if deployment.instance_shown:
            body["instance"] = instances and [
                {
                    "instanceId": each.instance_id,
                    "loraModels": list(each.lora_models if each.told_lora_models is None else each.told_lora_models),
                    "baseModelReady": each.base_model_ready,
                }
                for each in instances
            ]
        return body | dict(deployment.fields)

    def _common(self, deployment: Deployment) -> dict[str, object]:
        return {
            "serviceId": deployment.service_id,
            "serviceUrl": f"{self._origin}/serve/{deployment.service_id}{deployment.url_end}",
            deployment.key_field: deployment.api_key,
            "status": self._fleet.status(deployment),
            "vksId": deployment.vks_id,
            "namespace": deployment.namespace,
            "name": deployment.name,
            "modelId": deployment.model_id,
        }

    def _list(self, query: Mapping[str, str]) -> Response:
        """Answer the list; the documentation shows strings for the code, the count and the served name.

        Assumed: `name` matches a part of the name, `status` is matched in either spelling, `modelType` is the row's
        type, and the other filters match exactly. An empty filter is none, and a page out of range is empty.
        """
        page, size = _number(query.get("page", "1")), _number(query.get("size", "10"))
        if page is None or size is None or size > _LARGEST_PAGE:
            return _failure(400, f"page and size must be positive, and size at most {_LARGEST_PAGE}")
        fault = self._faults.of_the_list
        if fault == "list-forbidden":
            return _failure(403, "this key pair may not list deployments")
        if fault == "list-null-rows":
            return _json({"code": "0", "data": None, "msg": ""})
        rows = [self._row(each) for each in self._fleet.all() if self._matches(each, query)]
        data = list_page(fault, rows, Ask(page, size, self._lists))
        self._lists += 1
        return _json({"code": "0", "data": data, "msg": ""})

    def _row(self, deployment: Deployment) -> Row:
        name = deployment.served_name or ""
        told = self._common(deployment) | {"servedName": name if isinstance(name, str) else name[0]}
        row = self._faults.change_row(deployment, told)
        if deployment.key_field in row:
            row["apikey"] = row.pop(deployment.key_field)
        row["type"] = _type_of(deployment)
        return row

    def _matches(self, deployment: Deployment, query: Mapping[str, str]) -> bool:
        status = self._fleet.status(deployment)
        exact = {
            "aidcId": deployment.aidc_id,
            "modelId": deployment.model_id,
            "modelType": _type_of(deployment),
            "vksId": deployment.vks_id,
            "namespace": deployment.namespace,
            "model": deployment.source,
        }
        extensions = {key[len(_EXTENSION) :]: value for key, value in query.items() if key.startswith(_EXTENSION)}
        return (
            all(query.get(key) in (None, "", value) for key, value in exact.items())
            and query.get("name", "") in deployment.name
            and _spelt(query.get("status", "")) in ("", _spelt(status))
            and all(value in ("", deployment.extensions.get(key)) for key, value in extensions.items())
        )


def _spelt(status: str) -> str:
    return _SPELLINGS.get(status, status)


def _type_of(deployment: Deployment) -> str:
    return "lora" if deployment.source == "lora" else "base"


def _is_authorized(request: Request) -> bool:
    expected = f"plain Credential={ACCESS_KEY},Signature={SECRET_KEY}"
    given = request.headers.get("authorization", "")
    return secrets.compare_digest(given.encode(errors="replace"), expected.encode())


def _number(text: str) -> int | None:
    """Read a positive number of a sensible length; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 and int(text) else None  # noqa: PLR2004 - any bound will do


def _failure(status: int, reason: str) -> Response:
    return _json({"code": -1, "msg": reason}, status)


def _json(body: object, status: int = 200) -> Response:
    return Response(encode(body), status, media_type="application/json")
