"""Which part of a file is fetched next, by what its readers wait for. Pure."""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field

from hubferry.cache.partial import CHUNK

PART = 16 * CHUNK
"""Bytes of a part: worth a request, and short enough for another reader's place to have its turn."""

Range = tuple[int, int]


@dataclass(slots=True)
class Reader:
    """Somebody who reads a file from `position` to `stop`."""

    position: int
    stop: int


@dataclass(slots=True)
class Parts:
    """What a file lacks, what is on its way, and who waits where.

    Attributes:
        size: Bytes of the file.
        missing: Ranges that nobody fetches yet, in order.
        whole: Whether all of it is wanted, whoever reads.
    """

    size: int
    missing: list[Range]
    whole: bool = False
    readers: list[Reader] = field(default_factory=list)

    @property
    def are_wanted(self) -> bool:
        """Whether there is something to fetch that somebody waits for."""
        return self._first() is not None

    def take(self, most: int = PART) -> Range | None:
        """Return the part that is wanted first, which is then on its way; None where nothing is wanted."""
        found = self._first()
        if found is None:
            return None
        index, start = found
        gap_start, gap_stop = self.missing.pop(index)
        stop = min(gap_stop, start + most)
        left = [(gap_start, start), (stop, gap_stop)]
        self.missing[index:index] = [one for one in left if one[0] < one[1]]
        return start, stop

    def give_back(self, rest: Range) -> None:
        """Say that a part is on its way no more; `rest` of it, empty or not, has not come."""
        if rest[0] < rest[1]:
            insort(self.missing, (rest[0] // CHUNK * CHUNK, rest[1]))

    def _first(self) -> tuple[int, int] | None:
        """Return the gap and the place in it that is nearest before somebody."""
        best: tuple[int, int, int] | None = None
        for reader in self.readers:
            found = self._after(reader.position, reader.stop)
            if found is not None and (best is None or found[1] - reader.position < best[0]):
                best = (found[1] - reader.position, *found)
        if best is not None:
            return best[1], best[2]
        return (0, self.missing[0][0]) if self.whole and self.missing else None

    def _after(self, position: int, end: int) -> tuple[int, int] | None:
        for index, (start, stop) in enumerate(self.missing):
            if stop > position:
                place = max(start, position // CHUNK * CHUNK)
                return (index, place) if place < end else None
        return None
