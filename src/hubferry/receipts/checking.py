"""Hold a receipt against its target as it is today, or against any other place."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from hubferry import compare, remember, survey
from hubferry.commits import commit_of, listing_digest_of
from hubferry.config import normal_endpoint
from hubferry.errors import NotFoundError, UsageError
from hubferry.events import Note
from hubferry.hubs.credentials import huggingface_endpoint, modelscope_endpoint
from hubferry.i18n import _
from hubferry.model import RepoFile
from hubferry.planning import select
from hubferry.receipts import document, folders
from hubferry.results import Verdict
from hubferry.session import Session
from hubferry.typed import reference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

    from hubferry.events import Listener
    from hubferry.model import Digests, RepoRef, Revision
    from hubferry.options import Access, Options
    from hubferry.receipts.document import Receipt, ReceiptFile


class State(str, Enum):
    """How a path of a receipt stands at a place."""

    SAME = "same"
    CHANGED = "changed"
    MISSING = "missing"
    EXTRA = "extra"


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """One path, held against the receipt.

    Attributes:
        path: In the repository.
        state: How it stands.
        size: Bytes by the receipt; of an extra file those that it has.
        sha256: By the receipt; None where that has none, or of an extra file.
        found_size: Bytes that it has there; None where it is missing.
        found_sha256: Of what is there, where that is known.
    """

    path: str
    state: State
    size: int
    sha256: str | None = None
    found_size: int | None = None
    found_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class ReceiptCheck:
    """What holding a receipt against a place came to.

    Attributes:
        receipt: What was held.
        place: A repository as it is typed, or a folder.
        commit: That was looked at, where the hub names commits.
        listing_digest: Where it does not.
        files: By path.
    """

    receipt: Receipt
    place: str
    commit: str | None
    listing_digest: str | None
    files: tuple[CheckedFile, ...]

    @property
    def good(self) -> bool:
        """Whether everything is as the receipt says, and nothing is there besides."""
        return all(file.state is State.SAME for file in self.files)


async def verify(
    receipt: str | PathLike[str],
    where: str | None,
    options: Options,
    listen: Listener,
    *,
    latest: bool = False,
) -> ReceiptCheck:
    """Hold a receipt against a place; see `hubferry.verify_receipt`."""
    known = await asyncio.to_thread(document.read, receipt)
    text = known.target.ref if where is None else where
    ref = reference(text, options.source, "hf")
    if ref.hub == "dir":
        if where is None:
            _refuse_server(text)
        listed, digests = await folders.look(ref, known, listen)
        return ReceiptCheck(known, ref.repo_id, None, None, _held(known, listed, digests))
    commit = None
    if where is None:
        _refuse_other_hub(known, ref, options.source)
        commit = None if latest else known.target.commit
    session = Session(text, None, options, listen)
    if session.offline:
        raise remember.unasked(session.source_ref)
    async with session:
        revision = await _resolved(session, commit, listen)
        listed = {file.path: file for file in await session.source.files(revision)}
        digests = await _hashed(session, known, revision, listed)
    return _checked(known, revision, listed, digests)


def endpoint_of(ref: RepoRef, access: Access) -> str | None:
    """Return where the hub of a repository is; None for a folder."""
    if ref.hub == "dir":
        return None
    usual = huggingface_endpoint if ref.hub == "hf" else modelscope_endpoint
    return normal_endpoint(ref.endpoint or access.endpoint or usual())


def _refuse_server(folder: str) -> None:
    """Ask no file server because a file says so: Windows would sign in there."""
    if folder.startswith(("//", "\\\\")):
        message = _("the receipt is about a folder of a server: {path}").format(path=folder)
        raise UsageError(
            message, hint=_("say where to look: hubferry verify-receipt FILE {ref}").format(ref=folder)
        )


def _refuse_other_hub(receipt: Receipt, ref: RepoRef, access: Access) -> None:
    """Ask no hub because a file says so: a token would go there. A hub of our configuration is asked."""
    ours = ref if ref.named else replace(ref, endpoint=None)
    here, there = endpoint_of(ours, access), receipt.target.endpoint or ref.endpoint
    if (there is not None and here != normal_endpoint(there)) or ref.endpoint != ours.endpoint:
        message = _("the receipt is about {ref} at {there}, and here that is {here}")
        hint = _("say where to look: hubferry verify-receipt FILE {ref}").format(ref=ref)
        raise UsageError(message.format(ref=ref, there=there, here=here), hint=hint)


async def _resolved(session: Session, commit: str | None, listen: Listener) -> Revision:
    """Return what a place is at a commit, or at its branch; one that names no commits may know none."""
    ref = session.source_ref
    if commit is not None:
        try:
            return await session.source.resolve(replace(ref, revision=commit))
        except NotFoundError:
            if ref.hub == "hf":
                raise
            listen(Note(_("the hub does not know the commit any more; this is about its branch")))
    return await session.source.resolve(ref)


async def _hashed(
    session: Session, receipt: Receipt, revision: Revision, listed: Mapping[str, RepoFile]
) -> dict[str, Digests]:
    """Read the files of which the hub lists no digest that the receipt has, too."""
    pairs = [(file, listed[file.path]) for file in receipt.files if file.path in listed]
    waiting = [there for file, there in pairs if _verdict(file, there) is Verdict.UNKNOWN]
    if waiting:
        session.listen(Note(_("reading files of which the hub lists no digest to compare with")))
    return await survey.settle(session.source, survey.SourceSide(revision, waiting), waiting)


def _checked(
    receipt: Receipt, revision: Revision, listed: Mapping[str, RepoFile], digests: Mapping[str, Digests]
) -> ReceiptCheck:
    hub, commit = revision.ref.hub, revision.commit
    place = str(replace(revision.ref, revision=None))
    files = _held(receipt, listed, digests)
    return ReceiptCheck(receipt, place, commit_of(hub, commit), listing_digest_of(hub, commit), files)


def _verdict(file: ReceiptFile, there: RepoFile) -> Verdict:
    return compare.verdict(RepoFile(file.path, file.size, file.sha256, file.git_sha1), there)


def _held(
    receipt: Receipt, listed: Mapping[str, RepoFile], digests: Mapping[str, Digests]
) -> tuple[CheckedFile, ...]:
    """Hold what is listed, or was hashed, against the receipt."""
    found = [_one(file, listed.get(file.path), digests.get(file.path)) for file in receipt.files]
    known = {*receipt.others, *(file.path for file in receipt.files)}
    new = [file for path, file in listed.items() if path not in known]
    found += [
        CheckedFile(file.path, State.EXTRA, file.size or 0, None, file.size, file.sha256)
        for file in select(new, receipt.include, receipt.exclude)
    ]
    return tuple(sorted(found, key=lambda file: file.path))


def _one(file: ReceiptFile, there: RepoFile | None, digests: Digests | None) -> CheckedFile:
    if there is None:
        return CheckedFile(file.path, State.MISSING, file.size, file.sha256)
    if digests is not None:
        there = replace(there, size=digests.size, sha256=digests.sha256, git_sha1=digests.git_sha1)
    same = _verdict(file, there) is Verdict.SAME
    state = State.SAME if same else State.CHANGED
    return CheckedFile(file.path, state, file.size, file.sha256, there.size, there.sha256)


def counts(files: Sequence[CheckedFile]) -> dict[State, int]:
    """Return how many files are in each state."""
    return {state: sum(file.state is state for file in files) for state in State}
