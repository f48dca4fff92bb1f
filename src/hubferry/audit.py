"""Hash what the cache has of a repository, for whoever asks through the library."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from hubferry.cache import foreign
from hubferry.cache import verify as verifying
from hubferry.cache.store import Cache
from hubferry.errors import NotFoundError
from hubferry.i18n import _
from hubferry.places import at_home
from hubferry.typed import reference

if TYPE_CHECKING:
    from os import PathLike
    from pathlib import Path

    from hubferry.cache.verify import Verification
    from hubferry.events import Event, Listener
    from hubferry.options import Options


async def verify(source: str | PathLike[str], options: Options, listen: Listener) -> tuple[Verification, ...]:
    """Hash what the cache has of a repository, or what is in one directory of it.

    Raises:
        NotFoundError: The cache has nothing of it.
    """
    loop, stop = asyncio.get_running_loop(), threading.Event()

    def hear(event: Event) -> None:
        """Take an event from any of the threads that read, and end them when nobody waits any more."""
        if stop.is_set():
            raise asyncio.CancelledError
        loop.call_soon_threadsafe(listen, event)

    try:
        directories = await asyncio.to_thread(_directories, source, options)
        return tuple([await asyncio.to_thread(_verified, one, hear) for one in directories])
    finally:
        stop.set()


def _directories(source: str | PathLike[str], options: Options) -> list[Path]:
    if not isinstance(source, str):
        return [at_home(source).absolute()]
    ref = reference(source, options.source, "hf")
    if ref.hub == "dir":
        return [at_home(ref.repo_id).absolute()]
    models = Cache(options.cache_root).all_of(ref)
    if ref.revision is not None:
        models = [one for one in models if one.manifest is not None and one.manifest.is_for(ref)]
    if not models:
        message = _("the cache has nothing of {ref}").format(ref=ref)
        raise NotFoundError(message, side="cache", hint="hubferry cache list")
    return [model.path for model in models]


def _verified(directory: Path, listen: Listener) -> Verification:
    scope = verifying.Scope(full=True)
    return verifying.verify(directory, scope=scope, listen=listen, record=not foreign.is_foreign(directory))
