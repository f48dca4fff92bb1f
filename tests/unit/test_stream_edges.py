"""Where the stream decides by one byte, one place or one word."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubferry.cache.disk import disk
from hubferry.cache.partial import PartialFile
from hubferry.errors import DiskError, IntegrityError
from hubferry.model import LARGEST_IN_GIT, RepoFile
from hubferry.stream.growing import HELD_BACK, GrowingFile, Hashes, _complement, _merge
from hubferry.stream.schedule import FIRST_PART, MIB, Part, Schedule


def drain(schedule):
    parts = []
    while (part := schedule.next()) is not None:
        parts.append(part)
    return parts


# what to fetch next


def test_a_file_that_is_given_up_is_not_handed_out_again_and_others_are():
    schedule = Schedule()
    schedule.add("a", 20 * MIB, [(0, 20 * MIB)])
    schedule.add("b", 10 * MIB, [(0, 10 * MIB)])
    assert {schedule.next().path, schedule.next().path} <= {"a", "b"}
    schedule.drop("a")
    schedule.drop("never added")
    assert {part.path for part in drain(schedule)} == {"b"}


def test_parts_are_small_at_the_start_of_a_file_and_as_large_as_wished_after_it():
    schedule = Schedule(part=8 * MIB)
    schedule.add("a", 30 * MIB, [(0, 30 * MIB)])
    sizes = [part.stop - part.start for part in drain(schedule)]
    assert sizes[:4] == [FIRST_PART] * 4
    assert sizes[4] == 8 * MIB


def test_a_file_that_an_earlier_run_began_goes_on_at_its_gap_and_counts_as_that_far():
    schedule = Schedule(lead=MIB)
    schedule.add("begun", 20 * MIB, [(16 * MIB, 20 * MIB)])
    schedule.add("new", 18 * MIB, [(0, 18 * MIB)])
    assert [lane.ahead for lane in schedule.lanes.values()] == [16 * MIB, 0]
    assert [lane.sent for lane in schedule.lanes.values()] == [0, 0]
    first = schedule.next()
    assert first == Part("begun", 16 * MIB, 16 * MIB + min(schedule.part, 4 * MIB))


def test_a_file_without_gaps_is_never_handed_out_but_counts_as_in_flight():
    schedule = Schedule(active=1)
    schedule.add("whole", 5 * MIB, [])
    schedule.add("other", 5 * MIB, [(0, 5 * MIB)])
    assert schedule.lanes["whole"].ahead == 5 * MIB
    assert schedule.next() is None
    schedule.drop("whole")
    assert schedule.next().path == "other"


# what has landed

RANGES = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 8)), max_size=12)


@given(RANGES)
def test_what_has_landed_is_kept_in_order_without_overlap(pairs):
    landed, expected = [], set()
    for start, length in pairs:
        landed = _merge(landed, start, start + length)
        expected |= set(range(start, start + length))
    assert {position for start, stop in landed for position in range(start, stop)} == expected
    assert all(one[1] < other[0] for one, other in pairwise(landed))


@given(RANGES, st.integers(0, 40))
def test_what_is_there_is_what_is_not_missing(pairs, size):
    missing = []
    for start, length in pairs:
        if start + length <= size:
            missing = _merge(missing, start, start + length)
    there = _complement(missing, size)
    assert all(start < stop for start, stop in there)
    positions = [position for ranges in (missing, there) for a, b in ranges for position in range(a, b)]
    assert sorted(positions) == list(range(size))


# what it hashes to


def test_the_digest_of_git_is_computed_where_some_hub_may_list_nothing_else():
    digest = "0" * 64
    for file, wanted in (
        (RepoFile("a", LARGEST_IN_GIT, sha256=digest), True),
        (RepoFile("a", LARGEST_IN_GIT + 1, sha256=digest), False),
        (RepoFile("a", LARGEST_IN_GIT + 1, git_sha1="1" * 40), True),
    ):
        assert (Hashes(file, file.size).digests().git_sha1 is not None) is wanted


@pytest.fixture
def make(tmp_path):
    with ThreadPoolExecutor(2) as executor:
        partials = []

        def growing(content, *, listed=None):
            partial = PartialFile(tmp_path / "x.part", len(content))
            partial.write(0, [content])
            partials.append(partial)
            digest = hashlib.sha256(content if listed is None else listed).hexdigest()
            return GrowingFile(RepoFile("x", len(content), sha256=digest), partial, executor)

        yield growing
        for partial in partials:
            partial.close()


async def test_wrong_bytes_are_told_of_in_these_words(make):
    with pytest.raises(IntegrityError) as caught:
        await make(b"wrong", listed=b"right").hash()
    assert caught.value.message == "x: the bytes that arrived are not those the source lists"


@pytest.mark.parametrize("beyond", [0, 1, 5])
async def test_exactly_what_has_to_be_is_held_back(make, beyond):
    content = bytes(HELD_BACK + beyond)
    growing = make(content)
    assert growing.whole
    assert growing._readable() == beyond
    growing.proven(await growing.hash())
    assert growing._readable() == len(content)


async def test_a_disk_that_fails_is_named_by_its_file(make, monkeypatch, tmp_path):
    growing = make(b"right" * 1000)
    monkeypatch.setattr(disk, "pread_into", lambda *_arguments: 0)
    with pytest.raises(DiskError) as caught:
        await growing.hash()
    assert caught.value.message == f"{tmp_path / 'x.part'}: Input/output error"
    growing.proven(None)
    growing._digests = "proven"

    def refuse(*_arguments):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(disk, "pread", refuse)
    with pytest.raises(DiskError) as caught:
        _ = [piece async for piece in growing.read(lambda _position: None)]
    assert str(tmp_path / "x.part") in caught.value.message
