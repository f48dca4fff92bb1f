"""Read from a plain folder as if it were a hub: surveyed first where it is published, hashed once."""

from __future__ import annotations

import asyncio
import hashlib
import os
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from hubferry.errors import DiskError, IntegrityError, NotFoundError, Side
from hubferry.events import ignore
from hubferry.hubs.directory_card import CARD, license_of
from hubferry.hubs.directory_reading import look
from hubferry.hubs.directory_records import Records
from hubferry.hubs.directory_survey import survey
from hubferry.i18n import _
from hubferry.model import RepoFile, Revision

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from hubferry.events import Listener
    from hubferry.hubs.directory_reading import Found
    from hubferry.model import RepoRef

OWN_FOLDER = ".hubferry"
_LEFT_OUT = frozenset({".git", OWN_FOLDER, "._____temp"})
_LEFT_OUT_PATHS = frozenset({".cache/huggingface", ".ms_upload_cache", ".ms_upload_progress"})
_PIECE = 1 << 20
_HASHED_AT_ONCE = 4


class DirectoryReader:
    """A folder as it is: its commit is a digest of paths and contents, so it is hashed to be resolved."""

    side: Side = "source"

    def __init__(self) -> None:
        """Prepare; nothing is read yet."""
        self._listings: dict[str, list[RepoFile]] = {}

    @property
    def ignores_ranges(self) -> bool:
        """A file is read where one wants."""
        return False

    async def resolve(self, ref: RepoRef) -> Revision:
        """Hash the folder; see `Source.resolve`."""
        root = self._root(ref)
        return Revision(ref, self._pinned(await self._listed(root)))

    def _root(self, ref: RepoRef) -> Path:
        root = root_of(ref)
        if not root.is_dir():
            raise NotFoundError(_("There is no folder {path}.").format(path=root), side=self.side)
        return root

    def _pinned(self, files: list[RepoFile]) -> str:
        """Return the commit that a listing is, and remember it."""
        digest = hashlib.sha256()
        for file in files:
            digest.update(f"{file.path}\0{file.size}\0{file.sha256}\n".encode("utf-8", "surrogateescape"))
        self._listings[digest.hexdigest()] = files
        return digest.hexdigest()

    async def files(self, revision: Revision) -> list[RepoFile]:
        """Return the listing that `revision` stands for, or what is there now if it is not known any more."""
        held = self._listings.get(revision.commit)
        return held if held is not None else await self._listed(root_of(revision.ref))

    async def read(
        self, revision: Revision, file: RepoFile, start: int, stop: int | None
    ) -> AsyncGenerator[bytes, None]:
        """Yield a range of a file; see `Source.read`."""
        path = root_of(revision.ref) / file.path
        left = (file.size or 0 if stop is None else stop) - start
        try:
            stream = await asyncio.to_thread(path.open, "rb", 0)
        except OSError as error:
            raise self._unreadable(file.path, error) from error
        with stream:
            stream.seek(start)
            while left > 0:
                try:
                    piece = await asyncio.to_thread(stream.read, min(_PIECE, left))
                except OSError as error:
                    raise self._unreadable(file.path, error) from error
                if not piece:
                    message = _("{path} is not as long as it is listed.").format(path=file.path)
                    raise IntegrityError(message, side=self.side, path=file.path)
                left -= len(piece)
                yield piece

    async def whole(self, revision: Revision, file: RepoFile) -> bytes:
        """Return a small file; see `Source.whole`."""
        async with aclosing(self.read(revision, file, 0, file.size)) as pieces:
            return b"".join([bytes(piece) async for piece in pieces])

    async def close(self) -> None:
        """Do nothing: no file stays open."""

    async def _listed(self, root: Path) -> list[RepoFile]:
        gate = asyncio.Semaphore(_HASHED_AT_ONCE)

        async def hashed(relative: str) -> RepoFile:
            async with gate:
                try:
                    size, sha256 = await asyncio.to_thread(_hash, root / relative)
                except OSError as error:
                    raise self._unreadable(relative, error) from error
            return RepoFile(relative, size, sha256=sha256)

        found = await asyncio.to_thread(lambda: sorted(_walk(root, "")))
        return list(await asyncio.gather(*(hashed(relative) for relative in found)))

    def _unreadable(self, path: str, error: OSError) -> DiskError:
        return DiskError(
            _("{path} cannot be read: {reason}").format(path=path, reason=error.strerror),
            side=self.side,
            path=path,
        )


class DirectorySource(DirectoryReader):
    """A folder that is published: surveyed, and hashed where nobody has recorded what its files are."""

    def __init__(
        self,
        allow: frozenset[str] = frozenset(),
        records: Path | None = None,
        listen: Listener = ignore,
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            allow: Words of `entries.ALLOWABLE`: what is copied although it is otherwise not.
            records: Where what was hashed is remembered; None remembers nothing.
            listen: Hears how far the hashing is, where it takes long.
        """
        super().__init__()
        self._allow = allow
        self._records = records
        self._listen = listen
        self.hashed = 0
        """Bytes that had to be read to know what the files are."""

    async def resolve(self, ref: RepoRef) -> Revision:
        """Survey the folder; its revision carries what is not copied, and the licence of its card."""
        root = self._root(ref)
        found = await self._look(root)
        licensed = any(file.path == CARD for file in found.files)
        license_ = await asyncio.to_thread(license_of, root / CARD) if licensed else None
        commit = self._pinned(found.files)
        return Revision(ref, commit, license=license_, findings=tuple(found.findings))

    async def _listed(self, root: Path) -> list[RepoFile]:
        return (await self._look(root)).files

    async def _look(self, root: Path) -> Found:
        surveyed = await asyncio.to_thread(survey, root, self._allow)
        records = await asyncio.to_thread(lambda: Records(self._records, root.resolve()))
        found = await look(surveyed.entries, self._allow, records, self._listen)
        self.hashed += found.hashed
        found.findings = sorted([*surveyed.findings, *found.findings], key=lambda one: one.path or "")
        return found


def root_of(ref: RepoRef) -> Path:
    """Return the folder that a reference names."""
    return Path(ref.repo_id).expanduser().absolute()


def _walk(root: Path, below: str) -> Iterator[str]:
    """Yield the files below a folder. Links to files are read through, as in caches; to folders not."""
    with os.scandir(root / below) as entries:
        for entry in entries:
            relative = f"{below}/{entry.name}" if below else entry.name
            if entry.name in _LEFT_OUT or relative in _LEFT_OUT_PATHS:
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(root, relative)
            elif entry.is_file():
                yield relative


def _hash(path: Path) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb", 0) as stream:
        while piece := stream.read(_PIECE):
            digest.update(piece)
            size += len(piece)
    return size, digest.hexdigest()
