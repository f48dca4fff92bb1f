"""Plans of copies, made in this process while the reader waits: nothing is written, nothing moves."""

from __future__ import annotations

import asyncio
import copy
import logging
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry import aio
from hubferry.errors import HubferryError
from hubferry.findings import refusals
from hubferry.i18n import _

if TYPE_CHECKING:
    from hubferry.model import Plan
    from hubferry.ui.wish import Wish

_LOGGER = logging.getLogger(__name__)
_KEPT = 20


@dataclass
class Planned:
    """A plan that is made, or has been.

    Attributes:
        id: Its name.
        wish: What was asked for.
        begun: Seconds since 1970.
        plan: What would be done; None while it is made, or after an error.
        error: Why there is none.
    """

    id: str
    wish: Wish
    begun: float
    plan: Plan | None = None
    error: HubferryError | None = None
    task: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.plan is not None or self.error is not None

    @property
    def may_start(self) -> bool:
        """Whether nothing would be refused."""
        return self.plan is not None and not refusals(self.plan.findings)


class Plans:
    """The last plans of this process."""

    def __init__(self) -> None:
        self._all: dict[str, Planned] = {}

    def begin(self, wish: Wish) -> Planned:
        """Begin to make a plan, in the language of the moment."""
        while len(self._all) >= _KEPT:
            oldest = self._all.pop(next(iter(self._all)))
            if oldest.task is not None:
                oldest.task.cancel()
        planned = Planned(secrets.token_hex(8), wish, time.time())
        self._all[planned.id] = planned
        planned.task = asyncio.create_task(_make(planned))
        return planned

    def find(self, name: str) -> Planned | None:
        """Return a plan as it is now, for a thread to write a page of; None for one that is forgotten."""
        return copy.copy(self._all.get(name))

    @property
    def version(self) -> tuple[object, ...]:
        """Another value whenever there is something else to show."""
        return (len(self._all), sum(one.ready for one in self._all.values()))

    async def close(self) -> None:
        """Make none of them any more."""
        tasks = [one.task for one in self._all.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _make(planned: Planned) -> None:
    try:
        source, destination, options = planned.wish.asked()
        planned.plan = await aio.plan(source, destination, options)
    except HubferryError as error:
        planned.error = error
    except Exception as error:
        _LOGGER.exception("planning %s failed", planned.wish.typed)
        planned.error = HubferryError(_("the plan cannot be made: {reason}").format(reason=error))
