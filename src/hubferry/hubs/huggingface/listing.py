"""List a commit of a Hugging Face repository, whole, whatever the server leaves out of its listing."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from hubferry.errors import NetworkError, NotFoundError
from hubferry.hubs.entries_found import MOST_FILES, EntriesFound
from hubferry.hubs.http import mistaken
from hubferry.hubs.http.answers import Answer
from hubferry.hubs.http.client import Request
from hubferry.hubs.huggingface.wire import Wire, quoted, quoted_revision
from hubferry.model import RepoFile, Revision
from hubferry.tasks import run_all

if TYPE_CHECKING:
    from collections.abc import Mapping

_NEXT = re.compile(r"<([^>]*)>\s*;[^,]*\brel\s*=\s*\"?next\"?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHA1 = re.compile(r"[0-9a-f]{40}")
_AT_ONCE = 16
_MOST_BARREN = 16
"""Pages in a row that may bring nothing new; a listing that goes on after those only repeats itself."""
_PARTIAL_CONTENT = 206


class Listing:
    """One listing in the making."""

    def __init__(self, wire: Wire, revision: Revision) -> None:
        """List `revision` over `wire`."""
        self._wire = wire
        self._revision = revision
        self._found = EntriesFound(revision.ref.repo_id, wire.client.side, MOST_FILES)

    async def files(self) -> list[RepoFile]:
        """Return every file, sorted by path.

        Raises:
            NetworkError: The listing makes no sense, or is cut short, or leads back to where it was.
            UnlistableError: It goes on without end.
            IntegrityError: It names one path twice with different content.
        """
        await self._read_pages()
        return await self._filled(self._found.sorted())

    async def _read_pages(self) -> None:
        """Walk the pages of the recursive tree.

        Wire fact: hf_api.py `list_repo_tree`, utils/_pagination.py: the next page is in the Link header.
        """
        ref, commit = self._revision.ref, quoted_revision(self._revision.commit)
        url: str | None = self._wire.api(ref, f"/tree/{commit}?recursive=true&expand=false")
        seen = set()
        barren = 0
        while url is not None:
            if hash(url) in seen:
                raise NetworkError(self._found.endless().message, side=self._wire.client.side)
            seen.add(hash(url))
            try:
                answer = await self._wire.get(ref, url)
            except NotFoundError:
                if len(seen) > 1:
                    raise
                self._take(await self._siblings())
                return
            page, known = answer.json(), self._found.count
            if not isinstance(page, list):
                raise self._not_understood(answer)
            self._take(page)
            barren = barren + 1 if self._found.count == known else 0
            if barren > _MOST_BARREN:
                raise self._found.endless()
            url = next_page(self._wire, answer)

    def _take(self, entries: list[Any]) -> None:
        for entry in entries:
            file = _file(entry)
            if file is not None:
                self._found.add(file)
            elif isinstance(entry, dict) and isinstance(entry.get("path"), str):
                self._found.add_folder(entry["path"])

    async def _siblings(self) -> list[Any]:
        """List by the model's own record, for a server that has no tree.

        Raises:
            NotFoundError: There is no such repository or revision.
        """
        ref, commit = self._revision.ref, quoted_revision(self._revision.commit)
        answer = await self._wire.get(ref, self._wire.api(ref, f"/revision/{commit}?blobs=true"))
        info = answer.json()
        siblings = info.get("siblings") if isinstance(info, dict) else None
        if not isinstance(siblings, list):
            raise self._not_understood(answer)
        return [
            {
                "path": entry.get("rfilename"),
                "size": entry.get("size"),
                "oid": entry.get("blobId"),
                **_lfs_of(entry),
            }
            for entry in siblings
            if isinstance(entry, dict)
        ]

    def _not_understood(self, answer: Answer) -> NetworkError:
        return mistaken.not_understood(answer, host=self._wire.client.host, side=self._wire.client.side)

    async def _filled(self, files: list[RepoFile]) -> list[RepoFile]:
        """Ask for the files one by one where the listing lacks sizes."""
        gate = asyncio.Semaphore(_AT_ONCE)

        async def fill(file: RepoFile) -> RepoFile:
            if file.size is not None:
                return file
            async with gate:
                return await self._probed(file)

        return list(await run_all(*(fill(file) for file in files)))

    async def _probed(self, file: RepoFile) -> RepoFile:
        """Learn size and digest of one file from the headers of its download.

        Wire fact: file_download.py `get_hf_file_metadata`: X-Linked-Size and X-Linked-Etag before the
        redirect, Content-Length and ETag where there is none.
        """
        ref, commit = self._revision.ref, quoted_revision(self._revision.commit)
        url = self._wire.page(ref, f"/resolve/{commit}/{quoted(file.path)}")
        head = await self._wire.client.ask(Request("HEAD", url, {}), follow=False)
        headers: Mapping[str, str] = head.headers
        linked = headers.get("X-Linked-Size")
        if linked is None and "Location" in headers:
            # Object storage signs its addresses for GET: ask for one byte, and let go of the rest.
            async with self._wire.client.stream(Request("GET", url, {"Range": "bytes=0-0"})) as response:
                self._wire.checked(ref, Answer(response.status, response.headers, b""), file.path)
                total = response.headers.get("Content-Range", "").rpartition("/")[2]
                whole = response.headers.get("Content-Length", "")
                linked = total if response.status == _PARTIAL_CONTENT else whole
        elif "Location" not in headers:
            self._wire.checked(ref, head, file.path)
            linked = linked or headers.get("Content-Length", "")
        if not linked or not linked.isdecimal():
            return file
        tag = (headers.get("X-Linked-Etag") or headers.get("ETag") or "").removeprefix("W/").strip('"')
        return dataclasses.replace(
            file,
            size=int(linked),
            sha256=file.sha256 or (tag if _SHA256.fullmatch(tag) else None),
            git_sha1=file.git_sha1 or (tag if _SHA1.fullmatch(tag) else None),
            lfs=file.lfs or bool(_SHA256.fullmatch(tag)),
        )


def next_page(wire: Wire, answer: Answer) -> str | None:
    """Return the next page's address, at our own endpoint: mirrors pass on the original hub's."""
    link = _NEXT.search(answer.headers.get("Link", ""))
    if link is None:
        return None
    target = urlsplit(urljoin(answer.url, link[1]))
    base = urlsplit(wire.client.endpoint)
    prefix = "" if target.path.startswith(f"{base.path}/") else base.path
    return f"{base.scheme}://{base.netloc}{prefix}{target.path}?{target.query}"


def _file(entry: Any) -> RepoFile | None:
    """Make a file of one entry; None for a folder, which may come without a path, or without a type."""
    if not isinstance(entry, dict):
        return None
    path = entry.get("path")
    if entry.get("type") == "directory" or not isinstance(path, str) or not path or path.endswith("/"):
        return None
    lfs = entry.get("lfs")
    is_lfs = isinstance(lfs, dict)
    sha256 = _digest(lfs.get("sha256") or lfs.get("oid"), _SHA256) if isinstance(lfs, dict) else None
    size = (
        lfs.get("size") if isinstance(lfs, dict) and isinstance(lfs.get("size"), int) else entry.get("size")
    )
    xet = entry.get("xetHash")
    return RepoFile(
        path,
        size if isinstance(size, int) and size >= 0 else None,
        sha256=sha256,
        # Of an LFS file the oid is that of its pointer, not of its content.
        git_sha1=None if is_lfs else _digest(entry.get("oid"), _SHA1),
        lfs=is_lfs,
        xet_hash=xet if isinstance(xet, str) and xet else None,
    )


def _lfs_of(entry: dict[str, Any]) -> dict[str, Any]:
    lfs = entry.get("lfs")
    return {"lfs": lfs} if isinstance(lfs, dict) else {}


def _digest(value: Any, form: re.Pattern[str]) -> str | None:
    if not isinstance(value, str):
        return None
    plain = value.removeprefix("sha256:").lower()
    return plain if form.fullmatch(plain) else None
