"""How many uploads go side by side, on links of every kind; the links are a few lines of arithmetic."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from hubferry.stream.abreast import FEWEST, HORIZON, WINDOW, Abreast, Sending

MB = 10**6
STEP = 0.5


@dataclass
class Link:
    """A link that all share evenly, and each connection of which has a limit of its own."""

    rate: float
    each: float = 1e18
    noise: float = 0.0
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    def share(self, count: int) -> float:
        spread = 1 + self.chance.uniform(-self.noise, self.noise)
        return min(self.each, self.rate / count) * spread


@dataclass
class Outcome:
    """When each upload ended, how much was sent in all, how many went at once at most."""

    ends: list[float]
    sent: float
    most: int

    @property
    def total(self) -> float:
        return max(self.ends)


def run(sizes, link, *, most=12, adapts=True) -> Outcome:
    abreast, now, sent = Abreast(most), 0.0, 0.0
    waiting = {Sending(size): None for size in sorted(sizes, reverse=True)}
    active: list[Sending] = []
    outcome = Outcome([], 0, 0)

    def fill():
        while (one := abreast.choose(waiting, len(active))) is not None:
            del waiting[one]
            active.append(one)

    fill()
    while active:
        now += STEP
        share = link.share(len(active)) * STEP
        for one in list(active):
            if one not in active:
                continue
            count = int(min(share, one.left))
            one.sent += max(1, count)
            sent += count
            doomed = abreast.moved(count, now, active) if adapts else ()
            for other in doomed:
                active.remove(other)
                waiting[Sending(other.size)] = None
        for one in [one for one in active if not one.left]:
            active.remove(one)
            outcome.ends.append(now)
        fill()
        outcome.most = max(outcome.most, len(active))
        assert active or not waiting, "nobody goes although some wait"
    outcome.sent = sent
    return outcome


def both(sizes, link_of):
    return run(sizes, link_of()), run(sizes, link_of(), adapts=False)


def test_on_a_thin_link_something_is_finished_early_and_the_whole_takes_no_longer():
    ours, fixed = both([100 * MB] * 12, lambda: Link(0.5 * MB))
    assert min(ours.ends) < min(fixed.ends) / 4
    assert ours.total <= fixed.total * 1.03
    assert ours.sent <= sum([100 * MB] * 12) * 1.03


def test_an_interrupted_run_has_finished_as_many_as_the_link_allows():
    """Forty minutes of 1 MB/s are 24 shards of 100 MB; side by side they bring none for twenty minutes."""
    ours, fixed = both([100 * MB] * 24, lambda: Link(1 * MB))
    at = 19 * 60
    assert sum(end < at for end in ours.ends) >= 9
    assert sum(end < at for end in fixed.ends) == 0


def test_what_is_sent_again_stays_little_however_long_it_takes():
    ours = run([1000 * MB] * 15, Link(1 * MB))
    assert ours.sent <= 15_000 * MB * 1.02


@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize(
    ("sizes", "rate", "each"),
    [
        ([500 * MB] * 12, 12 * MB, 1 * MB),
        ([1000 * MB] * 12, 1000 * MB, 2 * MB),
        ([4000 * MB] * 30, 100 * MB, 9 * MB),
        ([50 * MB * n for n in range(1, 12)], 5 * MB, 0.4 * MB),
    ],
    ids=["latency", "each-limited", "large-shards", "mixed"],
)
def test_where_each_connection_is_limited_nothing_takes_longer(sizes, rate, each, noise):
    ours, fixed = both(sizes, lambda: Link(rate, each, noise))
    assert ours.total <= fixed.total * 1.03
    assert ours.sent <= sum(sizes) * 1.03


@pytest.mark.parametrize("rate", [20 * MB, 100 * MB, 1000 * MB])
def test_what_ends_within_a_minute_goes_as_it_always_did(rate):
    sizes = [300 * MB, 200 * MB, *[80 * MB] * 10, *[2 * MB] * 30]
    ours, fixed = both(sizes, lambda: Link(rate))
    assert ours == fixed


def test_small_blobs_go_side_by_side_on_a_thin_link():
    ours, fixed = both([MB // 2] * 300, lambda: Link(0.5 * MB, 0.1 * MB))
    assert ours == fixed
    assert ours.most == 12


def test_small_ones_go_beside_large_ones_that_were_made_fewer():
    sizes = [400 * MB] * 12 + [MB // 4] * 100
    ours, fixed = both(sizes, lambda: Link(1 * MB))
    assert ours.total <= fixed.total * 1.03
    assert sorted(ours.ends)[100] < sorted(fixed.ends)[100]


def test_a_link_that_gets_faster_is_used():
    link = Link(0.5 * MB)

    class Growing(Link):
        taken = 0

        def share(self, count):
            self.taken += 1
            self.rate = 0.5 * MB if self.taken * STEP < 300 else 60 * MB
            self.each = 6 * MB
            return super().share(count)

    sizes = [900 * MB] * 30
    ours = run(sizes, Growing(link.rate))
    fixed = run(sizes, Growing(link.rate), adapts=False)
    assert ours.most == 12
    assert ours.total <= fixed.total * 1.05


def moved(abreast, active, rate, start, windows=1):
    """Let windows pass; return what was put back."""
    doomed = []
    for _number in range(windows):
        start += WINDOW
        doomed = abreast.moved(int(rate * WINDOW), start, active)
        if doomed:
            break
    return doomed


def begun(abreast, sizes):
    active = [Sending(size) for size in sizes]
    abreast.moved(0, 0.0, active)
    return active


def test_nothing_is_put_back_after_one_slow_window():
    abreast = Abreast(8)
    active = begun(abreast, [100 * MB] * 8)
    assert not moved(abreast, active, MB, 0.0)
    assert not moved(abreast, active, 100 * MB, WINDOW)
    assert not moved(abreast, active, MB, 2 * WINDOW)
    assert len(moved(abreast, active, MB, 3 * WINDOW)) == 4


def test_what_has_sent_much_is_not_put_back():
    abreast = Abreast(8)
    active = begun(abreast, [100 * MB] * 8)
    for one in active[:7]:
        one.sent = 20 * MB
    assert moved(abreast, active, MB, 0.0, windows=3) == [active[7]]


def test_those_that_end_soonest_stay():
    abreast = Abreast(8)
    active = begun(abreast, [(100 + n) * MB for n in range(8)])
    assert set(moved(abreast, active, MB, 0.0, windows=3)) == set(active[4:])


@pytest.mark.parametrize("count", [1, FEWEST])
def test_two_are_never_made_fewer(count):
    abreast = Abreast(8)
    active = begun(abreast, [10**12] * count)
    assert not moved(abreast, active, 1000, 0.0, windows=50)
    assert abreast.limit == 8


def test_the_largest_that_ends_in_time_begins_first_else_the_smallest():
    abreast = Abreast(8)
    active = begun(abreast, [1000 * MB] * 8)
    moved(abreast, active, MB, 0.0, windows=3)
    waiting = [Sending(size * MB) for size in (900, 29, 31, 5)]
    assert abreast.rate * HORIZON == 60 * MB
    assert abreast.choose(waiting, 1) is waiting[1]
    assert abreast.choose(waiting[:1] + waiting[2:], 1) is waiting[3]
    assert abreast.choose([waiting[0], waiting[2]], 1) is waiting[2]
    assert abreast.choose([waiting[0]], abreast.limit) is None
    assert abreast.choose([], 0) is None
    assert abreast.choose(waiting, 8) is None
