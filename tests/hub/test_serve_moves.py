"""What is under way in a repository of the hub while that is moved or removed."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
from servers import WRITE_TOKEN, running_hub

from hubferry.serve import Refusal, Seams, Store
from hubferry.serve.huggingface.renames import renamed
from hubferry.serve.records import Put


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "hub", durable=False)


def during_a_commit(tmp_path, act) -> Exception | None:
    """Commit to org/model by its official client, and act when the hub is about to make the commit."""
    acts = [act]

    def once(repository, _number):
        if acts:
            acts.pop()(hub.store, repository)

    with running_hub(tmp_path / "hub", seams=Seams(before_commit=once)) as hub:
        hub.store.add("org/model", {"a.txt": b"a"})
        api = HfApi(endpoint=hub.url, token=WRITE_TOKEN)
        try:
            api.upload_file(path_or_fileobj=b"b", path_in_repo="b.txt", repo_id="org/model")
        except HfHubHTTPError as error:
            return error
        return None


def test_a_commit_that_is_under_way_while_the_repository_moves_lands_in_it(tmp_path):
    assert during_a_commit(tmp_path, lambda store, _: store.move("org/model", "org/new")) is None
    moved = Store(tmp_path / "hub").find("org/new")
    assert set(moved.tree(moved.resolve(None))) == {"a.txt", "b.txt"}


def test_a_commit_to_what_is_removed_meanwhile_is_refused_as_one_to_what_is_not_there(tmp_path):
    error = during_a_commit(tmp_path, lambda store, _: store.delete("org/model"))
    assert isinstance(error, RepositoryNotFoundError)
    assert not list((tmp_path / "hub" / "repositories" / "model").iterdir())


def test_whoever_reads_or_writes_notices_nothing_of_a_move(store):
    store.add("org/model", {"a.txt": b"a"})
    repository, blob = store.find("org/model"), store.blobs.put(b"x")
    first, failures, ended = repository.resolve(None), [], threading.Event()

    def use(number: int) -> None:
        while not ended.is_set():
            try:
                repository.commit("main", [Put(f"{number}.txt", blob, lfs=False)], title="more")
                repository.discussions.begin("title", "ann", "text")
                assert repository.history.find(first[:12]) == first
                repository.history._kept.heads.drop((repository.history._place, first))
                assert repository.history.commit(first).id == first
                repository.discussions.all()
            except Exception as error:  # noqa: BLE001  # whatever it is, it is told below
                failures.append(error)
                return

    threads = [threading.Thread(target=use, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for name in ["org/b", "org/c", "org/model"] * 10:
        store.move(repository.record.repo_id, name)
    ended.set()
    for thread in threads:
        thread.join(20)
    assert not failures
    again = Store(store.root)
    assert [one.record.repo_id for one in again.repositories()] == ["org/model"]
    assert len(list(again.find("org/model").history.walk(again.find("org/model").resolve(None)))) > 1


def cut_off_while_moving(root) -> None:
    """Leave a store as a crash leaves it between the new name of a repository and that of its folder."""
    store = Store(root, durable=False)
    store.add("org/model", {"a.txt": b"a"})
    store.find("org/model").change(repo_id="org/new", former=("org/model",))


def test_a_move_that_a_crash_cut_off_is_finished_when_the_store_is_held(tmp_path):
    cut_off_while_moving(tmp_path)
    again = Store(tmp_path, durable=False)
    with again.hold():
        again.add("org/model", {"b.txt": b"b"})
    folders = {path.name for path in (tmp_path / "repositories" / "model").iterdir()}
    assert folders == {"org@model", "org@new"}
    found = Store(tmp_path).find("org/new")
    assert set(found.tree(found.resolve(None))) == {"a.txt"}


def test_a_folder_that_another_repository_has_is_nobody_elses_to_remove(tmp_path):
    cut_off_while_moving(tmp_path)
    again = Store(tmp_path, durable=False)
    with pytest.raises(Refusal, match="another repository's"):
        again.create("org/model")
    again.add("org/other", {"b.txt": b"b"})
    with pytest.raises(Refusal, match="another repository's"):
        again.duplicate(again.find("org/other"), "org/model", private=False)
    with pytest.raises(Refusal, match="another repository's"):
        again.move("org/other", "org/model")
    assert {one.record.repo_id for one in Store(tmp_path).repositories()} == {"org/new", "org/other"}


def test_a_folder_that_cannot_be_renamed_leaves_the_repository_its_name(store, monkeypatch):
    store.add("org/model", {"a.txt": b"a"})

    def refuse(_path, _target):
        raise OSError(errno.EACCES, "no")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", refuse)
        with pytest.raises(OSError, match="no"):
            store.move("org/model", "org/new")
    for known in (store, Store(store.root)):
        found = known.find("org/model")
        assert set(found.tree(found.resolve(None))) == {"a.txt"}
        assert found.record.former == ()
    store.move("org/model", "org/new")


def test_a_name_in_another_case_is_given_on_a_disk_that_does_not_tell_case_apart(store, monkeypatch):
    store.add("org/model", {"a.txt": b"a"})
    folder = store.find("org/model").folder
    there = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: there(path) or path.name == "Org@Model")
    monkeypatch.setattr(Path, "samefile", lambda path, other: path.name == "Org@Model" and other == folder)
    store.move("org/model", "Org/Model")
    found = store.find("Org/Model")
    assert set(found.tree(found.resolve(None))) == {"a.txt"}


def test_repositories_are_listed_while_others_are_removed(store):
    for number in range(3):
        store.create(f"org/model{number}")
    listing = store.repositories()
    assert next(listing).record.repo_id == "org/model0"
    store.delete("org/model1")
    assert [one.record.repo_id for one in listing][-1] == "org/model2"


@pytest.mark.parametrize(
    ("address", "old", "expected"),
    [
        ("/org/model/resolve/main/org/model", "org/model", "/org/new/resolve/main/org/model"),
        ("/api/models/model/tree/main?path=a/b", "model", "/api/models/org/new/tree/main?path=a/b"),
        ("/api/models/model?search=model", "model", "/api/models/org/new?search=model"),
        ("/datasets/datasets/commits/main", "datasets", "/datasets/org/new/commits/main"),
        ("/models/foo/blob/main/a", "models/foo", "/org/new/blob/main/a"),
        ("/org/mod%65l/tree/main/a%20b", "org/model", "/org/new/tree/main/a%20b"),
        ("/org/model.git/info/lfs/objects/batch", "org/model", "/org/new.git/info/lfs/objects/batch"),
    ],
)
def test_an_old_address_leads_to_the_same_under_the_new_name_and_nothing_else_of_it_changes(
    address, old, expected
):
    assert renamed(address, old, "org/new") == expected


def test_an_old_name_without_an_owner_leads_to_the_new_one(hub):
    hub.store.add("model", {"a.txt": b"a"})
    hub.store.move("model", "org/model")
    api = HfApi(endpoint=hub.url, token=WRITE_TOKEN)
    assert api.list_repo_files("model") == ["a.txt"]
    assert api.hf_hub_download("model", "a.txt")


def test_commits_of_what_was_removed_are_not_found_in_what_has_its_name_next(store):
    gone = store.add("org/model", {"secret.txt": b"secret"}).id
    assert store.find("org/model").tree(gone)
    store.delete("org/model")
    store.add("org/model", {"a.txt": b"a"})
    with pytest.raises(Refusal):
        store.find("org/model").resolve(gone)
