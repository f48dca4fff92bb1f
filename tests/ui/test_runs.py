"""Copies that pages start, as processes: what is known of them when disks are full and readers many."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from hubferry import soft_lock
from hubferry.errors import DiskError
from hubferry.transfers.desk import Board
from hubferry.ui import runs
from hubferry.ui.runs import Run, Runs
from hubferry.ui.wish import Wish

WISH = Wish("hf:org/model", "ms:mine/model")
NAME = "0123456789abcdef"


@pytest.fixture
def all_runs(home, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "_children", {})
    return Runs(tmp_path / "runs")


@pytest.fixture
def process():
    with subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"]) as child:
        yield child
        child.kill()


def begun(all_runs, child):
    """Let a process be one that a page has started."""
    all_runs._new(NAME)
    all_runs._keep_or_end(Run(NAME, WISH, time.time(), child.pid, soft_lock.process_of(child.pid)), child)


def full(*_words):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_copy_of_which_nothing_can_be_written_down_is_said_not_to_have_started_and_does_not_run(
    all_runs, tmp_path, monkeypatch
):
    started = []
    honest = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda *words, **more: started.append(honest(*words, **more)) or started[0]
    )
    monkeypatch.setattr(all_runs, "_write", full)
    with pytest.raises(DiskError, match="cannot be started: No space left"):
        all_runs.start(WISH, "en")
    assert started[0].poll() is not None
    assert all_runs.count == 0
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_copy_is_stopped_when_the_disk_is_full(all_runs, process, monkeypatch):
    begun(all_runs, process)
    monkeypatch.setattr(runs, "_new_file", full)
    all_runs.stop(NAME, Board())
    assert process.wait(30) == -signal.SIGTERM


def test_two_readers_who_come_as_a_copy_ends_both_see_how_it_ended(all_runs, process):
    begun(all_runs, process)
    process.kill()
    process.wait()
    honest, seen, others = process.poll, [], []

    def poll():
        """While one reader notes the end, another one comes."""
        if not others:
            others.append(threading.Thread(target=lambda: seen.append(all_runs.find(NAME, Board()).state)))
            others[0].start()
            others[0].join(0.2)
        return honest()

    process.poll = poll
    seen.append(all_runs.find(NAME, Board()).state)
    others[0].join()
    assert seen == ["broken-off", "broken-off"]
    assert all_runs._read(NAME).code == -signal.SIGKILL
