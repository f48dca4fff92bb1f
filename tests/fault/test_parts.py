"""A blob in parts breaks in every way: what is stored is not sent again, and nothing wrong is joined."""

from __future__ import annotations

import re
import stat
import time
from collections import Counter
from dataclasses import replace

import pytest
from faults import answer, lose_answer, refuse, spoil, stall
from worlds import FIRST, KIB, SECOND, sha256

from hubferry.api import copy
from hubferry.errors import HubferryError
from hubferry.events import FileStarted
from hubferry.hubs.huggingface.unfinished import StoredPart, Unfinished
from hubferry.options import Access
from hubferry.serve import Strictness

PART = 256 * KIB
COUNT = 11
"""Parts of the first file."""
HUB = "hf:mine/model"


@pytest.fixture
def world(make_world):
    return make_world(strict=Strictness(part_bytes=PART))


def of_first(world):
    digest = sha256(world.content[FIRST])
    return lambda request: digest in request.path


def breaks(world, number, act=refuse, route="storage:part", times=1):
    concerned, marked = of_first(world), re.compile(rf"[?&]number={number}(&|$)")
    return world.destination_faults.plan(
        act, route, times=times, only=lambda r: concerned(r) and bool(marked.search(r.path_qs))
    )


def sent(world, path=FIRST):
    """How often each part of a file was asked to be taken."""
    digest = sha256(world.content[path])
    seen = [asked for route, asked, _head in world.destination_faults.seen if route == "storage:part"]
    numbers = [re.search(r"[?&]number=(\d+)", asked)[1] for asked in seen if digest in asked]
    return Counter(map(int, numbers))


def again(world, **changes):
    """Run once more without the fault; return the parts of the first file that this run has sent."""
    world.destination_faults.clear()
    world.destination_faults.seen.clear()
    outcome = world.attempt(to=HUB, **changes)
    assert outcome.code == 0, outcome.said
    assert world.published() == world.expected
    return sent(world)


def records(world):
    """What is remembered; others that were on their way when a run failed are remembered, too."""
    return list((world.home / ".local" / "state" / "hubferry" / "uploads").glob("*"))


def record(world):
    """Where the first file's upload is remembered, if it is."""
    hub, content = world.destination, world.content[FIRST]
    place = world.home / ".local" / "state" / "hubferry" / "uploads"
    return Unfinished(place, hub.token)._path((hub.url, "model", "mine/model", sha256(content), len(content)))


ONCE = Counter(range(1, COUNT + 1))


@pytest.mark.parametrize(
    "fault",
    [refuse, stall, answer(500, b"oops"), answer(429, b""), answer(400, b"<Code>RequestTimeout</Code>")],
    ids=["reset", "stall", "500", "429", "400"],
)
@pytest.mark.parametrize("number", [1, 9, COUNT])
def test_only_the_part_that_breaks_is_sent_again(world, number, fault):
    struck = breaks(world, number, fault)
    outcome = world.attempt(to=HUB)
    assert outcome.code == 0, outcome.said
    assert struck.struck == 1
    assert sent(world) == ONCE + Counter([number])
    assert world.published() == world.expected
    assert records(world) == []


def test_the_same_holds_for_a_file_that_is_here_already(world):
    world.attempt("fetch")
    breaks(world, 9)
    assert world.attempt(to=HUB).code == 0
    assert sent(world) == ONCE + Counter([9])
    assert sent(world, SECOND) == Counter([1, 2])


def test_parts_that_are_stored_are_progress(world):
    """Each part breaks as often as one may fail in a row; the tries begin anew with each that is stored."""
    for number in range(1, COUNT + 1):
        breaks(world, number, times=2)
    outcome = world.attempt(to=HUB)
    assert outcome.code == 0, outcome.said
    assert sent(world) == Counter(dict.fromkeys(range(1, COUNT + 1), 3))


def test_the_next_run_goes_on_where_the_one_before_has_ended(world):
    breaks(world, 9, times=None)
    assert world.attempt(to=HUB).code == 5
    assert set(sent(world)) == set(range(1, 10))
    assert again(world) == Counter([9, 10, 11])
    assert records(world) == []


def test_a_run_that_was_killed_leaves_its_parts_to_the_next(world):
    breaks(world, 9, stall, times=None)
    words = ("copy", "hf:org/model", HUB, "--destination-endpoint", world.destination.url)
    with world.started(*words) as process:
        deadline = time.monotonic() + 60
        while 9 not in sent(world):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
        process.wait(20)
    assert again(world) == Counter([9, 10, 11])


def test_a_run_that_goes_on_says_what_was_there(world):
    breaks(world, 9, times=None)
    world.attempt(to=HUB)
    world.destination_faults.clear()
    heard = []
    options = replace(world.options, destination=Access(world.destination.token, world.destination.url))
    report = copy("hf:org/model", HUB, options, heard.append)
    begun = next(e for e in heard if isinstance(e, FileStarted) and (e.direction, e.path) == ("send", FIRST))
    assert begun.done == 8 * PART
    size = len(world.content[FIRST])
    assert report.sent == size - 8 * PART


def test_a_run_that_leaves_nothing_here_remembers_nothing(world):
    breaks(world, 9, times=None)
    assert world.attempt(to=HUB, cache=False).code == 5
    assert records(world) == []


def test_what_is_remembered_is_sealed_and_private(world):
    breaks(world, 9, times=None)
    assert world.attempt(to=HUB).code == 5
    kept = record(world)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    content = kept.read_bytes()
    for _route, path, _head in world.destination_faults.seen:
        for signature in re.findall(r"signature=([0-9a-f]+)", path):
            assert signature.encode() not in content
    assert b"http" not in content
    assert sha256(world.content[FIRST]).encode() not in content + kept.name.encode()


def test_an_upload_that_the_hub_has_forgotten_begins_anew(world):
    breaks(world, 9, times=None)
    world.attempt(to=HUB)
    for name in list(world.destination.parts._uploads):
        world.destination.parts.forget(name)
    assert again(world) == ONCE + Counter([9])
    assert records(world) == []


def test_addresses_that_expire_on_the_way_are_asked_for_anew(world):
    breaks(world, 9, answer(403, b"<Code>AccessDenied</Code><Message>Request has expired</Message>"))
    outcome = world.attempt(to=HUB)
    assert outcome.code == 0, outcome.said
    assert sent(world) == ONCE + Counter(range(1, 10))
    assert world.published() == world.expected


def test_parts_that_are_joined_although_the_answer_was_lost_are_not_sent_again(world):
    world.destination_faults.plan(lose_answer, "storage:join", only=of_first(world))
    assert world.attempt(to=HUB).code == 0
    assert sent(world) == ONCE
    joined = [path for route, path, _head in world.destination_faults.seen if route == "storage:join"]
    assert sum(sha256(world.content[FIRST]) in path for path in joined) == 1
    assert world.published() == world.expected


@pytest.mark.parametrize("fault", [refuse, answer(503, b"")], ids=["reset", "503"])
def test_parts_that_were_not_joined_are_joined_by_the_next_run(world, fault):
    world.destination_faults.plan(fault, "storage:join", times=None, only=of_first(world))
    assert world.attempt(to=HUB).code == 5
    assert sent(world) == ONCE
    assert again(world) == Counter()


def test_nothing_stays_remembered_of_a_blob_that_is_stored_although_its_run_did_not_hear_of_it(world):
    world.destination_faults.plan(lose_answer, "storage:join", times=None, only=of_first(world))
    world.destination_faults.plan(answer(503, b""), "hf:batch", times=None, after="storage:join")
    assert world.attempt(to=HUB).code == 5
    assert record(world).exists()
    assert again(world) == Counter()
    assert records(world) == []


def test_parts_that_cannot_be_joined_any_more_are_sent_anew(world):
    world.destination_faults.plan(answer(503, b""), "storage:join", times=None, only=of_first(world))
    assert world.attempt(to=HUB).code == 5
    upload = max(world.destination.parts._uploads.values(), key=lambda one: len(one.parts))
    upload.parts[2] = replace(upload.parts[2], etag="another")
    assert again(world) == ONCE


def test_parts_that_the_hub_refuses_to_join_at_once_end_the_run(world):
    world.destination_faults.plan(answer(400, b'{"error": "no"}'), "storage:join", only=of_first(world))
    outcome = world.attempt(to=HUB)
    assert outcome.code == 1
    assert sent(world) == ONCE
    assert not record(world).exists()
    again(world)


def flipped(_request, status, headers, body):
    return status, headers, body[:-1] + bytes([body[-1] ^ 1])


def test_parts_of_bytes_that_turn_out_wrong_are_sent_again(world):
    """The source gives a wrong byte; it has been sent when the hash of the whole finds it."""
    world.source_faults.plan(spoil(flipped), "storage:get", only=of_first(world))
    outcome = world.attempt(to=HUB)
    assert outcome.code == 0, outcome.said
    assert max(sent(world).values()) > 1
    assert world.published() == world.expected
    world.assert_cache_true()


def test_parts_of_an_earlier_run_that_had_other_bytes_are_sent_again(world):
    """What was sent by then is not what the file turned out to be; only its digest tells."""
    breaks(world, 9, times=None)
    world.attempt(to=HUB)
    wrong = bytearray(world.content[FIRST])
    wrong[3 * PART] ^= 1
    forge(world, bytes(wrong[: 8 * PART]))
    assert again(world) == ONCE


def forge(world, prefix):
    """Let the record say that what is stored hashes as `prefix` does."""
    kept = record(world)
    unfinished = Unfinished(kept.parent, world.destination.token)
    unfinished._path = lambda _key: kept
    known = unfinished.find(())
    stored = [StoredPart(part.number, part.etag, sha256(prefix)) for part in known.stored]
    unfinished.begin((), known.addresses, stored)


def test_a_refusal_of_every_part_ends_the_run_and_publishes_nothing(world):
    world.destination_faults.plan(answer(403, b""), "storage:part", times=None)
    outcome = world.attempt(to=HUB)
    assert outcome.code == 5
    assert isinstance(outcome.error, HubferryError)
    assert world.destination.requests.commits == 0
    assert not record(world).exists()
