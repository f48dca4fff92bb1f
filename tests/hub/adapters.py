"""What the tests of both adapters give to them and take from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hubferry.hubs.ports import Body, Source
    from hubferry.model import RepoFile, Revision


async def content_of(
    source: Source, revision: Revision, file: RepoFile, start: int = 0, stop: int | None = None
) -> bytes:
    """Read a range of a file."""
    return b"".join([bytes(piece) async for piece in source.read(revision, file, start, stop)])


def body(content: bytes, piece: int = 70_000) -> Body:
    """Return what an upload reads, in pieces."""

    async def pieces():
        for at in range(0, len(content), piece):
            yield content[at : at + piece]

    return pieces
