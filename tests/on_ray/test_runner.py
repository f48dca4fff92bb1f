"""A mirror whose copies run on a cluster: the same outcome as on one machine, whatever of it dies."""

from __future__ import annotations

import pytest

pytest.importorskip("ray", reason="Ray is not installed here: make test-ray")

from clusters import blobs
from mirrored import by_source, entry

MIB = 1 << 20


def test_repositories_are_copied_on_the_nodes_and_proven(world):
    for name in "abcd":
        world.publish(f"org/{name}")
    entries = [entry(f"hf:org/{name}", f"ms:me/{name}") for name in "abcd"]
    summary = world.run(*entries)
    assert by_source(summary) == {f"hf:org/{name}": "copied" for name in "abcd"}
    for name in "abcd":
        assert world.held(f"me/{name}") == world.original(f"org/{name}")
    assert world.target.requests.commits == 4
    again = world.run(*entries)
    assert all(outcome.good and not outcome.commits for outcome in again.outcomes)
    assert world.target.requests.commits == 4


def test_a_large_repository_is_cut_and_makes_one_commit(world):
    world.publish("org/large", blobs(8))
    summary = world.run(entry("hf:org/large", "ms:me/large"), split=4 * MIB)
    [outcome] = summary.outcomes
    assert outcome.status == "copied", outcome.error
    assert world.held("me/large") == world.original("org/large")
    assert world.target.requests.commits == 1
    assert world.target.requests.blobs_received == 8
    assert outcome.sent >= 8 * MIB
