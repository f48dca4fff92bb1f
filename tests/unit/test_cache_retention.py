"""What pruning lets go of."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as some

from hubferry.cache.retention import Candidate, Policy, Reason, choose, evict, total

DAY = 86400.0
NOW = 1000 * DAY


def model(name, *, days=0, size=10, **rest):
    return Candidate(name, NOW - days * DAY, extents={name: size}, **rest)


def chosen(models, **policy):
    return choose(models, Policy(**policy), now=NOW)


def test_the_oldest_use_goes_first_and_no_more_than_the_size_demands():
    models = [model("new", days=1), model("oldest", days=9), model("older", days=5)]
    assert chosen(models, max_size=25) == {"oldest": Reason.SIZE}
    assert list(chosen(models, max_size=10)) == ["oldest", "older"]
    assert chosen(models, max_size=30) == {}


def test_what_was_not_used_for_long_goes():
    models = [model("a", days=31), model("b", days=30), model("c", days=2)]
    assert chosen(models, older_than=30 * DAY) == {"a": Reason.OLD}


def test_the_last_ones_stay_and_alone_that_means_all_others_go():
    models = [model(name, days=days) for name, days in (("a", 1), ("b", 2), ("c", 3))]
    assert chosen(models, keep_last=1) == {"c": Reason.SURPLUS, "b": Reason.SURPLUS}
    assert list(chosen(models, keep_last=0)) == ["c", "b", "a"]
    assert chosen(models, keep_last=9) == {}


def test_the_last_ones_stay_whatever_the_other_limits_say():
    models = [model("a", days=40), model("b", days=50), model("c", days=60)]
    assert chosen(models, older_than=30 * DAY, keep_last=2) == {"c": Reason.OLD}
    assert chosen(models, max_size=0, keep_last=2) == {"c": Reason.SIZE}


def test_unfinished_models_go_however_new_and_do_not_count_among_the_last():
    models = [model("a", days=0, partial=True), model("b", days=2), model("c", days=3)]
    assert chosen(models, partial=True) == {"a": Reason.PARTIAL}
    assert chosen(models, partial=True, keep_last=1) == {"c": Reason.SURPLUS, "a": Reason.PARTIAL}


def test_what_is_pinned_or_held_stays():
    models = [model("a", days=90, protected=True), model("b", days=80)]
    assert chosen(models, older_than=DAY) == {"b": Reason.OLD}
    assert chosen(models, max_size=0) == {"b": Reason.SIZE}
    assert chosen([model("a", partial=True, protected=True)], partial=True) == {}


def test_what_was_not_yet_published_stays_when_asked():
    models = [model("a", days=90), model("b", days=80, published=True)]
    assert chosen(models, older_than=DAY, keep_unpublished=True) == {"b": Reason.OLD}
    assert list(chosen(models, older_than=DAY)) == ["a", "b"]


def test_bytes_that_two_models_share_count_once():
    one = Candidate("one", NOW - 9, extents={"shared": 100, "own": 10})
    two = Candidate("two", NOW - 8, extents={"shared": 100})
    assert chosen([one, two], max_size=110) == {}
    assert chosen([one, two], max_size=100) == {"one": Reason.SIZE}
    assert list(chosen([one, two], max_size=99)) == ["one", "two"]


def test_revisions_that_are_all_links_stay_where_their_going_frees_nothing():
    """A mirror's tags: directories of commits, which share their weights with the branch by link."""
    tags = [Candidate(f"model@{n}", NOW - 90 + n, extents={"weights": 100, n: 1}) for n in range(9)]
    branch = Candidate("model", NOW - 1, extents={"weights": 100, "card": 1})
    other = Candidate("other", NOW - 9, extents={"others": 100})
    assert chosen([*tags, branch, other], max_size=120) == {"other": Reason.SIZE}
    assert list(chosen([*tags, branch, other], max_size=50)) == [
        *(one.name for one in tags),
        "other",
        "model",
    ]


def test_a_policy_that_demands_nothing_says_so():
    assert Policy(keep_unpublished=True).is_empty
    assert not Policy(keep_last=0).is_empty
    assert chosen([model("a", days=999)], keep_unpublished=True) == {}


CANDIDATES = some.lists(
    some.builds(
        Candidate,
        some.text("abcdef", min_size=1, max_size=3),
        some.floats(0, NOW),
        some.dictionaries(some.integers(0, 5), some.just(7), max_size=4),
        some.booleans(),
        some.booleans(),
        some.booleans(),
    ),
    unique_by=lambda candidate: candidate.name,
    max_size=8,
)


@given(CANDIDATES, some.integers(0, 40), some.none() | some.integers(0, 4), some.booleans())
def test_the_size_holds_unless_something_protects_the_rest(candidates, most, keep_last, keep_unpublished):
    policy = Policy(max_size=most, keep_last=keep_last, keep_unpublished=keep_unpublished)
    gone = choose(candidates, policy, now=NOW)
    by_age = sorted(candidates, key=lambda one: (one.used, one.name))
    assert list(gone) == [one.name for one in by_age if one.name in gone]
    recent = {one.name for one in by_age[len(by_age) - min(len(by_age), keep_last or 0) :]}
    stays = [one for one in by_age if one.name not in gone]
    assert not gone.keys() & recent
    assert not any(one.name in gone and one.protected for one in candidates)
    left = {extent for one in stays for extent in one.extents}
    spare = [
        one
        for one in stays
        if not (one.protected or one.name in recent or (keep_unpublished and not one.published))
    ]
    assert len(left) * 7 <= most or not spare


def test_room_is_made_by_what_is_published_then_by_the_rest_the_oldest_use_first():
    models = [
        model("new", days=1, published=True),
        model("old", days=9),
        model("older", days=10),
        model("oldest", days=12, published=True),
    ]
    assert evict(models, 5) == ["oldest"]
    assert evict(models, 11) == ["oldest", "new"]
    assert evict(models, 40) == ["oldest", "new", "older", "old"]
    assert evict(models, 0) == evict(models, -5) == []


def test_room_that_cannot_be_made_is_not_made_by_half():
    models = [model("pinned", days=9, protected=True), model("other", days=1)]
    assert evict(models, 10) == ["other"]
    assert evict(models, 11) is None


def test_nothing_goes_that_would_free_nothing():
    shared = Candidate("a", NOW - 9 * DAY, extents={"x": 10})
    stays = Candidate("pinned", NOW, extents={"x": 10}, protected=True)
    assert evict([shared, stays, model("b", days=1)], 10) == ["b"]
    twin = Candidate("c", NOW - 8 * DAY, extents={"x": 10})
    assert evict([shared, twin, model("b", days=1)], 10) == ["a", "c"]


@given(
    some.lists(
        some.builds(
            Candidate,
            some.uuids().map(str),
            some.floats(0, 9),
            some.dictionaries(some.integers(0, 5), some.integers(0, 50), max_size=3),
            published=some.booleans(),
            protected=some.booleans(),
        ),
        max_size=8,
    ),
    some.integers(-10, 200),
)
def test_whatever_goes_frees_enough_and_was_not_protected(candidates, wanted):
    sizes = {}
    for one in candidates:  # one extent has one size
        for extent, size in one.extents.items():
            sizes.setdefault(extent, size)
    candidates = [replace(one, extents={at: sizes[at] for at in one.extents}) for one in candidates]
    gone = evict(candidates, wanted)
    rest = [one for one in candidates if one.protected or one.name not in (gone or ())]
    if gone is None:
        staying = [one for one in candidates if one.protected]
        assert total(candidates) - total(staying) < wanted
    else:
        assert not {one.name for one in candidates if one.protected} & set(gone)
        assert total(candidates) - total(rest) >= wanted
