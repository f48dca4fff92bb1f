"""Keep a model, whatever prunes, cleans or makes room; or let it go again."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from hubferry.cache.directory import ModelDirectory
from hubferry.cache.foreign import refuse_foreign
from hubferry.errors import UsageError
from hubferry.i18n import _

if TYPE_CHECKING:
    from hubferry.cache.listing import CachedModel

_SECONDS = 5.0
"""To wait for a run that holds the model."""


def set_pinned(model: CachedModel, *, pinned: bool) -> None:
    """Pin a model, or take its pin away.

    Raises:
        UsageError: Nothing is recorded about it, or it is in the cache of another tool.
        LockedError: A run holds it.
    """
    refuse_foreign(model)
    if model.ref is None:
        raise UsageError(
            _("nothing is recorded about {model}, so it cannot be pinned").format(model=model.title),
            hint=shlex.join(["hubferry", "cache", "adopt", str(model.path)]),
        )
    directory = ModelDirectory(model.path, model.ref)
    with directory.hold(wait=_SECONDS):
        directory.pin(pinned=pinned)
