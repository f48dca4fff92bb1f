"""Write into a plain folder as if it were a hub: blobs are kept aside until a commit names them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import tempfile
from collections import Counter
from contextlib import aclosing, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from hubferry.errors import DiskError, HubferryError, IntegrityError, Side
from hubferry.hubs.directory_source import OWN_FOLDER, DirectoryReader, root_of
from hubferry.i18n import _
from hubferry.model import Blob, Limits, Revision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubferry.findings import Finding
    from hubferry.hubs.ports import Body
    from hubferry.model import CommitAction, NewRepository, Plan, RepoFile, RepoRef

LIMITS = Limits(
    actions_per_commit=10_000, commit_bytes=64 << 20, inline_size=64 << 10, blobs_per_question=10_000
)
_PIECE = 1 << 20
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_BAD = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|]') if os.name == "nt" else re.compile(r"[\x00-\x1f\x7f]")


class DirectoryDestination(DirectoryReader):
    """A folder as a destination."""

    side: Side = "destination"

    @property
    def limits(self) -> Limits:
        """What one commit holds in memory; a folder itself has no limits."""
        return LIMITS

    async def resolve(self, ref: RepoRef) -> Revision:
        """Hash the folder; one that is not there does not exist, which is no failure."""
        if not await asyncio.to_thread(root_of(ref).is_dir):
            return Revision(ref, "", exists=False)
        return await super().resolve(ref)

    async def files(self, revision: Revision) -> list[RepoFile]:
        """List the folder; nothing where it is not there yet."""
        return await super().files(revision) if revision.exists else []

    async def examine(self, plan: Plan) -> Sequence[Finding]:  # noqa: ARG002 - nothing is asked yet
        """Ask nothing; see `Destination.examine`."""
        return ()

    async def ensure(self, ref: RepoRef, new: NewRepository) -> bool:  # noqa: ARG002 - a folder has no licence
        """Make the folder; return False where it was there."""
        root = root_of(ref)
        try:
            there = root.is_dir()
            _aside(root).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._failed(str(root), error) from error
        return not there

    async def missing(self, ref: RepoRef, blobs: Sequence[Blob]) -> frozenset[str]:
        """Return those that are not kept aside from an earlier run."""
        aside = _aside(root_of(ref))
        return frozenset(blob.sha256 for blob in blobs if not (aside / blob.sha256).is_file())

    async def upload(self, ref: RepoRef, blob: Blob, body: Body) -> None:
        """Keep a blob aside under its digest, which it is held against."""
        aside = _aside(root_of(ref))
        digest, size = hashlib.sha256(), 0
        try:
            with _Written(aside / blob.sha256) as stream:
                async with aclosing(body()) as pieces:
                    async for piece in pieces:
                        digest.update(piece)
                        size += len(piece)
                        await asyncio.to_thread(stream.write, piece)
                if (size, digest.hexdigest()) != (blob.size, blob.sha256):
                    raise IntegrityError(
                        _("A blob does not have the content it should have ({digest}).").format(
                            digest=blob.sha256[:12]
                        ),
                        side=self.side,
                    )
        except OSError as error:
            raise self._failed(str(aside), error) from error

    async def commit(
        self,
        ref: RepoRef,
        actions: Sequence[CommitAction],
        message: str,  # noqa: ARG002 - a folder keeps no history
        parent: str | None = None,  # noqa: ARG002 - nor has it a head
    ) -> str:
        """Put every file in its place, each whole or not at all; return a digest of what was done."""
        root = root_of(ref)
        targets = [_inside(root, action.path) for action in actions]
        digest = hashlib.sha256()
        wanted = Counter(action.sha256 for action in actions if action.content is None)
        for action, target in zip(actions, targets, strict=True):
            try:
                wanted[action.sha256] -= 1
                await asyncio.to_thread(self._apply, root, action, target, last=wanted[action.sha256] <= 0)
            except OSError as error:
                raise self._failed(action.path, error) from error
            digest.update(f"{action.change}\0{action.path}\0{action.sha256}\n".encode())
        await asyncio.to_thread(_clear, root)
        self._listings.clear()
        return digest.hexdigest()

    def _apply(self, root: Path, action: CommitAction, target: Path, *, last: bool) -> None:
        """Do one action; the last that wants a blob gets the blob itself, any before it a copy."""
        if action.change == "delete":
            target.unlink(missing_ok=True)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        if action.content is not None:
            with _Written(target) as stream:
                stream.write(action.content)
            return
        blob = _aside(root) / (action.sha256 or "")
        if not blob.is_file():
            raise IntegrityError(
                _("{path} names a blob that was not stored.").format(path=action.path),
                side=self.side,
                path=action.path,
            )
        if last:
            blob.replace(target)
            _sync(target.parent)
            return
        with blob.open("rb") as stored, _Written(target) as stream:
            shutil.copyfileobj(stored, stream, _PIECE)

    def _failed(self, path: str, error: OSError) -> DiskError:
        return DiskError(
            _("{path} cannot be written: {reason}").format(path=path, reason=error.strerror),
            side=self.side,
            path=path,
        )


class _Written:
    """A file that appears under its name whole and on disk, or not at all."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __enter__(self) -> IO[bytes]:
        descriptor, self._temporary = tempfile.mkstemp(dir=self._target.parent, prefix=".hubferry-")
        self._stream = os.fdopen(descriptor, "wb")
        return self._stream

    def __exit__(self, kind: type[BaseException] | None, _error: object, _trace: object) -> None:
        try:
            with self._stream:
                if kind is None:
                    self._stream.flush()
                    os.fsync(self._stream.fileno())
            if kind is None:
                Path(self._temporary).chmod(0o666 & ~_umask())
                Path(self._temporary).replace(self._target)
                _sync(self._target.parent)
        finally:
            with suppress(FileNotFoundError):
                Path(self._temporary).unlink()


def _inside(root: Path, path: str) -> Path:
    """Return where a path of the repository goes.

    Raises:
        HubferryError: Out of the folder, through a link, or to a name that some system cannot hold.
    """
    parts = path.split("/")
    bad = any(
        part in ("", ".", "..") or _BAD.search(part) or _DEVICES.fullmatch(part) or part.endswith((" ", "."))
        for part in parts
    )
    if bad or parts[0] == OWN_FOLDER:
        raise _unsafe(path)
    target = root.joinpath(*parts)
    for parent in target.relative_to(root).parents:
        if (root / parent).is_symlink() and parent != Path():
            raise _unsafe(path)
    return target


def _unsafe(path: str) -> HubferryError:
    return HubferryError(
        _("“{path}” is no safe name for a file.").format(path=path), side="destination", path=path
    )


def _aside(root: Path) -> Path:
    return root / OWN_FOLDER / "blobs"


def _clear(root: Path) -> None:
    for blob in _aside(root).glob("*"):
        blob.unlink(missing_ok=True)
    with suppress(OSError):
        _aside(root).rmdir()
        _aside(root).parent.rmdir()


def _sync(folder: Path) -> None:
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
