import pytest

from hubferry.compare import compare, verdict
from hubferry.model import Digests, RepoFile
from hubferry.results import Verdict

A, B = "a" * 64, "b" * 64
GIT_A, GIT_B = "a" * 40, "b" * 40


def file(size=5, sha256=None, git_sha1=None, path="f"):
    return RepoFile(path, size, sha256=sha256, git_sha1=git_sha1)


@pytest.mark.parametrize(
    ("source", "destination", "known", "expected"),
    [
        (file(sha256=A), file(sha256=A), None, Verdict.SAME),
        (file(sha256=A), file(sha256=B), None, Verdict.DIFFERS),
        (file(git_sha1=GIT_A), file(git_sha1=GIT_A), None, Verdict.SAME),
        (file(git_sha1=GIT_A), file(git_sha1=GIT_B), None, Verdict.DIFFERS),
        (file(size=5, sha256=A), file(size=6, sha256=A), None, Verdict.DIFFERS),
        (file(size=None, sha256=A), file(size=6, sha256=A), None, Verdict.SAME),
        (file(git_sha1=GIT_A), file(sha256=A), None, Verdict.UNKNOWN),
        (file(), file(), None, Verdict.UNKNOWN),
        (file(git_sha1=GIT_A), file(sha256=A), Digests(5, A, GIT_A), Verdict.SAME),
        (file(git_sha1=GIT_A), file(sha256=B), Digests(5, A, GIT_A), Verdict.DIFFERS),
        (file(sha256=A), file(git_sha1=GIT_B), Digests(5, A, GIT_A), Verdict.DIFFERS),
        (file(sha256=A, git_sha1=GIT_A), file(sha256=A, git_sha1=GIT_B), None, Verdict.DIFFERS),
        (file(git_sha1=GIT_A), file(sha256=None), Digests(5, A, GIT_A), Verdict.UNKNOWN),
    ],
)
def test_only_a_common_digest_proves_that_files_are_the_same(source, destination, known, expected):
    assert verdict(source, destination, known) is expected


def test_every_path_of_either_side_is_compared_once_in_order():
    here = [file(path="b", sha256=A), file(path="a", sha256=A)]
    there = [file(path="c", sha256=A), file(path="b", sha256=B)]
    found = compare(here, there, {})
    assert [(one.path, one.verdict) for one in found] == [
        ("a", Verdict.ONLY_SOURCE),
        ("b", Verdict.DIFFERS),
        ("c", Verdict.ONLY_DESTINATION),
    ]
    assert found[0].destination is None
    assert found[1].source == here[0]
    assert found[1].destination == there[1]
    assert found[2].source is None


def test_digests_fit_a_file_only_when_something_proves_it():
    ours = Digests(5, A, GIT_A)
    assert ours.fit(file(sha256=A))
    assert ours.fit(file(git_sha1=GIT_A))
    assert ours.fit(file(size=None, sha256=A))
    assert not ours.fit(file(sha256=B))
    assert not ours.fit(file(git_sha1=GIT_B))
    assert not ours.fit(file(size=6, sha256=A))
    assert not ours.fit(file(sha256=A, git_sha1=GIT_B))
    assert not ours.fit(file())
    assert not Digests(5, A).fit(file(git_sha1=GIT_A))
