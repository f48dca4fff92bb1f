"""A blob on its way fails in every way: nothing is published before every blob is there."""

from __future__ import annotations

import pytest
from aiohttp import web
from faults import answer, lose_answer, refuse, spoil, stall, take_then
from worlds import FIRST, KIB, SECOND, sha256

PAGE = b"<html>Bad gateway</html>"
PASSING = {
    "reset": refuse,
    "reset-after-some-bytes": take_then(200 * KIB, refuse),
    "stored-but-the-answer-lost": lose_answer,
    "stall": stall,
    "stall-after-some-bytes": take_then(200 * KIB, stall),
    "answer-stalls": take_then(1 << 30, stall),
    "half-an-answer": spoil(lambda _r, s, h, b: (s, h | {"Content-Length": "99"}, b"{")),
    "denied-in-its-envelope": answer(200, {"Code": 500, "Success": False, "Message": "storage busy"}),
    "408": answer(408, b""),
    "429": answer(429, b""),
    "429-names-the-time": answer(429, b"", Retry_After="0.02"),
    "500": answer(500, PAGE, Content_Type="text/html"),
    "502": answer(502, PAGE, Content_Type="text/html"),
    "503": answer(503, b""),
    "503-names-the-time": answer(503, b"", Retry_After="0"),
    "504": answer(504, b""),
}
STORED = {"stored-but-the-answer-lost", "half-an-answer"}
FILES = {"in-parts": FIRST, "in-one-piece": SECOND, "named-by-git-alone": "tokenizer.json"}


def strike(world, path, act, **details):
    digest = sha256(world.content[path])
    return world.destination_faults.plan(act, "storage:put", only=lambda r: digest in r.path, **details)


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("fault", PASSING)
def test_a_blob_that_is_not_taken_once_is_sent_again(world, kind, fault):
    struck = strike(world, FILES[kind], PASSING[fault])
    outcome = world.attempt()
    assert struck.struck == 1
    assert outcome.code == 0, outcome.said
    assert world.published() == world.expected
    assert world.commits() == 1
    world.assert_true()


@pytest.mark.parametrize("fault", sorted({*PASSING} - STORED))
def test_a_blob_that_is_never_taken_keeps_the_others_from_being_published(world, fault):
    struck = strike(world, FIRST, PASSING[fault], times=None)
    outcome = world.attempt()
    assert struck.struck > 1
    assert outcome.code == 5, outcome.said
    assert outcome.error.side == "destination"
    assert world.destination.requests.commits == 0
    world.assert_true()
    world.converge()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_a_blob_that_is_refused_ends_the_run(world, status):
    strike(world, FIRST, answer(status, {"Code": status, "Message": "no"}), times=None)
    outcome = world.attempt()
    assert outcome.code in {1, 3, 4, 5}, outcome.said
    assert world.destination.requests.commits == 0
    world.assert_true()
    world.converge()


@pytest.mark.parametrize("kind", FILES)
def test_a_success_that_is_a_lie_is_found_before_anything_is_published(world, kind):
    """A small body may be on its way whole when the answer comes; then the commit is what is refused."""

    async def lie(_request, _handler):
        return web.Response()

    strike(world, FILES[kind], lie, times=None)
    outcome = world.attempt()
    assert outcome.code in {1, 5}, outcome.said
    assert outcome.error.side == "destination"
    world.assert_true()
    assert world.commits() == 0
    world.converge()


def test_an_upload_address_elsewhere_gets_no_token(world, make_world):
    """The stranger is another server: a host and port of its own."""
    elsewhere = make_world()

    async def elsewhere_please(request, handler):
        response = await handler(request)
        body = response.body.replace(world.destination.url.encode(), elsewhere.destination.url.encode())
        return web.Response(body=body, content_type="application/json")

    world.destination_faults.plan(elsewhere_please, "ms:batch", times=None)
    outcome = world.attempt()
    seen = [headers for _route, _path, headers in elsewhere.destination_faults.seen]
    assert seen, outcome.said
    assert all("Authorization" not in headers and "Cookie" not in headers for headers in seen)
    assert world.destination.requests.commits == 0
    world.assert_true()
