"""The control plane: the detail of a deployment and the list of them, read only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from starlette.responses import Response

from alaya_mcp.sandbox.deployments import STARTING, Deployment
from alaya_mcp.sandbox.exchange import Exchange, envelope, json_response
from alaya_mcp.sandbox.faults.fault import Page
from alaya_mcp.sandbox.faults.registry import ShownFaults
from alaya_mcp.sandbox.fleet import STARTING_SPELLINGS, Fleet
from alaya_mcp.sandbox.stats import Stats

ACCESS_KEY: Final = "sandbox-access-key"
SECRET_KEY: Final = "sandbox-secret-key"

# API documentation, authorizations: one header, with the literal scheme `plain` and both halves of the key.
_AUTHORIZATION = f"plain Credential={ACCESS_KEY},Signature={SECRET_KEY}"
_LARGEST_PAGE = 100
_LONGEST_NUMBER = 9
_SPELLINGS = {STARTING: "starting", "stoping": "stopping", "stoped": "stopped"}


@dataclass(slots=True)
class ControlPlane:
    """The answers to `/api/serverless-infer/v1/{path}`."""

    fleet: Fleet
    stats: Stats
    faults: ShownFaults
    origin: str
    lists: int = 0

    async def respond(self, exchange: Exchange) -> Response | None:
        """Return the response to send, None if the exchange has been answered."""
        request = exchange.request
        path: str = request.path_params["path"]
        self.stats.count_control_request(path)
        if request.headers.get("authorization") != _AUTHORIZATION:
            return envelope(-1, "the access key or the secret key is wrong", 401)
        if await self.faults.answer_control(exchange, path):
            return None
        match request.method, path.split("/"):
            case "GET", ["deployment", "list"]:
                return self._list(request.query_params)
            case "GET", ["deployment", service_id]:
                return self._detail(service_id)
            case method, ["deployment", *_] if method not in ("GET", "HEAD", "OPTIONS"):
                return envelope(-1, "the sandbox is read-only", 403)
            case _:
                return envelope(-1, "no such path", 404)

    def _detail(self, service_id: str) -> Response:
        deployment = self.fleet.find(service_id)
        if deployment is None:
            return envelope(-1, f"deployment {service_id} does not exist", 404)
        looks = self.faults.memory(deployment).look()
        fields = self._common(deployment)
        if deployment.reported_name is None:
            del fields["servedName"]
        if deployment.instance_shown:
            starts = self.fleet.status(deployment) in STARTING_SPELLINGS
            fields["instance"] = None if starts else [each.reported for each in deployment.instances]
        body = self.faults.report(deployment, fields | dict(deployment.fields), looks)
        # Noted after its status was asked for, so that the first look at a starting deployment always sees it starting.
        self.fleet.look(deployment)
        return json_response(body if deployment.code is None else {"code": deployment.code, "data": body})

    def _common(self, deployment: Deployment) -> dict[str, object]:
        """Return what both the detail and the list report."""
        return {
            "serviceId": deployment.service_id,
            "serviceUrl": f"{self.origin}/serve/{deployment.service_id}{deployment.url_end}",
            deployment.key_field: self.faults.memory(deployment).keys[-1],
            "status": self.fleet.status(deployment),
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
        if not page or not size or size > _LARGEST_PAGE:
            return envelope(-1, f"page and size must be positive, and size at most {_LARGEST_PAGE}", 400)
        rows = [self._row(each) for each in self.fleet.deployments.values() if self._matches(each, query)]
        data = self.faults.everywhere.page(Page(rows, page, size, self.lists))
        self.lists += 1
        return data if isinstance(data, Response) else json_response({"code": "0", "data": data, "msg": ""})

    def _row(self, deployment: Deployment) -> dict[str, object]:
        row = self.faults.report(deployment, self._common(deployment))
        name = cast("str | Sequence[str] | None", row["servedName"]) or ""
        row["servedName"] = name if isinstance(name, str) else name[0]
        if deployment.key_field in row:
            row["apikey"] = row.pop(deployment.key_field)
        return row | {"type": "lora" if deployment.source == "lora" else "base"}

    def _matches(self, deployment: Deployment, query: Mapping[str, str]) -> bool:
        exact = {
            "aidcId": deployment.aidc_id,
            "modelId": deployment.model_id,
            "modelType": "lora" if deployment.source == "lora" else "base",
            "vksId": deployment.vks_id,
            "namespace": deployment.namespace,
            "model": deployment.source,
        }
        exact |= {f"extensions.{key}": value for key, value in deployment.extensions.items()}
        filters = {key: value for key, value in query.items() if key in exact or key.startswith("extensions.")}
        status, wanted = self.fleet.status(deployment), query.get("status", "")
        return (
            all(exact.get(key) == value for key, value in filters.items() if value)
            and query.get("name", "") in deployment.name
            and _SPELLINGS.get(wanted, wanted) in ("", _SPELLINGS.get(status, status))
        )


def _number(text: str) -> int:
    """Read a number of a sensible length; 0 for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER else 0
