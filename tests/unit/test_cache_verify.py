"""Reading files and comparing what they hash to with what was listed."""

from __future__ import annotations

import hashlib
import os
import threading

import pytest
from tests import models

from hubferry.cache import placing, update
from hubferry.cache import verify as module
from hubferry.cache.check import Kind, State, check_model
from hubferry.cache.disk import disk
from hubferry.cache.store import Cache
from hubferry.cache.verify import Outcome, Scope, verify
from hubferry.events import FileDone, FileStarted, Progress
from hubferry.i18n import set_language, speaking
from hubferry.model import Digests, RepoFile, RepoRef, Revision

REF = RepoRef("hf", "org/model")


@pytest.fixture
def model(tmp_path):
    """A model of twelve files, in the cache as a transfer leaves it."""
    folder = models.transformers_model(tmp_path / "folder", shards=2, shard_size=6000)
    directory = Cache(tmp_path / "cache", roots=()).open(REF)
    items = []
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        digests = Digests(len(content), hashlib.sha256(content).hexdigest())
        items.append((RepoFile(path.name, len(content), digests.sha256), content, digests))
    with directory.hold(wait=0):
        directory.put_many(items)
        directory.finish(Revision(REF, "c" * 40), [file for file, _content, _digests in items])
    return directory.path


def outcomes(found, *wanted):
    return [one.path for one in found.results if one.outcome in wanted]


def flip(path, *, keep_time=False):
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(-10, os.SEEK_END)
        byte = file.read(1)
        file.seek(-10, os.SEEK_END)
        file.write(bytes([byte[0] ^ 1]))
    if keep_time:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    else:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))


def test_what_is_untouched_is_not_read(model):
    found = verify(model)
    assert len(outcomes(found, Outcome.SKIPPED)) == 12
    assert (found.hashed, found.broken, found.known) == (0, (), True)


def test_a_flipped_byte_is_found_and_named(model):
    path = model / "model-00002-of-00002.safetensors"
    flip(path)
    found = verify(model)
    assert [(one.path, one.outcome) for one in found.broken] == [(path.name, Outcome.BROKEN)]
    assert found.broken[0].what.startswith("hashes to ")
    assert found.hashed == path.stat().st_size


def test_a_file_found_wrong_stays_in_doubt_until_it_is_replaced(model):
    flip(model / "model-00001-of-00002.safetensors")
    assert check_model(model).verdict is State.WHOLE
    verify(model)
    state = check_model(model)
    assert state.verdict is State.BROKEN
    assert [(one.path, one.kind) for one in state.problems] == [
        ("model-00001-of-00002.safetensors", Kind.BROKEN)
    ]
    assert state.problems[0].hint == "hubferry fetch hf:org/model"
    flip(model / "model-00001-of-00002.safetensors")
    assert verify(model).broken == ()
    assert check_model(model).verified


def test_bit_rot_that_leaves_the_time_alone_needs_a_full_reading(model):
    flip(model / "model-00001-of-00002.safetensors", keep_time=True)
    assert verify(model).broken == ()
    found = verify(model, scope=Scope(full=True))
    assert [one.path for one in found.broken] == ["model-00001-of-00002.safetensors"]
    assert len(outcomes(found, Outcome.SOUND)) == 11


def test_a_missing_file_is_found(model):
    (model / "config.json").unlink()
    found = verify(model)
    assert [(one.path, one.outcome) for one in found.broken] == [("config.json", Outcome.MISSING)]


def test_a_shorter_file_is_found(model):
    os.truncate(model / "config.json", 5)
    (one,) = verify(model).broken
    assert one.what.startswith("has 5 bytes, and ")


def test_a_link_in_a_files_place_is_not_followed(model, tmp_path):
    (model / "config.json").rename(tmp_path / "config.json")
    (model / "config.json").symlink_to(tmp_path / "config.json")
    assert [one.path for one in verify(model).broken] == ["config.json"]


def test_a_file_that_was_only_touched_is_verified_again(model):
    os.utime(model / "config.json", ns=(1, 1))
    assert check_model(model).changed == ("config.json",)
    assert outcomes(verify(model), Outcome.SOUND) == ["config.json"]
    assert check_model(model).verified
    assert len(outcomes(verify(model), Outcome.SKIPPED)) == 12


def test_samples_take_turns_until_everything_was_read(model):
    read = []
    for _run in range(12):
        found = verify(model, scope=Scope(share=0.3))
        assert 0 < len(outcomes(found, Outcome.SOUND)) < 12
        read += outcomes(found, Outcome.SOUND)
    assert set(read) == {path.name for path in model.iterdir() if path.is_file()}


def test_a_tiny_sample_still_reads_one_file(model):
    assert len(outcomes(verify(model, scope=Scope(share=0.000001)), Outcome.SOUND)) == 1


def test_several_files_are_read_at_once(model, monkeypatch):
    meeting = threading.Barrier(3, timeout=20)
    monkeypatch.setattr(
        placing, "digest_file", lambda *words, **rest: (meeting.wait() and None) or digest(*words, **rest)
    )
    from hubferry.cache.digests import digest_file as digest

    found = verify(model, scope=Scope(full=True), jobs=3)
    assert found.broken == ()


def test_progress_adds_up(model):
    heard = []
    found = verify(model, scope=Scope(full=True), listen=heard.append)
    assert sum(event.count for event in heard if isinstance(event, Progress)) == found.hashed
    for kind in (FileStarted, FileDone):
        assert len([event for event in heard if isinstance(event, kind)]) == 12
    assert {event.direction for event in heard} == {"verify"}


def test_an_interruption_ends_the_threads(model, monkeypatch):
    def listen(event):
        if isinstance(event, Progress):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify(model, scope=Scope(full=True), listen=listen)
    assert not [thread for thread in threading.enumerate() if "ThreadPool" in thread.name]


def test_a_directory_nobody_recorded_cannot_be_compared(tmp_path):
    found = verify(models.transformers_model(tmp_path))
    assert (found.known, found.results, found.broken) == (False, (), ())


def test_a_disk_that_fails_is_named_and_does_not_end_the_rest(model, monkeypatch):
    def pread(descriptor, count, offset, read=disk.pread):
        if disk.fstat(descriptor).st_ino == bad:
            raise OSError(5, "Input/output error")
        return read(descriptor, count, offset)

    bad = (model / "config.json").stat().st_ino
    monkeypatch.setattr(disk, "pread", pread)
    found = verify(model, scope=Scope(full=True))
    assert [(one.path, one.what) for one in found.broken] == [
        ("config.json", "cannot be read: Input/output error")
    ]


def test_what_is_wrong_is_said_in_the_language_of_whoever_reads_it(model):
    """Also of what the threads found that read the files, and long after somebody else asked for it."""
    (model / "config.json").unlink()
    (model / "merges.txt").unlink()
    os.mkfifo(model / "merges.txt")
    flip(model / "vocab.json")
    (model / "tokenizer_config.json").write_bytes(b"short")
    set_language("zh")
    try:
        found = {one.path: one for one in verify(model, scope=Scope(full=True)).broken}
        chinese = {path: one.what for path, one in found.items()}
    finally:
        set_language(None)
    assert chinese["config.json"] == "缺失"
    assert chinese["merges.txt"] == "无法读取：不是普通文件"
    assert chinese["vocab.json"].startswith("的哈希值是 ")
    with speaking("en"):
        english = {path: one.what for path, one in found.items()}
    assert english["config.json"] == "is missing"
    assert english["merges.txt"] == "cannot be read: it is no regular file"
    assert english["vocab.json"].startswith("hashes to ")
    assert english["tokenizer_config.json"].startswith("has 5 bytes, and ")


def test_while_a_run_holds_the_model_the_result_is_only_reported(model, monkeypatch):
    monkeypatch.setattr(module, "_LOCK_SECONDS", 0)
    flip(model / "config.json")
    directory = Cache(model.parent, roots=()).open(REF)
    with directory.hold(wait=0):
        assert [one.path for one in verify(model).broken] == ["config.json"]
        assert check_model(model).changed == ("config.json",)


def read_of(monkeypatch, path):
    """Count the bytes that are read of one file."""
    inode, read, honest = path.stat().st_ino, [], disk.pread

    def pread(descriptor, count, offset):
        piece = honest(descriptor, count, offset)
        if os.fstat(descriptor).st_ino == inode:
            read.append(len(piece))
        return piece

    monkeypatch.setattr(disk, "pread", pread)
    return read


@pytest.mark.parametrize("keep_time", [True, False], ids=["rotten", "rewritten"])
def test_what_a_verification_found_wrong_is_not_read_again_by_the_fetch_that_mends_it(
    model, monkeypatch, keep_time
):
    place = model / "model-00001-of-00002.safetensors"
    content = place.read_bytes()
    flip(place, keep_time=keep_time)
    read = read_of(monkeypatch, place)
    assert [one.path for one in verify(model, scope=Scope(full=True)).broken] == [place.name]
    assert sum(read) == len(content)
    again = Cache(model.parent, roots=()).open(REF)
    listing = [entry.file(path) for path, entry in again.manifest.files.items()]
    goal = update.Goal(Revision(REF, "c" * 40), listing, {file.path for file in listing})
    with again.hold(wait=0):
        work = update.begin(again, goal)
        lacking = [file for file in listing if work.lookup(file) is None]
        assert [file.path for file in lacking] == [place.name]
        again.look_again()
        assert sum(read) == len(content)
        place.write_bytes(content)  # a person mends it: what looks otherwise is read
        assert work.lookup(lacking[0]) is not None


def test_what_was_read_and_is_not_one_commits_file_may_be_that_of_another(model, monkeypatch):
    place = model / "config.json"
    flip(place)
    assert verify(model, scope=Scope(full=True)).broken
    content = place.read_bytes()
    other = RepoFile("config.json", len(content), hashlib.sha256(content).hexdigest())
    again = Cache(model.parent, roots=()).open(REF)
    with again.hold(wait=0):
        assert again.lookup(other) is not None


def test_a_file_that_a_fetch_found_wrong_is_read_once_however_often_it_is_asked_for(model, monkeypatch):
    place = model / "config.json"
    flip(place)
    read = read_of(monkeypatch, place)
    again = Cache(model.parent, roots=()).open(REF)
    file = again.manifest.files["config.json"].file("config.json")
    with again.hold(wait=0):
        assert again.lookup(file) is None
        assert again.lookup(file) is None
    assert Cache(model.parent, roots=()).open(REF).lookup(file) is None
    assert sum(read) == place.stat().st_size


def test_a_file_that_was_written_this_very_moment_is_given_the_time_to_get_another_stamp(model, monkeypatch):
    """Else a write of the next millisecond would hide behind the stamp that was just believed."""
    waited = []
    written = (model / "config.json").stat().st_mtime_ns // 10**9 * 10**9 + 1
    os.utime(model / "config.json", ns=(written, written))
    monkeypatch.setattr(placing.time, "time_ns", lambda: written)
    monkeypatch.setattr(placing.time, "sleep", waited.append)
    assert outcomes(verify(model), Outcome.SOUND) == ["config.json"]
    assert len(waited) == 1
    assert 0 < waited[0] < 1
