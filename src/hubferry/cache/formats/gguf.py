"""Follow a GGUF file's header and tensor table to where its last tensor has to end.

The format, from the ggml project's specification: magic, version, counts, key-value pairs, tensor infos,
padding to `general.alignment`, then the tensors, each padded likewise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubferry.cache.formats.cursor import Cursor, cut_off
from hubferry.cache.formats.flaw import Evidence, FlawError, UnclearError
from hubferry.i18n import _

if TYPE_CHECKING:
    from typing import BinaryIO

_STRING, _ARRAY, _UINT32 = 8, 9, 4
_VALUE_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_DEEPEST_ARRAY = 4
_MOST_DIMENSIONS = 8

# Numbers in a block and bytes of a block, by ggml's type number.
_BLOCKS = {
    0: (1, 4),
    1: (1, 2),
    2: (32, 18),
    3: (32, 20),
    6: (32, 22),
    7: (32, 24),
    8: (32, 34),
    9: (32, 40),
    10: (256, 84),
    11: (256, 110),
    12: (256, 144),
    13: (256, 176),
    14: (256, 210),
    15: (256, 292),
    16: (256, 66),
    17: (256, 74),
    18: (256, 98),
    19: (256, 50),
    20: (32, 18),
    21: (256, 110),
    22: (256, 82),
    23: (256, 136),
    24: (1, 1),
    25: (1, 2),
    26: (1, 4),
    27: (1, 8),
    28: (1, 8),
    29: (256, 56),
    30: (1, 2),
    34: (256, 54),
    35: (256, 66),
    39: (32, 17),
    40: (64, 36),
}


def examine(file: BinaryIO, size: int) -> Evidence:
    """Prove that the tensor table of `file`, which has `size` bytes, ends inside it.

    Raises:
        FlawError: It does not, or the table is not one.
    """
    magic = file.read(8)
    if magic[:4] != b"GGUF":
        raise FlawError(_("is not a GGUF file: it begins with other bytes"))
    little = int.from_bytes(magic[4:], "little") < 1 << 16
    version = int.from_bytes(magic[4:], "little" if little else "big")
    if version not in (2, 3):  # version 1 was replaced within weeks
        raise UnclearError
    cursor = Cursor(file, size, little_endian=little)
    tensors, pairs = cursor.u64(), cursor.u64()
    alignment = 32
    for _number in range(pairs):
        key = cursor.take(_length(cursor))
        kind = cursor.u32()
        if key == b"general.alignment" and kind == _UINT32:
            alignment = cursor.u32() or 32
        else:
            _skip_value(cursor, kind, depth=0)
    last = max((_tensor_end(cursor) for _number in range(tensors)), default=0)
    start = -(-cursor.position // alignment) * alignment
    end = start + -(-last // alignment) * alignment if tensors else cursor.position
    if end > size:
        raise cut_off(size, end)
    return Evidence.PROVEN


def _length(cursor: Cursor) -> int:
    """Return the length of the string that follows."""
    return cursor.u64()


def _skip_value(cursor: Cursor, kind: int, *, depth: int) -> None:
    if kind == _STRING:
        cursor.skip(_length(cursor))
    elif kind == _ARRAY and depth < _DEEPEST_ARRAY:
        element, count = cursor.u32(), cursor.u64()
        if element in _VALUE_BYTES:
            cursor.skip(count * _VALUE_BYTES[element])
            return
        for _number in range(count):
            _skip_value(cursor, element, depth=depth + 1)
    elif kind in _VALUE_BYTES:
        cursor.skip(_VALUE_BYTES[kind])
    else:
        raise FlawError(_("has a GGUF header with a value of an unknown kind"))


def _tensor_end(cursor: Cursor) -> int:
    """Return where the next tensor of the table ends, in bytes from the first tensor's begin."""
    cursor.skip(_length(cursor))
    dimensions = cursor.u32()
    if dimensions > _MOST_DIMENSIONS:
        raise FlawError(_("has a GGUF tensor table that makes no sense"))
    count = 1
    for _number in range(dimensions):
        count *= cursor.u64()
    kind, offset = cursor.u32(), cursor.u64()
    if kind not in _BLOCKS:  # a newer quantization, of an unknown width
        raise UnclearError
    numbers, width = _BLOCKS[kind]
    return offset + -(-count // numbers) * width
