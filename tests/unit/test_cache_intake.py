"""Taking in a folder by hand, and what is known about each file."""

from __future__ import annotations

import hashlib

import pytest
from tests import models

from hubferry.cache.contents import Standing, contents
from hubferry.cache.intake import repository_of, take_in
from hubferry.cache.store import Cache
from hubferry.errors import LockedError, NotFoundError
from hubferry.model import RepoRef

REF = RepoRef("hf", "org/model")


@pytest.fixture
def folder(tmp_path):
    return models.transformers_model(tmp_path / "folder", shards=2, shard_size=6000)


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache", roots=())


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def git_sha1(path):
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def note(folder, name, digest, commit="c" * 40):
    models.write_file(folder / f".cache/huggingface/download/{name}.metadata", f"{commit}\n{digest}\n1.0\n")


def test_files_are_shared_and_verified(folder, cache):
    seen = []
    taken = take_in(folder, REF, cache, on_file=seen.append)
    assert (taken.path, taken.files, taken.refused) == (cache.root / "org_model", 12, ())
    assert seen == sorted(path.name for path in folder.iterdir())
    assert taken.size == sum(path.stat().st_size for path in folder.iterdir())
    assert (taken.path / "config.json").samefile(folder / "config.json")
    files = contents(taken.path)
    assert {file.standing for file in files} == {Standing.VERIFIED}
    assert {file.links for file in files} == {2}
    assert {file.path: file.sha256 for file in files} == {
        path.name: sha256(path) for path in folder.iterdir()
    }


def test_a_second_time_nothing_is_new(folder, cache):
    first = take_in(folder, REF, cache)
    assert take_in(folder, REF, cache) == first


def test_notes_of_either_kind_are_held_against_the_files(folder, cache):
    note(folder, "model-00001-of-00002.safetensors", sha256(folder / "model-00001-of-00002.safetensors"))
    note(folder, "config.json", git_sha1(folder / "config.json"))
    note(folder, "merges.txt", git_sha1(folder / "config.json"))
    taken = take_in(folder, REF, cache)
    assert (taken.files, taken.refused, taken.commit) == (11, ("merges.txt",), None)
    assert not (taken.path / "merges.txt").exists()


def test_the_commit_is_known_when_every_note_names_the_same(folder, cache):
    for path in [path for path in folder.iterdir() if path.is_file()]:
        note(folder, path.name, sha256(path))
    assert take_in(folder, REF, cache).commit == "c" * 40
    note(folder, "config.json", sha256(folder / "config.json"), commit="d" * 40)
    assert take_in(folder, REF, cache).commit is None


def test_a_folder_in_its_own_place_is_recorded_where_it_is(folder, cache):
    place = cache.root / "org_model"
    cache.root.mkdir()
    folder.rename(place)
    note(place, "merges.txt", "0" * 64)
    inode = (place / "config.json").stat().st_ino
    taken = take_in(place, REF, cache)
    assert (taken.path, taken.refused) == (place, ("merges.txt",))
    assert (place / "config.json").stat().st_ino == inode
    known = {file.path: file for file in contents(place)}
    assert known["config.json"].standing is Standing.VERIFIED
    assert known["config.json"].git_sha1 == git_sha1(place / "config.json")
    assert known["merges.txt"].standing is Standing.UNKNOWN


def test_a_name_that_cannot_be_stored_is_refused_and_named(folder, cache):
    models.write_file(folder / "bad\nname.txt", "x")
    assert take_in(folder, REF, cache).refused == ("bad\nname.txt",)


def test_nothing_is_taken_from_nowhere(tmp_path, cache):
    with pytest.raises(NotFoundError):
        take_in(tmp_path / "none", REF, cache)
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFoundError, match="has no files"):
        take_in(tmp_path / "empty", REF, cache)


def test_a_model_that_a_run_holds_is_left_alone(folder, cache):
    with cache.open(REF).hold(wait=0), pytest.raises(LockedError):
        take_in(folder, REF, cache)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("hub/models--org--name", "org/name"),
        ("hub/models--gpt2", "gpt2"),
        ("hub/models--org--a--b/snapshots/abc", "org/a--b"),
        ("folder/llm", None),
    ],
)
def test_a_hubs_own_folders_say_whose_they_are(tmp_path, path, name):
    assert repository_of(tmp_path / path) == name


def test_files_that_changed_or_are_gone_are_told_apart(folder, cache):
    for path in [path for path in folder.iterdir() if path.is_file()]:
        note(folder, path.name, sha256(path))
    place = take_in(folder, REF, cache).path
    (place / "merges.txt").unlink()
    (place / "vocab.json").unlink()
    models.write_file(place / "vocab.json", "{}")
    models.write_file(place / "new.txt", "x")
    known = {file.path: (file.standing, file.size) for file in contents(place)}
    assert known["merges.txt"] == (Standing.MISSING, (folder / "merges.txt").stat().st_size)
    assert known["vocab.json"] == (Standing.CHANGED, 2)
    assert known["new.txt"] == (Standing.UNKNOWN, 1)
