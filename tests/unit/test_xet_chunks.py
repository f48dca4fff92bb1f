"""One stream of several that never ends: the real client cannot be made to do that, so a stand-in does."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from hubferry.hubs.xet.access import Access, NoXetError
from hubferry.hubs.xet.chunks import Chunks


class Group:
    """Streams that yield at once, but for the one at the file's beginning, which waits to be aborted."""

    def __init__(self) -> None:
        self.aborted = threading.Event()

    def download_stream(self, _file, *, start, end):
        if start == 0:
            self.aborted.wait()
        else:
            yield bytes(end - start)

    def abort(self) -> None:
        self.aborted.set()


@pytest.fixture
def group(monkeypatch):
    group = Group()
    config = SimpleNamespace(with_config=lambda _settings: None)
    session = SimpleNamespace(new_download_stream_group=lambda *_address, **_token: group)
    module = SimpleNamespace(
        XetConfig=lambda: config, XetSession=lambda _config: session, XetFileInfo=lambda _hash, _size: None
    )
    monkeypatch.setitem(sys.modules, "hf_xet", module)
    yield group
    group.abort()


async def test_a_piece_that_never_comes_is_given_up_although_others_keep_arriving(group):
    chunks = Chunks(Access("https://cas.example.com", "token", 1, 1.0), silence=0.2)
    stuck = asyncio.create_task(chunks.read("0" * 64, 100, 0, 10))
    while not stuck.done():
        assert await chunks.read("0" * 64, 100, 10, 20) == [bytes(10)]
        await asyncio.sleep(0.01)
    with pytest.raises(NoXetError):
        await stuck
    await chunks.close()
    assert group.aborted.is_set()
    with pytest.raises(NoXetError):
        await chunks.read("0" * 64, 100, 10, 20)


async def test_a_slow_piece_is_waited_for_while_others_arrive(group):
    chunks = Chunks(Access("https://cas.example.com", "token", 1, 1.0), silence=2.0)
    await chunks.read("0" * 64, 100, 10, 20)
    slow = asyncio.create_task(chunks.read("0" * 64, 100, 0, 10))
    until = time.monotonic() + 3.0
    while time.monotonic() < until:
        await chunks.read("0" * 64, 100, 10, 20)
        await asyncio.sleep(0.1)
    assert not slow.done()
    group.abort()
    with pytest.raises(NoXetError):
        await slow
    await chunks.close()
