"""What is known about one model's directory, and who may change it."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from hubferry.cache import exchange, locks, placing
from hubferry.cache.disk import disk_errors, forbidden
from hubferry.cache.layers import only_read
from hubferry.cache.manifest import Manifest, Pinned, Publication, Published, Used
from hubferry.cache.memory import Memory
from hubferry.cache.names import RECORDS
from hubferry.cache.partial import landed_bytes
from hubferry.cache.roots import make_directories
from hubferry.errors import LockedError
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence
    from pathlib import Path

    from hubferry.cache.manifest import Record
    from hubferry.model import RepoFile, RepoRef, Revision

PARTIAL = "partial"
_CLAIM_SECONDS = 10.0
_CLAIM_PAUSE = 0.05


class RecordedDirectory:
    """The records of one model. Its methods may be called from several threads; writing wants `hold`."""

    def __init__(self, path: Path, ref: RepoRef) -> None:
        """Look at what is known about the directory at `path`; nothing is created."""
        self.path = path
        self.ref = ref
        self._records = path / RECORDS
        with self.disk_errors():
            self._memory = Memory(self._records, ref)

    @property
    def manifest(self) -> Manifest | None:
        """What is known; None when nothing is, or a record that was tampered with is not relied upon."""
        return self._memory.manifest

    @property
    def records(self) -> Path:
        """Where what is known is kept."""
        return self._records

    @property
    def partial_place(self) -> Path:
        """Where unfinished files are, if there are any."""
        return self._records / PARTIAL

    @property
    def partial_directory(self) -> Path:
        """Where unfinished files are, created on demand."""
        path = self.partial_place
        with self.disk_errors():
            make_directories(path)
        return path

    def disk_errors(self, *, needed: int | None = None) -> AbstractContextManager[None]:
        """Turn OSErrors of work in this directory into DiskErrors; see `disk.disk_errors`."""
        return disk_errors(self.path, needed=needed)

    @contextmanager
    def hold(
        self,
        *,
        wait: float | None,
        on_wait: Callable[[str], None] = lambda _holder: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Iterator[None]:
        """Keep every other run out of this directory; see `locks.hold`.

        Raises:
            DiskError: This user must not, or cannot, change anything here; says whom to ask.
        """
        if only_read(self.path):
            raise forbidden(self.path, _("{path} is only read").format(path=self.path))
        lock = locks.hold(self._records, name=str(self.ref), wait=wait, on_wait=on_wait, cancelled=cancelled)
        with ExitStack() as stack:
            with self.disk_errors():
                stack.enter_context(lock)
                exchange.recover(self.path)
                self.reload()
            yield

    def reload(self) -> None:
        """Look again at what is known, and remove what a killed run left; only who holds the lock may."""
        self._memory.reload()
        placing.sweep(self._records, self._records / PARTIAL)

    def claim(self) -> bool:
        """Write down whose directory this is unless that is known; return whether it is this repository's."""
        deadline = time.monotonic() + _CLAIM_SECONDS
        while (known := self.manifest) is None:
            try:
                with self.hold(wait=0), self.disk_errors():
                    self._memory.begin()
            except LockedError:
                with self.disk_errors():
                    self._memory.reload()  # whoever holds it writes this down first
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_CLAIM_PAUSE)
        return known.belongs_to(self.ref)

    def expect(self, revision: Revision, listing: Sequence[RepoFile], wanted: Container[str]) -> None:
        """Write down which commit this is going to be, before any of it is here.

        What is known here besides, and is not of it, is forgotten.

        Args:
            revision: What is brought in.
            listing: Everything that it lists.
            wanted: The paths that are asked for. They are added to those of the same commit that are here.
        """
        with self.disk_errors():
            self._memory.expect(revision, listing, wanted)

    def settle(self, old: Manifest | None = None) -> Manifest:
        """Write down whether all that was expected is here; return what is known.

        Args:
            old: What was known of the directory whose place this takes, to be taken over: a pin, its name.
        """
        with self.disk_errors():
            return self._memory.settle(old)

    def finish(self, revision: Revision, files: Sequence[RepoFile], *, whole: bool = True) -> None:
        """Write down which commit this is.

        Args:
            revision: What was brought in.
            files: Those of its files that this run brought in, or found here.
            whole: Whether they are all of it. A part is added to what is known of the same commit.
        """
        with self.disk_errors():
            self._memory.finish(revision, files, whole=whole)

    def complete(self) -> tuple[str, list[RepoFile]] | None:
        """Return the commit that was brought in whole, and its files as the source listed them.

        Says what has to be here, not that it still is: `lookup` tells that. None when no whole commit is
        known.
        """
        return self._memory.complete()

    def mark_published(self, destination: RepoRef, commit: str) -> None:
        """Write down that this model was proven to be at `destination`, unless that is written down."""
        publication = Publication(str(replace(destination, revision=None)), commit, time.time())
        known = self.manifest.published if self.manifest is not None else ()
        if any((one.destination, one.commit) == (publication.destination, commit) for one in known):
            return
        with self.disk_errors():
            self._memory.record([Published(publication)], must=True)

    def pin(self, *, pinned: bool) -> None:
        """Keep pruning away from this model, or no longer."""
        with self.disk_errors():
            self._memory.record([Pinned(pinned)], must=True)

    def record(self, changes: Sequence[Record]) -> None:
        """Write down what a verification found; a directory that cannot be written is no error."""
        self._memory.record(changes)

    def touch(self) -> None:
        """Write down that the model was used now."""
        self._memory.record([Used(time.time())])


def unfinished_bytes(directory: Path) -> int:
    """Return the bytes of files that have not arrived whole in a model's directory; nothing is created."""
    return landed_bytes(directory / RECORDS / PARTIAL)
