"""Bodies that are not an answer: pages, redirects, and bodies that are too big, endless or damaged."""

import zlib
from collections.abc import Iterator
from itertools import chain, repeat

from starlette.responses import PlainTextResponse, Response

from alaya_mcp.sandbox.exchange import EVENT_STREAM, HTML, JSON, Exchange, envelope
from alaya_mcp.sandbox.faults.fault import Fault, Script, Show, reply, send
from alaya_mcp.sandbox.faults.streams import DRIP_SECONDS

PAGE = Response(
    "<!doctype html>\n<html><head><title>Welcome</title></head><body><h1>Please log in</h1></body></html>\n",
    headers=HTML,
)
FAILURE = envelope(-1, "the service is being maintained")
EMPTY = Response(headers=JSON)

_MIB = 2**20
_PIECE = b"x" * 2**16
_GZIP = {**JSON, "content-encoding": "gzip"}
_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_BAD_BLOCK = b"\xff" * 64  # of a type that deflate does not know
_RAW_DEFLATE = -15


def redirect(status: int) -> Show[Exchange]:
    """Return the handler that sends the client to another host."""
    return reply(Response(status_code=status, headers={**HTML, "location": "https://elsewhere.invalid/"}))


def huge(document: bytes, mebibytes: int = 9) -> Iterator[bytes]:
    """Yield a document, its first "three" made that much longer, without ever holding all of it."""
    before, _, after = document.partition(b"three")
    yield from (before, *repeat(_PIECE, mebibytes * _MIB // len(_PIECE)), after)


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


def _huge_stream(chat: Script) -> Iterator[bytes]:
    role, first, *rest = chat.events()
    large = first.replace(b'"one"', b'"%b"' % (b"x" * _MIB))
    return chain((role,), repeat(large, 66), (b"".join(rest),))


DRIP_JSON: Show[Exchange] = send(lambda _: chain((b"{",), repeat(b" ")), JSON, delay=DRIP_SECONDS)
# 1025 MiB of JSON in one MiB.
BOMB: Show[Exchange] = send(lambda _: pack_spaces(1025), _GZIP)

# Two lines an entry: name and summary, then its handlers.
# fmt: off
BODIES = (
    Fault("html-200", "200 with an HTML page", chat=reply(PAGE)),
    Fault("code-minus-1", '200 with the control plane\'s envelope and "code": -1', chat=reply(FAILURE)),
    Fault("empty-200", "200 with no body", chat=reply(EMPTY)),
    Fault("text-200", "200 with plain text", chat=reply(PlainTextResponse("OK\n"))),
    Fault("redirect-302", "302 to another host", chat=redirect(302), refuses=True),
    Fault("redirect-307", "307 to another host", chat=redirect(307), refuses=True),
    Fault("huge-body", "one JSON answer of more than 8 MiB",
        chat=send(lambda chat: huge(bytes(chat.whole().body)), JSON)),
    Fault("huge-event", "one event of more than 16 MiB",
        chat=send(lambda chat: huge(b"".join(chat.events()), 17), EVENT_STREAM)),
    Fault("huge-stream", "events of more than 64 MiB together", chat=send(_huge_stream, EVENT_STREAM)),
    Fault("endless-body", "400 with a body that goes on as fast as it is read, for ever",
        chat=send(lambda _: chain((b'{"error":{"message":"',), repeat(_PIECE)), JSON, status=400), refuses=True),
    Fault("endless-json", "200 with a JSON body that drips spaces, for ever", chat=DRIP_JSON),
    Fault("gzip-bomb", "a small compressed body, unasked for, that unpacks to more than 1 GiB", chat=BOMB),
    Fault("broken-gzip", "200 with a body that is said to be gzip and is not",
        chat=reply(Response(_GZIP_HEAD + _BAD_BLOCK, headers=_GZIP))),
)
# fmt: on
