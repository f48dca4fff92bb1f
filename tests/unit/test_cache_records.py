"""What is written down about a model: exactly that, in the words of an error exactly these."""

import hashlib
import os
from dataclasses import replace

import pytest

from hubferry.cache.disk import disk
from hubferry.cache.manifest import Used
from hubferry.cache.store import Cache, ModelDirectory, free_bytes
from hubferry.errors import DiskError, IntegrityError, UsageError
from hubferry.model import Digests, RepoFile, RepoRef, Revision

REF = RepoRef("hf", "org/model")


def digests_of(content):
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    return Digests(len(content), hashlib.sha256(content).hexdigest(), blob)


def file_of(path, content):
    return RepoFile(path, len(content), digests_of(content).sha256)


def git_file_of(path, content):
    return RepoFile(path, len(content), git_sha1=digests_of(content).git_sha1)


@pytest.fixture
def model(tmp_path):
    return Cache(tmp_path / "root", roots=[]).open(REF)


def put(model, **contents):
    files = [file_of(path, content) for path, content in contents.items()]
    model.put_many([(file, contents[file.path], digests_of(contents[file.path])) for file in files])
    return files


def again(model):
    return ModelDirectory(model.path, model.ref)


def commit(name):
    return Revision(REF, name)


# commits


def test_the_files_of_a_whole_commit_come_back_as_they_were_listed(model):
    model.finish(commit("c1"), put(model, b=b"22", a=b"1"))
    listed = [
        RepoFile(p, len(c), digests_of(c).sha256, digests_of(c).git_sha1)
        for p, c in (("a", b"1"), ("b", b"22"))
    ]
    assert again(model).complete() == ("c1", listed)


def test_nothing_is_complete_before_a_commit_was_finished(model):
    put(model, a=b"1")
    assert again(model).complete() is None
    assert model.manifest.commit is None


def test_two_selections_of_one_commit_add_up_but_are_not_called_whole(model):
    first = put(model, a=b"1")
    model.finish(commit("c1"), first, whole=False)
    second = put(model, b=b"2")
    model.finish(commit("c1"), second, whole=False)
    known = again(model).manifest
    assert {path for path, entry in known.files.items() if entry.listed} == {"a", "b"}
    assert not known.whole


def test_a_selection_of_another_commit_starts_its_list_anew(model):
    model.finish(commit("c1"), put(model, a=b"1"))
    model.finish(commit("c2"), put(model, b=b"2"), whole=False)
    known = again(model).manifest
    assert {path for path, entry in known.files.items() if entry.listed} == {"b"}
    assert not known.whole
    assert set(known.files) == {"a", "b"}  # what is there and proven stays known


def test_a_whole_commit_that_grew_smaller_lists_what_it_has(model):
    files = put(model, a=b"1", b=b"2")
    model.finish(commit("c1"), files)
    model.finish(commit("c1"), files[:1])
    assert [file.path for file in again(model).complete()[1]] == ["a"]


def test_a_selection_of_the_whole_commit_leaves_it_whole_with_all_its_files(model):
    files = put(model, a=b"1", b=b"2")
    model.finish(commit("c1"), files)
    model.finish(commit("c1"), files[:1], whole=False)
    assert [file.path for file in again(model).complete()[1]] == ["a", "b"]


def test_a_commit_remembers_what_it_lost_until_another_one_is_there(model):
    files = put(model, a=b"1", b=b"2")
    model.finish(commit("c1"), files)
    model.target("b").unlink()
    assert model.lookup(files[1]) is None
    model.finish(commit("c1"), files[:1], whole=False)
    assert [file.path for file in again(model).complete()[1]] == ["a", "b"]
    model.finish(commit("c2"), files[:1], whole=False)
    assert set(again(model).manifest.files) == {"a"}


def test_finishing_is_a_use(model, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 4_000_000_000.0)
    model.finish(commit("c1"), put(model, a=b"1"))
    assert again(model).manifest.used == 4_000_000_000.0


# what was looked at


def test_a_file_that_grew_or_went_is_forgotten_at_the_first_look(model):
    files = put(model, a=b"1", b=b"2")
    model.target("a").write_bytes(b"longer")
    model.target("b").unlink()
    assert [model.lookup(file) for file in files] == [None, None]
    assert again(model).manifest.files == {}


def test_a_file_that_is_doubted_already_is_looked_at_again(model):
    (file,) = put(model, a=b"1")
    model.finish(commit("c1"), [file])
    model.target("a").unlink()
    assert model.lookup(file) is None
    assert again(model).manifest.files["a"].signature is None
    assert model.lookup(file) is None
    model.target("a").write_bytes(b"1")
    assert model.lookup(file) == replace(digests_of(b"1"), git_sha1=model.lookup(file).git_sha1)
    assert again(model).known(file) is not None


def test_a_touched_file_stays_known_although_another_content_was_asked_for(model):
    (file,) = put(model, a=b"1")
    os.utime(model.target("a"), ns=(1, 1))
    assert model.lookup(file_of("a", b"2")) is None
    assert again(model).known(file) is not None


def test_a_file_of_git_that_is_another_is_not_read_twice(model, monkeypatch):
    (model.path / "a").write_bytes(b"1")
    assert model.lookup(git_file_of("a", b"1")) is not None
    monkeypatch.setattr(disk, "pread", lambda *_arguments: pytest.fail("it was read"))
    assert model.lookup(git_file_of("a", b"2")) is None


def test_a_file_where_a_directory_was_is_no_file_to_remove(model):
    (model.path / "a").write_bytes(b"somebody's")
    model.remove_file("a/b")
    assert (model.path / "a").read_bytes() == b"somebody's"


def test_records_may_be_added_by_others_who_look_at_the_model(model):
    model.record([Used(4_000_000_000.0)])
    assert again(model).manifest.used == 4_000_000_000.0


@pytest.mark.parametrize(
    "write",
    [lambda model: model.pin(pinned=True), lambda model: model.mark_published(RepoRef("ms", "a/b"), "d1")],
    ids=["pin", "publication"],
)
def test_what_must_not_be_forgotten_is_an_error_when_it_cannot_be_written(model, monkeypatch, write):
    def refuse(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk, "append", refuse)
    model.touch()  # a use may be forgotten
    with pytest.raises(DiskError, match="full"):
        write(model)


def test_a_model_and_its_cache_know_whether_their_disk_tells_case_apart(model, tmp_path):
    (tmp_path / "Probe").touch()
    expected = not (tmp_path / "pROBE").exists()
    assert model.tells_case_apart() is expected
    assert Cache(tmp_path / "root", roots=[]).tells_case_apart() is expected
    assert Cache(tmp_path / "not/there/yet", roots=[]).tells_case_apart() is expected
    assert ModelDirectory(tmp_path, REF).tells_case_apart() is expected


# words


def test_unproven_content_is_refused_in_these_words(model):
    with pytest.raises(IntegrityError) as caught:
        model.put_many([(file_of("a", b"right"), b"wrong", digests_of(b"wrong"))])
    error = caught.value
    assert error.message == "a: the content is not what the source lists, and is not stored"
    assert (error.side, error.path) == ("source", "a")


def test_a_directory_of_another_repository_is_refused_in_these_words(tmp_path):
    cache = Cache(tmp_path / "root", roots=[])
    cache.open(REF, directory=tmp_path / "mine")
    with pytest.raises(UsageError) as caught:
        cache.open(RepoRef("hf", "other/model"), directory=tmp_path / "mine")
    error = caught.value
    assert error.message == f"{tmp_path / 'mine'} holds another repository"
    assert error.hint == "choose another directory"
    assert (error.side, error.path) == ("cache", str(tmp_path / "mine"))


def test_a_disk_that_does_not_say_what_is_free_is_named(tmp_path, monkeypatch):
    def refuse(_path):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(disk, "free", refuse)
    with pytest.raises(DiskError) as caught:
        free_bytes(tmp_path)
    assert str(tmp_path) in caught.value.message


def test_a_repository_whose_every_name_is_taken_is_refused(tmp_path):
    cache = Cache(tmp_path / "root", roots=[])
    for ref in (RepoRef("hf", "a/b-c"), RepoRef("hf", "a-b/c")):
        cache.open(ref)
    other = RepoRef("hf", "a-b/c")
    suffixed = cache.find(other).path
    third = RepoRef("ms", "a/b-c")
    target = cache.open(third).path
    assert len({suffixed, target, cache.find(RepoRef("hf", "a/b-c")).path}) == 3
    manifest = target / ".hubferry" / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"ms"', b'"hf"').replace(b"a/b-c", b"x/y"))
    with pytest.raises(UsageError) as caught:
        cache.open(third)
    assert caught.value.path == str(target)


def test_records_that_are_a_link_are_refused_in_these_words(model, tmp_path):
    records = model.path / ".hubferry"
    records.rename(tmp_path / "elsewhere")
    records.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DiskError) as caught:
        again(model)
    error = caught.value
    assert error.message == f"{records} is a symbolic link; nothing is stored through one"
    assert error.hint == "remove the link"
    assert (error.side, error.path) == ("cache", str(records))


@pytest.mark.parametrize("act", ["put_many", "adopt"])
def test_a_disk_that_gets_full_says_how_much_is_missing(model, tmp_path, monkeypatch, act):
    content = b"x" * 3000

    def refuse(*_arguments):
        raise OSError(28, "No space left on device")

    (tmp_path / "blob").write_bytes(content)
    monkeypatch.setattr(disk, "free", lambda _path: 1000)
    monkeypatch.setattr(disk, "fsync", refuse)
    acts = {
        "put_many": lambda: model.put_many([(file_of("a", content), content, digests_of(content))]),
        "adopt": lambda: model.adopt(file_of("a", content), tmp_path / "blob"),
    }
    with pytest.raises(DiskError, match=r"2\.0 KiB more are needed"):
        acts[act]()


def test_what_is_no_regular_file_is_not_adopted_though_no_size_is_asked_for(model, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for origin in (tmp_path, tmp_path / "pipe", tmp_path / "not-there"):
        assert model.adopt(RepoFile("a", None, "0" * 64), origin) is None


def test_a_directory_that_cannot_be_written_is_remembered_as_long_as_it_is_open(tmp_path, monkeypatch):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "a").write_bytes(b"1")
    model = ModelDirectory(tmp_path / "old", REF)

    def refuse(*_arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(disk, "mkdir", refuse)
    assert model.lookup(file_of("a", b"1")) is not None
    assert model.known(file_of("a", b"1")) is not None
    assert model.manifest.belongs_to(REF)
    assert model.lookup(file_of("a", b"2")) is None
    assert model.known(file_of("a", b"1")) is not None
    assert not (tmp_path / "old" / ".hubferry").exists()


def test_a_cache_uses_what_the_environment_says_unless_told_otherwise(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HUBFERRY_CACHE", str(tmp_path / "chosen"))
    (tmp_path / "home" / "flux_model_cache").mkdir(parents=True)
    cache = Cache()
    assert cache.root == tmp_path / "chosen"
    assert cache.roots == (tmp_path / "chosen", tmp_path / "home" / "flux_model_cache")
    (tmp_path / "chosen").mkdir()
    other = Cache(tmp_path / "mine")
    assert other.roots == (
        tmp_path / "mine",
        tmp_path / "chosen",
        tmp_path / "home" / "flux_model_cache",
    )
    assert Cache(tmp_path / "mine", roots=[]).roots == (tmp_path / "mine",)
    (tmp_path / "link").symlink_to(tmp_path / "chosen")
    assert Cache(tmp_path / "link").roots == (tmp_path / "link", tmp_path / "home" / "flux_model_cache")


def test_a_dataset_takes_an_empty_directory_of_its_name_but_not_a_full_one(tmp_path):
    dataset = RepoRef("hf", "org/data", repo_type="dataset")
    (tmp_path / "root" / "org_data").mkdir(parents=True)
    assert Cache(tmp_path / "root", roots=[]).open(dataset).path.name == "org_data"
    other = RepoRef("hf", "org/more", repo_type="dataset")
    (tmp_path / "root" / "org_more").mkdir()
    (tmp_path / "root" / "org_more" / "file").touch()
    assert Cache(tmp_path / "root", roots=[]).open(other).path.name != "org_more"
