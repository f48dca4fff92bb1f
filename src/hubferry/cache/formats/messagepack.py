"""Walk a MessagePack file, as Flax keeps weights, to its end; the format is that of msgpack.org."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubferry.cache.formats.cursor import Cursor
from hubferry.cache.formats.flaw import Evidence, FlawError
from hubferry.i18n import _

if TYPE_CHECKING:
    from typing import BinaryIO

# Type byte → bytes of a length that follows, and bytes that come besides.
_COUNTED = {
    0xC4: (1, 0),
    0xC5: (2, 0),
    0xC6: (4, 0),
    0xC7: (1, 1),
    0xC8: (2, 1),
    0xC9: (4, 1),
    0xD9: (1, 0),
    0xDA: (2, 0),
    0xDB: (4, 0),
}
_FIXED = {
    0xC0: 0,
    0xC2: 0,
    0xC3: 0,
    0xCA: 4,
    0xCB: 8,
    0xCC: 1,
    0xCD: 2,
    0xCE: 4,
    0xCF: 8,
    0xD0: 1,
    0xD1: 2,
    0xD2: 4,
    0xD3: 8,
    0xD4: 2,
    0xD5: 3,
    0xD6: 5,
    0xD7: 9,
    0xD8: 17,
}
# Type byte → bytes of a count that follows, and items that each of it stands for.
_NESTED = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}


def examine(file: BinaryIO, size: int) -> Evidence:
    """Prove that `file`, of `size` bytes, holds one whole value and nothing else.

    Raises:
        FlawError: It does not.
    """
    cursor = Cursor(file, size)
    waiting = 1
    while waiting:
        waiting += _items(cursor, cursor.take(1)[0]) - 1
    if cursor.position != size:
        raise FlawError(_("has {extra} bytes after its last tensor").format(extra=size - cursor.position))
    return Evidence.PROVEN


def _items(cursor: Cursor, kind: int) -> int:
    """Step over what is not a container; return how many items a container has."""
    if kind < 0x80 or kind >= 0xE0:  # noqa: PLR2004  # small numbers
        return 0
    if kind < 0xA0:  # noqa: PLR2004  # small maps and arrays
        return (kind & 0x0F) * (2 if kind < 0x90 else 1)  # noqa: PLR2004  # maps come first
    if kind < 0xC0:  # noqa: PLR2004  # short text
        cursor.skip(kind & 0x1F)
    elif kind in _COUNTED:
        width, besides = _COUNTED[kind]
        cursor.skip(int.from_bytes(cursor.take(width), "big") + besides)
    elif kind in _NESTED:
        width, each = _NESTED[kind]
        return int.from_bytes(cursor.take(width), "big") * each
    elif kind in _FIXED:
        cursor.skip(_FIXED[kind])
    else:
        raise FlawError(_("has a field that makes no sense"))
    return 0
