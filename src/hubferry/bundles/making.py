"""Make a bundle: fetch what goes in, decide what comes into which volume, write the volumes."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hubferry.bundles import closing, gathering, layout, media
from hubferry.bundles.writing import PARTIAL, Work, Written
from hubferry.cache.disk import disk, disk_errors
from hubferry.cache.documents import write_whole
from hubferry.errors import InterruptedRunError, UsageError
from hubferry.events import Listener, VolumesPlanned
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from hubferry.bundles.gathering import Gathered
    from hubferry.hubs.bundle.index import Index
    from hubferry.options import Options

DEFAULT_SIZE = 50 << 30


@dataclass(frozen=True, slots=True)
class Wish:
    """What a bundle is made of, and how.

    Attributes:
        sources: Repositories, as they are typed; empty where `like` says all.
        directory: Where the volumes go; made where it is not there.
        volume_size: Bytes of a volume at most.
        name: What the names of its volumes begin with; None names it after its first repository.
        only: Numbers of the volumes to write; empty for all.
        like: The index of a bundle, or a volume of it: the same is made again.
    """

    sources: tuple[str, ...]
    directory: Path
    volume_size: int = DEFAULT_SIZE
    name: str | None = None
    only: frozenset[int] = field(default_factory=frozenset)
    like: Path | None = None


@dataclass(frozen=True, slots=True)
class Bundled:
    """A bundle that was written, or some volumes of it.

    Attributes:
        index: What the whole is.
        directory: Where it is.
        volumes: Those that were asked for.
        fetched: Bytes that came over the network for it.
    """

    index: Index
    directory: Path
    volumes: tuple[Written, ...]
    fetched: int


async def make(wish: Wish, options: Options, listen: Listener) -> Bundled:
    """Write the volumes that are asked for; those that are there already stay.

    Raises:
        UsageError: The volumes are too small, or there is another bundle of that name.
        IntegrityError: The source is not what the index says any more, or a file changed meanwhile.
        DiskFullError: There is no room for the volumes; nothing was written.
        HubferryError: What fetching may raise.
    """
    gathered = await gathering.gather(wish, options, listen)
    index = gathered.index or _laid_out(wish, gathered)
    _refuse_unknown(wish.only, index)
    halt = threading.Event()

    def halted() -> None:
        if halt.is_set():
            raise InterruptedRunError(_("the run was broken off"))

    work = Work(index, gathered.roots, wish.directory, listen, halted)
    numbers = sorted(wish.only or range(1, len(index.volumes) + 1))
    writing = asyncio.get_running_loop().run_in_executor(None, _write, work, numbers)
    try:
        volumes = await asyncio.shield(writing)
    except asyncio.CancelledError:
        halt.set()
        await asyncio.wait([writing])
        writing.exception()  # it is that the run was broken off, which is known
        raise
    return Bundled(index, wish.directory, volumes, gathered.fetched)


def _laid_out(wish: Wish, gathered: Gathered) -> Index:
    name = wish.name or gathering.default_name(gathered.models)
    reserved = closing.reserved(closing.sums_of_all(gathered.models))
    return layout.lay_out(name, wish.volume_size, gathered.models, reserved)


def _refuse_unknown(only: frozenset[int], index: Index) -> None:
    strange = sorted(number for number in only if not 1 <= number <= len(index.volumes))
    if strange:
        message = _("there is no volume {number}: the bundle has {count}")
        raise UsageError(message.format(number=strange[0], count=len(index.volumes)))


def _write(work: Work, numbers: Sequence[int]) -> tuple[Written, ...]:
    directory = work.directory
    with disk_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
    there = {number for number in numbers if work.is_there(number)}
    waiting = [number for number in numbers if number not in there]
    begun = sum(_begun(work.path(number)) for number in waiting)
    sizes = {number: work.size(number) for number in waiting}
    media.refuse_what_does_not_fit(directory, sizes, begun, len(work.content))
    _put(directory / index_name(work.index.name), work.content)
    _put(directory / closing.CHECKER, closing.checker())
    work.listen(
        VolumesPlanned({work.path(one).name: work.size(one) for one in waiting}, len(work.index.volumes))
    )
    return tuple(_each(work, numbers, there))


def _each(work: Work, numbers: Sequence[int], there: set[int]) -> Iterator[Written]:
    for number in numbers:
        if number in there:
            yield Written(number, work.path(number), work.size(number), kept=True)
        else:
            yield work.write(number)


def index_name(name: str) -> str:
    """Return the name of the file that has the index beside the volumes."""
    return f"{name}.json"


def _begun(path: Path) -> int:
    try:
        return disk.lstat(path.with_name(path.name + PARTIAL)).st_size
    except OSError:
        return 0


def _put(place: Path, content: bytes) -> None:
    """Write a small file; one that is right stays."""
    with disk_errors(place):
        is_right = disk.read_record(place, len(content)) == content
    if not is_right:
        write_whole(place, content)
