"""The encoding of a text file: UTF-8, UTF-16 or UTF-32 with a byte order mark, or GB18030, of which GBK is a part."""

import codecs
import io
import re
from typing import BinaryIO, Final

from alaya_mcp.comparison.unusable import Unusable

_CHUNK: Final = 2**20
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as the mark of UTF-16 does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LINES: Final = re.compile(rb"[^\r\n]+")
_LONG: Final = re.compile(rb"[\xe0-\xf4]")
"""Begins three or four bytes of UTF-8, as each Chinese character has them."""
_PAIR: Final = re.compile(rb"[\x81-\xfe][\x30-\xfe]")
_COMMON: Final = 0xA1
"""Both bytes of GB2312's characters are at least this; in other encodings a letter comes after one with an accent."""

_PRIVATE: Final = re.compile("[\ue000-\uf8ff\U000f0000-\U0010ffff]")


def encoding_of(file: BinaryIO, name: str) -> str:
    """Return the encoding of a whole file, which is read to its end in pieces; by it every line can be decoded.

    A file is in GB18030 if it is not UTF-8, though it may have UTF-8's mark, and if it looks like Chinese. Text in
    other encodings may look so too.

    Raises:
        Unusable: it is in no such encoding; names the first line that is not.
    """
    file.seek(0)
    start = file.read(4)
    marked = next((encoding for mark, encoding in _MARKS if start.startswith(mark)), "utf-8")
    wrong = _first_wrong_line(file, marked)
    if wrong is None:
        return marked
    if marked in {"utf-16", "utf-32"}:
        raise Unusable(f"{name} line {wrong}: not {marked.upper()}, as the file's byte order mark says.")
    skipped = len(codecs.BOM_UTF8) if marked == "utf-8-sig" else 0
    if _is_mostly_utf_8(file):
        raise Unusable(f"{name} line {wrong}: not UTF-8, as the file's other lines are.")
    if not _looks_chinese(file, skipped):
        raise Unusable(f"{name} line {wrong}: not UTF-8, nor Chinese in GB18030. Convert the file to UTF-8.")
    if (line := _first_wrong_line(file, "gb18030", skipped)) is not None:
        raise Unusable(f"{name} line {line}: not GB18030, as the file's other lines are. Convert the file to UTF-8.")
    if (line := _first_private_line(file, skipped)) is not None:
        raise Unusable(f"{name} line {line}: neither UTF-8 nor text in GB18030. Convert the file to UTF-8.")
    return "gb18030"


def start_of(file: BinaryIO, encoding: str) -> None:
    """Go to the first character: UTF-8's mark may be before text in another encoding."""
    file.seek(0)
    if encoding == "gb18030" and file.read(3) != codecs.BOM_UTF8:
        file.seek(0)


def _first_wrong_line(file: BinaryIO, encoding: str, start: int = 0) -> int | None:
    """Return the number of the first line that cannot be decoded; None if all can."""
    file.seek(start)
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(), translate=True)
    line = 1
    try:
        while chunk := file.read(_CHUNK):
            line += decoder.decode(chunk).count("\n")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode(encoding, "replace")
        return line + before.replace("\r\n", "\n").replace("\r", "\n").count("\n")
    return None


def _first_private_line(file: BinaryIO, start: int) -> int | None:
    """Return the number of the first line with a character for private use, as Big5's comma is in GB18030."""
    file.seek(start)
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("gb18030")(), translate=True)
    line = 1
    while chunk := file.read(_CHUNK):
        text = decoder.decode(chunk)
        if private := _PRIVATE.search(text):
            return line + text.count("\n", 0, private.start())
        line += text.count("\n")
    return None


def _is_mostly_utf_8(file: BinaryIO) -> bool:
    """Return whether more lines are UTF-8 with long characters than are not UTF-8."""
    right = wrong = 0
    file.seek(0)
    while piece := file.readline(_CHUNK):
        for line in _LINES.findall(piece):
            if line.isascii():
                continue
            try:
                line.decode()
            except UnicodeDecodeError:
                wrong += 1
            else:
                right += _LONG.search(line) is not None
    return right > wrong


def _looks_chinese(file: BinaryIO, start: int) -> bool:
    """Return whether a third of the characters, at least, are of GB2312."""
    common = others = 0
    file.seek(start)
    while piece := file.readline(_CHUNK):
        for pair in _PAIR.findall(piece):
            if pair[0] >= _COMMON and pair[1] >= _COMMON:
                common += 1
            else:
                others += 1
    return common > 0 and common * 2 >= others
