"""One model's directory: nothing gets a name in it that is not proven.

Order of every write, so that a power cut at any moment leaves the truth or less than it: content under a
temporary name → hash compared → fsync → rename → fsync of the directory → journal. What the journal says was
durable before it said so.
"""

from __future__ import annotations

import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from hubferry.cache import locks, manifest, placing
from hubferry.cache.disk import disk, disk_errors, tells_case_apart
from hubferry.cache.manifest import (
    Doubted,
    Entry,
    Manifest,
    Pinned,
    Publication,
    Published,
    Signature,
    Stored,
    Used,
)
from hubferry.cache.memory import Memory
from hubferry.cache.names import RECORDS
from hubferry.cache.roots import make_directories
from hubferry.errors import IntegrityError, LockedError
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from hubferry.cache.manifest import Record
    from hubferry.model import Digests, RepoFile, RepoRef, Revision

_PARTIAL = "partial"
_CLAIM_SECONDS = 10.0
_CLAIM_PAUSE = 0.05
_WORTH_A_MANIFEST = 64 * 1024 * 1024
"""Bytes from which reading another directory's manifest is much cheaper than hashing."""


class ModelDirectory:
    """One model's files. Its methods may be called from several threads; writing wants `hold` around it."""

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
    def partial_directory(self) -> Path:
        """Where unfinished files are, created on demand."""
        path = self._records / _PARTIAL
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
        """Keep every other run out of this directory; see `locks.hold`."""
        lock = locks.hold(self._records, name=str(self.ref), wait=wait, on_wait=on_wait, cancelled=cancelled)
        with ExitStack() as stack:
            with self.disk_errors():
                stack.enter_context(lock)
                self._memory.reload()
                placing.sweep(self._records, self._records / _PARTIAL)
            yield

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

    def target(self, path: str) -> Path:
        """Return the final place of a hub's file.

        Raises:
            IntegrityError: The name would leave the directory, or the way leads through a symlink.
        """
        return placing.place_of(self.path, path)

    def known(self, file: RepoFile) -> Digests | None:
        """Return the digests of `file` if it is here and proven; content is never read."""
        entry = self._memory.entry(file.path)
        if entry is None or entry.signature is None or not entry.digests.fit(file):
            return None
        return entry.digests if entry.signature == self._signature(file.path) else None

    def lookup(self, file: RepoFile) -> Digests | None:
        """Return the digests of `file` if its content is here, hashing what is there when it is not proven.

        What turns out to have changed since it was verified is forgotten, what turns out right is recorded.
        """
        with self.disk_errors():
            if digests := self.known(file):
                return digests
            place = self.target(file.path)
            status, entry = placing.status_of(place), self._memory.entry(file.path)
            if status is not None and stat.S_ISLNK(status.st_mode):
                return self.adopt(file, place)
            signature = placing.signature_of(status)
            if entry is not None and _changed(entry, signature):
                self._memory.record([Doubted(file.path)])
            if signature is None or file.size not in (None, signature.size):
                return None
            if entry is not None and entry.signature == signature and _comparable(entry, file):
                return None  # proven to be something else
            return self._prove(file, place, entry)

    def _prove(self, file: RepoFile, place: Path, entry: Entry | None) -> Digests | None:
        """Hash the file at `place` and write down what it is."""
        hashed = placing.hash_path(place, git=file.may_be_in_git)
        digests = hashed.digests if hashed is not None else None
        fits = digests is not None and digests.fit(file)
        touched = digests is not None and entry is not None and digests.sha256 == entry.sha256
        if hashed is not None and (fits or touched):
            self._memory.record([_stored(file.path, hashed.digests, hashed.signature)])
        elif entry is not None and entry.signature is not None:
            self._memory.record([Doubted(file.path)])
        return digests if fits else None

    def publish(self, file: RepoFile, partial: Path, digests: Digests) -> None:
        """Give a whole file its final name.

        Args:
            file: What the source listed.
            partial: On the same filesystem; gone afterwards.
            digests: What the content of `partial` hashes to.

        Raises:
            IntegrityError: The content is not what was listed. `partial` is left as it is.
            DiskError: The disk is full, failing or forbidden.
        """
        _demand(file, digests)
        with self.disk_errors():
            place = self.target(file.path)
            signature = placing.settle(partial)
            if signature is None or signature.size != digests.size:
                raise _unproven(file)
            self._place([(partial, place)])
            self._memory.record([_stored(file.path, digests, signature)], must=True)

    def put_many(self, items: Sequence[tuple[RepoFile, bytes, Digests]]) -> None:
        """Store many small files with one wait for the disk instead of one each; errors as in `publish`."""
        for file, content, digests in items:
            _demand(file, digests)
            if len(content) != digests.size:
                raise _unproven(file)
        directory = self.partial_directory
        contents = [content for _file, content, _digests in items]
        moves = [(placing.new_name(directory), self.target(file.path)) for file, _content, _digests in items]
        names = [name for name, _place in moves]
        with self.disk_errors(needed=sum(digests.size for _file, _content, digests in items)):
            signatures = placing.write_all(list(zip(names, contents, strict=True)))
            try:
                self._place(moves)
            except BaseException:
                placing.remove_all(names)
                raise
            changes = [
                _stored(file.path, digests, signature)
                for (file, _content, digests), signature in zip(items, signatures, strict=True)
            ]
            self._memory.record(changes, must=True)

    def adopt(
        self, file: RepoFile, origin: Path, *, on_copy: Callable[[Path], None] = lambda _origin: None
    ) -> Digests | None:
        """Take in a file that is elsewhere on this machine, if its content is what `file` lists.

        It is shared by hard link or reflink where the filesystem can, else copied, and `on_copy` is told so.
        `origin` itself is never altered. None when its content does not fit, or it is not there.
        """
        with self.disk_errors(needed=file.size):
            try:
                origin = origin.resolve()
                status = disk.stat(origin)
            except (OSError, RuntimeError):  # RuntimeError: links that lead in a circle, before Python 3.13
                return None
            if not stat.S_ISREG(status.st_mode) or file.size not in (None, status.st_size):
                return None
            if not os.access(origin, os.R_OK):
                return None
            return self._take_in(file, origin, on_copy)

    def _take_in(self, file: RepoFile, origin: Path, on_copy: Callable[[Path], None]) -> Digests | None:
        place = self.target(file.path)
        temporary = placing.new_name(self.partial_directory)
        try:
            hashed = signature = None
            if disk.stat(origin).st_dev == disk.stat(self._records).st_dev:
                hashed = self._hashed(file, origin)
                if hashed is None or not hashed.digests.fit(file):
                    return None
                signature = placing.share(origin, temporary, hashed)
            if hashed is None or signature is None:
                on_copy(origin)
                hashed = placing.copy_hashing(origin, temporary, git=file.may_be_in_git)
                signature = hashed.signature
            if not hashed.digests.fit(file):
                return None
            self._place([(temporary, place)])
            self._memory.record([_stored(file.path, hashed.digests, signature)], must=True)
            return hashed.digests
        finally:
            with suppress(OSError):
                disk.unlink(temporary)

    def _hashed(self, file: RepoFile, origin: Path) -> placing.Hashed | None:
        """Prove what `origin` is: by the records about it, else by reading. None where that is impossible."""
        with suppress(OSError):  # another cache's disk may fail or refuse; the network is still there
            return self._recorded(file, origin) or placing.hash_path(origin, git=file.may_be_in_git)
        return None

    def _recorded(self, file: RepoFile, origin: Path) -> placing.Hashed | None:
        """Return what is recorded about a file of this directory, or a large one of another of ours."""
        signature = Signature.of(disk.lstat(origin))
        entry = None
        if origin.is_relative_to(here := self.path.resolve()):
            entry = self._memory.entry(origin.relative_to(here).as_posix())
        elif signature.size >= _WORTH_A_MANIFEST:
            entry = manifest.entry_of(origin)
        if entry is not None and entry.signature == signature and entry.digests.fit(file):
            return placing.Hashed(entry.digests, signature)
        return None

    def remove_file(self, path: str) -> None:
        """Remove a file, and the directories that it leaves empty; one that is not there is no error."""
        with self.disk_errors():
            place = self.target(path)
            with suppress(FileNotFoundError, NotADirectoryError):
                disk.unlink(place)
                disk.fsync_directory(place.parent)
            for parent in place.parents:  # pragma: no branch - the model's directory is one of them
                if parent == self.path:
                    break
                try:
                    disk.rmdir(parent)
                except OSError:
                    break
            if self._memory.entry(path) is not None:
                self._memory.record([Doubted(path)])

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

    def tells_case_apart(self) -> bool:
        """Return whether two names that differ in case alone are two files here."""
        return tells_case_apart(self.path)

    def _signature(self, path: str) -> Signature | None:
        """Return a regular file's signature; None for anything else, or nothing."""
        return placing.signature_of(placing.status_of(self.target(path)))

    def _place(self, moves: Sequence[tuple[Path, Path]]) -> None:
        """Rename durable files to their final names, then make the names durable."""
        grown: set[Path] = set()
        for source, place in moves:
            if place.parent not in grown:
                grown |= placing.make_parents(self.path, place, clear=self._clear)
                grown.add(place.parent)
            try:
                disk.replace(source, place)
            except (IsADirectoryError, PermissionError):  # a directory in the way; Windows says no permission
                if place.is_symlink() or not place.is_dir():
                    raise
                self._clear(place)
                disk.replace(source, place)
        if len(grown) == 1:
            disk.fsync_directory(*grown)
            return
        with ThreadPoolExecutor(placing.FSYNC_THREADS) as threads:
            list(threads.map(disk.fsync_directory, sorted(grown)))

    def _clear(self, place: Path) -> None:
        """Take away what an earlier commit left where a file, or a directory, of another kind has to be.

        Only files that the manifest knows are removed; anything else makes the caller's rename fail.
        """
        for path in self._memory.below(place.relative_to(self.path).as_posix()):
            self.remove_file(path)
        placing.remove_empty(place)


def _changed(entry: Entry, signature: Signature | None) -> bool:
    """Return whether a file is certainly not what was verified, without reading it."""
    return entry.signature is not None and (signature is None or signature.size != entry.size)


def _comparable(entry: Entry, file: RepoFile) -> bool:
    return file.sha256 is not None or (file.git_sha1 is not None and entry.git_sha1 is not None)


def _stored(path: str, digests: Digests, signature: Signature) -> Stored:
    return Stored(path, Entry(digests.size, digests.sha256, digests.git_sha1, signature))


def _demand(file: RepoFile, digests: Digests) -> None:
    if not digests.fit(file):
        raise _unproven(file)


def _unproven(file: RepoFile) -> IntegrityError:
    message = _("{path}: the content is not what the source lists, and is not stored")
    return IntegrityError(message.format(path=file.path), side="source", path=file.path)
