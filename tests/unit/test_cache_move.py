"""Moving a root across filesystems: copied, proven, then removed."""

from __future__ import annotations

import errno
import hashlib
import os

import pytest
from tests import models

from hubferry.cache import moving
from hubferry.cache.check import State, check_model
from hubferry.cache.disk import disk
from hubferry.cache.listing import list_models
from hubferry.cache.store import Cache
from hubferry.errors import DiskError, IntegrityError, LockedError, NotFoundError, UsageError
from hubferry.model import Digests, RepoFile, RepoRef, Revision

REF = RepoRef("hf", "org/model")


@pytest.fixture(autouse=True)
def _two_filesystems(monkeypatch):
    monkeypatch.setattr(moving, "_can_rename", lambda _source, _target: False)


@pytest.fixture
def root(tmp_path):
    """A recorded model and one that nobody recorded, which share a file."""
    root = tmp_path / "old"
    folder = models.transformers_model(tmp_path / "folder", shards=2, shard_size=6000)
    directory = Cache(root, roots=()).open(REF)
    items = []
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        digests = Digests(len(content), hashlib.sha256(content).hexdigest())
        items.append((RepoFile(path.name, len(content), digests.sha256), content, digests))
    with directory.hold(wait=0):
        directory.put_many(items)
        directory.finish(Revision(REF, "c" * 40), [file for file, _content, _digests in items])
    models.transformers_model(root / "zoo", shards=1, shard_size=600)
    os.link(root / "org_model/config.json", root / "zoo/linked.json")
    (root / "zoo/relative").symlink_to("config.json")
    return root


def contents(path):
    return {
        file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()
    }


def test_models_arrive_whole_with_records_that_are_true_there(root, tmp_path):
    before = {name: content for name, content in contents(root).items() if ".hubferry/" not in name}
    seen = []
    moved = moving.move(root, tmp_path / "new", on_model=seen.append)
    assert seen == ["org/model", "zoo"]
    assert (moved.root, moved.models, moved.unshared) == (tmp_path / "new", 2, 0)
    after = {
        name: content for name, content in contents(tmp_path / "new").items() if ".hubferry/" not in name
    }
    assert after == before
    assert not root.exists()
    state = check_model(tmp_path / "new/org_model")
    assert (state.verdict, state.verified) == (State.WHOLE, True)


def test_links_stay_links_and_count_once(root, tmp_path):
    moving.move(root, tmp_path / "new")
    new = tmp_path / "new"
    assert (new / "zoo/linked.json").samefile(new / "org_model/config.json")
    assert (new / "zoo/relative").readlink().name == "config.json"


def test_a_file_that_rotted_stops_the_move_before_anything_is_removed(root, tmp_path):
    path = root / "org_model/model-00001-of-00002.safetensors"
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(IntegrityError, match="not what was verified"):
        moving.move(root, tmp_path / "new")
    assert {model.name for model in list_models([root]).models} == {"org_model", "zoo"}
    listing = list_models([tmp_path / "new"])
    assert (listing.models, listing.doomed) == ((), ())


def test_a_move_that_was_interrupted_goes_on_where_it_was(root, tmp_path, monkeypatch):
    def stop(name):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        moving.move(root, tmp_path / "new", on_model=stop)
    assert [model.name for model in list_models([root]).models] == ["zoo"]
    assert [model.name for model in list_models([tmp_path / "new"]).models] == ["org_model"]
    moving.move(root, tmp_path / "new")
    assert [model.name for model in list_models([tmp_path / "new"]).models] == ["org_model", "zoo"]


def test_a_file_that_changed_since_it_was_verified_stays_in_doubt(root, tmp_path):
    (root / "org_model/merges.txt").write_text("other")
    moving.move(root, tmp_path / "new")
    state = check_model(tmp_path / "new/org_model")
    assert state.to_fetch == ("merges.txt",)


def test_a_disk_that_is_too_small_is_named_before_anything_moves(root, tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "free", lambda _path: 1000)
    with pytest.raises(DiskError, match="too small"):
        moving.move(root, tmp_path / "new")
    assert len(list_models([root]).models) == 2


def test_a_model_that_a_run_holds_stops_the_move(root, tmp_path):
    with Cache(root, roots=()).open(REF).hold(wait=0), pytest.raises(LockedError):
        moving.move(root, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_two_caches_that_have_one_name_are_not_mixed(root, tmp_path):
    models.write_file(tmp_path / "new/CACHEDIR.TAG", b"x")
    models.write_file(tmp_path / "new/zoo/config.json", b"{}")
    with pytest.raises(UsageError, match="both caches have zoo"):
        moving.move(root, tmp_path / "new")


def test_a_link_in_the_root_leads_to_the_same_place_from_the_new_one(root, tmp_path):
    models.transformers_model(tmp_path / "outside", shards=1, shard_size=600)
    (root / "linked").symlink_to("../outside")
    moving.move(root, tmp_path / "new")
    assert (tmp_path / "new/linked").samefile(tmp_path / "outside")
    assert (tmp_path / "outside/config.json").is_file()


def test_what_is_remembered_of_folders_goes_along_and_nothing_is_left_in_the_links_way(root, tmp_path):
    (root / ".folders").mkdir()
    (root / ".folders/0a.json").write_bytes(b"{}")
    moving.move(root, tmp_path / "new", link=True)
    assert (tmp_path / "new/.folders/0a.json").read_bytes() == b"{}"
    assert root.is_symlink()
    assert root.resolve() == tmp_path / "new"


class TestOnOneFilesystem:
    """There a move is a rename."""

    @pytest.fixture(autouse=True)
    def _one_filesystem(self, _two_filesystems, monkeypatch):
        monkeypatch.undo()

    def test_records_stay_true_and_no_file_is_copied(self, root, tmp_path):
        inode = (root / "org_model/config.json").stat().st_ino
        (tmp_path / "new").mkdir()
        moving.move(root, tmp_path / "new")
        assert (tmp_path / "new/org_model/config.json").stat().st_ino == inode
        assert check_model(tmp_path / "new/org_model").verified
        assert not root.exists()

    def test_two_mounts_of_one_disk_are_two_filesystems(self, root, tmp_path, monkeypatch):
        """As volumes of a container are: the device is the same, and a rename is refused."""

        def replace(source, target, replace=disk.replace):
            if source == root:
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), source, None, target)
            replace(source, target)

        before = {name: content for name, content in contents(root).items() if ".hubferry/" not in name}
        monkeypatch.setattr(disk, "replace", replace)
        moving.move(root, tmp_path / "new")
        after = contents(tmp_path / "new")
        assert before.items() <= after.items()
        assert check_model(tmp_path / "new/org_model").verified
        assert not root.exists()

    def test_a_link_can_be_left_behind(self, root, tmp_path):
        moving.move(root, tmp_path / "deep/new", link=True)
        assert root.resolve() == tmp_path / "deep/new"

    def test_a_model_that_a_run_holds_stops_it(self, root, tmp_path):
        with Cache(root, roots=()).open(REF).hold(wait=0), pytest.raises(LockedError):
            moving.move(root, tmp_path / "new")
        assert len(list_models([root]).models) == 2

    def test_what_stands_against_it_is_said_first(self, root, tmp_path):
        with pytest.raises(NotFoundError):
            moving.move(tmp_path / "none", tmp_path / "new")
        with pytest.raises(UsageError, match="lie in one another"):
            moving.move(root, root / "org_model/deeper")
        models.write_file(tmp_path / "file", b"x")
        with pytest.raises(UsageError, match="is no directory"):
            moving.move(root, tmp_path / "file")
        models.write_file(tmp_path / "full/letter", b"x")
        with pytest.raises(UsageError, match="not empty, and no cache"):
            moving.move(root, tmp_path / "full")
