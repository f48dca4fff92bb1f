"""Locks that are files: a holder that is gone is followed by one of many, and one that lives never is."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

import forked

sys.path.insert(0, str(Path(__file__).parent))

from acts import REF, SMALL, items_of

from hubferry import soft_lock
from hubferry.cache import locks
from hubferry.cache.store import Cache
from hubferry.errors import LockedError

HOLD = """
import socket, sys
from pathlib import Path
from hubferry import soft_lock
socket.gethostname = lambda: sys.argv[2]
lock = soft_lock.take(Path(sys.argv[1]))
print("held" if lock else "not held", flush=True)
sys.stdin.read()
"""
COUNT = """
import socket, sys, time
from pathlib import Path
from hubferry import soft_lock
path, counter = Path(sys.argv[1]), Path(sys.argv[2])
socket.gethostname = lambda: sys.argv[3]
soft_lock._watched[str(path)] = (soft_lock._see(path), -1e9)  # has waited long enough for who is there now
print("ready", flush=True)
sys.stdin.readline()
for _turn in range(10):
    while (lock := soft_lock.take(path)) is None:
        time.sleep(0.001)
    counter.write_text(str(int(counter.read_text()) + 1))
    lock.release()
"""


class Clock:
    """The clock of a process that waits; it goes only when it is told to."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(soft_lock.time, "monotonic", clock.monotonic)
    monkeypatch.setattr(soft_lock, "_watched", {})
    return clock


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lock.soft"


@contextlib.contextmanager
def on(host):
    """Be a process of another machine for a while."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "gethostname", lambda: host)
        yield


def killed_holder(path, host):
    process = forked.Popen(
        [sys.executable, "-c", HOLD, str(path), host], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"held\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_a_holder_of_another_machine_that_died_is_followed_when_it_gave_no_sign_for_long(path, clock):
    killed_holder(path, "gone")
    for _turn in range(3):
        assert soft_lock.take(path) is None
    clock.now += soft_lock.PATIENCE - 1
    assert soft_lock.take(path) is None
    clock.now += 1
    lock = soft_lock.take(path)
    assert lock.is_ours
    lock.release()
    assert list(path.parent.iterdir()) == []


def test_a_holder_of_this_system_that_died_is_followed_at_once(path, clock):
    killed_holder(path, socket.gethostname())
    lock = soft_lock.take(path)
    assert lock.is_ours
    lock.release()


def test_a_process_of_that_number_in_another_system_of_that_name_is_not_the_holder(path, clock, monkeypatch):
    """Two containers are called alike, and each has a process 1."""
    monkeypatch.setattr(soft_lock, "_system", lambda: "a-container")
    path.write_bytes(soft_lock._name_of_ours().replace(str(os.getpid()).encode(), b"999999999", 1))
    monkeypatch.setattr(soft_lock, "_system", lambda: "another")
    assert soft_lock.take(path) is None
    clock.now += soft_lock.PATIENCE
    soft_lock.take(path).release()


def test_a_slow_holder_that_gives_signs_of_life_is_waited_for_however_long(path, clock, monkeypatch):
    monkeypatch.setattr(soft_lock, "INTERVAL", 0.001)
    with on("slow"):
        lock = soft_lock.take(path)
    for _turn in range(20):
        before = path.stat().st_mtime_ns
        while path.stat().st_mtime_ns == before:
            time.sleep(0.001)
        assert soft_lock.take(path) is None
        clock.now += soft_lock.PATIENCE - 1
    lock.release()
    assert not path.exists()


def test_a_holder_of_this_system_that_was_stopped_is_not_followed(path, clock):
    """It cannot give signs of life while it is stopped, and is alive for all that."""
    process = forked.Popen(
        [sys.executable, "-c", HOLD, str(path), socket.gethostname()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout.readline() == b"held\n"
        process.send_signal(signal.SIGSTOP)
        for _turn in range(3):
            assert soft_lock.take(path) is None
            clock.now += soft_lock.PATIENCE
    finally:
        process.kill()
        process.communicate()


def test_an_older_version_on_another_machine_gives_no_signs_and_is_never_followed(path, clock):
    path.write_text("1\nanother-machine\n")
    for _turn in range(3):
        assert soft_lock.take(path) is None
        clock.now += soft_lock.PATIENCE
    assert not soft_lock.gives_signs(path)


@pytest.mark.parametrize("content", [b"", b"?\n", b"\0" * 3000])
def test_a_file_that_names_nobody_is_followed_when_it_stays_so(path, clock, content):
    path.write_bytes(content)
    assert soft_lock.take(path) is None
    clock.now += soft_lock.PATIENCE
    soft_lock.take(path).release()


def test_one_that_was_a_moment_late_does_not_follow_who_came_first(path, clock):
    killed_holder(path, "gone")
    assert soft_lock.take(path) is None
    clock.now += soft_lock.PATIENCE
    left = soft_lock._left(path)
    first = soft_lock.take(path)
    assert soft_lock._take_over(path, left) is None
    assert first.is_ours
    first.release()
    assert list(path.parent.iterdir()) == []


def test_while_one_is_about_to_follow_no_other_does_and_one_that_dies_then_is_followed_too(
    path, clock, monkeypatch
):
    killed_holder(path, "gone")
    assert soft_lock.take(path) is None
    clock.now += soft_lock.PATIENCE
    with on("first"), monkeypatch.context() as patch:
        patch.setattr(soft_lock.SoftLock, "follow", lambda *_arguments: sys.exit("it dies here"))
        patch.setattr(soft_lock.SoftLock, "release", lambda _lock: None)
        with pytest.raises(SystemExit):
            soft_lock.take(path)
    assert soft_lock.take(path) is None
    clock.now += soft_lock.PATIENCE
    lock = soft_lock.take(path)
    assert lock.is_ours
    lock.release()
    assert not path.exists()


def test_of_many_machines_that_follow_a_dead_one_each_has_the_lock_alone(path, tmp_path):
    killed_holder(path, "gone")
    counter = tmp_path / "counter"
    counter.write_text("0")
    processes = [
        forked.Popen(
            [sys.executable, "-c", COUNT, str(path), str(counter), f"machine-{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for number in range(5)
    ]
    for process in processes:
        assert process.stdout.readline() == b"ready\n"
    for process in processes:
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0] * 5
    assert counter.read_text() == "50"


def test_a_run_that_was_given_up_and_comes_back_writes_nothing_more(tmp_path, clock, monkeypatch):
    monkeypatch.setenv("HUBFERRY_LOCK", "soft")
    model = Cache(tmp_path / "root", roots=()).open(REF)
    late, *others = items_of(SMALL)
    twin = replace(others[0][0], path="twin")
    with on("suspended"), model.hold(wait=0):
        model.put_many(others)
        known = (model.records / "journal.jsonl").read_bytes()
        with on("other"):
            locks.is_held(model.records)
            clock.now += soft_lock.PATIENCE
            with locks.hold(model.records, name="x", wait=0):
                for write in (
                    lambda: model.put_many([late]),
                    lambda: model.adopt_many([(twin, model.target(others[0][0].path))]),
                    lambda: model.remove_file(others[0][0].path),
                    lambda: model.purge([]),
                    model.touch,
                    model.settle,
                ):
                    with pytest.raises(LockedError) as refusal:
                        write()
                    assert "took the lock over" in refusal.value.message
        assert (model.records / "journal.jsonl").read_bytes() == known
        assert not model.target(late[0].path).exists()
        holder = soft_lock.take(model.records / "lock.soft")
    assert holder.is_ours  # whoever comes back takes nothing from who has it now
    holder.release()


def test_who_waits_is_told_the_file_and_its_holder(tmp_path, clock, monkeypatch):
    monkeypatch.setenv("HUBFERRY_LOCK", "soft")
    records = tmp_path / "model" / ".hubferry"
    with contextlib.ExitStack() as holding:
        with on("b"):
            holding.enter_context(locks.hold(records, name="org/model", wait=0))
        with pytest.raises(LockedError) as refusal, locks.hold(records, name="org/model", wait=0):
            pytest.fail("two runs hold one model")
    assert f"process {os.getpid()} on b, since " in refusal.value.message
    assert str(records / "lock.soft") in refusal.value.message
    assert "120 seconds" in refusal.value.hint


def test_a_lock_that_cannot_be_removed_ends_no_run(tmp_path, monkeypatch):
    def refuse(path, **_how):
        raise PermissionError(13, "Permission denied", str(path))

    lock = soft_lock.take(tmp_path / "lock.soft")
    monkeypatch.setattr(Path, "unlink", refuse)
    lock.release()
