"""What to try again, how long to wait, and the wrappers that do it around a port."""

from __future__ import annotations

import asyncio
import os
import random
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from hubferry.errors import BusyError, HubferryError, PolicyError
from hubferry.events import Listener, Retrying, ignore

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence

    from hubferry.findings import Finding
    from hubferry.hubs.ports import Body, Destination, Piece, Source
    from hubferry.model import Blob, CommitAction, Limits, NewRepository, Plan, RepoFile, RepoRef, Revision

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Policy:
    """How stubborn to be.

    Attributes:
        attempts: Tries without any progress before giving up.
        first: Seconds before the second try; doubled each time, with jitter.
        longest: Most seconds to wait of our own accord.
        patience: Most seconds to wait when the hub names the time.
    """

    attempts: int = 6
    first: float = 0.5
    longest: float = 30.0
    patience: float = 900.0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Policy:
        """Read HUBFERRY_RETRIES (tries after the first) and HUBFERRY_RETRY_WAIT (seconds before them)."""
        retries = _number(environment.get("HUBFERRY_RETRIES", ""))
        wait = _number(environment.get("HUBFERRY_RETRY_WAIT", ""))
        return cls(
            attempts=cls().attempts if retries is None else int(retries) + 1,
            first=cls().first if wait is None else wait,
        )

    def wait(self, failures: int, error: HubferryError) -> float | None:
        """Return the seconds to wait after so many failures in a row, None to give up."""
        if not error.retryable or failures >= self.attempts:
            return None
        if isinstance(error, BusyError) and error.retry_after is not None:
            return error.retry_after if error.retry_after <= self.patience else None
        ceiling = min(self.longest, self.first * 2.0 ** (failures - 1))
        return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, guards nothing


def _number(text: str) -> float | None:
    """Read a number that may be set; None for what is none, or below zero."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None


async def attempt(
    action: Callable[[], Awaitable[Result]], what: str, policy: Policy, listen: Listener = ignore
) -> Result:
    """Run `action` until it succeeds, fails for good, or the policy gives up; the last error comes out."""
    failures = 0
    while True:
        try:
            return await action()
        except HubferryError as error:
            failures += 1
            await _pause(error, what, failures, policy, listen)


async def _pause(error: HubferryError, what: str, failures: int, policy: Policy, listen: Listener) -> None:
    seconds = policy.wait(failures, error)
    if seconds is None:
        raise error
    listen(Retrying(what, error.message, failures, seconds))
    await asyncio.sleep(seconds)


class RetryingSource:
    """A source that goes on where a broken connection left it."""

    def __init__(self, source: Source, policy: Policy, listen: Listener = ignore) -> None:
        """Wrap `source`."""
        self._source = source
        self._policy = policy
        self._listen = listen

    @property
    def ignores_ranges(self) -> bool:
        """As the wrapped source."""
        return self._source.ignores_ranges

    async def resolve(self, ref: RepoRef) -> Revision:
        """Resolve, trying again what may pass."""
        return await attempt(lambda: self._source.resolve(ref), str(ref), self._policy, self._listen)

    async def files(self, revision: Revision) -> list[RepoFile]:
        """List, trying again what may pass."""
        what = str(revision.ref)
        return await attempt(lambda: self._source.files(revision), what, self._policy, self._listen)

    async def read(
        self, revision: Revision, file: RepoFile, start: int, stop: int | None
    ) -> AsyncGenerator[Piece, None]:
        """Yield the range; after a failure ask for the rest only. Progress resets the count of failures."""
        position, failures = start, 0
        while True:
            try:
                async with aclosing(self._source.read(revision, file, position, stop)) as pieces:
                    async for piece in pieces:
                        position += len(piece)
                        failures = 0 if piece else failures
                        yield piece
            except HubferryError as error:
                failures += 1
                await _pause(error, file.path, failures, self._policy, self._listen)
            else:
                return

    async def whole(self, revision: Revision, file: RepoFile) -> bytes:
        """Return a small file, asking again from its start."""
        return await attempt(
            lambda: self._source.whole(revision, file), file.path, self._policy, self._listen
        )

    async def close(self) -> None:
        """Close the wrapped source."""
        await self._source.close()


class RetryingDestination:
    """A destination that is asked again; a commit only if it was refused, never when its answer was lost."""

    def __init__(self, destination: Destination, policy: Policy, listen: Listener = ignore) -> None:
        """Wrap `destination`."""
        self._destination = destination
        self._policy = policy
        self._listen = listen

    @property
    def limits(self) -> Limits:
        """The wrapped destination's limits."""
        return self._destination.limits

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
        failures = 0
        while True:
            try:
                return await self._destination.commit(ref, actions, message, parent)
            except PolicyError:
                raise
            except BusyError as error:
                failures += 1
                await _pause(error, str(ref), failures, self._policy, self._listen)

    async def close(self) -> None:
        """Close the wrapped destination."""
        await self._destination.close()

    async def _again(self, action: Callable[[], Awaitable[Result]], what: str) -> Result:
        return await attempt(action, what, self._policy, self._listen)
