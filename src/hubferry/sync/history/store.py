"""The history of mirrors: written while runs go on, by any thread, beside other processes that do the same.

A run never fails for its memory: what cannot be written is told (`trouble`), and the run goes on without.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from hubferry import __version__, places, soft_lock
from hubferry.errors import DiskError, HubferryError, NotFoundError
from hubferry.i18n import _
from hubferry.sync.history import pruning, reading, writing
from hubferry.sync.history.writing import RunRow, text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

    from hubferry.sync.history.opening import Opened
    from hubferry.sync.history.reading import Wanted
    from hubferry.sync.history.values import Ending, Kind, Memory, PastOutcome, PastRun
    from hubferry.sync.outcome import Outcome

Result = TypeVar("Result")
NAME = "sync.sqlite"


def place() -> Path | None:
    """Return where the history of this account is; None where no home is known."""
    state = places.state()
    return None if state is None else state / NAME


def unchanged(words: str) -> str:
    """Return words as they are."""
    return words


class History:
    """An open history. Every method may be called by any thread; none of them raises for the disk's sake."""

    def __init__(self, path: Path | None, clean: Callable[[str], str]) -> None:
        """Prepare; `open` is how to get one."""
        self.path = path
        self.trouble: HubferryError | None = None
        """Why nothing is remembered, or something was not; None while all is well."""
        self.told: tuple[str, ...] = ()
        """Sentences for a person, such as that a damaged history was set aside."""
        self._clean = clean
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._writable = False
        self._runs: dict[int, RunRow] = {}

    @classmethod
    def open(
        cls, path: Path | None = None, *, create: bool = True, clean: Callable[[str], str] = unchanged
    ) -> History:
        """Open the history; this never fails, and `trouble` says why there is none.

        Args:
            path: The database; None for this account's.
            create: Whether to begin one where there is none.
            clean: Takes secrets out of what errors say, before it is written.
        """
        history = cls(path or place(), clean)
        history._begin(create=create)
        return history

    @property
    def readable(self) -> bool:
        """Whether a database is open, be it only for reading."""
        return self._connection is not None

    def _begin(self, *, create: bool) -> None:
        if self.path is None:
            message = _("nothing is remembered: no home directory is known, and XDG_STATE_HOME is not set")
            self.trouble = NotFoundError(message, hint=_("set XDG_STATE_HOME to a directory that can be"))
            return
        if not create and not os.path.lexists(self.path):
            return
        try:
            from hubferry.sync.history import opening
        except ImportError as error:  # a Python that was built without SQLite
            message = _("nothing is remembered: this Python has no SQLite ({reason})").format(reason=error)
            self.trouble = NotFoundError(message)
            return
        try:
            self._take(opening.open_database(self.path))
        except opening.Unusable as unusable:
            self.trouble = unusable.error

    def _take(self, opened: Opened) -> None:
        self._connection, self._writable = opened.connection, opened.writable
        self.told += opened.told
        if not opened.writable:
            message = _("the history {path} can only be read here").format(path=self.path)
            self.trouble = DiskError(message, path=str(self.path))

    def begin(self, file: Path, kind: Kind) -> int:
        """Remember that a run begins; return its number, 0 where nothing is remembered."""
        row = RunRow(
            reading.absolute(file),
            kind,
            time.time(),
            socket.gethostname(),
            os.getpid(),
            soft_lock.this_process(),
            __version__,
        )
        run = self._write(lambda connection: writing.begin(connection, row), 0)
        if run:
            self._runs[run] = row
        return run

    def record(self, run: int, outcome: Outcome) -> None:
        """Remember what became of a repository, in one transaction; it is on the disk when this returns.

        Args:
            run: From `begin`; nothing is remembered of 0.
            outcome: In its files nothing is remembered of `proof`; see `hubferry.sync.receipts`.
        """
        if run:
            self._write(lambda connection: writing.record(connection, run, outcome, self._clean), None)

    def end(self, run: int, how: Ending) -> None:
        """Remember how a run ended."""
        if run:
            self._write(lambda connection: writing.end(connection, run, how, time.time()), None)
            self._runs.pop(run, None)

    def last(self, source: str, target: str) -> Memory | None:
        """Return what all runs know of a source and its target; None where they never met."""
        return self._read(lambda connection: reading.memory(connection, text(source), text(target)), None)

    def runs(self, wanted: Wanted) -> tuple[PastRun, ...]:
        """Return runs, the last one first."""
        return self._read(lambda connection: reading.runs(connection, wanted), ())

    def run(self, number: int) -> PastRun | None:
        """Return one run; None where there is none of that number."""
        return self._read(lambda connection: reading.run(connection, number), None)

    def outcomes(self, run: int, wanted: Wanted) -> tuple[PastOutcome, ...]:
        """Return what became of the repositories of a run, in the order in which they ended."""
        return self._read(lambda connection: reading.outcomes(connection, run, wanted), ())

    def prunable(
        self, *, keep: int | None = None, older_than: float | None = None, file: Path | None = None
    ) -> tuple[PastRun, ...]:
        """Return the runs beyond some limits, to be handed to `forget`; runs that go on are none of them.

        Args:
            keep: All but the last so many of each file.
            older_than: Those that began so many seconds ago; with `keep` only what is both.
            file: Only runs of this file.
        """
        limits = pruning.Limits(keep, older_than, None if file is None else reading.absolute(file))
        return self._read(lambda connection: pruning.prunable(connection, limits, time.time()), ())

    def forget(self, runs: Sequence[int]) -> int:
        """Forget these runs; return how many. What `last` says stays."""
        gone = self._write(lambda connection: pruning.forget(connection, runs), 0)
        with self._lock:
            if gone and self._connection is not None:
                pruning.shrink(self._connection)
        return gone

    def close(self) -> None:
        """Let go of the database."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def __enter__(self) -> Self:
        """Return the history itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the database."""
        self.close()

    def _read(self, ask: Callable[[sqlite3.Connection], Result], otherwise: Result) -> Result:
        return self._do(ask, otherwise)

    def _write(self, change: Callable[[sqlite3.Connection], Result], otherwise: Result) -> Result:
        """Do `change` in one transaction, which waits for those of others."""

        def inside(connection: sqlite3.Connection) -> Result:
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = change(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            return result

        return self._do(inside, otherwise) if self._writable else otherwise

    def _do(self, work: Callable[[sqlite3.Connection], Result], otherwise: Result) -> Result:
        """Do `work`; on a database that turns out to be damaged a second time, on a new one."""
        import sqlite3

        from hubferry.sync.history.opening import is_damage

        with self._lock:
            for again in (False, True):
                if self._connection is None:
                    break
                try:
                    return work(self._connection)
                except sqlite3.Error as error:
                    if not again and is_damage(error) and self._renewed():
                        continue
                    self._complain(error)
                    break
            return otherwise

    def _renewed(self) -> bool:
        """Set a damaged database aside and go on in a new one, which learns of the runs that go on."""
        import sqlite3

        from hubferry.sync.history import opening

        assert self._connection is not None  # noqa: S101 - it was damaged
        assert self.path is not None  # noqa: S101 - likewise
        if not self._writable:
            return False
        with suppress(sqlite3.Error):
            self._connection.close()
        self._connection = None
        try:
            opened = opening.anew(self.path)
            self._take(opened)
            for number, row in self._runs.items():
                writing.begin(opened.connection, row, number)
        except opening.Unusable as unusable:
            self.trouble = unusable.error
        except sqlite3.Error as error:
            self._complain(error)
        return self._connection is not None

    def _complain(self, error: sqlite3.Error) -> None:
        message = _("something was not remembered in {path}: {reason}").format(path=self.path, reason=error)
        self.trouble = DiskError(message, path=str(self.path))
