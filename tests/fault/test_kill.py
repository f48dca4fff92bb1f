"""The real command is killed, or interrupted: the next run continues, and nothing is wrong in between."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field

import pytest
from faults import meanwhile
from worlds import DESTINATION, FIRST, KIB, MIB, SECOND, SOURCE, drawn, running_world

JOBS = 2
UNLANDED = MIB + 512 * KIB
"""Bytes that one connection may have received and not yet written: a flush of 1 MiB, and buffers."""


@dataclass
class Slow:
    """A slow link that counts: `out` are the bytes of files that left the hubs, `moved` all bodies."""

    out: int = 0
    moved: int = 0
    pause: float = 0.004
    at: int | None = None
    strike: object = None
    routes: list = field(default_factory=list)

    async def __call__(self, request, direction, count):
        self.moved += count
        if direction == "out":
            self.out += count
        if self.at is not None and self.moved >= self.at and self.strike is not None:
            strike, self.strike = self.strike, None
            strike()
        await asyncio.sleep(self.pause)


def larger_model(seed):
    return {
        FIRST: drawn(5 * MIB + 4321, f"{seed}/1"),
        SECOND: drawn(1200 * KIB, f"{seed}/2"),
        "small.safetensors": drawn(90 * KIB, f"{seed}/3"),
        "tokenizer.json": drawn(40 * KIB, seed).hex().encode(),
        **{f"parts/{number}.json": json.dumps({"n": number}).encode() for number in range(12)},
        "README.md": b"---\nlicense: mit\n---\n",
    }


def kill_once(top, seed):
    """Kill the command at a moment drawn from `seed`, run it to its end, and look at everything."""
    dice = random.Random(seed)
    slow = Slow()
    with running_world(top, pace=slow, content=larger_model(seed)) as world:
        total = sum(map(len, world.content.values()))
        words = ("copy", SOURCE, DESTINATION, "--jobs", str(JOBS), "--json")
        with world.started(*words) as process:
            if seed % 4:
                # both directions count; beyond the end lie the commit and the proof
                slow.at, slow.strike = dice.randrange(1, 2 * total), process.kill
                process.wait(60)
            else:
                time.sleep(dice.uniform(0.2, 1.5))
                process.kill()
                process.wait(60)
        slow.strike, slow.pause = None, 0.0
        world.assert_true()
        before = slow.out
        held = len(world.held()) == len(world.content)
        done = world.command(*words)
        assert done.code == 0, done.said
        assert world.published() == world.expected
        assert world.commits() == 1
        world.assert_cache_true()
        again = slow.out - total
        assert again <= JOBS * UNLANDED, (
            f"{again} bytes were fetched twice ({before} before the kill, {held})"
        )
        print(f"{again} bytes of {total} were fetched again")


@pytest.mark.parametrize("seed", range(40))
def test_a_killed_run_continues_and_nothing_wrong_was_published(tmp_path, seed):
    kill_once(tmp_path, seed)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(40, 240))
def test_a_killed_run_continues_whatever_the_moment(tmp_path, seed):
    kill_once(tmp_path, seed)


PHASES = {
    "resolve": ("source", "hf:info", ""),
    "list": ("source", "hf:tree", ""),
    "create": ("destination", "ms:create", ""),
    "fetch": ("source", "storage:get", ""),
    "upload": ("destination", "storage:put", ""),
    "commit": ("destination", "ms:commit", ""),
    "check": ("destination", "ms:files", "ms:commit"),
}


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("phase", PHASES)
def test_an_interrupted_run_says_how_to_continue_and_writes_nothing_afterwards(world, phase, name):
    side, route, after = PHASES[phase]
    faults = world.source_faults if side == "source" else world.destination_faults
    with world.started() as process:

        def interrupt():
            process.send_signal(getattr(signal, name))
            time.sleep(0.3)  # the hub takes its time to answer

        struck = faults.plan(meanwhile(interrupt), route, after=after)
        out, err = process.communicate(timeout=60)
        for hub in (world.source, world.destination):  # what was sent before is read by then
            with pytest.raises(urllib.error.HTTPError):
                urllib.request.urlopen(f"{hub.url}/api/models/of/nobody", timeout=60)
        asked = len(world.source_faults.seen), len(world.destination_faults.seen)
        written, published = world.snapshot(), world.published()
    assert struck.struck == 1
    assert process.returncode == -getattr(signal, name), err
    assert f"hubferry copy {SOURCE} {DESTINATION}" in err
    assert "Traceback" not in err
    assert out == ""
    time.sleep(0.4)
    assert (len(world.source_faults.seen), len(world.destination_faults.seen)) == asked
    assert world.snapshot() == written
    if phase != "commit":  # the hub had that request already
        assert world.published() == published
    world.assert_true()
    world.converge()
    assert world.commits() == 1


@pytest.mark.parametrize("phase", PHASES)
def test_a_kill_in_any_phase_leaves_nothing_wrong(world, phase):
    side, route, after = PHASES[phase]
    faults = world.source_faults if side == "source" else world.destination_faults
    with world.started() as process:
        done = threading.Event()
        faults.plan(meanwhile(process.kill, done.set), route, after=after)
        process.wait(60)
    assert process.returncode == -signal.SIGKILL
    assert done.wait(20), "the hub is still busy with what the killed run asked last"
    world.assert_true()
    world.converge()
    assert world.commits() == 1


def test_what_a_killed_run_without_a_cache_leaves_is_swept_and_a_living_ones_is_not(world):
    prune = ("cache", "prune", "--partial", "--json")
    with world.started("copy", SOURCE, DESTINATION, "--no-cache", "--bwlimit", "100K") as process:
        deadline = time.monotonic() + 60
        while not any(world.cache.glob(".passing-*/.hubferry/partial/*.part")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert world.command(*prune).code == 0
        assert any(world.cache.glob(".passing-*"))
        process.kill()
        process.wait(20)
    assert any(world.cache.glob(".passing-*"))
    pruned = world.command(*prune)
    assert pruned.code == 0, pruned.said
    assert json.loads(pruned.out)["frees"] > 0
    assert not any(world.cache.glob(".passing-*"))
