"""Keeps the root below a size: the longest unused goes first.

What is pinned, in use, half here or another account's stays.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry.cache import clean, retention
from hubferry.cache.listing import list_models
from hubferry.cache.recorded import unfinished_bytes
from hubferry.cache.store import free_bytes
from hubferry.errors import DiskFullError, HubferryError
from hubferry.i18n import _
from hubferry.units import size as readable_size

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from concurrent.futures import Executor
    from pathlib import Path

    from hubferry.cache.listing import CachedModel, Listing

_SPARE = 64 * 1024 * 1024
"""Bytes that are left free on the disk for records and other programs."""
_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Coming:
    """A file on its way.

    Attributes:
        size: Its bytes.
        landed: Those that are on the disk.
    """

    size: int
    landed: int = 0

    @property
    def left(self) -> int:
        """Bytes that the disk has yet to take."""
        return max(0, self.size - self.landed)


class Quota:
    """What the root may take, and what it takes."""

    def __init__(self, most: int | None, executor: Executor, removed: Callable[[int], None]) -> None:
        """Allow `most` bytes, None for what the disk has; `removed` is told the bytes of each that went."""
        self.most = most
        self._executor = executor
        self._removed = removed
        self._counted: int | None = None
        self._since = 0
        self._coming: list[Coming] = []
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def room(self, root: Path, needed: int) -> AsyncGenerator[Coming, None]:
        """Remove what has to go before `needed` more bytes fit, which then come in the block.

        Whoever brings them says in what is given how many have landed.

        Raises:
            DiskFullError: They do not, whatever may go; nothing was removed.
        """
        async with self._lock:
            await self._make_sure(root, needed)
            coming = Coming(needed)
            self._coming.append(coming)
        try:
            yield coming
        finally:
            self._coming.remove(coming)
            self._since += needed

    async def _make_sure(self, root: Path, needed: int) -> None:
        loop = asyncio.get_running_loop()
        left = sum(one.left for one in self._coming) + needed
        lacking = await loop.run_in_executor(self._executor, _lacking_on_disk, root, left)
        coming = sum(one.size for one in self._coming) + needed
        if lacking <= 0:
            if self.most is None:
                return
            if self._counted is not None and self._counted + self._since + coming <= self.most:
                return
        self._counted = await loop.run_in_executor(self._executor, self._make_room, root, coming, lacking)
        self._since = 0

    def _make_room(self, root: Path, needed: int, lacking: int) -> int:
        """Remove, and return what the root takes after that."""
        listing = list_models([root])
        candidates = [_candidate(model) for model in listing.models]
        taken = retention.total(candidates)
        wanted = max(lacking, 0 if self.most is None else taken + needed - self.most)
        chosen = retention.evict(candidates, wanted)
        if chosen is None:
            raise _no_room(needed, self.most)
        return taken - self._remove(listing, chosen)

    def _remove(self, listing: Listing, chosen: list[str]) -> int:
        models = {str(model.path): model for model in listing.models}
        freed = 0
        for name in chosen:
            model = models[name]
            try:
                clean.remove(model)
            except (
                HubferryError
            ) as error:  # pinned or in use since: it stays, and the next one that fits goes later
                _LOGGER.info("%s stays: %s", model.title, error.message)
                continue
            freed += model.frees
            self._removed(model.frees)
            _LOGGER.info("%s removed for the quota: %s", model.title, readable_size(model.frees))
        return freed


def _lacking_on_disk(root: Path, needed: int) -> int:
    return needed + _SPARE - free_bytes(root)


def _candidate(model: CachedModel) -> retention.Candidate:
    protected = model.pinned or model.link_to is not None or model.ref is None or clean.is_only_read(model)
    half = not protected and unfinished_bytes(model.path) > 0
    return retention.Candidate(
        str(model.path),
        model.used,
        extents=dict(model.usage.bytes),
        protected=protected or half or clean.is_held(model),
    )


def _no_room(needed: int, most: int | None) -> DiskFullError:
    if most is None:
        message = _("the disk has no room for {needed}")
        return DiskFullError(message.format(needed=readable_size(needed)), side="cache")
    message = _("{needed} more do not fit below {limit}: what is there is pinned, in use or not whole")
    return DiskFullError(
        message.format(needed=readable_size(needed), limit=readable_size(most)), side="cache"
    )
