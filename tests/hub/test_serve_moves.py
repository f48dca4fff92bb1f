"""What is under way in a repository of the hub while that is moved or removed."""

from __future__ import annotations

import threading

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
from servers import WRITE_TOKEN, running_hub

from hubferry.serve import Refusal, Seams, Store
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


def test_commits_of_what_was_removed_are_not_found_in_what_has_its_name_next(store):
    gone = store.add("org/model", {"secret.txt": b"secret"}).id
    assert store.find("org/model").tree(gone)
    store.delete("org/model")
    store.add("org/model", {"a.txt": b"a"})
    with pytest.raises(Refusal):
        store.find("org/model").resolve(gone)
