"""What comes from a hub, its storage or the network instead of a file: asked for again, never believed."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import random
import zlib
from contextlib import aclosing

import pytest
from aiohttp import web
from scripted import scripted

from hubferry.errors import (
    AccessError,
    FileDeniedError,
    FileLackingError,
    GatedError,
    HubferryError,
    IntegrityError,
    NetworkError,
    NotFoundError,
    WrongFileError,
)
from hubferry.hubs import open_destination, open_source
from hubferry.model import Blob, RepoFile, RepoRef, Revision
from hubferry.patience import Account, Policy
from hubferry.retry import RetryingSource

CONTENT = random.Random("wrong answers").randbytes(3000) + bytes(5000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SMALL = RepoFile("config.json", len(CONTENT), sha256=SHA256)
HF, MS = RepoRef("hf", "org/model"), RepoRef("ms", "org/model")
PINNED = {"hf": Revision(HF, "c" * 40), "ms": Revision(MS, "x")}
PAGE = b"\n<!DOCTYPE html>\n<html><body>Please log in to the guest network</body></html>"
READINGS = {"at-one-go": None, "all": (0, len(CONTENT)), "the-end": (4000, len(CONTENT))}
TRIES = 6


def right(request):
    """Answer as a storage does."""
    if "Range" not in request.headers:
        return web.Response(body=CONTENT)
    asked = request.http_range
    start, stop = asked.start or 0, len(CONTENT) if asked.stop is None else asked.stop
    headers = {"Content-Range": f"bytes {start}-{stop - 1}/{len(CONTENT)}"}
    return web.Response(body=CONTENT[start:stop], status=206, headers=headers)


def first(count, wrong, then=right):
    """Answer wrongly so many times, then as `then` does."""
    left = [count]

    async def answer(request):
        if "auth-check" in request.path:
            return web.Response()
        if left[0]:
            left[0] -= 1
            return wrong(request)
        return then(request)

    return answer


async def read(server, reading="at-one-go", file=SMALL, hub="hf", tries=TRIES):
    """Read as a run does: what fails in passing is asked for again within its patience."""
    ref = HF if hub == "hf" else MS
    plain = open_source(ref, token="t", endpoint=server.url)
    source = RetryingSource(plain, Account(Policy(attempts=tries, first=0.0005)))
    part = READINGS[reading]
    try:
        if part is None:
            return await source.whole(PINNED[hub], file)
        async with aclosing(source.read(PINNED[hub], file, *part)) as pieces:
            return b"".join([bytes(piece) async for piece in pieces])
    finally:
        await source.close()


def wanted(reading):
    part = READINGS[reading]
    return CONTENT if part is None else CONTENT[slice(*part)]


def chunked(body, **headers):
    """Answer without a length."""
    response = web.Response(
        body=body, headers={name.replace("_", "-"): text for name, text in headers.items()}
    )
    response.enable_chunked_encoding()
    return response


def of_another_range(request):
    answer = right(request)
    if answer.status == 206:
        answer.headers["Content-Range"] = f"bytes 7-{6 + len(answer.body)}/{len(CONTENT)}"
        return answer
    return web.Response(
        body=CONTENT[:-1], status=206, headers={"Content-Range": f"bytes 1-7999/{len(CONTENT)}"}
    )


WRONG = {
    "204": lambda _r: web.Response(status=204),
    "202": lambda _r: web.Response(status=202, body=b"soon"),
    "300-to-nowhere": lambda _r: web.Response(status=300),
    "a-page": lambda _r: web.Response(body=PAGE, content_type="text/html"),
    "a-page-without-a-length": lambda _r: chunked(PAGE, Content_Type="text/html; charset=utf-8"),
    "a-page-without-a-type": lambda _r: web.Response(body=PAGE),
    "json": lambda _r: web.json_response({"Code": 500, "Success": False}),
    "short": lambda _r: web.Response(body=CONTENT[:100]),
    "long": lambda _r: web.Response(body=CONTENT + b"more"),
    "long-without-a-length": lambda _r: chunked(CONTENT + b"more"),
    "empty": lambda _r: web.Response(),
    "older": lambda _r: web.Response(body=b"as it was before"),
    "of-another-range": of_another_range,
    "compressed-by-what-is-not-known": lambda _r: web.Response(body=b"?", headers={"Content-Encoding": "br"}),
    "compressed-and-older": lambda _r: web.Response(
        body=gzip.compress(b"as it was before"), headers={"Content-Encoding": "gzip"}
    ),
    "compressed-and-cut": lambda _r: web.Response(
        body=gzip.compress(CONTENT)[:2000], headers={"Content-Encoding": "gzip"}
    ),
    "not-compressed-at-all": lambda _r: web.Response(body=b"{}", headers={"Content-Encoding": "deflate"}),
    "416-without-a-word": lambda _r: web.Response(status=416),
    "403": lambda _r: web.Response(status=403),
    "404": lambda _r: web.Response(status=404),
    "404-of-the-entry": lambda _r: web.Response(status=404, headers={"X-Error-Code": "EntryNotFound"}),
    "410": lambda _r: web.Response(status=410),
    "416": lambda _r: web.Response(status=416, headers={"Content-Range": f"bytes */{len(CONTENT)}"}),
    "501": lambda _r: web.Response(status=501),
    "511": lambda _r: web.Response(status=511, body=PAGE, content_type="text/html"),
}


ONLY_THE_HASH_TELLS = {"compressed-and-older", "not-compressed-at-all"}
"""What was unpacked has been handed on before its end is seen to be too early."""
IS_THE_FILE = {("long-without-a-length", "the-end")}
"""Read through to its place, and no further."""


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("wrong", WRONG)
async def test_what_is_not_the_file_is_asked_for_again(wrong, reading):
    async with scripted(first(2, WRONG[wrong])) as server:
        got = await read(server, reading)
        assert got == wanted(reading) or (wrong in ONLY_THE_HASH_TELLS and reading != "at-one-go")
        assert len(server.asked("/resolve/")) >= 2 or (wrong, reading) in IS_THE_FILE


@pytest.mark.parametrize(
    ("wrong", "reading"),
    [pair for pair in itertools.product(WRONG, READINGS) if pair not in IS_THE_FILE],
)
async def test_what_never_is_the_file_is_never_believed_and_ends_with_a_time_to_come_again(wrong, reading):
    async with scripted(first(10**6, WRONG[wrong])) as server:
        with pytest.raises(HubferryError) as caught:
            await read(server, reading)
        assert len(server.asked("/resolve/")) >= TRIES
    assert caught.value.exit_code in {3, 4, 5, 6}
    assert caught.value.path == SMALL.path
    assert "Come again after" in caught.value.hint


# -------------------------------------------------------------------------------------- a login page


@pytest.mark.parametrize("reading", READINGS)
async def test_a_page_of_another_host_is_named_by_that_host(reading):
    async def portal(_request):
        return web.Response(body=PAGE, content_type="text/html")

    async with scripted(portal) as wifi:
        away = wifi.url.replace("127.0.0.1", "localhost")

        async def hub(_request):
            raise web.HTTPFound(f"{away}/login?session=s3cret")

        async with scripted(hub) as server:
            with pytest.raises(NetworkError, match="a web page instead of config") as caught:
                await read(server, reading)
        assert caught.value.message.startswith(away.removeprefix("http://"))
        assert "s3cret" not in caught.value.message
        assert not any(one.has_token for one in wifi.seen)


@pytest.mark.parametrize("hub", ["hf", "ms"])
async def test_a_page_in_place_of_an_answer_is_named_by_its_host(hub):
    async def portal(_request):
        return web.Response(body=PAGE, content_type="text/html")

    async with scripted(portal) as wifi:
        away = wifi.url.replace("127.0.0.1", "localhost")

        async def redirecting(_request):
            raise web.HTTPFound(f"{away}/login")

        async with scripted(redirecting) as server:
            source = open_source(RepoRef(hub, "org/model"), token="t", endpoint=server.url)
            with pytest.raises(NetworkError, match=r"^localhost:\d+ answered with a web page") as caught:
                await source.resolve(RepoRef(hub, "org/model"))
            await source.close()
    assert caught.value.retryable
    assert "hubferry doctor" in caught.value.hint


async def test_a_blob_that_a_login_page_took_is_not_stored():
    blob = Blob(SHA256, len(CONTENT))

    async def hub(request):
        if request.method == "PUT":
            return web.Response(body=PAGE, content_type="text/html")
        action = {"upload": {"href": "/put"}}
        return web.json_response({"Code": 200, "Data": {"objects": [{"oid": SHA256, "actions": action}]}})

    async def body():
        yield CONTENT

    async with scripted(hub) as server:
        destination = open_destination(MS, token="t", endpoint=server.url)
        with pytest.raises(NetworkError, match="web page"):
            await destination.upload(MS, blob, body)
        await destination.close()


@pytest.mark.parametrize("reading", READINGS)
async def test_a_server_that_calls_everything_a_page_is_believed_by_its_length_and_its_bytes(reading):
    async def mislabelled(request):
        answer = right(request)
        answer.headers["Content-Type"] = "text/html"
        return answer

    async with scripted(mislabelled) as server:
        assert await read(server, reading) == wanted(reading)

    async def without_a_length(_request):
        return chunked(CONTENT, Content_Type="text/html")

    async with scripted(without_a_length) as server:
        assert await read(server, reading) == wanted(reading)


async def test_a_file_that_is_a_page_itself_is_a_file():
    file = RepoFile("docs/index.HTML", len(PAGE))

    async def page(_request):
        return chunked(PAGE, Content_Type="text/html")

    async with scripted(page) as server:
        assert await read(server, file=file) == PAGE
        for length in (len(PAGE), None):
            plain = RepoFile("index.html", length)
            source = open_source(HF, endpoint=server.url)
            pieces = [bytes(piece) async for piece in source.read(PINNED["hf"], plain, 0, None)]
            await source.close()
            assert b"".join(pieces) == PAGE


# ------------------------------------------------------------------------ compressed against the wish


def raw_deflate(content):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(content) + packer.flush()


PACKED = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "GZIP": lambda content: gzip.compress(content[:999]) + gzip.compress(content[999:]),
    "deflate": zlib.compress,
    "Deflate": raw_deflate,
}


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("encoding", PACKED)
@pytest.mark.parametrize("told", [True, False], ids=["length", "no-length"])
async def test_what_is_compressed_against_the_wish_is_unpacked_where_the_hash_decides(
    encoding, told, reading
):
    body = PACKED[encoding](CONTENT)

    async def packed(request):
        assert request.headers["Accept-Encoding"] == "identity"
        answer = web.Response(body=body) if told else chunked(body)
        answer.headers["Content-Encoding"] = encoding
        return answer

    async with scripted(packed) as server:
        assert await read(server, reading) == wanted(reading)
        assert len(server.seen) == 1


async def test_a_part_of_what_is_compressed_is_no_part_of_the_file_and_all_of_it_is_asked_for():
    body = gzip.compress(CONTENT)

    async def packed(request):
        headers = {"Content-Encoding": "gzip"}
        if "Range" not in request.headers:
            return web.Response(body=body, headers=headers)
        headers["Content-Range"] = f"bytes 4000-{len(CONTENT) - 1}/{len(CONTENT)}"
        return web.Response(body=body[:4000], status=206, headers=headers)

    async with scripted(packed) as server:
        assert await read(server, "the-end") == wanted("the-end")


@pytest.mark.parametrize("file", [RepoFile("a.bin", len(CONTENT)), RepoFile("a.bin", None, sha256=SHA256)])
async def test_without_a_digest_or_a_size_nothing_compressed_is_believed(file):
    async def packed(_request):
        return web.Response(body=gzip.compress(CONTENT), headers={"Content-Encoding": "gzip"})

    async with scripted(packed) as server:
        with pytest.raises(NetworkError, match=r"sent a\.bin compressed \(gzip\)"):
            await read(server, "all", file=file)


async def test_a_compressed_file_that_a_server_calls_compressed_is_the_file():
    archive = gzip.compress(CONTENT)
    file = RepoFile("model.tar.gz", len(archive), sha256=hashlib.sha256(archive).hexdigest())

    async def labelled(_request):
        return web.Response(body=archive, headers={"Content-Encoding": "gzip"})

    async with scripted(labelled) as server:
        assert await read(server, file=file) == archive


@pytest.mark.parametrize("reading", ["at-one-go", "all"])
async def test_what_unpacks_to_more_than_is_listed_is_unpacked_no_further(reading, monkeypatch):
    bomb = gzip.compress(bytes(20 << 20))
    unpacked = []
    honest = zlib.decompressobj

    class Counting:
        def __init__(self, wbits):
            self.stream = honest(wbits=wbits)

        def decompress(self, data, most):
            unpacked.append(len(part := self.stream.decompress(data, most)))
            return part

        def __getattr__(self, name):
            return getattr(self.stream, name)

    monkeypatch.setattr("zlib.decompressobj", Counting)

    async def packed(_request):
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

    async with scripted(packed) as server:
        with pytest.raises(IntegrityError):
            await read(server, reading, tries=1)
    assert sum(unpacked) <= 1 << 20


# --------------------------------------------------------------------------------- ranges are refused


@pytest.mark.parametrize("status", [416, 501])
async def test_a_storage_that_gives_no_parts_gives_all_of_the_file(status):
    async def whole_only(request):
        return web.Response(status=status) if "Range" in request.headers else web.Response(body=CONTENT)

    async with scripted(whole_only) as server:
        source = RetryingSource(
            open_source(HF, token="t", endpoint=server.url), Account(Policy(attempts=TRIES, first=0.0005))
        )
        for start in (7000, 4000):  # the second part is not asked for any more
            pieces = [bytes(piece) async for piece in source.read(PINNED["hf"], SMALL, start, start + 500)]
            assert b"".join(pieces) == CONTENT[start : start + 500]
        assert source.ignores_ranges
        await source.close()
        assert len(server.seen) == 4


async def test_one_refused_part_does_not_cost_the_others_theirs():
    async with scripted(first(1, WRONG["416"])) as server:
        assert await read(server, "the-end") == wanted("the-end")
        assert all("Range" in one.headers for one in server.seen)


# ------------------------------------------------------------------------------- an older file in a cache


@pytest.mark.parametrize(
    "older", [CONTENT[:-3], bytes(len(CONTENT))], ids=["another length", "the same length"]
)
async def test_a_cache_that_holds_an_older_file_is_told_to_look_again(older):
    async def cache(request):
        return (
            right(request) if request.headers.get("Cache-Control") == "no-cache" else web.Response(body=older)
        )

    async with scripted(cache) as server:
        source = RetryingSource(
            open_source(HF, token="t", endpoint=server.url), Account(Policy(attempts=TRIES, first=0.0005))
        )
        for reading in (source.whole, lambda *where: joined(source.read(*where, 0, len(CONTENT)))):
            got = await reading(PINNED["hf"], SMALL)
            if len(older) == len(CONTENT) and got != CONTENT:
                got = await reading(PINNED["hf"], SMALL)  # as after a wrong hash
            assert got == CONTENT
        await source.close()
        assert "Cache-Control" not in server.seen[0].headers


async def joined(pieces):
    async with aclosing(pieces):
        return b"".join([bytes(piece) async for piece in pieces])


# ------------------------------------------------------ one file that is refused, and a whole repository


class Hub:
    """A hub of which a test says which files, and which questions about the repository, it refuses."""

    def __init__(self, refused, status, *, auth_check=404, record=200, **headers):
        self.refused = refused
        self.status = status
        self.auth_check = auth_check
        self.record = record
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    async def __call__(self, request):
        path = request.query.get("FilePath") or request.path.rpartition("/")[2]
        if path == "auth-check":
            return web.Response(status=self.auth_check)
        if path == "model":
            return web.json_response({"Code": 200, "Data": {"Name": "model"}}, status=self.record)
        if path in self.refused:
            return web.Response(status=self.status, headers=self.headers)
        return web.Response(body=CONTENT)


def named(path):
    return RepoFile(path, len(CONTENT), sha256=SHA256)


async def tries(hub, paths, *, dialect="hf", most=5):
    """Read files one after the other; return what became of each, and how often it was asked for."""
    ref = RepoRef(dialect, "org/model")
    async with scripted(hub) as server:
        source = RetryingSource(
            open_source(ref, token="t", endpoint=server.url), Account(Policy(attempts=most, first=0.0005))
        )
        outcomes = []
        for path in paths:
            before = len(server.seen)
            try:
                outcomes.append(await source.whole(PINNED[dialect], named(path)))
            except HubferryError as error:
                outcomes.append(error)
            about = [one for one in server.seen[before:] if path in one.path]
            outcomes[-1] = outcomes[-1], len(about)
        await source.close()
    return outcomes


@pytest.mark.parametrize("dialect", ["hf", "ms"])
@pytest.mark.parametrize(("status", "kind"), [(403, FileDeniedError), (404, FileLackingError)])
async def test_one_file_that_is_refused_while_others_come_is_tried_and_is_that_files_failure(
    dialect, status, kind
):
    good, bad = await tries(Hub({"bad.bin"}, status), ["good.bin", "bad.bin"], dialect=dialect)
    assert good == (CONTENT, 1)
    error, count = bad
    assert type(error) is kind
    assert count == 5
    assert "bad.bin" in error.message
    assert "repository" not in error.message
    assert error.exit_code == (4 if status == 403 else 3)


@pytest.mark.parametrize("dialect", ["hf", "ms"])
async def test_a_repository_that_gives_no_file_at_all_denies_access_at_once(dialect):
    paths = ["a.bin", "b.bin", "c.bin", "d.bin"]
    outcomes = await tries(Hub(set(paths), 403), paths, dialect=dialect)
    errors = [error for error, _count in outcomes]
    assert all(type(error) is AccessError for error in errors)
    assert sum(count for _error, count in outcomes) <= 6
    assert "TOKEN" in errors[-1].hint


async def test_a_gated_repository_says_so_at_once():
    hub = Hub({"a.bin"}, 403, X_Error_Code="GatedRepo")
    ((error, count),) = await tries(hub, ["a.bin"])
    assert type(error) is GatedError
    assert count == 1


@pytest.mark.parametrize("code", ["RepoNotFound", "RevisionNotFound"])
async def test_a_repository_that_is_gone_says_so_at_once(code):
    _good, (error, count) = await tries(Hub({"bad.bin"}, 404, X_Error_Code=code), ["good.bin", "bad.bin"])
    assert type(error) is NotFoundError
    assert count == 1


@pytest.mark.parametrize(
    ("dialect", "facts", "kind"),
    [
        ("hf", {"auth_check": 403}, AccessError),
        ("hf", {"auth_check": 401}, AccessError),
        ("ms", {"record": 403}, AccessError),
        ("ms", {"record": 404}, NotFoundError),
    ],
)
async def test_a_repository_that_is_taken_away_in_the_middle_is_found_by_asking_about_it_once(
    dialect, facts, kind
):
    hub = Hub({"bad.bin", "worse.bin"}, 403 if kind is AccessError else 404, **facts)
    good, *refused = await tries(hub, ["good.bin", "bad.bin", "worse.bin"], dialect=dialect)
    assert good == (CONTENT, 1)
    for error, count in refused:
        assert type(error) is kind
        assert count == 1
    assert refused[0][0].path == "bad.bin"


async def test_a_hub_that_says_the_repository_may_be_read_is_believed_before_any_file_came():
    hub = Hub({"bad.bin"}, 403, auth_check=200)
    ((error, count),) = await tries(hub, ["bad.bin"], most=4)
    assert type(error) is FileDeniedError
    assert count == 4


async def test_after_one_file_was_waited_for_in_vain_others_are_not_waited_for_as_long():
    refused = [f"{number}.bin" for number in range(4)]
    outcomes = await tries(Hub(set(refused), 404), ["good.bin", *refused], most=9)
    assert [count for _error, count in outcomes] == [1, 9, 3, 3, 3]
    assert all(type(error) is FileLackingError for error, _count in outcomes[1:])


async def test_a_law_is_not_argued_with():
    ((error, count),) = await tries(Hub({"a.bin"}, 451), ["a.bin"])
    assert not error.retryable
    assert count == 1


async def test_a_file_of_another_length_is_a_wrong_file_and_so_a_matter_of_integrity():
    async with scripted(first(99, WRONG["short"])) as server:
        with pytest.raises(WrongFileError) as caught:
            await read(server)
    assert isinstance(caught.value, IntegrityError)
    assert caught.value.exit_code == 6
