"""List a ModelScope revision whole, although one answer holds no more than 3,000 entries.

Wire facts: modelscope_hub/_legacy_api.py, `list_repo_files`, `_walk_repo_files`, `_request_repo_tree`: an
answer of 3,000 entries may have been cut, without a word, and nothing but `Root` narrows a question. Nothing
says in which order the entries of a cut answer come, and none carries a git id, so nothing in it proves a
folder whole: who relied on an order would lose files of a source without anybody noticing. Therefore what was
cut is asked for again, one level and each of its folders; what was whole as part of its parent never is.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, TypeVar

from hubferry.errors import (
    AccessError,
    BusyError,
    CertificateError,
    IntegrityError,
    NetworkError,
    ProxyError,
    UnlistableError,
)
from hubferry.hubs.modelscope.entries import entries_of, file_of, is_folder, path_of, total_of
from hubferry.hubs.modelscope.wire import DEFAULT_BRANCH, Wire
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from hubferry.model import RepoFile, RepoRef

Answered = TypeVar("Answered")

CUT = 3000
_PAGE = 200
_AT_ONCE = 16
_ATTEMPTS = 6
_PATIENCE = 120.0
"""Most seconds to wait in the middle of a walk when the hub names the time; else the walk begins anew."""
MOST_FILES = 1_000_000
MOST_FOLDERS = 200_000
"""What goes on beyond is no listing: ten times the files that the hub advises, and a request a folder."""
_LONGEST_PATH = 4096


def walk_requests(paths: Iterable[str], cut: int = CUT) -> int:
    """Return how many requests it takes to list a repository of these files, its record not counted."""
    below: Counter[str] = Counter()
    inside: defaultdict[str, set[str]] = defaultdict(set)
    files = set(paths)
    folders: set[str] = set()
    for path in files:
        folder = _parent(path)
        while folder and folder not in folders:
            folders.add(folder)
            inside[_parent(folder)].add(folder)
            folder = _parent(folder)
    for entry in sorted(files | folders, key=lambda entry: -entry.count("/")):  # the deepest first
        below[_parent(entry)] += 1 + below[entry]
    requests, waiting = 0, [""]
    while waiting:
        folder = waiting.pop()
        requests += 1
        if below[folder] >= cut:
            requests += 1
            waiting += inside[folder]
    return requests


class Listing:
    """One listing in the making; `pause` is the seconds before something is asked again, then doubled."""

    def __init__(self, wire: Wire, ref: RepoRef, pause: float = 1.0) -> None:
        """List `ref` over `wire`."""
        self._wire = wire
        self._ref = ref
        self._pause = pause
        self._proven = False
        self._resume_at = 0.0
        self._folders: set[str] = set()
        self._found: dict[str, RepoFile] = {}

    async def files(self) -> list[RepoFile]:
        """Return every file, sorted by path.

        Raises:
            NetworkError: The listing makes no sense, or cannot be had whole at the moment.
            UnlistableError: It can never be had whole.
            IntegrityError: It names one path twice with different content.
        """
        await (self._pages() if self._ref.repo_type == "dataset" else self._walk())
        return [self._found[path] for path in sorted(self._found)]

    async def _walk(self) -> None:
        """Ask for all, and folder by folder for what was cut, many at a time; the first failure ends it."""
        waiting: list[str | None] = [None]
        running: set[asyncio.Task[list[str]]] = set()
        done: set[asyncio.Task[list[str]]] = set()
        try:
            while waiting or running:
                while waiting and len(running) < _AT_ONCE:
                    running.add(asyncio.create_task(self._tree(waiting.pop())))
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    waiting += task.result()
        finally:
            await _end(running | done)  # several may fail at once, and one of them is told

    async def _tree(self, root: str | None) -> list[str]:
        """List all below `root`; return the folders that have to be asked for because the hub cut it."""
        entries = (await self._ask("/repo/files", Recursive="True", **_rooted(root)))[0]
        if len(entries) < CUT:
            self._take(entries)
            return []
        level = (await self._ask("/repo/files", Recursive="False", **_rooted(root)))[0]
        if len(level) >= CUT:
            raise self._unlistable(
                _(
                    "{name}: the folder {folder} holds {count} entries or more, and the hub lists no further."
                ).format(name=self._ref.repo_id, folder=root or "/", count=CUT),
                hint=_("Spread its files over subfolders."),
            )
        self._take(level)
        return [self._child(root or "", path) for path in sorted(map(path_of, filter(is_folder, level)))]

    def _child(self, root: str, path: str) -> str:
        """Return a folder's path, which must lie in `root` and be new: the walk ends."""
        parent, _slash, name = path.rpartition("/")
        if parent != root or not name or path in self._folders:
            raise self._unlistable(
                _("{name}: the hub lists {path} in the folder {folder}.").format(
                    name=self._ref.repo_id, path=path or "?", folder=root or "/"
                )
            )
        self._folders.add(path)
        if len(self._folders) > MOST_FOLDERS or len(path) > _LONGEST_PATH:
            raise self._endless()
        return path

    async def _pages(self) -> None:
        """List a dataset, which comes in numbered pages, to the number of entries that it says it has.

        A server may give fewer a page than asked for. Whether `TotalCount` counts folders is not known:
        either the files reach it, or all entries do and the last page is short, or brings nothing new.
        """
        page, total = await self._page(1)
        size, number = len(page), 1
        while not self._complete(total, short=len(page) < size):
            known = self._count
            missing = -(-(total - known) // size) if total is not None and size else 1
            width = max(1, min(_AT_ONCE, missing))
            asked = [self._page(number + more) for more in range(1, width + 1)]
            page, _total = (await _together(asked))[-1]
            number += width
            if self._count == known:
                break
        if total is not None and self._count < total:
            raise NetworkError(
                _("{host} listed {count} entries of {name}, which has {total}.").format(
                    host=self._wire.client.host, count=self._count, name=self._ref.repo_id, total=total
                ),
                side=self._wire.client.side,
            )

    @property
    def _count(self) -> int:
        return len(self._found) + len(self._folders)

    def _complete(self, total: int | None, *, short: bool) -> bool:
        if total is None:
            return short
        return len(self._found) >= total or (short and self._count >= total)

    async def _page(self, number: int) -> tuple[list[Any], int | None]:
        """Take one page; return it, and how many entries there are in all where the hub says so."""
        entries, total = await self._ask(
            "/repo/tree", Recursive="True", PageNumber=str(number), PageSize=str(_PAGE)
        )
        self._take(entries)
        self._folders.update(path for path in map(path_of, filter(is_folder, entries)) if path)
        return entries, total

    def _take(self, entries: list[Any]) -> None:
        for entry in entries:
            file = file_of(entry)
            if file is not None and self._found.setdefault(file.path, file) != file:
                raise IntegrityError(
                    _("{path} is listed twice, with different content.").format(path=file.path),
                    side=self._wire.client.side,
                    path=file.path,
                )
        if len(self._found) > MOST_FILES:
            raise self._endless()

    async def _ask(self, rest: str, **query: str) -> tuple[list[Any], int | None]:
        """Ask for one listing, and how many entries there are in all.

        After a first success a denial is a passing fault of the hub, and what fails in passing is asked again
        here: a walk of thousands of questions is not begun anew for one of them.
        """
        url = self._wire.api(self._ref, rest, Revision=self._ref.revision or DEFAULT_BRANCH, **query)
        for attempt in range(_ATTEMPTS):
            await self._until_the_hub_is_ready()
            try:
                data = await self._wire.get(self._ref, url)
            except (AccessError, NetworkError) as error:
                if not self._proven or isinstance(error, (CertificateError, ProxyError)):
                    raise
                if attempt == _ATTEMPTS - 1:
                    raise NetworkError(error.message, side=error.side) from error
                await self._pause_after(error, attempt)
            else:
                return self._understood(entries_of(data)), total_of(data)
        raise AssertionError  # the loop returns or raises

    async def _pause_after(self, error: AccessError | NetworkError, attempt: int) -> None:
        """Wait before a question is asked again; when the hub named a time, nobody asks before it.

        Raises:
            BusyError: It named a longer one than a walk is kept waiting for.
        """
        seconds = self._pause * 2.0**attempt
        if isinstance(error, BusyError) and error.retry_after is not None:
            if error.retry_after > _PATIENCE:
                raise error
            now = asyncio.get_running_loop().time()
            self._resume_at = max(self._resume_at, now + error.retry_after)
        await asyncio.sleep(seconds)

    async def _until_the_hub_is_ready(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._resume_at > now:
            await asyncio.sleep(self._resume_at - now)

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

    def _endless(self) -> UnlistableError:
        return self._unlistable(_("The listing of {name} never ends.").format(name=self._ref.repo_id))

    def _unlistable(self, message: str, hint: str | None = None) -> UnlistableError:
        return UnlistableError(message, side=self._wire.client.side, hint=hint)


async def _together(questions: list[Coroutine[Any, Any, Answered]]) -> list[Answered]:
    """Ask at once; the first failure ends the others."""
    tasks = [asyncio.ensure_future(question) for question in questions]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        await _end(tasks)


async def _end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _parent(path: str) -> str:
    """Return the folder that a path is in; the root is empty."""
    return path.rpartition("/")[0]


def _rooted(root: str | None) -> dict[str, str]:
    return {} if root is None else {"Root": root}
