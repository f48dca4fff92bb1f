"""What one directory remembers, and for how long: publications, whole commits, doubts."""

import hashlib

import pytest

from hubferry.cache.manifest import JOURNAL
from hubferry.cache.store import Cache, ModelDirectory
from hubferry.errors import DiskError
from hubferry.model import Digests, RepoFile, RepoRef, Revision

REF = RepoRef("hf", "org/model")
THERE = RepoRef("ms", "me/model")


def digests_of(content):
    return Digests(len(content), hashlib.sha256(content).hexdigest())


def file_of(path, content):
    return RepoFile(path, len(content), digests_of(content).sha256)


def put(model, path, content):
    file = file_of(path, content)
    model.put_many([(file, content, digests_of(content))])
    return file


def again(model):
    return ModelDirectory(model.path, model.ref)


def publications(model):
    return [(one.destination, one.commit) for one in again(model).manifest.published]


@pytest.fixture
def model(tmp_path):
    return Cache(tmp_path / "root", roots=[]).open(REF)


@pytest.fixture
def unknown(tmp_path):
    """Return a directory about which nothing was ever written down."""
    (tmp_path / "old").mkdir()
    return ModelDirectory(tmp_path / "old", REF)


def test_where_a_commit_was_published_is_remembered_until_another_one_is_brought_in(model):
    file = put(model, "a", b"1")
    model.finish(Revision(REF, "c1"), [file])
    model.mark_published(THERE, "d1")
    model.finish(Revision(REF, "c1"), [file])
    assert publications(model) == [("ms:me/model", "d1")]
    model.finish(Revision(REF, "c2"), [file])
    assert publications(model) == []


def test_a_publication_that_is_written_down_is_not_written_down_again(model, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1000.0)
    model.mark_published(THERE, "d1")
    monkeypatch.setattr("time.time", lambda: 2000.0)
    journal = model.path / ".hubferry" / JOURNAL
    written = journal.read_bytes()
    model.mark_published(RepoRef("ms", "me/model", revision="master"), "d1")
    assert journal.read_bytes() == written
    model.mark_published(RepoRef("ms", "me/other"), "d1")
    model.mark_published(THERE, "d2")
    assert publications(model) == [("ms:me/other", "d1"), ("ms:me/model", "d2")]
    assert [one.at for one in again(model).manifest.published] == [2000.0, 2000.0]


def test_a_directory_without_records_is_no_whole_commit_and_may_be_published(unknown):
    assert unknown.complete() is None
    unknown.mark_published(THERE, "d1")
    assert publications(unknown) == [("ms:me/model", "d1")]


def test_an_empty_directory_gives_way_to_a_file_also_where_nothing_is_recorded(unknown):
    (unknown.path / "a" / "b").mkdir(parents=True)
    file = put(unknown, "a", b"1")
    assert unknown.target("a").read_bytes() == b"1"
    assert again(unknown).known(file) is not None


def test_a_foreign_file_where_nothing_is_recorded_does_not_give_way(unknown):
    (unknown.path / "a").write_bytes(b"somebody's")
    with pytest.raises(DiskError):
        put(unknown, "a/b", b"1")
    assert (unknown.path / "a").read_bytes() == b"somebody's"


def test_another_content_of_the_listed_size_is_not_taken_for_the_file(model, unknown):
    for place in (model, unknown):
        (place.path / "a").write_bytes(b"wrong")
        assert place.lookup(file_of("a", b"right")) is None
        assert place.manifest is None or place.manifest.files == {}


def test_what_is_doubted_already_is_not_written_down_at_every_look(model):
    file = put(model, "a", b"right")
    model.finish(Revision(REF, "c1"), [file])
    model.target("a").write_bytes(b"wrong")
    assert model.lookup(file) is None
    journal = model.path / ".hubferry" / JOURNAL
    written = journal.read_bytes()
    assert written
    assert model.lookup(file) is None
    assert journal.read_bytes() == written
