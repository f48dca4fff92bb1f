"""What a hub must be able to do to be copied from, and to be copied to.

An adapter wraps every failure in `hubferry.errors` at its edge, with the side it was asked as. It makes one
attempt at a time unless its own protocol demands more: what to try again is `hubferry.retry`'s affair, and
the error's class says whether it may be.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from hubferry.beside import PullRequest
    from hubferry.catalog import Account, Owned, PastCommit, References, Repository
    from hubferry.errors import GatedError
    from hubferry.findings import Finding
    from hubferry.model import (
        Blob,
        CommitAction,
        Limits,
        NewRepository,
        Plan,
        RepoFile,
        RepoRef,
        Revision,
        Span,
    )

Piece: TypeAlias = "bytes | memoryview"
"""Some bytes of a file, good until the next ones are asked for: a buffer is filled again then."""
Body = Callable[[], AsyncGenerator[bytes, None]]
"""Start reading a blob from its first byte; called anew for each attempt."""


@runtime_checkable
class FileBody(Protocol):
    """A body whose bytes are in a file: an adapter may take them unread, for the system to send."""

    def __call__(self) -> AsyncGenerator[bytes, None]:
        """Start reading, as any body."""
        ...

    def spans(self) -> AsyncGenerator[Span, None]:
        """Start anew from the first byte as well; each span is good until the next one is asked for."""
        ...


@runtime_checkable
class PartedBody(Protocol):
    """A body that can go on where an attempt has ended, or an earlier run: for a hub that takes parts."""

    def __call__(self) -> AsyncGenerator[bytes, None]:
        """Start reading, as any body."""
        ...

    def part(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from `start` to `stop`, exactly or an error; the last of all only if all are right.

        Together with those before `start`, as `digest` was told or as parts of this body were read to their
        end, they are hashed: what changes in between is found at the end.
        """
        ...

    async def digest(self, position: int) -> str:
        """Return the sha256 of everything before `position`, which is read for that unless it was already."""
        ...


class Source(Protocol):
    """A hub one can copy from. It has no method that writes."""

    @property
    def ignores_ranges(self) -> bool:
        """Whether it was seen to answer a range with the whole file: parts then cost more than they bring."""
        ...

    async def resolve(self, ref: RepoRef) -> Revision:
        """Turn `ref.revision` (or the default branch) into a commit.

        Raises:
            NotFoundError: No such repository or revision, or it is hidden from this token.
            GatedError: Its terms have to be accepted first.
            AccessError: The token is wrong.
            NetworkError: The hub cannot be reached.
        """
        ...

    async def files(self, revision: Revision) -> list[RepoFile]:
        """List every file of a revision, sorted by path, complete or an error."""
        ...

    def read(
        self, revision: Revision, file: RepoFile, start: int, stop: int | None
    ) -> AsyncGenerator[Piece, None]:
        """Yield bytes `start` to `stop` (exclusive; None is the end) of a file, in order.

        Yields exactly the range asked for, or raises: a body that ends early, goes on too long, or answers
        another range is an IntegrityError or a NetworkError, never a short yield.
        """
        ...

    async def whole(self, revision: Revision, file: RepoFile) -> bytes:
        """Return all of a small file whose size is listed: one question, for which there is no going on.

        Raises:
            HubferryError: As `read`.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class Destination(Protocol):
    """A hub one can copy to."""

    @property
    def limits(self) -> Limits:
        """What it takes in one go."""
        ...

    async def resolve(self, ref: RepoRef) -> Revision:
        """As `Source.resolve`, but a repository that is not there is a Revision with `exists=False`."""
        ...

    async def files(self, revision: Revision) -> list[RepoFile]:
        """As `Source.files`; an absent repository has none."""
        ...

    async def whole(self, revision: Revision, file: RepoFile) -> bytes:
        """As `Source.whole`: for the few small files that a hub edits by itself."""
        ...

    async def examine(self, plan: Plan) -> Sequence[Finding]:
        """Ask what would refuse `plan` in the end: login, right to write, branch, names, numbers, sizes.

        Nothing is changed. What cannot be asked is no finding; a question that fails in passing raises.
        """
        ...

    async def ensure(self, ref: RepoRef, new: NewRepository) -> bool:
        """Create the repository unless it is there; return whether it was created.

        Raises:
            AccessError: No token, a wrong one, or one that must not write there.
        """
        ...

    async def missing(self, ref: RepoRef, blobs: Sequence[Blob]) -> frozenset[str]:
        """Return the sha256 of those blobs whose bytes the hub does not have.

        A blob that the hub was not clearly heard about is missing: it is never taken for stored.
        At most `limits.blobs_per_question` go into one request; several requests run side by side.
        """
        ...

    async def upload(self, ref: RepoRef, blob: Blob, body: Body) -> None:
        """Store one blob; returns when the hub has confirmed it.

        If the iterator of `body` raises, the request is broken off so that nothing is stored, and the
        iterator's own error comes out.
        """
        ...

    async def commit(
        self, ref: RepoRef, actions: Sequence[CommitAction], message: str, parent: str | None = None
    ) -> str:
        """Make one commit on `ref.revision` (or the default branch) and return its name.

        With `parent` only if the branch is still at that commit, where `limits.has_parents`.

        Raises:
            BusyError: Nothing was done; it may be tried again later, and after a PolicyError with less.
            ConflictError: Nothing was done, because somebody else was faster.
            TooLargeError: Nothing was done: it is more than the hub takes in one go. So with TooManyError.
            CardError: Nothing was done: the hub does not take the model card.
            AccessError: Nothing was done: no right to write there, or (QuotaError) no room.
            NetworkError: The answer was lost: the commit may have been made. Look before trying again.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class Catalog(Protocol):
    """A hub one can look at: its repositories and who asks. Nothing of it writes, or downloads a file."""

    @property
    def endpoint(self) -> str:
        """Where the hub is; empty for a folder."""
        ...

    async def repository(self, ref: RepoRef) -> Repository:
        """Describe a repository at a revision, whether or not this account may download it.

        Raises:
            NotFoundError: No such repository or revision, or it is hidden from this token.
            AccessError: The token is wrong.
            NetworkError: The hub cannot be reached.
        """
        ...

    async def files(self, revision: Revision) -> list[RepoFile]:
        """As `Source.files`."""
        ...

    async def owned(self, owner: RepoRef) -> Owned:
        """List what an owner has of one kind: `owner.repo_id` is the name, `owner.repo_type` the kind."""
        ...

    async def references(self, ref: RepoRef) -> References:
        """List the branches and tags of a repository with one question.

        Raises:
            NotFoundError: No such repository, or it is hidden from this token.
        """
        ...

    async def history(
        self, ref: RepoRef, wanted: frozenset[str], *, any_of: bool = False
    ) -> tuple[PastCommit, ...] | None:
        """Return the commits up to `ref.revision`, newest first, as far back as `wanted` needs.

        That is until all of `wanted` came, with `any_of` one of them, or to the very first commit.
        None where the hub has no question for it.

        Raises:
            NetworkError: The history never ends.
        """
        ...

    async def terms(self, ref: RepoRef) -> GatedError | None:
        """Return why this account may not download a gated repository; None where it may, or nobody says."""
        ...

    async def account(self) -> Account | None:
        """Return whose token it is; None without a token, or where the hub does not know the question.

        Raises:
            AccessError: The token is not taken.
        """
        ...

    async def reach(self) -> None:
        """Return when the hub has answered anything at all.

        Raises:
            NetworkError: It cannot be reached.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class ReferenceWriter(Protocol):
    """A hub where tags, and perhaps branches, can be made. None of them is ever moved."""

    @property
    def makes_branches(self) -> bool:
        """Whether it has a call that makes and removes branches."""
        ...

    @property
    def says_commits(self) -> bool:
        """Whether `Catalog.references` says which commits names point to."""
        ...

    async def tag(self, ref: RepoRef, name: str, commit: str) -> None:
        """Make a tag at a commit, or at a branch by its name where no commit is known.

        Raises:
            ConflictError: A tag of that name is there already, wherever it points to.
            AccessError: No right to write there.
            NetworkError: The answer was lost: the tag may have been made. Look before trying again.
        """
        ...

    async def branch(self, ref: RepoRef, name: str, commit: str) -> None:
        """Make a branch at a commit; errors as with `tag`."""
        ...

    async def remove_branch(self, ref: RepoRef, name: str) -> None:
        """Remove a branch; one that is not there is removed."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class PullRequests(Protocol):
    """A hub where changes can be proposed."""

    async def find(self, ref: RepoRef, title: str) -> PullRequest | None:
        """Return this account's open pull request of that title, None where there is none."""
        ...

    async def open(self, ref: RepoRef, title: str, description: str) -> PullRequest:
        """Open one without any commit.

        Raises:
            AccessError: This account may not.
            NetworkError: The answer was lost: it may have been opened. Look before trying again.
        """
        ...

    async def publish(self, ref: RepoRef, number: int) -> None:
        """Show a draft as open."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class Duplicates(Protocol):
    """A hub that can give blobs of one of its repositories to another by itself."""

    async def duplicate(self, source: RepoRef, target: RepoRef, files: Sequence[RepoFile]) -> frozenset[str]:
        """Return the sha256 of those that the hub says to have given; nobody has seen it yet.

        Raises:
            HubferryError: It does not do that for these repositories, or not at the moment.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
