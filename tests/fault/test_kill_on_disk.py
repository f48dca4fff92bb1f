"""The command is killed or interrupted in a file operation: while it publishes in the cache, or cleans."""

from __future__ import annotations

import signal
import sys

import pytest
from worlds import DESTINATION, SOURCE

import forked

PLANT = """
import os, signal, sys
from hubferry.cache.disk import disk
place, number, strikes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
where, name = (os, place[3:]) if place.startswith("os.") else (disk, place)
honest, turn = getattr(where, name), 0
def operation(*arguments, **keywords):
    global turn
    turn += 1
    if turn == strikes:
        os.kill(os.getpid(), number)
    return honest(*arguments, **keywords)
setattr(where, name, operation)
sys.argv[1:] = sys.argv[4:]
from hubferry.__main__ import main
sys.exit(main())
"""
SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT")
PUBLISHING = [
    ("replace", 1),
    ("replace", 2),
    ("replace", 4),
    ("fsync", 1),
    ("append", 1),
]
CLEANING = [("replace", 1), ("remove_tree", 1), ("os.unlink", 9), ("lstat", 1), ("scandir", 2)]


def struck(world, words, operation, turn, name):
    """Run the command with a signal in the middle of one operation; return how it ended."""
    number = getattr(signal, name)
    line = [sys.executable, "-c", PLANT, operation, str(int(number)), str(turn), *words]
    done = forked.run(
        line, env=world.environment, cwd=world.home, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == -number, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize(("operation", "turn"), PUBLISHING)
def test_a_run_that_ends_while_it_publishes_in_the_cache_leaves_only_truth(world, operation, turn, name):
    world.home.mkdir(exist_ok=True)
    struck(world, ("copy", SOURCE, DESTINATION), operation, turn, name)
    world.assert_true()
    world.converge()
    assert world.commits() == 1


@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize(("operation", "turn"), CLEANING)
def test_a_cleaning_that_ends_half_way_leaves_a_model_whole_or_gone(world, operation, turn, name):
    assert world.attempt("fetch").code == 0
    beside = world.cache / "notes.txt"
    beside.write_text("mine")
    struck(world, ("cache", "clean", "--force"), operation, turn, name)
    held = world.held() if world.model.exists() else {}
    assert held in ({}, world.content), sorted(held)
    assert beside.read_text() == "mine"
    again = world.command("cache", "clean", "--force")
    assert again.code == 0, again.said
    assert [path.name for path in world.cache.iterdir() if path.suffix != ".TAG"] == ["notes.txt"]
    world.converge()
