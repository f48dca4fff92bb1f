"""A model's directory when the system, or somebody else, comes between two steps of it."""

import errno
import hashlib
import os

import pytest

from hubferry.cache import locks, recorded
from hubferry.cache.disk import Disk, disk
from hubferry.cache.store import Cache, ModelDirectory
from hubferry.errors import DiskError, InterruptedRunError, LockedError
from hubferry.model import Digests, RepoFile, RepoRef

REF = RepoRef("hf", "org/model")


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


@pytest.fixture
def model(tmp_path):
    return Cache(tmp_path / "root", roots=[]).open(REF)


def forbid_renaming_to(monkeypatch, place):
    def replace(source, target):
        if target == place:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target))
        Disk().replace(source, target)

    monkeypatch.setattr(disk, "replace", replace)


def test_a_file_that_may_not_be_replaced_stays_and_stays_known(model, monkeypatch):
    before = put(model, "a", b"older")
    forbid_renaming_to(monkeypatch, model.target("a"))
    with pytest.raises(DiskError, match="no permission"):
        put(model, "a", b"newer")
    assert model.target("a").read_bytes() == b"older"
    assert again(model).known(before) is not None
    assert list(model.partial_directory.iterdir()) == []


def test_a_link_that_may_not_be_replaced_is_not_followed_to_make_room(model, tmp_path, monkeypatch):
    (tmp_path / "outside" / "empty").mkdir(parents=True)
    model.target("a").symlink_to(tmp_path / "outside")
    forbid_renaming_to(monkeypatch, model.target("a"))
    with pytest.raises(DiskError, match="no permission"):
        put(model, "a", b"newer")
    assert (tmp_path / "outside" / "empty").is_dir()
    assert model.target("a").is_symlink()


@pytest.mark.parametrize("known", [True, False])
def test_a_file_that_is_written_to_while_it_is_looked_at_is_not_taken(model, monkeypatch, known):
    file = put(model, "a", b"right")
    if not known:
        model.remove_file("a")
    model.target("a").write_bytes(b"right")
    os.utime(model.target("a"), ns=(1, 1))

    def pread(descriptor, count, offset):
        data = Disk().pread(descriptor, count, offset)
        os.utime(model.target("a"), ns=(2, 2))
        return data

    with monkeypatch.context() as patch:
        patch.setattr(disk, "pread", pread)
        assert model.lookup(file) is None
    assert again(model).manifest.files == {}
    assert model.lookup(file) is not None


def test_litter_that_cannot_be_removed_does_not_undo_what_was_adopted(model, tmp_path, monkeypatch):
    origin = model.target("b")
    origin.write_bytes(b"right")

    def unlink(path, *, missing_ok=False):
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(disk, "unlink", unlink)
        assert model.adopt(file_of("b", b"right"), origin) is not None
    assert again(model).known(file_of("b", b"right")) is not None


def test_a_new_directory_that_another_run_holds_is_asked_about_without_queueing(tmp_path, monkeypatch):
    monkeypatch.setattr(recorded, "_CLAIM_SECONDS", 0.0)
    slept = []
    with ModelDirectory(tmp_path / "model", REF).hold(wait=0):
        monkeypatch.setattr(locks.time, "sleep", slept.append)
        with pytest.raises(LockedError):
            ModelDirectory(tmp_path / "model", REF).claim()
    assert slept == []


def test_who_waits_for_a_model_is_told_for_whom_and_goes_on_when_the_other_ends(model, monkeypatch):
    other = again(model).hold(wait=0)
    other.__enter__()
    monkeypatch.setattr(locks.time, "sleep", lambda _seconds: other.__exit__(None, None, None))
    told = []
    with model.hold(wait=30, on_wait=told.append):
        assert locks.is_held(model.path / ".hubferry")
    assert [who.partition(" on ")[0] for who in told] == [f"process {os.getpid()}"]


def test_who_waits_for_a_model_can_be_stopped_and_is_told_its_name(model):
    stopped = pytest.raises(InterruptedRunError, match="stopped while waiting for hf:org/model")
    with again(model).hold(wait=0), stopped, model.hold(wait=None, cancelled=lambda: True):
        pytest.fail("two held it")


def test_unfinished_files_are_where_every_version_looks_for_them(model, tmp_path, monkeypatch):
    place = model.path / ".hubferry" / "partial"
    (model.partial_directory / "a.part").touch()
    assert [path.name for path in place.iterdir()] == ["a.part"]
    (place / "a.part").unlink()
    place.rmdir()

    def mkdir(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(disk, "mkdir", mkdir)
    with pytest.raises(DiskError, match="no permission"):
        _ = model.partial_directory
