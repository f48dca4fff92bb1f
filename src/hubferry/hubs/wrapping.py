"""The one way of wrapping a port: everything is passed on, and a wrapper changes what it is there for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from hubferry.findings import Finding
    from hubferry.hubs.ports import Body, Destination, Piece, Source
    from hubferry.model import Blob, CommitAction, Limits, NewRepository, Plan, RepoFile, RepoRef, Revision


class WrappedSource:
    """A source that does what another one does."""

    def __init__(self, source: Source) -> None:
        """Wrap `source`."""
        self._source = source

    @property
    def ignores_ranges(self) -> bool:
        """As the wrapped source."""
        return self._source.ignores_ranges

    async def resolve(self, ref: RepoRef) -> Revision:
        """Pass on."""
        return await self._source.resolve(ref)

    async def files(self, revision: Revision) -> list[RepoFile]:
        """Pass on."""
        return await self._source.files(revision)

    def read(
        self, revision: Revision, file: RepoFile, start: int, stop: int | None
    ) -> AsyncGenerator[Piece, None]:
        """Pass on."""
        return self._source.read(revision, file, start, stop)

    async def whole(self, revision: Revision, file: RepoFile) -> bytes:
        """Pass on."""
        return await self._source.whole(revision, file)

    async def close(self) -> None:
        """Close the wrapped source."""
        await self._source.close()


class WrappedDestination:
    """A destination that does what another one does."""

    def __init__(self, destination: Destination) -> None:
        """Wrap `destination`."""
        self._destination = destination

    @property
    def limits(self) -> Limits:
        """The wrapped destination's limits."""
        return self._destination.limits

    async def resolve(self, ref: RepoRef) -> Revision:
        """Pass on."""
        return await self._destination.resolve(ref)

    async def files(self, revision: Revision) -> list[RepoFile]:
        """Pass on."""
        return await self._destination.files(revision)

    async def whole(self, revision: Revision, file: RepoFile) -> bytes:
        """Pass on."""
        return await self._destination.whole(revision, file)

    async def examine(self, plan: Plan) -> Sequence[Finding]:
        """Pass on."""
        return await self._destination.examine(plan)

    async def ensure(self, ref: RepoRef, new: NewRepository) -> bool:
        """Pass on."""
        return await self._destination.ensure(ref, new)

    async def missing(self, ref: RepoRef, blobs: Sequence[Blob]) -> frozenset[str]:
        """Pass on."""
        return await self._destination.missing(ref, blobs)

    async def upload(self, ref: RepoRef, blob: Blob, body: Body) -> None:
        """Pass on."""
        await self._destination.upload(ref, blob, body)

    async def commit(
        self, ref: RepoRef, actions: Sequence[CommitAction], message: str, parent: str | None = None
    ) -> str:
        """Pass on."""
        return await self._destination.commit(ref, actions, message, parent)

    async def close(self) -> None:
        """Close the wrapped destination."""
        await self._destination.close()
