"""Read from a plain folder as if it were a hub: surveyed first where it is published, hashed once."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import aclosing, suppress
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from hubferry import cards
from hubferry.errors import DiskError, IntegrityError, NotFoundError, Side
from hubferry.events import ignore
from hubferry.hubs.folder.reading import look
from hubferry.hubs.folder.survey import survey
from hubferry.i18n import _
from hubferry.model import RepoFile, Revision
from hubferry.readings.records import Records

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from hubferry.events import Listener
    from hubferry.hubs.folder.reading import Found
    from hubferry.model import RepoRef

OWN_FOLDER = ".hubferry"
_PIECE = 1 << 20


class DirectorySource:
    """A folder that is published: surveyed, and hashed where nobody has recorded what its files are."""

    side: Side = "source"

    def __init__(
        self,
        allow: frozenset[str] = frozenset(),
        records: Path | None = None,
        listen: Listener = ignore,
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            allow: Words of `entries.ALLOWABLE`: what is copied although it is otherwise not.
            records: Where what was hashed is remembered; None remembers nothing.
            listen: Hears how far the hashing is, where it takes long.
        """
        self._listings: dict[str, list[RepoFile]] = {}
        self._allow = allow
        self._records = records
        self._listen = listen
        self.hashed = 0
        """Bytes that had to be read to know what the files are."""

    @property
    def ignores_ranges(self) -> bool:
        """A file is read where one wants."""
        return False

    async def resolve(self, ref: RepoRef) -> Revision:
        """Survey the folder; its revision carries what is not copied, and the licence of its card."""
        root = self._root(ref)
        found = await self._look(root)
        licensed = any(file.path == cards.NAME for file in found.files)
        license_ = await asyncio.to_thread(_card_license, root / cards.NAME) if licensed else None
        commit = self._pinned(found.files)
        return Revision(ref, commit, license=license_, findings=tuple(found.findings))

    def _root(self, ref: RepoRef) -> Path:
        root = root_of(ref)
        if not root.is_dir():
            raise no_folder(root, self.side)
        return root

    def _pinned(self, files: list[RepoFile]) -> str:
        """Return the commit that a listing is, and remember it."""
        digest = hashlib.sha256()
        for file in files:
            digest.update(f"{file.path}\0{file.size}\0{file.sha256}\n".encode("utf-8", "surrogateescape"))
        self._listings[digest.hexdigest()] = files
        return digest.hexdigest()

    async def files(self, revision: Revision) -> list[RepoFile]:
        """Return the listing that `revision` stands for, or what is there now if it is not known any more."""
        held = self._listings.get(revision.commit)
        return held if held is not None else (await self._look(root_of(revision.ref))).files

    async def read(
        self, revision: Revision, file: RepoFile, start: int, stop: int | None
    ) -> AsyncGenerator[bytes, None]:
        """Yield a range of a file; see `Source.read`."""
        path = root_of(revision.ref) / file.path
        left = (file.size or 0 if stop is None else stop) - start
        try:
            stream = await asyncio.to_thread(path.open, "rb", 0)
        except OSError as error:
            raise self._unreadable(file.path, error) from error
        with stream:
            stream.seek(start)
            while left > 0:
                try:
                    piece = await asyncio.to_thread(stream.read, min(_PIECE, left))
                except OSError as error:
                    raise self._unreadable(file.path, error) from error
                if not piece:
                    message = _("{path} is not as long as it is listed.").format(path=file.path)
                    raise IntegrityError(message, side=self.side, path=file.path)
                left -= len(piece)
                yield piece

    async def whole(self, revision: Revision, file: RepoFile) -> bytes:
        """Return a small file; see `Source.whole`."""
        async with aclosing(self.read(revision, file, 0, file.size)) as pieces:
            return b"".join([bytes(piece) async for piece in pieces])

    async def close(self) -> None:
        """Do nothing: no file stays open."""

    async def _look(self, root: Path) -> Found:
        surveyed = await asyncio.to_thread(survey, root, self._allow)
        records = await asyncio.to_thread(lambda: Records(self._records, root.resolve()))
        found = await look(surveyed.entries, self._allow, records, self._listen)
        self.hashed += found.hashed
        found.findings = sorted([*surveyed.findings, *found.findings], key=lambda one: one.path or "")
        return found

    def _unreadable(self, path: str, error: OSError) -> DiskError:
        return DiskError(
            _("{path} cannot be read: {reason}").format(path=path, reason=error.strerror),
            side=self.side,
            path=path,
        )


def root_of(ref: RepoRef) -> Path:
    """Return the folder that a reference names."""
    return Path(ref.repo_id).expanduser().absolute()


def no_folder(root: Path, side: Side) -> NotFoundError:
    """Return the error for a folder that is not there, with the nearest name that is."""
    hint = None
    with suppress(OSError):
        near = get_close_matches(root.name, (one.name for one in root.parent.iterdir() if one.is_dir()), n=1)
        hint = _("Did you mean {name}?").format(name=root.parent / near[0]) if near else None
    return NotFoundError(_("There is no folder {path}.").format(path=root), side=side, hint=hint)


def _card_license(card: Path) -> str | None:
    """Return the licence that a folder's own card names; one that cannot be read names none."""
    with suppress(OSError), card.open("rb") as stream:
        return cards.license_of(stream.read(cards.LARGEST))
    return None
