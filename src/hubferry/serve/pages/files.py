"""The files of a repository: folders with sizes, and what a file holds."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from hubferry import i18n
from hubferry.pages import Share, prose, quantities, reader_of
from hubferry.pages.application import link
from hubferry.serve.addresses import absolute
from hubferry.serve.pages import weights
from hubferry.serve.pages.around import around, said_revision
from hubferry.serve.pages.card import split
from hubferry.serve.pages.lists import page_number
from hubferry.serve.pages.preview import Preview, preview_of
from hubferry.serve.pages.showing import show
from hubferry.serve.pages.using import curl, ways
from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohttp import web

    from hubferry.serve.pages.sources import Shown
    from hubferry.serve.pages.weights import Weights
    from hubferry.serve.records import FileRecord
    from hubferry.serve.tree import Tree

A_PAGE = 100
_MOST_FOUND = 10_000


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a folder's list.

    Attributes:
        file: None for a folder.
        size: Bytes; of a folder, of all below it.
    """

    path: str
    name: str
    file: FileRecord | None
    size: int


async def show_folder(request: web.Request, shown: Shown) -> web.StreamResponse:
    """Show a folder, a part of it at a time; with `?search=` what is called so below it."""
    folder = shown.place.path.strip("/")
    if folder and shown.tree.get(folder) is not None:
        return await show_file(request, shown)
    search = request.query.get("files", "").strip()[:200]
    found = await asyncio.to_thread(_found, shown.tree, folder, search)
    if folder and not found.total and not search:
        raise Refusal(Reason.ENTRY_MISSING, "The folder does not exist at this revision", about=folder)
    last = max(1, -(-found.total // A_PAGE))
    page = min(page_number(request), last)
    part = found.rows(shown.tree, (page - 1) * A_PAGE, page * A_PAGE)
    return await show(
        request,
        "folder.html",
        folder=folder,
        rows=part,
        total=found.total,
        size=found.size,
        commits=await shown.commits_of([row.path for row in part if row.file is not None]),
        search=search,
        page=page,
        last=last,
        readable=await shown.may_read(),
        download_of=lambda path: _download(request, shown, path),
        **await around(request, shown, "files"),
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """What a folder has, or what below it fits a search.

    Attributes:
        prefix: What all paths begin with.
        folders: The bytes below each folder, by name.
        files: Paths, sorted.
        size: Bytes of all.
    """

    prefix: str
    folders: Mapping[str, int]
    files: Sequence[str]
    size: int

    @property
    def total(self) -> int:
        return len(self.folders) + len(self.files)

    def rows(self, tree: Tree, start: int, stop: int) -> list[Row]:
        """Return some of the lines, folders first; only those that are shown are made."""
        names = sorted(self.folders)
        rows = [Row(self.prefix + name, name, None, self.folders[name]) for name in names[start:stop]]
        paths = self.files[max(0, start - len(names)) : max(0, stop - len(names))]
        return [
            *rows,
            *(Row(path, path[len(self.prefix) :], file := tree.files[path], file.size) for path in paths),
        ]


def _found(tree: Tree, folder: str, search: str) -> _Found:
    """Look through a folder; with a search through all that is below it."""
    prefix = f"{folder}/" if folder else ""
    if search:
        words = search.lower().split()
        below = (path for path in tree.paths if path.startswith(prefix))
        fitting = (path for path in below if all(word in path.lower() for word in words))
        chosen = list(islice(fitting, _MOST_FOUND))
        return _Found(prefix, {}, chosen, sum(tree.files[path].size for path in chosen))
    length, size = len(prefix), 0
    folders: dict[str, int] = {}
    files: list[str] = []
    for path, file in tree.files.items():
        if not path.startswith(prefix):
            continue
        size += file.size
        end = path.find("/", length)
        if end < 0:
            files.append(path)
        else:
            name = path[length:end]
            folders[name] = folders.get(name, 0) + file.size
    files.sort()
    return _Found(prefix, folders, files, size)


async def show_file(request: web.Request, shown: Shown) -> web.StreamResponse:
    """Show a file: its tensors, its text, its picture, or that there is nothing to show."""
    path = shown.place.path
    file = shown.tree.require(path)
    readable = await shown.may_read()
    header = await _header(shown, path, file) if readable and weights.has_header(path) else None
    preview = await _preview(request, shown, path, file) if readable and header is None else None
    tensors, page, last = _some(header, request)
    download = _download(request, shown, path)
    address = absolute(request, download.removeprefix(link(request, "")))
    return await show(
        request,
        "file.html",
        path=path,
        file=file,
        name=path.rpartition("/")[2],
        readable=readable,
        header=header,
        header_shares=_shares(header),
        tensors=tensors,
        page=page,
        last=last,
        preview=preview,
        picture=download,
        download=download,
        changed=(await shown.commits_of([path])).get(path),
        plain="plain" in request.query,
        tensor=request.query.get("tensor", "").strip()[:200],
        ways=[
            curl(address, path.rpartition("/")[2]),
            *ways(
                absolute(request, ""),
                shown.place.repo_id,
                shown.place.kind or "model",
                said_revision(shown),
                dialect=shown.place.dialect,
                path=path,
            ),
        ],
        **await around(request, shown, "files"),
    )


def _download(request: web.Request, shown: Shown, path: str) -> str:
    address, query = shown.download(path)
    return link(request, address, **query)


def _shares(header: Weights | None) -> list[Share]:
    types = header.by_dtype.items() if header is not None else ()
    return [Share(name, count, quantities.about(count)) for name, count in types][:8]


async def _header(shown: Shown, path: str, file: FileRecord) -> Weights | None:
    async def read(start: int, count: int) -> bytes:
        return await shown.read(path, start, count)

    return await weights.read_weights(path, file.size, read)


def _some(header: Weights | None, request: web.Request) -> tuple[Sequence[weights.Tensor], int, int]:
    """Return the tensors of one part of the table, those whose name fits the search."""
    if header is None:
        return (), 1, 1
    search = request.query.get("tensor", "").strip().lower()
    found = [one for one in header.tensors if search in one.name.lower()] if search else header.tensors
    last = max(1, -(-len(found) // A_PAGE))
    page = min(page_number(request), last)
    return found[(page - 1) * A_PAGE : page * A_PAGE], page, last


async def _preview(request: web.Request, shown: Shown, path: str, file: FileRecord) -> Preview:
    folder = path.rpartition("/")[0]
    below = f"/{folder}" if folder else ""
    base = f"{shown.place.base}/%s/{shown.commit}{below}/"

    raw = None if shown.place.dialect == "ms" else link(request, base % "resolve")

    def rendered(text: str) -> object:
        front, body = split(text)
        text = f"```yaml\n{front}```\n\n{body}" if front else text
        with i18n.speaking(reader_of(request).language):
            return prose.prose(text, link(request, base % "blob"), raw)

    plain = "plain" in request.query

    async def read(start: int, count: int) -> bytes:
        return await shown.read(path, start, count)

    return await preview_of(path, file.size, read, None if plain else rendered)
