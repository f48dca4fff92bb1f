"""The links of the benchmark: what they allow, and that nothing gets past them."""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING

import pytest
from benchmarks.flow import Flow
from benchmarks.links import LINKS, Bucket, Rates

if TYPE_CHECKING:
    from collections.abc import Callable

GIBIBYTE = 1 << 30
SHARD = 240 << 20


class Timer:
    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.callback = None


class Clock:
    """A loop's clock that is at the next timer as soon as one looks."""

    def __init__(self) -> None:
        self.now = 0.0
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], object], /) -> Timer:
        timer = Timer(callback)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    def run(self) -> None:
        while self._timers:
            when, _, timer = heapq.heappop(self._timers)
            self.now = max(self.now, when)
            if timer.callback is not None:
                timer.callback()


@pytest.mark.parametrize(
    ("link", "largest", "seconds"),
    [
        ("wan", SHARD, 10.7),
        ("wan", GIBIBYTE, 42.9),
        ("border", SHARD, 21.5),
        ("border", GIBIBYTE, 21.5),
    ],
)
def test_the_limit_is_the_slower_of_the_whole_and_the_largest_blob(
    link: str, largest: int, seconds: float
) -> None:
    assert LINKS[link].limit(GIBIBYTE, largest) == pytest.approx(seconds, abs=0.1)


def test_an_open_link_has_no_limit() -> None:
    assert LINKS["open"].limit(GIBIBYTE, GIBIBYTE) is None


def test_a_bucket_lets_no_more_pass_than_its_rate() -> None:
    bucket = Bucket(1000)
    now = 50.0
    for _ in range(100):
        now = bucket.take(40, now)
    assert now - 50.0 == pytest.approx(100 * 40 / 1000)


def test_who_was_kept_waiting_gets_the_rate_back() -> None:
    bucket = Bucket(1000)
    now = 50.0
    for _ in range(100):
        now = bucket.take(40, now, credit=0.1) + 0.01  # every timer comes 10 ms late
    assert now - 50.0 == pytest.approx(4.0, abs=0.11)


def test_who_was_idle_gets_nothing_back() -> None:
    clock, passed = Clock(), bytearray()
    flow = Flow(Rates(1e6, 4e6), Bucket(4e6), clock, passed.extend)
    for _ in range(5):
        clock.now += 1.0
        before = clock.now
        flow.push(bytes(100_000))
        clock.run()
        assert clock.now - before == pytest.approx(0.1)


@pytest.mark.parametrize(("flows", "rate"), [(1, 1e6), (2, 2e6), (8, 4e6)])
def test_connections_get_their_own_rate_until_they_fill_the_link(flows: int, rate: float) -> None:
    clock, passed = Clock(), bytearray()
    rates = Rates(1e6, 4e6)
    shared = Bucket(rates.total)
    content = bytes(range(250)) * 4000
    for _ in range(flows):
        Flow(rates, shared, clock, passed.extend).push(content)
    clock.run()
    assert len(passed) == flows * len(content)
    assert clock.now == pytest.approx(len(passed) / rate, rel=0.05)


def test_bytes_keep_their_order_and_wait_while_the_receiver_takes_nothing() -> None:
    clock, passed = Clock(), bytearray()
    flow = Flow(Rates(1e6, 1e6), Bucket(1e6), clock, passed.extend)
    content = bytes(range(256)) * 512
    flow.blocked = True
    flow.push(content[:70_000])
    flow.push(content[70_000:])
    clock.run()
    assert (bytes(passed), flow.held) == (b"", len(content))
    flow.unblock()
    clock.run()
    assert (bytes(passed), flow.held) == (content, 0)


def test_an_open_flow_hands_on_at_once_what_it_was_given() -> None:
    passed: list[bytes | memoryview] = []
    flow = Flow(Rates(), Bucket(None), Clock(), passed.append)
    flow.push(content := bytes(1_000_000))
    assert passed[0] is content


def test_what_is_forgotten_never_arrives() -> None:
    clock, passed = Clock(), bytearray()
    flow = Flow(Rates(1e6, 1e6), Bucket(1e6), clock, passed.extend)
    flow.push(bytes(500_000))
    before = len(passed)
    flow.clear()
    clock.run()
    assert (len(passed), flow.held) == (before, 0)
