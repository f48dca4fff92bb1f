"""Receipts in directories that are known, and holding one against its target."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import logging
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry import aio
from hubferry.errors import HubferryError, NotFoundError
from hubferry.i18n import _
from hubferry.receipts import document
from hubferry.ui import sync_view

if TYPE_CHECKING:
    from pathlib import Path

    from hubferry.receipts.checking import ReceiptCheck
    from hubferry.receipts.document import Receipt
    from hubferry.ui.settings import Settings

_LOGGER = logging.getLogger(__name__)
_MOST = 500
"""Receipts that are listed, the latest first."""
_MOST_FOLDERS = 2000
_KEPT = 20


@dataclass(frozen=True, slots=True)
class Found:
    """A receipt's file: `name` tells it from the others in an address."""

    path: Path
    name: str

    @property
    def folder(self) -> str:
        """The folder of its target."""
        return self.path.parent.name

    @property
    def written(self) -> str:
        """When it was written, as its name says: `20261128T030012.512000Z`."""
        return self.path.name.partition("-")[0]


def directories(settings: Settings) -> tuple[Path, ...]:
    """Return where receipts are: as was said, and where mirror files have theirs. Blocks."""
    places = dict.fromkeys(settings.receipts)
    with suppress(HubferryError):
        for mirror in sync_view.look(settings).files:
            if mirror.receipts is not None:
                places.setdefault(mirror.receipts)
    return tuple(places)


def listed(settings: Settings) -> list[Found]:
    """Return the receipts that there are, the latest first. Blocks."""
    found: list[Found] = []
    for directory in directories(settings):
        for folder in [directory, *_folders(directory)]:
            found += [Found(path, _name(path)) for path in _receipts(folder)]
    found.sort(key=lambda one: one.path.name, reverse=True)
    return found[:_MOST]


def find(settings: Settings, name: str) -> Found:
    """Return the receipt of that name, of those that are listed. Blocks.

    Raises:
        NotFoundError: There is none.
    """
    for one in listed(settings):
        if one.name == name:
            return one
    raise NotFoundError(_("there is no such receipt"), hint=None)


def opened(found: Found) -> Receipt:
    """Read a receipt. Blocks.

    Raises:
        HubferryError: It is none, or not as it was written.
    """
    return document.read(found.path)


def _folders(directory: Path) -> list[Path]:
    with suppress(OSError), os.scandir(directory) as entries:
        found = [entry.name for entry, _at in zip(entries, range(_MOST_FOLDERS), strict=False)
                 if entry.is_dir(follow_symlinks=False)]  # fmt: skip
        return [directory / name for name in sorted(found)]
    return []


def _receipts(folder: Path) -> list[Path]:
    with suppress(OSError), os.scandir(folder) as entries:
        names = [entry.name for entry, _at in zip(entries, range(_MOST_FOLDERS), strict=False)
                 if entry.name.endswith(".json") and entry.is_file(follow_symlinks=False)]  # fmt: skip
        return [folder / name for name in names]
    return []


def _name(path: Path) -> str:
    return hashlib.sha256(str(path).encode(errors="surrogatepass")).hexdigest()[:16]


@dataclass
class Holding:
    """A receipt that is held against its target: what that came to, or why it could not be done."""

    begun: float
    check: ReceiptCheck | None = None
    error: HubferryError | None = None

    @property
    def ready(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.check is not None or self.error is not None


class Holdings:
    """The last receipts that were held against their targets, by name."""

    def __init__(self) -> None:
        self._all: dict[str, Holding] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def of(self, name: str) -> Holding | None:
        """Return what has become of a receipt by now; None where nobody asked."""
        return copy.copy(self._all.get(name))  # a page is written in a thread meanwhile

    @property
    def version(self) -> tuple[int, int]:
        """Another value whenever there is something else to show."""
        return len(self._all), sum(one.ready for one in self._all.values())

    def begin(self, found: Found) -> None:
        """Hold a receipt against its target, unless that is done already."""
        before = self._all.get(found.name)
        if before is not None and not before.ready:
            return
        self._all.pop(found.name, None)
        while len(self._all) >= _KEPT:
            del self._all[next(iter(self._all))]
        holding = self._all[found.name] = Holding(time.time())
        task = asyncio.create_task(_hold(found, holding))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Hold none any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _hold(found: Found, holding: Holding) -> None:
    try:
        holding.check = await aio.verify_receipt(found.path)
    except HubferryError as error:
        holding.error = error
    except Exception as error:
        _LOGGER.exception("holding %s against its target failed", found.path)
        holding.error = HubferryError(_("it cannot be done: {reason}").format(reason=error))
