"""Read a file that may lie about itself: never past its end, never much at once, never for ever."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

from hubferry.cache.formats.flaw import FlawError, UnclearError
from hubferry.i18n import _

if TYPE_CHECKING:
    from typing import BinaryIO

LARGEST_READ = 1 << 24
"""Bytes of the largest single piece that is ever held in memory."""

MOST_STEPS = 8_000_000
"""Reads after which a file is too long to be proven quickly; the largest real vocabularies need a tenth."""


def cut_off(size: int, expected: int) -> FlawError:
    """Return the complaint about a file of `size` bytes that should have at least `expected`."""
    message = _("is cut off: {size} bytes, and {expected} are expected")
    return FlawError(message.format(size=size, expected=expected))


class Cursor:
    """Walk through an open file of `size` bytes."""

    def __init__(self, file: BinaryIO, size: int, *, little_endian: bool = True) -> None:
        self._file = file
        self.size = size
        self.position = file.tell()
        self._steps = MOST_STEPS
        order = "<" if little_endian else ">"
        self._u32 = struct.Struct(order + "I")
        self._u64 = struct.Struct(order + "Q")

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes."""
        self._advance(count)
        if count > LARGEST_READ:
            raise UnclearError
        data = self._file.read(count)
        if len(data) != count:  # it shrank while we looked
            raise cut_off(self.position - count + len(data), self.position)
        return data

    def skip(self, count: int) -> None:
        """Step over `count` bytes."""
        self._advance(count)
        self._file.seek(count, os.SEEK_CUR)

    def u32(self) -> int:
        """Return the next four bytes as a number."""
        return int(self._u32.unpack(self.take(4))[0])

    def u64(self) -> int:
        """Return the next eight bytes as a number."""
        return int(self._u64.unpack(self.take(8))[0])

    def _advance(self, count: int) -> None:
        self._steps -= 1
        if self._steps < 0:
            raise UnclearError
        self.position += count
        if self.position > self.size:
            raise cut_off(self.size, self.position)
