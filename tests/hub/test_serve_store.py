"""The store behind the embedded hub: it outlives its process, belongs to one, and tells the truth."""

from __future__ import annotations

import hashlib
import random
import subprocess
from pathlib import Path

import msgspec
import pytest
from huggingface_hub import HfApi
from modelscope_hub import HubApi
from servers import running_hub

from hubferry.errors import IntegrityError, LockedError
from hubferry.serve import Delete, Put, Store
from hubferry.serve.git import folder_ids, object_id
from hubferry.serve.refusal import Reason, Refusal

WEIGHTS = random.Random("serve store 1").randbytes(200_000)


def test_everything_is_there_after_a_restart(tmp_path):
    with running_hub(tmp_path / "hub") as hub:
        api = HfApi(endpoint=hub.url, token=hub.token)
        api.create_repo("org/model", private=True)
        api.upload_file(path_or_fileobj=WEIGHTS, path_in_repo="w.safetensors", repo_id="org/model")
        api.create_tag("org/model", tag="v1")
        api.upload_file(path_or_fileobj=b"two", path_in_repo="a.txt", repo_id="org/model")
        before = (api.list_repo_refs("org/model"), api.list_repo_commits("org/model"))
    with running_hub(tmp_path / "hub") as hub:
        api = HfApi(endpoint=hub.url, token=hub.token)
        assert (api.list_repo_refs("org/model"), api.list_repo_commits("org/model")) == before
        assert api.model_info("org/model").private
        assert set(api.list_repo_files("org/model")) == {"w.safetensors", "a.txt"}
        assert api.list_repo_files("org/model", revision="v1") == ["w.safetensors"]
        path = api.hf_hub_download("org/model", "w.safetensors", cache_dir=tmp_path / "cache")
        assert Path(path).read_bytes() == WEIGHTS


def test_what_one_client_uploads_the_other_one_fetches(hub, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "w.safetensors").write_bytes(WEIGHTS)
    (folder / "README.md").write_bytes(b"# hello\n")
    huggingface = HfApi(endpoint=hub.url, token=hub.token)
    modelscope = HubApi(endpoint=hub.url, token=hub.token)
    huggingface.create_repo("org/from-hf")
    huggingface.upload_folder(repo_id="org/from-hf", folder_path=folder)
    modelscope.download_repo("org/from-hf", "model", local_dir=str(tmp_path / "by-ms"))
    modelscope.create_repo("org/from-ms", "model", license="mit")
    modelscope.upload_folder("org/from-ms", "model", folder_path=str(folder))
    huggingface.snapshot_download("org/from-ms", local_dir=tmp_path / "by-hf")
    for copy in ("by-ms", "by-hf"):
        for name in ("w.safetensors", "README.md"):
            assert (tmp_path / copy / name).read_bytes() == (folder / name).read_bytes()
    assert huggingface.model_info("org/from-ms").card_data.license == "mit"


def test_only_one_process_serves_a_store(tmp_path):
    store = Store(tmp_path)
    with store.hold(), pytest.raises(LockedError), Store(tmp_path).hold():
        pass
    with Store(tmp_path).hold():
        pass


def test_what_was_half_received_is_cleared_away(tmp_path):
    store = Store(tmp_path)
    half = store.blobs.receive()
    half.write(b"half")
    assert list((tmp_path / "incoming").iterdir())
    with Store(tmp_path).hold():
        assert not list((tmp_path / "incoming").iterdir())
    half.discard()


def test_a_repository_without_its_record_is_made_anew(tmp_path):
    store = Store(tmp_path)
    store.create("org/model")
    (tmp_path / "repositories" / "model" / "org@model" / "repository.json").unlink()
    assert Store(tmp_path).create("org/model").record.repo_id == "org/model"


@pytest.mark.parametrize(
    "name", ["", "/", "a/b/c", "../x", "a/..", "a/b..c", "a b", "a/.b", "a@b", "x" * 97, "a/b.", "ä", "a\0b"]
)
def test_a_name_that_could_leave_the_store_is_refused(tmp_path, name):
    with pytest.raises(Refusal) as caught:
        Store(tmp_path).create(name)
    assert caught.value.reason is Reason.INVALID


def test_hostile_paths_can_be_put_into_the_store_and_are_only_data(tmp_path):
    store = Store(tmp_path)
    paths = ["../up", "/abs", "a//b", "a", "a/b", "con", "nul\0byte", "C:\\x"]
    record = store.add("org/hostile", dict.fromkeys(paths, b"x"))
    assert set(store.find("org/hostile").tree(record.id).files) == set(paths)
    assert {path.name for path in tmp_path.iterdir()} == {"blobs", "incoming", "repositories"}


def test_trees_and_files_have_the_ids_that_git_gives_them(tmp_path):
    files = {"b.txt": b"b\n", "a/x.txt": b"x\n", "a/deep/y.txt": b"", "a.txt": b"a"}
    store = Store(tmp_path / "store")
    record = store.add("org/model", files)
    work = tmp_path / "work"
    for path, content in files.items():
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_bytes(content)
    git = ["git", "-C", str(work), "-c", "core.autocrlf=false"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    expected = subprocess.run([*git, "write-tree"], check=True, capture_output=True, text=True).stdout.strip()
    assert store.find("org/model").tree(record.id).folders[""] == expected


def test_a_commit_on_top_is_the_same_as_the_sum_of_its_changes(tmp_path):
    store = Store(tmp_path)
    repository = store.create("org/model")
    blobs = [store.blobs.put(b"%d" % n) for n in range(30)]
    expected: dict[str, str] = {}
    for number, sha256 in enumerate(blobs):
        changes = [Put(f"d{number % 3}/f{number % 7}", sha256, lfs=False)]
        expected[f"d{number % 3}/f{number % 7}"] = sha256
        if number % 5 == 4:
            gone = next(iter(expected))
            changes.append(Delete(gone))
            if gone in expected and gone != changes[0].path:
                del expected[gone]
            else:
                changes.pop()
        repository.commit("main", changes, title=str(number))
    for tree in (
        repository.tree(repository.resolve(None)),
        Store(tmp_path).find("org/model").tree(repository.resolve(None)),
    ):
        assert {path: file.sha256 for path, file in tree.files.items()} == expected


def test_a_short_commit_name_is_found_unless_it_is_no_commit(tmp_path):
    store = Store(tmp_path)
    record = store.add("org/model", {"a": b"1"})
    repository = store.find("org/model")
    assert repository.resolve(record.id[:7]) == record.id
    for name in (record.id[:6], "f" * 40, "../../x", "main/../x"):
        with pytest.raises(Refusal):
            repository.resolve(name)


def test_folder_ids_know_every_folder_on_the_way():
    from hubferry.serve.records import FileRecord

    file = FileRecord("0" * 64, 0, object_id("blob", b""))
    assert set(folder_ids({"a/b/c/d": file, "e": file})) == {"", "a", "a/b", "a/b/c"}


def test_a_blob_hashes_while_it_lands_and_is_invisible_until_then(tmp_path: Path):
    blobs = Store(tmp_path).blobs
    content = random.Random("serve store 2").randbytes(10_000)
    sha256 = hashlib.sha256(content).hexdigest()
    incoming = blobs.receive()
    incoming.write(content)
    assert blobs.size(sha256) is None
    incoming.publish(sha256)
    assert blobs.size(sha256) == 10_000
    wrong = blobs.receive()
    wrong.write(b"other")
    with pytest.raises(Refusal):
        wrong.publish(sha256)
    wrong.discard()
    assert blobs.read(sha256) == content


SPOILT = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff",
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b'{"repo_id": 1}',
    b"<html></html>",
]


@pytest.mark.parametrize("content", SPOILT, ids=[repr(content[:12]) for content in SPOILT])
def test_a_repositorys_record_that_was_tampered_with_is_named_and_the_hub_does_not_start(tmp_path, content):
    record = Store(tmp_path).create("org/model").folder / "repository.json"
    record.write_bytes(content)
    with pytest.raises(IntegrityError, match=r"repository\.json") as caught:
        Store(tmp_path)
    assert str(record.parent) in caught.value.hint


@pytest.mark.parametrize(
    "content", [None, *SPOILT], ids=["gone", *(repr(content[:12]) for content in SPOILT)]
)
def test_a_commit_that_was_tampered_with_is_refused_and_the_other_repositories_are_served(tmp_path, content):
    store = Store(tmp_path)
    for name in ("org/bad", "org/good"):
        store.add(name, {"a.txt": b"x"})
    repository = store.find("org/bad")
    place = repository.folder / "commits" / f"{repository.resolve(None)}.json"
    place.unlink() if content is None else place.write_bytes(content)
    again = Store(tmp_path)
    bad, good = again.find("org/bad"), again.find("org/good")
    with pytest.raises(Refusal, match="commit"):
        bad.tree(bad.resolve(None))
    assert good.tree(good.resolve(None)).paths == ["a.txt"]


def test_a_branch_that_was_tampered_with_leads_to_no_file_outside(tmp_path):
    store = Store(tmp_path)
    store.add("org/model", {"a.txt": b"x"})
    repository = store.find("org/model")
    (tmp_path / "outside.json").write_bytes(
        (repository.folder / "commits" / f"{repository.resolve(None)}.json").read_bytes()
    )
    repository.change(branches={"main": "../../../../outside"})
    again = Store(tmp_path).find("org/model")
    with pytest.raises(Refusal, match="broken"):
        again.tree(again.resolve(None))


@pytest.mark.parametrize("length", [1, 2, 5])
def test_commits_that_go_round_in_a_circle_are_refused(tmp_path, length):
    store = Store(tmp_path)
    for number in range(length):
        store.add("org/model", {"a.txt": b"%d" % number})
    repository = store.find("org/model")
    history = list(repository.history.walk(repository.resolve(None)))
    first = repository.folder / "commits" / f"{history[-1].id}.json"
    first.write_bytes(msgspec.json.encode(msgspec.structs.replace(history[-1], parent=history[0].id)))
    again = Store(tmp_path).find("org/model")
    with pytest.raises(Refusal, match="broken"):
        again.tree(again.resolve(None))
    with pytest.raises(Refusal, match="broken"):
        list(again.history.walk(again.resolve(None)))
