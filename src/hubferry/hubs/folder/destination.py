"""Write into a plain folder as if it were a hub: blobs are kept aside until a commit names them."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import time
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

from hubferry.errors import HubferryError, IntegrityError, LockedError, Side
from hubferry.events import Listener, Waiting, ignore
from hubferry.hubs.folder.contents import Contents, Reader
from hubferry.hubs.folder.errors import in_thread, naming
from hubferry.hubs.folder.examination import examine
from hubferry.hubs.folder.names import problem_of
from hubferry.hubs.folder.source import root_of
from hubferry.hubs.folder.staging import Staging, move
from hubferry.i18n import _
from hubferry.model import Limits, Revision
from hubferry.tasks import run_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from hubferry.findings import Finding
    from hubferry.hubs.ports import Body
    from hubferry.model import Blob, CommitAction, NewRepository, Plan, RepoFile, RepoRef

LIMITS = Limits(
    actions_per_commit=10_000, commit_bytes=64 << 20, inline_size=64 << 10, blobs_per_question=10_000
)
_PAUSE = 0.2
_WRITTEN_AT_ONCE = 8


class DirectoryDestination:
    """A folder as a destination. One run at a time writes into it, from its first blob to its end."""

    side: Side = "destination"

    def __init__(self, listen: Listener = ignore, wait: float | None = None) -> None:
        """Prepare; `wait` is how many seconds another run may keep the folder, None for ever."""
        self._listen = listen
        self._wait = wait
        self._listings: dict[str, Contents] = {}
        self._readers: dict[Path, Reader] = {}
        self._stagings: dict[Path, Staging] = {}
        self._taking = asyncio.Lock()

    @property
    def limits(self) -> Limits:
        """What one commit holds in memory; a folder itself has no limits."""
        return LIMITS

    async def resolve(self, ref: RepoRef) -> Revision:
        """Hash the folder; one that is not there does not exist, which is no failure."""
        root = root_of(ref)
        with naming(str(root)):
            if not await asyncio.to_thread(root.is_dir):
                return Revision(ref, "", exists=False)
        contents = await self._look(root)
        self._listings[contents.commit] = contents
        return Revision(ref, contents.commit)

    async def files(self, revision: Revision) -> list[RepoFile]:
        """List the folder; nothing where it is not there yet."""
        if not revision.exists:
            return []
        held = self._listings.get(revision.commit)
        return list((held or await self._look(root_of(revision.ref))).files)

    async def whole(self, revision: Revision, file: RepoFile) -> bytes:
        """Return a small file; see `Destination.whole`."""
        with naming(file.path, _("{path} cannot be read: {reason}")):
            return await asyncio.to_thread((root_of(revision.ref) / file.path).read_bytes)

    async def examine(self, plan: Plan) -> Sequence[Finding]:
        """Look whether the folder can take what is to come; see `Destination.examine`."""
        root = root_of(plan.destination.ref)
        contents = self._listings.get(plan.destination.commit, Contents())
        with naming(str(root), _("{path} cannot be read: {reason}")):
            return await asyncio.to_thread(lambda: list(examine(root, plan, contents)))

    async def ensure(self, ref: RepoRef, new: NewRepository) -> bool:  # noqa: ARG002 - a folder has no licence
        """Make the folder; return False where it was there."""
        there = root_of(ref).is_dir()
        await self._own(ref)
        return not there

    async def missing(self, ref: RepoRef, blobs: Sequence[Blob]) -> frozenset[str]:
        """Return those that are not kept aside from an earlier run."""
        staging = self._staging(ref)
        if not staging.take_what_is_left():
            return frozenset(blob.sha256 for blob in blobs)
        return frozenset(blob.sha256 for blob in blobs if not staging.has(blob))

    async def upload(self, ref: RepoRef, blob: Blob, body: Body) -> None:
        """Keep a blob aside under its digest, which it is held against."""
        staging = await self._own(ref)
        with naming(str(staging.place)):
            if staging.has(blob) and await in_thread(staging.proven, blob.sha256):
                return
            digest, size = hashlib.sha256(), 0
            with staging.writing() as (stream, path):
                async with aclosing(body()) as pieces:
                    async for piece in pieces:
                        digest.update(piece)
                        size += len(piece)
                        await in_thread(stream.write, piece)
                if (size, digest.hexdigest()) != (blob.size, blob.sha256):
                    message = _("A blob does not have the content it should have ({digest}).")
                    raise IntegrityError(message.format(digest=blob.sha256[:12]), side=self.side)
            staging.keep(path, blob.sha256)

    async def commit(
        self,
        ref: RepoRef,
        actions: Sequence[CommitAction],
        message: str,  # noqa: ARG002 - a folder keeps no history
        parent: str | None = None,  # noqa: ARG002 - nor has it a head
    ) -> str:
        """Put every file in its place, each whole or not at all; return a digest of what was done."""
        root, digest = root_of(ref), hashlib.sha256()
        leaving = frozenset(action.path for action in actions if action.change == "delete")
        for action in actions:
            self._check(root, action.path, leaving)
        staging = await self._own(ref)
        written = await self._write(staging, [one for one in actions if one.content is not None])
        await in_thread(self._apply, root, staging, actions, written)
        for action in actions:
            line = f"{action.change}\0{action.path}\0{action.sha256}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
        staging.committed = True
        self._listings.clear()
        return digest.hexdigest()

    async def close(self) -> None:
        """Let go of the folder, and leave nothing of ours in it."""
        for staging in self._stagings.values():
            staging.leave()

    async def _look(self, root: Path) -> Contents:
        return await self._readers.setdefault(root, Reader(root)).look()

    def _staging(self, ref: RepoRef) -> Staging:
        return self._stagings.setdefault(root_of(ref), Staging(root_of(ref)))

    async def _own(self, ref: RepoRef) -> Staging:
        """Wait until no other run writes into the folder."""
        staging, told = self._staging(ref), False
        deadline = None if self._wait is None else time.monotonic() + self._wait
        async with self._taking:
            with naming(str(staging.place)):
                while not staging.take():
                    holder = _("it holds {path}").format(path=staging.place)
                    if deadline is not None and time.monotonic() >= deadline:
                        message = _("another run writes into {path}").format(path=root_of(ref))
                        hint = _("wait for it to end")
                        raise LockedError(message, side=self.side, path=str(root_of(ref)), hint=hint)
                    if not told:
                        self._listen(Waiting(ref, holder))
                    told = True
                    await asyncio.sleep(_PAUSE)
        return staging

    async def _write(self, staging: Staging, actions: Iterable[CommitAction]) -> dict[str, Path]:
        """Bring what comes inside the commit to the disk, aside; nothing has its name yet."""
        places = asyncio.Semaphore(_WRITTEN_AT_ONCE)

        def write(content: bytes) -> Path:
            with staging.writing() as (stream, path):
                stream.write(content)
            return path

        async def one(action: CommitAction) -> tuple[str, Path]:
            async with places:
                with naming(action.path):
                    return action.path, await in_thread(write, action.content or b"")

        return dict(await run_all(*(one(action) for action in actions)))

    def _apply(
        self, root: Path, staging: Staging, actions: Sequence[CommitAction], written: dict[str, Path]
    ) -> None:
        """Give every file its name, then delete; only what stands in the way of a new file goes first."""
        new = [action for action in actions if action.change != "delete"]
        first, last = _in_the_way(new, [one.path for one in actions if one.change == "delete"])
        folders: set[Path] = set()
        self._delete(root, first, folders)
        for action in new:
            self._check(root, action.path)
            target = root / action.path
            with naming(action.path):
                target.parent.mkdir(parents=True, exist_ok=True)
                origin = written.get(action.path) or staging.take_out(action.sha256 or "")
                if origin is None:
                    message = _("{path} names a blob that was not stored.").format(path=action.path)
                    hint = _("run the same command again: it sends what is missing")
                    raise IntegrityError(message, side=self.side, path=action.path, hint=hint)
                move(origin, target)
            staging.placed(action.sha256 or "", target)
            folders.update(_up_to(root, target))
        self._delete(root, last, folders)
        for folder in folders:
            with naming(str(folder)):
                _sync(folder)

    def _delete(self, root: Path, paths: Iterable[str], folders: set[Path]) -> None:
        """Remove files, then the folders that this emptied."""
        for path in paths:
            self._check(root, path)
            with naming(path, _("{path} cannot be deleted: {reason}")):
                (root / path).unlink(missing_ok=True)
            with suppress(OSError):
                for folder in _up_to(root, root / path):
                    folders.add(folder)
                    if folder != root:
                        folder.rmdir()
                        folders.discard(folder)

    def _check(self, root: Path, path: str, leaving: frozenset[str] = frozenset()) -> None:
        """Refuse a path that leads out of the folder, through a link that stays, or to an impossible name."""
        problem = problem_of(path, root)
        if problem is not None:
            message = _("“{path}” is no safe name for a file: {problem}").format(path=path, problem=problem)
            raise HubferryError(message, side=self.side, path=path)
        for folder in _above(path):
            place = root / folder
            if folder in leaving or not os.path.lexists(place):
                continue
            if place.is_symlink():
                message = _("{folder} is a link to a folder, and nothing is written through links")
                raise HubferryError(message.format(folder=folder), side=self.side, path=path)
            if not place.is_dir():
                message = _("{folder} is a file where a folder has to be")
                raise HubferryError(message.format(folder=folder), side=self.side, path=path)


def _in_the_way(new: Sequence[CommitAction], deletes: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split deletions: those without which a new file has no place, and all others."""
    paths = {action.path for action in new}
    folders = {above for path in paths for above in _above(path)}
    first = [path for path in deletes if path in folders or not paths.isdisjoint(_above(path))]
    return first, sorted(set(deletes).difference(first))


def _above(path: str) -> Iterator[str]:
    """Yield the folders in which a path is."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _up_to(root: Path, target: Path) -> Iterator[Path]:
    """Yield the folders from that of a file up to the root."""
    for folder in target.parents:
        yield folder
        if folder == root:
            return


def _sync(folder: Path) -> None:
    """Return when the names in a folder survive a power cut, where the system has such a call."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
