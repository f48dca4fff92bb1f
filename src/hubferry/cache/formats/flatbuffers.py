"""Prove the length of the containers that begin with a FlatBuffer: ExecuTorch's and LiteRT-LM's.

ExecuTorch, from its `extended_header.h`: behind the root's offset and `ET12` stand `eh00`, the header's
length, and as 64-bit numbers the program's size, where the segments begin, and what they take.
LiteRT-LM, from its `litertlm_header_schema.fbs`: magic, version, at byte 24 where the header ends, at byte 32
the header, whose sections say where they begin and end.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from hubferry.cache.formats.cursor import LARGEST_READ, cut_off
from hubferry.cache.formats.flaw import Evidence, UnclearError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_EXECUTORCH = struct.Struct("<4x2s2x4sIQQQ")
_WITHOUT_SEGMENT_SIZE = 24
_LITERTLM = struct.Struct("<8s16xQ")
_BEGIN = 32
_SECTIONS, _OBJECTS, _SECTION_END = 1, 0, 2
_MOST_SECTIONS = 10_000


def examine_executorch(file: BinaryIO, size: int) -> Evidence:
    """Hold what the extended header says against `size`.

    Raises:
        FlawError: The file is shorter.
        UnclearError: It has no such header, or one that does not tell what the segments take.
    """
    head = file.read(_EXECUTORCH.size)
    if len(head) < _EXECUTORCH.size:
        raise UnclearError
    mark, magic, length, program, begin, segments = _EXECUTORCH.unpack(head)
    if (mark, magic) != (b"ET", b"eh00"):
        raise UnclearError
    told = length > _WITHOUT_SEGMENT_SIZE
    expected = max(program, begin + segments if told else begin)
    if size < expected:
        raise cut_off(size, expected)
    if begin and not (told and segments):
        raise UnclearError
    return Evidence.PROVEN


def examine_litertlm(file: BinaryIO, size: int) -> Evidence:
    """Hold the ends of all sections against `size`.

    Raises:
        FlawError: The file is shorter.
        UnclearError: It names no sections.
    """
    head = file.read(_BEGIN)
    if len(head) < _BEGIN or not head.startswith(b"LITERTLM"):
        raise UnclearError
    _magic, end = _LITERTLM.unpack(head)
    if end > size:
        raise cut_off(size, end)
    if not _BEGIN < end <= LARGEST_READ:
        raise UnclearError
    try:
        expected = max(_section_ends(file.read(end - _BEGIN)), default=0)
    except (struct.error, IndexError):
        raise UnclearError from None
    if size < expected:
        raise cut_off(size, expected)
    if not expected:
        raise UnclearError
    return Evidence.PROVEN


def _section_ends(header: bytes) -> Iterator[int]:
    sections = _table(header, _field(header, _table(header, 0), _SECTIONS))
    vector = _table(header, _field(header, sections, _OBJECTS))
    (count,) = struct.unpack_from("<I", header, vector)
    if count > _MOST_SECTIONS:
        raise UnclearError
    for number in range(count):
        section = _table(header, vector + 4 + 4 * number)
        yield struct.unpack_from("<Q", header, _field(header, section, _SECTION_END))[0]


def _table(data: bytes, position: int) -> int:
    """Return what the offset at `position` leads to."""
    return int(position + struct.unpack_from("<I", data, position)[0])


def _field(data: bytes, table: int, number: int) -> int:
    """Return where a field of a table is."""
    fields = table - struct.unpack_from("<i", data, table)[0]
    if fields < 0:
        raise UnclearError
    (length,) = struct.unpack_from("<H", data, fields)
    place = 4 + 2 * number
    offset = struct.unpack_from("<H", data, fields + place)[0] if place < length else 0
    if not offset:
        raise UnclearError
    return int(table + offset)
