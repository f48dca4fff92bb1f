"""What a check says about directories that we keep records of."""

from __future__ import annotations

import hashlib

import pytest
from tests import models

from hubferry.cache.check import Kind, State, check_model, check_model_exists
from hubferry.cache.store import Cache
from hubferry.model import Digests, RepoFile, RepoRef, Revision

REF = RepoRef("hf", "org/model")


@pytest.fixture
def folder(tmp_path):
    return models.transformers_model(tmp_path / "folder", shards=2, shard_size=6000)


@pytest.fixture
def bring(tmp_path, folder):
    """Bring files in as a transfer does."""

    def bring(*names, ref=REF, finish=True, whole=True):
        directory = Cache(tmp_path / "cache", roots=()).open(ref)
        items = []
        for name in names or sorted(path.name for path in folder.iterdir()):
            content = (folder / name).read_bytes()
            digests = Digests(len(content), hashlib.sha256(content).hexdigest())
            items.append((RepoFile(name, len(content), digests.sha256), content, digests))
        with directory.hold(wait=0):
            directory.put_many(items)
            if finish:
                files = [file for file, _content, _digests in items]
                directory.finish(Revision(ref, "c" * 40), files, whole=whole)
        return directory.path

    return bring


def found(directory):
    state = check_model(directory)
    return state.verdict, {problem.path: problem.kind for problem in state.problems}


def test_what_a_transfer_finished_is_whole_without_a_look_inside(bring, monkeypatch):
    path = bring()
    monkeypatch.setattr("hubferry.cache.formats.examine", None)
    state = check_model(path)
    assert (state.verdict, state.verified) == (State.WHOLE, True)
    assert str(state.ref) == f"hf:org/model@{'c' * 40}"
    assert check_model_exists(path)


def test_what_the_hub_itself_does_not_have_is_not_missed(bring, folder):
    (folder / "model.safetensors.index.json").unlink()
    (folder / "merges.txt").unlink()
    path = bring()
    assert check_model(path).verified
    models.write_json(path / "config.json", {"changed": True})
    assert found(path) == (State.BROKEN, {"config.json": Kind.BROKEN})


def test_what_is_left_over_beside_a_whole_model_does_not_matter(bring):
    path = bring()
    models.write_file(path / ".hubferry/partial/abc", b"half")
    models.write_file(path / "notes.incomplete", b"half")
    assert found(path) == (State.WHOLE, {})


def test_a_missing_file_that_the_commit_has_makes_it_partial(bring):
    path = bring()
    (path / "README.md").unlink()
    assert found(path) == (State.PARTIAL, {"README.md": Kind.MISSING})


def test_a_part_that_was_asked_for_is_judged_by_its_structure(bring):
    path = bring("config.json", "README.md", whole=False)
    assert found(path) == (State.UNKNOWN, {"./": Kind.NOTE})
    assert not check_model_exists(path)


def test_a_transfer_that_never_finished_is_not_called_whole(bring):
    path = bring(finish=False)
    assert check_model(path).verdict is State.UNKNOWN
    models.write_file(path / ".hubferry/partial/abc", b"half")
    assert found(path) == (State.PARTIAL, {".hubferry/partial/abc": Kind.LEFTOVER})


def test_a_dataset_is_held_against_its_records_only(bring):
    path = bring("README.md", ref=RepoRef("hf", "org/data", repo_type="dataset"))
    assert found(path) == (State.WHOLE, {})
    models.write_file(path / "README.md", (path / "README.md").read_bytes())
    assert check_model(path).verdict is State.UNKNOWN
    (path / "README.md").unlink()
    assert found(path) == (State.PARTIAL, {"README.md": Kind.MISSING})


@pytest.mark.parametrize("content", [b"", b"{", b"null", b'{"hub": "hf", "files": {"../x": {}}}'])
def test_records_that_were_tampered_with_are_not_believed(bring, content):
    path = bring()
    models.write_file(path / ".hubferry/manifest.json", content)
    state = check_model(path)
    assert (state.verdict, state.verified, state.ref) == (State.WHOLE, False, None)
