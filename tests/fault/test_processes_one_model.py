"""Several processes and one model: they share or wait, nobody corrupts, and the dead hold nothing."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from faults import meanwhile

import forked
from hubferry.cache import locks

FETCH = ("fetch", "hf:org/model", "--bwlimit", "1M")
SLOWLY = ("fetch", "hf:org/model", "--bwlimit", "100K")
LOCKS = pytest.mark.parametrize("kind", ["", "soft"], ids=["kernel-lock", "soft-lock"])
RECORDS = ".hubferry"


def await_that(condition, seconds=30):
    """Wait until something is so; that it never is fails the test."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def holder(world):
    try:
        return json.loads((world.model / RECORDS / "lock.holder").read_bytes())["pid"]
    except (OSError, ValueError):
        return None


def partials(world):
    return [path for path in (world.model / RECORDS / "partial").glob("*.part") if path.stat().st_blocks]


@LOCKS
def test_two_runs_of_one_model_share_its_bytes_and_the_second_says_that_it_waits(world, kind):
    both_there = threading.Event()
    world.source_faults.plan(meanwhile(lambda: both_there.wait(60)), "storage:get", times=None)
    patient = {"HUBFERRY_LOCK": kind, "HUBFERRY_TIMEOUT": "60"}

    def listen(process):
        said = []
        for line in process.stderr:
            said.append(line)
            if "in use" in line:
                both_there.set()
        return "".join(said)

    with (
        world.started("fetch", "hf:org/model", **patient) as first,
        world.started("fetch", "hf:org/model", **patient) as second,
        ThreadPoolExecutor(2) as listeners,
    ):
        said = list(listeners.map(listen, (first, second)))
        assert [first.wait(20), second.wait(20)] == [0, 0], said
    assert sum("in use" in one for one in said) == 1, said
    world.assert_cache_true()
    assert {path: len(content) for path, content in world.held().items()} == {
        path: len(content) for path, content in world.content.items()
    }
    once = sum(map(len, set(world.content.values())))
    assert once < world.source.requests.bytes_sent < 1.2 * once


@LOCKS
def test_a_run_that_was_killed_holds_nothing_and_is_continued(world, kind):
    with world.started(*SLOWLY, HUBFERRY_LOCK=kind) as process:
        await_that(lambda: holder(world) == process.pid and partials(world))
        process.kill()
        process.wait(20)
    assert holder(world) == process.pid  # the dead cannot take their word back
    outcome = world.command("fetch", "hf:org/model", HUBFERRY_LOCK=kind)
    assert outcome.code == 0, outcome.said
    assert "in use" not in outcome.said
    world.assert_cache_true()
    assert set(world.held()) == set(world.content)


@LOCKS
def test_cleaning_a_model_that_a_run_holds_is_refused_and_touches_nothing(world, kind):
    with world.started(*SLOWLY, HUBFERRY_LOCK=kind) as process:
        await_that(lambda: holder(world) == process.pid and partials(world))
        outcome = world.command("cache", "clean", "org/model", "--force", HUBFERRY_LOCK=kind)
        assert process.poll() is None
        assert outcome.code == 8, outcome.said
        assert "in use" in outcome.said
        assert partials(world)
        process.terminate()
        process.communicate(timeout=60)
    assert world.command("cache", "clean", "org/model", "--force", HUBFERRY_LOCK=kind).code == 0
    assert not world.model.exists()


@LOCKS
def test_a_run_that_is_stopped_gives_the_model_back(world, kind):
    with world.started(*SLOWLY, HUBFERRY_LOCK=kind) as process:
        await_that(lambda: holder(world) == process.pid)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM
    assert holder(world) is None
    assert not locks.is_held(world.model / RECORDS)


def test_a_soft_lock_of_a_dead_process_is_taken_over(world):
    dead = forked.Popen([sys.executable, "-c", ""])
    dead.wait(20)
    records = world.model / RECORDS
    records.mkdir(parents=True)
    (records / "lock.soft").write_text(f"{dead.pid}\n{socket.gethostname()}\n")
    outcome = world.command("fetch", "hf:org/model", HUBFERRY_LOCK="soft")
    assert outcome.code == 0, outcome.said
    world.assert_cache_true()


def test_a_soft_lock_of_another_machine_is_waited_for_and_the_message_names_the_file(world):
    world.command("fetch", "hf:org/model", "--include", "config.json", HUBFERRY_LOCK="soft")
    foreign = world.model / RECORDS / "lock.soft"
    foreign.write_text("1\nanother-machine\n")
    with world.started(*FETCH, HUBFERRY_LOCK="soft") as process:
        said = iter(process.stderr.readline, "")
        assert any("in use" in line for line in said)
        assert process.poll() is None
        assert foreign.exists()
        foreign.unlink()
        process.communicate(timeout=60)
    assert process.returncode == 0
    world.assert_cache_true()


def test_a_new_model_that_another_machine_holds_is_an_error_that_names_what_to_remove(world):
    records = world.model / RECORDS
    records.mkdir(parents=True)
    (records / "lock.soft").write_text("1\nanother-machine\n")
    outcome = world.command("fetch", "hf:org/model", HUBFERRY_LOCK="soft")
    assert outcome.code == 8
    assert str(records / "lock.soft") in outcome.err


@LOCKS
def test_many_processes_that_fetch_and_clean_one_model_leave_it_whole_or_gone(world, kind):
    fetch = ("fetch", "hf:org/model")
    clean = ("cache", "clean", "org/model", "--force")
    with contextlib.ExitStack() as stack:
        running = [
            stack.enter_context(world.started(*words, HUBFERRY_LOCK=kind))
            for words in (fetch, clean, fetch, clean)
        ]
        said = [process.communicate(timeout=90) for process in running]
    codes = [process.returncode for process in running]
    assert codes[0] == codes[2] == 0, said
    assert {codes[1], codes[3]} <= {0, 3, 8}, said  # removed, not there, in use
    assert not any("Traceback" in err or "unexpected" in err for _out, err in said), said
    world.assert_cache_true()
    world.converge(real=True)
