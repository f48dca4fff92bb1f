"""The rare ways: systems that lack a call, files that change meanwhile, disks that answer by halves."""

import errno
import hashlib
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from hubferry import locking
from hubferry.cache import adopt, clean, listing, locks, manifest, placing, roots
from hubferry.cache import disk as disk_module
from hubferry.cache.disk import Disk, disk, disk_errors
from hubferry.cache.letter_case import tells_case_apart
from hubferry.cache.manifest import Signature
from hubferry.cache.names import plain_names, safe_name
from hubferry.cache.partial import CHUNK, PartialFile
from hubferry.cache.retention import Candidate, Policy, Reason, choose
from hubferry.cache.store import Cache
from hubferry.cache.verify import Outcome, Scope, verify
from hubferry.errors import DiskError, IntegrityError
from hubferry.model import Digests, RepoFile, RepoRef, Revision

REF = RepoRef("hf", "org/model")


def digests_of(content):
    return Digests(len(content), hashlib.sha256(content).hexdigest())


def file_of(path, content):
    return RepoFile(path, len(content), digests_of(content).sha256, lfs=True)


@pytest.fixture
def model(tmp_path):
    return Cache(tmp_path / "root", roots=[]).open(REF)


def failing(number):
    def refuse(*_arguments, **_keywords):
        raise OSError(number, os.strerror(number))

    return refuse


# systems


def test_a_system_without_positioned_reads_and_writes_seeks(tmp_path, monkeypatch):
    monkeypatch.setattr(disk_module, "_POSITIONED", False)
    descriptor = disk.open(tmp_path / "a", os.O_RDWR | os.O_CREAT)
    assert disk.pwrite_all(descriptor, [b"abc", b"", b"defg"], 2) == 7
    assert disk.pwrite_all(descriptor, [b"xy"], 0) == 2
    assert disk.pread(descriptor, 4, 3) == b"bcde"
    buffer = memoryview(bytearray(20))
    assert disk.pread_into(descriptor, buffer, 1) == 8
    assert bytes(buffer[:8]) == b"yabcdefg"
    disk.close(descriptor)
    assert (tmp_path / "a").read_bytes() == b"xyabcdefg"


def test_reading_stops_at_the_end_of_the_file(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    descriptor = disk.open(tmp_path / "a", os.O_RDONLY)
    assert disk.read(descriptor, 2) == b"ab"
    assert disk.pread_into(descriptor, memoryview(bytearray(9)), 1) == 2
    disk.close(descriptor)


def test_a_write_that_the_system_takes_by_halves_is_continued(tmp_path, monkeypatch):
    honest = os.pwritev
    monkeypatch.setattr(
        os, "pwritev", lambda descriptor, views, offset: honest(descriptor, [views[0][:2]], offset)
    )
    descriptor = disk.open(tmp_path / "a", os.O_RDWR | os.O_CREAT)
    assert disk.pwrite_all(descriptor, [b"abc", b"d", b"efghi"], 0) == 9
    disk.close(descriptor)
    assert (tmp_path / "a").read_bytes() == b"abcdefghi"


def test_a_system_that_cannot_sync_directories_is_not_asked_to(tmp_path, monkeypatch):
    asked = []
    with monkeypatch.context() as patch:
        patch.setattr(disk_module, "_DIRECTORY", 0)
        patch.setattr(os, "fsync", asked.append)
        disk.fsync_directory(tmp_path)
    assert asked == []


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_filesystem_that_has_no_such_call_is_no_error(tmp_path, monkeypatch, number):
    asked = []
    refuse = failing(number)
    monkeypatch.setattr(os, "fsync", lambda descriptor: (asked.append(descriptor), refuse(descriptor)))
    disk.fsync_directory(tmp_path)
    assert len(asked) == 1


def test_a_directory_that_cannot_be_made_durable_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        disk.fsync_directory(tmp_path)


def test_only_linux_shares_extents(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(OSError, match=os.strerror(errno.ENOTSUP)):
        Disk().reflink(0, 1)


def test_names_without_letters_tell_nothing_about_case(tmp_path, monkeypatch):
    place = tmp_path / "1"
    (place / "2").mkdir(parents=True)
    honest = disk.stat
    device = SimpleNamespace(st_dev=-1)  # above it begins another filesystem
    monkeypatch.setattr(disk, "stat", lambda path: honest(path) if path.is_relative_to(place) else device)
    assert not tells_case_apart(place / "2")
    (place / "Name").touch()
    assert tells_case_apart(place / "2") is not (place / "nAME").exists()


def test_how_much_is_missing_is_said_in_units_a_person_reads(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "free", lambda _path: 0)
    told = {}
    for size in (999, 1500, 2_500_000, 3_500_000_000, 4_500_000_000_000, 10**16):
        with pytest.raises(DiskError) as caught, disk_errors(tmp_path, needed=size):
            raise OSError(errno.ENOSPC, "No space left on device")
        told[size] = caught.value.message.partition("full, ")[2]
    assert list(told.values()) == [
        f"{size} more are needed" for size in ("999 B", "1.5 KiB", "2.4 MiB", "3.3 GiB", "4.1 TiB", "8.9 PiB")
    ]


def test_where_an_open_directory_cannot_be_renamed_it_is_renamed_after_its_lock_is_gone(
    model, tmp_path, monkeypatch
):
    monkeypatch.setattr(clean, "os", SimpleNamespace(name="nt"))
    replaced = []
    honest = disk.replace

    def replace(source, target):
        if source == model.path:
            replaced.append(locks.is_held(model.path / ".hubferry"))
        honest(source, target)

    monkeypatch.setattr(disk, "replace", replace)
    (listed,) = listing.list_models([tmp_path / "root"]).models
    clean.remove(listed)
    assert replaced == [False]
    assert not model.path.exists()


def test_a_directory_that_somebody_else_makes_first_is_fine_and_a_file_is_not(tmp_path, monkeypatch):
    honest = disk.mkdir

    def race(path):
        honest(path)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))

    monkeypatch.setattr(disk, "mkdir", race)
    roots.make_directories(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        roots.make_directories(tmp_path / "file")


def test_a_lock_that_cannot_be_made_is_an_error_with_a_sentence(model, monkeypatch):
    monkeypatch.delenv("HUBFERRY_LOCK", raising=False)
    monkeypatch.setattr(locking.FileLock, "acquire", failing(errno.EIO))
    with pytest.raises(DiskError, match="Input/output"), model.hold(wait=0):
        pytest.fail("it was held")


def test_a_lock_whose_file_cannot_be_looked_at_is_given_back(model, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(disk, "fstat", failing(errno.EIO))
        with pytest.raises(DiskError), model.hold(wait=0):
            pytest.fail("it was held")
    with model.hold(wait=0):
        assert locks.is_held(model.path / ".hubferry")


def test_a_holder_that_cannot_say_who_it_is_holds_all_the_same(model, monkeypatch):
    honest = disk.replace

    def refuse(source, target):
        if target.name == "lock.holder":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        honest(source, target)

    monkeypatch.setattr(disk, "replace", refuse)
    with model.hold(wait=0):
        assert locks.is_held(model.path / ".hubferry")
        assert locks.holder(model.path / ".hubferry") is None
    assert not [path for path in (model.path / ".hubferry").iterdir() if "holder" in path.name]


# names and records


def test_a_file_outside_of_every_model_has_no_record(tmp_path):
    (tmp_path / "a").touch()
    assert manifest.entry_of(tmp_path / "a") is None


def test_very_long_names_are_cut_between_characters_and_kept_apart():
    names = [safe_name("组" * length) for length in (60, 61, 62)]
    assert names[0] == "组" * 60
    assert names[1].startswith("组" * 60 + "-")
    assert len({*names}) == 3
    assert all(len(name.encode()) <= 200 for name in names)
    assert len(plain_names(RepoRef("hf", "a.b/" + "x" * 300))) == 2


def test_a_write_that_fills_no_chunk_marks_none(tmp_path):
    partial = PartialFile(tmp_path / "a.part", 3 * CHUNK)
    assert partial.write(CHUNK, [b"x" * (CHUNK - 1)]) == CHUNK - 1
    assert partial.missing() == [(0, 3 * CHUNK)]
    partial.close()


@pytest.mark.parametrize("operation", ["pread", "fstat", "truncate"])
def test_a_partial_that_cannot_be_opened_leaves_nothing_open(tmp_path, monkeypatch, operation):
    closed = []
    honest = disk.close
    monkeypatch.setattr(disk, "close", lambda descriptor: (closed.append(descriptor), honest(descriptor)))
    with monkeypatch.context() as patch:
        patch.setattr(disk, operation, failing(errno.EIO))
        with pytest.raises(OSError, match="Input/output"):
            PartialFile(tmp_path / "a.part", CHUNK)
    assert len(closed) == 2


def test_both_files_of_a_partial_are_closed_although_one_cannot_be(tmp_path, monkeypatch):
    partial = PartialFile(tmp_path / "a.part", CHUNK)
    closed = []
    honest = disk.close

    def close(descriptor):
        honest(descriptor)
        closed.append(descriptor)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(disk, "close", close)
        with pytest.raises(OSError, match="Input/output"):
            partial.close()
    assert len(closed) == 2
    partial.close()  # a second time is no error


# placing


def test_an_empty_directory_in_the_way_is_taken_away_and_a_full_one_is_not(model):
    (model.path / "a" / "b" / "c").mkdir(parents=True)
    (model.path / "d" / "e").mkdir(parents=True)
    (model.path / "d" / "mine.txt").write_bytes(b"somebody's")
    content = b"right"
    model.put_many([(file_of("a", content), content, digests_of(content))])
    assert model.target("a").read_bytes() == content
    with pytest.raises(DiskError):
        model.put_many([(file_of("d", content), content, digests_of(content))])
    assert (model.path / "d" / "mine.txt").read_bytes() == b"somebody's"


def test_what_is_no_regular_file_is_neither_settled_nor_hashed(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert placing.settle(tmp_path / "pipe") is None
    assert placing.hash_path(tmp_path, git=False) is None


def hashed(path):
    found = placing.hash_path(path, git=False)
    assert found is not None
    return found


def test_a_file_that_changed_after_it_was_hashed_is_not_shared(tmp_path, monkeypatch):
    origin, other = tmp_path / "origin", tmp_path / "new"
    origin.write_bytes(b"right")
    before = hashed(origin)
    os.utime(origin, ns=(1, 1))
    assert placing.share(origin, other, before) is None
    monkeypatch.setattr(disk, "link", failing(errno.EXDEV))
    assert placing.share(origin, other, before) is None
    assert not other.exists()


def copied(origin, target):
    """Do what a filesystem does that shares extents."""
    os.pwrite(target, os.pread(origin, 1000, 0), 0)


def test_a_filesystem_that_shares_extents_is_asked_to(tmp_path, monkeypatch):
    origin, other = tmp_path / "origin", tmp_path / "new"
    origin.write_bytes(b"right")
    monkeypatch.setattr(disk, "link", failing(errno.EMLINK))
    monkeypatch.setattr(disk, "reflink", copied)
    signature = placing.share(origin, other, hashed(origin))
    assert signature == Signature.of(other.stat())
    assert other.read_bytes() == b"right"
    assert other.stat().st_ino != origin.stat().st_ino


def test_a_file_that_changes_while_its_extents_are_shared_is_not_taken(tmp_path, monkeypatch):
    origin, other = tmp_path / "origin", tmp_path / "new"
    origin.write_bytes(b"right")
    before = hashed(origin)

    def share(source, target):
        copied(source, target)
        os.utime(origin, ns=(1, 1))

    monkeypatch.setattr(disk, "link", failing(errno.EXDEV))
    monkeypatch.setattr(disk, "reflink", share)
    assert placing.share(origin, other, before) is None
    assert not other.exists()


@pytest.mark.parametrize("operation", ["link", "reflink"])
def test_a_disk_that_fails_while_a_file_is_shared_is_an_error(tmp_path, monkeypatch, operation):
    origin = tmp_path / "origin"
    origin.write_bytes(b"right")
    before = hashed(origin)
    monkeypatch.setattr(disk, "link", failing(errno.EXDEV))
    monkeypatch.setattr(disk, operation, failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        placing.share(origin, tmp_path / "new", before)


def test_a_copy_that_fails_leaves_nothing(tmp_path, monkeypatch):
    (tmp_path / "origin").write_bytes(b"right")
    monkeypatch.setattr(disk, "fsync", failing(errno.ENOSPC))
    with pytest.raises(OSError, match="No space"):
        placing.copy_hashing(tmp_path / "origin", tmp_path / "new", git=False)
    assert not (tmp_path / "new").exists()


# other caches


def test_a_file_that_may_not_be_read_is_not_taken(model, tmp_path, monkeypatch):
    (tmp_path / "blob").write_bytes(b"right")
    monkeypatch.setattr(os, "access", lambda *_arguments, **_keywords: False)
    assert model.adopt(file_of("a", b"right"), tmp_path / "blob") is None


def test_a_file_of_another_filesystem_is_copied_without_an_attempt_to_link(model, tmp_path, monkeypatch):
    origin = tmp_path / "blob"
    origin.write_bytes(b"right")
    honest = disk.stat

    def stat(path):
        found = honest(path)
        return SimpleNamespace(st_dev=-1, st_mode=found.st_mode, st_size=5) if path == origin else found

    monkeypatch.setattr(disk, "stat", stat)
    monkeypatch.setattr(disk, "link", lambda *_names: pytest.fail("it was tried"))
    told = []
    assert model.adopt(file_of("a", b"right"), origin, on_copy=told.append) is not None
    assert told == [origin]
    assert model.target("a").read_bytes() == b"right"
    assert model.adopt(file_of("b", b"wrong"), origin) is None


def test_notes_of_another_tool_that_make_no_sense_are_left_out(tmp_path):
    notes = tmp_path / ".cache/huggingface/download/sub"
    notes.mkdir(parents=True)
    (notes / "a.metadata").write_text("c1\nabc\n1.0\n")
    (notes / "short.metadata").write_text("c1\n")
    (notes / "binary.metadata").write_bytes(b"\xff\xfe\n\n")
    (notes / "a.lock").touch()
    assert adopt.folder_metadata(tmp_path) == {"sub/a": adopt.FolderMetadata("c1", "abc")}


def test_a_cache_that_cannot_be_read_and_names_that_lead_away_hold_nothing(model, tmp_path, monkeypatch):
    content = b"right"
    model.put_many([(file_of("a", content), content, digests_of(content))])
    wanted = [file_of("../outside", content), file_of("/etc/a", content), file_of("a", content)]
    assert set(adopt.find(wanted, REF, [tmp_path / "root"])) == {file.path for file in wanted}  # by digest
    monkeypatch.setattr(disk, "read_record", failing(errno.EIO))
    assert set(adopt.find(wanted, REF, [tmp_path / "root"])) <= {"a"}


# keeping and checking


def test_what_goes_for_its_age_counts_as_gone_when_the_rest_is_measured():
    models = [
        Candidate("old", 0.0, extents={"a": 10}),
        Candidate("middle", 50.0, extents={"b": 10}),
        Candidate("new", 90.0, extents={"c": 10}),
    ]
    assert choose(models, Policy(older_than=80.0, max_size=20), now=100.0) == {"old": Reason.OLD}
    assert choose(models, Policy(older_than=80.0, max_size=10), now=100.0) == {
        "old": Reason.OLD,
        "middle": Reason.SIZE,
    }


def finished(model, **contents):
    items = [(file_of(path, content), content, digests_of(content)) for path, content in contents.items()]
    model.put_many(items)
    model.finish(Revision(REF, "c1"), [file for file, _content, _digests in items])


def test_a_share_of_everything_is_everything(model):
    finished(model, a=b"1", b=b"22")
    found = verify(model.path, scope=Scope(share=1.0))
    assert {one.path: one.outcome for one in found.results} == {"a": Outcome.SOUND, "b": Outcome.SOUND}


def test_what_became_no_file_or_is_written_to_meanwhile_is_named(model, monkeypatch):
    finished(model, a=b"1", b=b"22")
    model.target("a").unlink()
    model.target("a").mkdir()
    honest = disk.pread

    def pread(descriptor, count, offset):
        os.utime(model.target("b"), ns=(offset + 1, offset + 1))
        return honest(descriptor, count, offset)

    monkeypatch.setattr(disk, "pread", pread)
    found = {one.path: one for one in verify(model.path, scope=Scope(full=True)).results}
    assert {one.outcome for one in found.values()}.isdisjoint({Outcome.SOUND})
    assert "written" in str(found["b"])


def test_a_name_that_the_cache_cannot_have_is_refused_wherever_it_is_asked_for(model):
    for path in ("..", "a/../b", ".hubferry/x"):
        with pytest.raises(IntegrityError):
            model.lookup(file_of(path, b""))
    assert isinstance(model.path, Path)


@pytest.mark.skipif(sys.platform != "linux", reason="the call is Linux's")
def test_the_system_takes_it_when_it_is_told_to_begin_writing(tmp_path):
    with (tmp_path / "file").open("wb") as file:
        file.write(bytes(1000))
        assert disk_module._libc("sync_file_range", "iooi")(file.fileno(), 0, 1000, 2) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="the call is Linux's")
def test_room_is_reserved_a_window_at_a_time_and_reads_as_nothing(tmp_path):
    size, window = 40 << 20, 16 << 20
    partial = PartialFile(tmp_path / "a.part", size)

    def taken():
        return (tmp_path / "a.part").stat().st_blocks * 512

    with (tmp_path / "trial").open("wb") as file:
        if disk_module._libc("fallocate", "iioo")(file.fileno(), 0, 0, window):
            pytest.skip("this filesystem reserves nothing")
    assert taken() == 0
    partial.write(window - CHUNK, [bytes(CHUNK)])
    assert window <= taken() < 2 * window
    partial.write(window - CHUNK, [bytes(2 * CHUNK)])
    assert 2 * window <= taken() < size
    partial.write(size - CHUNK, [b"x" * CHUNK])
    assert size <= taken() < size + window
    assert (tmp_path / "a.part").stat().st_size == size
    assert partial.read(5, 10) == bytes(10)
    assert len(partial.missing()) == 2
    partial.close()


def test_that_no_room_can_be_reserved_is_no_error(tmp_path, monkeypatch):
    asked = []

    def refuse(*arguments):
        asked.append(arguments[1:])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(disk, "reserve", refuse)
    partial = PartialFile(tmp_path / "a.part", 2 * CHUNK)
    for start in (0, CHUNK):
        partial.write(start, [b"x" * CHUNK])
    assert partial.missing() == []
    partial.close()
    assert asked == [(0, 2 * CHUNK)]


def test_a_system_that_cannot_be_told_to_begin_writing_is_not(monkeypatch):
    disk_module._libc.cache_clear()
    monkeypatch.setattr(sys, "platform", "darwin")
    try:
        disk.start_writing(-1, 0, 1000)
        disk.reserve(-1, 0, 1000)
        assert disk_module._libc("sync_file_range", "iooi") is None
    finally:
        disk_module._libc.cache_clear()


def test_that_writing_cannot_begin_early_is_no_error(tmp_path, monkeypatch):
    asked = []

    def refuse(*arguments):
        asked.append(arguments[1:])
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(disk, "start_writing", refuse)
    partial = PartialFile(tmp_path / "a.part", 3000)
    partial.start_writing(1000, 3000)
    partial.close()
    assert asked == [(1000, 2000)]


def test_a_libc_without_the_call_is_a_system_that_cannot_be_told(monkeypatch, tmp_path):
    import ctypes

    disk_module._libc.cache_clear()
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    try:
        with (tmp_path / "a").open("wb") as file:
            Disk().start_writing(file.fileno(), 0, 1000)
            Disk().reserve(file.fileno(), 0, 1000)
        assert disk_module._libc("sync_file_range", "iooi") is None
    finally:
        disk_module._libc.cache_clear()
