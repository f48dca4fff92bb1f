"""Two folders of this machine as both sides of a copy: they must not be one, nor one in the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubferry.errors import UsageError
from hubferry.i18n import _
from hubferry.places import resolved

if TYPE_CHECKING:
    from pathlib import Path

    from hubferry.model import RepoRef


def refuse_overlap(source: RepoRef, destination: RepoRef) -> None:
    """Refuse to copy a folder into itself.

    Raises:
        UsageError: They are one folder, whatever they are called, or one is inside the other.
    """
    if source.hub != "dir" or destination.hub != "dir":
        return
    from hubferry.hubs.folder.source import root_of

    here, there = resolved(root_of(source)), resolved(root_of(destination))
    words = {"source": source, "destination": destination}
    if _same(here, there):
        message = _("{source} and {destination} are the same folder")
    elif any(_same(here, above) for above in there.parents):
        message = _("{destination} is inside {source}: the copy would become a part of what is copied")
    elif any(_same(there, above) for above in here.parents):
        message = _("{source} is inside {destination}: the copy would lie around what is copied")
    else:
        return
    hint = _("name a folder elsewhere as the destination")
    raise UsageError(message.format(**words), side="destination", hint=hint)


def sweep(destination: RepoRef) -> None:
    """Remove from a folder that has everything what interrupted copies left there."""
    if destination.hub == "dir":
        from hubferry.hubs.folder.source import root_of
        from hubferry.hubs.folder.staging import sweep as sweep_folder

        sweep_folder(root_of(destination))


def _same(one: Path, other: Path) -> bool:
    if one == other:
        return True
    try:
        return one.samefile(other)
    except OSError:
        return False
