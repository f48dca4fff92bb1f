"""What a repository is at this moment, for whoever asks: remembered for minutes, asked anew after that.

A stranger's answer counts for everybody. What strangers do not get is asked for with the token of the one who
wants it, and that answer is his alone. Nobody is refused from memory: only what was allowed is remembered.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec

from hubferry.errors import AccessError, HubferryError, NetworkError, NotFoundError
from hubferry.i18n import _
from hubferry.mirror.clients import STRANGER, Asker, Clients
from hubferry.mirror.memory import Known, Memory, Named, name_of
from hubferry.mirror.snapshots import make

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from hubferry.mirror.clients import Asked
    from hubferry.mirror.snapshots import Listed, Snapshot, View
    from hubferry.mirror.upstreams import Upstream
    from hubferry.model import RepoRef, Revision

MINUTES = 300.0
"""Seconds for which it is believed that an account may read what strangers may not."""
_PAUSE = 10.0
"""Seconds for which a hub that did not answer is not asked about what is known."""
_MOST_STANDINGS = 20_000
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """A commit, and what its reader may do.

    Attributes:
        view: The commit.
        public: Whether anybody may read its content.
        stale: Whether the hub could not be asked whether all of this is still so.
    """

    view: View
    public: bool
    stale: bool = False


class Desk:
    """Answers what a repository is."""

    def __init__(
        self,
        clients: Clients,
        memory: Memory,
        *,
        ttl: float,
        offline: bool = False,
        cached: Callable[[RepoRef], View | None] = lambda _ref: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take what is needed.

        Args:
            clients: To ask with.
            memory: To remember with.
            ttl: Seconds for which a name is believed to mean the same.
            offline: Whether no hub is asked.
            cached: What the cache has of a repository about which no hub was asked; used offline alone.
            clock: Seconds since 1970.
        """
        self._clients = clients
        self._memory = memory
        self._ttl = ttl
        self._offline = offline
        self._cached = cached
        self._clock = clock
        self._standings: dict[tuple[str, str, str, str, str], float] = {}
        self._running: dict[tuple[RepoRef, str], asyncio.Task[Found]] = {}
        self._resting: dict[str, float] = {}

    async def look(self, upstream: Upstream, ref: RepoRef, who: Asker) -> Found:
        """Return the commit that `ref` means, if `who` may see it.

        Raises:
            HubferryError: As the hub answered; a NetworkError where it cannot be asked and nothing is known.
        """
        known = self._memory.known(ref)
        named = known.names.get(name_of(ref.revision))
        if named is not None:
            await self._memory.load(ref, named.commit)
        pinned = known.names.get(ref.revision or "")
        if pinned is not None and ref.revision is not None and pinned.commit.startswith(ref.revision[:40]):
            view = self._memory.view(ref, pinned.commit)
            if view is not None:  # a commit never changes; whether it may be seen does
                now = await self.look(upstream, replace(ref, revision=None), who)
                return replace(now, view=view)
        found = self._remembered(ref, known, who)
        if found is not None:
            return found
        if self._offline or not upstream.endpoint:
            return self._without_hub(ref, known)
        stale = self._stale(ref, known, who)
        if stale is not None and self._resting.get(upstream.endpoint, 0.0) > self._clock():
            return stale
        try:
            return await self._once((ref, who.key), lambda: self._ask(upstream, ref, who))
        except HubferryError as error:
            if stale is None or not isinstance(error, NetworkError):
                raise
            self._resting[upstream.endpoint] = self._clock() + _PAUSE
            _LOGGER.warning("%s: %s; served as it was", ref, error.message)
            return stale

    async def demand_content(self, upstream: Upstream, found: Found, file: Listed, who: Asker) -> None:
        """Return if `who` may have this file's content; upstream decides, by giving or refusing a byte of it.

        Raises:
            HubferryError: As the hub answered.
        """
        if found.public:
            return
        ref = found.view.snapshot.ref(upstream.endpoint)
        if self._stands("content", ref, who):
            return
        if self._offline or not upstream.endpoint:
            raise AccessError(_not_public(ref))
        probe = file if file.size else next((one for one in found.view.snapshot.files if one.size), None)
        if probe is not None:
            pinned = found.view.snapshot.pinned(upstream.endpoint)
            async with (
                self._clients.questions(upstream, who) as source,
                aclosing(source.read(pinned, probe.file, 0, 1)) as pieces,
            ):
                async for _piece in pieces:
                    break
        self._allow("content", ref, who)

    async def is_public(self, upstream: Upstream | None, ref: RepoRef) -> bool:
        """Return whether a stranger may read all of a repository; what nobody can tell is not public."""
        known = self._memory.known(ref)
        if known.public or upstream is None or known.asked > self._clock() - self._ttl:
            return known.public
        try:
            return (await self.look(upstream, replace(ref, revision=None), STRANGER)).public
        except HubferryError:
            return False

    def _remembered(self, ref: RepoRef, known: Known, who: Asker) -> Found | None:
        now = self._clock()
        public = known.public and now - known.asked < self._ttl
        if not public and not self._stands("look", ref, who):
            return None
        named = known.names.get(name_of(ref.revision))
        if named is None or now - named.asked >= self._ttl:
            return None
        view = self._memory.view(ref, named.commit)
        return None if view is None else Found(view, public)

    def _stale(self, ref: RepoRef, known: Known, who: Asker) -> Found | None:
        """Return what was known before, where that is public, or was just shown to the same account."""
        named: Named | None = known.names.get(name_of(ref.revision))
        if named is None or not (known.public or self._stands("look", ref, who)):
            return None
        view = self._memory.view(ref, named.commit)
        return None if view is None else Found(view, known.public, stale=True)

    def _without_hub(self, ref: RepoRef, known: Known) -> Found:
        named = known.names.get(name_of(ref.revision))
        if named is not None or known.asked:
            view = None if named is None else self._memory.view(ref, named.commit)
            if view is None:
                raise NotFoundError(
                    _("{name} is known here, and not this revision of it").format(name=ref.repo_id)
                )
            if not known.public:
                raise AccessError(_not_public(ref))
            return Found(view, public=True, stale=True)
        view = self._cached(ref)
        if view is None:
            raise NotFoundError(_("the cache has no {name}, and no hub is asked").format(name=ref.repo_id))
        return Found(view, public=True, stale=True)

    async def _ask(self, upstream: Upstream, ref: RepoRef, who: Asker) -> Found:
        """Ask as a stranger, and where that is denied as who wants it."""
        asking = replace(ref, endpoint=upstream.endpoint)
        async with self._clients.questions(upstream, STRANGER) as source:
            try:
                revision, record = await source.record(asking)
            except (NotFoundError, AccessError):
                await self._doubt(source, asking)
                if who.token is None:
                    raise
            else:
                public = not (revision.private or revision.gated)
                view = await self._view(source, ref, revision, record)
                return self._noted(ref, view, public=public, seen_by=() if public else (STRANGER, who))
        async with self._clients.questions(upstream, who) as source:
            revision, record = await source.record(asking)
            view = await self._view(source, ref, revision, record)
        return self._noted(ref, view, public=False, seen_by=(who,))

    async def _view(self, source: Asked, ref: RepoRef, revision: Revision, record: dict[str, Any]) -> View:
        """Return a commit as the hub describes it now; it is listed only where nobody did that before."""
        view = await self._memory.load(ref, revision.commit)
        if view is None:
            made = make(revision, await source.files(revision), record)
            view = await self._memory.keep(msgspec.structs.replace(made, revision=ref.revision))
        elif _differs(view, record):
            view = await self._memory.keep(
                _changed(view, record, private=revision.private, gated=revision.gated)
            )
        return view

    def _noted(self, ref: RepoRef, view: View, *, public: bool, seen_by: Iterable[Asker]) -> Found:
        """Remember what a name means, and who was shown what not everybody is."""
        self._memory.note(ref, public=public, now=self._clock(), commit=view.snapshot.commit)
        for who in seen_by:
            self._allow("look", ref, who)
        return Found(view, public)

    async def _doubt(self, source: Asked, asking: RepoRef) -> None:
        """Find out whether a repository is public no more, or has no such revision."""
        if asking.revision is not None and self._memory.known(asking).public:
            try:
                await source.record(replace(asking, revision=None))
            except (NotFoundError, AccessError):
                pass
            else:
                return
        if self._memory.known(asking).asked:
            self._memory.note(asking, public=False, now=self._clock())

    async def _once(self, key: tuple[RepoRef, str], ask: Callable[[], Coroutine[Any, Any, Found]]) -> Found:
        """Ask once for all who ask the same at the same time, whoever of them leaves."""
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.ensure_future(ask())
            task.add_done_callback(lambda _task: self._running.pop(key, None))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(task)

    def _stands(self, what: str, ref: RepoRef, who: Asker) -> bool:
        return self._standings.get(_about(what, ref, who), 0.0) > self._clock()

    def _allow(self, what: str, ref: RepoRef, who: Asker) -> None:
        now = self._clock()
        if len(self._standings) > _MOST_STANDINGS:
            self._standings = {key: until for key, until in self._standings.items() if until > now}
        self._standings[_about(what, ref, who)] = now + min(MINUTES, max(self._ttl, 1.0))

    async def close(self) -> None:
        """End what is being asked."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _not_public(ref: RepoRef) -> str:
    return _("{name} is not public, and no hub is asked who may read it").format(name=ref.repo_id)


def _about(what: str, ref: RepoRef, who: Asker) -> tuple[str, str, str, str, str]:
    return what, ref.hub, ref.repo_type, ref.repo_id, who.key


def _differs(view: View, record: dict[str, Any]) -> bool:
    return view.snapshot.record != record


def _changed(view: View, record: dict[str, Any], *, private: bool, gated: bool) -> Snapshot:
    return msgspec.structs.replace(view.snapshot, record=record, private=private, gated=gated)
