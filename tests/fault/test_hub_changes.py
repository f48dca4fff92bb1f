"""The hubs change, lie or forget in the middle of a run: the copy is exact, or nothing is published."""

from __future__ import annotations

import pytest
from faults import Door, afterwards, answer, lose_answer, meanwhile, rewrite
from worlds import FIRST, SECOND

from hubferry.errors import PartialError
from hubferry.options import Access

NEW = b'{"model_type": "changed"}'
ROUTES = ["hf:tree", "hf:resolve", "storage:get"]


@pytest.mark.parametrize("route", ROUTES)
def test_a_branch_that_moves_in_the_middle_does_not_mix_two_commits(world, route):
    world.source_faults.plan(
        meanwhile(lambda: world.add_source({"config.json": NEW, FIRST: b"other", "new.txt": b"new"})), route
    )
    outcome = world.attempt()
    assert outcome.code == 0, outcome.said
    assert world.published() == world.expected
    world.assert_true()


@pytest.mark.parametrize("route", ROUTES)
def test_a_source_that_is_deleted_in_the_middle_is_never_half_published(world, route):
    world.source_faults.plan(meanwhile(lambda: world.source.store.delete("org/model")), route)
    outcome = world.attempt()
    if outcome.code == 0 and route == "storage:get":
        assert world.published() == world.expected  # every address had been handed out before
        return
    assert outcome.code in {3, 5, 9}, outcome.said
    failed = outcome.error.failures if isinstance(outcome.error, PartialError) else [outcome.error]
    assert {one.side for one in failed} == {"source"}
    assert world.destination.requests.commits == 0
    world.assert_true()
    world.source.store.create("org/model", license="mit")
    world.add_source()
    world.converge()


@pytest.mark.parametrize("route", ["ms:batch", "storage:put", "ms:commit"])
def test_a_destination_that_is_deleted_in_the_middle_is_made_anew_by_the_next_run(world, route):
    world.destination_faults.plan(meanwhile(lambda: world.destination.store.delete("mine/model")), route)
    outcome = world.attempt()
    assert outcome.code == 3, outcome.said
    assert outcome.error.side == "destination"
    world.converge()


def test_a_destination_that_is_deleted_after_the_commit_is_not_called_verified(world):
    world.destination_faults.plan(
        afterwards(lambda: world.destination.store.delete("mine/model")), "ms:commit"
    )
    outcome = world.attempt()
    assert outcome.code in {3, 6}, outcome.said
    world.converge()


@pytest.mark.parametrize("left_out", ["all", "one"])
def test_a_blob_said_to_exist_that_does_not_is_found_before_publication(world, left_out):
    def lie(value):
        objects = value["Data"]["objects"]
        value["Data"]["objects"] = [] if left_out == "all" else objects[1:]
        return value

    world.destination_faults.plan(rewrite(lie), "ms:batch", times=None)
    outcome = world.attempt()
    assert outcome.code not in {0, None}, outcome.said
    assert outcome.error.side == "destination"
    assert any(path in outcome.error.message for path in world.content), outcome.said
    world.assert_true()
    assert world.commits() == 0
    world.converge()


def test_an_answer_about_other_blobs_than_were_asked_for_is_no_answer(world):
    def other(value):
        for one in value["Data"]["objects"]:
            one["oid"] = "0" * 64
        return value

    world.destination_faults.plan(rewrite(other), "ms:batch")
    outcome = world.attempt()
    assert outcome.code == 0, outcome.said
    assert world.published() == world.expected


def test_a_commit_whose_answer_was_lost_is_not_made_twice(world):
    world.destination_faults.plan(lose_answer, "ms:commit")
    outcome = world.attempt()
    assert outcome.code == 0, outcome.said
    assert world.published() == world.expected
    assert world.commits() == 1


def test_a_commit_whose_every_answer_is_lost_is_found_in_the_listing(world):
    world.destination_faults.plan(lose_answer, "ms:commit", times=None)
    outcome = world.attempt()
    assert outcome.code == 0, outcome.said
    assert world.commits() == 1


BUSY = {
    "branch-changed": answer(409, {"Code": 409, "Message": "branch changed, please retry", "Success": False}),
    "code": answer(400, {"Code": 10030000001, "Message": "could not update refs", "Success": False}),
    "policy": answer(403, {"Code": 403, "Message": "commit rejected by repository policy", "Success": False}),
    "429": answer(429, {"Message": "too many commits"}, Retry_After="0.01"),
    "200": answer(200, {"Code": 10030000001, "Message": "please retry", "Success": False}),
}


@pytest.mark.parametrize("kind", BUSY)
def test_a_commit_that_is_refused_as_busy_is_sent_again(world, kind):
    struck = world.destination_faults.plan(BUSY[kind], "ms:commit", times=2)
    outcome = world.attempt()
    assert struck.struck == 2
    assert outcome.code == 0, outcome.said
    assert world.published() == world.expected
    # seven files: a policy is met with half of them, and half of that
    assert world.commits() == (4 if kind == "policy" else 1)


@pytest.mark.parametrize("kind", BUSY)
def test_a_hub_that_stays_busy_is_left_and_the_next_run_only_commits(world, kind):
    world.destination_faults.plan(BUSY[kind], "ms:commit", times=None)
    outcome = world.attempt()
    assert outcome.code == 5, outcome.said
    world.assert_true()
    world.source.requests.clear()
    world.converge()
    assert "storage:get" not in world.source.requests.routes()


def cut(value):
    value["Data"]["Files"] = value["Data"]["Files"][:2]
    return value


def test_a_listing_of_the_destination_that_is_cut_short_is_not_taken_for_proof(world):
    world.destination_faults.plan(rewrite(cut), "ms:files", after="ms:commit", times=None)
    outcome = world.attempt()
    assert outcome.code == 6, outcome.said
    assert outcome.error.side == "destination"
    assert "hubferry check" in outcome.error.hint
    world.converge()


def test_a_listing_that_lags_behind_the_commit_is_looked_at_again(world):
    world.destination_faults.plan(rewrite(cut), "ms:files", after="ms:commit")
    assert world.attempt().code == 0
    assert world.published() == world.expected


def test_a_listing_of_the_source_that_is_cut_short_is_noticed(world):
    world.source_faults.plan(rewrite(lambda entries: entries[:2]), "hf:tree", times=None)
    outcome = world.attempt()
    assert outcome.code == 5, outcome.said
    assert outcome.error.side == "source"
    world.assert_true()
    world.converge()


def test_what_somebody_else_adds_meanwhile_stays(world):
    world.destination_faults.plan(
        meanwhile(lambda: world.destination.store.add("mine/model", {"theirs.txt": b"theirs"})), "ms:commit"
    )
    outcome = world.attempt()
    assert outcome.code == 0, outcome.said
    published = world.published()
    assert published.pop("theirs.txt")
    assert published == world.expected


def test_what_somebody_else_overwrites_before_the_commit_is_as_the_source_has_it_afterwards(world):
    world.destination_faults.plan(
        meanwhile(lambda: world.destination.store.add("mine/model", {"config.json": b"theirs"})), "ms:commit"
    )
    outcome = world.attempt()
    assert outcome.code == 0, outcome.said
    assert world.published() == world.expected


@pytest.mark.parametrize("path", [FIRST, SECOND, "config.json"])
def test_what_somebody_else_overwrites_after_the_commit_is_not_called_verified(world, path):
    world.destination_faults.plan(
        afterwards(lambda: world.destination.store.add("mine/model", {path: b"theirs"})), "ms:commit"
    )
    outcome = world.attempt()
    assert outcome.code == 6, outcome.said
    assert path in outcome.error.message
    world.converge()


@pytest.mark.parametrize("route", ["storage:get", "hf:resolve", "hf:tree"])
def test_a_source_that_refuses_connections_for_a_while_is_waited_for(world, route, monkeypatch):
    """The real thing: the port is closed, open connections drop; it comes back after some tries."""
    monkeypatch.setenv("HUBFERRY_RETRIES", "8")
    with Door(world.source.url).standing() as door:
        world.source_faults.plan(meanwhile(lambda: (door.shut(), door.open_later(0.15))), route)
        outcome = world.attempt(source=Access(world.source.token, door.url))
    assert outcome.code == 0, outcome.said
    assert world.published() == world.expected


@pytest.mark.parametrize("route", ["storage:get", "hf:resolve", "hf:tree"])
def test_a_source_that_goes_away_for_good_is_named_and_the_next_run_converges(world, route):
    with Door(world.source.url).standing() as door:
        world.source_faults.plan(meanwhile(door.shut), route)
        outcome = world.attempt(source=Access(world.source.token, door.url))
        assert outcome.code == 5, outcome.said
        assert outcome.error.side == "source"
        assert door.url.removeprefix("http://") in outcome.error.message
    world.assert_true()
    world.converge()


@pytest.mark.parametrize("route", ["ms:batch", "storage:put", "ms:commit"])
def test_a_destination_that_goes_away_for_good_is_named_and_the_next_run_converges(world, route):
    with Door(world.destination.url).standing() as door:
        world.destination_faults.plan(meanwhile(door.shut), route)
        outcome = world.attempt(destination=Access(world.destination.token, door.url))
        assert outcome.code == 5, outcome.said
        assert outcome.error.side == "destination"
    world.converge()


def test_a_check_reads_both_sides_and_never_calls_what_it_could_not_read_the_same(world):
    assert world.attempt().code == 0
    for faults, route in ((world.source_faults, "hf:tree"), (world.destination_faults, "ms:files")):
        faults.plan(answer(500, b""), route, times=None)
        assert world.attempt("check").code == 5
        faults.clear()
    assert world.attempt("check").code == 0
