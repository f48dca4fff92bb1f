"""What fails, and what is waited for, is named: the file, what was being done, the account, the host."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from faults import answer, refuse, stall
from worlds import DESTINATION, FIRST, SECOND, sha256

from hubferry.api import copy
from hubferry.errors import (
    BusyError,
    CertificateError,
    HubferryError,
    InterruptedRunError,
    NetworkError,
    NotFoundError,
    most_telling,
)
from hubferry.events import Retrying
from hubferry.tasks import run_all

HF = "hf:mine/model"
TWO_HUBS = {"ms": (DESTINATION, "ms"), "hf": (HF, "hf")}


def of(world, path):
    digest = sha256(world.content[path])
    return lambda request: digest in request.path


def told_of(world, to=DESTINATION):
    """Run; return the error, and what was told of waits."""
    heard = []
    with pytest.raises(HubferryError) as caught:
        copy("hf:org/model", to, world.options, heard.append)
    return caught.value, [event for event in heard if isinstance(event, Retrying)]


@pytest.mark.parametrize("hub", TWO_HUBS)
def test_a_blob_that_is_not_taken_is_named_by_its_file(world, hub):
    world.destination_faults.plan(refuse, "storage:put", times=None, only=of(world, FIRST))
    error, waits = told_of(world, TWO_HUBS[hub][0])
    assert error.doing == f"sending {FIRST}"
    assert error.path == FIRST
    assert error.sentence.startswith(f"sending {FIRST}: 127.0.0.1")
    assert {wait.what for wait in waits} == {f"sending {FIRST}"}
    assert sha256(world.content[FIRST])[:12] not in repr(waits) + error.sentence


def test_a_file_that_does_not_come_is_named(world):
    world.source_faults.plan(answer(503, b""), "storage:get", times=None, only=of(world, FIRST))
    error, waits = told_of(world)
    assert error.doing == f"fetching {FIRST}"
    assert {wait.what for wait in waits} == {f"fetching {FIRST}"}


@pytest.mark.parametrize("hub", TWO_HUBS)
def test_a_question_about_blobs_is_named(world, hub):
    to, dialect = TWO_HUBS[hub]
    world.destination.store.create("mine/model", license="mit")
    world.destination_faults.plan(answer(500, b"{}"), f"{dialect}:batch", times=None)
    error, waits = told_of(world, to)
    assert error.doing is not None
    assert error.doing.startswith("asking whether ")
    assert error.doing.endswith(f" files are stored at {to}")
    assert {wait.what for wait in waits} == {error.doing}


@pytest.mark.parametrize("hub", TWO_HUBS)
def test_a_commit_is_named(world, hub):
    to, dialect = TWO_HUBS[hub]
    world.destination_faults.plan(answer(500, b"{}"), f"{dialect}:commit", times=None)
    error, waits = told_of(world, to)
    count = len(world.content)
    assert error.doing == f"committing {count} files to {to}"
    assert {wait.what for wait in waits} == {error.doing}


def test_a_listing_is_named(world):
    world.source_faults.plan(answer(500, b"{}"), "hf:tree", times=None)
    error, waits = told_of(world)
    assert error.doing == "listing hf:org/model"
    assert {wait.what for wait in waits} == {error.doing}


def test_joining_parts_is_named(make_world):
    from hubferry.serve import Strictness

    world = make_world(strict=Strictness(part_bytes=1 << 20))
    world.destination_faults.plan(answer(500, b"{}"), "storage:join", times=None)
    error, waits = told_of(world, HF)
    assert error.doing == f"joining the parts of {FIRST}"
    assert {wait.what for wait in waits} == {error.doing}


def test_a_blob_that_the_hub_wants_to_hear_of_again_is_named(world):
    async def with_report(request, handler):
        response = await handler(request)
        link = f'{{"verify": {{"href": "{world.destination.url}/api/models/x/verify"}}, "upload":'
        return web.Response(
            body=response.body.replace(b'{"upload":', link.encode()), content_type="application/json"
        )

    world.destination_faults.plan(with_report, "hf:batch", times=None)
    error, _waits = told_of(world, HF)
    assert error.doing is not None
    assert error.doing.startswith("reporting ")
    assert error.doing.endswith(" as stored")
    assert error.path is not None


@pytest.mark.parametrize(("hub", "route"), [("hf", "hf:create"), ("ms", "ms:create"), ("ms", "storage:put")])
def test_a_refused_write_names_the_account_and_the_namespace(world, hub, route):
    denied = {"error": "no", "Code": 403, "Message": "no", "Success": False}
    world.destination_faults.plan(answer(403, denied), route, times=None)
    error, _waits = told_of(world, TWO_HUBS[hub][0])
    assert error.exit_code == 4
    assert "the account tester may not write to mine" in error.message
    assert error.side == "destination"


def test_storage_that_refuses_is_named_by_its_host(world, make_world):
    elsewhere = make_world()

    async def elsewhere_please(request, handler):
        response = await handler(request)
        body = response.body.replace(world.destination.url.encode(), elsewhere.destination.url.encode())
        return web.Response(body=body, content_type="application/json")

    world.destination_faults.plan(elsewhere_please, "ms:batch", times=None)
    error, _waits = told_of(world)
    assert elsewhere.destination.url.removeprefix("http://") in error.message
    assert world.destination.url.removeprefix("http://") not in error.message
    assert error.doing is not None
    assert error.doing.startswith("sending ")


def test_the_command_prints_what_was_being_done(world):
    world.destination_faults.plan(answer(503, b""), "storage:put", times=None, only=of(world, SECOND))
    done = world.command()
    assert done.code == 5
    error = next(line for line in done.err.splitlines() if line.startswith("error: "))
    assert error.startswith(f"error: sending {SECOND}: ")
    waits = [line for line in done.err.splitlines() if line.startswith("waiting until")]
    assert waits
    assert all(f": sending {SECOND}: " in line for line in waits)


def test_a_mistyped_source_is_what_is_reported_whatever_the_destination_is_about(world):
    """The destination's first answer never comes while the source says that there is no such thing."""
    world.destination_faults.plan(stall, times=None)
    heard = []
    with pytest.raises(NotFoundError) as caught:
        copy("hf:org/mistyped", DESTINATION, world.options, heard.append)
    assert caught.value.side == "source"
    assert "org/mistyped" in caught.value.message
    assert [event for event in heard if isinstance(event, Retrying)] == []


def test_a_source_that_fails_is_reported_and_not_what_that_did_to_the_uploads(world):
    """The large file is on its way to the destination when the source goes away for good."""
    world.source_faults.plan(answer(500, b""), "hf:resolve", "storage:get", times=None, skip=2)
    error, waits = told_of(world)
    assert error.side == "source"
    assert not isinstance(error, InterruptedRunError)
    assert all(not wait.what.startswith("sending") for wait in waits)


async def test_of_two_errors_at_once_the_more_telling_one_comes_out():
    gate = asyncio.Event()

    async def fails(error):
        await gate.wait()
        raise error

    vague, telling = NetworkError("the connection broke off"), NotFoundError("no such repository")
    for errors in ((vague, telling), (telling, vague)):
        gate.clear()
        asyncio.get_running_loop().call_soon(gate.set)
        with pytest.raises(NotFoundError):
            await run_all(*map(fails, errors))


async def test_those_that_are_cancelled_have_ended_before_the_error_comes_out():
    said = []

    async def lingers():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            said.append("ended")
            raise NetworkError("the connection broke off")  # what a cancelled request may well say

    async def fails():
        await asyncio.sleep(0)
        raise NotFoundError("no such repository")

    with pytest.raises(NotFoundError):
        await run_all(lingers(), fails())
    assert said == ["ended"]
    assert await run_all() == ()


def test_a_cause_tells_more_than_what_came_of_it():
    order = [
        ValueError("a mistake of ours"),
        CertificateError("a cause, too"),
        BusyError("b"),
        NetworkError("c"),
        InterruptedRunError("i"),
    ]
    for at, error in enumerate(order):
        assert most_telling([*order[at:]][::-1]) is error
