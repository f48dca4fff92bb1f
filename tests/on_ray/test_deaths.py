"""Whatever of a cluster dies, the next one goes on: nothing wrong is published, and no commit made twice."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed here: make test-ray")

from aiohttp import web
from clusters import blobs, commits_of, worlds
from huggingface_hub import snapshot_download
from mirrored import by_source, entry
from workers import client_at, kill, parent_of, processes, until

from hubferry.events import Standing
from hubferry.serve import Seams
from hubferry.sync.events import Happened
from hubferry.sync.spec import Manner

MIB = 1 << 20
SLOW = Manner(fetch_rate=3 * MIB)


@pytest.fixture
def lossy(cluster, tmp_path, monkeypatch):
    """A target that, when told so, answers a commit only after the node that asked for it is dead."""
    losing = threading.Event()

    @web.middleware
    async def lose(request, handler):
        answer = await handler(request)
        if "/commit/" in request.path and losing.is_set():
            losing.clear()
            await asyncio.to_thread(lose_node_at, request.transport.get_extra_info("peername")[1])
        return answer

    def lose_node_at(port):
        raylet = parent_of(client_at(port))
        cluster.kill_node_of(raylet)

    with worlds(cluster, tmp_path, monkeypatch, seams=Seams(middlewares=[lose])) as world:
        yield world, losing


def moved(world):
    """How many bytes came, as the driver has heard by now."""
    told = [one.event for one in world.told if isinstance(one, Happened)]
    return max((event.fetched for event in told if isinstance(event, Standing)), default=0)


def downloaded(world, hub, repo_id, folder):
    """What the official client gets there: content by path."""
    path = snapshot_download(repo_id, endpoint=hub.url, token=hub.token, local_dir=folder)
    return {one.name: one.read_bytes() for one in Path(path).iterdir() if not one.name.startswith(".")}


def test_a_node_that_dies_in_the_middle_of_its_share_is_done_without(world, tmp_path):
    files = blobs(9)
    world.publish("org/large", files)

    async def lose_a_node():
        await until(lambda: moved(world) > 2 * MIB)
        world.cluster.kill_node()

    summary = world.run(entry("hf:org/large", "ms:me/large"), manner=SLOW, split=4 * MIB, during=lose_a_node)
    [outcome] = summary.outcomes
    assert outcome.status == "copied", outcome.error
    assert world.target.requests.commits == 1
    assert world.held("me/large") == world.original("org/large")
    got = downloaded(world, world.target, "me/large", tmp_path / "official")
    assert {path: got.get(path) for path in files} == files


@pytest.mark.parametrize("split", [None, MIB])
def test_a_node_that_dies_right_after_its_commit_leaves_one_commit(lossy, split):
    """The answer to the commit is lost with the node that asked; another one finds it done."""
    world, losing = lossy
    world.publish("org/one", blobs(3))
    losing.set()
    summary = world.run(entry("hf:org/one", "ms:me/one"), split=split)
    assert by_source(summary) == {"hf:org/one": "copied"} or by_source(summary) == {"hf:org/one": "same"}
    assert not losing.is_set(), "no node died"
    assert world.held("me/one") == world.original("org/one")
    assert world.target.requests.commits <= 1
    assert commits_of(world.target, "me/one") == 1


def test_a_desk_that_dies_is_begun_anew_and_nobody_stops_for_it(world):
    for name in "ab":
        world.publish(f"org/{name}", blobs(3, 3 * MIB))

    async def lose_the_desk():
        await until(lambda: moved(world) > MIB)
        [desk] = processes("DeskActor")
        kill(desk)
        heard = moved(world)
        await until(lambda: moved(world) > heard)

    entries = [entry(f"hf:org/{name}", f"ms:me/{name}") for name in "ab"]
    world.cluster.configure(world.source, world.target, "concurrency = 4\ncommits_per_hour = 10")
    summary = world.run(*entries, manner=SLOW, during=lose_the_desk)
    assert set(by_source(summary).values()) == {"copied"}
    for name in "ab":
        assert world.held(f"me/{name}") == world.original(f"org/{name}")
    assert world.target.requests.commits == 2
