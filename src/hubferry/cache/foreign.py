"""The caches of other tools, which are read and never written."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from hubferry.cache.adopt import huggingface_caches, modelscope_caches
from hubferry.cache.roots import all_roots
from hubferry.errors import HubferryError

_REPOSITORY = re.compile(r"(?:models|datasets|spaces)--.+")
"""How both hubs' own tools call the directory of a repository."""


def is_foreign(path: Path) -> bool:
    """Return whether what `path` leads to lies in the cache of another tool, and in none of ours."""
    there, ours = path.resolve(), tuple[Path, ...]()
    with suppress(HubferryError):  # no home: then none is ours
        ours = all_roots()
    if any(there.is_relative_to(root.resolve()) for root in ours):
        return False
    if any(there.is_relative_to(cache.resolve()) for cache in (*huggingface_caches(), *modelscope_caches())):
        return True
    return any(
        _REPOSITORY.fullmatch(place.name) and ((place / "snapshots").is_dir() or (place / "blobs").is_dir())
        for place in (there, *there.parents)
    )


def leads_away(path: Path) -> bool:
    """Return whether a path is a link into the cache of another tool: nothing is written through one."""
    return path.is_symlink() and is_foreign(path)
