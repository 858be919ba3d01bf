"""Bodies that are no answer: pages, redirects, and bodies that are too big, endless or damaged."""

import zlib
from collections.abc import Iterator, Mapping

import anyio
from starlette.responses import PlainTextResponse, Response

from alaya_mcp.sandbox.exchange import EVENT_STREAM, HTML, JSON, Exchange, envelope
from alaya_mcp.sandbox.faults.fault import Fault, Show, reply
from alaya_mcp.sandbox.faults.script import Script
from alaya_mcp.sandbox.faults.streams import DRIP_SECONDS

PAGE = Response(
    "<!doctype html>\n<html><head><title>Welcome</title></head><body><h1>Please log in</h1></body></html>\n",
    headers=HTML,
)
FAILURE = envelope(-1, "the service is being maintained")
EMPTY = Response(headers=JSON)

_MIB = 2**20
_BODY_MIB = 9
_EVENT_MIB = 17
_STREAM_MIB = 66
_BOMB_MIB = 1025
_PIECE = b"x" * 2**16
_GZIP = {**JSON, "content-encoding": "gzip"}
_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_BAD_BLOCK = b"\xff" * 64  # of a type that deflate does not know
_RAW_DEFLATE = -15


def redirect(status: int) -> Show:
    """Return the handler that sends the client to another host."""
    return reply(Response(status_code=status, headers={**HTML, "location": "https://elsewhere.invalid/"}))


async def write_huge(
    exchange: Exchange, headers: Mapping[str, str], document: bytes, mebibytes: int = _BODY_MIB
) -> None:
    """Send a document, its first "three" made that much longer, without ever holding all of it."""
    before, _, after = document.partition(b"three")
    await exchange.start(headers)
    await exchange.write(before)
    for _ in range(mebibytes * _MIB // len(_PIECE)):
        await exchange.write(_PIECE)
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
    await exchange.start(_GZIP)
    for piece in pack_spaces(_BOMB_MIB):
        await exchange.write(piece)
    await exchange.end()


def pack_spaces(mebibytes: int) -> Iterator[bytes]:
    """Yield a gzip stream of a JSON object that is almost all spaces, at the cost of compressing one MiB."""
    spaces = b" " * _MIB
    # Flushed so, compressed pieces refer to nothing outside them and can be put together in any number.
    packed = _deflate(spaces, zlib.Z_FULL_FLUSH)
    yield _GZIP_HEAD + _deflate(b"{", zlib.Z_FULL_FLUSH)
    checksum = zlib.crc32(b"{")
    for _ in range(mebibytes):
        checksum = zlib.crc32(spaces, checksum)
        yield packed
    checksum = zlib.crc32(b"}", checksum)
    length = (mebibytes * _MIB + 2) % 2**32
    yield _deflate(b"}", zlib.Z_FINISH) + checksum.to_bytes(4, "little") + length.to_bytes(4, "little")


def _deflate(data: bytes, flush: int) -> bytes:
    packer = zlib.compressobj(wbits=_RAW_DEFLATE)
    return packer.compress(data) + packer.flush(flush)


async def _huge_body(chat: Script) -> None:
    await write_huge(chat, JSON, bytes(chat.whole().body))


async def _huge_event(chat: Script) -> None:
    await write_huge(chat, EVENT_STREAM, b"".join(chat.events()), _EVENT_MIB)


async def _huge_stream(chat: Script) -> None:
    role, first, *rest = chat.events()
    large = first.replace(b'"one"', b'"%b"' % (b"x" * _MIB))
    await chat.start(EVENT_STREAM)
    await chat.write(role)
    for _ in range(_STREAM_MIB):
        await chat.write(large)
    await chat.write(b"".join(rest))
    await chat.end()


async def _endless_body(exchange: Exchange) -> None:
    await exchange.start(JSON, 400)
    await exchange.write(b'{"error":{"message":"')
    while True:
        await exchange.write(_PIECE)


# Two lines an entry at most: how it is called and described, and what it does.
# fmt: off
BODIES = (
    Fault("html-200", "200 with an HTML page", chat=reply(PAGE)),
    Fault("code-minus-1", '200 with the control plane\'s envelope and "code": -1', chat=reply(FAILURE)),
    Fault("empty-200", "200 with no body", chat=reply(EMPTY)),
    Fault("text-200", "200 with plain text", chat=reply(PlainTextResponse("OK\n"))),
    Fault("redirect-302", "302 to another host", chat=redirect(302), refuses=True),
    Fault("redirect-307", "307 to another host", chat=redirect(307), refuses=True),
    Fault("huge-body", "one JSON answer of more than 8 MiB", chat=_huge_body),
    Fault("huge-event", "one event of more than 16 MiB", chat=_huge_event),
    Fault("huge-stream", "events of more than 64 MiB together", chat=_huge_stream),
    Fault("endless-body", "400 with a body that goes on as fast as it is read, for ever",
        chat=_endless_body, refuses=True),
    Fault("endless-json", "200 with a JSON body that drips spaces, for ever", chat=drip_json),
    Fault("gzip-bomb", "a small compressed body, unasked for, that unpacks to more than 1 GiB", chat=bomb),
    Fault("broken-gzip", "200 with a body that is said to be gzip and is not",
        chat=reply(Response(_GZIP_HEAD + _BAD_BLOCK, headers=_GZIP))),
)
# fmt: on
