"""Read from the volumes of a bundle as if they were the hub that their files came from."""

from __future__ import annotations

import asyncio
import os
import threading
from bisect import bisect_right
from contextlib import aclosing
from typing import TYPE_CHECKING

from hubferry.errors import DiskError, IntegrityError, NotFoundError, Side, UsageError
from hubferry.hubs.bundle.volumes import find
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Sequence
    from pathlib import Path

    from hubferry.hubs.bundle.index import BundledModel, Piece
    from hubferry.hubs.bundle.volumes import FoundBundle
    from hubferry.model import RepoFile, RepoRef, Revision

_PIECE = 1 << 20
_one_at_a_time = threading.Lock()
_DEFAULT = (None, "main", "master")


class BundleSource:
    """The repositories of bundles whose volumes are in some folders, perhaps not all of them."""

    side: Side = "source"

    def __init__(self, places: Sequence[Path]) -> None:
        """Prepare; nothing is opened before the first question."""
        self._places = tuple(places)
        self._opened: dict[Path, int] = {}
        self._chosen: _Chosen | None = None

    @property
    def ignores_ranges(self) -> bool:
        """A volume is read where one wants."""
        return False

    async def resolve(self, ref: RepoRef) -> Revision:
        """Find the repository in the volumes that are here."""
        chosen = await asyncio.to_thread(self._choose, ref)
        self._chosen = chosen
        return chosen.model.revised(ref)

    def _choose(self, ref: RepoRef) -> _Chosen:
        matching = [
            (bundle, number)
            for bundle in find(self._places)
            for number, model in enumerate(bundle.index.models)
            if _is_meant(model, ref)
        ]
        if not matching:
            message = _("{ref} is in none of these volumes").format(ref=ref)
            raise NotFoundError(message, side=self.side)
        commits = {bundle.index.models[number].commit for bundle, number in matching}
        if len(commits) > 1:
            raise several_commits(ref, commits)
        return _Chosen([_Copy(bundle, number) for bundle, number in matching])

    async def files(self, revision: Revision) -> list[RepoFile]:
        """Return the listing that the index has of the commit."""
        if self._chosen is None:
            await self.resolve(revision.ref)
        assert self._chosen is not None  # noqa: S101 - `resolve` has chosen
        return [file.listed() for file in self._chosen.model.files]

    async def read(
        self, revision: Revision, file: RepoFile, start: int, stop: int | None
    ) -> AsyncGenerator[bytes, None]:
        """Yield a range of a file out of the volumes that have it; see `Source.read`.

        Raises:
            NotFoundError: A volume that has some of it is not here, or is cut short.
        """
        if self._chosen is None:
            await self.resolve(revision.ref)
        stop = file.size or 0 if stop is None else stop
        while start < stop:
            data = await asyncio.to_thread(self._some, file.path, start, min(stop, start + _PIECE))
            start += len(data)
            yield data

    async def whole(self, revision: Revision, file: RepoFile) -> bytes:
        """Return a small file; see `Source.whole`."""
        async with aclosing(self.read(revision, file, 0, file.size)) as pieces:
            return b"".join([piece async for piece in pieces])

    async def close(self) -> None:
        """Close the volumes."""
        while self._opened:
            os.close(self._opened.popitem()[1])

    def _some(self, path: str, start: int, stop: int) -> bytes:
        """Return some bytes of a file, at least one, from the first copy of the bundle that has them."""
        assert self._chosen is not None  # noqa: S101 - `read` has chosen
        failure: NotFoundError | DiskError | None = None
        for copy in self._chosen.copies:
            try:
                return self._from(copy, path, start, stop)
            except (NotFoundError, DiskError) as error:
                failure = failure or error
        assert failure is not None  # noqa: S101 - there is at least one copy
        raise failure

    def _from(self, copy: _Copy, path: str, start: int, stop: int) -> bytes:
        volume, piece = copy.piece(path, start)
        name = copy.bundle.index.name
        found = copy.bundle.volumes.get(volume)
        if found is None:
            message = _("volume {number} of {name} is not here")
            raise NotFoundError(message.format(number=volume, name=name), side=self.side, path=path)
        offset = copy.bundle.payload + piece.offset + start - piece.start
        try:
            descriptor = self._opened.get(found.path)
            if descriptor is None:
                descriptor = self._opened.setdefault(found.path, _open(found.path))
            data = _read_at(descriptor, min(stop, piece.stop) - start, offset)
        except OSError as error:
            message = _("{path} cannot be read: {reason}")
            words = {"path": found.path, "reason": error.strerror or str(error)}
            raise NotFoundError(message.format(**words), side=self.side, path=path) from error
        if not data:
            message = _("{path} is cut short: volume {number} of {name} is damaged")
            words = {"path": found.path, "number": volume, "name": name}
            raise NotFoundError(message.format(**words), side=self.side, path=path)
        return data


def several_commits(ref: RepoRef, commits: Iterable[str]) -> UsageError:
    """Return the error for volumes of which nobody can tell which ones are meant."""
    message = _("there are volumes of {ref} at several commits: {commits}")
    names = _(", ").join(sorted(commit[:12] for commit in commits))
    hint = _("name the folders of one bundle only")
    return UsageError(message.format(ref=ref, commits=names), side="source", hint=hint)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))


def _read_at(descriptor: int, count: int, offset: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(descriptor, count, offset)
    with _one_at_a_time:  # Windows has no such call
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.read(descriptor, count)


def _is_meant(model: BundledModel, ref: RepoRef) -> bool:
    ours, theirs = (model.hub, model.repo_type, model.repo_id), (ref.hub, ref.repo_type, ref.repo_id)
    same = model.revision == ref.revision or (model.revision in _DEFAULT and ref.revision in _DEFAULT)
    return ours == theirs and model.ref.home == ref.home and same


class _Copy:
    """A repository in one bundle: which piece has which bytes."""

    def __init__(self, bundle: FoundBundle, number: int) -> None:
        self.bundle = bundle
        self.model = bundle.index.models[number]
        self._pieces: dict[str, list[tuple[int, Piece]]] = {}
        for volume, piece in bundle.index.pieces():
            if piece.model == number:
                self._pieces.setdefault(bundle.index.file(piece).path, []).append((volume, piece))

    def piece(self, path: str, position: int) -> tuple[int, Piece]:
        """Return the piece that has a byte of a file, with the number of its volume."""
        pieces = self._pieces.get(path)
        if not pieces:
            message = _("{path} was not taken into the bundle").format(path=path)
            raise NotFoundError(message, side="source", path=path)
        at = bisect_right(pieces, position, key=lambda one: one[1].start) - 1
        if not pieces[at][1].start <= position < pieces[at][1].stop:
            message = _("{path} is not as long as it is listed.").format(path=path)
            raise IntegrityError(message, side="source", path=path)
        return pieces[at]


class _Chosen:
    """One repository at one commit, in one bundle or in several."""

    def __init__(self, copies: Sequence[_Copy]) -> None:
        self.copies = copies
        self.model = copies[0].model
