"""The tables, and how those of an older version become today's.

`mirrors` is what all runs together know of a source and its target; it outlives the runs. `names` has a row
for each time that a tag or branch came to mean another commit; the last of each is `current`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

APPLICATION = 0x68666572
"""In the file's header, for `file` and for us: "hfer"."""

_FIRST = (
    """CREATE TABLE runs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        file TEXT NOT NULL,
        kind TEXT NOT NULL,
        started REAL NOT NULL,
        ended REAL,
        how TEXT,
        host TEXT NOT NULL,
        pid INTEGER NOT NULL,
        process TEXT NOT NULL,
        version TEXT NOT NULL
    )""",
    "CREATE INDEX runs_of_file ON runs (file, started)",
    """CREATE TABLE mirrors (
        id INTEGER PRIMARY KEY,
        source TEXT NOT NULL,
        target TEXT NOT NULL,
        status TEXT NOT NULL,
        ended REAL NOT NULL,
        failures INTEGER NOT NULL DEFAULT 0,
        next_try REAL,
        wish TEXT NOT NULL DEFAULT '',
        source_commit TEXT NOT NULL DEFAULT '',
        target_commit TEXT NOT NULL DEFAULT '',
        proven_at REAL,
        UNIQUE (source, target)
    )""",
    """CREATE TABLE repositories (
        id INTEGER PRIMARY KEY,
        run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
        mirror INTEGER NOT NULL REFERENCES mirrors ON DELETE CASCADE,
        entry TEXT NOT NULL,
        status TEXT NOT NULL,
        started REAL NOT NULL,
        seconds REAL NOT NULL,
        source_commit TEXT NOT NULL,
        target_commit TEXT NOT NULL,
        fetched INTEGER NOT NULL,
        sent INTEGER NOT NULL,
        files INTEGER NOT NULL,
        size INTEGER NOT NULL,
        failures INTEGER NOT NULL,
        next_try REAL,
        notes TEXT,
        error_class TEXT,
        error_message TEXT,
        error_hint TEXT,
        error_side TEXT,
        error_path TEXT,
        error_exit_code INTEGER,
        error_others TEXT
    )""",
    "CREATE INDEX repositories_of_run ON repositories (run)",
    "CREATE INDEX repositories_of_mirror ON repositories (mirror, run)",
    """CREATE TABLE commits (
        repository INTEGER NOT NULL REFERENCES repositories ON DELETE CASCADE,
        number INTEGER NOT NULL,
        target_commit TEXT NOT NULL,
        PRIMARY KEY (repository, number)
    ) WITHOUT ROWID""",
    """CREATE TABLE names (
        id INTEGER PRIMARY KEY,
        mirror INTEGER NOT NULL REFERENCES mirrors ON DELETE CASCADE,
        repository INTEGER REFERENCES repositories ON DELETE SET NULL,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        source_commit TEXT NOT NULL,
        target_commit TEXT NOT NULL,
        current INTEGER NOT NULL
    )""",
    "CREATE INDEX names_of_mirror ON names (mirror, current)",
    "CREATE INDEX names_of_repository ON names (repository)",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST,)
"""What leads from each version to the next. One that was released is never changed: write another."""
VERSION = len(MIGRATIONS)


def migrate(connection: sqlite3.Connection, migrations: tuple[tuple[str, ...], ...] = MIGRATIONS) -> None:
    """Bring the tables up to today's, in one transaction: all of it or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        for statements in migrations[version:]:
            for statement in statements:
                connection.execute(statement)
        if version < len(migrations):
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
