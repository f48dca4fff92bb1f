"""Answer from the cache alone, when the hub must not or cannot be asked."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hubferry.errors import IntegrityError, NotFoundError
from hubferry.events import Note
from hubferry.i18n import _
from hubferry.model import Fetched

if TYPE_CHECKING:
    from hubferry.cache.store import ModelDirectory
    from hubferry.events import Listener
    from hubferry.model import RepoRef


def offline() -> bool:
    """Return whether HF_HUB_OFFLINE forbids to ask a hub, by the official client's reading of it."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def remembers(model: ModelDirectory | None, ref: RepoRef) -> bool:
    """Return whether a whole model is known that may answer for `ref`: a revision has to be that commit."""
    state = model.complete() if model is not None else None
    return state is not None and (ref.revision is None or state[0].startswith(ref.revision))


def from_cache(model: ModelDirectory | None, ref: RepoRef, listen: Listener) -> Fetched:
    """Answer for the commit that was last brought in whole, and say so.

    Raises:
        NotFoundError: The cache does not hold the whole model, or another revision of it.
        IntegrityError: A file is no longer what was verified.
    """
    state = model.complete() if model is not None else None
    if model is None or state is None or not remembers(model, ref):
        raise NotFoundError(
            _("{ref} is not whole in the cache, and the hub is not asked").format(ref=ref),
            side="cache",
            hint=_("run the same command again with a network and without HF_HUB_OFFLINE"),
        )
    commit, files = state
    bad = next((file.path for file in files if model.lookup(file) is None), None)
    if bad is not None:
        message = _("{path}: the cached file is missing or has changed since it was verified")
        hint = _("with a network, the same command fetches it again")
        raise IntegrityError(message.format(path=bad), side="cache", path=bad, hint=hint)
    note = _("the cache answers for commit {commit}; the hub was not asked")
    listen(Note(note.format(commit=commit)))
    size = sum(file.size or 0 for file in files)
    return Fetched(model.path, commit, len(files), size, 0, asked=False)
