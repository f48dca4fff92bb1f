"""Find the volumes of bundles in folders: what each is, by its first bytes."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hubferry.errors import DiskError, IntegrityError, NotFoundError
from hubferry.hubs.bundle import archive
from hubferry.hubs.bundle.index import LARGEST, decoded
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from hubferry.hubs.bundle.index import Index

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_MOST_ENTRIES = 100_000


@dataclass(frozen=True, slots=True)
class Volume:
    """A file that is a volume of a bundle, by its own first bytes, or by its name where these are damaged."""

    number: int
    path: Path
    size: int
    damaged: bool = False


@dataclass(slots=True)
class FoundBundle:
    """A bundle of which at least one volume is here.

    Attributes:
        index: What the whole is.
        content: The bytes of the index, as every volume has them.
        volumes: Those that are here, by number; of two the one with more bytes.
    """

    index: Index
    content: bytes
    volumes: dict[int, Volume] = field(default_factory=dict)

    @property
    def payload(self) -> int:
        """Where in a volume the bytes are that offsets count from."""
        return archive.BLOCK + archive.padded(len(self.content))

    @property
    def missing(self) -> list[int]:
        """Numbers of the volumes that are not here."""
        return [number for number in range(1, len(self.index.volumes) + 1) if number not in self.volumes]

    def take(self, volume: Volume) -> None:
        """Take in a volume, unless a better one of its number is here."""
        if not 1 <= volume.number <= len(self.index.volumes):
            return
        known = self.volumes.get(volume.number)
        if known is None or (volume.damaged, -volume.size) < (known.damaged, -known.size):
            self.volumes[volume.number] = volume


def find(places: Iterable[Path]) -> list[FoundBundle]:
    """Return the bundles of which there are volumes in these folders, or that these files are.

    A volume that cannot be read keeps nobody from the others.

    Raises:
        NotFoundError: One of the places is not there, or none of them has a volume.
        DiskError: None of them can be read.
    """
    places = list(places)
    found: dict[bytes, FoundBundle] = {}
    doubtful: list[Path] = []
    failure: DiskError | None = None
    for path in _files(places):
        try:
            number, content, size = _opened(path)
            if content not in found:
                found[content] = FoundBundle(decoded(content, str(path)), content)
        except (IntegrityError, DiskError) as error:
            doubtful.append(path)
            if isinstance(error, DiskError):
                failure = failure or error
            continue
        if number:
            found[content].take(Volume(number, path, size))
    for path in doubtful:
        _take_doubtful(list(found.values()), path)
    bundles = [bundle for bundle in found.values() if bundle.volumes]
    if not bundles:
        raise failure or _nothing(places)
    return bundles


def _nothing(places: Sequence[Path]) -> NotFoundError:
    names = _(", ").join(str(place) for place in places)
    message = _("{places}: no volume of a bundle is there").format(places=names)
    return NotFoundError(message, side="source", hint="hubferry bundle hf:org/name DIR")


def _files(places: Iterable[Path]) -> Iterator[Path]:
    for place in places:
        try:
            if place.is_dir():
                names = sorted(os.listdir(place))[:_MOST_ENTRIES]  # noqa: PTH208 - names alone
                yield from (place / name for name in names if name.endswith(".tar"))
            elif place.exists():
                yield place
            else:
                message = _("there is no folder {path}").format(path=place)
                raise NotFoundError(message, side="source", path=str(place))
        except OSError as error:
            raise _unreadable(place, error) from error


def _unreadable(path: Path, error: OSError) -> DiskError:
    message = _("{path} cannot be read: {reason}").format(path=path, reason=error.strerror or str(error))
    return DiskError(message, side="source", path=str(path))


def _opened(path: Path) -> tuple[int, bytes, int]:
    """Return the number, the index and the size of a volume; number 0 is the index alone, as a file.

    Raises:
        IntegrityError: It is neither.
    """
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _no_volume(path)
        block = os.read(descriptor, archive.BLOCK)
        if block[:1] == b"{":
            return 0, block + _exactly(descriptor, min(status.st_size, LARGEST + 1) - len(block)), 0
        head = archive.index_in(block) if len(block) == archive.BLOCK else None
        if head is None or head[1] > min(LARGEST, status.st_size):
            raise _no_volume(path)
        return head[0], _exactly(descriptor, head[1]), status.st_size
    except OSError as error:
        raise _unreadable(path, error) from error
    finally:
        os.close(descriptor)


def _exactly(descriptor: int, count: int) -> bytes:
    pieces = []
    while count > 0 and (piece := os.read(descriptor, min(count, 1 << 20))):
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)


def _no_volume(path: Path) -> IntegrityError:
    message = _("{path} is no volume of a bundle").format(path=path)
    return IntegrityError(message, side="source", path=str(path))


def _take_doubtful(bundles: Sequence[FoundBundle], path: Path) -> None:
    """Take a file whose own index is damaged for what its name says; its bytes are still to be proven."""
    number = archive.number_in(path.name)
    for bundle in bundles:
        if number is None or path.name != archive.volume_name(bundle.index.name, number):
            continue
        with suppress(OSError):
            bundle.take(Volume(number, path, path.stat().st_size, damaged=True))


def read_index(path: Path) -> Index:
    """Return the index that a file is, or that a volume begins with.

    Raises:
        NotFoundError: It is not there.
        IntegrityError: It is neither.
    """
    if not path.exists():
        raise NotFoundError(_("there is no file {path}").format(path=path), path=str(path))
    _number, content, _size = _opened(path)
    return decoded(content, str(path))
