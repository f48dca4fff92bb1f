"""What a directory knows about itself survives kills and tampering, or is forgotten."""

import json

import pytest

from hubferry.cache import manifest
from hubferry.cache.manifest import (
    JOURNAL,
    MANIFEST,
    Doubted,
    Entry,
    Pinned,
    Publication,
    Published,
    Signature,
    Stored,
    Used,
)
from hubferry.model import RepoFile, RepoRef

REF = RepoRef("hf", "org/name")
ENTRY = Entry(5, "a" * 64, None, Signature(5, 1_000, 7))
OTHER = Entry(6, "b" * 64, "c" * 40, Signature(6, 2_000, 8))


def stored(records, *changes):
    """Save a manifest, then record `changes` in its journal."""
    state = manifest.save(records, manifest.new(REF))
    if changes:
        manifest.append(records, state.number, changes, durable=True)
    return state


def test_what_was_recorded_is_known_again(tmp_path):
    publication = Publication("ms:org/name", "c1", 12.0)
    stored(
        tmp_path, Stored("a", ENTRY), Stored("d/b", OTHER), Used(1e12), Published(publication), Pinned(True)
    )
    known = manifest.load(tmp_path)
    assert known.files == {"a": ENTRY, "d/b": OTHER}
    assert (known.used, known.published, known.pinned) == (1e12, (publication,), True)
    assert known.ref == REF


def test_saving_folds_the_journal_and_changes_nothing_that_is_known(tmp_path):
    stored(tmp_path, Stored("a", ENTRY), Stored("b", OTHER), Doubted("b"))
    before = manifest.load(tmp_path)
    manifest.save(tmp_path, before)
    after = manifest.load(tmp_path)
    assert after.files == before.files == {"a": ENTRY}
    assert not (tmp_path / JOURNAL).exists()


def test_a_journal_that_outlived_its_folding_is_not_replayed(tmp_path):
    stored(tmp_path, Stored("a", ENTRY), Pinned(True))
    journal = (tmp_path / JOURNAL).read_bytes()
    known = manifest.load(tmp_path)
    known.pinned = False
    del known.files["a"]
    manifest.save(tmp_path, known)
    (tmp_path / JOURNAL).write_bytes(journal)  # as if the power had gone before it was removed
    assert manifest.load(tmp_path).files == {}
    assert not manifest.load(tmp_path).pinned


def test_a_stale_journal_is_started_over_when_something_new_is_recorded(tmp_path):
    state = stored(tmp_path, Stored("a", ENTRY))
    state = manifest.save(tmp_path, state)
    (tmp_path / JOURNAL).write_bytes(b'{"type":"journal","continues":1}\n' + b"x" * 500)
    manifest.append(tmp_path, state.number, [Stored("b", OTHER)], durable=True)
    assert manifest.load(tmp_path).files == {"b": OTHER}


def test_a_journal_cut_at_any_byte_gives_a_beginning_of_the_truth(tmp_path):
    stored(tmp_path, Stored("a", ENTRY), Stored("b", OTHER))
    journal = (tmp_path / JOURNAL).read_bytes()
    truths = ({}, {"a": ENTRY}, {"a": ENTRY, "b": OTHER})
    for length in range(len(journal) + 1):
        (tmp_path / JOURNAL).write_bytes(journal[:length])
        assert manifest.load(tmp_path).files in truths


def test_what_is_recorded_after_a_torn_line_is_known(tmp_path):
    state = stored(tmp_path, Stored("a", ENTRY), Stored("b", OTHER))
    journal = (tmp_path / JOURNAL).read_bytes()
    for torn in (journal[:-10], journal[:-10] + b"\0" * 10):
        (tmp_path / JOURNAL).write_bytes(torn)
        manifest.append(tmp_path, state.number, [Stored("c", OTHER)], durable=True)
        assert manifest.load(tmp_path).files == {"a": ENTRY, "c": OTHER}


def test_a_manifest_cut_at_any_byte_means_that_nothing_is_known(tmp_path):
    known = manifest.new(REF)
    known.files["a"] = ENTRY
    manifest.save(tmp_path, known)
    whole = (tmp_path / MANIFEST).read_bytes()
    assert manifest.load(tmp_path).files == {"a": ENTRY}
    for length in range(len(whole)):
        (tmp_path / MANIFEST).write_bytes(whole[:length])
        assert manifest.load(tmp_path) is None


@pytest.mark.parametrize(
    "tampering",
    [
        {"schema": 99},
        {"hub": "elsewhere"},
        {"files": {"../../evil": {"size": 1, "sha256": "a"}}},
        {"files": {"a": {"size": "1", "sha256": "a"}}},
        {"files": [1]},
        {"surprise": 1},
        {"number": None},
    ],
)
def test_a_manifest_that_was_tampered_with_means_that_nothing_is_known(tmp_path, tampering):
    stored(tmp_path)
    content = json.loads((tmp_path / MANIFEST).read_bytes())
    (tmp_path / MANIFEST).write_text(json.dumps(content | tampering))
    assert manifest.load(tmp_path) is None


def test_a_path_in_the_journal_cannot_leave_the_directory(tmp_path):
    state = stored(tmp_path)
    manifest.append(tmp_path, state.number, [Stored("../evil", ENTRY), Stored("a", ENTRY)], durable=True)
    assert set(manifest.load(tmp_path).files) == {"a"}


def test_no_manifest_is_no_error(tmp_path):
    assert manifest.load(tmp_path) is None
    assert manifest.load(tmp_path / "absent") is None
    (tmp_path / "file").touch()
    assert manifest.load(tmp_path / "file") is None


def whole_with(entry):
    known = manifest.new(REF)
    known.files["a"] = Entry(entry.size, entry.sha256, entry.git_sha1, entry.signature, listed=True)
    known.commit, known.whole = "c1", True
    return known


def test_the_same_content_again_leaves_a_whole_model_whole():
    known = whole_with(OTHER)
    manifest.apply(known, [Stored("a", Entry(6, "b" * 64, None, Signature(6, 9, 9)))])
    assert known.whole
    assert known.files["a"] == Entry(6, "b" * 64, "c" * 40, Signature(6, 9, 9), listed=True)


def test_other_content_in_its_place_makes_a_model_no_longer_whole():
    known = whole_with(OTHER)
    manifest.apply(known, [Stored("a", ENTRY)])
    assert not known.whole
    assert not known.files["a"].listed


def test_of_a_doubted_file_that_the_commit_needs_it_is_remembered_what_it_has_to_be():
    known = whole_with(OTHER)
    manifest.apply(known, [Doubted("a"), Doubted("never there")])
    assert known.files["a"].signature is None
    assert known.files["a"].sha256 == "b" * 64
    assert known.whole


def test_a_second_publication_at_one_place_replaces_the_first():
    known = manifest.new(REF)
    first, second, elsewhere = (
        Publication(*one) for one in (("x", "1", 1.0), ("x", "2", 2.0), ("y", "1", 1.0))
    )
    manifest.apply(known, [Published(first), Published(elsewhere), Published(second)])
    assert set(known.published) == {second, elsewhere}


def test_a_failed_save_leaves_the_old_manifest_and_no_litter(tmp_path, monkeypatch):
    state = stored(tmp_path, Stored("a", ENTRY))
    monkeypatch.setattr(
        manifest.disk, "fsync", lambda _descriptor: (_ for _ in ()).throw(OSError(28, "full"))
    )
    with pytest.raises(OSError, match="full"):
        manifest.save(tmp_path, state)
    assert manifest.load(tmp_path).files == {"a": ENTRY}
    assert sorted(path.name for path in tmp_path.iterdir()) == [JOURNAL, MANIFEST]


OLDER = b"""{"hub":"hf","repo_id":"org/model","repo_type":"model","created":1.0,"used":2.0,
"schema":1,"number":4,"commit":"c1","whole":true,"pinned":true,"published":[{"destination":"ms:mine/model","commit":"d1","at":3.0}],
"files":{"a":{"size":5,"sha256":"%s","signature":[5,1000,7],"listed":true},
"old":{"size":6,"sha256":"%s","signature":[6,2000,8]}}}""" % (b"a" * 64, b"b" * 64)


def test_what_an_older_version_wrote_is_the_default_branch_with_what_is_left_of_others(tmp_path):
    (tmp_path / MANIFEST).write_bytes(OLDER)
    known = manifest.load(tmp_path)
    assert known.is_for(RepoRef("hf", "org/model", revision="main"))
    assert not known.is_for(RepoRef("hf", "org/model", revision="v1.0"))
    assert (known.commit, known.is_whole, known.is_settled, known.selected) == ("c1", True, True, False)
    assert known.stale == ("old",)
    assert known.pinned
    saved = manifest.save(tmp_path, known)
    assert manifest.load(tmp_path) == saved


def test_a_listing_whose_digests_are_gits_alone_is_recognized_when_the_content_comes():
    known = manifest.new(REF)
    listed = RepoFile("a", 5, git_sha1="c" * 40)
    known.files["a"] = manifest.expected(listed, None, wanted=False)
    assert known.files["a"].sha256 == ""
    manifest.apply(known, [Stored("a", Entry(5, "a" * 64, "c" * 40, Signature(5, 1, 1)))])
    entry = known.files["a"]
    assert (entry.listed, entry.wanted, entry.here, entry.sha256) == (True, False, True, "a" * 64)


def test_what_can_be_no_file_is_left_out_of_a_listing():
    for file in (RepoFile("../a", 5, "a" * 64), RepoFile("a", None, "a" * 64), RepoFile("a", 5)):
        assert manifest.expected(file, None, wanted=True) is None
