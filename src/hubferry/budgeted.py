"""Keep to a hub's commits an hour, as a wrapper around the port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubferry.errors import HubferryError
from hubferry.hubs.wrapping import WrappedDestination

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubferry.budget import HubBudget
    from hubferry.events import Listener
    from hubferry.hubs.ports import Destination
    from hubferry.model import CommitAction, RepoRef


class BudgetedDestination(WrappedDestination):
    """A destination whose commits wait until the hub's budget has one."""

    def __init__(self, destination: Destination, budget: HubBudget, listen: Listener) -> None:
        """Wrap `destination`; `listen` hears of waits."""
        super().__init__(destination)
        self._budget = budget
        self._listen = listen

    async def commit(
        self, ref: RepoRef, actions: Sequence[CommitAction], message: str, parent: str | None = None
    ) -> str:
        """Wait for the budget, then pass on; each try counts, as the hub counts it."""
        held = await self._budget.commit(self._listen)
        try:
            return await super().commit(ref, actions, message, parent)
        except HubferryError as error:
            error.held += held
            raise
