"""One run at a time for one model, across processes, with the kernel's locks and without them."""

import errno
import os
import socket
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest

import forked
from hubferry import locking
from hubferry.cache import locks
from hubferry.cache.store import Cache
from hubferry.errors import InterruptedRunError, LockedError
from hubferry.model import RepoRef

REF = RepoRef("hf", "org/name")
HOLD = """
import sys
from pathlib import Path
from hubferry.cache import locks
with locks.hold(Path(sys.argv[1]), name="x", wait=0):
    print("held", flush=True)
    sys.stdin.read()
"""
COUNT = """
import sys
from pathlib import Path
from hubferry.cache import locks
counter = Path(sys.argv[2])
for _turn in range(int(sys.argv[3])):
    with locks.hold(Path(sys.argv[1]), name="x", wait=None):
        counter.write_text(str(int(counter.read_text()) + 1))
"""


@pytest.fixture(params=["kernel", "soft"], autouse=True)
def kind(request, monkeypatch):
    monkeypatch.setenv("HUBFERRY_LOCK", request.param)
    monkeypatch.setattr(locks, "_PAUSE", 0.01)
    return request.param


@pytest.fixture
def records(tmp_path):
    return tmp_path / "model" / ".hubferry"


@pytest.fixture
def other(records):
    """Let another process hold the lock."""
    process = forked.Popen(
        [sys.executable, "-c", HOLD, str(records)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_a_second_run_that_does_not_wait_is_told_who_holds_the_model(records, other):
    with pytest.raises(LockedError) as refusal, locks.hold(records, name="hf:org/name", wait=0):
        pytest.fail("two runs hold one model")
    assert "hf:org/name" in refusal.value.message
    assert f"process {other.pid} on {socket.gethostname()}" in refusal.value.message
    assert refusal.value.exit_code == 8
    assert refusal.value.hint


def test_whether_a_model_is_held_can_be_asked_without_holding_it(records, other):
    assert locks.is_held(records)
    assert locks.holder(records).pid == other.pid
    other.stdin.close()
    other.wait()
    assert not locks.is_held(records)
    assert locks.holder(records) is None


def test_asking_creates_nothing(records):
    assert not locks.is_held(records)
    assert not records.exists()


def test_a_run_that_waits_says_for_whom_and_goes_on_when_the_other_ends(records, other):
    told = []

    def on_wait(holder):
        told.append(holder)
        other.stdin.close()

    with locks.hold(records, name="x", wait=None, on_wait=on_wait):
        assert locks.holder(records).pid == os.getpid()
    assert str(other.pid) in told[0]
    # whoever ends takes its name away before the lock, and is seen in between on a slow machine
    assert set(told[1:]) <= {"another run"}


def test_a_run_gives_up_when_its_time_is_over(records, other, monkeypatch):
    told = []
    clock = SimpleNamespace(monotonic=lambda: 60.0 * len(told), sleep=time.sleep, time=time.time)
    clock.strftime, clock.localtime = time.strftime, time.localtime
    monkeypatch.setattr(locks, "time", clock)
    with pytest.raises(LockedError), locks.hold(records, name="x", wait=60, on_wait=told.append):
        pytest.fail("two runs hold one model")
    assert told


def test_a_run_that_waits_can_be_stopped(records, other):
    told = []
    lock = locks.hold(records, name="x", wait=None, on_wait=told.append, cancelled=lambda: bool(told))
    with pytest.raises(InterruptedRunError), lock:
        pytest.fail("two runs hold one model")


def test_a_killed_holders_lock_is_taken_over(records, other):
    other.kill()
    other.wait()
    assert not locks.is_held(records)
    with locks.hold(records, name="x", wait=0):
        assert locks.holder(records).pid == os.getpid()


def test_a_lock_is_free_again_after_an_error(records):
    with pytest.raises(RuntimeError), locks.hold(records, name="x", wait=0):
        raise RuntimeError
    with locks.hold(records, name="x", wait=0):
        pass


def test_two_threads_of_one_process_do_not_hold_one_model(records):
    with (
        locks.hold(records, name="x", wait=0),
        pytest.raises(LockedError),
        locks.hold(records, name="x", wait=0),
    ):
        pytest.fail("two runs hold one model")


def test_a_lock_taken_in_one_thread_may_be_given_back_in_another(records):
    lock = locks.hold(records, name="x", wait=0)
    for step in (lock.__enter__, lambda: lock.__exit__(None, None, None)):
        thread = threading.Thread(target=step)
        thread.start()
        thread.join()
    assert not locks.is_held(records)


@pytest.mark.parametrize("made_anew", [False, True])
def test_a_lock_on_a_model_that_was_removed_meanwhile_is_not_used(records, monkeypatch, kind, made_anew):
    """Between opening the lock's file and locking it, somebody cleans the model away; it keeps nobody out."""
    if kind == "soft" and made_anew:
        pytest.skip("then the file is another run's lock, and nothing to take")
    honest = locks.try_lock
    taken = []

    def try_lock(folder):
        lock = honest(folder)
        if not taken:
            path = folder / ("lock" if kind == "kernel" else "lock.soft")
            path.unlink()
            if made_anew:
                path.touch()
        taken.append(lock)
        return lock

    monkeypatch.setattr(locks, "try_lock", try_lock)
    with locks.hold(records, name="x", wait=None):
        assert len(taken) == 2
        assert locks.is_held(records)


def test_many_processes_at_once_never_hold_one_model_together(records, tmp_path):
    counter = tmp_path / "counter"
    counter.write_text("0")
    command = [sys.executable, "-c", COUNT, str(records), str(counter), "15"]
    processes = [forked.Popen(command) for _number in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert counter.read_text() == "45"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no flock")
@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK], ids=errno.errorcode.get)
def test_where_flock_is_not_implemented_two_runs_do_not_hold_one_model(records, monkeypatch, number):
    """Lustre mounted without it says ENOSYS, which the library would answer in its own way."""

    def flock(*_arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", flock)
    with locks.hold(records, name="x", wait=0):
        assert locks.is_held(records)
        with pytest.raises(LockedError), locks.hold(records, name="x", wait=0):
            pytest.fail("two runs hold one model")
    assert not locks.is_held(records)


def test_where_the_filesystem_has_no_kernel_locks_a_file_does_the_same(records, monkeypatch, kind):
    class Unsupported(locking.FileLock):
        def acquire(self, *_arguments, **_keywords):
            raise OSError(95, "Operation not supported")

    monkeypatch.setattr(locking, "FileLock", Unsupported)
    with locks.hold(records, name="x", wait=0):
        assert (records / "lock.soft").exists()
        assert locks.is_held(records)
        with pytest.raises(LockedError) as refusal, locks.hold(records, name="x", wait=0):
            pytest.fail("two runs hold one model")
        assert str(records / "lock.soft") in refusal.value.message
    assert not (records / "lock.soft").exists()


def test_a_model_held_by_a_run_shows_what_another_process_recorded_before(tmp_path):
    cache = Cache(tmp_path, roots=())
    first, second = cache.open(REF), cache.open(REF)
    first.pin(pinned=True)
    assert not second.manifest.pinned
    with second.hold(wait=0):
        assert second.manifest.pinned


def test_a_model_removed_while_it_was_held_by_nobody_is_made_anew(tmp_path):
    import shutil

    model = Cache(tmp_path, roots=()).open(REF)
    shutil.rmtree(model.path)
    with model.hold(wait=0):
        model.touch()
    assert model.manifest.belongs_to(REF)
    assert (model.path / ".hubferry/manifest.json").exists()
