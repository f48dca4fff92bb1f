"""Requests that a hub takes, as its own answers say: what is left is spread over the window when it is low.

Wire fact: every answer of Hugging Face's says for which limit it was counted, what is left of that and when
it begins anew (`RateLimit: "resolvers";r=41;t=55`), and how large it is (`RateLimit-Policy: …;q=5000;w=300`).
Which limit a request will be counted for is learnt from the answers to others of its kind.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry.i18n import ngettext

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubferry.patience import Clock

_LOW = 1 / 20
"""Of a limit: with more left than that nobody is held back."""
_LOW_ELSE = 20
"""Requests, where the hub does not say how large a limit is."""
_LONGEST_WINDOW = 3600.0
"""Seconds; what a hub takes requests again after is no window to spread them over when it is longer."""
_SAME_WINDOW = 2.0
"""Seconds by which the end of one window may seem to move: the hub names whole seconds."""


@dataclass(frozen=True, slots=True)
class Left:
    """What an answer says of one limit.

    Attributes:
        name: As the hub calls it.
        left: Requests until `seconds` are over.
        seconds: Until it begins anew.
        quota: Requests of a whole window, None where it is not said.
    """

    name: str
    left: int
    seconds: float
    quota: int | None = None


@dataclass(slots=True)
class _Window:
    left: int
    ends_at: float
    low: int
    free_at: float = -math.inf


def kind_of(url: str) -> str:
    """Return what hubs may count an address as."""
    return "resolve" if "/resolve/" in url else "api" if "/api/" in url else ""


class RequestBudget:
    """What a hub has said to one login of its limits."""

    def __init__(self, clock: Clock) -> None:
        """Begin knowing nothing."""
        self.shared = False
        """Whether several sessions ask: alone, what is left is there to be used."""
        self.scarce = False
        """Whether a request may have to wait; while it is False `turn` need not be asked."""
        self._clock = clock
        self._windows: dict[str, _Window] = {}
        self._names: dict[str, tuple[str, ...]] = {}
        self._told_until = -math.inf
        self.resume_at = -math.inf
        """When the hub takes requests again, by a steady clock: nothing is sent before."""

    def note(self, url: str, limits: tuple[Left, ...]) -> None:
        """Take what the answer to a request for `url` says of its limits."""
        now = self._clock.now()
        self._names[kind_of(url)] = tuple(limit.name for limit in limits)
        for limit in limits:
            ends_at = now + limit.seconds
            window = self._windows.get(limit.name)
            if window is None or ends_at > window.ends_at + _SAME_WINDOW:
                low = _LOW_ELSE if limit.quota is None else int(limit.quota * _LOW)
                self._windows[limit.name] = _Window(limit.left, ends_at, low)
            else:  # what is under way is not counted in it yet
                window.left = min(window.left, limit.left)
        self._weigh(now)

    def _weigh(self, now: float) -> None:
        self.scarce = any(self._is_low(window, now) for window in self._windows.values())

    @staticmethod
    def _is_low(window: _Window, now: float) -> bool:
        return window.left <= window.low and now < window.ends_at <= now + _LONGEST_WINDOW

    async def turn(self, url: str, tell: Callable[[str, float], None]) -> None:
        """Return when a request for `url` may go, so that what is left lasts until the window's end.

        `tell` hears why requests are held back and for how many seconds, once a window.
        """
        while self.shared and (seconds := self._wait(url, tell)) > 0:
            await self._clock.sleep(seconds)

    def _wait(self, url: str, tell: Callable[[str, float], None]) -> float:
        """Return the seconds until a turn; 0 takes it."""
        now = self._clock.now()
        self._weigh(now)
        names = self._names.get(kind_of(url), ())
        low = [window for name in names if (window := self._windows.get(name)) and self._is_low(window, now)]
        if not low:
            return 0.0
        ends_at = max(window.ends_at for window in low)
        if ends_at > self._told_until + _SAME_WINDOW:
            self._told_until = ends_at
            left = min(window.left for window in low)
            reason = ngettext(
                "{count} request is left for all that run",
                "{count} requests are left for all that run",
                left,
            )
            tell(reason.format(count=left), ends_at - now)
        free_at = max(window.ends_at if window.left <= 0 else window.free_at for window in low)
        if free_at > now:
            return free_at - now
        for window in low:
            window.free_at = now + (window.ends_at - now) / window.left
            window.left -= 1
        return 0.0
