"""What a run asks of the place that it copies from, and a folder of somebody's own as that place.

A run copies from a model's directory in the cache (`cached`), or, when a folder is published, from where its
files stand. Both answer the same questions.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from hubferry.cache.disk import disk
from hubferry.stream.bodies import changed
from hubferry.stream.growing import Hashes
from hubferry.stream.standing import StandingFolder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from contextlib import AbstractAsyncContextManager

    from hubferry.model import Digests, Plan, RepoFile, Step
    from hubferry.stream.standing import Held
    from hubferry.survey import SourceSide


class Holdings(Protocol):
    """What a run asks of the place that it copies from."""

    def expect(self, side: SourceSide) -> None:
        """Take in what the source lists, and what was selected of it."""
        ...

    def open(self) -> AbstractAsyncContextManager[None]:
        """Hold the place for this run alone."""
        ...

    def known(self, files: Sequence[RepoFile]) -> dict[str, Digests]:
        """Return what is here and proven, without reading any content."""
        ...

    def adoptable(self, files: Sequence[RepoFile]) -> dict[str, Digests]:
        """Return what other caches of this machine claim to hold by name; nothing is read or linked."""
        ...

    async def hold(self, files: Sequence[RepoFile], plan: Plan) -> dict[str, Digests]:
        """Look for the plan's files here, then in other caches; read what has to be read."""
        ...

    def resumed(self, plan: Plan) -> Plan:
        """Return a plan that counts what an earlier run has left of the files to fetch."""
        return plan

    def check_space(self, plan: Plan, at_once: int) -> None:
        """Refuse a run that cannot fit, before its first byte; `at_once` blobs are on their way together."""
        ...

    def content(self, step: Step) -> bytes:
        """Read a file that goes inside the commit, and make sure that it is still what was verified."""
        ...

    def record(self) -> None:
        """Write down which commit is here, if all that was asked for of it is."""
        ...

    def mark_published(self, plan: Plan, commit: str) -> None:
        """Write down that the destination was proven to hold what is here."""
        ...

    def note_same(self, plan: Plan) -> None:
        """Write down that the model was used and is published; nothing waits for that."""
        ...


class StandingHoldings(Holdings):
    """A place that is read where it stands: nothing is written down, locked or adopted."""

    standing: Held
    digests: dict[str, Digests]

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None, None]:
        """Hold nothing: the place belongs to whoever else writes there."""
        yield

    def known(self, files: Sequence[RepoFile]) -> dict[str, Digests]:  # noqa: ARG002 - all of them
        """Return everything that is here."""
        return dict(self.digests)

    def adoptable(self, files: Sequence[RepoFile]) -> dict[str, Digests]:  # noqa: ARG002 - all is here
        """Return nothing: there is nothing to adopt."""
        return {}

    async def hold(self, files: Sequence[RepoFile], plan: Plan) -> dict[str, Digests]:  # noqa: ARG002
        """Return everything that is here."""
        return dict(self.digests)

    def check_space(self, plan: Plan, at_once: int) -> None:
        """Do nothing: nothing is written here."""

    def content(self, step: Step) -> bytes:
        """Read a small file; see `Holdings.content`."""
        return proven(self.standing, step)

    def record(self) -> None:
        """Do nothing: the records are somebody else's, or there are none."""

    def mark_published(self, plan: Plan, commit: str) -> None:
        """Do nothing."""

    def note_same(self, plan: Plan) -> None:
        """Do nothing."""


class FolderHoldings(StandingHoldings):
    """A folder that is published from where it stands."""

    standing: StandingFolder

    def expect(self, side: SourceSide) -> None:
        """Take in what the folder lists."""
        self.standing = StandingFolder(side.revision.ref, side.files)
        self.digests = self.standing.known()


def proven(place: Held, step: Step) -> bytes:
    """Read a small file and hold it against its digest."""
    with place.disk_errors():
        content = disk.read_bytes(place.target(step.file.path))
    hashes = Hashes(step.file, len(content))
    hashes.update(content)
    if not hashes.digests().fit(step.file):
        raise changed(step.file, place)
    return content
