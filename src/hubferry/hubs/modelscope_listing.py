"""List a ModelScope revision whole, although one answer holds no more than 3,000 entries.

Wire facts: modelscope_hub/_legacy_api.py, `list_repo_files`, `_walk_repo_files`, `_request_repo_tree`.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

from hubferry.errors import AccessError, HubferryError, IntegrityError, NetworkError
from hubferry.hubs.modelscope import DEFAULT_BRANCH, Wire
from hubferry.i18n import _
from hubferry.model import RepoFile

if TYPE_CHECKING:
    from hubferry.model import RepoRef

CUT = 3000
_PAGE = 200
_AT_ONCE = 8
_ATTEMPTS = 4
_MOST_REQUESTS = 5000
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Listing:
    """One listing in the making; `pause` is the seconds before a denial is asked again, then doubled."""

    def __init__(self, wire: Wire, ref: RepoRef, pause: float = 1.0) -> None:
        """List `ref` over `wire`."""
        self._wire = wire
        self._ref = ref
        self._pause = pause
        self._proven = False
        self._requests = 0
        self._gate = asyncio.Semaphore(_AT_ONCE)

    async def files(self) -> list[RepoFile]:
        """Return every file, sorted by path.

        Raises:
            NetworkError: The listing makes no sense, or cannot be had whole.
            IntegrityError: It names one path twice with different content.
        """
        entries = await (self._pages() if self._ref.repo_type == "dataset" else self._tree(None))
        found: dict[str, RepoFile] = {}
        for entry in entries:
            file = _file(entry)
            if file is not None and found.setdefault(file.path, file) != file:
                raise IntegrityError(
                    _("{path} is listed twice, with different content.").format(path=file.path),
                    side=self._wire.client.side,
                    path=file.path,
                )
        return [found[path] for path in sorted(found)]

    async def _tree(self, root: str | None) -> list[Any]:
        """List all below `root`; a listing that is cut goes on folder by folder, many at a time."""
        entries = await self._ask("/repo/files", Recursive="True", **_rooted(root))
        if len(entries) < CUT:
            return entries
        level = await self._ask("/repo/files", Recursive="False", **_rooted(root))
        if len(level) >= CUT:
            raise HubferryError(
                _(
                    "{name}: the folder {folder} holds {count} entries or more, and the hub lists no further."
                ).format(name=self._ref.repo_id, folder=root or "/", count=CUT),
                side=self._wire.client.side,
                hint=_("Spread its files over subfolders."),
            )
        folders = sorted({path for entry in level if _is_folder(entry) and (path := _path(entry))})
        below = await asyncio.gather(*(self._tree(folder) for folder in folders))
        return [*level, *(entry for entries in below for entry in entries)]

    async def _pages(self) -> list[Any]:
        """List a dataset, which comes in numbered pages."""
        entries: list[Any] = []
        for number in range(1, _MOST_REQUESTS):
            page = await self._ask(
                "/repo/tree", Recursive="True", PageNumber=str(number), PageSize=str(_PAGE)
            )
            entries += page
            if len(page) < _PAGE:
                return entries
        raise self._endless()

    async def _ask(self, rest: str, **query: str) -> list[Any]:
        """Ask for one listing. A denial after a success is a passing fault of the hub, and is asked again."""
        url = self._wire.api(self._ref, rest, Revision=self._ref.revision or DEFAULT_BRANCH, **query)
        pause = self._pause
        for attempt in range(1, _ATTEMPTS + 1):
            async with self._gate:
                self._requests += 1
                if self._requests > _MOST_REQUESTS:
                    raise self._endless()
                try:
                    entries = _entries(await self._wire.get(self._ref, url))
                except AccessError as denied:
                    if not self._proven:
                        raise
                    if attempt == _ATTEMPTS:
                        raise NetworkError(denied.message, side=denied.side) from denied
                else:
                    return self._understood(entries)
            await asyncio.sleep(pause)
            pause *= 2
        raise self._endless()

    def _understood(self, entries: list[Any] | None) -> list[Any]:
        if entries is None:
            raise NetworkError(
                _("{host} gave no listing of {name}.").format(
                    host=self._wire.client.host, name=self._ref.repo_id
                ),
                side=self._wire.client.side,
            )
        self._proven = True
        return entries

    def _endless(self) -> NetworkError:
        return NetworkError(
            _("The listing of {name} never ends.").format(name=self._ref.repo_id), side=self._wire.client.side
        )


def _entries(data: Any) -> list[Any] | None:
    if isinstance(data, dict):
        if "Files" not in data and "files" not in data:
            return None
        # An empty list may be written as null there.
        data = data.get("Files", data.get("files")) or []
    return data if isinstance(data, list) else None


def _rooted(root: str | None) -> dict[str, str]:
    return {} if root is None else {"Root": root}


def _path(entry: Any) -> str:
    path = (entry.get("Path") or entry.get("path") or entry.get("Name")) if isinstance(entry, dict) else None
    return path if isinstance(path, str) else ""


def _is_folder(entry: Any) -> bool:
    return isinstance(entry, dict) and (entry.get("Type") or entry.get("type")) == "tree"


def _file(entry: Any) -> RepoFile | None:
    path = _path(entry)
    if not path or _is_folder(entry):
        return None
    size, sha256, revision = entry.get("Size"), entry.get("Sha256"), entry.get("Revision")
    digest = sha256.lower() if isinstance(sha256, str) else ""
    return RepoFile(
        path,
        size if isinstance(size, int) and size >= 0 else None,
        sha256=digest if _SHA256.fullmatch(digest) else None,
        lfs=bool(entry.get("IsLFS", entry.get("IsLfs"))),
        revision=revision if isinstance(revision, str) and revision else None,
    )
