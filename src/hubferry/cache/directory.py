"""One model's directory: nothing gets a name in it that is not proven.

Order of every write, so that a power cut at any moment leaves the truth or less than it: content under a
temporary name → hash compared → fsync → rename → fsync of the directory → journal. What the journal says was
durable before it said so.
"""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from hubferry.cache import locks, manifest, placing, sharing
from hubferry.cache.disk import disk
from hubferry.cache.layers import only_read
from hubferry.cache.letter_case import tells_case_apart
from hubferry.cache.manifest import Doubted, Entry, Signature, Stored, Wrong
from hubferry.cache.recorded import RecordedDirectory
from hubferry.cache.sharing import Proven, stored
from hubferry.errors import IntegrityError
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from hubferry.cache.manifest import Record
    from hubferry.model import Digests, RepoFile

_WORTH_A_MANIFEST = 64 * 1024 * 1024
"""Bytes from which reading another directory's manifest is much cheaper than hashing."""


class ModelDirectory(RecordedDirectory):
    """One model's files. Its methods may be called from several threads; writing wants `hold` around it."""

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
                return None if only_read(self.path) else self.adopt(file, place)
            signature = placing.signature_of(status)
            if entry is not None and _changed(entry, signature):
                self._memory.record([Doubted(file.path)])
            if signature is None or file.size not in (None, signature.size):
                return None
            if entry is not None and entry.signature == signature and _comparable(entry, file):
                return None  # proven to be something else
            if entry is not None and entry.is_wrong(file, signature):
                return None
            return self._prove(file, place, entry)

    def _prove(self, file: RepoFile, place: Path, entry: Entry | None) -> Digests | None:
        """Hash the file at `place` and write down what it is."""
        hashed = placing.hash_path(place, git=file.may_be_in_git)
        digests = hashed.digests if hashed is not None else None
        fits = digests is not None and digests.fit(file)
        touched = digests is not None and entry is not None and digests.sha256 == entry.sha256
        if hashed is not None and (fits or touched):
            self._memory.record([stored(file.path, hashed.digests, hashed.signature)])
        elif entry is not None and hashed is not None and entry.digests.fit(file):
            self._memory.record([Doubted(file.path), Wrong(file.path, hashed.signature)])
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
            self._memory.record([stored(file.path, digests, signature)], must=True)

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
                stored(file.path, digests, signature)
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
            found = sharing.origin_of(file, origin)
            try:
                return None if found is None else self._take_in(file, found, on_copy)
            except FileNotFoundError:
                if found is None or placing.status_of(found) is not None:
                    raise
                return None  # its owner took it away meanwhile

    def adopt_many(
        self,
        wanted: Iterable[tuple[RepoFile, Path]],
        *,
        on_copy: Callable[[Path], None] = lambda _origin: None,
    ) -> dict[str, Digests]:
        """Take in many small files with one wait for the disk instead of two each; see `adopt`.

        Returns:
            The digests of those whose content is what they list, by path.
        """
        wanted = list(wanted)
        with self.disk_errors(needed=sum(file.size or 0 for file, _origin in wanted)):
            directory = self.partial_directory
            origins = [(file, sharing.origin_of(file, origin)) for file, origin in wanted]
            items = [
                sharing.Wanted(file, origin, placing.new_name(directory))
                for file, origin in origins
                if origin is not None
            ]
            try:
                brought = sharing.bring(items, disk.stat(self._records).st_dev, self._hashed, on_copy)
                if brought:
                    self._place([(one.temporary, self.target(one.file.path)) for one, _hashed in brought])
                    changes = [stored(one.file.path, what.digests, what.signature) for one, what in brought]
                    self._memory.record(changes, must=True)
            finally:  # a rename to another link of the same file does nothing, and leaves both names
                placing.remove_all(one.temporary for one in items)
        return {one.file.path: hashed.digests for one, hashed in brought}

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
            self._memory.record([stored(file.path, hashed.digests, signature)], must=True)
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

    def share(self, origin: ModelDirectory, files: Iterable[RepoFile]) -> int:
        """Take in, by hard link and all together, what another directory of ours holds proven.

        Files are found there by their path or by their digest; what only looks like them is left alone.

        Returns:
            How many came in.

        Raises:
            DiskError: Its cause says whether the filesystem has no links; see `placing.cannot_link`.
        """
        found = Proven(origin)
        changes: list[Stored] = []
        moves: list[tuple[Path, Path]] = []
        with self.disk_errors():
            directory = self.partial_directory
            try:
                for file in files:
                    entry = self._memory.entry(file.path)
                    if entry is not None and entry.here and entry.digests.fit(file):
                        continue
                    temporary = placing.new_name(directory)
                    stored = found.link(file, temporary)
                    if stored is not None:
                        moves.append((temporary, self.target(file.path)))
                        changes.append(stored)
                if moves:
                    self._place(moves)
                    self._memory.record(changes, must=True)
            finally:
                placing.remove_all(temporary for temporary, _place in moves)
        return len(moves)

    def look_again(self) -> None:
        """Hash what is here and is not known to be what it should, or no longer; write down what it is."""
        known = self.manifest
        changes: list[Record] = []
        with self.disk_errors():
            for path, entry in known.files.items() if known is not None else ():
                signature = self._signature(path)
                if signature is None or signature in (entry.signature, entry.wrong):
                    continue
                alike = signature.size == entry.size
                hashed = placing.hash_path(self.target(path), git=not entry.sha256) if alike else None
                if hashed is not None and hashed.digests.fit(entry.file(path)):
                    changes.append(stored(path, hashed.digests, hashed.signature))
                elif hashed is not None:
                    changes += [Doubted(path), Wrong(path, hashed.signature)]
                elif entry.here:
                    changes.append(Doubted(path))
        if changes:
            self._memory.record(changes)

    def purge(self, listing: Iterable[RepoFile]) -> int:
        """Remove what was verified here and is not what `listing` has under its name; return how many.

        What somebody put there, or changed since, is not what was verified, and stays. The records are not
        told: what is to be known next is written down by `expect`.
        """
        locks.demand(self.path)
        known = self.manifest
        wanted = {file.path: file for file in listing}
        with self.disk_errors():
            doomed = [
                path
                for path, entry in (known.files.items() if known is not None else ())
                if entry.here
                and not (path in wanted and entry.digests.fit(wanted[path]))
                and entry.signature == self._signature(path)
            ]
            parents = {self.target(path).parent for path in doomed}
            for path in doomed:
                disk.unlink(self.target(path))
            for parent in parents:
                disk.fsync_directory(parent)
            for parent in sorted(parents, reverse=True):
                self._tidy(parent)
        return len(doomed)

    def _tidy(self, directory: Path) -> None:
        """Remove a directory, and those above it, as far as they are empty."""
        for parent in (directory, *directory.parents):  # pragma: no branch - the model's is one of them
            if parent == self.path:
                break
            try:
                disk.rmdir(parent)
            except OSError:
                break

    def remove_file(self, path: str) -> None:
        """Remove a file, and the directories that it leaves empty; one that is not there is no error."""
        locks.demand(self.path)
        with self.disk_errors():
            place = self.target(path)
            with suppress(FileNotFoundError, NotADirectoryError):
                disk.unlink(place)
                disk.fsync_directory(place.parent)
            self._tidy(place.parent)
            if self._memory.entry(path) is not None:
                self._memory.record([Doubted(path)])

    def tells_case_apart(self) -> bool:
        """Return whether two names that differ in case alone are two files here."""
        return tells_case_apart(self.path)

    def _signature(self, path: str) -> Signature | None:
        """Return a regular file's signature; None for anything else, or nothing."""
        return placing.signature_of(placing.status_of(self.target(path)))

    def _place(self, moves: Sequence[tuple[Path, Path]]) -> None:
        """Rename durable files to their final names, then make the names durable."""
        locks.demand(self.path)
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
        for path in [found.relative_to(self.path).as_posix() for found in placing.files_at(place)]:
            entry = self._memory.entry(path)
            if entry is not None and entry.here:
                self.remove_file(path)
        placing.remove_empty(place)


def _changed(entry: Entry, signature: Signature | None) -> bool:
    """Return whether a file is certainly not what was verified, without reading it."""
    return entry.signature is not None and (signature is None or signature.size != entry.size)


def _comparable(entry: Entry, file: RepoFile) -> bool:
    return file.sha256 is not None or (file.git_sha1 is not None and entry.git_sha1 is not None)


def _demand(file: RepoFile, digests: Digests) -> None:
    if not digests.fit(file):
        raise _unproven(file)


def _unproven(file: RepoFile) -> IntegrityError:
    message = _("{path}: the content is not what the source lists, and is not stored")
    return IntegrityError(message.format(path=file.path), side="source", path=file.path)
