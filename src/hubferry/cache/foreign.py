"""The caches of other tools, which are read and never written."""

from __future__ import annotations

import re
import shlex
from contextlib import suppress
from typing import TYPE_CHECKING

from hubferry.cache.adopt import huggingface_caches, modelscope_caches
from hubferry.cache.roots import all_roots
from hubferry.errors import HubferryError, UsageError
from hubferry.i18n import _
from hubferry.places import resolved

if TYPE_CHECKING:
    from pathlib import Path

    from hubferry.cache.listing import CachedModel

_REPOSITORY = re.compile(r"(?:models|datasets|spaces)--.+")
"""How both hubs' own tools call the directory of a repository."""


def is_foreign(path: Path) -> bool:
    """Return whether what `path` leads to lies in the cache of another tool, and in none of ours."""
    there = resolved(path)
    ours: tuple[Path, ...] = ()
    with suppress(HubferryError):  # no home: then none is ours
        ours = all_roots()
    if any(there.is_relative_to(resolved(root)) for root in ours):
        return False
    if any(there.is_relative_to(resolved(cache)) for cache in (*huggingface_caches(), *modelscope_caches())):
        return True
    return any(
        _REPOSITORY.fullmatch(place.name) and ((place / "snapshots").is_dir() or (place / "blobs").is_dir())
        for place in (there, *there.parents)
    )


def leads_away(path: Path) -> bool:
    """Return whether a path is a link into the cache of another tool: nothing is written through one."""
    return path.is_symlink() and is_foreign(path)


def is_ours(model: CachedModel) -> bool:
    """Return whether something may be written into a model: it is not in the cache of another tool."""
    if model.link_to is None and model.root in all_roots():
        return True
    return not is_foreign(model.path)


def refuse_foreign(model: CachedModel) -> None:
    """Raise a UsageError where writing into a model would write into the cache of another tool."""
    if not is_ours(model):
        message = _("{path} is in the cache of another tool, which is only read")
        hint = shlex.join(["hubferry", "cache", "adopt", str(model.path)])
        if model.link_to is not None:
            hint = shlex.join(["rm", str(model.path)]) + "   # " + _("the link, then fetch the model")
        raise UsageError(message.format(path=model.path), side="cache", path=str(model.path), hint=hint)
