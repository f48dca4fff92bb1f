"""One directory holds one commit: updates, selections, revisions, and what older versions left mixed."""

from __future__ import annotations

import shutil
import signal
import sys

import pytest
from desks import KIB, digests, stored

import models
from hubferry.cache.manifest import load
from hubferry.cache.store import Cache
from hubferry.model import Digests, RepoFile, RepoRef, Revision
from hubferry.serve.records import Delete, Put

NAME = "hf:org/model"


def change(desk, *gone, **new):
    """Make a commit upstream that adds or replaces files, and takes some away."""
    store = desk.source.store
    puts = [
        Put(path.replace("__", "/"), store.blobs.put(content), lfs=path.endswith("tensors"))
        for path, content in new.items()
    ]
    return store.find("org/model").commit("main", [*puts, *map(Delete, gone)], title="change").id


def put(desk, files):
    return change(desk, **files)


def head(desk):
    return desk.source.store.find("org/model").resolve(None)


def blob(desk, path):
    """Return where the source hub itself keeps a file."""
    return desk.source.store.blobs.path(desk.source.store.find("org/model").file(head(desk), path).sha256)


def fetch(desk, *words, name=NAME):
    done = desk.ferry("fetch", name, "-q", "--json", *words)
    assert done.code == 0, done.said
    return done.json()


def state(desk, name="org/model"):
    (listed,) = (
        one
        for one in desk.ferry("cache", "list", "--json").json()["models"]
        if one["name"] == name or f"{one['repository']}@{one['revision']}".removesuffix("@None") == name
    )
    return listed["state"], listed["commit"]


@pytest.fixture
def cached(desk, model):
    fetch(desk)
    return desk.home / "cache/org_model"


def reshard(desk, tmp_path):
    """Let three shards, with an index of theirs, replace the two."""
    folder = models.transformers_model(tmp_path / "resharded", shards=3, shard_size=64 * KIB)
    old = [path for path in stored(desk.source, "org/model") if path.endswith(".safetensors")]
    new = {path.name: path.read_bytes() for path in folder.iterdir() if "safetensors" in path.name}
    return change(desk, *old, **new)


def test_files_that_a_new_commit_does_not_have_are_gone_after_a_fetch(desk, cached, tmp_path):
    commit = reshard(desk, tmp_path)
    fetch(desk)
    assert digests(cached) == stored(desk.source, "org/model")
    assert state(desk) == ("whole", commit)
    assert sorted(path.name for path in cached.parent.iterdir()) == ["CACHEDIR.TAG", "org_model"]


def test_a_copy_after_an_update_leaves_no_old_weights_and_says_what_only_the_destination_has(
    desk, model, tmp_path
):
    assert desk.ferry("copy", NAME, "ms:mine/model").code == 0
    reshard(desk, tmp_path)
    done = desk.ferry("copy", NAME, "ms:mine/model", "--json")
    assert done.code == 0, done.said
    assert digests(desk.home / "cache/org_model") == stored(desk.source, "org/model")
    assert state(desk) == ("whole", head(desk))


def test_an_update_fetches_only_what_changed(desk, cached):
    inode = (cached / "model-00001-of-00002.safetensors").stat().st_ino
    change(desk, **{"config.json": b'{"new": 1}'})
    assert fetch(desk)["fetched"] == len(b'{"new": 1}')
    assert (cached / "model-00001-of-00002.safetensors").stat().st_ino == inode


def test_a_file_that_only_changed_its_name_is_not_fetched_again(desk, cached):
    content = (cached / "model-00001-of-00002.safetensors").read_bytes()
    change(desk, "model-00001-of-00002.safetensors", **{"first.safetensors": content})
    assert fetch(desk)["fetched"] == 0
    assert digests(cached) == stored(desk.source, "org/model")


def test_what_a_person_put_there_stays_and_is_named(desk, cached):
    (cached / "notes").mkdir()
    (cached / "notes/mine.txt").write_text("mine")
    (cached / "link").symlink_to("notes/mine.txt")
    change(desk, "merges.txt", **{"config.json": b"{}"})
    done = desk.ferry("fetch", NAME)
    assert done.code == 0, done.said
    assert "2 files in " in done.err
    assert "are not of this commit, and stay: link, notes/mine.txt" in done.err
    assert (cached / "notes/mine.txt").read_text() == "mine"
    assert (cached / "link").readlink().as_posix() == "notes/mine.txt"
    assert not (cached / "merges.txt").exists()
    (shown,) = desk.ferry("cache", "show", "org/model", "--json").json()["models"]
    assert {one["path"] for one in shown["listing"] if one["state"] == "foreign"} == {
        "link",
        "notes/mine.txt",
    }


def test_a_file_of_a_person_where_the_new_commit_has_one_refuses_the_update_and_loses_nothing(desk, cached):
    before = digests(cached)
    (cached / "added.json").write_text("mine")
    change(desk, **{"added.json": b"theirs"})
    done = desk.ferry("fetch", NAME)
    assert done.code == 2
    assert f"hint: mv {cached / 'added.json'} {cached / 'added.json'}.mine" in done.err
    assert digests(cached) == before | {"added.json": digests(cached)["added.json"]}
    (cached / "added.json").rename(cached / "added.json.mine")
    fetch(desk)
    assert (cached / "added.json").read_bytes() == b"theirs"
    assert (cached / "added.json.mine").read_text() == "mine"


def test_a_tag_has_a_directory_beside_it_that_shares_the_bytes(desk, cached):
    desk.source.store.find("org/model").add_tag("v1.0", head(desk))
    change(desk, **{"config.json": b"{}"})
    fetch(desk)
    old = fetch(desk, name=f"{NAME}@v1.0")
    assert old["path"] == str(cached.parent / "org_model@v1.0")
    shard = "model-00001-of-00002.safetensors"
    assert (cached.parent / "org_model@v1.0" / shard).samefile(cached / shard)
    assert (cached / "config.json").read_bytes() == b"{}"
    assert old["fetched"] < 4 * KIB
    assert state(desk, "org/model@v1.0")[0] == state(desk, "org/model")[0] == "whole"
    listed = desk.ferry("cache", "list").out
    assert "org/model@v1.0" in listed
    assert desk.ferry("cache", "clean", "org/model@v1.0", "--force").code == 0
    assert [path.name for path in cached.parent.glob("org*")] == ["org_model"]


def test_cleaning_the_default_branch_leaves_its_revisions(desk, cached):
    desk.source.store.find("org/model").add_tag("v1.0", head(desk))
    fetch(desk, name=f"{NAME}@v1.0")
    assert desk.ferry("cache", "clean", "org/model", "--force").code == 0
    assert [path.name for path in cached.parent.glob("org*")] == ["org_model@v1.0"]


def test_a_selection_is_part_as_asked_and_no_pruning_takes_it(desk, model):
    fetch(desk, "--include", "*.json")
    assert state(desk)[0] == "part"
    done = desk.ferry("cache", "check")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("org/model: part, as asked, ")
    assert "part, as asked" in desk.ferry("cache", "list").out
    desk.ferry("cache", "prune", "--partial")
    assert (desk.home / "cache/org_model/config.json").exists()
    assert desk.ferry("cache", "verify", "--full").code == 0
    fetch(desk)
    assert state(desk)[0] == "whole"


def test_a_selection_of_a_newer_commit_keeps_what_both_have_and_is_not_called_whole(desk, cached):
    commit = put(desk, {"config.json": b"{}", "README.md": b"# new"})
    fetched = fetch(desk, "--include", "config.json")
    assert not fetched["whole"]
    assert state(desk) == ("part", commit)
    expected = stored(desk.source, "org/model")
    held = digests(cached)
    assert held == {path: digest for path, digest in expected.items() if path != "README.md"}
    done = desk.ferry("fetch", NAME)
    assert "whole and verified" in done.err
    assert digests(cached) == expected


def test_what_a_selection_lost_is_named_and_repaired_alone(desk, model):
    fetch(desk, "--include", "config.json", "--include", "merges.txt")
    directory = desk.home / "cache/org_model"
    (directory / "merges.txt").unlink()
    done = desk.ferry("cache", "check")
    assert done.code == 6
    assert "  merges.txt is missing\n  -> hubferry cache repair org_model\n" in done.out
    assert desk.ferry("cache", "repair", "org_model").code == 0
    assert sorted(digests(directory)) == ["config.json", "merges.txt"]
    assert state(desk)[0] == "part"


def mix(desk, model):
    """Leave what an older version left: one commit after another in one place."""
    ref = RepoRef("hf", "org/model")
    directory = Cache(desk.home / "cache", roots=()).open(ref)
    contents = {path.name: path.read_bytes() for path in model.iterdir()} | {"old.safetensors": b"old"}
    items = []
    for name, content in contents.items():
        digest = stored_digest(content)
        items.append((RepoFile(name, len(content), digest.sha256), content, digest))
    with directory.hold(wait=0):
        directory.put_many(items)
        files = [file for file, _content, _digests in items if file.path != "old.safetensors"]
        directory.finish(Revision(ref, head(desk)), files)
    return directory.path


def stored_digest(content):
    import hashlib

    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    return Digests(len(content), hashlib.sha256(content).hexdigest(), blob)


def test_an_old_directory_with_files_of_two_commits_is_called_mixed_and_mended_by_a_fetch(desk, model):
    directory = mix(desk, model)
    (directory / "notes.txt").write_text("mine")
    assert state(desk)[0] == "mixed"
    done = desk.ferry("cache", "check")
    assert done.code == 6
    assert "  old.safetensors is of another commit\n" in done.out
    assert done.out.endswith("  -> hubferry fetch hf:org/model\n")
    assert "mixed" in desk.ferry("cache", "list").out
    done = desk.ferry("fetch", NAME)
    assert "1 file in " in done.err
    assert not (directory / "old.safetensors").exists()
    assert (directory / "notes.txt").read_text() == "mine"
    assert state(desk)[0] == "whole"


def test_a_copy_that_has_nothing_to_do_mends_a_mixed_directory(desk, model):
    desk.ferry("copy", NAME, "ms:mine/model")
    shutil.rmtree(desk.home / "cache")
    directory = mix(desk, model)
    assert desk.ferry("copy", NAME, "ms:mine/model").code == 0
    assert not (directory / "old.safetensors").exists()
    assert state(desk)[0] == "whole"


def test_a_fetch_that_was_cut_short_says_what_it_lacks(desk, model):
    shard = "model-00002-of-00002.safetensors"
    path = blob(desk, shard)
    path.write_bytes(bytes(path.stat().st_size))  # ends that file only: the others arrive
    assert desk.ferry("fetch", NAME).code == 6
    (judged,) = desk.ferry("cache", "check", "--json").json()["models"]
    assert judged["state"] == "partial"
    assert [one["path"] for one in judged["problems"] if one["kind"] == "missing"] == [shard]
    assert {one["hint"] for one in judged["problems"]} <= {"hubferry fetch hf:org/model"}


def test_an_update_that_was_cut_short_leaves_the_old_commit_and_is_taken_up(desk, cached, tmp_path):
    before, old = digests(cached), head(desk)
    reshard(desk, tmp_path)
    last = "model-00003-of-00003.safetensors"
    path = blob(desk, last)
    content = path.read_bytes()
    path.write_bytes(bytes(len(content)))  # wrong bytes end that file only: the others have all arrived
    assert desk.ferry("fetch", NAME).code == 6
    assert digests(cached) == before
    assert state(desk) == ("whole", old)
    plan = desk.ferry("copy", NAME, "ms:mine/model", "--dry-run", "--json").json()
    path.write_bytes(content)
    fetched = fetch(desk)["fetched"]
    assert 64 * KIB <= fetched < 80 * KIB
    assert plan["fetch_bytes"] == fetched
    assert digests(cached) == stored(desk.source, "org/model")


PLANT = """
import os, signal, sys
from hubferry.cache.disk import disk
def operation(*_arguments):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(disk, sys.argv[1], operation)
sys.argv[1:] = sys.argv[2:]
from hubferry.cli.main import main
sys.exit(main())
"""


@pytest.mark.parametrize("operation", ["exchange", "remove_tree"])
def test_a_command_that_is_killed_while_the_commits_change_places_leaves_one_of_them(
    desk, cached, tmp_path, operation
):
    before = digests(cached)
    reshard(desk, tmp_path)
    done = desk.run(sys.executable, "-c", PLANT, operation, "fetch", NAME)
    assert done.code == -signal.SIGKILL, done.said
    after = stored(desk.source, "org/model")
    assert digests(cached) == (before if operation == "exchange" else after)
    assert state(desk)[0] == "whole"
    assert fetch(desk)["fetched"] == 0
    assert digests(cached) == after
    assert sorted(path.name for path in cached.parent.iterdir()) == ["CACHEDIR.TAG", "org_model"]


def test_the_old_place_of_the_flux_script_takes_an_update_where_it_is(desk, tmp_path):
    folder = models.diffusers_model(tmp_path / "flux", shard_size=32 * KIB)
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    desk.source.store.create("black-forest-labs/FLUX.1-dev", "model", license="mit")
    desk.source.store.add("black-forest-labs/FLUX.1-dev", files)
    assert desk.script("transfer_flux_dev.py").code == 0
    place = desk.home / "flux_model_cache/flux-dev"
    repository = desk.source.store.find("black-forest-labs/FLUX.1-dev")
    repository.commit("main", [Delete("LICENSE.md")], title="less")
    assert desk.script("transfer_flux_dev.py").code == 0
    assert "LICENSE.md" not in digests(place)
    assert digests(place) == stored(desk.source, "black-forest-labs/FLUX.1-dev")
    assert [path.name for path in place.parent.iterdir() if path.name.startswith(".")] == []
    assert load(place / ".hubferry").commit == repository.resolve(None)
