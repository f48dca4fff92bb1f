"""Read the tables."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import msgspec

from hubferry import soft_lock
from hubferry.beside import NameCopied
from hubferry.sync.history.values import Failure, Memory, PastOutcome, PastRun
from hubferry.sync.history.writing import text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

    from hubferry.sync.history.values import How

_AT_ONCE = 500
"""Numbers in one question; older SQLites take 999."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which runs, or repositories, are asked for.

    Attributes:
        file: Runs of this mirror file.
        since: Runs that began after this, seconds since 1970.
        repository: A part of a name, or a glob: those with such a repository.
        failed: Those that failed, or have a repository that did.
        limit: Most runs; None for all.
    """

    file: Path | None = None
    since: float | None = None
    repository: str | None = None
    failed: bool = False
    limit: int | None = None


def absolute(file: Path) -> str:
    """Return a mirror file's name as it is recorded."""
    return text(os.path.realpath(file))  # as `care.only_run_of`: by whatever name, it is one file


def runs(connection: sqlite3.Connection, wanted: Wanted) -> tuple[PastRun, ...]:
    """Return runs, the last one first."""
    conditions, values = _conditions(connection, wanted)
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    limit = "" if wanted.limit is None else f"LIMIT {int(wanted.limit)}"
    rows = connection.execute(
        f"SELECT {_RUN} FROM runs {where} ORDER BY started DESC, id DESC {limit}",  # noqa: S608 - ours
        values,
    ).fetchall()
    return _counted(connection, [_run(connection, row) for row in rows])


def run(connection: sqlite3.Connection, number: int) -> PastRun | None:
    """Return one run."""
    row = connection.execute(f"SELECT {_RUN} FROM runs WHERE id = ?", (number,)).fetchone()  # noqa: S608
    return None if row is None else _counted(connection, [_run(connection, row)])[0]


def outcomes(connection: sqlite3.Connection, number: int, wanted: Wanted) -> tuple[PastOutcome, ...]:
    """Return what became of the repositories of a run, in the order in which they ended."""
    rows = connection.execute(
        f"SELECT repositories.id, {_OUTCOME} FROM repositories JOIN mirrors ON mirrors.id = mirror "  # noqa: S608
        "WHERE run = ? ORDER BY repositories.id",
        (number,),
    ).fetchall()
    commits, names = _commits(connection, number), _names(connection, number)
    found = []
    for key, *columns in rows:
        row = dict(zip(_OUTCOME_COLUMNS, columns, strict=True))
        if wanted.failed and row["status"] != "failed":
            continue
        if wanted.repository and not fits(wanted.repository, row["source"], row["target"], row["entry"]):
            continue
        found.append(_outcome(row, tuple(commits.get(key, ())), tuple(names.get(key, ()))))
    return tuple(found)


def memory(connection: sqlite3.Connection, source: str, target: str) -> Memory | None:
    """Return what is known of a source and its target."""
    row = connection.execute(
        "SELECT id, status, ended, failures, next_try, wish, source_commit, target_commit, proven_at "
        "FROM mirrors WHERE source = ? AND target = ?",
        (source, target),
    ).fetchone()
    if row is None:
        return None
    named = connection.execute(
        "SELECT name, kind, source_commit, target_commit FROM names WHERE mirror = ? AND current "
        "ORDER BY kind, name",
        row[:1],
    )
    known = tuple(NameCopied(*one) for one in named)
    status, ended, failures, next_try, wish, source_commit, target_commit, proven_at = row[1:]
    proven = (wish, source_commit, target_commit, proven_at)
    return Memory(source, target, status, ended, failures, next_try, *proven, known)


def fits(word: str, *names: str) -> bool:
    """Return whether a word is a part of one of several names, or a glob for one; in any case of letters."""
    low = word.lower()
    if any(letter in low for letter in "*?["):
        return any(fnmatchcase(name.lower(), low) for name in names)
    return any(low in name.lower() for name in names)


_RUN = "id, file, kind, started, ended, how, host, pid, version, process"
_OUTCOME_COLUMNS = (
    "run", "entry", "source", "target", "status", "started", "seconds", "source_commit", "target_commit",
    "fetched", "sent", "files", "size", "failures", "next_try", "notes", "error_class", "error_message",
    "error_hint", "error_side", "error_path", "error_exit_code", "error_others",
)  # fmt: skip
_OUTCOME = ", ".join(
    name if name in ("source", "target") else f"repositories.{name}" for name in _OUTCOME_COLUMNS
)


def _conditions(connection: sqlite3.Connection, wanted: Wanted) -> tuple[list[str], list[object]]:
    conditions: list[str] = []
    values: list[object] = []
    if wanted.file is not None:
        conditions.append("file = ?")
        values.append(absolute(wanted.file))
    if wanted.since is not None:
        conditions.append("started >= ?")
        values.append(wanted.since)
    if wanted.repository is not None:
        connection.create_function("fits", 4, fits, deterministic=True)
        failing = " AND repositories.status = 'failed'" if wanted.failed else ""
        conditions.append(
            "EXISTS (SELECT 1 FROM repositories JOIN mirrors ON mirrors.id = mirror "  # noqa: S608 - ours
            f"WHERE run = runs.id AND fits(?, source, target, entry){failing})"
        )
        values.append(wanted.repository)
    elif wanted.failed:
        conditions.append(
            "(how = 'failed' OR EXISTS "
            "(SELECT 1 FROM repositories WHERE run = runs.id AND status = 'failed'))"
        )
    return conditions, values


def _run(connection: sqlite3.Connection, row: Sequence[Any]) -> PastRun:
    number, file, kind, started, ended, how, host, pid, version, process = row
    state: How = how or _state(connection, number, file, started, process)
    return PastRun(number, file, kind, started, ended, state, host, pid, version, last_sign=ended or started)


def _state(connection: sqlite3.Connection, number: int, file: str, started: float, process: str) -> How:
    """Return whether a run without an end goes on: a later one of its file began when it was over.

    That settles it, too, where the process is another machine's, or its number was given again.
    """
    later = connection.execute(
        "SELECT 1 FROM runs WHERE file = ? AND started > ? AND id <> ? LIMIT 1", (file, started, number)
    ).fetchone()
    return "running" if later is None and soft_lock.is_alive(process) is not False else "broken-off"


def _counted(connection: sqlite3.Connection, found: list[PastRun]) -> tuple[PastRun, ...]:
    """Return runs with what their repositories come to."""
    sums: dict[int, list[tuple[Any, ...]]] = {}
    commits: dict[int, int] = {}
    for first in range(0, len(found), _AT_ONCE):
        numbers = [one.id for one in found[first : first + _AT_ONCE]]
        marks = ", ".join("?" * len(numbers))
        for number, *row in connection.execute(
            "SELECT run, status, count(*), sum(fetched), sum(sent), max(started + seconds) "  # noqa: S608
            f"FROM repositories WHERE run IN ({marks}) GROUP BY run, status",
            numbers,
        ):
            sums.setdefault(number, []).append(tuple(row))
        commits |= connection.execute(
            "SELECT run, count(*) FROM commits JOIN repositories ON repositories.id = repository "  # noqa: S608
            f"WHERE run IN ({marks}) GROUP BY run",
            numbers,
        )
    return tuple(_with(one, sums.get(one.id, []), commits.get(one.id, 0)) for one in found)


def _with(one: PastRun, rows: Sequence[tuple[Any, ...]], commits: int) -> PastRun:
    return replace(
        one,
        counts={row[0]: row[1] for row in rows},
        fetched=sum(row[2] for row in rows),
        sent=sum(row[3] for row in rows),
        commits=commits,
        last_sign=max([one.last_sign, *(row[4] for row in rows)]),
    )


def _commits(connection: sqlite3.Connection, number: int) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for repository, commit in connection.execute(
        "SELECT repository, commits.target_commit FROM commits "
        "JOIN repositories ON repositories.id = repository WHERE run = ? ORDER BY repository, number",
        (number,),
    ):
        found.setdefault(repository, []).append(commit)
    return found


def _names(connection: sqlite3.Connection, number: int) -> dict[int, list[NameCopied]]:
    found: dict[int, list[NameCopied]] = {}
    for repository, *words in connection.execute(
        "SELECT repository, name, kind, names.source_commit, names.target_commit "
        "FROM names JOIN repositories ON repositories.id = repository WHERE run = ? ORDER BY names.id",
        (number,),
    ):
        found.setdefault(repository, []).append(NameCopied(*words))
    return found


def _outcome(row: dict[str, Any], commits: tuple[str, ...], names: tuple[NameCopied, ...]) -> PastOutcome:
    error = {name.removeprefix("error_"): row.pop(name) for name in list(row) if name.startswith("error_")}
    notes = row.pop("notes")
    failure = None
    if error["class"] is not None:
        others = msgspec.json.decode(error["others"], type=tuple[Failure, ...]) if error["others"] else ()
        failure = Failure(
            error["class"],
            error["message"] or "",
            error["hint"],
            error["side"],
            error["path"],
            error["exit_code"] or 1,
            others,
        )
    said = tuple(msgspec.json.decode(notes, type=list[str])) if notes else ()
    return PastOutcome(**row, commits=commits, names=names, notes=said, error=failure)
