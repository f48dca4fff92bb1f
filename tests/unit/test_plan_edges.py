"""Where a plan decides by one: limits met exactly, costs counted exactly, words said exactly."""

from dataclasses import replace

import pytest

from hubferry import planning
from hubferry.compare import compare
from hubferry.errors import UsageError
from hubferry.model import Action, Digests, Limits, RepoFile, RepoRef, Revision, Step
from hubferry.results import Comparison, Verdict

A, B = "a" * 64, "b" * 64
LIMITS = Limits(
    actions_per_commit=100, commit_bytes=10**6, inline_size=100, file_size=10_000, advised_files=3
)
HERE = Revision(RepoRef("hf", "org/m"), "1" * 40)
THERE = Revision(RepoRef("ms", "org/m"), "2" * 40)
ENVELOPE, ACTION, CHARACTER = 512, 320, 6


def make(source, destination=(), held=None, stored=(), *, limits=LIMITS, policy=None):
    return planning.make(
        planning.Side(HERE, list(source)),
        planning.Side(THERE, list(destination)),
        planning.Knowledge(held or {}, frozenset(stored)),
        limits,
        policy or planning.Policy(),
    )


def test_a_plan_names_both_sides_and_their_limits():
    plan = make([RepoFile("a", 1, sha256=A)])
    assert (plan.source, plan.destination, plan.limits) == (HERE, THERE, LIMITS)


def test_a_refused_file_is_told_of_with_every_number_and_the_way_around():
    (found,) = make([RepoFile("huge.bin", 10_001, sha256=A)]).findings
    error = found.error
    assert isinstance(error, UsageError)
    assert error.message == "huge.bin has 9.8 KiB; the destination takes 9.8 KiB a file"
    assert error.hint == "leave it out with --exclude 'huge.bin'"
    assert (error.side, error.path) == ("destination", "huge.bin")


def test_many_files_are_told_of_with_both_numbers():
    (found,) = make([RepoFile(f"{number}", 1, sha256=A) for number in range(4)]).findings
    assert found.message == "4 files: the destination advises 3 in one repository at most"
    assert found.path is None


def test_an_empty_file_is_no_blob_where_nothing_is_too_small():
    limits = replace(LIMITS, inline_size=0)
    plan = make([RepoFile("empty", 0, sha256=A), RepoFile("one", 1, sha256=B)], limits=limits)
    assert {step.file.path: step.blob for step in plan.steps} == {"empty": False, "one": True}
    assert make([RepoFile("empty", 0, sha256=A)], limits=replace(LIMITS, file_size=0)).steps


def test_what_the_cache_computed_says_what_the_destination_already_stores():
    file = RepoFile("notes", 500, git_sha1="1" * 40)
    plan = make([file], held={"notes": Digests(500, A, "1" * 40)}, stored={A})
    assert [(step.action, step.sha256) for step in plan.steps] == [(Action.REUSE, A)]


def test_a_file_that_is_left_alone_does_not_end_the_plan():
    there = [RepoFile("a-only-there", 5, sha256=B)]
    assert [step.file.path for step in make([RepoFile("b", 1, sha256=A)], there).steps] == ["b"]


def test_content_is_sent_once_but_small_content_goes_into_the_commit_each_time():
    small = make([RepoFile("x", 5, sha256=A), RepoFile("y", 5, sha256=A)])
    assert [step.action for step in small.steps] == [Action.INLINE, Action.INLINE]
    mixed = make([RepoFile("x", 5, sha256=A), RepoFile("y", 5, sha256=A)], [RepoFile("x", 5, sha256=A)])
    assert [step.action for step in mixed.steps] == [Action.SAME, Action.INLINE]
    limits = replace(LIMITS, blob_suffixes=frozenset({".bin"}))
    there = [RepoFile("x.bin", 5, sha256=A)]
    twice = make([RepoFile("x.bin", 5, sha256=A), RepoFile("y.bin", 5, sha256=A)], there, limits=limits)
    assert [step.action for step in twice.steps] == [Action.SAME, Action.FETCH_SEND]


def test_a_pattern_without_a_slash_at_its_end_is_the_whole_name():
    files = [RepoFile("model", 1), RepoFile("model.bin", 1)]
    assert [file.path for file in planning.select(files, ["model"], [])] == ["model"]


def step(path, size, *, blob=False, action=Action.INLINE):
    return Step(action, RepoFile(path, size), blob=blob)


def fits_together(steps, limit):
    return len(planning.batches(steps, replace(LIMITS, commit_bytes=limit))) == 1


@pytest.mark.parametrize(
    ("steps", "cost"),
    [
        ([step("ab", 0), step("c", 0)], 2 * ACTION + 3 * CHARACTER),
        ([step("ab", 1), step("c", 2)], 2 * ACTION + 3 * CHARACTER + 4 + 4),
        ([step("ab", 3), step("c", 4)], 2 * ACTION + 3 * CHARACTER + 4 + 8),
        ([step("ab", 999), step("c", 5, blob=True)], 2 * ACTION + 3 * CHARACTER + 1332),
        ([step("ab", 5, action=Action.DELETE), step("c", 0)], 2 * ACTION + 3 * CHARACTER),
        ([step("a", 30), step("b", 30), step("c", 30)], 3 * ACTION + 3 * CHARACTER + 3 * 40),
    ],
)
def test_a_request_is_as_large_as_its_limit_and_not_a_byte_larger(steps, cost):
    assert fits_together(steps, ENVELOPE + cost)
    assert not fits_together(steps, ENVELOPE + cost - 1)


def test_a_second_commit_begins_with_its_envelope_again():
    steps = [step(name, 30) for name in "abcd"]
    pair = ENVELOPE + 2 * (ACTION + CHARACTER + 40)
    assert [len(part) for part in planning.batches(steps, replace(LIMITS, commit_bytes=pair))] == [2, 2]


def test_a_comparison_says_what_each_side_has():
    ours, theirs, both = RepoFile("a", 1, sha256=A), RepoFile("b", 1, sha256=A), RepoFile("c", 1, sha256=A)
    assert compare([both, ours], [theirs, both], {}) == (
        Comparison("a", Verdict.ONLY_SOURCE, ours, None),
        Comparison("b", Verdict.ONLY_DESTINATION, None, theirs),
        Comparison("c", Verdict.SAME, both, both),
    )
