"""Prove that a zip archive is whole: its directory stands at its end, and every member before it.

Torch's, NumPy's and Keras' files are such archives. The structures are those of PKWARE's APPNOTE; only the
directory is read, never a member.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from hubferry.cache.formats.cursor import LARGEST_READ
from hubferry.cache.formats.flaw import Evidence, FlawError, UnclearError
from hubferry.i18n import _

if TYPE_CHECKING:
    from typing import BinaryIO

MEMBER = b"PK\x03\x04"
_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LONGEST_COMMENT = (1 << 16) - 1
_FULL16, _FULL32 = (1 << 16) - 1, (1 << 32) - 1
_MEMBER_HEADER = 30
_EXTRA64 = 1


def examine(file: BinaryIO, size: int) -> Evidence:
    """Prove that the directory of the archive `file`, of `size` bytes, is there and fits.

    Raises:
        FlawError: It is not, or does not.
    """
    count, length, start = _directory(file, size)
    if start + length > size or length < count * _ENTRY.size:
        raise FlawError(_("has a damaged archive directory"))
    if length > LARGEST_READ:
        raise UnclearError
    file.seek(start)
    directory = file.read(length)
    position = end = 0
    for _number in range(count):
        position, member_end = _member(directory, position)
        end = max(end, member_end)
    if end > start:
        raise FlawError(_("has a damaged archive directory"))
    return Evidence.PROVEN


def _directory(file: BinaryIO, size: int) -> tuple[int, int, int]:
    """Return the number of members, and the bytes and the begin of the directory."""
    reach = min(size, _END.size + _LONGEST_COMMENT + _LOCATOR.size)
    file.seek(size - reach)
    tail = file.read(reach)
    position = len(tail) - _END.size
    while position >= 0:
        position = tail.rfind(b"PK\x05\x06", 0, position + 4)
        if position < 0:
            break
        *_head, count, length, start, comment = _END.unpack_from(tail, position)
        if position + _END.size + comment == len(tail):
            if _FULL32 in (length, start) or count == _FULL16:
                return _directory64(file, tail, position, size)
            return count, length, start
        position -= 1
    raise FlawError(_("is cut off: the archive's directory at its end is missing"))


def _directory64(file: BinaryIO, tail: bytes, position: int, size: int) -> tuple[int, int, int]:
    if position < _LOCATOR.size:
        raise FlawError(_("has a damaged archive directory"))
    signature, _disk, offset, _disks = _LOCATOR.unpack_from(tail, position - _LOCATOR.size)
    if signature != b"PK\x06\x07" or offset + _END64.size > size:
        raise FlawError(_("has a damaged archive directory"))
    file.seek(offset)
    signature, *_head, count, length, start = _END64.unpack(file.read(_END64.size))
    if signature != b"PK\x06\x06":
        raise FlawError(_("has a damaged archive directory"))
    return count, length, start


def _member(directory: bytes, position: int) -> tuple[int, int]:
    """Return where the next entry begins, and before which offset its member's bytes cannot end."""
    if position + _ENTRY.size > len(directory) or directory[position : position + 4] != b"PK\x01\x02":
        raise FlawError(_("has a damaged archive directory"))
    fields = _ENTRY.unpack_from(directory, position)
    compressed, full, name, extra, comment, offset = (*fields[8:13], fields[16])
    begin = position + _ENTRY.size + name
    if _FULL32 in (compressed, full, offset):
        compressed, offset = _large(directory[begin : begin + extra], compressed, full, offset)
    return begin + extra + comment, offset + _MEMBER_HEADER + name + compressed


def _large(extra: bytes, compressed: int, full: int, offset: int) -> tuple[int, int]:
    """Return the compressed size and the offset with what the 64-bit extra field says."""
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        if kind == _EXTRA64:
            numbers = iter(
                struct.unpack_from(
                    f"<{length // 8}Q", extra.ljust(position + 4 + length, b"\0"), position + 4
                )
            )
            full = next(numbers, full) if full == _FULL32 else full
            compressed = next(numbers, compressed) if compressed == _FULL32 else compressed
            offset = next(numbers, offset) if offset == _FULL32 else offset
            break
        position += 4 + length
    return compressed, offset
