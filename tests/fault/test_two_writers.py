"""Two runs write to one repository: nobody loses a file, and nobody waits for ever."""

from __future__ import annotations

import asyncio

import pytest
from faults import answer
from worlds import sha256

OTHERS = {"other.safetensors": bytes(range(256)) * 300, "notes.txt": b"theirs"}
MOVED = {"error": "A commit has happened since. Please refresh and try again."}


def to_hugging_face(world, source="hf:org/model"):
    """A copy from the one hub to the other in Hugging Face's dialect on both sides."""
    sides = ("--destination-endpoint", world.destination.url, "--destination-token", world.destination.token)
    return ("copy", source, "hf:mine/model", *sides)


def meeting(count):
    """Let the first `count` requests wait for each other: each was asked before any was answered."""
    arrived = 0
    all_there = asyncio.Event()

    async def act(request, handler):
        nonlocal arrived
        arrived += 1
        if arrived >= count:
            all_there.set()
        await all_there.wait()
        return await handler(request)

    return act


def test_two_copies_that_commit_at_the_same_time_both_end_well_and_both_are_there(world):
    world.source.store.create("org/other", license="mit")
    world.source.store.add("org/other", OTHERS)
    world.destination.store.create("mine/model", license="mit")
    world.destination_faults.plan(meeting(2), "hf:commit", times=2)
    with (
        world.started(*to_hugging_face(world)) as one,
        world.started(*to_hugging_face(world, "hf:org/other")) as two,
    ):
        said = [process.communicate(timeout=120) for process in (one, two)]
    assert (one.returncode, two.returncode) == (0, 0), said
    others = {path: sha256(content) for path, content in OTHERS.items()}
    assert world.published() == {**world.expected, **others}
    assert world.commits() == 2
    refused = [record for record in world.destination.requests.records if record.status == 412]
    assert len(refused) == 1


def test_the_same_copy_started_twice_on_two_machines_makes_one_commit(world, tmp_path):
    world.destination.store.create("mine/model", license="mit")
    world.destination_faults.plan(meeting(2), "hf:commit", times=2)
    with (
        world.started(*to_hugging_face(world)) as one,
        world.started(*to_hugging_face(world), HUBFERRY_CACHE=str(tmp_path / "elsewhere")) as two,
    ):
        said = [process.communicate(timeout=120) for process in (one, two)]
    assert (one.returncode, two.returncode) == (0, 0), said
    assert world.published() == world.expected
    assert world.commits() == 1


@pytest.mark.parametrize("status", [409, 412])
def test_a_hub_that_conflicts_for_ever_is_left_with_the_command_to_repeat(world, status):
    world.destination_faults.plan(answer(status, MOVED), "hf:commit", times=None)
    ended = world.command(*to_hugging_face(world), HUBFERRY_RETRY_WAIT="0.001")
    assert ended.code == 5, ended.said
    assert "the branch moved" in ended.err
    assert "Run the same command again" in ended.err
    assert world.published() == {}
    world.destination_faults.clear()
    ended = world.command(*to_hugging_face(world))
    assert ended.code == 0, ended.said
    assert world.published() == world.expected


def test_a_hub_that_refuses_commits_as_too_large_gets_smaller_ones(world):
    world.destination_faults.plan(answer(413, {"error": "Payload Too Large"}), "hf:commit", times=2)
    ended = world.command(*to_hugging_face(world))
    assert ended.code == 0, ended.said
    assert world.published() == world.expected
    assert world.commits() > 1
