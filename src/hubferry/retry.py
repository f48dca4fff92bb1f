"""Wrappers around a port that try again what failed in passing, for as long as `hubferry.patience` allows."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, TypeVar

from hubferry.errors import (
    AccessError,
    BusyError,
    HubferryError,
    NetworkError,
    NotFoundError,
    PolicyError,
)
from hubferry.events import Listener, ignore
from hubferry.hubs.wrapping import WrappedDestination, WrappedSource
from hubferry.patience import Account, Trial

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from hubferry.findings import Finding
    from hubferry.hubs.ports import Body, Destination, Piece, Source
    from hubferry.model import Blob, CommitAction, NewRepository, Plan, RepoFile, RepoRef, Revision

Result = TypeVar("Result")

_FEW = 3
"""Tries of a file that comes wrong, after another one did so for as long as there was patience."""


async def attempt(
    action: Callable[[], Awaitable[Result]], what: str, account: Account, listen: Listener = ignore
) -> Result:
    """Run `action` until it succeeds, fails for good, or patience ends; the last error comes out."""
    trial = Trial(account)
    while True:
        await trial.begin()
        try:
            result = await action()
        except HubferryError as error:
            if isinstance(error, (AccessError, NotFoundError)):
                account.progressed()  # it answered, if not as one would like
            if error.got_on:
                trial.progressed()
            await trial.failed(error, what, listen)
        else:
            account.progressed()
            return result


class RetryingSource(WrappedSource):
    """A source that goes on where a broken connection left it."""

    def __init__(self, source: Source, account: Account, listen: Listener = ignore) -> None:
        """Wrap `source`."""
        super().__init__(source)
        self._account = account
        self._listen = listen
        self._spent = False

    async def resolve(self, ref: RepoRef) -> Revision:
        """Resolve, trying again what may pass."""
        return await attempt(lambda: self._source.resolve(ref), str(ref), self._account, self._listen)

    async def files(self, revision: Revision) -> list[RepoFile]:
        """List, trying again what may pass."""
        what = str(revision.ref)
        return await attempt(lambda: self._source.files(revision), what, self._account, self._listen)

    async def read(
        self, revision: Revision, file: RepoFile, start: int, stop: int | None
    ) -> AsyncGenerator[Piece, None]:
        """Yield the range; after a failure ask for the rest only. Progress renews the patience."""
        position, trial = start, Trial(self._account)
        while True:
            await trial.begin()
            try:
                async with aclosing(self._source.read(revision, file, position, stop)) as pieces:
                    async for piece in pieces:
                        position += len(piece)
                        if piece:
                            trial.progressed()
                        yield piece
            except HubferryError as error:
                await self._failed(trial, error, file)
            else:
                return

    async def whole(self, revision: Revision, file: RepoFile) -> bytes:
        """Return a small file, asking again from its start."""
        trial = Trial(self._account)
        while True:
            await trial.begin()
            try:
                content = await self._source.whole(revision, file)
            except HubferryError as error:
                await self._failed(trial, error, file)
            else:
                self._account.progressed()
                return content

    async def _failed(self, trial: Trial, error: HubferryError, file: RepoFile) -> None:
        """Wait after a failure; once a file did not come right in all patience, others are not waited for.

        That they are waited for one after the other would take a broken mirror's number of files times that.
        """
        of_the_file = error.retryable and not isinstance(error, NetworkError)
        most = self._account.policy.attempts
        if of_the_file and self._spent:
            most = _FEW if most is None else min(most, _FEW)
        try:
            await trial.failed(error, file.path, self._listen, most)
        except HubferryError:
            self._spent = self._spent or of_the_file
            raise


class RetryingDestination(WrappedDestination):
    """A destination that is asked again; a commit only if it was refused, never when its answer was lost."""

    def __init__(self, destination: Destination, account: Account, listen: Listener = ignore) -> None:
        """Wrap `destination`."""
        super().__init__(destination)
        self._account = account
        self._listen = listen

    async def resolve(self, ref: RepoRef) -> Revision:
        """Resolve, trying again what may pass."""
        return await self._again(lambda: self._destination.resolve(ref), str(ref))

    async def files(self, revision: Revision) -> list[RepoFile]:
        """List, trying again what may pass."""
        return await self._again(lambda: self._destination.files(revision), str(revision.ref))

    async def whole(self, revision: Revision, file: RepoFile) -> bytes:
        """Return a small file, asking again from its start."""
        return await self._again(lambda: self._destination.whole(revision, file), file.path)

    async def examine(self, plan: Plan) -> Sequence[Finding]:
        """Ask, trying again what may pass."""
        return await self._again(lambda: self._destination.examine(plan), str(plan.destination.ref))

    async def ensure(self, ref: RepoRef, new: NewRepository) -> bool:
        """Create, trying again what may pass: creating what exists is no failure."""
        return await self._again(lambda: self._destination.ensure(ref, new), str(ref))

    async def missing(self, ref: RepoRef, blobs: Sequence[Blob]) -> frozenset[str]:
        """Ask again what was not answered."""
        return await self._again(lambda: self._destination.missing(ref, blobs), str(ref))

    async def upload(self, ref: RepoRef, blob: Blob, body: Body) -> None:
        """Send the blob again from its first byte: a PUT does not resume."""
        await self._again(lambda: self._destination.upload(ref, blob, body), blob.sha256[:12])

    async def commit(
        self, ref: RepoRef, actions: Sequence[CommitAction], message: str, parent: str | None = None
    ) -> str:
        """Commit; wait and repeat only while the hub says that it is busy and did nothing.

        What a policy refused is not repeated as it is: that is for whoever can make it smaller.
        """
        trial = Trial(self._account)
        while True:
            await trial.begin()
            try:
                commit = await self._destination.commit(ref, actions, message, parent)
            except PolicyError as error:
                self._account.failed(error)
                raise
            except BusyError as error:
                await trial.failed(error, str(ref), self._listen)
            else:
                self._account.progressed()
                return commit

    async def _again(self, action: Callable[[], Awaitable[Result]], what: str) -> Result:
        return await attempt(action, what, self._account, self._listen)
