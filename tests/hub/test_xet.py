"""Copies and reads over Xet, with the real Rust client, against a hub started with `--xet`.

The official client uploads over Xet once; each test runs a hub of its own over a copy of what that left.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from servers import hub_process, running_hub, sdk_environment
from test_serve_xet import UPLOAD, python, xet_environment

import forked
from hubferry import api
from hubferry.errors import NetworkError
from hubferry.hubs import open_source
from hubferry.model import RepoRef
from hubferry.options import Access, Options
from hubferry.patience import Account, Policy
from hubferry.retry import RetryingSource
from hubferry.serve import Seams

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20
WEIGHTS = random.Random("xet 1").randbytes(9 * MIB + 12345)
OTHERS = random.Random("xet 2").randbytes(9 * MIB + 12345)
CHUNK_TOKEN = "xet-token-of-this-test"
REPOSITORY = RepoRef("hf", "org/model")


@pytest.fixture(scope="module")
def uploaded(tmp_path_factory) -> Path:
    """A hub's store after the official client has uploaded a model over Xet."""
    place = tmp_path_factory.mktemp("uploaded")
    folder = place / "model"
    folder.mkdir()
    (folder / "weights.safetensors").write_bytes(WEIGHTS)
    (folder / "others.safetensors").write_bytes(OTHERS)
    (folder / "README.md").write_bytes(b"# hello\n")
    home = place / "home"
    with hub_process(place / "hub", "--xet", environment=sdk_environment(home)) as served:
        python(UPLOAD, folder, environment=xet_environment(home, served))
    return place / "hub"


class Storyteller:
    """Changes what a hub answers: the chunk server's address and token, or anything else by a hook."""

    def __init__(self) -> None:
        self.told: dict[str, object] = {"accessToken": CHUNK_TOKEN}
        self.asked = 0
        self.instead = None

    @web.middleware
    async def tell(self, request, handler):
        if self.instead is not None and (answer := await self.instead(request, handler)) is not None:
            return answer
        response = await handler(request)
        if "xet-read-token" in request.path:
            self.asked += 1
            return web.json_response(json.loads(response.body) | self.told)
        return response


@pytest.fixture
def story() -> Storyteller:
    return Storyteller()


@pytest.fixture
def hub(uploaded, tmp_path, story, monkeypatch):
    root = tmp_path / "hub"
    shutil.copytree(uploaded, root, symlinks=True)
    monkeypatch.delenv("HF_HUB_DISABLE_XET")
    monkeypatch.setenv("HUBFERRY_XET", "always")
    monkeypatch.setenv("HUBFERRY_RETRY_WAIT", "0")
    monkeypatch.setenv("HUBFERRY_RETRIES", "5")
    with running_hub(root, xet=True, seams=Seams([story.tell])) as running:
        yield running


@pytest.fixture
def copied(hub, tmp_path):
    """Copy the model to a hub of its own that has none of it; return what is there then."""

    def copy() -> dict[str, bytes]:
        with running_hub(tmp_path / "destination") as other:
            wish = Options(
                source=Access(hub.token, hub.url),
                destination=Access(other.token, other.url),
                cache_root=tmp_path / "cache",
            )
            assert api.copy("hf:org/model", "ms:mine/copy", wish, lambda _event: None).verified
            repository = other.store.find("mine/copy")
            tree = repository.tree(repository.resolve(None))
            return {
                path: other.store.blobs.path(file.sha256).read_bytes() for path, file in tree.files.items()
            }

    return copy


def open_hub(hub):
    return open_source(REPOSITORY, token=hub.token, endpoint=hub.url)


async def listed(source):
    revision = await source.resolve(REPOSITORY)
    return revision, {file.path: file for file in await source.files(revision)}


async def bytes_of(source, revision, file, start, stop):
    async with aclosing(source.read(revision, file, start, stop)) as pieces:
        return b"".join([bytes(piece) async for piece in pieces])


def stalling_server() -> socket.socket:
    """A server that takes connections and never says a word."""
    return socket.create_server(("127.0.0.1", 0), backlog=64)


def test_a_copy_over_xet_is_the_same_to_the_byte_and_asks_no_storage_for_the_weights(hub, story, copied):
    there = copied()
    assert there["weights.safetensors"] == WEIGHTS
    assert there["others.safetensors"] == OTHERS
    assert story.asked == 1
    assert hub.requests.count("storage:get") == 0


async def test_a_range_read_over_xet_is_exactly_that_range(hub, story):
    source = open_hub(hub)
    revision, files = await listed(source)
    size = len(WEIGHTS)
    ranges = [(0, size), (5, 5), (1, 70_000), (4 * MIB - 1, 4 * MIB + 1), (size - 1, size), (8 * MIB, None)]
    for start, stop in ranges:
        read = await bytes_of(source, revision, files["weights.safetensors"], start, stop)
        assert read == WEIGHTS[start:stop]
    assert hub.requests.count("hf:resolve", "storage:get") == 0
    await source.close()


async def test_many_parts_at_once_share_one_token_and_are_right(hub, story):
    source = open_hub(hub)
    revision, files = await listed(source)
    file = files["weights.safetensors"]
    starts = range(0, len(WEIGHTS), MIB)
    parts = await asyncio.gather(
        *(bytes_of(source, revision, file, start, min(start + MIB, file.size)) for start in starts)
    )
    assert b"".join(parts) == WEIGHTS
    assert story.asked == 1
    await source.close()


async def test_a_file_without_a_merkle_hash_is_read_plainly(hub, story):
    source = open_hub(hub)
    revision, files = await listed(source)
    assert files["README.md"].xet_hash is None
    assert await bytes_of(source, revision, files["README.md"], 0, None) == b"# hello\n"
    assert story.asked == 0
    await source.close()


async def test_a_token_is_asked_for_again_before_it_ends(hub, story, monkeypatch):
    now = 1_700_000_000.0
    monkeypatch.setattr("time.time", lambda: now)
    story.told["exp"] = int(now) + 600
    source = open_hub(hub)
    revision, files = await listed(source)
    file = files["weights.safetensors"]
    for later, asked in ((0, 1), (500, 1), (545, 2), (560, 2)):
        monkeypatch.setattr("time.time", lambda later=later: now + later)
        story.told["exp"] = int(now) + later + 600
        assert await bytes_of(source, revision, file, later, later + 10) == WEIGHTS[later : later + 10]
        assert story.asked == asked
    assert hub.requests.count("storage:get") == 0
    await source.close()


async def test_a_silent_chunk_server_is_left_and_the_plain_way_goes_on(hub, story, monkeypatch):
    monkeypatch.setenv("HUBFERRY_XET_TIMEOUT", "1")
    with stalling_server() as server:
        story.told["casUrl"] = f"http://127.0.0.1:{server.getsockname()[1]}"
        source = open_hub(hub)
        revision, files = await listed(source)
        file = files["weights.safetensors"]
        assert await bytes_of(source, revision, file, 0, None) == WEIGHTS
        assert hub.requests.count("storage:get") > 0
        assert await bytes_of(source, revision, file, 100, 200) == WEIGHTS[100:200]
        assert story.asked == 1, "after a stall Xet is not tried again in this run"
        await source.close()


def test_a_copy_survives_a_silent_chunk_server(hub, story, copied, monkeypatch):
    monkeypatch.setenv("HUBFERRY_XET_TIMEOUT", "1")
    with stalling_server() as server:
        story.told["casUrl"] = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert copied()["weights.safetensors"] == WEIGHTS
    assert story.asked == 1
    assert hub.requests.count("storage:get") > 0


async def test_chunks_lost_in_the_middle_of_a_range_leave_no_gap(hub, tmp_path):
    source = open_hub(hub)
    revision, files = await listed(source)
    read = bytearray()
    async with aclosing(source.read(revision, files["weights.safetensors"], 0, None)) as pieces:
        async for piece in pieces:
            if not read:
                for xorb in (tmp_path / "hub/xet/shared/xet/xorbs/xorbs").iterdir():
                    xorb.unlink()
            read += piece
    assert bytes(read) == WEIGHTS
    assert 0 < hub.requests.bytes_sent < len(WEIGHTS), "the plain way went on in the middle"
    await source.close()


@pytest.mark.parametrize(
    "told",
    [
        {"casUrl": "local:///does/not/exist"},
        {"casUrl": "http://127.0.0.1:1"},
        {"casUrl": "gopher://127.0.0.1"},
        {"casUrl": None},
        {"exp": 1},
        {"exp": "soon"},
        {"accessToken": 5},
    ],
    ids=str,
)
async def test_a_token_that_leads_nowhere_leads_to_the_plain_way(hub, story, monkeypatch, told):
    monkeypatch.setenv("HUBFERRY_XET_TIMEOUT", "1")
    story.told |= told
    source = open_hub(hub)
    revision, files = await listed(source)
    assert await bytes_of(source, revision, files["weights.safetensors"], 7, 5 * MIB) == WEIGHTS[7 : 5 * MIB]
    assert story.asked == 1
    await source.close()


async def test_a_hub_that_refuses_the_token_is_read_plainly(hub, story):
    async def refuse(request, _handler):
        return web.json_response({"error": "no"}, status=403) if "xet-read" in request.path else None

    story.instead = refuse
    source = open_hub(hub)
    revision, files = await listed(source)
    assert await bytes_of(source, revision, files["weights.safetensors"], 0, None) == WEIGHTS
    await source.close()


async def test_without_hf_xet_everything_is_read_plainly(hub, monkeypatch):
    monkeypatch.setitem(sys.modules, "hf_xet", None)
    source = open_hub(hub)
    revision, files = await listed(source)
    assert await bytes_of(source, revision, files["weights.safetensors"], 0, None) == WEIGHTS
    await source.close()


def test_content_that_is_not_what_the_hub_lists_is_fetched_again_plainly(hub, story, copied):
    async def swap(request, handler):
        if "/tree/" not in request.path:
            return None
        entries = json.loads((await handler(request)).body)
        hashes = {entry["path"]: entry.get("xetHash") for entry in entries}
        for entry in entries:
            if entry["path"] == "weights.safetensors":
                entry["xetHash"] = hashes["others.safetensors"]
        return web.json_response(entries)

    story.instead = swap
    assert copied()["weights.safetensors"] == WEIGHTS
    assert story.asked == 1
    assert hub.requests.count("storage:get") > 0


async def test_left_to_itself_a_hub_that_serves_ranges_well_is_read_plainly(hub, story, monkeypatch):
    monkeypatch.setenv("HUBFERRY_XET", "auto")
    source = open_hub(hub)
    revision, files = await listed(source)
    assert await bytes_of(source, revision, files["weights.safetensors"], 0, None) == WEIGHTS
    assert story.asked == 0
    await source.close()


async def test_left_to_itself_a_hub_that_ignores_ranges_is_read_by_xet(hub, story, monkeypatch):
    monkeypatch.setenv("HUBFERRY_XET", "auto")

    plainly = []

    async def whole(request, handler):
        if "Range" not in request.headers:
            return None
        plainly.append(request.path)
        headers = {name: value for name, value in request.headers.items() if name != "Range"}
        return await handler(request.clone(headers=headers))

    story.instead = whole
    source = open_hub(hub)
    revision, files = await listed(source)
    file = files["weights.safetensors"]
    assert await bytes_of(source, revision, file, MIB, 2 * MIB) == WEIGHTS[MIB : 2 * MIB]
    assert story.asked == 0
    assert not source.ignores_ranges, "every large file can be had in parts"
    plainly.clear()
    assert await bytes_of(source, revision, file, 2 * MIB, 3 * MIB) == WEIGHTS[2 * MIB : 3 * MIB]
    assert plainly == []
    assert story.asked == 1
    await source.close()


def test_left_to_itself_a_copy_whose_storage_keeps_failing_goes_on_by_xet(hub, story, tmp_path, monkeypatch):
    monkeypatch.setenv("HUBFERRY_XET", "auto")

    async def broken(request, _handler):
        return web.Response(status=500) if request.path.startswith("/storage") else None

    story.instead = broken
    wish = Options(source=Access(hub.token, hub.url), cache_root=tmp_path / "cache")
    fetched = api.fetch("hf:org/model", wish)
    assert (fetched.path / "weights.safetensors").read_bytes() == WEIGHTS
    assert story.asked == 1


def fetched_to(tmp_path, hub):
    """Fetch the model; return the weights."""
    wish = Options(source=Access(hub.token, hub.url), cache_root=tmp_path / "cache")
    return (api.fetch("hf:org/model", wish).path / "weights.safetensors").read_bytes()


def refusing_parts(status):
    async def refuse(request, _handler):
        is_part = request.path.startswith("/storage") and "Range" in request.headers
        return web.Response(status=status) if is_part else None

    return refuse


@pytest.mark.parametrize("status", [416, 501])
def test_left_to_itself_a_storage_that_gives_no_parts_is_read_by_xet(
    hub, story, tmp_path, monkeypatch, status
):
    monkeypatch.setenv("HUBFERRY_XET", "auto")
    story.instead = refusing_parts(status)
    assert fetched_to(tmp_path, hub) == WEIGHTS
    assert story.asked == 1
    assert hub.requests.bytes_sent < len(WEIGHTS), "nothing was read whole by the plain way"


async def test_xet_is_taken_before_a_file_is_read_whole_for_its_part(hub, story, monkeypatch):
    monkeypatch.setenv("HUBFERRY_XET", "auto")
    story.instead = refusing_parts(416)
    plain = open_hub(hub)
    revision, files = await listed(plain)
    source = RetryingSource(plain, Account(Policy(attempts=5, first=0.001)))
    sent = hub.requests.bytes_sent
    part = await bytes_of(source, revision, files["weights.safetensors"], MIB, 2 * MIB)
    assert part == WEIGHTS[MIB : 2 * MIB]
    assert story.asked == 1
    assert hub.requests.bytes_sent - sent < MIB
    await source.close()


@pytest.mark.parametrize("status", [416, 501])
def test_without_hf_xet_a_storage_that_gives_no_parts_is_read_whole(
    hub, story, tmp_path, monkeypatch, status
):
    monkeypatch.setenv("HUBFERRY_XET", "auto")
    monkeypatch.setitem(sys.modules, "hf_xet", None)
    story.instead = refusing_parts(status)
    assert fetched_to(tmp_path, hub) == WEIGHTS
    assert story.asked == 0


@pytest.mark.parametrize("installed", [True, False])
def test_a_file_that_only_xet_would_give_names_the_way_to_get_it(
    hub, story, tmp_path, monkeypatch, installed
):
    monkeypatch.setenv("HUBFERRY_XET", "auto")
    if not installed:
        monkeypatch.setitem(sys.modules, "hf_xet", None)

    async def broken(request, _handler):
        refused = request.path.startswith("/storage") or "xet-read-token" in request.path
        return web.Response(status=416 if "Range" in request.headers else 500) if refused else None

    story.instead = broken
    with pytest.raises(NetworkError) as caught:
        fetched_to(tmp_path, hub)
    assert ("pip install hf-xet" in caught.value.hint) == (not installed)
    assert "Come again after" in caught.value.hint


async def test_no_token_is_in_an_error_or_a_log(hub, story, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    story.told["casUrl"] = "http://127.0.0.1:1/?signature=hidden-signature"
    monkeypatch.setenv("HUBFERRY_XET_TIMEOUT", "1")

    async def broken(request, _handler):
        return web.Response(status=500) if request.path.startswith(("/storage", "/org")) else None

    story.instead = broken
    source = open_hub(hub)
    revision, files = await listed(source)
    with pytest.raises(NetworkError) as caught:
        await bytes_of(source, revision, files["weights.safetensors"], 0, None)
    assert story.asked == 1
    seen, error = [caplog.text, repr(source)], caught.value
    while error is not None:
        seen += [str(error), repr(error), repr(vars(error))]
        error = error.__cause__ or error.__context__
    for secret in (CHUNK_TOKEN, "hidden-signature", hub.token):
        assert secret not in "".join(seen)
    await source.close()


async def test_a_read_that_is_cancelled_while_xet_is_silent_ends_and_so_does_the_source(hub, story):
    with stalling_server() as server:
        story.told["casUrl"] = f"http://127.0.0.1:{server.getsockname()[1]}"
        source = open_hub(hub)
        revision, files = await listed(source)
        reading = asyncio.create_task(bytes_of(source, revision, files["weights.safetensors"], 0, None))
        server.setblocking(False)
        connection, _address = await asyncio.get_running_loop().sock_accept(server)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await source.close()
        connection.close()
    assert hub.requests.count("storage:get") == 0


def test_ctrl_c_is_heard_while_xet_is_silent(hub, story, tmp_path):
    environment = sdk_environment(tmp_path / "home", hf=hub) | {
        "HF_HUB_DISABLE_XET": "0",
        "HUBFERRY_XET": "always",
    }
    line = [sys.executable, "-m", "hubferry", "fetch", "hf:org/model", "--quiet"]
    with stalling_server() as server:
        story.told["casUrl"] = f"http://127.0.0.1:{server.getsockname()[1]}"
        process = forked.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        connection, _address = server.accept()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        connection.close()
    assert process.returncode == -signal.SIGINT


async def test_closing_lets_go_of_the_folder_for_the_next_one(hub, story):
    for _again in range(2):
        source = open_hub(hub)
        revision, files = await listed(source)
        assert await bytes_of(source, revision, files["weights.safetensors"], 0, 10) == WEIGHTS[:10]
        await source.close()
    assert hub.requests.count("storage:get") == 0
