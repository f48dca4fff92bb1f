"""Open the database, on whatever disk it lies and in whatever state it is."""

from __future__ import annotations

import errno
import os
import sqlite3
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from hubferry.errors import DiskError
from hubferry.i18n import _
from hubferry.sync.history import schema

if TYPE_CHECKING:
    from collections.abc import Iterator

_BUSY_SECONDS = 60.0
"""How long a write waits for others: each of them takes milliseconds."""
_LOCK_SECONDS = 20.0
_NETWORK = frozenset({
    "9p", "afs", "beegfs", "ceph", "cifs", "drvfs", "fuse.ceph", "fuse.glusterfs", "fuse.juicefs",
    "fuse.s3fs", "fuse.sshfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "prl_fs", "smb3", "smbfs", "vboxsf",
    "virtiofs",
})  # fmt: skip
"""Filesystems on which other machines write, or that lend no memory to several processes: WAL needs that
(sqlite.org/wal.html, "All processes using a database must be on the same host computer")."""
_CORRUPT, _NO_DATABASE = 11, 26
_MALFORMED = "malformed"
"""In what SQLite says of damage."""
_MOUNTS = Path("/proc/self/mountinfo")
_COMPANIONS = ("-wal", "-shm", "-journal")


class Unusable(Exception):  # noqa: N818 - it carries the error that a person is told
    """Report a database that must be left alone."""

    def __init__(self, error: DiskError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(frozen=True, slots=True)
class Opened:
    """An open database.

    Attributes:
        connection: In autocommit mode; may be used by any thread, one at a time.
        writable: Whether anything can be written.
        told: Sentences for a person: what had to be done to open it.
    """

    connection: sqlite3.Connection
    writable: bool = True
    told: tuple[str, ...] = ()


def open_database(path: Path) -> Opened:
    """Open the database at `path`, made, migrated or set aside as need be.

    Raises:
        Unusable: It is a newer version's, or cannot be opened here.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _refuse_strange(path)
        with _alone(path):
            return _writable(path)
    except (OSError, Timeout, sqlite3.OperationalError) as error:
        read_only = _only_read(path)
        if read_only is not None:
            return read_only
        raise Unusable(_unwritable(path, error)) from error


def set_aside(path: Path) -> Path:
    """Give a damaged database, with what belongs to it, another name; return that. Nothing is lost."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside, number = path.with_name(f"{path.name}.damaged-{stamp}"), 1
    while os.path.lexists(aside):
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    for companion in _COMPANIONS:
        with suppress(FileNotFoundError):
            path.with_name(path.name + companion).replace(aside.with_name(aside.name + companion))
    path.replace(aside)
    return aside


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether an error means that the file is no sound database."""
    code = getattr(error, "sqlite_errorcode", None)  # since Python 3.11
    if code is not None:
        return code & 0xFF in (_CORRUPT, _NO_DATABASE)
    return _MALFORMED in str(error) or "not a database" in str(error)


def anew(path: Path) -> Opened:
    """Open the database again after damage was met in it: set aside, unless somebody else did that already.

    Raises:
        Unusable: There is none to be had.
    """
    try:
        with _alone(path):
            return _writable(path, thorough=True)
    except (OSError, Timeout, sqlite3.OperationalError) as error:
        raise Unusable(_unwritable(path, error)) from error


def _damage() -> sqlite3.DatabaseError:
    """Return what SQLite would raise for a file that is no sound database of ours; see `is_damage`."""
    return sqlite3.DatabaseError(_MALFORMED)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let nobody else open, migrate or set aside the database meanwhile, where the disk has locks."""
    place = path.with_name(f"{path.name}.lock")
    lock = FileLock(place, timeout=_LOCK_SECONDS, mode=0o600, thread_local=False, fallback_to_soft=False)
    try:
        lock.acquire()
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOSPC):
            raise
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _writable(path: Path, *, thorough: bool = False) -> Opened:
    try:
        return Opened(_prepared(path, thorough=thorough))
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        aside = set_aside(path)
    message = _("the history was damaged, and is kept as {path}; a new one begins").format(path=aside)
    return Opened(_prepared(path), told=(message,))


def _prepared(path: Path, *, thorough: bool = False) -> sqlite3.Connection:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))  # SQLite would make it readable for others
    connection = _connected(path)
    try:
        version = _version(connection, path)
        if thorough and connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise _damage()  # noqa: TRY301 - handled as SQLite's own
        if not version:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        _journal(connection, path)
        connection.execute("PRAGMA foreign_keys = ON")
        # A repository is written once in a run: waiting for the disk then costs nothing that anybody sees.
        connection.execute("PRAGMA synchronous = FULL")
        if version < schema.VERSION:
            schema.migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of the tables.

    Raises:
        Unusable: It is newer than we know.
        sqlite3.DatabaseError: This is no history of ours.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application != schema.APPLICATION:
        raise _damage()
    if version > schema.VERSION:
        message = _(
            "the history {path} is a newer hubferry's; this one leaves it alone, and remembers nothing"
        )
        error = DiskError(message.format(path=path), path=str(path), hint="pip install --upgrade hubferry")
        raise Unusable(error)
    return int(version)


def _journal(connection: sqlite3.Connection, path: Path) -> None:
    """Choose the journal: a log beside the file where that works, else the older way."""
    wished = "delete" if is_network(filesystem(path.parent)) else "wal"
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    if mode == wished:
        return
    with suppress(sqlite3.OperationalError):
        (mode,) = connection.execute(f"PRAGMA journal_mode = {wished}").fetchone()
    if mode not in ("wal", "delete"):
        connection.execute("PRAGMA journal_mode = delete")


def filesystem(directory: Path, mounts: Path = _MOUNTS) -> str | None:
    """Return the type of the filesystem that a directory is on; None where the system does not say.

    A line of `mountinfo` is `36 35 98:0 /root /mount/point options [fields] - type source options`: proc(5).
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    real, found, longest = os.path.realpath(directory), None, -1
    for line in lines:
        before, _dash, behind = line.partition(" - ")
        words, kinds = before.split(" "), behind.split(" ")
        if len(words) < 5:  # noqa: PLR2004 - the mount point is the fifth
            continue
        point = words[4].replace("\\040", " ").rstrip("/")
        if (real == point or real.startswith(f"{point}/")) and len(point) >= longest:
            found, longest = kinds[0], len(point)
    return found


def is_network(kind: str | None) -> bool:
    """Return whether other machines may write on a filesystem of that type."""
    return kind in _NETWORK


def _refuse_strange(path: Path) -> None:
    """Refuse what is neither a file nor absent: a pipe would be waited for."""
    with suppress(FileNotFoundError):
        if not path.is_file() and os.path.lexists(path):
            raise OSError(errno.EINVAL, _("it is no file"))


def _only_read(path: Path) -> Opened | None:
    """Open what cannot be written, as on a disk that is only read; None where that cannot be done either."""
    if not path.is_file():
        return None
    for query in ("mode=ro", "immutable=1"):  # the second needs no file beside the database
        with suppress(sqlite3.Error):
            connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?{query}", uri=True, isolation_level=None, check_same_thread=False
            )
            try:
                if _version(connection, path) == schema.VERSION:
                    return Opened(connection, writable=False)
            except sqlite3.Error:
                connection.close()
                raise
            connection.close()
    return None


def _unwritable(path: Path, error: BaseException) -> DiskError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    message = _("the history {path} cannot be written, and nothing is remembered: {reason}")
    hint = _("set XDG_STATE_HOME to a directory that can be")
    return DiskError(message.format(path=path, reason=reason), path=str(path), hint=hint)
