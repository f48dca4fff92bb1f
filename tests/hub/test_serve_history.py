"""A hub's history: what it costs to open an old commit, and what may lie on the disk beside it."""

from __future__ import annotations

import shutil
import threading
import urllib.request

import pytest

from hubferry.serve import Put, Store
from hubferry.serve.history import History
from hubferry.serve.recent import Recent
from hubferry.serve.records import CommitRecord, FileRecord

COMMITS = 600


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr("hubferry.serve.disk.os.fsync", lambda _it: None)


def long_history(root, commits=COMMITS):
    """Make a repository whose every commit writes one of fifty files, or now and then removes one."""
    repository = Store(root, durable=False).create("org/model")
    parent = repository.resolve(None)
    for number in range(commits):
        path = f"d{number % 5}/{number % 50}.txt"
        file = None if number % 97 == 96 else FileRecord(f"{number:064x}", number, f"{number:040x}")
        record = CommitRecord("", parent, float(number), f"commit {number}", "", "local", {path: file})
        parent = repository.history.append(record).id
    repository.change(branches={"main": parent})
    repository.tree(parent)
    return repository


def trees(repository):
    heads = [head.id for head in repository.history.walk(repository.resolve(None))]
    return [repository.tree(commit).files for commit in (*heads[::100], heads[-1])]


@pytest.fixture
def counted(monkeypatch):
    """Count how many commits are read with what they change."""
    read = History._read
    found = []

    def note(self, name, shape):
        if shape is CommitRecord:
            found.append(name)
        return read(self, name, shape)

    monkeypatch.setattr(History, "_read", note)
    return found


def test_after_a_restart_no_commit_is_far_from_a_tree_that_was_written_down(tmp_path, counted):
    before = long_history(tmp_path)
    heads = [head.id for head in before.history.walk(before.resolve(None))]
    for commit in heads[::150]:
        counted.clear()
        Store(tmp_path).find("org/model").tree(commit)
        assert len(counted) <= 257
    counted.clear()
    shutil.rmtree(before.folder / "trees")
    Store(tmp_path).find("org/model").tree(heads[0])
    assert len(counted) == len(heads)  # what the bound is worth
    counted.clear()
    Store(tmp_path).find("org/model").tree(heads[0])
    assert len(counted) <= 257  # written down again on the way


def test_trees_are_the_same_with_and_without_what_was_written_down(tmp_path):
    repository = long_history(tmp_path)
    assert list((repository.folder / "trees").iterdir())
    expected = trees(repository)
    assert trees(Store(tmp_path).find("org/model")) == expected
    shutil.rmtree(repository.folder / "trees")  # what a store of an older version looks like
    assert trees(Store(tmp_path).find("org/model")) == expected


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "other commit"])
def test_a_tree_that_was_written_down_is_believed_only_if_it_is_whole(tmp_path, damage):
    repository = long_history(tmp_path)
    expected = trees(repository)
    for path in (repository.folder / "trees").iterdir():
        content = path.read_bytes()
        middle = len(content) // 2
        path.write_bytes(
            {
                "cut": content[:middle],
                "bit": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
                "empty": b"",
                "other commit": content.replace(path.name.encode(), b"0" * 40),
            }[damage]
        )
    assert trees(Store(tmp_path).find("org/model")) == expected


def test_a_disk_that_takes_no_tree_takes_commits_all_the_same(tmp_path):
    repository = long_history(tmp_path, 10)
    (repository.folder / "trees").write_bytes(b"in the way")
    again = Store(tmp_path, durable=False).find("org/model")
    for number in range(300):
        sha256 = again._blobs.put(f"{number}".encode())
        again.commit("main", [Put("a", sha256, lfs=False)], title=f"{number}")
    assert len(list(again.history.walk(again.resolve(None)))) == 311
    assert set(again.tree(again.resolve(None)).files) > {"a"}


def test_memory_follows_what_is_asked_and_not_the_history(tmp_path, monkeypatch):
    repository = long_history(tmp_path)
    monkeypatch.setattr("hubferry.serve.history._FILES_KEPT", 200)
    again = Store(tmp_path).find("org/model")
    trees(again)
    kept = again.history._kept.trees
    assert sum(len(built.tree) for built, _weight in kept._kept.values()) <= 200
    assert repository.resolve(None) == again.resolve(None)


def test_the_longest_unused_go_first_and_the_last_one_stays_however_heavy():
    recent = Recent(10)
    recent.put("a", 1, 4)
    recent.put("b", 2, 4)
    assert recent.get("a") == 1
    recent.put("c", 3, 4)
    assert (recent.get("a"), recent.get("b"), recent.get("c")) == (1, None, 3)
    recent.put("a", 9, 1)
    recent.put("d", 4, 5)
    assert (recent.get("a"), recent.get("c"), recent.get("d")) == (9, 3, 4)
    recent.put("heavy", 5, 1_000)
    assert (recent.get("heavy"), len(recent)) == (5, 1)


def test_no_question_makes_a_tree_on_the_loop_that_answers_everybody(hub, monkeypatch):
    record = hub.store.add("org/model", {"README.md": b"---\nlicense: mit\n---\n", "d/a.txt": b"1"})
    hub.store.add("org/data", {"d/a.txt": b"1"}, kind="dataset")
    build, threads = History._build, []

    def note(self, name):
        threads.append(threading.current_thread().name)
        return build(self, name)

    monkeypatch.setattr(History, "_build", note)
    for path in (
        "/api/models/org/model/tree/main?recursive=true&expand=true",
        "/api/models/org/model",
        "/api/models/org/model/revision/main?blobs=true",
        "/api/models?full=true",
        "/api/datasets?expand=cardData",
        "/org/model/resolve/main/d/a.txt",
        f"/org/model/resolve/{record.id}/d/a.txt",
        "/api/v1/models/org/model/repo/files?Recursive=true",
        "/api/v1/models/org/model/repo?FilePath=d/a.txt",
        "/api/v1/datasets/org/data/repo/tree?Recursive=true",
        "/api/v1/models/org/model",
        "/openapi/v1/models",
        "/openapi/v1/models/org/model",
    ):
        for repository in (hub.store.find("org/model"), hub.store.find("org/data", "dataset")):
            repository.history._kept.trees._kept.clear()
        threads.clear()
        with urllib.request.urlopen(hub.url + path) as answer:
            assert answer.status == 200
        assert threads, path
        assert "hub" not in threads, path


def test_a_commit_says_what_it_said_before_a_restart(tmp_path):
    repository = long_history(tmp_path, 20)
    said = list(repository.history.walk(repository.resolve(None)))
    again = Store(tmp_path).find("org/model")
    assert list(again.history.walk(again.resolve(None))) == said
    assert FileRecord("0" * 64, 0, "0" * 40) not in again.tree(said[0].id).files.values()
