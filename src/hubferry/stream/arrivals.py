"""Who waits for which file, and what became of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hubferry.errors import (
    AccessError,
    DiskError,
    FileDeniedError,
    GatedError,
    HubferryError,
    IntegrityError,
    NetworkError,
    NotFoundError,
)
from hubferry.events import FileDone, Listener, Progress
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubferry.model import Digests, RepoFile

ATTEMPTS = 2
"""How often a file is fetched in all when its hash turns out wrong."""
MOST_IN_A_ROW = 32
"""Files that the network fails with nothing moving in between, after which it fails them all."""


class Arrivals:
    """One future a file: its digests once it has its final name, or why it failed."""

    def __init__(self, listen: Listener, *, keep_going: bool = False) -> None:
        """Begin without files."""
        self._listen = listen
        self._failures = Failures(keep_going=keep_going)
        self._futures: dict[str, asyncio.Future[Digests]] = {}
        self._wrong: dict[str, int] = {}
        self._unsettled = 0
        self._settled = asyncio.Event()
        self._settled.set()
        self.fetched = 0

    def expect(self, path: str) -> None:
        """Take in a file."""
        self._futures[path] = asyncio.get_running_loop().create_future()
        self._unsettled += 1
        self._settled.clear()

    async def arrived(self, path: str) -> Digests:
        """Wait until a file has its final name; raise what it failed for."""
        return await asyncio.shield(self._futures[path])

    def done(self, path: str) -> bool:
        """Return whether a file has arrived or failed."""
        return self._futures[path].done()

    def has_arrived(self, path: str) -> bool:
        """Return whether a file has its final name."""
        future = self._futures[path]
        return future.done() and future.exception() is None

    async def all_settled(self) -> None:
        """Wait until each file has arrived or failed."""
        await self._settled.wait()

    def outcomes(self) -> Iterator[tuple[str, Digests | HubferryError]]:
        """Yield, when all are settled, what became of each file: its digests, or why it failed."""
        for path, future in self._futures.items():
            error = future.exception()
            yield path, (error if isinstance(error, HubferryError) else future.result())

    def count(self, path: str, count: int) -> None:
        """Count bytes that came over the network."""
        self.fetched += count
        self._failures.interrupt()
        self._listen(Progress("fetch", path, count))

    def arrive(self, file: RepoFile, digests: Digests) -> None:
        """Say that a file has its final name."""
        self._futures[file.path].set_result(digests)
        self._settle_one()
        self._listen(FileDone("fetch", file.path, file.size or 0))

    def fail(self, path: str, error: HubferryError) -> None:
        """Say that a file will not come."""
        future = self._futures[path]
        if not future.done():
            future.set_exception(error)
            future.exception()  # somebody may wait for it, nobody has to
            self._settle_one()

    def concerns_one_file(self, error: HubferryError) -> bool:
        """Return whether an error ends one file only; see `Failures`."""
        return self._failures.concern_one_file(error)

    def may_try_again(self, file: RepoFile) -> bool:
        """Count a file whose bytes were wrong; return whether it is fetched once more, from the start."""
        self._wrong[file.path] = self._wrong.get(file.path, 0) + 1
        again = self._wrong[file.path] < ATTEMPTS
        if again:
            self._listen(Progress("fetch", file.path, -(file.size or 0)))
        return again

    def _settle_one(self) -> None:
        self._unsettled -= 1
        if not self._unsettled:
            self._settled.set()


class Failures:
    """Tell errors that end one file from those that end the run.

    Wrong bytes, and a file that is not there or not given, are always about their file. With `keep_going`
    so is what a hub or a folder says about a single one, as long as it does not say that about everything.
    """

    def __init__(self, *, keep_going: bool) -> None:
        """Begin without failures."""
        self._keep_going = keep_going
        self._in_a_row = 0

    def interrupt(self) -> None:
        """Say that something moved: the network is there."""
        self._in_a_row = 0

    def concern_one_file(self, error: HubferryError) -> bool:
        """Return whether `error` says something about its file only, and the others may go on."""
        if isinstance(error, (IntegrityError, NotFoundError, FileDeniedError)):
            return True
        if not self._keep_going or isinstance(error, GatedError):
            return False
        if isinstance(error, NetworkError):
            self._in_a_row += 1
            return self._in_a_row < MOST_IN_A_ROW
        if isinstance(error, DiskError):
            return error.side == "source"
        return isinstance(error, AccessError) or type(error) is HubferryError


class GivenUpError(IntegrityError):
    """Tell readers that a file will not come, so that nobody tries again. Never leaves the core."""


def wrong_bytes(file: RepoFile) -> IntegrityError:
    """Return the error for bytes that do not hash to what was listed."""
    message = _("{path}: the bytes that arrived are not those the source lists").format(path=file.path)
    return IntegrityError(message, side="source", path=file.path)
