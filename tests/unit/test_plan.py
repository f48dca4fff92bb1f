import pytest

from hubferry import planning
from hubferry.errors import UsageError
from hubferry.model import Action, Digests, Limits, RepoFile, RepoRef, Revision, Step

A, B, C = "a" * 64, "b" * 64, "c" * 64
LIMITS = Limits(
    actions_per_commit=3,
    commit_bytes=4096,
    inline_size=100,
    blob_suffixes=frozenset({".bin"}),
    inline_names=frozenset({"readme.md"}),
    file_size=10_000,
    advised_files=10,
)
HERE = Revision(RepoRef("hf", "org/m"), "1" * 40)
THERE = Revision(RepoRef("ms", "org/m"), "2" * 40)


def make(source, destination=(), held=None, stored=(), policy=None):
    return planning.make(
        planning.Side(HERE, list(source)),
        planning.Side(THERE, list(destination)),
        planning.Knowledge(held or {}, frozenset(stored)),
        LIMITS,
        policy or planning.Policy(),
    )


def actions(plan):
    return {step.file.path: step.action for step in plan.steps}


def test_each_file_gets_the_cheapest_action_that_brings_it_there():
    files = [
        RepoFile("same.bin", 500, sha256=A),
        RepoFile("stored.bin", 500, sha256=B),
        RepoFile("cached.bin", 500, sha256=C),
        RepoFile("new.bin", 500, sha256="d" * 64),
        RepoFile("config.json", 50, git_sha1="1" * 40),
    ]
    held = {"cached.bin": Digests(500, C)}
    plan = make(files, [RepoFile("same.bin", 500, sha256=A)], held, {B})
    assert actions(plan) == {
        "cached.bin": Action.SEND,
        "config.json": Action.INLINE,
        "new.bin": Action.FETCH_SEND,
        "same.bin": Action.SAME,
        "stored.bin": Action.REUSE,
    }
    assert plan.fetch_bytes == 550
    assert plan.send_bytes == 1050
    assert not plan.nothing_to_do


def test_a_file_of_git_is_known_to_be_there_by_the_digest_the_cache_computed():
    source = [RepoFile("README.md", 9, git_sha1="1" * 40)]
    there = [RepoFile("README.md", 9, sha256=A)]
    assert actions(make(source, there)) == {"README.md": Action.INLINE}
    plan = make(source, there, {"README.md": Digests(9, A, "1" * 40)})
    assert actions(plan) == {"README.md": Action.SAME}
    assert plan.nothing_to_do


def test_a_readme_is_never_a_blob_and_a_weight_always_is():
    plan = make([RepoFile("README.md", 5000, git_sha1="1" * 40), RepoFile("tiny.BIN", 3, sha256=A)])
    assert {step.file.path: step.blob for step in plan.steps} == {"README.md": False, "tiny.BIN": True}


def test_content_that_occurs_twice_is_sent_once():
    plan = make([RepoFile("x.bin", 500, sha256=A), RepoFile("y.bin", 500, sha256=A)])
    assert actions(plan) == {"x.bin": Action.FETCH_SEND, "y.bin": Action.REUSE}
    assert plan.fetch_bytes == 500


def test_only_a_wish_deletes_what_the_source_does_not_have():
    there = [RepoFile("old.bin", 5, sha256=A)]
    assert make([], there).steps == ()
    plan = make([], there, policy=planning.Policy(delete=True))
    assert actions(plan) == {"old.bin": Action.DELETE}


@pytest.mark.parametrize("cap", ["some", "", "%", "1.5", "ten%", "nan%", "inf%", "-5%", "-1"])
def test_a_cap_that_is_none_is_named_before_anything_is_decided(cap):
    policy = planning.Policy(delete=True, max_delete=cap)
    with pytest.raises(UsageError, match="neither a number"):
        make([], [RepoFile("old.txt", 9, sha256=A)], policy=policy)


def test_a_changed_file_is_known_to_replace_another():
    plan = make(
        [RepoFile("a.bin", 5, sha256=A), RepoFile("b.bin", 5, sha256=B)], [RepoFile("a.bin", 5, sha256=C)]
    )
    assert [step.replaces for step in plan.steps] == [True, False]


def test_filling_the_cache_fetches_even_what_the_destination_has():
    files = [RepoFile("a.bin", 5, sha256=A)]
    plan = make(files, files, policy=planning.Policy(fill=True))
    assert plan.steps[0].fetches
    assert not plan.nothing_to_do
    held = {"a.bin": Digests(5, A)}
    assert make(files, files, held, policy=planning.Policy(fill=True)).nothing_to_do


def test_a_file_beyond_the_limit_is_refused_by_name_with_the_way_around_it():
    (found,) = make([RepoFile("huge.bin", 10_001, sha256=A)]).findings
    assert isinstance(found.error, UsageError)
    assert found.path == found.error.path == "huge.bin"
    assert found.error.side == "destination"
    assert "--exclude 'huge.bin'" in found.error.hint
    assert make([RepoFile("largest.bin", 10_000, sha256=A)]).findings == ()


def test_what_is_the_same_on_both_sides_needs_no_permission():
    huge = [RepoFile("huge.bin", 10_001, sha256=A)]
    plan = make(huge, huge)
    assert plan.findings == ()
    assert plan.nothing_to_do


def test_more_files_than_a_hub_advises_are_a_warning():
    (found,) = make([RepoFile(f"{n}.bin", 1, sha256=A) for n in range(11)]).findings
    assert (found.code, found.error) == ("many-files", None)
    assert "11" in found.message
    assert make([RepoFile(f"{n}.bin", 1, sha256=A) for n in range(10)]).findings == ()


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        ((), (), ["a.bin", "sub/b.bin", "sub/c.txt"]),
        (("*.bin",), (), ["a.bin", "sub/b.bin"]),
        (("sub/",), (), ["sub/b.bin", "sub/c.txt"]),
        ((), ("sub/*",), ["a.bin"]),
        (("*.bin",), ("sub/",), ["a.bin"]),
        (("*.BIN",), (), []),
    ],
)
def test_patterns_choose_files(include, exclude, expected):
    files = [RepoFile(path, 1) for path in ("a.bin", "sub/b.bin", "sub/c.txt")]
    assert [file.path for file in planning.select(files, include, exclude)] == expected


def step(path, size, *, blob=False, action=Action.INLINE):
    return Step(action, RepoFile(path, size), blob=blob)


def test_a_commit_is_split_by_the_number_of_its_files():
    parts = planning.batches([step(f"{n}", 1, blob=True) for n in range(7)], LIMITS)
    assert [len(part) for part in parts] == [3, 3, 1]


def test_a_commit_is_split_by_the_bytes_of_its_request():
    parts = planning.batches([step("a", 1500), step("b", 1500), step("c", 10)], LIMITS)
    assert [[one.file.path for one in part] for part in parts] == [["a"], ["b", "c"]]


def test_the_content_of_blobs_and_of_deleted_files_does_not_count():
    steps = [step("a", 9000, blob=True), step("b", 9000, action=Action.DELETE), step("c", 1500)]
    assert len(planning.batches(steps, LIMITS)) == 1


def test_a_file_too_large_for_any_request_goes_alone():
    parts = planning.batches([step("a", 10), step("README.md", 9000), step("b", 10)], LIMITS)
    assert [[one.file.path for one in part] for part in parts] == [["a"], ["README.md"], ["b"]]


def test_nothing_to_commit_is_no_commit():
    assert planning.batches([], LIMITS) == []
