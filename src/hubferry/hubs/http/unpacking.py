"""Unpack a body that a server compressed although it was asked not to."""

from __future__ import annotations

import zlib
from contextlib import aclosing
from typing import TYPE_CHECKING

from hubferry.wire.failures import BrokenOffError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

_PIECE = 1 << 18
_GZIP, _ZLIB, _RAW = 31, 15, -15
_GZIP_MAGIC = b"\x1f\x8b"
_CODINGS = frozenset({"gzip", "x-gzip", "deflate"})


def possible(encoding: str) -> bool:
    """Return whether a Content-Encoding, in lower case, can be undone here."""
    return encoding in _CODINGS


class Unpacker:
    """Undoes gzip and both things that servers call deflate, a piece of the body at a time."""

    def __init__(self) -> None:
        """Begin before the first byte."""
        self._begun = b""
        self._stream: zlib._Decompress | None = None

    @property
    def whole(self) -> bool:
        """Whether the compressed body ended where it should."""
        return self._stream is not None and self._stream.eof

    def feed(self, piece: bytes | memoryview) -> Iterator[bytes]:
        """Yield what a piece unpacks to, little at a time: it may be a thousand times as much.

        Raises:
            zlib.error: It is not compressed that way.
        """
        data = self._begun + bytes(piece)
        self._begun = b""
        while data:
            if self._stream is None or self._stream.eof:  # members of gzip may follow each other
                if len(data) < len(_GZIP_MAGIC):
                    self._begun = data
                    return
                self._stream = zlib.decompressobj(wbits=_format(data))
            part = self._stream.decompress(data, _PIECE)
            data = self._stream.unconsumed_tail or self._stream.unused_data
            if part:
                yield part


async def unpacked(pieces: AsyncGenerator[memoryview, None]) -> AsyncGenerator[memoryview, None]:
    """Yield a compressed body as it was before.

    Raises:
        BrokenOffError: It cannot be unpacked, or not to its end.
    """
    unpacker = Unpacker()
    async with aclosing(pieces):
        async for piece in pieces:
            try:
                for part in unpacker.feed(piece):
                    yield memoryview(part)
            except zlib.error:
                raise BrokenOffError from None
    if not unpacker.whole:
        raise BrokenOffError


def unpack(body: bytes, most: int) -> bytes:
    """Return a whole body as it was before; of what is longer than `most` bytes, more than those, not all.

    Raises:
        BrokenOffError: It cannot be unpacked, or not to its end.
    """
    unpacker, parts, size = Unpacker(), [], 0
    try:
        for part in unpacker.feed(body):
            parts.append(part)
            size += len(part)
            if size > most:
                return b"".join(parts)
    except zlib.error:
        raise BrokenOffError from None
    if not unpacker.whole:
        raise BrokenOffError
    return b"".join(parts)


def _format(data: bytes) -> int:
    """Return how a compressed body is wrapped, by its first two bytes."""
    if data.startswith(_GZIP_MAGIC):
        return _GZIP
    is_zlib = data[0] & 0x0F == zlib.DEFLATED and int.from_bytes(data[:2], "big") % 31 == 0
    return _ZLIB if is_zlib else _RAW
