"""The bytes of a file come wrong, short, long or late: never published, never under a final name."""

from __future__ import annotations

import re

import pytest
from aiohttp import web
from faults import answer, refuse, spoil, stall, stall_after
from worlds import FIRST, KIB, SECOND, sha256

from hubferry.errors import PartialError

PAGE = b"<html>The storage is being moved</html>"


def flipped(_request, status, headers, body):
    middle = len(body) // 2
    return status, headers, body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]


def shifted(_request, status, headers, body):
    return status, headers, body[7:] + body[:7]


def shifted_and_says_so(_request, status, headers, body):
    told = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", headers.get("Content-Range", ""))
    if told is None:
        return 206, headers | {"Content-Range": f"bytes 1-{len(body)}/{len(body)}"}, body
    start, last, size = (int(one) for one in told.groups())
    return status, headers | {"Content-Range": f"bytes {start + 1}-{last + 1}/{size}"}, body


def longer(_request, status, headers, body):
    return status, headers | {"Content-Length": str(len(body) + 3)}, body + b"!!!"


def longer_than_it_says(_request, status, headers, body):
    return status, headers, body + b"!!!"


def shorter(_request, status, headers, body):
    return status, headers | {"Content-Length": str(len(body) // 2)}, body[: len(body) // 2]


def breaks_off(_request, status, headers, body):
    return status, headers, body[: len(body) // 2]


def without_a_length(_request, status, headers, body):
    return status, {k: v for k, v in headers.items() if k != "Content-Length"}, body[: len(body) // 2]


def compressed(_request, status, headers, body):
    return status, headers | {"Content-Encoding": "x-unknown"}, body


PASSING = {
    "reset": refuse,
    "reset-after-some-bytes": spoil(breaks_off, reset=True),
    "early-end": spoil(breaks_off),
    "early-end-without-a-length": spoil(without_a_length),
    "stall": stall,
    "wrong-byte": spoil(flipped),
    "range-shifted": spoil(shifted_and_says_so),
    "other-range-than-it-says": spoil(shifted),
    "longer-than-it-says": spoil(longer_than_it_says),
    "other-encoding": spoil(compressed),
    "signature-expired": answer(403, b"<Error><Code>AccessDenied</Code>Request has expired</Error>"),
    "401": answer(401, b""),
    "404": answer(404, b""),
    "410": answer(410, b""),
    "429": answer(429, b""),
    "429-names-the-time": answer(429, b"", Retry_After="0.02"),
    "503": answer(503, b""),
    "503-names-the-time": answer(503, b"", Retry_After="0"),
    "500": answer(500, PAGE),
    "502": answer(502, PAGE, Content_Type="text/html"),
}
PROGRESS = {"stall-after-some-bytes": stall_after(70 * KIB)}
REFUSED = {"longer": spoil(longer), "shorter": spoil(shorter), "html": answer(200, PAGE)}
FILES = {"in-parts": FIRST, "in-one-piece": SECOND}
INTEGRITY = {"wrong-byte", "other-range-than-it-says", *REFUSED}
CONTINUED = {*PROGRESS, "early-end", "early-end-without-a-length", "reset-after-some-bytes"}
HARMLESS = {
    "longer-than-it-says"
}  # what follows an answer is not part of it, if the connection lives that long


def strike(world, path, act, **details):
    digest = sha256(world.content[path])
    return world.source_faults.plan(act, "storage:get", only=lambda r: digest in r.path, **details)


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("fault", PASSING | PROGRESS)
def test_bytes_that_come_wrong_once_are_asked_for_again(world, kind, fault):
    struck = strike(world, FILES[kind], (PASSING | PROGRESS)[fault], skip=1 if kind == "in-parts" else 0)
    outcome = world.attempt()
    assert struck.struck == 1
    assert outcome.code == 0, outcome.said
    assert world.published() == world.expected
    if fault in CONTINUED:
        unique = {digest: len(world.content[path]) for path, digest in world.expected.items()}
        assert outcome.report.fetched == sum(unique.values())
    world.assert_true()


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("fault", [*PASSING, *REFUSED])
def test_bytes_that_stay_wrong_are_never_published_and_the_file_is_named(world, kind, fault):
    strike(world, FILES[kind], (PASSING | REFUSED)[fault], times=None)
    outcome = world.attempt()
    if outcome.code or fault not in HARMLESS:
        assert outcome.code in codes(kind, fault), outcome.said
        assert {error.side for error in errors(outcome)} == {"source"}
        assert FILES[kind] in {error.path for error in errors(outcome)}
        assert world.destination.requests.commits == 0
    world.assert_true()
    world.converge()


def codes(kind, fault):
    """The small file has a twin, so that two files fail; parts that do not fit may be asked for again."""
    if fault not in INTEGRITY:
        return {5}
    if fault in {"longer", "shorter"}:
        return {5, 6, 9}
    return {6} if kind == "in-parts" else {9}


def errors(outcome):
    return outcome.error.failures if isinstance(outcome.error, PartialError) else [outcome.error]


@pytest.mark.parametrize("path", ["config.json", "tokenizer.json"])
@pytest.mark.parametrize("fault", ["wrong-byte", "early-end", "longer-than-it-says", "401", "404", "html"])
def test_a_file_that_only_git_names_is_held_against_its_git_digest(world, path, fault):
    act = (PASSING | REFUSED)[fault]
    world.source_faults.plan(act, "hf:resolve", only=lambda r: path in r.path, times=None)
    outcome = world.attempt()
    expected = {
        "wrong-byte": {6},
        "early-end": {5},
        "longer-than-it-says": {0, 5},
        "401": {4},
        "404": {3},
        "html": {6},
    }
    assert outcome.code in expected[fault], outcome.said
    world.assert_true()
    world.converge()


def test_a_hub_that_ignores_ranges_costs_bytes_but_no_truth(world):
    def whole(request, _status, headers, _body):
        content = world.content[FIRST]
        plain = {k: v for k, v in headers.items() if k != "Content-Range"}
        return 200, plain | {"Content-Length": str(len(content))}, content

    struck = strike(world, FIRST, spoil(whole), times=None)
    outcome = world.attempt()
    assert struck.struck > 1
    assert outcome.code == 0, outcome.said
    assert world.published() == world.expected
    world.assert_true()


def test_the_last_block_of_a_wrong_file_never_leaves(world):
    """A destination that believes everything, and only counts bytes, still cannot complete the wrong blob."""
    received = {}

    async def believe(request, _handler):
        body = bytearray()
        try:
            async for piece in request.content.iter_any():
                body += piece
        finally:
            received.setdefault(request.path, []).append(bytes(body))
        return web.Response()

    world.destination_faults.plan(believe, "storage:put", times=None)
    strike(world, FIRST, PASSING["wrong-byte"], times=None)
    outcome = world.attempt()
    assert outcome.code == 6, outcome.said
    whole = [
        len(body)
        for path, bodies in received.items()
        if sha256(world.content[FIRST]) in path
        for body in bodies
    ]
    assert all(count < len(world.content[FIRST]) for count in whole)
    assert world.destination.requests.commits == 0
