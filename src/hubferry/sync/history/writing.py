"""Write what happens into the tables; each function inside a transaction of its caller."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

import msgspec

from hubferry.errors import PartialError
from hubferry.sync.care import pause_after
from hubferry.sync.history.values import Failure, wish_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from hubferry.errors import HubferryError
    from hubferry.sync.history.values import Ending, Kind
    from hubferry.sync.outcome import Outcome

_OTHERS = 20
"""Errors of single files that are kept beside the first."""
_MOST_LETTERS = 4000
"""Of a sentence: a hub may answer anything."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run as it begins."""

    file: str
    kind: Kind
    started: float
    host: str
    pid: int
    process: str
    version: str


def text(words: str) -> str:
    """Return words as SQLite takes them: what is no Unicode, as in odd file names, is replaced."""
    return words.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def begin(connection: sqlite3.Connection, row: RunRow, number: int | None = None) -> int:
    """Write a run that begins; return its number."""
    added = connection.execute(
        "INSERT OR IGNORE INTO runs (id, file, kind, started, host, pid, process, version) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (number, *astuple(row)),
    )
    return added.lastrowid or 0


def end(connection: sqlite3.Connection, run: int, how: Ending, now: float) -> None:
    """Write that a run has ended."""
    connection.execute("UPDATE runs SET ended = ?, how = ? WHERE id = ?", (now, how, run))


def record(connection: sqlite3.Connection, run: int, outcome: Outcome, clean: Callable[[str], str]) -> None:
    """Write what became of a repository, and what is known of it from now on."""
    mirror, failures, next_try = _mirror(connection, outcome)
    error = None if outcome.error is None else failure_of(outcome.error, clean)
    notes = [text(clean(note))[:_MOST_LETTERS] for note in outcome.notes]
    values = {
        "run": run,
        "mirror": mirror,
        "entry": text(outcome.job.entry.name),
        "status": outcome.status,
        "started": outcome.started,
        "seconds": outcome.seconds,
        "source_commit": outcome.source_commit,
        "target_commit": outcome.target_commit,
        "fetched": outcome.fetched,
        "sent": outcome.sent,
        "files": outcome.files,
        "size": outcome.size,
        "failures": failures,
        "next_try": next_try,
        "notes": msgspec.json.encode(notes).decode() if notes else None,
    }
    if error is not None:
        others = msgspec.json.encode(error.others).decode() if error.others else None
        values |= {
            "error_class": error.kind,
            "error_message": error.message,
            "error_hint": error.hint,
            "error_side": error.side,
            "error_path": error.path,
            "error_exit_code": error.exit_code,
            "error_others": others,
        }
    columns, marks = ", ".join(values), ", ".join("?" * len(values))
    added = connection.execute(
        f"INSERT INTO repositories ({columns}) VALUES ({marks})",  # noqa: S608 - the names above
        tuple(values.values()),
    )
    connection.executemany(
        "INSERT INTO commits VALUES (?, ?, ?)",
        [(added.lastrowid, number, commit) for number, commit in enumerate(outcome.commits, 1)],
    )
    _names(connection, mirror, added.lastrowid, outcome)


def _mirror(connection: sqlite3.Connection, outcome: Outcome) -> tuple[int, int, float | None]:
    """Write what is known of a source and its target; return its number, failures in a row, its pause."""
    key = (text(outcome.job.source), text(outcome.job.target))
    found = connection.execute(
        "SELECT id, failures, next_try FROM mirrors WHERE source = ? AND target = ?", key
    ).fetchone()
    ended = outcome.started + outcome.seconds
    number: int | None
    number, failures, next_try = found or (None, 0, None)
    if outcome.status == "failed":
        failures += 1
        pause = pause_after(failures)
        next_try = ended + pause if pause else None
    elif outcome.good:
        failures, next_try = 0, None
    if number is None:
        added = connection.execute(
            "INSERT INTO mirrors (source, target, status, ended, failures, next_try) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (*key, outcome.status, ended, failures, next_try),
        )
        number = added.lastrowid
    elif outcome.status != "skipped":
        connection.execute(
            "UPDATE mirrors SET status = ?, ended = ?, failures = ?, next_try = ? WHERE id = ?",
            (outcome.status, ended, failures, next_try, number),
        )
    if outcome.good:
        connection.execute(
            "UPDATE mirrors SET wish = ?, source_commit = ?, target_commit = ?, proven_at = ? WHERE id = ?",
            (wish_of(outcome.job.entry), outcome.source_commit, outcome.target_commit, ended, number),
        )
    assert number is not None  # noqa: S101 - it was found or added
    return number, failures, next_try


def _names(connection: sqlite3.Connection, mirror: int, repository: int | None, outcome: Outcome) -> None:
    """Write which tags and branches mean something else now; after a success others are there no more."""
    current = {
        (kind, name): (number, source, target)
        for number, kind, name, source, target in connection.execute(
            "SELECT id, kind, name, source_commit, target_commit FROM names WHERE mirror = ? AND current",
            (mirror,),
        )
    }
    over = set()
    for one in outcome.names:
        key = (one.kind, text(one.name))
        known = current.pop(key, None)
        if known is not None and known[1:] == (one.source_commit, one.target_commit):
            continue
        if known is not None:
            over.add(known[0])
        connection.execute(
            "INSERT INTO names (mirror, repository, kind, name, source_commit, target_commit, current) "
            "VALUES (?, ?, ?, ?, ?, ?, 1)",
            (mirror, repository, *key, one.source_commit, one.target_commit),
        )
    if outcome.good:
        over |= {number for number, _source, _target in current.values()}
    connection.executemany("UPDATE names SET current = 0 WHERE id = ?", [(number,) for number in over])


def failure_of(error: HubferryError, clean: Callable[[str], str]) -> Failure:
    """Return what is to be remembered of an error."""
    others = (*error.others, *(error.failures if isinstance(error, PartialError) else ()))

    def said(words: str | None) -> str | None:
        return None if words is None else text(clean(words))[:_MOST_LETTERS]

    return Failure(
        type(error).__name__,
        said(error.sentence) or "",
        said(error.hint),
        error.side,
        said(error.path),
        error.exit_code,
        tuple(failure_of(other, clean) for other in others[:_OTHERS]),
    )
