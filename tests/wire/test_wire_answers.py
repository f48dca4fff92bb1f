"""What an answer may look like, and what becomes of its connection."""

from __future__ import annotations

import asyncio

import pytest
from lines import HEAD, answering, fetched, get, pool, talking, until

from hubferry.wire.connection import PIECE
from hubferry.wire.failures import AddressError, BrokenOffError

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"

KEPT = {
    "a length": (HEAD + b"ok", (200, b"ok")),
    "a head in pieces": ([HEAD[:9], HEAD[9:30], HEAD[30:], b"o", b"k"], (200, b"ok")),
    "chunks": (CHUNKED, (200, b"abc")),
    "chunks in pieces": ([CHUNKED[:50], CHUNKED[50:52], CHUNKED[52:]], (200, b"abc")),
    "a provisional answer first": (b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"ok", (200, b"ok")),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", (204, b"")),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", (304, b"")),
    "nothing": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", (200, b"")),
}


@pytest.mark.parametrize("kind", KEPT)
async def test_an_answer_is_read_whole_and_its_connection_serves_again(kind):
    said, expected = KEPT[kind]
    async with talking(answering(said)) as server, pool() as ours:
        for _number in range(3):
            assert await fetched(ours, server.place) == expected
        assert server.connections == 1


LEFT = {
    "a close in its head": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    "an older protocol": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "bytes behind its end": HEAD + b"ok!",
    "a second answer": (HEAD + b"ok") * 2,
    "bytes behind chunks": CHUNKED.replace(b"abc", b"ok") + b"HTTP",
}


@pytest.mark.parametrize("kind", LEFT)
async def test_a_connection_that_promises_nothing_more_is_not_used_again(kind):
    async with talking(answering(LEFT[kind])) as server, pool() as ours:
        for _number in range(2):
            status, body = await fetched(ours, server.place)
            assert (status, body[:2]) in ((200, b"ok"), (200, b"ab"))
        assert server.connections == 2


async def test_bytes_behind_the_end_of_a_long_body_cost_the_connection():
    long = b"x" * 300_000
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n"
    async with talking(answering([head + long, b"more"])) as server, pool() as ours:
        assert await fetched(ours, server.place) == (200, long)
        await until(lambda: not ours._all)
        assert await fetched(ours, server.place) == (200, long)
        assert server.connections == 2


async def test_a_body_without_a_length_ends_with_its_connection():
    said = b"HTTP/1.1 200 OK\r\n\r\n"
    async with talking(answering([said, b"all", b" of it"], times=1)) as server, pool() as ours:
        assert await fetched(ours, server.place) == (200, b"all of it")


async def test_the_answer_to_a_head_request_has_no_body_whatever_it_announces():
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"
    async with talking(answering(said)) as server, pool() as ours:
        for _number in range(2):
            assert await fetched(ours, server.place, get(method="HEAD")) == (200, b"")
        assert server.connections == 1


NO_HTTP = {
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
    "a length and chunks": CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n", 1),
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
    "chunks of no size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab",
    "a head without end": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000,
    "an end in the head": b"HTTP/1.1 200 OK\r\nContent-",
    "an end in the body": HEAD + b"o",
    "an end in a chunk": CHUNKED[:-8],
    "another protocol asked for": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nxx",
    "nothing at all": b"",
}


@pytest.mark.parametrize("kind", NO_HTTP)
async def test_what_is_no_whole_answer_is_a_broken_connection(kind):
    async with talking(answering(NO_HTTP[kind], times=1)) as server, pool() as ours:
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(fetched(ours, server.place), 5)


async def test_what_came_before_a_body_broke_off_is_handed_on_first():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    async with talking(answering([head + b"a" * 60_000, b"b" * 30_000], times=1)) as server, pool() as ours:
        got = bytearray()

        async def read() -> None:
            async with ours.exchange(server.place, get(), "url") as answer:
                async for piece in answer.pieces():
                    got.extend(piece)

        with pytest.raises(ConnectionError):
            await read()
        assert bytes(got) == b"a" * 60_000 + b"b" * 30_000


async def test_a_piece_that_was_kept_cannot_be_read_any_more():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (3 * PIECE)
    async with talking(answering(head + b"a" * 3 * PIECE)) as server, pool() as ours:
        async with ours.exchange(server.place, get(), "url") as answer:
            kept = [piece async for piece in answer.pieces()]
        with pytest.raises(ValueError, match="released"):
            bytes(kept[0])


async def test_a_long_body_comes_in_full_pieces_and_exactly():
    size = 5 * PIECE + 12_345
    content = bytes(range(256)) * (size // 256 + 1)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
    async with talking(answering(head + content[:size])) as server, pool() as ours:
        for _number in range(2):
            sizes, got = [], bytearray()
            async with ours.exchange(server.place, get(), "url") as answer:
                async for piece in answer.pieces():
                    sizes.append(len(piece))
                    got += piece
            assert bytes(got) == content[:size]
            assert max(sizes) == PIECE
        assert server.connections == 1


async def test_a_slow_body_is_handed_on_before_a_piece_is_full():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n"
    more = asyncio.Event()

    async def talk(line):
        await line.asked()
        await line.say(head + b"a" * 100_000)
        await more.wait()
        await line.say(b"b" * 100_000)

    async with talking(talk) as server, pool() as ours, ours.exchange(server.place, get(), "url") as answer:
        pieces = answer.pieces()
        got = bytearray()
        while len(got) < 100_000:
            got += await asyncio.wait_for(anext(pieces), 2)
        more.set()
        async for piece in pieces:
            got += piece
        assert bytes(got) == b"a" * 100_000 + b"b" * 100_000


@pytest.mark.parametrize("chunked", [False, True], ids=["a length", "chunks"])
async def test_who_reads_slowly_is_not_sent_more_than_a_little_ahead(chunked):
    size, sent = 64 * PIECE, 0
    head = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size

    async def talk(line):
        nonlocal sent
        await line.asked()
        line.writer.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n")
        for _number in range(64 * 16):
            content = b"x" * (PIECE // 16)
            line.writer.write(b"%x\r\n%s\r\n" % (len(content), content) if chunked else content)
            await line.writer.drain()
            sent += len(content)
        line.writer.write(b"0\r\n\r\n" if chunked else b"")

    async with talking(talk) as server, pool() as ours, ours.exchange(server.place, get(), "url") as answer:
        pieces = answer.pieces()
        got = len(await anext(pieces))
        await asyncio.sleep(0.5)
        assert sent < size / 2  # what the kernel's buffers hold, and a few pieces
        async for piece in pieces:
            got += len(piece)
        assert got == size


@pytest.mark.parametrize(
    "request_",
    [
        get("/a b"),
        get("/a\r\nX: y"),
        get("/ä"),
        get(headers={"X": "a\r\nY: b"}),
        get(headers={"X\r\nY": "b"}),
        get(headers={"X": "a\0b"}),
    ],
    ids=["a blank", "a line end", "a letter", "a value", "a name", "a NUL"],
)
async def test_nothing_that_breaks_out_of_its_line_is_sent(request_):
    async with talking(answering(HEAD + b"ok")) as server, pool() as ours:
        with pytest.raises(AddressError):
            await fetched(ours, server.place, request_)
        await asyncio.sleep(0.02)
        assert server.heads == []
        await fetched(ours, server.place)
        assert len(server.heads) == 1


async def test_an_answer_read_in_part_costs_its_connection_a_short_one_read_to_its_end_does_not():
    head = b"HTTP/1.1 302 Found\r\nContent-Length: %d\r\n\r\n"
    for size, connections in ((1000, 1), (200_000, 2)):
        async with talking(answering(head % size + b"x" * size)) as server, pool() as ours:
            for _number in range(2):
                async with ours.exchange(server.place, get(), "url") as answer:
                    await answer.finish()
            assert server.connections == connections


async def test_headers_are_found_by_any_case_and_joined_when_they_repeat():
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Error-CODE: a\r\nVary: x\r\nvary: y\r\n\r\n"
    async with (
        talking(answering(said)) as server,
        pool() as ours,
        ours.exchange(server.place, get(), "url") as answer,
    ):
        assert answer.headers["x-error-code"] == answer.headers.get("X-Error-Code") == "a"
        assert "VARY" in answer.headers
        assert answer.headers["Vary"] == "x, y"
        assert answer.headers.get("Nothing") is None
        assert sorted(answer.headers) == ["content-length", "vary", "x-error-code"]
        assert len(answer.headers) == 3


async def test_a_pool_that_was_closed_breaks_off_what_still_waits():
    async with talking(answering([], times=1)) as server:
        async with pool() as ours:
            asking = asyncio.create_task(fetched(ours, server.place))
            await until(lambda: server.heads)
        with pytest.raises(BrokenOffError):
            await asking


async def test_a_head_that_never_ends_is_broken_off_while_it_comes():
    sent = 0

    async def talk(line):
        nonlocal sent
        await line.asked()
        line.writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            line.writer.write(b"X: y\r\n" * 1000)
            await line.writer.drain()
            sent += 6000

    async with talking(talk) as server, pool() as ours:
        with pytest.raises(BrokenOffError):
            await asyncio.wait_for(fetched(ours, server.place), 5)
    assert sent < 16 << 20
