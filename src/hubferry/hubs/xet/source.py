"""Read Hugging Face's chunked storage with its own client where that is the better way, else plainly.

`HUBFERRY_XET` says when: `auto` (the default) reads plainly until the plain way turns out worse: the server
sends whole files for ranges, or its storage keeps failing. `always` reads every file that has a Merkle hash
this way, `never` none. Whatever goes wrong with Xet, a stall included, ends it for this run: the plain way
goes on at the byte where it stopped. docs/adr/0003-xet.md has the reasons and the numbers.
"""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import AsyncExitStack, aclosing
from typing import TYPE_CHECKING

from hubferry.errors import BusyError, HubferryError
from hubferry.hubs.xet import access as xet_access
from hubferry.hubs.xet.access import NoXetError
from hubferry.hubs.xet.choice import Mode, is_installed, mode, silence_seconds
from hubferry.hubs.xet.chunks import Chunks
from hubferry.hubs.xet.uploads import LEAST, XetUploads
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from hubferry.events import Listener
    from hubferry.hubs.huggingface.source import HuggingFaceSource
    from hubferry.hubs.huggingface.wire import Wire
    from hubferry.hubs.ports import Piece, Source
    from hubferry.model import RepoFile, RepoRef, Revision

PIECE = 4 * 1024 * 1024
"""Bytes asked for at a time: hf_xet holds a piece in memory, and nothing of it is seen before it is whole."""
AT_ONCE = 6
"""Pieces in memory at a time."""
_PLAIN_FAILURES = 3
_WORTH_PARTS = 1024 * 1024
_HASH = re.compile(r"[0-9a-f]{64}")


def with_xet(plain: HuggingFaceSource) -> Source:
    """Return `plain`, wrapped unless the environment says never."""
    wish = mode()
    return plain if wish == "never" else XetSource(plain, wish)


def uploads_to(wire: Wire, listen: Listener) -> XetUploads | None:
    """Return how blobs are sent to a server by Xet, None where the environment says never, or nothing can.

    With `always` every blob goes that way, else those that are large enough.
    """
    wish = mode()
    if wish == "never" or not is_installed():
        return None
    return XetUploads(wire, silence_seconds(), listen, least=1 if wish == "always" else LEAST)


class XetSource:
    """A Hugging Face server whose chunked storage may be read with `hf_xet`."""

    def __init__(self, plain: HuggingFaceSource, wish: Mode) -> None:
        """Wrap `plain`; nothing of Xet is imported or asked for before it is needed."""
        self._plain = plain
        self._wish = wish
        self._given_up = False
        self._plain_failures = 0
        self._all_chunked = False
        self._begun: set[str] = set()
        self._chunks: dict[tuple[str, str, str], Chunks] = {}
        self._turn = asyncio.Lock()
        self._places = asyncio.Semaphore(AT_ONCE)

    @property
    def ignores_ranges(self) -> bool:
        """Whether parts cost more than they bring; not where Xet reads them."""
        return self._plain.ignores_ranges and (self._given_up or not self._all_chunked)

    async def resolve(self, ref: RepoRef) -> Revision:
        """Pass on."""
        return await self._plain.resolve(ref)

    async def files(self, revision: Revision) -> list[RepoFile]:
        """Pass on, noting whether every file that is read in parts has a Merkle hash."""
        files = await self._plain.files(revision)
        self._all_chunked = all(file.xet_hash for file in files if (file.size or 0) > _WORTH_PARTS)
        return files

    async def read(
        self, revision: Revision, file: RepoFile, start: int, stop: int | None
    ) -> AsyncGenerator[Piece, None]:
        """Yield the range, by Xet as far as it brings it, the rest plainly; see `Source.read`."""
        position, end = start, file.size if stop is None else stop
        if end is not None and start < end and self._chooses_xet(file, start):
            try:
                async with aclosing(self._chunked(revision, file, start, end)) as pieces:
                    async for piece in pieces:
                        if position == 0:
                            self._begun.add(file.path)
                        position += len(piece)
                        yield piece
            except (NoXetError, HubferryError):
                # Why does not matter to the copy, and hf_xet's own words may hold a signed address.
                self._given_up = True
            else:
                return
        async with aclosing(self._counted(revision, file, position, stop)) as pieces:
            async for piece in pieces:
                yield piece

    async def whole(self, revision: Revision, file: RepoFile) -> bytes:
        """Return a small file; see `Source.whole`."""
        async with aclosing(self.read(revision, file, 0, file.size)) as pieces:
            return b"".join([bytes(piece) async for piece in pieces])

    async def close(self) -> None:
        """Close both ways."""
        self._given_up = True
        chunks, self._chunks = list(self._chunks.values()), {}
        async with AsyncExitStack() as closing:  # each, whatever becomes of the others
            closing.push_async_callback(self._plain.close)
            for one in chunks:
                closing.push_async_callback(one.close)

    def _chooses_xet(self, file: RepoFile, start: int) -> bool:
        if self._given_up or file.size is None or not _HASH.fullmatch(file.xet_hash or ""):
            return False
        if start == 0 and file.path in self._begun:
            # Asked for from its first byte once more: what Xet brought was not what the hub lists.
            self._given_up = True
        if not (self._wish == "always" or self._plain_is_worse):
            return False
        self._given_up = self._given_up or not is_installed()
        return not self._given_up

    @property
    def _plain_is_worse(self) -> bool:
        return self._plain.ignores_ranges or self._plain_failures >= _PLAIN_FAILURES

    async def _chunked(
        self, revision: Revision, file: RepoFile, start: int, stop: int
    ) -> AsyncGenerator[Piece, None]:
        """Yield the range by Xet; a stall here breaks off every other read of the same server."""
        for first in range(start, stop, PIECE):
            async with self._places:
                if self._given_up:
                    raise NoXetError
                chunks = await self._opened(revision)
                last = min(first + PIECE, stop)
                try:
                    pieces = await chunks.read(file.xet_hash or "", file.size or 0, first, last)
                except NoXetError:
                    self._given_up = True
                    await chunks.close()
                    raise
                # Handed on before the place is given back: what waits to be written is memory, too.
                for piece in pieces:
                    yield piece

    async def _opened(self, revision: Revision) -> Chunks:
        """Return the commit's chunk server, opened anew when its token is about to end."""
        key = (revision.ref.repo_type, revision.ref.repo_id, revision.commit)
        async with self._turn:
            chunks = self._chunks.get(key)
            if chunks is None or time.time() >= chunks.access.renew_at:
                access = await xet_access.ask(self._plain.wire, revision)
                # The older one goes when the last of its reads does.
                chunks = self._chunks[key] = Chunks(access, silence_seconds())
            return chunks

    async def _counted(
        self, revision: Revision, file: RepoFile, start: int, stop: int | None
    ) -> AsyncGenerator[Piece, None]:
        """Yield the range plainly, and count the failures in a row that the network is to blame for."""
        try:
            async with aclosing(self._plain.read(revision, file, start, stop)) as pieces:
                async for piece in pieces:
                    yield piece
        except HubferryError as error:
            if error.retryable and not isinstance(error, BusyError):
                self._plain_failures += 1
                self._name_the_way(error, file)
            raise
        self._plain_failures = 0

    def _name_the_way(self, error: HubferryError, file: RepoFile) -> None:
        """Say in an error how to get the client that would bring this file, where it is not installed."""
        if self._plain_is_worse and _HASH.fullmatch(file.xet_hash or "") and not is_installed():
            hint = _("Hugging Face's own client may bring this file in another way: {command}")
            error.hint = hint.format(command="pip install hf-xet")
