"""Look before copying: what an owner has, what a repository holds, what is in one file. Nothing is changed.

A file is read from the cache where its content is there, proven; else from its hub. Either way it is hashed
on its way, and its end is given only when the hash is what the listing says.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hubferry import inside, remember
from hubferry.cache import listing as cache_listing
from hubferry.cache.disk import disk, disk_errors
from hubferry.cached import CacheHoldings
from hubferry.catalog import Owned, Repository
from hubferry.errors import DiskError, IntegrityError, NotFoundError, UsageError
from hubferry.i18n import _
from hubferry.model import Revision
from hubferry.planning import select
from hubferry.session import Session
from hubferry.stream.growing import HELD_BACK, Hashes
from hubferry.typed import reference

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from pathlib import Path

    from hubferry.cache.listing import CachedModel
    from hubferry.errors import GatedError, Side
    from hubferry.events import Listener
    from hubferry.hubs.ports import Catalog, Piece
    from hubferry.model import RepoFile, RepoRef
    from hubferry.options import Access, Options

_PIECE = 1 << 20
_NEAR = 3
"""Paths that an error names."""


@dataclass(frozen=True, slots=True)
class Listed:
    """The files of a repository that were asked for.

    Attributes:
        repository: Whose they are.
        files: By path.
        cached: The paths whose content is on this machine, proven.
        asked: Whether the hub was asked; False when the cache answered alone (offline).
    """

    repository: Repository
    files: tuple[RepoFile, ...]
    cached: frozenset[str] = frozenset()
    asked: bool = True

    @property
    def size(self) -> int:
        """Their bytes, as far as they are listed."""
        return sum(file.size or 0 for file in self.files)


@dataclass(frozen=True, slots=True)
class Known:
    """Everything that is known about a repository.

    Attributes:
        listed: Its files, and the repository itself.
        cached: Its directories in the cache, of whatever revision.
        terms: Of a gated repository, why this account may not download it; None where it may.
    """

    listed: Listed
    cached: tuple[CachedModel, ...] = ()
    terms: GatedError | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """Which bytes of a file: from `start` to before `stop`; a negative start counts from the end."""

    start: int = 0
    stop: int | None = None

    @property
    def whole(self) -> bool:
        """Whether it is all of any file."""
        return self.start == 0 and self.stop is None

    def within(self, size: int) -> Part:
        """Return the same part of a file of `size` bytes, in numbers that are inside."""
        start = max(0, size + self.start) if self.start < 0 else min(self.start, size)
        stop = size if self.stop is None else min(self.stop, size)
        return Part(start, max(start, stop))


async def list_files(source: str, options: Options, listen: Listener, *, hash_files: bool = True) -> Listed:
    """List what a repository, a folder or (offline) the cache holds, less what patterns leave out.

    Without `hash_files` a folder's files come without digests, and nothing of them is read.

    Raises:
        NotFoundError: There is no such repository or revision.
    """
    async with _looking(source, options, listen, hash_files=hash_files) as (session, catalog):
        if session.offline:
            return _from_cache(session)
        return await _listed(session, catalog)


async def info(source: str, options: Options, listen: Listener) -> Known:
    """Say what is known about a repository: its record, its files, its terms, what of it is cached."""
    async with _looking(source, options, listen, hash_files=False) as (session, catalog):
        cached = await asyncio.to_thread(_directories, session)
        if session.offline:
            return Known(_from_cache(session), cached)
        listed = await _listed(session, catalog)
        terms = await catalog.terms(session.source_ref) if listed.repository.gated else None
        return Known(listed, cached, terms)


async def list_repositories(owner: str, options: Options, listen: Listener) -> Owned:
    """List the repositories of an owner, `hf:org` or `ms:datasets/org`, that this account may see.

    Raises:
        UsageError: The text names no owner.
    """
    ref = owner_reference(owner, options.source)
    if ref is None:
        hint = _("hf:org for its models, hf:datasets/org for its datasets")
        raise UsageError(_("“{text}” is no owner at a hub.").format(text=owner), hint=hint)
    async with _looking(f"{owner.strip().rstrip('/')}/name", options, listen) as (session, catalog):
        if session.offline:
            return await asyncio.to_thread(_owned_in_cache, session, ref)
        return await catalog.owned(ref)


def owner_reference(text: str, access: Access) -> RepoRef | None:
    """Return the owner that a text names, as a reference whose `repo_id` is its name; None for none."""
    some = inside.owner_of(text)
    if some is None:
        return None
    ref = reference(some, access, "hf")
    return replace(ref, repo_id=ref.repo_id.partition("/")[0])


async def read_file(
    source: str,
    path: str,
    options: Options,
    listen: Listener,
    write: Callable[[bytes], None],
    part: Part = Part(),
) -> RepoFile:
    """Hand the bytes of one file to `write`, in order; return what was listed.

    Of a whole file the last mebibyte is handed over when the hash of all of it turned out right. A part of
    a file is as the hub sent it: there is nothing that could prove it.

    Raises:
        NotFoundError: There is no such file.
        IntegrityError: It is not what the listing says. What was handed over is to be thrown away.
    """
    async with _looking(source, options, listen) as (session, catalog):
        listed = _from_cache(session) if session.offline else await _listed(session, catalog)
        file = _found(listed, path)
        holdings = session.holdings
        place = holdings.place_of(file) if isinstance(holdings, CacheHoldings) else None
        if place is None and session.offline:
            message = _("{path} is not in the cache, and the hub is not asked").format(path=path)
            raise NotFoundError(message, side="cache", path=path)
        inner = part.within(file.size or 0)
        revision = listed.repository.revision or Revision(session.source_ref, "")
        async with aclosing(
            session.source.read(revision, file, inner.start, inner.stop)
            if place is None
            else _read(place, inner)
        ) as pieces:
            side: Side = "source" if place is None else "cache"
            async for piece in proven(pieces, file, side) if part.whole else pieces:
                write(bytes(piece))
        return file


async def proven(
    pieces: AsyncGenerator[Piece, None], file: RepoFile, side: Side
) -> AsyncGenerator[Piece, None]:
    """Yield a whole file's bytes, the last ones only when all of them are what `file` lists.

    Raises:
        IntegrityError: They are not, or nothing is listed that could tell.
    """
    hashes = Hashes(file, file.size or 0)
    held: deque[bytes] = deque()
    waiting = count = 0
    async for piece in pieces:
        held.append(bytes(piece))
        hashes.update(held[-1])
        waiting += len(held[-1])
        count += len(held[-1])
        while waiting - len(held[0]) >= HELD_BACK:
            waiting -= len(held[0])
            yield held.popleft()
    if count != (file.size or 0) or not hashes.digests().fit(file):
        message = _("{path} is not what the listing says; do not use what was printed").format(path=file.path)
        hint = "hubferry cache verify --full" if side == "cache" else None
        raise IntegrityError(message, side=side, path=file.path, hint=hint)
    while held:
        yield held.popleft()


@asynccontextmanager
async def _looking(
    source: str, options: Options, listen: Listener, *, hash_files: bool = True
) -> AsyncGenerator[tuple[Session, Catalog], None]:
    """Open a session and the catalog of its source; close both."""
    async with AsyncExitStack() as stack:
        session = Session(source, None, options, listen)
        if session.source_ref.hub != "dir" or hash_files:
            await stack.enter_async_context(session)
        catalog = session.catalog(hash_files=hash_files)
        try:
            yield session, catalog
        finally:
            await catalog.close()


async def _listed(session: Session, catalog: Catalog) -> Listed:
    repository = await catalog.repository(session.source_ref)
    assert repository.revision is not None  # noqa: S101 - this is how `Catalog.repository` answers
    options = session.options
    files = select(await catalog.files(repository.revision), options.include, options.exclude)
    cached: frozenset[str] = frozenset()
    if session.source_ref.hub != "dir":
        with suppress(DiskError):  # no place for a cache: then nothing is cached
            cached = frozenset(session.holdings.known(files))
    return Listed(repository, tuple(files), cached)


def _from_cache(session: Session) -> Listed:
    holdings = session.holdings
    assert isinstance(holdings, CacheHoldings)  # noqa: S101 - there is no destination
    answer = remember.recall(holdings.answering)
    revision = Revision(session.source_ref, answer.commit)
    repository = Repository(session.source_ref, revision)
    here = frozenset(path for path, entry in answer.known.files.items() if entry.here)
    paths = frozenset(file.path for file in answer.files)
    return Listed(repository, tuple(answer.files), here & paths, asked=False)


def _directories(session: Session) -> tuple[CachedModel, ...]:
    """Describe the directories that the cache has of a repository."""
    if session.source_ref.hub == "dir":
        return ()
    found = []
    for model in session.cache.all_of(session.source_ref):
        with suppress(DiskError), disk_errors(model.path):  # one that may not be read tells nothing
            found.append(cache_listing.describe(model.path, model.path.parent))
    return tuple(found)


def _owned_in_cache(session: Session, owner: RepoRef) -> Owned:
    models = cache_listing.list_models(session.cache.roots).models
    found = {}
    for model in models:
        ref = model.ref
        if ref is not None and _owner_key(ref) == _owner_key(owner):
            found[ref.repo_id] = Repository(replace(ref, revision=None))
    return Owned(owner, tuple(found[name] for name in sorted(found)))


def _owner_key(ref: RepoRef) -> tuple[str, str, str]:
    return ref.hub, ref.repo_type, ref.repo_id.partition("/")[0].lower()


def _found(listed: Listed, path: str) -> RepoFile:
    for file in listed.files:
        if file.path == path:
            return file
    message = _("{ref} has no file {path}").format(ref=listed.repository.ref, path=path)
    near = _near(path, [file.path for file in listed.files])
    hint = _("did you mean: {names}").format(names=", ".join(near)) if near else None
    raise NotFoundError(message, side="source", path=path, hint=hint)


def _near(path: str, paths: Sequence[str]) -> list[str]:
    from difflib import get_close_matches

    inner = [one for one in paths if one.startswith(f"{path.rstrip('/')}/")]
    return inner[:_NEAR] or get_close_matches(path, paths, _NEAR)


async def _read(place: Path, part: Part) -> AsyncGenerator[Piece, None]:
    """Yield a part of a file of the cache; one that ends early yields less."""
    with disk_errors(place):
        descriptor = disk.open(place, os.O_RDONLY)
        try:
            position, stop = part.start, part.stop or 0
            while position < stop:
                piece = await asyncio.to_thread(
                    disk.pread, descriptor, min(_PIECE, stop - position), position
                )
                if not piece:
                    return
                position += len(piece)
                yield piece
        finally:
            disk.close(descriptor)
