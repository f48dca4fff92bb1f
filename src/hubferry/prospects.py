"""Would this very copy begin? Everything is asked that can be, of both sides, and nothing is written."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hubferry import transfer
from hubferry.cache.store import free_bytes
from hubferry.cached import SPARE_BYTES
from hubferry.errors import HubferryError
from hubferry.session import Session
from hubferry.tasks import run_all

if TYPE_CHECKING:
    from hubferry.catalog import Account, Repository
    from hubferry.errors import GatedError, Side
    from hubferry.events import Listener
    from hubferry.hubs.ports import Catalog
    from hubferry.model import Plan, RepoRef
    from hubferry.options import Options


@dataclass(frozen=True, slots=True)
class SideProspects:
    """What one side says beforehand; what was not asked, because it could not be, is None.

    Attributes:
        ref: The repository or folder.
        endpoint: Where its hub is; empty for a folder.
        seconds: How long the hub took to answer, a new connection included.
        account: Whose token it is.
        repository: What the hub says about it.
        terms: Why the account may not download a gated repository.
        error: What went wrong in asking: the first thing.
    """

    ref: RepoRef
    endpoint: str = ""
    seconds: float | None = None
    account: Account | None = None
    repository: Repository | None = None
    terms: GatedError | None = None
    error: HubferryError | None = None


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes on a disk: what has to come, and what is free there."""

    path: Path
    needed: int
    free: int

    @property
    def lacking(self) -> int:
        """Bytes that are too few; zero where it fits, or nothing comes."""
        return max(0, self.needed + SPARE_BYTES - self.free) if self.needed else 0


@dataclass(frozen=True, slots=True)
class Prospects:
    """Everything that is known before a copy begins.

    Attributes:
        source: The one side.
        destination: The other one.
        plan: What would be done; None where it cannot be made.
        error: Why there is no plan, where both sides could be asked.
        rooms: The disks that would be written to.
    """

    source: SideProspects
    destination: SideProspects
    plan: Plan | None = None
    error: HubferryError | None = None
    rooms: tuple[Room, ...] = ()


async def look_ahead(source: str, destination: str, options: Options, listen: Listener) -> Prospects:
    """Ask both sides everything that a copy would meet with, and make its plan.

    Raises:
        UsageError: The two cannot be meant.
    """
    session = Session(source, destination, options, listen)
    here, there = await run_all(_ask(session, "source"), _ask(session, "destination"))
    asked = Prospects(here, there)
    if here.error is not None or there.error is not None:
        return asked
    try:
        plan = await transfer.plan(source, destination, options, listen)
    except HubferryError as error:
        return replace(asked, error=error)
    return replace(asked, plan=plan, rooms=await asyncio.to_thread(_rooms, session, plan))


async def _ask(session: Session, side: Side) -> SideProspects:
    """Ask one side: reach, login, and of the source the repository and its terms."""
    at_source = side == "source"
    ref = session.source_ref if at_source else session.destination_ref
    found = SideProspects(ref)
    if ref.hub == "dir" and not at_source:
        return found
    try:
        catalog = session.catalog(side)
    except HubferryError as error:  # an address that is none, or a token that would travel unencrypted
        return replace(found, error=error)
    try:
        return await _answers(catalog, replace(found, endpoint=catalog.endpoint), at_source=at_source)
    finally:
        await catalog.close()


async def _answers(catalog: Catalog, found: SideProspects, *, at_source: bool) -> SideProspects:
    try:
        if found.ref.hub != "dir":
            started = time.monotonic()
            await catalog.reach()
            found = replace(found, seconds=time.monotonic() - started)
            found = replace(found, account=await catalog.account())
        if at_source:
            found = replace(found, repository=await catalog.repository(found.ref))
        if found.repository is not None and found.repository.gated:
            found = replace(found, terms=await catalog.terms(found.ref))
    except HubferryError as error:
        found = replace(found, error=error)
    return found if found.terms is None else replace(found, error=found.terms)


def _rooms(session: Session, plan: Plan) -> tuple[Room, ...]:
    """Return the disks that are written to: the cache's, and that of a folder that is the destination."""
    rooms = []
    if plan.source.ref.hub != "dir":
        models = session.cache.find_all(session.source_ref)
        place = models[0].path if models else session.cache.root
        rooms.append(Room(place, plan.fetch_bytes, free_bytes(place)))
    if plan.destination.ref.hub == "dir":
        place = Path(plan.destination.ref.repo_id).expanduser().absolute()
        rooms.append(Room(place, plan.send_bytes, free_bytes(place)))
    return tuple(rooms)
