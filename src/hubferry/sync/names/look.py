"""Ask both sides what `plan.plan_names` has to know: one question a side, and more only for what is new."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from hubferry.errors import NotFoundError, NothingSelectedError
from hubferry.sync.names.model import Seen
from hubferry.sync.names.places import Places
from hubferry.sync.names.plan import is_known, plan_names, unfit
from hubferry.sync.names.sides import bare
from hubferry.tasks import run_all

if TYPE_CHECKING:
    from hubferry.catalog import Reference, References
    from hubferry.model import RepoRef
    from hubferry.sync.names.model import NamesPlan
    from hubferry.sync.names.sides import Sides

_AT_ONCE = 4
"""Tags whose listings are held against each other side by side."""


async def look(sides: Sides) -> tuple[Seen, NamesPlan]:
    """Find out what there is, and plan."""
    source, target = await run_all(sides.here.references(bare(sides.source)), _references(sides))
    entry, head = sides.job.entry, head_of(sides.source, source)
    seen = Seen(source, target, sides.powers, entry.tags, entry.branches, head, sides.known)
    lacking, unproven = _open(seen)
    if lacking:
        seen = await Places(sides, seen, lacking).found()
    places = asyncio.Semaphore(_AT_ONCE)
    shown = await run_all(*(_is_shown(sides, tag, places) for tag in unproven))
    seen = replace(seen, shown={tag.name: one for tag, one in zip(unproven, shown, strict=True)})
    return seen, plan_names(seen)


async def _references(sides: Sides) -> References | None:
    """List the target's names; None where it is not there yet."""
    try:
        return await sides.there.references(bare(sides.target))
    except NotFoundError:
        return None


def head_of(ref: RepoRef, source: References) -> str:
    """Return the commit of what is copied as the head, empty where the hub does not say."""
    if ref.revision is None:
        return source.head or ""
    named = source.branch(ref.revision) or source.tag(ref.revision)
    return (named.commit if named else ref.revision if ref.hub == "hf" else None) or ""


def _open(seen: Seen) -> tuple[list[Reference], list[Reference]]:
    """Return the wanted tags that the target has not, and those whose content there nobody has seen."""
    lacking: list[Reference] = []
    unproven: list[Reference] = []
    for tag in seen.wanted_tags:
        if unfit(seen, tag.name, "tag"):
            continue
        there = seen.target.tag(tag.name) if seen.target else None
        if there is None:
            lacking.append(tag)
        elif not is_known(tag, there, seen.known):
            unproven.append(tag)
    return lacking, unproven


async def _is_shown(sides: Sides, tag: Reference, places: asyncio.Semaphore) -> bool:
    """Return whether the target's tag shows what the source's does, of what is selected."""
    there = sides.target_at(tag.name)
    async with places:
        try:
            return await sides.shows(sides.source_at(tag.name, tag.commit or ""), there)
        except NothingSelectedError:
            return True
        except NotFoundError:  # of an annotated tag the list may name the tag itself, which is no commit
            return await sides.shows(sides.source_at(tag.name), there)
