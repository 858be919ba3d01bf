"""Faults of the control plane: what it answers in place of a deployment's detail, or leaves out of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import TypeAlias

from alaya_mcp.sandbox.answers import encode
from alaya_mcp.sandbox.faults import CONTROL_STATUSES
from alaya_mcp.sandbox.faults_bodies import FAILURE, PAGE, bomb, drip_json, redirect, write_huge
from alaya_mcp.sandbox.faults_exchange import HTML, JSON, Exchange
from alaya_mcp.sandbox.faults_refusals import AT_ONCE, nginx_page

Show: TypeAlias = Callable[[Exchange], Awaitable[None]]

BAD_URL = "ftp://engine.invalid/"


def _fixed(body: bytes, status: int = 200, content_type: str = JSON, headers: Mapping[str, str] | None = None) -> Show:
    async def show(exchange: Exchange) -> None:
        await exchange.answer(body, content_type, status, headers)

    return show


def _failure(status: int, headers: Mapping[str, str] | None = None) -> Show:
    # API documentation: the envelope. Its words for a status are assumed.
    return _fixed(encode({"code": -1, "msg": HTTPStatus(status).phrase}), status, JSON, headers)


async def _hang(exchange: Exchange) -> None:
    await exchange.hang()


async def _reset(exchange: Exchange) -> None:
    await exchange.reset()


async def _eof(exchange: Exchange) -> None:
    await exchange.close()


async def _redirect(exchange: Exchange) -> None:
    await redirect(exchange, 302)


async def _huge(exchange: Exchange) -> None:
    await write_huge(exchange, JSON, encode({"code": 0, "data": {"serviceId": "three", "status": "running"}}))


CONTROL: Mapping[str, Show] = {
    **{f"control-{status}": _failure(status) for status in CONTROL_STATUSES},
    "control-code": _fixed(encode(FAILURE)),
    # Assumed words, and the code as the string that the documentation's samples show it to be.
    "control-not-found": _fixed(encode({"code": "-1", "msg": "the deployment does not exist"})),
    "control-html": _fixed(PAGE, content_type=HTML),
    "control-gateway-502": _fixed(nginx_page(502), 502, HTML),
    "control-reset": _reset,
    "control-eof": _eof,
    "control-hang": _hang,
    "control-redirect": _redirect,
    "control-huge": _huge,
    "control-endless": drip_json,
    "control-gzip-bomb": bomb,
    "control-no-path": _fixed(encode({"detail": "Not Found"}), 404),
    "control-wrong-shape": _fixed(b"[1,2,3]"),
    "control-empty": _fixed(b""),
    "control-once": _failure(503, AT_ONCE),
}
