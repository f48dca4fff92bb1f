"""How long to go on asking a hub that fails in passing: by the time without progress, not by counting tries.

What all requests to one hub have in common is an `Account`: when it was last heard, until when it asked for
a pause, how far apart tries may be. What one operation has tried is a `Trial`.

Wire facts: Hugging Face counts in windows of five minutes, and its 429 says when the window ends
(`RateLimit: "resolvers";r=0;t=…`); ModelScope's commit throttle may ask for half an hour (docs/hubs.md).
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from hubferry import units
from hubferry.errors import BusyError, ConflictError, HubferryError, NetworkError
from hubferry.events import Retrying
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from hubferry.errors import Kind
    from hubferry.events import Listener

_WAITS: dict[Kind, tuple[float, float]] = {
    "refused": (1.0, 5.0),
    "silent": (1.0, 5.0),
    "failing": (1.0, 15.0),
    "busy": (5.0, 30.0),
    "limited": (10.0, 60.0),
}
"""Seconds before the second try, and most before any. Asking a hub that is not there costs nobody anything;
one that was silent has taken its time already; one that counts requests counts these, too."""
_PACE = 1.0
"""Seconds between two tries at a hub that is not heard, whoever makes them."""
_DOUBLINGS = 64.0
"""Most that a wait grows to, in first waits, where HUBFERRY_RETRY_WAIT names the first."""
_SPREAD = 1.25
"""A wait is up to a fourth longer, by chance: nobody comes back in step with others."""
_LONGEST_SPREAD = 2.0
_SILENCE = 60.0
"""Seconds of a try that count as waiting: after that much silence it would have ended, the rest was work."""
_ROUNDING = 2.0
"""Seconds by which a pause that a hub names in whole seconds may exceed the patience."""
_WHEN_DOUBTFUL = 0.1
"""Of the patience: for what may be a mistake in what was typed, as long as the hub was never heard."""
_RAMP = 1 / 64
"""Of the pace: tries that are closer together than that need not be kept apart."""
_LATER: dict[Kind, float] = {"limited": 3600.0}
_LATER_ELSE = 900.0
"""Seconds after which to come again where the hub named no time: limits that outlast us are by the hour."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Time, as tests may replace it.

    Attributes:
        now: Seconds of a steady clock.
        sleep: Wait for seconds.
        wall: Seconds since 1970, for the times that a person reads.
    """

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    wall: Callable[[], float] = time.time


CLOCK = Clock()


@dataclass(frozen=True, slots=True)
class Policy:
    """How stubborn to be.

    Attributes:
        patience: Seconds without any progress before giving up.
        attempts: Tries of one operation without progress at most; None to go by time alone.
        first: Seconds before the second try; None for what its failure's kind calls for.
    """

    patience: float = 300.0
    attempts: int | None = None
    first: float | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Policy:
        """Read HUBFERRY_PATIENCE (minutes), HUBFERRY_RETRIES (tries after the first), HUBFERRY_RETRY_WAIT."""
        minutes = _number(environment.get("HUBFERRY_PATIENCE", ""))
        retries = _number(environment.get("HUBFERRY_RETRIES", ""))
        return cls(
            patience=cls().patience if minutes is None else minutes * 60,
            attempts=None if retries is None else int(retries) + 1,
            first=_number(environment.get("HUBFERRY_RETRY_WAIT", "")),
        )

    @property
    def pace(self) -> float:
        """Seconds between two tries at a hub that is not heard: one, unless less was asked for."""
        return _PACE if self.first is None else min(_PACE, self.first)

    def wait(self, failures: int, kind: Kind) -> float:
        """Return the seconds to wait after so many failures in a row: doubled each time, spread by chance."""
        first, longest = _WAITS[kind]
        if self.first is not None:
            first, longest = self.first, min(max(longest, self.first), self.first * _DOUBLINGS)
        return _spread(min(longest, first * 2.0 ** min(failures - 1, 60)))


def _number(text: str) -> float | None:
    """Read a number that may be set; None for what is none, or below zero."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < math.inf else None


def _spread(seconds: float) -> float:
    return seconds * random.uniform(1.0, _SPREAD)  # noqa: S311 - spreads retries, guards nothing


class Account:
    """What this process knows of one hub; all that ask it share one, and wait together."""

    def __init__(self, policy: Policy, clock: Clock = CLOCK) -> None:
        """Begin without trouble."""
        self.policy = policy
        self.clock = clock
        self.heard_at = -math.inf
        self._failed_at = -math.inf
        self._resume_at = -math.inf
        self._told: BusyError | None = None
        self._spacing = 0.0
        self._free_at = -math.inf

    def progressed(self) -> None:
        """Say that the hub was heard: a byte came, a request was answered."""
        self.heard_at = self.clock.now()

    def failed(self, error: HubferryError) -> None:
        """Say that a request failed in passing; when the hub names a pause, nobody asks before its end."""
        now = self.clock.now()
        self._failed_at = now
        asked = _asked(error)
        if asked is not None and isinstance(error, BusyError):
            until = now + min(_spread(asked), asked + _LONGEST_SPREAD)
            self._told = error
            self._resume_at = max(self._resume_at, until)

    @property
    def pause(self) -> float:
        """Seconds until the end of the pause that the hub asked for; not above zero when there is none."""
        return self._resume_at - self.clock.now()

    async def turn(self, left: float | None = None) -> None:
        """Return when the next request may go: after a pause, and one at a time while the hub is not heard.

        Args:
            left: Seconds of patience left; all of it if None.

        Raises:
            BusyError: The hub asked for a pause that is longer.
        """
        left = self.policy.patience if left is None else left
        while (seconds := self._until_turn(left)) > 0:
            before = self.clock.now()
            await self.clock.sleep(seconds)
            left -= self.clock.now() - before

    def _until_turn(self, left: float) -> float:
        if self._told is not None:
            pause = self.pause
            if pause > 0:
                if pause > left + 2 * _ROUNDING:
                    told = BusyError(self._told.message, side=self._told.side, retry_after=pause)
                    raise come_again(told, self.clock, pause)
                return pause
            self._told, self._spacing = None, self.policy.pace
        now, pace = self.clock.now(), self.policy.pace
        troubled = self._failed_at > self.heard_at and now - self.heard_at >= pace
        if troubled:
            self._spacing = pace
        if not self._spacing:
            return 0.0
        if now < self._free_at:
            return self._free_at - now
        self._free_at = now + self._spacing
        if not troubled:  # heard again: twice as many each time, until nobody has to wait
            self._spacing = self._spacing / 2 if self._spacing > pace * _RAMP else 0.0
        return 0.0


_accounts: WeakValueDictionary[tuple[str, str | None, Policy], Account] = WeakValueDictionary()


def account_at(hub: str, endpoint: str | None, policy: Policy) -> Account:
    """Return the account of a hub: one in this process, for as long as somebody holds it."""
    key = (hub, endpoint and endpoint.rstrip("/"), policy)
    account = _accounts.get(key)
    if account is None:
        account = _accounts[key] = Account(policy)
    return account


class Trial:
    """The tries of one operation at a hub."""

    def __init__(self, account: Account) -> None:
        """Begin before the first try."""
        self._account = account
        self._since: float | None = None
        self._began = account.clock.now()
        self._held = 0.0
        self.failures = 0

    async def begin(self) -> None:
        """Wait for the turn of the next try.

        Raises:
            BusyError: The hub asked for a pause that is longer than the patience left.
        """
        await self._account.turn(self._left())
        self._began = self._account.clock.now()

    def progressed(self) -> None:
        """Say that this very operation got on: what it failed before counts no more."""
        self.failures, self._since = 0, None
        self._account.progressed()

    async def failed(
        self, error: HubferryError, what: str, listen: Listener, most: int | None = None
    ) -> None:
        """Take a failure; return when it has been waited for long enough.

        Args:
            error: Raised again, with the time to come again, when there is no patience left.
            what: What was being done, which the person hears while it is waited for.
            listen: Hears of the wait.
            most: Tries at most; those of the policy if None.
        """
        if not error.retryable:
            raise error
        self.failures += 1
        account, policy, clock = self._account, self._account.policy, self._account.clock
        # A file that does not come as it is listed has a patience of its own: that others come renews none.
        self._reckon(error, renewed=isinstance(error, NetworkError))
        self._held += error.held
        error.held = self._held  # whoever tries this as a whole hears of all of it
        account.failed(error)
        kind = error.kind if isinstance(error, NetworkError) else "failing"
        asked, left = _asked(error), self._left(error)
        most = policy.attempts if most is None else most
        if left <= 0 or (asked or 0.0) > left + _ROUNDING or (most is not None and self.failures >= most):
            raise error if self._may_be_a_mistake(error) else come_again(error, clock, asked)
        # The last try is made at the very end of the patience: a window of as many minutes is over then.
        own = policy.pace if asked is not None else min(left, policy.wait(self.failures, kind))
        seconds = max(own, account.pause)
        listen(
            Retrying(error.doing or what, error.message, self.failures, seconds, kind, clock.wall() + seconds)
        )
        await clock.sleep(seconds)

    def _reckon(self, error: HubferryError, *, renewed: bool) -> None:
        """Move the begin of the time without progress: behind what was heard, and by what was no waiting."""
        now = self._account.clock.now()
        if self._since is None:
            self._since = now
            return
        self._since += error.held + max(0.0, now - self._began - error.held - _SILENCE)
        heard_at = self._account.heard_at if renewed else -math.inf
        self._since = min(now, max(self._since, heard_at))

    def _left(self, error: HubferryError | None = None) -> float:
        """Return the seconds of patience left; little, where `error` may be somebody's mistake."""
        patience = self._account.policy.patience * (_WHEN_DOUBTFUL if self._may_be_a_mistake(error) else 1.0)
        return patience - (0.0 if self._since is None else self._account.clock.now() - self._since)

    def _may_be_a_mistake(self, error: HubferryError | None) -> bool:
        """Return whether `error` may come from what was typed: nobody has been heard under that name."""
        return isinstance(error, NetworkError) and error.doubtful and self._account.heard_at == -math.inf


def _asked(error: HubferryError) -> float | None:
    """Return the seconds that the hub named, None where it named none that is to be believed."""
    asked = error.retry_after if isinstance(error, BusyError) else None
    return asked if asked is not None and asked > 0 else None


def come_again(error: HubferryError, clock: Clock, asked: float | None = None) -> HubferryError:
    """Add to an error when to come again; `asked` is what the hub named, in seconds from now."""
    if isinstance(error, ConflictError):
        return error  # others were faster: nothing has to pass first
    kind = error.kind if isinstance(error, NetworkError) else "failing"
    now = clock.wall()
    at = now + (_LATER.get(kind, _LATER_ELSE) if asked is None else asked)
    sentence = _("Come again after {time}; what has arrived is kept, and the same command continues there.")
    sentence = sentence.format(time=units.clock(math.ceil(at / 60) * 60, now))
    other = None if isinstance(error, BusyError) else error.hint
    blank = "" if other and other.endswith("。") else " "
    error.hint = f"{other}{blank}{sentence}" if other else sentence
    return error
