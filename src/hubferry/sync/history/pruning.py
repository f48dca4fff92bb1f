"""Forget old runs. What all runs together know of a mirror stays while it is in use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry.sync.history import reading

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from hubferry.sync.history.values import PastRun


@dataclass(frozen=True, slots=True)
class Limits:
    """What is to stay; see `History.prunable`."""

    keep: int | None = None
    older_than: float | None = None
    file: str | None = None


def prunable(connection: sqlite3.Connection, limits: Limits, now: float) -> tuple[PastRun, ...]:
    """Return the runs beyond the limits, the last one first; none without a limit, and none that goes on."""
    if limits.keep is None and limits.older_than is None:
        return ()
    seen: dict[str, int] = {}
    found = []
    for run in reading.runs(connection, reading.Wanted()):
        seen[run.file] = seen.get(run.file, 0) + 1
        if limits.file not in (None, run.file) or run.how == "running":
            continue
        if limits.keep is not None and seen[run.file] <= limits.keep:
            continue
        if limits.older_than is not None and run.started > now - limits.older_than:
            continue
        found.append(run)
    return tuple(found)


def forget(connection: sqlite3.Connection, runs: Sequence[int]) -> int:
    """Remove runs with what belongs to them, and mirrors that nobody copied since; return how many."""
    gone = sum(connection.execute("DELETE FROM runs WHERE id = ?", (run,)).rowcount for run in runs)
    connection.execute("DELETE FROM names WHERE repository IS NULL AND NOT current")
    connection.execute(
        "DELETE FROM mirrors WHERE NOT EXISTS (SELECT 1 FROM repositories WHERE mirror = mirrors.id) "
        "AND ended < coalesce((SELECT min(started) FROM runs), 0)"
    )
    return gone


def shrink(connection: sqlite3.Connection) -> None:
    """Give the room of what was forgotten back to the disk, outside of a transaction."""
    connection.executescript("PRAGMA incremental_vacuum")  # `execute` would give back a single page
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
