"""Copies to a Hugging Face that keeps chunks: by hf_xet's uploads, by git LFS where those do not go."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import random
import socket
import threading
from dataclasses import replace

import pytest
from aiohttp import web

from hubferry import aio, api
from hubferry.errors import IntegrityError
from hubferry.events import Note, Progress
from hubferry.options import Access, Options
from hubferry.serve import Seams

MIB = 1 << 20
WEIGHTS = random.Random("xet uploads").randbytes(9 * MIB)
CHANGED = WEIGHTS[: 8 * MIB] + random.Random("more").randbytes(2 * MIB)


class Story:
    """What a hub answers to the question for the right to write chunks."""

    def __init__(self):
        self.address, self.status, self.asked = None, None, 0

    @web.middleware
    async def tell(self, request, handler):
        if "xet-write-token" not in request.path:
            return await handler(request)
        self.asked += 1
        if self.status is not None:
            return web.json_response({"error": "no"}, status=self.status)
        answer = await handler(request)
        if self.address is None or answer.status != 200:
            return answer
        return web.json_response(json.loads(answer.body) | {"casUrl": self.address})


@pytest.fixture
def story():
    return Story()


class World:
    """A ModelScope with a model, a Hugging Face with Xet, and what is told on the way between them."""

    def __init__(self, make_hub, tmp_path, story, **options):
        self.source = make_hub()
        self.destination = make_hub(seams=Seams(middlewares=[story.tell]), **({"xet": True} | options))
        self.put(WEIGHTS)
        self.told = []
        self.options = Options(
            source=Access(self.source.token, self.source.url),
            destination=Access(self.destination.token, self.destination.url),
            cache_root=tmp_path / "cache",
        )

    def put(self, weights):
        self.source.store.add("org/model", {"model.safetensors": weights, "README.md": b"# hello\n"})

    def copy(self, **changes):
        return api.copy("ms:org/model", "hf:mine/model", replace(self.options, **changes), self.told.append)

    @property
    def notes(self):
        return [event.message for event in self.told if isinstance(event, Note)]

    @property
    def published(self):
        repository = self.destination.store.find("mine/model")
        return repository.tree(repository.resolve(None)).files


@pytest.fixture
def world(make_hub, tmp_path, story, monkeypatch):
    monkeypatch.delenv("HF_HUB_DISABLE_XET")
    monkeypatch.setenv("HUBFERRY_RETRY_WAIT", "0.01")
    return World(make_hub, tmp_path, story)


def is_whole(world, weights=WEIGHTS):
    file = world.published["model.safetensors"]
    assert file.sha256 == hashlib.sha256(weights).hexdigest()
    assert world.destination.store.blobs.read(file.sha256) == weights
    return file


def test_a_large_blob_goes_in_chunks_and_those_that_the_hub_has_are_not_sent(world):
    report = world.copy()
    assert (report.verified, report.sent) == (True, len(WEIGHTS))
    assert is_whole(world).xet_hash
    assert world.destination.requests.blobs_received == 0  # nothing by git LFS
    assert sum(
        event.count for event in world.told if isinstance(event, Progress) and event.direction == "send"
    )
    world.put(CHANGED)
    world.told.clear()
    world.copy()
    is_whole(world, CHANGED)
    told = [note for note in world.notes if "the hub has chunks of it" in note]
    assert told[0].startswith("model.safetensors: the hub has chunks of it, and 2.")
    assert world.copy().commits == ()


def test_a_hub_without_chunks_and_an_environment_without_them_get_it_by_git_lfs(
    make_hub, tmp_path, story, monkeypatch
):
    monkeypatch.delenv("HF_HUB_DISABLE_XET")
    world = World(make_hub, tmp_path, story, xet=False)
    world.copy()
    assert (story.asked, world.destination.requests.blobs_received) == (1, 1)
    is_whole(world)
    monkeypatch.setenv("HUBFERRY_XET", "never")
    world.put(CHANGED)
    world.copy()
    assert (story.asked, world.destination.requests.blobs_received) == (1, 2)


def test_small_blobs_go_by_git_lfs_unless_chunks_are_asked_for(world, story, monkeypatch):
    world.source.store.add("org/model", {"model.safetensors": WEIGHTS[:MIB]})
    world.copy()
    assert (story.asked, world.destination.requests.blobs_received) == (0, 1)
    world.source.store.add("org/model", {"model.safetensors": WEIGHTS[: MIB + 1]})
    monkeypatch.setenv("HUBFERRY_XET", "always")
    world.copy()
    assert (story.asked, world.destination.requests.blobs_received) == (1, 1)


@contextlib.contextmanager
def silent_server():
    """Somebody who takes connections and never answers."""
    over, taken, held = threading.Event(), threading.Event(), []
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        listening.settimeout(0.05)

        def run():
            while not over.is_set():
                with contextlib.suppress(OSError):
                    held.append(listening.accept()[0])
                    taken.set()

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}", taken
        finally:
            over.set()
            thread.join()
            for one in held:
                one.close()


def test_a_chunk_server_that_falls_silent_is_noticed_and_git_lfs_sends_all_of_it(world, story, monkeypatch):
    monkeypatch.setenv("HUBFERRY_XET_TIMEOUT", "1")
    with silent_server() as (story.address, _taken):
        world.copy()
    assert world.destination.requests.blobs_received == 1
    is_whole(world)
    assert [note for note in world.notes if "does not take the files" in note]
    assert not [one for one in threading.enumerate() if one.name == "hubferry-xet"]


@pytest.mark.parametrize("wrong", ["nowhere", "folder", 403, 500])
def test_whatever_is_wrong_with_the_chunk_server_git_lfs_sends_the_blob(world, story, wrong, tmp_path):
    if isinstance(wrong, int):
        story.status = wrong
    else:
        (tmp_path / "file").write_text("no folder")
        story.address = {
            "nowhere": "ftp://example.org",
            "folder": f"local://{tmp_path}/file/below",
        }[wrong]
    world.copy()
    assert world.destination.requests.blobs_received == 1
    is_whole(world)


def test_bytes_that_are_not_what_they_should_be_are_in_no_file_of_the_chunk_server(world, monkeypatch):
    sha256 = hashlib.sha256(WEIGHTS).hexdigest()
    world.source.store.blobs.path(sha256).chmod(0o600)
    world.source.store.blobs.path(sha256).write_bytes(b"x" + WEIGHTS[1:])
    monkeypatch.setenv("HUBFERRY_RETRIES", "1")
    with pytest.raises(IntegrityError):
        world.copy()
    from hubferry.serve.xet import files_of_shard

    shards = (world.destination.store.root / "xet").rglob("*.mdb")
    assert not [one for place in shards for one in files_of_shard(place.read_bytes())]
    assert world.destination.requests.commits == 0


async def test_a_run_that_is_broken_off_leaves_no_thread_behind(world, story):
    with silent_server() as (story.address, taken):
        work = asyncio.ensure_future(aio.copy("ms:org/model", "hf:mine/model", world.options))
        assert await asyncio.to_thread(taken.wait, 20)  # hf_xet is in the middle of a write
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
    assert not [one for one in threading.enumerate() if one.name == "hubferry-xet"]
    assert world.destination.requests.commits == world.destination.requests.blobs_received == 0


def lying_about_sizes(world, size):
    """Let the source list its weights as larger than they are: nothing of that size is ever made."""
    import msgspec

    repository = world.source.store.find("org/model")
    tree = repository.tree(repository.resolve(None))
    tree.files["model.safetensors"] = msgspec.structs.replace(tree.files["model.safetensors"], size=size)


@pytest.mark.parametrize("wish", ["auto", "never"])
def test_files_beyond_git_lfs_are_planned_in_chunks_or_refused_in_the_plan(world, monkeypatch, wish):
    world.destination.store.add("mine/model", {"README.md": b"# old\n"})
    lying_about_sizes(world, 120 * 10**9)
    monkeypatch.setenv("HUBFERRY_XET", wish)
    plan = api.plan("ms:org/model", "hf:mine/model", world.options)
    codes = [one.code for one in plan.findings]
    assert ("needs-xet" in codes) == (wish == "never")
    assert world.destination.requests.blobs_received == 0
    if wish == "auto":
        assert plan.send_bytes > 120 * 10**9
        assert "large-file" in codes  # advice, as before
    else:
        refusal = next(one.error for one in plan.findings if one.code == "needs-xet")
        assert (refusal.exit_code, "HF_HUB_DISABLE_XET" in refusal.hint) == (2, True)


def test_a_hub_that_has_no_chunks_has_limits_of_its_own(make_hub, tmp_path, story, monkeypatch):
    world = World(make_hub, tmp_path, story, xet=False)
    world.destination.store.add("mine/model", {"README.md": b"# old\n"})
    lying_about_sizes(world, 120 * 10**9)
    monkeypatch.setenv("HUBFERRY_XET", "never")
    codes = [one.code for one in api.plan("ms:org/model", "hf:mine/model", world.options).findings]
    assert "needs-xet" not in codes
    assert "large-file" in codes
