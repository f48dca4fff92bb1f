"""The links that copies are measured on, and what each of them allows at best. Pure."""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Rates:
    """What one hub's side of a link lets through; the same in each direction.

    Attributes:
        connection: Bytes a second over one connection, None for no limit.
        total: Bytes a second over all connections, None for no limit.
        latency: Seconds that each request waits before it is looked at.
    """

    connection: float | None = None
    total: float | None = None
    latency: float = 0.0


@dataclass(frozen=True, slots=True)
class Link:
    """The way between a client and the two hubs.

    Attributes:
        name: What the tables call it.
        source: On the side of the source.
        destination: On the side of the destination.
        encrypted: Whether nginx stands before both hubs with TLS 1.3.
    """

    name: str
    source: Rates
    destination: Rates
    encrypted: bool = False

    def limit(self, size: int, largest: int) -> float | None:
        """Return the seconds that `size` bytes cannot undercut when the largest blob has `largest` bytes.

        A blob goes to the destination in one PUT, so over one connection; from the source it comes in ranges.
        """
        times = [size / rates.total for rates in (self.source, self.destination) if rates.total]
        if self.destination.connection:
            times.append(largest / self.destination.connection)
        return max(times, default=None)


_WAN = Rates(25 * MEGABYTE, 100 * MEGABYTE, 0.030)
LINKS = {
    link.name: link
    for link in (
        Link("open-tls", Rates(), Rates(), encrypted=True),
        Link("wan-tls", _WAN, _WAN, encrypted=True),
        Link("open", Rates(), Rates()),
        Link("wan", _WAN, _WAN),
        Link(
            "border",
            Rates(5 * MEGABYTE, 50 * MEGABYTE, 0.150),
            Rates(50 * MEGABYTE, 50 * MEGABYTE, 0.030),
        ),
    )
}


class Bucket:
    """A rate, shared by whoever takes from it."""

    def __init__(self, rate: float | None) -> None:
        """Begin full; `rate` is in bytes a second, None for no limit."""
        self._rate = rate
        self._free_at = 0.0

    def take(self, count: int, now: float, credit: float = 0.0) -> float:
        """Return the moment at which `count` more bytes have passed.

        Args:
            count: Bytes.
            now: Seconds, on the clock of the answer.
            credit: Seconds of unused rate that may be used afterwards. A link keeps none for who was idle;
                who was kept waiting by a late timer must get it back.
        """
        if self._rate is None:
            return now
        self._free_at = max(self._free_at, now - credit) + count / self._rate
        return self._free_at
