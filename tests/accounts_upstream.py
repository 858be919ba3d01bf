"""A control plane that knows one key pair, and refuses others."""

from typing import Final

from tests.upstream import SERVICE, Exchange, Request, Upstream

ACCESS: Final = "AKplanted0123456789"
SECRET: Final = "SKplanted9876543210"


def account_upstream(*, status: int = 200) -> Upstream:
    """An upstream whose lists only this pair may read; another status is for everybody."""

    async def control(request: Request, exchange: Exchange) -> None:
        if status != 200:
            await exchange.answer_json(status, {"code": -1, "msg": "no"})
        elif request.headers["authorization"] != f"plain Credential={ACCESS},Signature={SECRET}":
            await exchange.answer_json(401, {"code": -1, "msg": "unauthorized"})
        else:
            row = {"serviceId": SERVICE, "name": "scripted", "status": "running", "serviceUrl": "http://127.0.0.1:1"}
            await exchange.answer_json(200, {"code": "0", "data": {"count": "1", "rows": [row]}, "msg": ""})

    return Upstream(control=control)
