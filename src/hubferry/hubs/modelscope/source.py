"""Read from ModelScope.

The hub names no head commit, so a revision here is a digest of its listing, and each file is read by the
commit that last changed it: what was listed is what is read, whatever happens to the branch meanwhile.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

from hubferry.errors import NetworkError, Side
from hubferry.hubs.http.client import HubClient
from hubferry.hubs.http.ranges import RangeReader
from hubferry.hubs.http.refused import FileQuestion
from hubferry.hubs.modelscope.listing import Listing
from hubferry.hubs.modelscope.wire import DEFAULT_BRANCH, Wire, login
from hubferry.i18n import _
from hubferry.model import RepoFile, Revision

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from hubferry.hubs.ports import Piece
    from hubferry.model import RepoRef

_PUBLIC = 5
_GATED = 1


class ModelScopeSource:
    """A ModelScope server as a source; has no method that writes."""

    def __init__(
        self,
        endpoint: str,
        token: str | None = None,
        *,
        connections: int | None = None,
        allow_insecure: bool = False,
        side: Side = "source",
    ) -> None:
        """Prepare; see `HubClient`."""
        self._client = HubClient(
            endpoint, token, side=side, login=login, connections=connections, allow_insecure=allow_insecure
        )
        self._wire = Wire(self._client)
        self._reader = RangeReader(self._client)
        self._listings: dict[str, list[RepoFile]] = {}
        self._begun: dict[RepoRef, Listing] = {}

    @property
    def ignores_ranges(self) -> bool:
        """Whether this server was seen to send a whole file where a part of it was asked for."""
        return self._reader.ignored

    async def resolve(self, ref: RepoRef) -> Revision:
        """Pin a branch or tag by its listing, which `files` then need not ask for again."""
        return (await self.record(ref))[0]

    async def record(self, ref: RepoRef) -> tuple[Revision, dict[str, Any]]:
        """Return a revision, and the hub's own record of the repository."""
        listing = asyncio.ensure_future(self._listed(ref))
        try:
            info = await self._wire.get(ref, self._wire.api(ref))
            files = await listing
        except BaseException:
            listing.cancel()
            await asyncio.gather(listing, return_exceptions=True)
            raise
        commit = listing_digest(files)
        self._listings[commit] = files
        return described(ref, commit, info), info if isinstance(info, dict) else {}

    @property
    def wire(self) -> Wire:
        """The server itself, for what else it may be asked as the same account."""
        return self._wire

    async def files(self, revision: Revision) -> list[RepoFile]:
        """Return the listing that `revision` stands for.

        Raises:
            NetworkError: It was resolved by somebody else, and the branch has moved since.
        """
        held = self._listings.get(revision.commit)
        if held is not None:
            return held
        files = await self._listed(revision.ref)
        if listing_digest(files) != revision.commit:
            raise NetworkError(
                _("{name} has changed in the middle of the work.").format(name=revision.ref.repo_id),
                side=self._client.side,
                hint=_("Run the same command again."),
            )
        return files

    async def _listed(self, ref: RepoRef) -> list[RepoFile]:
        """List a repository, going on where an earlier try failed in passing."""
        listing = self._begun.pop(ref, None) or Listing(self._wire, ref)
        try:
            return await listing.files()
        except (NetworkError, asyncio.CancelledError):
            if not listing.is_short:
                self._begun[ref] = listing
            raise

    def read(
        self, revision: Revision, file: RepoFile, start: int, stop: int | None
    ) -> AsyncGenerator[Piece, None]:
        """Yield a range of a file; see `Source.read`."""
        return self._reader.read(self._question(revision, file), start, stop)

    async def whole(self, revision: Revision, file: RepoFile) -> bytes:
        """Return a small file; see `Source.whole`."""
        return await self._reader.whole(self._question(revision, file))

    def _question(self, revision: Revision, file: RepoFile) -> FileQuestion:
        """Return how this hub is asked for a file.

        Wire fact: _legacy_api.py `get_download_url`; LFS files redirect to object storage.
        """
        ref = revision.ref
        pinned = file.revision or ref.revision or DEFAULT_BRANCH
        url = self._wire.api(ref, "/repo", Revision=pinned, FilePath=file.path)
        return FileQuestion(
            url,
            ref,
            file,
            lambda answer: self._wire.checked(ref, answer, file.path),
            lambda denied: self._is_there(ref, denied=denied),
        )

    async def _is_there(self, ref: RepoRef, *, denied: bool) -> bool:
        """Return whether the hub says that nothing is refused; a record says so of no file."""
        await self._wire.get(ref, self._wire.api(ref))
        return not denied

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()


def described(ref: RepoRef, commit: str, info: Any) -> Revision:
    """Return a revision with what the hub's record of the repository says about who may read it."""
    facts = info if isinstance(info, dict) else {}
    return Revision(
        ref,
        commit,
        private=_is_private(facts),
        gated=facts.get("ProtectedMode") == _GATED,
        license=_text(facts.get("License")),
    )


def listing_digest(files: Iterable[RepoFile]) -> str:
    """Name a listing, sorted by path, by a digest of its paths, sizes and contents."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.path}\0{file.size}\0{file.sha256}\n".encode())
    return digest.hexdigest()


def _is_private(facts: dict[str, Any]) -> bool:
    """Return whether strangers are kept out; constants.py `Visibility`: 1 private, 3 internal, 5 public."""
    visibility = facts.get("Visibility")
    return isinstance(visibility, int) and visibility != _PUBLIC


def _text(value: Any) -> str | None:
    return value.strip() if isinstance(value, str) and value.strip() else None
