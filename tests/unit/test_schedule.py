from itertools import pairwise

import pytest

from hubferry.stream.schedule import BROAD, MIB, SHORT_LEAD, Part, Schedule


def drain(schedule: Schedule) -> list[Part]:
    parts = []
    while (part := schedule.next()) is not None:
        parts.append(part)
    return parts


def test_parts_of_a_file_cover_it_once_and_in_order():
    schedule = Schedule()
    schedule.add("a", 100 * MIB + 7, [(0, 100 * MIB + 7)])
    parts = drain(schedule)
    assert parts[0].start == 0
    assert parts[-1].stop == 100 * MIB + 7
    assert all(one.stop == other.start for one, other in pairwise(parts))
    assert max(part.stop - part.start for part in parts) <= schedule.part


def test_a_source_that_sends_whole_files_is_asked_once_for_the_rest():
    schedule = Schedule()
    schedule.add("a", 100 * MIB, [(0, 100 * MIB)])
    schedule.next()
    schedule.undivided = True
    assert drain(schedule) == [Part("a", MIB, 100 * MIB)]


def test_the_first_parts_are_small_so_that_an_upload_can_begin():
    schedule = Schedule()
    schedule.add("a", 100 * MIB, [(0, 100 * MIB)])
    first = schedule.next()
    assert first == Part("a", 0, MIB)


def test_what_an_earlier_run_left_is_not_handed_out():
    schedule = Schedule()
    schedule.add("a", 10 * MIB, [(2 * MIB, 3 * MIB), (9 * MIB, 10 * MIB)])
    assert drain(schedule) == [Part("a", 2 * MIB, 3 * MIB), Part("a", 9 * MIB, 10 * MIB)]


def test_several_files_begin_at_once_and_none_is_ahead_of_the_others():
    schedule = Schedule()
    for number in range(BROAD + 2):
        schedule.add(str(number), (64 - number) * MIB, [(0, (64 - number) * MIB)])
    first = [schedule.next().path for _ in range(BROAD)]
    assert first == [str(number) for number in range(BROAD)]
    rest = [schedule.next().path for _ in range(BROAD * (SHORT_LEAD // MIB - 1))]
    assert all(rest.count(path) == SHORT_LEAD // MIB - 1 for path in first)


@pytest.fixture
def fed() -> Schedule:
    """Two files, each with the short lead."""
    schedule = Schedule(abreast=2)
    schedule.add("large", 64 * MIB, [(0, 64 * MIB)])
    schedule.add("next", 32 * MIB, [(0, 32 * MIB)])
    for _ in range(2 * SHORT_LEAD // MIB):
        schedule.next()
    return schedule


def test_beyond_a_short_lead_the_largest_comes_first(fed):
    assert {fed.next().path for _ in range(4)} == {"large"}


def test_an_upload_about_to_run_dry_is_fed_before_the_largest(fed):
    fed.sent("next", 2 * MIB)
    assert [fed.next().path for _ in range(3)] == ["next", "next", "large"]


def test_a_file_whose_upload_has_enough_ahead_lets_the_next_one_start():
    schedule = Schedule(lead=4 * MIB, abreast=1)
    schedule.add("large", 64 * MIB, [(0, 64 * MIB)])
    schedule.add("next", 32 * MIB, [(0, 32 * MIB)])
    paths = [schedule.next().path for _ in range(5)]
    assert paths == ["large"] * 4 + ["next"]


def test_a_hungry_upload_is_fed_before_any_other():
    schedule = Schedule(lead=4 * MIB)
    schedule.add("large", 64 * MIB, [(0, 64 * MIB)])
    schedule.add("next", 32 * MIB, [(0, 32 * MIB)])
    for _ in range(6):
        schedule.next()
    schedule.sent("large", 3 * MIB)
    assert schedule.next().path == "large"


def test_files_of_one_size_come_in_side_by_side_so_that_they_end_together():
    schedule = Schedule(abreast=3)
    for name in "abcd":
        schedule.add(name, 8 * MIB, [(0, 8 * MIB)])
    first = [schedule.next().path for _ in range(6)]
    assert sorted(first) == ["a", "a", "b", "b", "c", "c"]


def test_when_every_upload_is_fed_others_begin_up_to_a_limit_and_then_the_nearest_to_its_end_is_finished():
    schedule = Schedule(lead=MIB, abreast=1)
    for name, size in (("a", 6), ("b", 5), ("c", 4)):
        schedule.add(name, size * MIB, [(0, size * MIB)])
    paths = [schedule.next().path for _ in range(4)]
    assert paths == ["a", "b", "b", "b"]


def test_no_more_files_are_begun_than_may_be_in_flight():
    schedule = Schedule(lead=MIB, active=2)
    for name in "abc":
        schedule.add(name, 4 * MIB, [(0, 4 * MIB)])
    assert {part.path for part in drain(schedule)} == {"a", "b"}
    schedule.drop("a")
    assert {part.path for part in drain(schedule)} == {"c"}


def test_parts_are_as_large_as_the_connections_are_fast_and_end_where_marks_do():
    schedule = Schedule()
    schedule.add("a", 64 * MIB, [(8 * MIB, 64 * MIB)])
    schedule.part = 5 * MIB + 12345
    assert schedule.next() == Part("a", 8 * MIB, 13 * MIB)
    schedule.part = 2 * MIB
    assert schedule.next() == Part("a", 13 * MIB, 15 * MIB)
