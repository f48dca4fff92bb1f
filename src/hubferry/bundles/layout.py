"""Decide which bytes come into which volume: for the same repositories always the same. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hubferry import planning
from hubferry.errors import UsageError
from hubferry.hubs.bundle import archive
from hubferry.hubs.bundle.index import Index, Piece, VolumePlan, encoded
from hubferry.i18n import _
from hubferry.units import size as readable_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hubferry.hubs.bundle.index import BundledFile, BundledModel

FAT32 = (4 << 30) - 1
"""Bytes of the largest file on FAT32."""
_ALIGNED = 1 << 20
"""Pieces of cut files are a multiple of this where the volume is not tiny."""
_UNCUT_SHARE = 64
"""A file below this share of a volume is never cut."""
_MOST_UNCUT = 16 << 20
_LEAST_ROOM = 64 << 10
_MOST_VOLUMES = 9999
_SUMS_LINE = 64 + 2 + 1 + 1
"""Bytes of a line of sums beside the name: digest, blanks, the end of the line, a backslash for odd names."""


def member_of(index: Index, piece: Piece, number: int) -> str:
    """Return what a piece is called in its volume; `number` counts the pieces of its file from 1."""
    model, file = index.models[piece.model], index.file(piece)
    return _member(index.name, model.folder, file.path, None if is_whole(file, piece) else number)


def is_whole(file: BundledFile, piece: Piece) -> bool:
    """Return whether a piece is all of its file."""
    return (piece.start, piece.stop) == (0, file.size)


def numbered(index: Index) -> dict[Piece, int]:
    """Return for each piece the how manieth of its file it is, from 1."""
    counts: dict[tuple[int, int], int] = {}
    numbers = {}
    for _volume, piece in index.pieces():
        key = (piece.model, piece.file)
        numbers[piece] = counts[key] = counts.get(key, 0) + 1
    return numbers


def _member(name: str, folder: str, path: str, number: int | None) -> str:
    whole = number is None
    return f"{name}/files/{folder}/{path}" if whole else f"{name}/parts/{folder}/{path}/{number:05}"


def lay_out(name: str, volume_size: int, models: Sequence[BundledModel], closing: int) -> Index:
    """Return the index of a bundle.

    Args:
        name: Of the bundle.
        volume_size: Bytes of a volume at most.
        models: What goes in.
        closing: Bytes that each volume ends with besides the sums of its own.

    Raises:
        UsageError: The volumes are too small.
    """
    reserved = 0
    while True:
        overhead = archive.BLOCK + archive.padded(reserved) + closing + len(archive.END)
        room = volume_size - overhead
        if room < max(_LEAST_ROOM, reserved):
            raise _too_small(volume_size, reserved + overhead + max(_LEAST_ROOM, reserved))
        index = Index(name, volume_size, tuple(models), tuple(_Cutting(name, room).volumes(models)))
        if len(index.volumes) > _MOST_VOLUMES:
            raise _too_small(volume_size, volume_size * len(index.volumes) // _MOST_VOLUMES + 1)
        needed = len(encoded(index))
        if needed <= reserved:
            return index
        reserved = needed + needed // 8


def _too_small(volume_size: int, needed: int) -> UsageError:
    message = _("volumes of {size} are too small for that; they need {needed} at least")
    words = {"size": readable_size(volume_size), "needed": readable_size(needed)}
    return UsageError(message.format(**words), hint="--size 4G")


@dataclass(slots=True)
class _Open:
    """A volume that is being filled."""

    pieces: list[Piece] = field(default_factory=list)
    length: int = 0
    sums: int = 0

    def left(self, room: int) -> int:
        """Return the bytes that headers and content of another piece may take."""
        return room - self.length - archive.BLOCK - archive.padded(self.sums)


class _Cutting:
    def __init__(self, name: str, room: int) -> None:
        self._name = name
        self._room = room
        self._uncut = min(_MOST_UNCUT, room // _UNCUT_SHARE)
        self._open = _Open()

    def volumes(self, models: Sequence[BundledModel]) -> Iterator[VolumePlan]:
        """Yield the volumes in order."""
        for model_number, model in enumerate(models):
            selected = planning.select([file.listed() for file in model.files], model.include, model.exclude)
            wanted = {file.path for file in selected}
            for file_number, file in enumerate(model.files):
                if file.path in wanted:
                    yield from self._place(model.folder, file, model_number, file_number)
        yield self._full()

    def _place(self, folder: str, file: BundledFile, model: int, number: int) -> Iterator[VolumePlan]:
        start, count = 0, 0
        while True:
            count += 1
            rest = file.size - start
            member = _member(self._name, folder, file.path, count if start else None)
            if self._cost(member, rest) <= self._open.left(self._room):
                self._add(member, Piece(model, number, start, file.size, self._open.length), rest)
                return
            member = _member(self._name, folder, file.path, count)
            take = self._fitting(member)
            if self._open.pieces and (file.size <= self._uncut or take < self._uncut):
                yield self._full()
                count -= 1
                continue
            if take <= 0:
                raise _too_small(self._room, 2 * self._room)
            self._add(member, Piece(model, number, start, start + take, self._open.length), take)
            start += take
            yield self._full()

    def _cost(self, member: str, length: int) -> int:
        """Return what a piece takes; the line of its sum may begin another block."""
        line = _SUMS_LINE + 2 * len(member.encode("utf-8", "surrogateescape"))
        grown = archive.padded(self._open.sums + line) - archive.padded(self._open.sums)
        return archive.header_length(member, length) + archive.padded(length) + grown

    def _fitting(self, member: str) -> int:
        """Return the most bytes of a file that fit yet, as a round number."""
        take = self._open.left(self._room) - self._cost(member, 0) - 2 * archive.BLOCK
        step = _ALIGNED if take >= _ALIGNED else archive.BLOCK
        return take - take % step

    def _add(self, member: str, piece: Piece, length: int) -> None:
        opened, head = self._open, archive.header_length(member, length)
        offset = opened.length + head
        opened.pieces.append(Piece(piece.model, piece.file, piece.start, piece.stop, offset))
        opened.length = offset + archive.padded(length)
        opened.sums += _SUMS_LINE + 2 * len(member.encode("utf-8", "surrogateescape"))

    def _full(self) -> VolumePlan:
        done, self._open = self._open, _Open()
        return VolumePlan(done.length, tuple(done.pieces))
