"""What a run holds open is closed, whatever happens meanwhile."""

from __future__ import annotations

import pytest

from hubferry.events import ignore
from hubferry.options import Options
from hubferry.session import Session


async def test_a_source_that_does_not_close_keeps_neither_the_destination_nor_the_threads_open(tmp_path):
    (tmp_path / "here").mkdir()
    options = Options(cache_root=tmp_path / "cache")
    session = Session(str(tmp_path / "here"), str(tmp_path / "there"), options, ignore)
    closed = []

    async def fail():
        raise RuntimeError("the connection hangs")

    async def close():
        closed.append("destination")

    await session.__aenter__()
    session.source.close, session.destination.close = fail, close
    with pytest.raises(RuntimeError, match="the connection hangs"):
        await session.__aexit__(None, None, None)
    assert closed == ["destination"]
    with pytest.raises(RuntimeError, match="after shutdown"):
        session._threads.submit(print)
