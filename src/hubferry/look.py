"""Look before copying: what an owner has, what a repository holds, what is known of it. Nothing changes."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hubferry import inside, remember
from hubferry.cache import listing as cache_listing
from hubferry.cache.disk import disk_errors
from hubferry.cached import CacheHoldings
from hubferry.catalog import Owned, Repository
from hubferry.errors import DiskError, UsageError
from hubferry.i18n import _
from hubferry.model import Revision
from hubferry.planning import select
from hubferry.session import Session
from hubferry.typed import reference

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from hubferry.cache.listing import CachedModel
    from hubferry.errors import GatedError
    from hubferry.events import Listener
    from hubferry.hubs.ports import Catalog
    from hubferry.model import RepoFile, RepoRef
    from hubferry.options import Access, Options


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


async def list_files(source: str, options: Options, listen: Listener, *, hash_files: bool = True) -> Listed:
    """List what a repository, a folder or (offline) the cache holds, less what patterns leave out.

    Without `hash_files` a folder's files come without digests, and nothing of them is read.

    Raises:
        NotFoundError: There is no such repository or revision.
    """
    async with looking(source, options, listen, hash_files=hash_files) as (session, catalog):
        if session.offline:
            return from_cache(session)
        return await listed_at(session, catalog)


async def info(source: str, options: Options, listen: Listener) -> Known:
    """Say what is known about a repository: its record, its files, its terms, what of it is cached."""
    async with looking(source, options, listen, hash_files=False) as (session, catalog):
        cached = await asyncio.to_thread(_directories, session)
        if session.offline:
            return Known(from_cache(session), cached)
        listed = await listed_at(session, catalog)
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
    async with looking(f"{owner.strip().rstrip('/')}/name", options, listen) as (session, catalog):
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


@asynccontextmanager
async def looking(
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


async def listed_at(session: Session, catalog: Catalog) -> Listed:
    """Ask the hub what the session's source holds, and the cache which of it is here."""
    repository = await catalog.repository(session.source_ref)
    assert repository.revision is not None  # noqa: S101 - this is how `Catalog.repository` answers
    options = session.options
    files = select(await catalog.files(repository.revision), options.include, options.exclude)
    cached: frozenset[str] = frozenset()
    if session.source_ref.hub != "dir":
        with suppress(DiskError):  # no place for a cache: then nothing is cached
            cached = frozenset(session.holdings.known(files))
    return Listed(repository, tuple(files), cached)


def from_cache(session: Session) -> Listed:
    """Ask the cache alone.

    Raises:
        NotFoundError: It has nothing of the revision.
    """
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


def _owner_key(ref: RepoRef) -> tuple[str, str | None, str, str]:
    return ref.hub, ref.home, ref.repo_type, ref.repo_id.partition("/")[0].lower()
