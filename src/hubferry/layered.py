"""What a run holds where it only reads: a directory of the cache that is not ours to write, or to wait for.

A whole model on a read-only disk is a whole model: it is answered with and sent from where it stands, without
a lock, a touch or a line in its records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubferry import remember
from hubferry.cache import locks
from hubferry.events import Note
from hubferry.holdings import StandingHoldings
from hubferry.i18n import _
from hubferry.model import Action
from hubferry.readings.reader import read
from hubferry.results import Fetched
from hubferry.units import size as readable_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubferry.cache.layers import Layer
    from hubferry.events import Listener
    from hubferry.model import Digests, Plan, RepoFile
    from hubferry.survey import SourceSide

_NOT_NEEDED = (Action.SAME, Action.DELETE)


class LayerHoldings(StandingHoldings):
    """A directory of the cache from which all that a run needs is read."""

    standing: Layer

    def __init__(self, layer: Layer, digests: dict[str, Digests]) -> None:
        """Take a directory, and what its files are proven to be."""
        self.standing = layer
        self.digests = digests

    def expect(self, side: SourceSide) -> None:
        """Do nothing: what is here was found for that side."""

    def name_strangers(self, listen: Listener) -> None:
        """Say which files of the directory are not of the commit, where its records know."""
        remember.name_strangers(self.standing.model, listen)

    def fetched(self, side: SourceSide, moved: int) -> Fetched:
        """Return what is here, of which nothing had to be fetched."""
        known = self.standing.manifest
        recorded = known is not None and known.is_whole and known.commit == side.revision.commit
        return Fetched(
            self.standing.path,
            side.revision.commit,
            len(side.files),
            sum(file.size or 0 for file in side.files),
            moved,
            whole=recorded or len(side.files) == len(side.listing),
            findings=side.revision.findings,
        )


async def find(
    layers: Sequence[Layer], side: SourceSide, plan: Plan, listen: Listener, *, while_held: bool
) -> LayerHoldings | None:
    """Return the first directory that has all that a plan needs, where that one is only read.

    Args:
        layers: Directories of the repository's revision, the best first.
        side: The source: which commit, and what it lists.
        plan: What is to be done.
        listen: Hears how far the reading is, where it takes long.
        while_held: Whether a directory will do that another run holds, too: nothing of it is sent anywhere.
    """
    files = [step.file for step in plan.steps if step.fill or step.action not in _NOT_NEEDED]
    for layer in layers:
        with layer.disk_errors():
            if not layer.is_of(side.revision.commit, side.listing) or not layer.is_readable(files):
                continue
            if layer.only_read:
                digests = await _digests(layer, files, listen)
            else:
                digests = _known(layer, files)
                if digests is not None and not (while_held and locks.is_held(layer.model.records)):
                    return None  # the run's own directory has it, and writes down that it was used
            if digests is None:
                continue
        listen(Note(_("{path} has all of it, and is only read").format(path=layer.path)))
        return LayerHoldings(layer, digests)
    return None


def _known(layer: Layer, files: Sequence[RepoFile]) -> dict[str, Digests] | None:
    found = {file.path: layer.known(file) for file in files}
    known = {path: digests for path, digests in found.items() if digests is not None}
    return known if len(known) == len(found) else None


async def _digests(layer: Layer, files: Sequence[RepoFile], listen: Listener) -> dict[str, Digests] | None:
    """Return what `files` are proven to be, reading what has to be read; None when one is not right."""
    waiting = layer.to_read(files)
    if waiting is None:
        return None
    if waiting:
        outcomes, _bytes = await read(waiting, lambda done, total: listen(_told(layer, done, total)))
        readings = {one.path: one.reading for one in outcomes if one.reading is not None}
        layer.remember(readings, lasting=[one.path for one in outcomes if one.reading and one.lasts])
    return _known(layer, files)


def _told(layer: Layer, done: int, total: int) -> Note:
    message = _("reading {path} to know what its files are: {done} of {total}; this is remembered")
    return Note(message.format(path=layer.path, done=readable_size(done), total=readable_size(total)))
