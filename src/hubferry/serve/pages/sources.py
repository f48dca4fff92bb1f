"""What pages show, wherever it comes from: the hub's own store, or a mirror's upstream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import msgspec
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hubferry.serve.pages.place import Place
    from hubferry.serve.records import CommitHead, FileRecord
    from hubferry.serve.tree import Tree


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A repository in a list. A struct: each list makes one for every repository that there is.

    Attributes:
        changed: Seconds since 1970; None where nobody knows.
        origin: Where it comes from: empty for the hub's own, else `hf` or `ms`.
    """

    repo_id: str
    kind: str
    private: bool = False
    gated: bool = False
    changed: float | None = None
    created: float | None = None
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Details:
    """What a list says of a repository besides.

    Attributes:
        here: Bytes that the cache has of it; None for one of the hub's own, which are all here.
    """

    files: int = 0
    size: int = 0
    task: str = ""
    license: str = ""
    here: int | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Where a mirror has a repository from.

    Attributes:
        name: `Hugging Face` or `ModelScope`.
        address: Its page there; empty where no hub is asked.
        stale: Whether the hub could not be asked whether this is still so.
        asked: When it was asked, in seconds since 1970.
        here: Bytes of this commit that the cache has.
    """

    name: str
    address: str
    stale: bool
    asked: float | None
    here: int


@dataclass(frozen=True, slots=True)
class Change:
    """What a commit does to one path: the file before and after, None where there is none."""

    path: str
    before: FileRecord | None
    after: FileRecord | None


class Shown(Protocol):
    """A repository at a commit, for a reader who may see it."""

    entry: Entry
    place: Place
    commit: str
    tree: Tree
    source: Source | None
    here: frozenset[str] | None
    """Which files are on this machine; None for all."""

    @property
    def branches(self) -> Mapping[str, str]:
        """Where the branches are."""
        ...

    @property
    def tags(self) -> Mapping[str, str]:
        """Where the tags are."""
        ...

    @property
    def license(self) -> str | None:
        """The licence as the hub knows it, not as the card says."""
        ...

    async def head(self) -> CommitHead | None:
        """Return what the commit says of itself, None where nobody knows."""
        ...

    async def commits_of(self, paths: Sequence[str]) -> Mapping[str, CommitHead]:
        """Return the last commits of files, by path; nothing where nobody knows."""
        ...

    async def may_read(self) -> bool:
        """Return whether the reader may have the content of files."""
        ...

    async def read(self, path: str, start: int, count: int) -> bytes:
        """Return a part of a file.

        Raises:
            Refusal: There is none, or not for this reader.
        """
        ...

    async def history(self, start: int, count: int) -> tuple[Sequence[CommitHead], bool]:
        """Return commits up to this one, newest first, and whether there are more."""
        ...

    async def changes(self) -> tuple[CommitHead, Sequence[Change]] | None:
        """Return what this commit changed, None where nobody knows."""
        ...

    async def read_before(self, file: FileRecord) -> bytes:
        """Return a small file that a commit changed, as it was before or is after."""
        ...

    def download(self, path: str) -> tuple[str, Mapping[str, str]]:
        """Return where a file is had, not escaped, and its query."""
        ...


class Provider(Protocol):
    """Something that has repositories."""

    async def open(self, request: web.Request, place: Place) -> Shown | None:
        """Return a repository for whoever asks, None if it is not one of this provider's.

        Raises:
            Refusal: It is, and not for this reader, or has no such revision.
        """
        ...

    async def entries(self, request: web.Request) -> Sequence[Entry]:
        """Return every repository that whoever asks may see."""
        ...

    async def details(self, entries: Sequence[Entry]) -> Mapping[tuple[str, str], Details]:
        """Return more of some of its repositories, by kind and name."""
        ...

    async def standing(self, request: web.Request) -> Mapping[str, object] | None:
        """Return what the first page says of this provider, None for nothing."""
        ...


PROVIDERS: web.AppKey[list[Provider]] = web.AppKey("page providers", list)
