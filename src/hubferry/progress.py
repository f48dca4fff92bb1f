"""Progress for who uses the library: two bars of tqdm, or any function that is told where things stand."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from hubferry.events import FileStarted, Planned, Progress
from hubferry.i18n import _
from hubferry.model import Action

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hubferry.events import Event, Listener
    from hubferry.model import Plan


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a run stands.

    Attributes:
        fetched: Bytes that came over the network in this run.
        to_fetch: Bytes that have to come, those included.
        sent: Bytes that went to the destination.
        to_send: Bytes that have to go, those included.
        path: The file that moved last; empty before the first.
    """

    fetched: int = 0
    to_fetch: int = 0
    sent: int = 0
    to_send: int = 0
    path: str = ""


Wish: TypeAlias = "bool | Callable[[Standing], None]"
"""True for bars of tqdm, False for nothing, or a function that is called with each `Standing`."""


@contextmanager
def shown(listen: Listener, progress: Wish) -> Iterator[Listener]:
    """Yield a listener that passes events on to `listen` and shows progress as it was wished."""
    if progress is False:
        yield listen
        return
    bars = _bars() if progress is True else None
    tell = progress if bars is None and callable(progress) else None
    standing = Standing()

    def hear(event: Event) -> None:
        nonlocal standing
        after = taken(standing, event)
        if after is not standing:
            standing = after
            if tell is not None:
                tell(standing)
            elif bars is not None:
                bars.draw(standing)
        listen(event)

    try:
        yield hear
    finally:
        if bars is not None:
            bars.close()


def taken(standing: Standing, event: Event) -> Standing:
    """Return where things stand after an event; the same value when it changes nothing."""
    if isinstance(event, Planned):
        to_fetch, to_send = event.plan.fetch_bytes, _to_send(event.plan)  # of several plans in a row each
        return replace(standing, to_fetch=standing.fetched + to_fetch, to_send=standing.sent + to_send)
    if isinstance(event, FileStarted) and event.done:  # an earlier run brought it, and it does not move again
        if event.direction == "fetch":
            return replace(standing, to_fetch=max(0, standing.to_fetch - event.done))
        if event.direction == "send":
            return replace(standing, to_send=max(0, standing.to_send - event.done))
    if isinstance(event, Progress):
        if event.direction == "fetch":
            return replace(standing, fetched=standing.fetched + event.count, path=event.path)
        if event.direction == "send":
            return replace(standing, sent=standing.sent + event.count, path=event.path)
    return standing


def _to_send(plan: Plan) -> int:
    """Count the bytes of blobs that have to go; content that occurs twice goes once."""
    blobs = plan.of(Action.SEND, Action.FETCH_SEND)
    return sum({one.sha256 or one.file.sha256 or one.file.path: one.file.size or 0 for one in blobs}.values())


class _Bars:
    """A bar for each direction, drawn when there is something to move in it."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make
        self._bars: dict[str, Any] = {}

    def draw(self, standing: Standing) -> None:
        """Bring the bars to where things stand."""
        self._bring(_("fetched"), standing.fetched, standing.to_fetch)
        self._bring(_("sent"), standing.sent, standing.to_send)

    def _bring(self, what: str, done: int, total: int) -> None:
        bar = self._bars.get(what)
        if bar is None:
            if not total:
                return
            bar = self._make(total=total, desc=what, unit="B", unit_scale=True, unit_divisor=1024)
            self._bars[what] = bar
        if bar.total != max(total, done):
            bar.total = max(total, done)
            bar.refresh()
        if done != bar.n:
            bar.update(done - bar.n)

    def close(self) -> None:
        """Leave the bars as they stand."""
        for bar in self._bars.values():
            bar.close()


def _bars() -> _Bars | None:
    """Return bars of tqdm as this notebook or terminal shows them; None, with a warning, without tqdm."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a notebook without widgets gets bars of text, and no lecture
            from tqdm.auto import tqdm
    except ImportError:
        warnings.warn(_("progress=True needs tqdm: pip install tqdm"), stacklevel=2)
        return None
    return _Bars(tqdm)
