"""A digest of a listing is never shown as a commit, and a commit's message tells nobody where a folder is."""

from __future__ import annotations

import pytest

from hubferry import plan_counts, plan_words
from hubferry.cli import present
from hubferry.commits import commit_of, listing_digest_of
from hubferry.i18n import set_language
from hubferry.model import Action, Limits, Plan, RepoFile, RepoRef, Revision, Step
from hubferry.survey import pinned

COMMIT, DIGEST = "c" * 40, "d" * 64


@pytest.fixture(autouse=True)
def _english():
    set_language("en")
    yield
    set_language(None)


def test_hugging_face_names_commits_and_the_others_do_not():
    assert (commit_of("hf", COMMIT), listing_digest_of("hf", COMMIT)) == (COMMIT, None)
    for hub in ("ms", "dir"):
        assert (commit_of(hub, DIGEST), listing_digest_of(hub, DIGEST)) == (None, DIGEST)
    assert commit_of("hf", "") is None
    assert listing_digest_of("ms", None) is None


@pytest.mark.parametrize(
    ("ref", "words"),
    [
        (RepoRef("hf", "org/name", "v1"), "hf:org/name@cccccccccccc"),
        (RepoRef("ms", "org/name"), "ms:org/name"),
        (RepoRef("ms", "org/name", "v1"), "ms:org/name@v1"),
        (RepoRef("hf", "org/name", endpoint="http://lab.lan", named="lab"), "lab:org/name@cccccccccccc"),
        (RepoRef("dir", "/home/somebody/secret-project/model"), "model"),
    ],
)
def test_a_commits_message_names_the_source_and_no_digest_and_no_place(ref, words):
    assert pinned(Revision(ref, COMMIT if ref.hub == "hf" else DIGEST)) == words


def test_words_say_what_has_no_commit():
    assert present.state_words("hf", COMMIT) == "commit cccccccccccc"
    assert present.state_words("ms", DIGEST) == "ModelScope names no commit"
    assert plan_words.revision_words(Revision(RepoRef("ms", "org/name"), DIGEST)) == "ms:org/name"
    assert plan_words.revision_words(Revision(RepoRef("dir", "./model"), DIGEST)) == "./model"


def step(name, action, **more):
    return Step(action, RepoFile(name, 1, sha256=name), **more)


def test_a_plan_says_how_many_files_are_here_the_same_stored_replaced_and_only_there():
    steps = (
        step("a", Action.SAME),
        step("b", Action.SEND, cached=True, replaces=True),
        step("c", Action.FETCH_SEND),
        step("d", Action.REUSE),
        step("e", Action.DELETE),
    )
    source, there = Revision(RepoRef("hf", "a/b"), COMMIT), Revision(RepoRef("ms", "m/b"), DIGEST)
    plan = Plan(source, there, steps, Limits(1, 0, 0), only_there=(RepoFile("f", 1),))
    assert plan_counts.plan_words(plan_counts.of(plan)) == [
        "1 here already",
        "1 the same",
        "1 stored there already",
        "1 to replace",
        "1 to delete",
        "1 only at the destination",
    ]
    assert plan_counts.report_words(plan_counts.of(plan)) == ["1 the same before", "1 replaced", "1 deleted"]


def test_of_a_folder_and_of_a_fetch_only_what_means_something_is_counted():
    steps = (step("a", Action.SEND, cached=True), step("b", Action.INLINE, cached=True))
    folder, there = Revision(RepoRef("dir", "./m"), DIGEST), Revision(RepoRef("ms", "m/b"), DIGEST)
    assert plan_counts.of(Plan(folder, there, steps, Limits(1, 0, 0))).here == 0
    here = (step("a", Action.SAME, cached=True, fill=True), step("b", Action.SAME, fill=True))
    source = Revision(RepoRef("hf", "a/b"), COMMIT)
    fetch = plan_counts.of(Plan(source, Revision(source.ref, "", exists=False), here, Limits(1, 0, 0)))
    assert (fetch.files, fetch.here, fetch.same) == (2, 1, 0)
