"""Where whole files are that may be sent: in the cache, or in a folder that is published where it stands."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from hubferry.cache.disk import disk
from hubferry.errors import DiskError, IntegrityError, NotFoundError
from hubferry.i18n import _
from hubferry.model import Digests

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from hubferry.model import RepoFile, RepoRef


class Held(Protocol):
    """A place with whole files, as `cache.ModelDirectory` is one."""

    def target(self, path: str) -> Path:
        """Return where a file is."""
        ...

    def disk_errors(self) -> AbstractContextManager[None]:
        """Turn OSErrors of work there into errors of ours."""
        ...


class StandingFolder:
    """A folder of somebody's own: its files are sent from where they are, nothing is written or locked.

    It belongs to whoever else writes there, so every file is looked at again before it is opened, and what is
    read is held against its digest as everywhere.
    """

    def __init__(self, ref: RepoRef, files: Sequence[RepoFile]) -> None:
        """Take the listing of the folder that `ref` names."""
        from hubferry.hubs.folder.source import root_of

        self._root = root_of(ref)
        self._files = {file.path: file for file in files}

    def known(self) -> dict[str, Digests]:
        """Return what every file hashes to, as the folder's survey had it."""
        return {
            path: Digests(file.size or 0, file.sha256, file.git_sha1)
            for path, file in self._files.items()
            if file.sha256 is not None
        }

    def target(self, path: str) -> Path:
        """Return where a file is.

        Raises:
            NotFoundError: It is gone.
            IntegrityError: It is no file any more, or of another size.
            DiskError: It may no longer be read.
        """
        place = self._root / path
        try:
            status = disk.stat(place)
        except (FileNotFoundError, NotADirectoryError):
            message = _("{path} was there when the folder was read, and is gone").format(path=path)
            raise NotFoundError(message, side="source", path=path, hint=_again()) from None
        if not stat.S_ISREG(status.st_mode) or status.st_size != self._files[path].size:
            raise self.changed(path)
        if not os.access(place, os.R_OK):
            message = _("{path} may no longer be read").format(path=path)
            raise DiskError(message, side="source", path=path, hint=_again())
        return place

    def changed(self, path: str) -> IntegrityError:
        """Say that a file is no longer what was surveyed."""
        message = _("{path} has changed since the folder was read; nothing of it is published")
        return IntegrityError(message.format(path=path), side="source", path=path, hint=_again())

    @contextmanager
    def disk_errors(self) -> Iterator[None]:
        """Turn OSErrors of reading here into DiskErrors of the source."""
        try:
            yield
        except OSError as error:
            message = _("{path} cannot be read: {reason}")
            text = message.format(path=error.filename or self._root, reason=error.strerror)
            raise DiskError(text, side="source") from error


def _again() -> str:
    return _("run it again when nothing writes there")
