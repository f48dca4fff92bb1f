"""Hash what a receipt names in a folder. Its paths are data: nothing outside of the folder is ever opened."""

from __future__ import annotations

import asyncio
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hubferry.cache.names import check_path
from hubferry.entries import ALLOWABLE
from hubferry.errors import DiskError, IntegrityError
from hubferry.events import Note
from hubferry.hubs.folder.source import no_folder, root_of
from hubferry.hubs.folder.survey import Entry, survey, unreadable
from hubferry.i18n import _
from hubferry.model import Digests, RepoFile
from hubferry.readings.reader import read
from hubferry.units import size as readable_size

if TYPE_CHECKING:
    from hubferry.events import Listener
    from hubferry.model import RepoRef
    from hubferry.receipts.document import Receipt, ReceiptFile


async def look(
    ref: RepoRef, receipt: Receipt, listen: Listener
) -> tuple[dict[str, RepoFile], dict[str, Digests]]:
    """Return what is in a folder by path, and what those files hash to that the receipt names.

    Every byte is read: nothing that was remembered of an earlier reading is believed. A file of another size
    than the receipt's is not read.

    Raises:
        NotFoundError: There is no such folder.
        DiskError: A file cannot be read.
    """
    entries = await asyncio.to_thread(_entries, root_of(ref), receipt)
    sizes = {file.path: file.size for file in receipt.files}
    waiting = [entry for path, entry in entries.items() if sizes.get(path) == entry.status.st_size]
    outcomes, _bytes = await read(waiting, lambda done, total: listen(_told(done, total)))
    digests = {}
    for outcome in outcomes:
        if outcome.failure is not None:
            raise DiskError(unreadable(outcome.path, outcome.failure).message, path=outcome.path)
        if outcome.reading is None:
            message = _("{path} changed while it was read").format(path=outcome.path)
            raise IntegrityError(message, path=outcome.path)
        digests[outcome.path] = outcome.reading.digests
    return {path: RepoFile(path, one.status.st_size) for path, one in entries.items()}, digests


def _told(done: int, total: int) -> Note:
    message = _("hashing the folder: {done} of {total}")
    return Note(message.format(done=readable_size(done), total=readable_size(total)))


def _entries(root: Path, receipt: Receipt) -> dict[str, Entry]:
    """Return what a copy would find in the folder, and what it would leave out and the receipt names."""
    if not root.is_dir():
        raise no_folder(root, "source")
    found = {entry.path: entry for entry in survey(root, ALLOWABLE).entries}
    real = Path(os.path.realpath(root))
    hidden = (_hidden(real, file) for file in receipt.files if file.path not in found)
    return found | {entry.path: entry for entry in hidden if entry is not None}


def _hidden(root: Path, file: ReceiptFile) -> Entry | None:
    """Return a file that looking through a folder leaves out, by its path; None unless it is inside."""
    with suppress(IntegrityError, OSError, ValueError):
        check_path(file.path)
        place = root / file.path
        inside = Path(os.path.realpath(place)).is_relative_to(root)
        status = place.lstat()
        if inside and stat.S_ISREG(status.st_mode):
            return Entry(file.path, place, status)
    return None
