"""Bytes rot in the cache, and clocks jump: nothing wrong is published, and it is found and healed."""

from __future__ import annotations

import itertools
import os
import time

import pytest
from worlds import FIRST, SECOND

from hubferry.cache import directory, locks, manifest, memory, placing
from hubferry.cache.verify import Outcome, Scope, verify
from hubferry.errors import IntegrityError

ROTTEN = [FIRST, SECOND, "tokenizer.json", "config.json"]


def flip(path, *, keep_time):
    """Change one bit of a file in place, its length stays."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    moment = before.st_mtime_ns if keep_time else before.st_mtime_ns + 1_000_000_000
    os.utime(path, ns=(before.st_atime_ns, moment))


@pytest.mark.parametrize("path", ROTTEN)
def test_a_rotten_byte_that_nothing_tells_of_is_found_while_it_is_sent_and_never_published(world, path):
    assert world.attempt("fetch").code == 0
    flip(world.model / path, keep_time=True)
    outcome = world.attempt()
    assert outcome.code == 6
    assert isinstance(outcome.error, IntegrityError)
    assert outcome.error.side == "cache"
    assert outcome.error.path == path
    assert world.published() == {}
    assert "verify" in outcome.error.hint


@pytest.mark.parametrize("path", ROTTEN)
def test_a_rotten_byte_that_nothing_tells_of_is_found_by_verify_and_only_that_file_is_fetched(world, path):
    world.attempt("fetch")
    flip(world.model / path, keep_time=True)
    assert verify(world.model).broken == ()
    found = verify(world.model, scope=Scope(full=True)).broken
    alike = [name for name, content in world.content.items() if content == world.content[path]]
    assert [(one.path, one.outcome) for one in found] == [(name, Outcome.BROKEN) for name in sorted(alike)]
    outcome = world.attempt()
    assert outcome.code == 0
    assert outcome.report.fetched == len(world.content[path])
    world.converge()


@pytest.mark.parametrize("path", ROTTEN)
def test_a_changed_byte_with_a_new_time_is_fetched_again_without_being_asked(world, path):
    world.attempt("fetch")
    flip(world.model / path, keep_time=False)
    outcome = world.attempt()
    assert outcome.code == 0
    assert world.published() == world.expected
    world.converge()


def test_a_half_fetched_file_that_rotted_is_fetched_anew(world):
    place = world.model / ".hubferry" / "partial" / f"{world.expected[FIRST]}.part"
    world.attempt("fetch")
    content = bytearray((world.model / FIRST).read_bytes())
    (world.model / FIRST).unlink()
    content[100] ^= 1
    place.write_bytes(content)
    place.with_name(place.name + ".map").write_bytes(b"\1" * -(-len(content) // (256 * 1024)))
    outcome = world.attempt()
    assert outcome.code == 0
    assert outcome.report.fetched == len(content)
    world.converge()


@pytest.mark.parametrize("moment", [0, 1, 4_000_000_000])
def test_files_whose_times_jumped_are_hashed_once_and_not_fetched(world, moment):
    world.attempt("fetch")
    for path in world.content:
        os.utime(world.model / path, (moment, moment))
    for _again in range(2):
        outcome = world.attempt()
        assert outcome.code == 0
        assert outcome.report.fetched == 0
    assert world.published() == world.expected


class Jumping:
    """The clock of the cache alone: the hub in this process keeps its own."""

    def __init__(self, tell):
        self.time = tell
        self.time_ns = lambda: int(tell() * 1e9)
        self.sleep, self.monotonic = time.sleep, time.monotonic
        self.strftime, self.localtime = time.strftime, time.localtime


@pytest.mark.parametrize("step", [-86_400.0, 86_400.0 * 365])
def test_a_clock_that_jumps_while_a_copy_runs_changes_nothing(world, monkeypatch, step):
    now, jumps = time.time(), itertools.count()
    for module in (locks, manifest, memory, placing, directory):
        monkeypatch.setattr(module, "time", Jumping(lambda: now + step * next(jumps)), raising=False)
    assert world.attempt().code == 0
    world.assert_true()
    outcome = world.attempt()
    assert outcome.code == 0
    assert outcome.report.fetched == outcome.report.sent == 0
