"""Ask both sides what `plan.plan_names` has to know: one question a side, and more only for what is new."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hubferry import transfer
from hubferry.errors import NotFoundError, NothingSelectedError
from hubferry.session import Session
from hubferry.sync.names.plan import (
    HEAD,
    LATEST,
    Place,
    Powers,
    Seen,
    is_known,
    plan_names,
    unfit,
    wanted_tags,
)
from hubferry.tasks import run_all

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from hubferry.catalog import PastCommit, Reference, References
    from hubferry.events import Listener
    from hubferry.hubs.ports import Catalog, ReferenceWriter
    from hubferry.model import RepoRef
    from hubferry.options import Access, Options
    from hubferry.sync.names.plan import NamesPlan
    from hubferry.sync.spec import Job

_AT_ONCE = 4
"""Tags whose listings are held against each other side by side."""
_OF_THE_HUB = frozenset({".gitattributes", "README.md", "configuration.json"})
"""What a hub puts into a repository that is new."""


@dataclass(frozen=True, slots=True)
class Sides:
    """Both hubs, held open for questions about names.

    Attributes:
        job: What is mirrored.
        options: What its copies are told.
        listen: Who hears of them.
        source: The repository; its revision is what counts as its head.
        target: The repository; its revision is the branch that is kept.
        here: The source's hub.
        there: The target's hub.
        writer: What makes names there, None for a folder.
        known: What an earlier run left right, by name.
    """

    job: Job
    options: Options
    listen: Listener
    source: RepoRef
    target: RepoRef
    here: Catalog
    there: Catalog
    writer: ReferenceWriter | None
    known: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def powers(self) -> Powers:
        """What can be made at the target."""
        if self.writer is None:
            return Powers("", tags=False, branches=False)
        return Powers(urlsplit(self.there.endpoint).netloc, branches=self.writer.makes_branches)

    @property
    def branch(self) -> str | None:
        """The target's branch that is kept; None is its default one."""
        return self.target.revision

    def source_at(self, name: str, commit: str = "") -> str:
        """Return the source at a tag or branch: at its commit where the hub names one."""
        return str(replace(self.source, revision=commit if commit and self.source.hub == "hf" else name))

    def target_at(self, name: str) -> str:
        """Return the target at a tag or branch."""
        return str(replace(self.target, revision=name))

    async def shows(self, source: str, target: str) -> bool:
        """Return whether the target has what the source has; see `transfer.shows`."""
        return await transfer.shows(source, target, self.options, self.listen)


@asynccontextmanager
async def opened(
    job: Job, options: Options, listen: Listener, known: Mapping[str, tuple[str, str]]
) -> AsyncGenerator[Sides, None]:
    """Hold both hubs open."""
    async with Session(job.source, job.target, options, listen) as session:
        source, target = session.source_ref, session.destination_ref
        options = replace(
            options,
            source=_at(options.source, source),
            destination=_at(options.destination, target),
        )
        here, there = session.catalog("source"), session.catalog("destination")
        writer = session.reference_writer(there)
        try:
            yield Sides(job, options, listen, source, target, here, there, writer, known)
        finally:
            for one in (here, there, writer):
                if one is not None:
                    await one.close()


def _at(access: Access, ref: RepoRef) -> Access:
    """Keep the server that a pasted address names, which a repository's name written anew does not."""
    return replace(access, endpoint=ref.endpoint) if ref.endpoint and not ref.named else access


def bare(ref: RepoRef) -> RepoRef:
    """Return the repository without a revision."""
    return replace(ref, revision=None)


async def look(sides: Sides) -> tuple[Seen, NamesPlan]:
    """Find out what there is, and plan."""
    source, target = await run_all(sides.here.references(bare(sides.source)), _references(sides))
    entry, head = sides.job.entry, head_of(sides.source, source)
    seen = Seen(source, target, sides.powers, entry.tags, entry.branches, head, sides.known)
    lacking, unproven = _open(seen)
    if lacking:
        seen = await _Places(sides, seen, lacking).found()
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
    for tag in wanted_tags(seen.source, seen.tags):
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


class _Places:
    """Where in the source's history tags are that the target has not, and where its branch is."""

    def __init__(self, sides: Sides, seen: Seen, tags: list[Reference]) -> None:
        self._sides = sides
        self._seen = seen
        self._tags = tags
        self._line: tuple[PastCommit, ...] | None = None
        self._at: dict[str, Place] = {}

    async def found(self) -> Seen:
        """Return what was seen, with places."""
        sides = self._sides
        tags, known = wanted_tags(self._seen.source, self._seen.tags), self._known_head()
        needed = self._tags if known else tags
        wanted = frozenset(tag.commit for tag in needed if tag.commit) | {known} - {""}
        head = replace(sides.source, revision=self._seen.head or None)
        self._line = await sides.here.history(head, wanted)
        self._at = {one.commit: Place(-float(index)) for index, one in enumerate(self._line or ())}
        for tag in self._tags:
            await self._place(tag)
        for tag in tags:
            if tag.commit in self._at:
                self._put(tag, self._at[tag.commit])
        self._seen = replace(self._seen, fresh=await self._is_fresh())
        if not self._seen.fresh:
            await self._hold()
        return self._seen

    def _known_head(self) -> str:
        """Return the source's commit that the target's branch holds, as far as an earlier run knew it."""
        seen, sides = self._seen, self._sides
        there = seen.target and seen.target.branch(sides.branch or seen.target.default)
        name = sides.source.revision or seen.source.default
        commit, mark = seen.known.get(name, ("", ""))
        return commit if there and there.commit and there.commit == mark else ""

    async def _place(self, tag: Reference) -> None:
        """Find one tag."""
        if self._line is None:
            if tag.created is not None:
                self._put(tag, Place(tag.created))
            return
        commit = tag.commit or ""
        if commit not in self._at:
            commit = await self._commit_behind(tag)
            self._seen = replace(self._seen, commits={**self._seen.commits, tag.name: commit})
        self._put(tag, self._at.get(commit) or await self._beside(commit))

    def _put(self, tag: Reference, place: Place) -> None:
        self._seen = replace(self._seen, places={**self._seen.places, tag.name: place})

    async def _commit_behind(self, tag: Reference) -> str:
        """Return the commit of a tag that the list may call by a name of its own."""
        found = await self._sides.here.repository(replace(self._sides.source, revision=tag.name))
        return found.revision.commit if found.revision else tag.commit or ""

    async def _beside(self, commit: str) -> Place:
        """Return the place of a commit that is not before the head: where its own history meets the line."""
        at = replace(self._sides.source, revision=commit)
        own = await self._sides.here.history(at, frozenset(self._at), any_of=True) or ()
        for count, one in enumerate(own):
            if one.commit in self._at:
                return Place(self._at[one.commit].line, count)
        return Place(-float(len(self._at)), len(own))

    async def _is_fresh(self) -> bool:
        """Return whether nobody reads the target's branch yet: it is not there, or as a hub makes it."""
        seen, sides = self._seen, self._sides
        if seen.target is None:
            return True
        if seen.target.tags or self._known_head():
            return False
        try:
            found = await sides.there.repository(sides.target)
        except NotFoundError:  # the branch is not there
            return True
        files = await sides.there.files(found.revision) if found.revision else []
        if not {file.path for file in files} <= _OF_THE_HUB:
            return False
        past = await sides.there.history(sides.target, frozenset())
        return past is None or len(past) <= 1

    async def _hold(self) -> None:
        """Find out what the target's branch holds: as it is known, as it shows, or by its time."""
        known = self._known_head()
        if known in self._at:
            here = {tag.name for tag in self._tags if self._seen.commit_of(tag) == known}
            self._seen = replace(self._seen, holds=self._at[known], here=frozenset(here))
            return
        await self._compare()
        if self._seen.holds is None and self._line:
            self._seen = replace(self._seen, holds=await self._by_time(self._line))

    async def _compare(self) -> None:
        """Hold the branch against the source's head, then its tags, the latest first, until one is shown."""
        sides, seen = self._sides, self._seen
        holds: Place | None = None
        if await self._branch_shows(sides.job.source):
            holds = LATEST if self._line is None else HEAD
        lacking = {tag.name for tag in self._tags}
        here = set()
        # Where no branch can be made, or no order is known, each tag that could be made at once is looked at.
        thorough = lacking if not seen.powers.branches or self._line is None else set()
        for tag, place in self._latest_first():
            if holds is not None and tag.name not in thorough:
                continue
            if await self._holds(tag):
                holds = holds or place
                here |= {tag.name} & lacking
        self._seen = replace(seen, holds=holds, here=frozenset(here))

    def _latest_first(self) -> list[tuple[Reference, Place]]:
        """Return the wanted tags whose places are known, the latest first."""
        found = []
        for tag in wanted_tags(self._seen.source, self._seen.tags):
            if unfit(self._seen, tag.name, "tag"):
                continue
            place = self._seen.places.get(tag.name)
            if place is None and self._line is None and tag.created is not None:
                place = Place(tag.created)
            if place is not None:
                found.append((tag, place))
        return sorted(found, key=lambda one: one[1], reverse=True)

    async def _holds(self, tag: Reference) -> bool:
        """Return whether the target's branch shows what a tag of the source does."""
        seen, sides = self._seen, self._sides
        there = seen.target and seen.target.tag(tag.name)
        if there and there.commit and seen.target and sides.branch is None:
            return there.commit == seen.target.head
        return await self._branch_shows(sides.source_at(tag.name, seen.commit_of(tag)))

    async def _branch_shows(self, source: str) -> bool:
        try:
            return await self._sides.shows(source, str(self._sides.target))
        except NothingSelectedError:
            return False

    async def _by_time(self, line: tuple[PastCommit, ...]) -> Place | None:
        """Return the last commit of the source that is not younger than the target's branch.

        What was committed at the source later than that, the branch cannot hold.
        """
        sides = self._sides
        past = await sides.there.history(sides.target, frozenset())
        at = past[0].time if past else (await sides.there.repository(sides.target)).changed
        if at is None:
            return None
        for index, one in enumerate(line):
            if one.time is None:
                return None
            if one.time <= at:
                return Place(-float(index))
        return Place(-float(len(line)))
