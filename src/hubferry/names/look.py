"""Ask both sides what `plan.plan_names` has to know: one question a side, and more only for what is new."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from hubferry.catalog import Reference
from hubferry.errors import NotFoundError, NothingSelectedError, UsageError
from hubferry.i18n import _
from hubferry.names.model import Seen, is_wanted
from hubferry.names.places import Places
from hubferry.names.plan import is_known, plan_names, unfit
from hubferry.names.sides import bare
from hubferry.tasks import run_all

if TYPE_CHECKING:
    from hubferry.catalog import References
    from hubferry.model import RepoRef
    from hubferry.names.model import NamesPlan
    from hubferry.names.sides import Sides

_AT_ONCE = 4
"""Tags whose listings are held against each other side by side."""


async def look(sides: Sides) -> tuple[Seen, NamesPlan]:
    """Find out what there is, and plan."""
    source, target = await run_all(sides.here.references(bare(sides.source)), _references(sides))
    wanted, mark = sides.wanted, _mark(sides, source)
    head = head_of(sides.source, source)
    if mark:
        others = (tag for tag in source.tags if tag.name != mark)
        source = replace(source, tags=(*others, Reference(mark)))
    sides = replace(sides, mark=mark)
    seen = Seen(source, target, sides.powers, wanted.tags, wanted.branches, mark, head, sides.known)
    lacking, unproven = _open(seen)
    if lacking:
        seen = await Places(sides, seen, lacking).found()
    places = asyncio.Semaphore(_AT_ONCE)
    shown = await run_all(*(_is_shown(sides, tag, places) for tag in unproven))
    seen = replace(seen, shown={tag.name: one for tag, one in zip(unproven, shown, strict=True)})
    return seen, plan_names(seen)


def _mark(sides: Sides, source: References) -> str:
    """Return the tag for what the copy publishes, empty for none.

    Raises:
        UsageError: The source is named by no tag, or a tag of that name is to be copied as well.
    """
    wanted, named = sides.wanted, sides.source.revision
    if wanted.same_tag:
        if named is None or source.tag(named) is None:
            message = _("{source} is not named by a tag, so that there is none to give to the copy")
            hint = _("name it: {ref}@TAG, or say --tag NAME").format(ref=bare(sides.source))
            raise UsageError(message.format(source=sides.source), side="source", hint=hint)
        return named
    mark = wanted.mark or ""
    if mark and mark != named and source.tag(mark) and is_wanted(mark, wanted.tags):
        message = _("{name} is a tag of {source}, too, which is to be copied: both cannot be made")
        raise UsageError(message.format(name=mark, source=bare(sides.source)), side="source")
    return mark


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
        if there is None and tag.name == seen.mark:
            continue
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
