"""Look at a folder as if it were a hub: what is in it, without reading what its files hold."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hubferry.catalog import Owned, References, Repository
from hubferry.hubs.folder.source import DirectorySource, no_folder, root_of
from hubferry.hubs.folder.survey import survey
from hubferry.model import RepoFile, Revision

if TYPE_CHECKING:
    from hubferry.catalog import Account, PastCommit
    from hubferry.errors import GatedError
    from hubferry.model import RepoRef


class FolderCatalog:
    """A folder that is looked at; nothing in it is opened unless its digests are wanted."""

    def __init__(self, source: DirectorySource, *, hash_files: bool) -> None:
        """Look at what `source` would copy; `hash_files` says whether the digests are wanted."""
        self._source = source
        self._hash_files = hash_files
        self._seen: dict[str, list[RepoFile]] = {}

    @property
    def endpoint(self) -> str:
        """Nothing: a folder is at no address."""
        return ""

    async def repository(self, ref: RepoRef) -> Repository:
        """Describe the folder; see `Catalog.repository`. Without digests it has no commit."""
        if self._hash_files:
            revision = await self._source.resolve(ref)
            return Repository(ref, revision, license=revision.license)
        root = root_of(ref)
        if not root.is_dir():
            raise no_folder(root, "source")
        found = await asyncio.to_thread(survey, root, frozenset[str]())
        self._seen[ref.repo_id] = [RepoFile(one.path, one.status.st_size) for one in found.entries]
        changed = max((one.status.st_mtime for one in found.entries), default=None)
        return Repository(ref, Revision(ref, "", findings=tuple(found.findings)), changed=changed)

    async def files(self, revision: Revision) -> list[RepoFile]:
        """List what would be copied; see `Source.files`."""
        seen = self._seen.get(revision.ref.repo_id)
        return await self._source.files(revision) if seen is None else seen

    async def owned(self, owner: RepoRef) -> Owned:
        """Return nothing: a folder owns no repositories."""
        return Owned(owner, ())

    async def references(self, ref: RepoRef) -> References:
        """Return none: a folder has neither branches nor tags."""
        del ref
        return References("")

    async def history(
        self, ref: RepoRef, wanted: frozenset[str], *, any_of: bool = False
    ) -> tuple[PastCommit, ...] | None:
        """Return None: a folder has no commits."""
        del ref, wanted, any_of
        return None

    async def terms(self, ref: RepoRef) -> GatedError | None:
        """Return None: a folder has no terms."""
        del ref
        return None

    async def account(self) -> Account | None:
        """Return None: nobody signs in to a folder."""
        return None

    async def reach(self) -> None:
        """Return at once: a folder is here."""

    async def close(self) -> None:
        """Do nothing: no file stays open."""
