"""Find where in the source's history tags are that a target has not, and where the target's branch is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hubferry.errors import NotFoundError, NothingSelectedError
from hubferry.names.model import HEAD, LATEST, Place
from hubferry.names.plan import unfit
from hubferry.names.sides import state_of

if TYPE_CHECKING:
    from hubferry.catalog import PastCommit, Reference
    from hubferry.names.model import Seen
    from hubferry.names.sides import Sides

_OF_THE_HUB = frozenset({".gitattributes", "README.md", "configuration.json"})
"""What a hub puts into a repository that is new."""


class Places:
    """Where in the source's history tags are that the target has not, and where its branch is."""

    def __init__(self, sides: Sides, seen: Seen, tags: list[Reference]) -> None:
        self._sides = sides
        self._seen = seen
        self._tags = tags
        self._line: tuple[PastCommit, ...] | None = None
        self._at: dict[str, Place] = {}
        self._known = ""

    async def found(self) -> Seen:
        """Return what was seen, with places."""
        sides = self._sides
        tags, known = self._seen.wanted_tags, await self._known_head()
        self._known = known
        needed = self._tags if known else tags
        wanted = frozenset(tag.commit for tag in needed if tag.commit) | {known} - {""}
        head = replace(sides.source, revision=self._seen.head or None)
        self._line = await sides.here.history(head, wanted)
        self._at = {one.commit: Place(-float(index)) for index, one in enumerate(self._line or ())}
        places = {tag.name: self._at[tag.commit] for tag in tags if tag.commit in self._at}
        commits: dict[str, str] = {}
        for tag in self._tags:
            if tag.name not in places:
                await self._place(tag, places, commits)
        fresh = await self._is_fresh()
        self._seen = replace(self._seen, places=places, commits=commits, fresh=fresh)
        if not self._seen.fresh:
            await self._hold()
        return self._seen

    async def _known_head(self) -> str:
        """Return the source's commit that the target's branch holds, as far as an earlier run knew it.

        A target that names no commit is known by its listing.
        """
        seen, sides = self._seen, self._sides
        there = seen.target.branch(sides.branch or seen.target.default) if seen.target else None
        name = sides.source.revision or seen.source.default
        commit, mark = seen.known.get(name, ("", ""))
        if there is None or not mark:
            return ""
        now = there.commit or await state_of(sides)
        return commit if now == mark else ""

    async def _place(self, tag: Reference, places: dict[str, Place], commits: dict[str, str]) -> None:
        """Find one tag whose commit, as it is listed, is none of the branch's."""
        if self._line is None:
            if tag.created is not None:
                places[tag.name] = Place(tag.created)
            return
        commit = commits[tag.name] = await self._commit_behind(tag)
        places[tag.name] = self._at.get(commit) or await self._beside(commit)

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
        if seen.target.tags or self._known:
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
        if self._known in self._at:
            here = {tag.name for tag in self._tags if self._seen.commit_of(tag) == self._known}
            self._seen = replace(self._seen, holds=self._at[self._known], here=frozenset(here))
            return
        await self._compare()
        if self._seen.holds is None and self._line:
            self._seen = replace(self._seen, holds=await self._by_time(self._line))

    async def _compare(self) -> None:
        """Hold the branch against the source's head, then its tags, the latest first, until one is shown."""
        sides, seen = self._sides, self._seen
        holds: Place | None = None
        if await self._branch_shows(sides.wanted.source):
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
        for tag in self._seen.wanted_tags:
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
