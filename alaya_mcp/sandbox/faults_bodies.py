"""Bodies that are no answer: pages, redirects, and bodies that are too big, endless or damaged."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

import anyio

from alaya_mcp.sandbox.answers import encode
from alaya_mcp.sandbox.faults_exchange import EVENT_STREAM, HTML, JSON, TEXT, Exchange
from alaya_mcp.sandbox.faults_streams import DRIP_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alaya_mcp.sandbox.faults_script import Script

Show: TypeAlias = Callable[[Exchange, "Script"], Awaitable[None]]

MIB = 2**20
ELSEWHERE = "https://elsewhere.invalid/"
PAGE = b"<!doctype html>\n<html><head><title>Welcome</title></head><body><h1>Please log in</h1></body></html>\n"
FAILURE = {"code": -1, "msg": "the service is being maintained"}

_BODY_MIB = 9
_EVENT_MIB = 17
_STREAM_MIB = 66
_BOMB_MIB = 1025
_PIECE = 2**16
_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_RAW_DEFLATE = -15


async def redirect(exchange: Exchange, status: int) -> None:
    """Send the client to another host."""
    await exchange.answer(b"", HTML, status, {"location": ELSEWHERE})


async def write_huge(exchange: Exchange, content_type: str, document: bytes, mebibytes: int = _BODY_MIB) -> None:
    """Send a document, its first "three" made that much longer, without ever holding all of it."""
    before, _, after = document.partition(b"three")
    await exchange.start(content_type)
    await exchange.write(before)
    for _ in range(mebibytes * MIB // _PIECE):
        await exchange.write(b"x" * _PIECE)
    await exchange.write(after)
    await exchange.end()


async def drip_json(exchange: Exchange) -> None:
    """Send JSON that always has one more space."""
    await exchange.start(JSON)
    await exchange.write(b"{")
    while True:
        await exchange.write(b" ")
        await anyio.sleep(DRIP_SECONDS)


async def bomb(exchange: Exchange) -> None:
    """Send JSON of 1025 MiB in one MiB of gzip, which nobody had asked for."""
    await exchange.start(JSON, headers={"content-encoding": "gzip"})
    for piece in pack_spaces(_BOMB_MIB):
        await exchange.write(piece)
    await exchange.end()


def pack_spaces(mebibytes: int) -> Iterator[bytes]:
    """Give a gzip stream of a JSON object that is almost all spaces, at the cost of compressing one MiB."""
    spaces = b" " * MIB
    # Flushed so, compressed pieces refer to nothing outside them and can be put together in any number.
    packed = _deflate(spaces, zlib.Z_FULL_FLUSH)
    yield _GZIP_HEAD + _deflate(b"{", zlib.Z_FULL_FLUSH)
    checksum = zlib.crc32(b"{")
    for _ in range(mebibytes):
        checksum = zlib.crc32(spaces, checksum)
        yield packed
    checksum = zlib.crc32(b"}", checksum)
    length = (mebibytes * MIB + 2) % 2**32
    yield _deflate(b"}", zlib.Z_FINISH) + checksum.to_bytes(4, "little") + length.to_bytes(4, "little")


def _deflate(data: bytes, flush: int) -> bytes:
    packer = zlib.compressobj(wbits=_RAW_DEFLATE)
    return packer.compress(data) + packer.flush(flush)


def _fixed(body: bytes, content_type: str, headers: Mapping[str, str] | None = None) -> Show:
    async def show(exchange: Exchange, _script: Script) -> None:
        await exchange.answer(body, content_type, headers=headers)

    return show


def _redirect(status: int) -> Show:
    async def show(exchange: Exchange, _script: Script) -> None:
        await redirect(exchange, status)

    return show


async def _huge_body(exchange: Exchange, script: Script) -> None:
    await write_huge(exchange, JSON, script.whole())


async def _huge_event(exchange: Exchange, script: Script) -> None:
    await write_huge(exchange, EVENT_STREAM, b"".join(script.events()), _EVENT_MIB)


async def _huge_stream(exchange: Exchange, script: Script) -> None:
    role, first, *rest = script.events()
    large = first.replace(b'"one"', b'"%b"' % (b"x" * MIB))
    await exchange.start(EVENT_STREAM)
    await exchange.write(role)
    for _ in range(_STREAM_MIB):
        await exchange.write(large)
    await exchange.write(b"".join(rest))
    await exchange.end()


async def _endless_body(exchange: Exchange, _script: Script) -> None:
    await exchange.start(JSON, 400)
    await exchange.write(b'{"error":{"message":"')
    while True:
        await exchange.write(b"x" * _PIECE)


async def _endless_json(exchange: Exchange, _script: Script) -> None:
    await drip_json(exchange)


async def _gzip_bomb(exchange: Exchange, _script: Script) -> None:
    await bomb(exchange)


BODIES: Mapping[str, Show] = {
    "html-200": _fixed(PAGE, HTML),
    "code-minus-1": _fixed(encode(FAILURE), JSON),
    "empty-200": _fixed(b"", JSON),
    "text-200": _fixed(b"OK\n", TEXT),
    "redirect-302": _redirect(302),
    "redirect-307": _redirect(307),
    "huge-body": _huge_body,
    "huge-event": _huge_event,
    "huge-stream": _huge_stream,
    "endless-body": _endless_body,
    "endless-json": _endless_json,
    "gzip-bomb": _gzip_bomb,
    # An empty block type that deflate does not know.
    "broken-gzip": _fixed(_GZIP_HEAD + b"\xff" * 64, JSON, {"content-encoding": "gzip"}),
}
