"""Wrappers around a port that try again what failed in passing, for as long as `hubferry.patience` allows.

They know what is being done, and with which file: who waits for it is told, and so is who sees it fail.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from hubferry.errors import (
    AccessError,
    BusyError,
    ConflictError,
    HubferryError,
    MovedTagError,
    NetworkError,
    NotFoundError,
    PolicyError,
    naming,
)
from hubferry.events import Listener, ignore
from hubferry.hubs.wrapping import WrappedDestination, WrappedSource
from hubferry.i18n import _, ngettext
from hubferry.patience import Account, Trial

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from hubferry.catalog import Account as Login
    from hubferry.catalog import Owned, PastCommit, Reference, References, Repository
    from hubferry.errors import GatedError
    from hubferry.findings import Finding
    from hubferry.hubs.ports import Body, Catalog, Destination, Piece, ReferenceWriter, Source
    from hubferry.model import Blob, CommitAction, NewRepository, Plan, RepoFile, RepoRef, Revision

Result = TypeVar("Result")

_FEW = 3
"""Tries of a file that comes wrong, after another one did so for as long as there was patience."""


async def attempt(
    action: Callable[[], Awaitable[Result]],
    doing: str,
    account: Account,
    listen: Listener = ignore,
) -> Result:
    """Run `action` until it succeeds, fails for good, or patience ends; the last error comes out.

    `doing` is what it does, in a translated phrase: whoever waits for it hears that.
    """
    trial = Trial(account)
    while True:
        await trial.begin()
        try:
            result = await action()
        except HubferryError as error:
            if isinstance(error, (AccessError, NotFoundError)):
                account.progressed()  # it answered, if not as one would like
            elif error.retryable:
                error.doing = error.doing or doing
            if error.got_on:
                trial.progressed()
            await trial.failed(error, doing, listen)
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
        return await self._again(lambda: self._source.resolve(ref), _asking(ref))

    async def files(self, revision: Revision) -> list[RepoFile]:
        """List, trying again what may pass."""
        return await self._again(lambda: self._source.files(revision), _listing(revision))

    async def read(
        self, revision: Revision, file: RepoFile, start: int, stop: int | None
    ) -> AsyncGenerator[Piece, None]:
        """Yield the range; after a failure ask for the rest only. Progress renews the patience."""
        position, trial, doing = start, Trial(self._account), _fetching(file)
        with naming(doing, file.path):
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
                    await self._failed(trial, error, doing)
                else:
                    return

    async def whole(self, revision: Revision, file: RepoFile) -> bytes:
        """Return a small file, asking again from its start."""
        trial, doing = Trial(self._account), _fetching(file)
        with naming(doing, file.path):
            while True:
                await trial.begin()
                try:
                    content = await self._source.whole(revision, file)
                except HubferryError as error:
                    await self._failed(trial, error, doing)
                else:
                    self._account.progressed()
                    return content

    async def _failed(self, trial: Trial, error: HubferryError, doing: str) -> None:
        """Wait after a failure; once a file did not come right in all patience, others are not waited for.

        That they are waited for one after the other would take a broken mirror's number of files times that.
        """
        of_the_file = error.retryable and not isinstance(error, NetworkError)
        few = min(_FEW, self._account.policy.attempts or _FEW) if of_the_file and self._spent else None
        try:
            await trial.failed(error, doing, self._listen, few)
        except HubferryError:
            self._spent = self._spent or of_the_file
            raise

    async def _again(self, action: Callable[[], Awaitable[Result]], doing: str) -> Result:
        return await attempt(action, doing, self._account, self._listen)


class RetryingDestination(WrappedDestination):
    """A destination that is asked again; a commit only if it was refused, never when its answer was lost."""

    def __init__(self, destination: Destination, account: Account, listen: Listener = ignore) -> None:
        """Wrap `destination`."""
        super().__init__(destination)
        self._account = account
        self._listen = listen

    async def resolve(self, ref: RepoRef) -> Revision:
        """Resolve, trying again what may pass."""
        return await self._again(lambda: self._destination.resolve(ref), _asking(ref))

    async def files(self, revision: Revision) -> list[RepoFile]:
        """List, trying again what may pass."""
        return await self._again(lambda: self._destination.files(revision), _listing(revision))

    async def whole(self, revision: Revision, file: RepoFile) -> bytes:
        """Return a small file, asking again from its start."""
        with naming(_fetching(file), file.path):
            return await self._again(lambda: self._destination.whole(revision, file), _fetching(file))

    async def examine(self, plan: Plan) -> Sequence[Finding]:
        """Ask, trying again what may pass."""
        doing = _("asking what {name} would refuse").format(name=plan.destination.ref)
        return await self._again(lambda: self._destination.examine(plan), doing)

    async def ensure(self, ref: RepoRef, new: NewRepository) -> bool:
        """Create, trying again what may pass: creating what exists is no failure."""
        doing = _("creating {name}").format(name=ref)
        with naming(doing):
            return await self._again(lambda: self._destination.ensure(ref, new), doing)

    async def missing(self, ref: RepoRef, blobs: Sequence[Blob]) -> frozenset[str]:
        """Ask again what was not answered."""
        doing = _stored_at(ref, blobs)
        with naming(doing, blobs[0].path or None if len(blobs) == 1 else None):
            return await self._again(lambda: self._destination.missing(ref, blobs), doing)

    async def upload(self, ref: RepoRef, blob: Blob, body: Body) -> None:
        """Send the blob again: from its first byte, as a PUT does not resume, or from the part that broke."""
        doing = _("sending {path}").format(path=blob.path or blob.sha256[:12])
        with naming(doing, blob.path or None):
            await self._again(lambda: self._destination.upload(ref, blob, body), doing)

    async def commit(
        self, ref: RepoRef, actions: Sequence[CommitAction], message: str, parent: str | None = None
    ) -> str:
        """Commit; wait and repeat only while the hub says that it is busy and did nothing.

        What a policy refused is not repeated as it is: that is for whoever can make it smaller.
        """
        trial, doing = Trial(self._account), committing(ref, len(actions))
        with naming(doing):
            while True:
                await trial.begin()
                try:
                    commit = await self._destination.commit(ref, actions, message, parent)
                except PolicyError as error:
                    self._account.failed(error)
                    raise
                except BusyError as error:
                    await trial.failed(error, doing, self._listen)
                else:
                    self._account.progressed()
                    return commit

    async def _again(self, action: Callable[[], Awaitable[Result]], doing: str) -> Result:
        return await attempt(action, doing, self._account, self._listen)


class RetryingCatalog:
    """A catalog that asks again what failed in passing."""

    def __init__(self, catalog: Catalog, account: Account, listen: Listener = ignore) -> None:
        """Wrap `catalog`."""
        self._catalog = catalog
        self._account = account
        self._listen = listen

    @property
    def endpoint(self) -> str:
        """The wrapped catalog's."""
        return self._catalog.endpoint

    async def repository(self, ref: RepoRef) -> Repository:
        """Describe, asking again what may pass."""
        return await attempt(lambda: self._catalog.repository(ref), _asking(ref), self._account, self._listen)

    async def files(self, revision: Revision) -> list[RepoFile]:
        """List, asking again what may pass."""
        doing = _listing(revision)
        return await attempt(lambda: self._catalog.files(revision), doing, self._account, self._listen)

    async def owned(self, owner: RepoRef) -> Owned:
        """List an owner's repositories, asking again what may pass."""
        return await attempt(lambda: self._catalog.owned(owner), _asking(owner), self._account, self._listen)

    async def references(self, ref: RepoRef) -> References:
        """List branches and tags, asking again what may pass."""
        return await attempt(lambda: self._catalog.references(ref), _asking(ref), self._account, self._listen)

    async def history(
        self, ref: RepoRef, wanted: frozenset[str], *, any_of: bool = False
    ) -> tuple[PastCommit, ...] | None:
        """Walk the commits, from the start again after what may pass."""
        return await attempt(
            lambda: self._catalog.history(ref, wanted, any_of=any_of),
            _asking(ref),
            self._account,
            self._listen,
        )

    async def terms(self, ref: RepoRef) -> GatedError | None:
        """Ask about the terms, again where that may help."""
        return await attempt(lambda: self._catalog.terms(ref), _asking(ref), self._account, self._listen)

    async def account(self) -> Login | None:
        """Ask whose token it is, again where that may help."""
        return await attempt(self._catalog.account, _("asking for the account"), self._account, self._listen)

    async def reach(self) -> None:
        """Pass on: whether it answers now is the question."""
        await self._catalog.reach()

    async def close(self) -> None:
        """Close the wrapped catalog."""
        await self._catalog.close()


class RetryingReferenceWriter:
    """A writer of tags and branches that looks whether a name is there before it is made again."""

    def __init__(
        self, writer: ReferenceWriter, catalog: Catalog, account: Account, listen: Listener = ignore
    ) -> None:
        """Wrap `writer`; `catalog` looks at the same hub, and is closed by whoever opened it."""
        self._writer = writer
        self._catalog = catalog
        self._account = account
        self._listen = listen

    @property
    def makes_branches(self) -> bool:
        """As the wrapped writer."""
        return self._writer.makes_branches

    @property
    def says_commits(self) -> bool:
        """As the wrapped writer."""
        return self._writer.says_commits

    async def tag(self, ref: RepoRef, name: str, commit: str) -> None:
        """Make a tag; one that is there at the same commit is made, one at another is never moved.

        Raises:
            MovedTagError: There is one at another commit.
        """
        doing = _("making the tag {tag} of {name}").format(tag=name, name=replace(ref, revision=None))
        made = lambda: self._writer.tag(ref, name, commit)  # noqa: E731 - as long as a name and shorter
        await self._make(made, lambda found: found.tag(name), replace(ref, revision=name), commit, doing)

    async def branch(self, ref: RepoRef, name: str, commit: str) -> None:
        """Make a branch; one that is there at the same commit is made.

        Raises:
            MovedTagError: There is one at another commit.
        """
        doing = _("making the branch {branch} of {name}").format(
            branch=name, name=replace(ref, revision=None)
        )
        made = lambda: self._writer.branch(ref, name, commit)  # noqa: E731 - as above
        await self._make(made, lambda found: found.branch(name), replace(ref, revision=name), commit, doing)

    async def remove_branch(self, ref: RepoRef, name: str) -> None:
        """Remove a branch, trying again what may pass."""
        doing = _("removing the branch {branch} of {name}").format(
            branch=name, name=replace(ref, revision=None)
        )
        await attempt(lambda: self._writer.remove_branch(ref, name), doing, self._account, self._listen)

    async def close(self) -> None:
        """Close the wrapped writer."""
        await self._writer.close()

    async def _make(
        self,
        action: Callable[[], Awaitable[None]],
        find: Callable[[References], Reference | None],
        ref: RepoRef,
        commit: str,
        doing: str,
    ) -> None:
        trial = Trial(self._account)
        with naming(doing):
            while True:
                await trial.begin()
                try:
                    await action()
                except NetworkError as error:
                    if not isinstance(error, BusyError) and await self._is_there(ref, find, commit):
                        return
                    few = _FEW if isinstance(error, ConflictError) else None
                    await trial.failed(error, doing, self._listen, few)
                else:
                    self._account.progressed()
                    return

    async def _is_there(
        self, ref: RepoRef, find: Callable[[References], Reference | None], commit: str
    ) -> bool:
        """Return whether a name is there, at `commit` as far as the hub says that.

        Raises:
            MovedTagError: It is there at another commit.
        """
        found = find(await self._catalog.references(replace(ref, revision=None)))
        if found is None:
            return False
        if found.commit in (None, commit):
            return True
        behind = (await self._catalog.repository(ref)).revision  # of an annotated tag the list names the tag
        if behind is not None and behind.commit == commit:
            return True
        message = _("{name} is there already, at another commit").format(name=ref)
        raise MovedTagError(message, side="destination")


def committing(ref: RepoRef, count: int) -> str:
    """Say that so many files are being committed to a repository."""
    phrase = ngettext("committing {count} file to {name}", "committing {count} files to {name}", count)
    return phrase.format(count=count, name=ref)


def _asking(ref: RepoRef) -> str:
    return _("looking at {name}").format(name=ref)


def _listing(revision: Revision) -> str:
    return _("listing {name}").format(name=revision.ref)


def _fetching(file: RepoFile) -> str:
    return _("fetching {path}").format(path=file.path)


def _stored_at(ref: RepoRef, blobs: Sequence[Blob]) -> str:
    if len(blobs) == 1 and blobs[0].path:
        return _("asking whether {path} is stored").format(path=blobs[0].path)
    phrase = ngettext(
        "asking whether {count} file is stored at {name}",
        "asking whether {count} files are stored at {name}",
        len(blobs),
    )
    return phrase.format(count=len(blobs), name=ref)
