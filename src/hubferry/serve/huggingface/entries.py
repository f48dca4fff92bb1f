"""How the Hugging Face dialect describes files and folders, a mirror's too, and is asked about some."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import msgspec

from hubferry.serve.exchange import decode_json, read_body
from hubferry.serve.git import pointer
from hubferry.serve.hub import hub_of
from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from aiohttp import web

    from hubferry.serve.records import FileRecord
    from hubferry.serve.tree import Tree

_MOST_FIELDS = 20_000


class PathsInfo(msgspec.Struct, frozen=True):
    """The body of `POST .../paths-info/{revision}`, when it is JSON."""

    paths: list[str] = []
    expand: bool = False

    def known_in(self, tree: Tree) -> list[str]:
        """Return those of the paths that are there, files and folders."""
        return [path for path in self.paths if path in tree or (path and path in tree.folders)]


async def wanted_paths(request: web.Request) -> PathsInfo:
    """Return which paths are asked about, in JSON or in a form.

    Raises:
        Refusal: The body is neither, or too large.
    """
    body = await read_body(request, hub_of(request).limits.json_bytes)
    if request.content_type == "application/json":
        return decode_json(body, PathsInfo)
    try:
        form = parse_qs(body.decode(), max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise Refusal(Reason.INVALID, "Malformed form") from error
    return PathsInfo(form.get("paths", []), expand=form.get("expand", [""])[0].lower() == "true")


def entry(tree: Tree, path: str) -> dict[str, object]:
    """Describe a file or folder as a listing does."""
    file = tree.get(path)
    if file is None:
        return {"type": "directory", "oid": tree.folders[path], "size": 0, "path": path}
    found: dict[str, object] = {"type": "file", "oid": file.git_sha1, "size": file.size, "path": path}
    if file.lfs:
        found["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": _pointer_size(file)}
    return found


def sibling(path: str, file: FileRecord, *, blobs: bool) -> dict[str, object]:
    """Describe a file as a repository's description does, with its digests where `blobs` are asked for."""
    found: dict[str, object] = {"rfilename": path}
    if blobs:
        found |= {"size": file.size, "blobId": file.git_sha1}
        if file.lfs:
            found["lfs"] = {"sha256": file.sha256, "size": file.size, "pointerSize": _pointer_size(file)}
    return found


def _pointer_size(file: FileRecord) -> int:
    return len(pointer(file.sha256, file.size))
