"""Read a file that may lie about itself: never past its end, never much at once, never for ever."""

from __future__ import annotations

import os
import struct
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from hubferry.cache.formats.flaw import FlawError, UnclearError
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

LARGEST_READ = 1 << 24
"""Bytes of the largest single piece that is ever held in memory."""

MOST_STEPS = 8_000_000
"""Reads after which a file is too long to be proven quickly; the largest real vocabularies need a tenth."""


def cut_off(size: int, expected: int) -> FlawError:
    """Return the complaint about a file of `size` bytes that should have at least `expected`."""
    message = _("is cut off: {size} bytes, and {expected} are expected")
    return FlawError(message.format(size=size, expected=expected))


_BLOCK = 4096
_shared: ContextVar[Steps | None] = ContextVar("shared", default=None)


class Steps:
    """Count the steps of a walk, so that it ends; raise an UnclearError after the last."""

    def __init__(self, most: int, shared: Steps | None = None) -> None:
        self._most = most
        self._left = 0
        self._shared = shared

    @property
    def are_spent(self) -> bool:
        """Whether there are none left to grant."""
        return self._most <= 0

    def take(self) -> None:
        """Count one step."""
        if not self._left:
            self._left = self._grant(_BLOCK)
        self._left -= 1

    def _grant(self, count: int) -> int:
        count = min(count, self._most)
        if count <= 0:
            raise UnclearError
        if self._shared is not None:
            count = self._shared._grant(count)  # noqa: SLF001  # one of its own kind
        self._most -= count
        return count


def steps(most: int) -> Steps:
    """Return a count for one file, that of all files of the model over it; see `limited`."""
    return Steps(most, _shared.get())


@contextmanager
def limited(most: int) -> Iterator[Steps]:
    """Let the walks through all files inside take no more than so many steps together."""
    together = Steps(most)
    token = _shared.set(together)
    try:
        yield together
    finally:
        _shared.reset(token)


class Cursor:
    """Walk through an open file of `size` bytes."""

    def __init__(self, file: BinaryIO, size: int, *, little_endian: bool = True) -> None:
        self._file = file
        self.size = size
        self.position = file.tell()
        self._steps = steps(MOST_STEPS)
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
        self._steps.take()
        self.position += count
        if self.position > self.size:
            raise cut_off(self.size, self.position)
