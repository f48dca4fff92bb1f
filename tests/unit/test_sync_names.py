"""What becomes of each tag and branch, decided from what was seen; no hub is asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hubferry.catalog import Reference, References
from hubferry.names.model import HEAD, Place, Powers, Seen, Way
from hubferry.names.plan import plan_names
from hubferry.names.rules import Names

ALL = Names()
HF, MS = Powers("hf.example"), Powers("ms.example", branches=False)


def commit(number: int) -> str:
    return f"{number:040x}"


def seen(*tags: str, there=(), powers=HF, **more) -> Seen:
    """Three commits and the head; each tag is `name=place`, those of `there` are at the target."""
    places, references = {}, []
    for word in tags:
        name, _equals, at = word.partition("=")
        line, _comma, off = at.partition(",")
        places[name] = Place(float(line), int(off or 0))
        references.append(Reference(name, commit(int(-float(line)) + 100 * int(off or 0))))
    target = References(
        "main", (Reference("main", "t"),), tuple(Reference(name, f"t-{name}") for name in there)
    )
    source = References("main", (Reference("main", commit(0)),), tuple(references))
    made = Seen(source, target, powers, tags=ALL, head=commit(0), places=places, holds=HEAD)
    return replace(made, **more)


def ways(made: Seen) -> dict[str, Way]:
    return {step.name: step.way for step in plan_names(made).steps}


def test_on_a_new_mirror_each_tag_is_a_commit_in_order_and_the_heads_tag_comes_with_it():
    made = plan_names(seen("v2=-1", "v1=-5", "v3=0", fresh=True, target=None, holds=None))
    assert [(step.name, step.way) for step in made.steps] == [
        ("v1", Way.LINE),
        ("v2", Way.LINE),
        ("v3", Way.HEAD),
    ]


@pytest.mark.parametrize(("powers", "way"), [(HF, Way.BESIDE), (MS, Way.LEFT_OUT)])
def test_a_tag_that_is_not_later_than_what_the_branch_holds_never_goes_on_it(powers, way):
    assert ways(seen("old=-3", "new=-1", powers=powers, holds=Place(-2.0))) == {"old": way, "new": Way.LINE}
    assert ways(seen("at=-2", powers=powers, holds=Place(-2.0))) == {"at": way}


@pytest.mark.parametrize(("powers", "way"), [(HF, Way.BESIDE), (MS, Way.LEFT_OUT)])
def test_where_nobody_can_tell_what_the_branch_holds_no_tag_goes_on_it(powers, way):
    assert ways(seen("old=-3", powers=powers, holds=None)) == {"old": way}
    assert ways(seen("old=-3", powers=powers, places={})) == {"old": way}


def test_a_tag_on_a_branch_of_the_source_goes_on_a_new_line_only_where_there_is_no_other_way():
    new = {"fresh": True, "target": None, "holds": None}
    assert ways(seen("v1=-4", "v1.1=-4,2", "v2=-2", **new)) == {
        "v1": Way.LINE,
        "v2": Way.LINE,
        "v1.1": Way.BESIDE,
    }
    made = plan_names(seen("v1=-4", "v1.1=-4,2", "v2=-2", powers=MS, **new))
    assert [step.name for step in made.steps] == ["v1", "v1.1", "v2"]
    assert ways(seen("v1.1=-1,2", powers=MS, holds=Place(-2.0))) == {"v1.1": Way.LEFT_OUT}


def test_what_the_branch_shows_is_tagged_before_anything_is_committed():
    made = plan_names(seen("v1=-4", "v2=-2", here=frozenset({"v1"}), holds=Place(-4.0)))
    assert [(step.name, step.way) for step in made.steps] == [("v1", Way.HERE), ("v2", Way.LINE)]


def test_a_tag_that_is_there_is_right_by_memory_or_by_its_content():
    known = {"v1": (commit(4), "t-v1"), "v2": (commit(4), "t-v2")}
    made = seen("v1=-4", "v2=-2", "v3=-1", there=("v1", "v2", "v3"), known=known, shown={"v3": True})
    assert ways(made) == {"v1": Way.SAME, "v2": Way.MOVED, "v3": Way.SAME}
    assert ways(replace(made, shown={"v2": True, "v3": False}))["v2"] is Way.SAME


def test_a_hub_that_says_neither_commit_nor_time_is_never_taken_by_memory():
    made = seen("v1=-4", there=("v1",), known={"v1": (commit(4), "")})
    silent = References("master", (), (Reference("v1"),))
    assert ways(replace(made, target=silent)) == {"v1": Way.MOVED}


def test_the_time_of_a_tag_tells_one_meaning_of_its_name_from_another():
    made = seen("v1=-4", there=("v1",), known={"v1": (commit(4), "created 1700000000")})
    for created, way in ((1_700_000_000.0, Way.SAME), (1_700_000_001.0, Way.MOVED)):
        target = References("master", (), (Reference("v1", created=created),))
        assert ways(replace(made, target=target)) == {"v1": way}


@pytest.mark.parametrize(
    "name", ["main", "master", "a" * 40, "x..y", "a@b", "end.lock", "sp ace", "n" * 201, "dev"]
)
def test_a_name_that_cannot_be_one_there_is_left_out_with_the_reason(name):
    made = seen("v1=-4")
    source = replace(made.source, tags=(Reference(name, commit(4)),))
    target = References("main", (Reference("main", "t"), Reference("dev", "t")))
    for there in (target, replace(target, tags=(Reference(name, "t-x"),))):
        (step,) = plan_names(replace(made, source=source, target=there)).steps
        assert step.way is Way.LEFT_OUT
        assert name[:8] in step.reason


def test_a_tag_of_digits_alone_is_no_commit():
    assert ways(seen("20240101=-1", holds=Place(-2.0))) == {"20240101": Way.LINE}


def test_rules_match_whole_names_and_denial_is_stronger():
    made = seen("v1=-4", "v10=-3", "w=-2", fresh=True, tags=Names(allow=("v.",), deny=("w",)))
    assert set(ways(made)) == {"v1"}
    assert set(ways(replace(made, tags=Names(deny=("v.*",))))) == {"w"}
    assert ways(replace(made, tags=None)) == {}


def branched(**more) -> Seen:
    made = seen(branches=ALL, **more)
    branches = (*made.source.branches, Reference("dev", commit(7)), Reference("hubferry-tag-v1", commit(8)))
    return replace(made, source=replace(made.source, branches=branches))


def test_branches_are_made_beside_or_updated_or_named_and_the_default_one_is_none_of_them():
    assert ways(branched()) == {"dev": Way.BESIDE}
    made = plan_names(branched(powers=MS))
    assert ["dev" in note for note in made.notes] == [True]
    there = References("main", (Reference("main", "t"), Reference("dev", "d")))
    assert ways(branched(target=there)) == {"dev": Way.UPDATE}
    assert ways(branched(target=there, powers=MS)) == {"dev": Way.UPDATE}
    assert ways(branched(target=there, known={"dev": (commit(7), "d")})) == {"dev": Way.SAME}


def test_a_temporary_branch_is_removed_only_where_its_tag_is_at_the_same_commit():
    branches = tuple(
        Reference(name, at)
        for name, at in (
            ("main", "t"),
            ("hubferry-tag-v1", "t-v1"),
            ("hubferry-tag-v2", "x"),
            ("hubferry-tag-v9", "y"),
        )
    )
    made = seen("v1=-4", "v2=-3", "v3=-2", there=("v1", "v2"), shown={"v1": True, "v2": True})
    assert made.target is not None
    plan = plan_names(replace(made, target=replace(made.target, branches=branches)))
    assert plan.leftovers == ("hubferry-tag-v1",)
    assert plan.strangers == ("hubferry-tag-v2", "hubferry-tag-v9")
    assert not plan.nothing_to_do
    assert len(plan.notes) == 2


def test_a_temporary_branch_of_a_tag_that_is_still_to_be_made_is_gone_on_with():
    made = seen("v1=-4")
    branches = (Reference("main", "t"), Reference("hubferry-tag-v1", "t"))
    assert made.target is not None
    plan = plan_names(replace(made, target=replace(made.target, branches=branches)))
    assert (plan.leftovers, plan.strangers) == ((), ())


def test_a_folder_has_neither_tags_nor_branches():
    made = plan_names(branched(powers=Powers("", tags=False, branches=False)))
    assert {step.way for step in made.steps} == {Way.LEFT_OUT}
    assert plan_names(seen("v1=-1", powers=Powers("", tags=False, branches=False))).notes


def test_tags_of_one_time_go_by_the_numbers_in_their_names():
    made = plan_names(seen("v10=-4", "v9=-4", "v9.1=-4", "a=-4", fresh=True, target=None))
    assert [step.name for step in made.steps] == ["a", "v9", "v9.1", "v10"]


def test_a_branch_that_has_a_tags_name_at_the_target_is_left_out():
    there = References("main", (Reference("main", "t"),), (Reference("dev", "d"),))
    assert ways(branched(target=there)) == {"dev": Way.LEFT_OUT}


def test_however_many_names_a_hub_makes_up_the_notes_are_few_and_short():
    made = seen("v1=-4")
    names = [f"{number}\x1b[2J\n.lock" for number in range(10_000)] + ["n" * 100_000]
    source = replace(made.source, tags=tuple(Reference(name, commit(4)) for name in names))
    notes = plan_names(replace(made, source=source)).notes
    assert len(notes) == 51
    assert "9951" in notes[-1]
    assert all(note.isprintable() and len(note) < 400 for note in notes)


def test_what_deciding_costs_grows_as_the_names_do():
    def looked_up(count: int) -> int:
        asked = []

        class Counted(str):
            __slots__ = ()

            def __eq__(self, other):
                asked.append(1)
                return str.__eq__(self, other)

            __hash__ = str.__hash__

        tags = tuple(Reference(Counted(f"v{number}"), commit(number)) for number in range(count))
        branches = tuple(Reference(Counted(f"b{number}"), commit(number)) for number in range(count))
        both = References("main", branches, tags)
        made = seen("v1=-1", source=both, target=replace(both), branches=ALL)
        plan_names(made)
        return len(asked)

    few, many = looked_up(100), looked_up(1000)
    assert few > 0
    assert many < 12 * few
