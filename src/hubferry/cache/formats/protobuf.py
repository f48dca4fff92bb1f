"""Walk protocol buffers without a schema: which field, where it begins and ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubferry.cache.formats.cursor import Cursor
from hubferry.cache.formats.flaw import Evidence, FlawError
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10


def examine(file: BinaryIO, size: int) -> Evidence:
    """Prove that the fields of `file` fill its `size` bytes.

    Raises:
        FlawError: They do not.
    """
    for _field in fields(Cursor(file, size), size):
        pass
    return Evidence.PROVEN


def fields(cursor: Cursor, end: int) -> Iterator[tuple[int, int]]:
    """Yield the number and the end of each field of bytes up to `end`; the cursor stands at its begin.

    The caller may read into a field; the walk goes on behind it. Other fields are stepped over.

    Raises:
        FlawError: A field goes past `end`, or is none.
    """
    while cursor.position < end:
        key = _varint(cursor)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            _varint(cursor)
        elif wire in (_FIXED64, _FIXED32):
            cursor.skip(8 if wire == _FIXED64 else 4)
        elif wire == _BYTES and number:
            stop = _varint(cursor) + cursor.position
            if stop > end:
                raise FlawError(_("is cut off in the middle of a field"))
            yield number, stop
            cursor.skip(stop - cursor.position)
        else:
            raise FlawError(_("has a field that makes no sense"))
    if cursor.position != end:
        raise FlawError(_("is cut off in the middle of a field"))


def _varint(cursor: Cursor) -> int:
    value = 0
    for index in range(_LONGEST_VARINT):
        byte = cursor.take(1)[0]
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:  # noqa: PLR2004  # the bit that says "more follows"
            return value
    raise FlawError(_("has a field that makes no sense"))
