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
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from hubferry.errors import AccessError, BusyError, NetworkError, UnlistableError
from hubferry.hubs.entries_found import MOST_FILES, EntriesFound
from hubferry.hubs.modelscope.entries import entries_of, file_of, is_folder, path_of, total_of
from hubferry.hubs.modelscope.wire import DEFAULT_BRANCH, Wire
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from hubferry.model import RepoFile, RepoRef

Question = TypeVar("Question")

CUT = 3000
_PAGE = 200
_AT_ONCE = 16
MOST_FOLDERS = 200_000
"""What goes on beyond is no listing: a request a folder."""
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
    """One listing in the making: what failed in passing is asked again when `files` is called again."""

    def __init__(self, wire: Wire, ref: RepoRef) -> None:
        """List `ref` over `wire`."""
        self._wire = wire
        self._ref = ref
        self._found = EntriesFound(ref.repo_id, wire.client.side, MOST_FILES)
        self._proven = False
        self._roots: list[str | None] = [None]
        self._walked: set[str] = set()
        self._in_pages = ref.repo_type == "dataset"
        self._pages = _Pages(_PAGE)
        self.is_short = False
        """Whether it ended before its end: then nothing of it is worth being asked for again."""

    async def files(self) -> list[RepoFile]:
        """Return every file, sorted by path.

        Raises:
            NetworkError: It cannot be had whole at the moment; what was answered is kept, but where it
                `is_short`.
            UnlistableError: It can never be had whole.
            IntegrityError: It names one path twice with different content.
        """
        if not self._in_pages:
            await self._each(self._roots, self._tree)
        if self._in_pages:
            await self._read_pages()
        return self._found.sorted()

    async def _each(
        self, waiting: list[Question], ask: Callable[[Question], Coroutine[Any, Any, list[Question]]]
    ) -> None:
        """Ask what is `waiting`, and what follows from the answers, many at a time.

        Raises:
            NetworkError: Something failed in passing; it is waiting again, and the others were asked. As many
                failures as are asked at once, and a hub that wants a pause, end the round.
        """
        turn: _Round[Question] = _Round()
        running: dict[asyncio.Task[list[Question]], Question] = {}
        try:
            while running or (waiting and not turn.over):
                while waiting and not turn.over and len(running) < _AT_ONCE:
                    question = waiting.pop()
                    running[asyncio.create_task(ask(question))] = question
                for task in (await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED))[0]:
                    try:
                        waiting += task.result()
                    except NetworkError as error:
                        if not error.retryable:
                            raise
                        turn.failed(error, running[task])
                    else:
                        turn.answered()
                    del running[task]
        finally:
            for task in running:
                task.cancel()
            try:
                # several may fail; one of them is told
                await asyncio.gather(*running, return_exceptions=True)
            finally:  # whoever broke this off may do so a second time
                for task, question in running.items():
                    answered = task.done() and not task.cancelled() and task.exception() is None
                    waiting += task.result() if answered else [question]
                waiting += turn.left
        turn.end()

    async def _tree(self, root: str | None) -> list[str | None]:
        """List all below `root`; return the folders that have to be asked for because the hub cut it."""
        entries, total = await self._ask("/repo/files", Recursive="True", **_rooted(root))
        if len(entries) < CUT:
            self._take(entries)
            if root is None and total is not None and total > len(entries):
                # the hub itself has no pages of models, nor says how many entries there are
                self._in_pages, self._pages = True, _Pages(max(1, len(entries)), "/repo/files")
                self._pages.came(1, len(entries), total)
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
        if parent != root or not name or path in self._walked:
            raise self._unlistable(
                _("{name}: the hub lists {path} in the folder {folder}.").format(
                    name=self._ref.repo_id, path=path or "?", folder=root or "/"
                )
            )
        self._walked.add(path)
        if len(self._walked) > MOST_FOLDERS or len(path) > _LONGEST_PATH:
            raise self._found.endless()
        return path

    async def _read_pages(self) -> None:
        """List what comes in numbered pages to the number of entries that there are said to be.

        A server may give fewer a page than asked for. Whether `TotalCount` counts folders is not known:
        either the files reach it, or all entries do and the last page is short, or brings nothing new.
        """
        pages, found = self._pages, self._found
        while True:
            await self._each(pages.waiting, self._page)
            if found.count == pages.known or self._is_complete():
                break
            pages.next(found.count, _AT_ONCE)
        total = pages.total
        if total is not None and found.count < total:
            self.is_short = True
            raise NetworkError(
                _("{host} listed {count} entries of {name}, which has {total}.").format(
                    host=self._wire.client.host, count=found.count, name=self._ref.repo_id, total=total
                ),
                side=self._wire.client.side,
            )

    def _is_complete(self) -> bool:
        total = self._pages.total
        if total is None:
            return self._pages.ends_short
        return len(self._found.files) >= total or (self._pages.ends_short and self._found.count >= total)

    async def _page(self, number: int) -> list[int]:
        """Take one page."""
        entries, total = await self._ask(
            self._pages.rest, Recursive="True", PageNumber=str(number), PageSize=str(self._pages.size)
        )
        self._take(entries)
        self._pages.came(number, len(entries), total)
        return []

    def _take(self, entries: list[Any]) -> None:
        for entry in entries:
            file = file_of(entry)
            if file is not None:
                self._found.add(file)
            elif is_folder(entry) and path_of(entry):
                self._found.add_folder(path_of(entry))

    async def _ask(self, rest: str, **query: str) -> tuple[list[Any], int | None]:
        """Ask for one listing, and how many entries there are in all.

        Raises:
            NetworkError: Also for a denial after a first success, which is a passing fault of the hub.
        """
        url = self._wire.api(self._ref, rest, Revision=self._ref.revision or DEFAULT_BRANCH, **query)
        try:
            data = await self._wire.get(self._ref, url)
        except AccessError as error:
            if not self._proven:
                raise
            raise NetworkError(error.message, side=error.side) from error
        return self._understood(entries_of(data)), total_of(data)

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

    def _unlistable(self, message: str, hint: str | None = None) -> UnlistableError:
        return UnlistableError(message, side=self._wire.client.side, hint=hint)


@dataclass(slots=True)
class _Round(Generic[Question]):
    """What became of questions that were asked at about the same time; `left` has to be asked again."""

    left: list[Question] = field(default_factory=list)
    over: bool = False
    _error: NetworkError | None = None
    _got_on: bool = False
    _in_a_row: int = 0

    def answered(self) -> None:
        self._got_on, self._in_a_row = True, 0

    def failed(self, error: NetworkError, question: Question) -> None:
        self.left.append(question)
        self._in_a_row += 1
        self.over = self.over or self._in_a_row >= _AT_ONCE or isinstance(error, BusyError)
        if self._error is None or isinstance(error, BusyError):  # which may name the time
            self._error = error

    def end(self) -> None:
        if self._error is not None:
            self._error.got_on = self._got_on
            raise self._error


@dataclass(slots=True)
class _Pages:
    """Numbered pages: which are waiting to be asked for, and what those that came say."""

    size: int
    rest: str = "/repo/tree"
    waiting: list[int] = field(default_factory=lambda: [1])
    known: int = -1
    total: int | None = None
    _lengths: dict[int, int] = field(default_factory=dict)
    _last: int = 1

    @property
    def ends_short(self) -> bool:
        """Whether the last page has fewer entries than the first."""
        return self._lengths[self._last] < self._lengths[1]

    def came(self, number: int, length: int, total: int | None) -> None:
        self._lengths[number] = length
        if number == 1:
            self.waiting, self.total = [], total

    def next(self, known: int, most: int) -> None:
        """Say which pages come next, as many as what is still missing may fill, after so many are known."""
        self.known, size = known, self._lengths[1]
        missing = -(-(self.total - known) // size) if self.total is not None and size else 1
        width = max(1, min(most, missing))
        self.waiting = list(range(self._last + width, self._last, -1))
        self._last += width


def _parent(path: str) -> str:
    """Return the folder that a path is in; the root is empty."""
    return path.rpartition("/")[0]


def _rooted(root: str | None) -> dict[str, str]:
    return {} if root is None else {"Root": root}
