"""How a repository is cut, and who of many workers has how many connections: decided without any of them."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from hubferry.budget.commits import StateKeeper
from hubferry.events import Note
from hubferry.model import Blob
from hubferry.sync.on_ray.desk import Desk
from hubferry.sync.on_ray.leases import SILENT_SECONDS, Leases
from hubferry.sync.on_ray.messages import Beat, Wanted
from hubferry.sync.on_ray.shares import cut

HUB = "https://hub.example.com"
ACTS = ("beat", "open", "close", "die", "desk")


@given(st.lists(st.integers(0, 10**12), max_size=60), st.integers(1, 9))
def test_every_blob_is_in_one_share_and_no_share_is_much_larger_than_another(sizes, count):
    blobs = [Blob(f"{number:064}", size, f"f{number}") for number, size in enumerate(sizes)]
    shares = cut(blobs, count)
    assert sorted(blob.sha256 for share in shares for blob in share) == [blob.sha256 for blob in blobs]
    assert len(shares) == min(count, len(blobs))
    assert all(shares)
    totals = [sum(blob.size for blob in share) for share in shares]
    assert not totals or max(totals) - min(totals) <= max(sizes)


def test_a_large_blob_is_worth_several_small_ones():
    blobs = [Blob(f"{number:064}", size, f"f{number}") for number, size in enumerate((3, 3, 3, 10))]
    assert [[blob.size for blob in share] for share in cut(blobs, 2)] == [[10], [3, 3, 3]]


def test_the_same_blobs_are_cut_the_same_way_in_whatever_order_they_come():
    blobs = [Blob(f"{number:064}", 100 - number, f"f{number}") for number in range(20)]
    mixed = random.Random(1).sample(blobs, len(blobs))
    assert cut(blobs, 3) == cut(mixed, 3)


class Workers:
    """Workers that open what they may, close what they may not, die, and come anew; and a desk for them."""

    def __init__(self, most):
        self.most, self.leases, self.now = most, Leases(), 0.0
        self.may, self.open = {}, {}

    def beat(self, name):
        wanted = {HUB: Wanted(self.most, self.may.get(name, 0), self.open.get(name, 0))}
        self.may[name] = self.leases.renew(name, wanted, self.now)[HUB]

    @property
    def all_open(self):
        return sum(self.open.values())


@settings(max_examples=200)
@given(st.integers(1, 12), st.lists(st.tuples(st.integers(0, 2), st.sampled_from(ACTS)), max_size=120))
def test_all_together_never_have_more_than_there_are(most, acts):
    workers = Workers(most)
    for name, act in acts:
        workers.now += 0.1
        if act == "beat":
            workers.beat(name)
        elif act == "open":
            workers.open[name] = max(workers.open.get(name, 0), workers.may.get(name, 0))
        elif act == "close":
            workers.open[name] = min(workers.open.get(name, 0), workers.may.get(name, 0))
        elif act == "die":
            workers.open.pop(name, None)
            workers.may.pop(name, None)
            workers.leases.leave(name)
        else:  # another desk, and everybody is heard before it gives more
            workers.leases = Leases(workers.now + 0.01)
            for other in list(workers.may):
                workers.beat(other)
            workers.now += 0.1
        assert workers.all_open <= most


def test_everybody_gets_a_fair_share_after_a_few_beats():
    workers = Workers(8)
    for _round in range(4):
        for name in range(3):
            workers.beat(name)
            workers.open[name] = workers.may[name]
    assert sorted(workers.may.values()) == [2, 2, 2]
    workers.leases.leave(2)
    workers.open.pop(2)
    for _round in range(3):
        for name in range(2):
            workers.beat(name)
            workers.open[name] = workers.may[name]
    assert [workers.may[0], workers.may[1]] == [4, 4]


def test_what_is_open_counts_until_it_is_closed():
    workers = Workers(4)
    workers.beat("a")
    workers.open["a"] = workers.may["a"]
    workers.beat("b")
    workers.beat("a")
    workers.beat("b")
    assert (workers.may["a"], workers.may["b"]) == (2, 0)
    workers.open["a"] = 2
    workers.beat("a")
    workers.beat("b")
    assert (workers.may["a"], workers.may["b"]) == (2, 2)


def test_a_new_desk_gives_nobody_more_before_it_has_heard_everybody():
    workers = Workers(4)
    for _round in range(2):
        for name in "ab":
            workers.beat(name)
            workers.open[name] = workers.may[name]
    workers.leases = Leases(settled_at=workers.now + 4)
    workers.beat("a")
    workers.beat("c")
    assert (workers.may["a"], workers.may["c"]) == (2, 0)


def test_who_has_two_keeps_two():
    workers = Workers(2)
    workers.beat("a")
    workers.open["a"] = workers.may["a"]
    for _round in range(5):
        workers.beat("b")
        workers.beat("a")
    assert (workers.may["a"], workers.may["b"]) == (2, 0)


def test_who_says_nothing_for_long_has_gone():
    workers = Workers(2)
    workers.beat("a")
    workers.now = SILENT_SECONDS + 1
    workers.beat("b")
    assert workers.may["b"] == 2


def test_a_desk_passes_on_what_happened_once():
    desk = Desk()
    desk.beat(Beat("w", 3, 1, (Note("one"), Note("two"))))
    assert desk.collect() == [(3, 1, Note("one")), (3, 1, Note("two"))]
    assert desk.collect() == []


def test_a_desk_counts_commits_where_the_next_one_finds_them(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert Desk().reserve_commit(HUB, 1) == 0.0
    assert Desk(again=True).reserve_commit(HUB, 1) > 0
    assert StateKeeper().reserve_now(HUB, 1) > 0
