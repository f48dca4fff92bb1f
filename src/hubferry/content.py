"""Read one file of a repository: from the cache where its content is there, proven, else from its hub.

Either way it is hashed on its way, and its end is given only when the hash is what the listing says.
"""

from __future__ import annotations

import asyncio
import os
import shlex
from collections import deque
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry import inside
from hubferry.cache.disk import disk, disk_errors
from hubferry.cached import CacheHoldings
from hubferry.errors import IntegrityError, NotFoundError, UsageError
from hubferry.i18n import _
from hubferry.look import from_cache, listed_at, looking
from hubferry.model import Revision
from hubferry.stream.growing import HELD_BACK, Hashes
from hubferry.typed import is_file

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from pathlib import Path

    from hubferry.errors import Side
    from hubferry.events import Listener
    from hubferry.hubs.ports import Piece
    from hubferry.look import Listed
    from hubferry.model import RepoFile
    from hubferry.options import Options

_PIECE = 1 << 20
_NEAR = 3
"""Paths that an error names."""


@dataclass(frozen=True, slots=True)
class Part:
    """Which bytes of a file: from `start` to before `stop`; a negative start counts from the end."""

    start: int = 0
    stop: int | None = None

    @property
    def whole(self) -> bool:
        """Whether it is all of any file."""
        return self.start == 0 and self.stop is None

    def within(self, size: int) -> Part:
        """Return the same part of a file of `size` bytes, in numbers that are inside."""
        start = max(0, size + self.start) if self.start < 0 else min(self.start, size)
        stop = size if self.stop is None else min(self.stop, size)
        return Part(start, max(start, stop))


def file_reference(source: str, path: str | None) -> tuple[str, str]:
    """Return what names a repository and what names the file in it, which may stand behind the other.

    Raises:
        UsageError: No file is named, or two are.
    """
    name, behind = inside.split(source)
    if path is not None and behind is None:
        return name, path
    if path is None and behind is not None:
        return name, behind
    if path is None and is_file(source):
        message = _("{source} is a file here, and of no repository").format(source=source)
        raise UsageError(message, hint=shlex.join(["cat", source]))
    message = _("which file? {source} names none") if path is None else _("{source} names a file already")
    raise UsageError(message.format(source=source), hint="hubferry cat hf:org/name/config.json")


async def read_file(
    source: str,
    path: str,
    options: Options,
    listen: Listener,
    write: Callable[[bytes], None],
    part: Part = Part(),
) -> RepoFile:
    """Hand the bytes of one file to `write`, in order; return what was listed.

    Of a whole file the last mebibyte is handed over when the hash of all of it turned out right. A part of
    a file is as the hub sent it: there is nothing that could prove it.

    Raises:
        NotFoundError: There is no such file.
        IntegrityError: It is not what the listing says. What was handed over is to be thrown away.
    """
    async with looking(source, options, listen) as (session, catalog):
        listed = from_cache(session) if session.offline else await listed_at(session, catalog)
        file = _found(listed, path)
        holdings = session.holdings
        place = holdings.place_of(file) if isinstance(holdings, CacheHoldings) else None
        if place is None and session.offline:
            message = _("{path} is not in the cache, and the hub is not asked").format(path=path)
            raise NotFoundError(message, side="cache", path=path)
        inner = part.within(file.size or 0)
        revision = listed.repository.revision or Revision(session.source_ref, "")
        async with aclosing(
            session.source.read(revision, file, inner.start, inner.stop)
            if place is None
            else _read(place, inner)
        ) as pieces:
            side: Side = "source" if place is None else "cache"
            async for piece in proven(pieces, file, side) if part.whole else pieces:
                write(bytes(piece))
        return file


async def proven(
    pieces: AsyncGenerator[Piece, None], file: RepoFile, side: Side
) -> AsyncGenerator[Piece, None]:
    """Yield a whole file's bytes, the last ones only when all of them are what `file` lists.

    Raises:
        IntegrityError: They are not, or nothing is listed that could tell.
    """
    hashes = Hashes(file, file.size or 0)
    held: deque[bytes] = deque()
    waiting = count = 0
    async for piece in pieces:
        held.append(bytes(piece))
        hashes.update(held[-1])
        waiting += len(held[-1])
        count += len(held[-1])
        while waiting - len(held[0]) >= HELD_BACK:
            waiting -= len(held[0])
            yield held.popleft()
    if count != (file.size or 0) or not hashes.digests().fit(file):
        message = _("{path} is not what the listing says; what came of it is worth nothing")
        hint = "hubferry cache verify --full" if side == "cache" else None
        raise IntegrityError(message.format(path=file.path), side=side, path=file.path, hint=hint)
    while held:
        yield held.popleft()


def _found(listed: Listed, path: str) -> RepoFile:
    for file in listed.files:
        if file.path == path:
            return file
    message = _("{ref} has no file {path}").format(ref=listed.repository.ref, path=path)
    near = _near(path, [file.path for file in listed.files])
    hint = _("did you mean: {names}").format(names=", ".join(near)) if near else None
    raise NotFoundError(message, side="source", path=path, hint=hint)


def _near(path: str, paths: Sequence[str]) -> list[str]:
    from difflib import get_close_matches

    inner = [one for one in paths if one.startswith(f"{path.rstrip('/')}/")]
    return inner[:_NEAR] or get_close_matches(path, paths, _NEAR)


async def _read(place: Path, part: Part) -> AsyncGenerator[Piece, None]:
    """Yield a part of a file of the cache; one that ends early yields less."""
    with disk_errors(place):
        descriptor = disk.open(place, os.O_RDONLY)
        try:
            position, stop = part.start, part.stop or 0
            while position < stop:
                piece = await asyncio.to_thread(
                    disk.pread, descriptor, min(_PIECE, stop - position), position
                )
                if not piece:
                    return
                position += len(piece)
                yield piece
        finally:
            disk.close(descriptor)
