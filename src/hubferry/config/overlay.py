"""Hubs that hold for a while and come before those of the configuration file: a mirror file has some."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

from hubferry.config import reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hubferry.config.settings import Configuration, HubSettings

_FIELDS = ("kind", "endpoint", "token", "insecure", "concurrency", "commits_per_hour")
_layers: tuple[Mapping[str, HubSettings], ...] = ()
_known: tuple[Configuration, tuple[Mapping[str, HubSettings], ...], Configuration] | None = None
_one_at_a_time = Lock()


@contextmanager
def laid_over(hubs: Mapping[str, HubSettings]) -> Iterator[None]:
    """Let `current` have these hubs in a `with` block, in all of the process; of two layers the last wins."""
    global _layers  # noqa: PLW0603 - a name is parsed in threads of all kinds, and means the same in each
    with _one_at_a_time:
        _layers = (*_layers, hubs)
    try:
        yield
    finally:
        with _one_at_a_time:
            # by identity: two runs of one file have two layers that are equal
            place = max(number for number, layer in enumerate(_layers) if layer is hubs)
            _layers = (*_layers[:place], *_layers[place + 1 :])


def current() -> Configuration:
    """Return what the configuration file says now, with the hubs that are laid over it.

    Raises:
        UsageError: The file must not be believed, or says something that cannot be meant; every mistake of
            it is there, see `HubferryError.others`.
    """
    global _known  # noqa: PLW0603 - asked for with each name and each request
    file, layers = reading.current(), _layers
    if not layers:
        return file
    if _known is not None and _known[0] is file and _known[1] == layers:
        return _known[2]
    hubs = dict(file.hubs)
    for layer in layers:
        for name, hub in layer.items():
            hubs[name] = merged(hubs.get(name), hub)
    together = replace(file, hubs=hubs)
    _known = (file, layers, together)
    return together


def merged(base: HubSettings | None, over: HubSettings) -> HubSettings:
    """Return a hub with what `over` says of it, and what `base` says of the rest.

    A token, and the leave to send it over plain http, belong to the endpoint that they were given for: where
    `over` names another endpoint, those of `base` stay behind.
    """
    if base is None:
        return over
    moved = "endpoint" in over.said and over.endpoint != base.endpoint
    kept = replace(base, token=None, insecure=False) if moved else base
    values = {name: getattr(over, name) for name in _FIELDS if name in over.said}
    return replace(kept, **values, said=base.said | over.said)
