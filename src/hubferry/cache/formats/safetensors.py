"""Hold a safetensors header against the file's length.

The format, from its specification: eight bytes of little-endian header length, the header as JSON, then the
tensors, which fill the rest of the file without gap or overlap.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from hubferry.cache.formats.cursor import cut_off
from hubferry.cache.formats.flaw import Evidence, FlawError
from hubferry.i18n import _

if TYPE_CHECKING:
    from typing import BinaryIO

LARGEST_HEADER = 100_000_000
"""Bytes; the format's own limit."""

LARGEST_PARSED = 16 << 20
"""Bytes of the largest header that is parsed whole; longer ones are only scanned, a piece at a time."""

_BITS = {
    **dict.fromkeys(("F4",), 4),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
    "C128": 128,
}
_OFFSETS = re.compile(rb'"data_offsets"\s*:\s*\[\s*(\d{1,19})\s*,\s*(\d{1,19})\s*\]')
_LONGEST_MATCH = 128
_PIECE = 1 << 20


def examine(file: BinaryIO, size: int) -> Evidence:
    """Prove that the header of `file`, which has `size` bytes, accounts for every byte.

    Raises:
        FlawError: It does not.
    """
    length = int.from_bytes(file.read(8), "little")
    if size < 8 + 2:
        raise cut_off(size, 10)
    if length > LARGEST_HEADER:
        raise FlawError(
            _("has no safetensors header: a length of {length} bytes is absurd").format(length=length)
        )
    if length + 8 > size:
        raise cut_off(size, length + 8)
    room = size - 8 - length
    large = length > LARGEST_PARSED
    end = _scan(file, length) if large else _contiguous_end(_parse(file.read(length)), room)
    if end > room:
        raise cut_off(size, 8 + length + end)
    if end < room:
        message = _("has {extra} bytes after its last tensor")
        raise FlawError(message.format(extra=room - end))
    return Evidence.PROVEN


def _parse(header: bytes) -> dict[str, Any]:
    if not header.startswith(b"{"):
        raise FlawError(_("has no safetensors header: it does not begin with an object"))
    try:
        value = json.loads(header)
    except (ValueError, RecursionError):
        raise FlawError(_("has a safetensors header that is not valid JSON")) from None
    parsed: dict[str, Any] = value  # by its first byte it is an object
    return parsed


def _contiguous_end(header: dict[str, Any], room: int) -> int:
    """Return where the last tensor ends, once all lie one behind the other."""
    ranges = sorted(
        _tensor_range(name, entry, room) for name, entry in header.items() if name != "__metadata__"
    )
    end = 0
    for start, stop, name in ranges:
        if start != end:
            message = _("has tensors that overlap or leave a gap, at {name}")
            raise FlawError(message.format(name=name[:80]))
        end = stop
    return end


def _tensor_range(name: str, entry: Any, room: int) -> tuple[int, int, str]:
    match entry:
        case {"data_offsets": [int(start), int(stop)]} if (
            type(start) is type(stop) is int and 0 <= start <= stop
        ):
            pass
        case _:
            message = _("has a safetensors header without a valid place for {name}")
            raise FlawError(message.format(name=name[:80]))
    bits = _BITS.get(str(entry.get("dtype")))
    if bits and _count(entry.get("shape"), most=8 * max(room, stop)) * bits != (stop - start) * 8:
        message = _("has a tensor whose shape does not fit its length: {name}")
        raise FlawError(message.format(name=name[:80]))
    return start, stop, name


def _count(shape: object, *, most: int) -> int:
    """Return how many numbers a tensor has, or -1 for what is no shape or has more than `most`."""
    if not isinstance(shape, list) or not all(type(side) is int and side >= 0 for side in shape):
        return -1
    if 0 in shape:
        return 0
    count = 1
    for side in shape:
        count *= side
        if count > most:  # no giant products of hostile numbers
            return -1
    return count


def _scan(file: BinaryIO, length: int) -> int:
    """Return where the last tensor ends by the offsets alone, without holding the header in memory."""
    end = total = 0
    tail = b""
    while length:
        piece = file.read(min(length, _PIECE))
        if not piece:
            break
        length -= len(piece)
        text = tail + piece
        seen = 0
        for match in _OFFSETS.finditer(text):
            start, stop = int(match[1]), int(match[2])
            if stop < start:
                raise FlawError(_("has tensors that overlap or leave a gap, at {name}").format(name=start))
            total += stop - start
            end = max(end, stop)
            seen = match.end()
        tail = text[max(seen, len(text) - _LONGEST_MATCH) :]
    if total != end:
        raise FlawError(_("has tensors that overlap or leave a gap, at {name}").format(name=end))
    return end
