"""Some files of a model cannot be had: nothing is published, or the good ones when that was asked for."""

from __future__ import annotations

import json

import pytest
from faults import answer, break_off, spoil
from worlds import DESTINATION, FIRST, SECOND, SOURCE, sha256, small_model

from hubferry.cache.listing import list_models
from hubferry.errors import AccessError, DiskFullError, IntegrityError, PartialError
from hubferry.stream.upload import Upload

BAD = {FIRST, "config.json"}


def flipped(_request, status, headers, body):
    return status, headers, bytes([body[0] ^ 1]) + body[1:]


@pytest.fixture
def broken(world):
    """A world in which a large file and a small one come wrong, always."""
    digest = sha256(world.content[FIRST])
    world.source_faults.plan(spoil(flipped), "storage:get", only=lambda r: digest in r.path, times=None)
    world.source_faults.plan(spoil(flipped), "hf:resolve", only=lambda r: "config.json" in r.path, times=None)
    return world


def test_without_keep_going_nothing_is_published_and_every_bad_file_is_named(broken):
    done = broken.command()
    assert done.code == 9, done.said
    assert all(f"  {path}: " in done.err for path in BAD)
    assert broken.destination.requests.commits == 0
    broken.assert_true()
    broken.converge()


def test_with_keep_going_the_good_files_are_published_and_the_bad_ones_listed(broken):
    done = broken.command("copy", SOURCE, DESTINATION, "--keep-going")
    assert done.code == 9, done.said
    assert all(f"  {path}: " in done.err for path in BAD)
    good = {path: digest for path, digest in broken.expected.items() if path not in BAD}
    assert broken.published() == good
    broken.assert_true(partly=True)
    broken.converge()
    assert broken.commits() == 2


def test_the_bad_files_are_in_the_json_too(broken):
    done = broken.command("copy", SOURCE, DESTINATION, "--keep-going", "--json", "--quiet")
    described = json.loads(done.out)["error"]
    assert described["exit_code"] == done.code == 9
    assert {failure["path"] for failure in described["failures"]} == BAD
    assert {failure["exit_code"] for failure in described["failures"]} == {6}


def test_one_bad_file_alone_ends_with_its_own_code(world):
    world.source_faults.plan(spoil(flipped), "hf:resolve", only=lambda r: "config.json" in r.path, times=None)
    done = world.command()
    assert done.code == 6, done.said
    assert "config.json" in done.err
    assert world.published() == {}


def test_a_file_that_vanished_does_not_keep_the_others_from_being_published(world):
    world.source_faults.plan(
        answer(404, b"", X_Error_Code="EntryNotFound"),
        "hf:resolve",
        only=lambda r: "README.md" in r.path,
        times=None,
    )
    outcome = world.attempt(keep_going=True)
    assert outcome.code == 9, outcome.said
    assert set(world.published()) == set(world.content) - {"README.md"}
    world.assert_true(partly=True)
    world.converge()


def of_second(world):
    """Whether a request is about the content of one file, at either side."""
    digest = sha256(world.content[SECOND])
    return lambda request: digest in request.path


TWINS = {SECOND, "twin/model.safetensors"}
REFUSALS = {
    "storage answers 503": (answer(503, b""), "storage:get", 5),
    "the hub answers 403": (answer(403, b"", X_Error_Code="Forbidden"), "hf:resolve", 4),
    "the hub answers 400": (answer(400, b"no"), "hf:resolve", 1),
    "the line breaks": (break_off, "storage:get", 5),
}


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("cache", [True, False], ids=["cache", "no-cache"])
def test_whatever_refuses_one_file_of_the_source_the_others_are_published(world, refusal, cache):
    act, route, code = REFUSALS[refusal]
    concerned = of_second(world) if route == "storage:get" else lambda request: SECOND in request.path
    world.source_faults.plan(act, route, only=concerned, times=None)
    outcome = world.attempt(cache=cache)
    # what a hub gives of others is about this content only, and two files have it
    assert outcome.code == (PartialError.exit_code if code == AccessError.exit_code else code), outcome.said
    assert world.published() == {}
    outcome = world.attempt(keep_going=True, cache=cache)
    assert outcome.code == 9, outcome.said
    failed = {failure.path: failure.exit_code for failure in outcome.error.failures}
    assert set(failed) & TWINS == set(failed)
    assert failed[SECOND] == code
    assert set(world.published()) == set(world.content) - set(failed)
    world.assert_true(partly=True)
    world.converge()


def test_a_small_file_that_the_hub_refuses_keeps_no_other_back(world):
    forbidden = answer(403, b"", X_Error_Code="Forbidden")
    world.source_faults.plan(forbidden, "hf:resolve", only=lambda r: "config.json" in r.path, times=None)
    outcome = world.attempt(keep_going=True)
    assert outcome.code == 9, outcome.said
    assert [failure.exit_code for failure in outcome.error.failures] == [4]
    assert set(world.published()) == set(world.content) - {"config.json"}
    world.converge()


@pytest.mark.parametrize(("status", "code"), [(403, 4), (413, 1), (422, 1), (503, 5)])
def test_a_blob_that_the_destination_refuses_keeps_no_other_back(world, status, code):
    world.destination_faults.plan(
        answer(status, b""), "ms:upload", "storage:put", only=of_second(world), times=None
    )
    outcome = world.attempt()
    assert outcome.code == code, outcome.said
    assert world.published() == {}
    outcome = world.attempt(keep_going=True)
    assert outcome.code == 9, outcome.said
    assert {failure.path for failure in outcome.error.failures} == TWINS
    assert set(world.published()) == set(world.content) - TWINS
    world.converge()


@pytest.mark.parametrize(("status", "code"), [(503, 5), (401, 4), (403, 4)])
def test_a_hub_that_refuses_everything_refuses_the_run(world, status, code):
    world.source_faults.plan(answer(status, b""), "hf:resolve", "storage:get", times=None)
    outcome = world.attempt(keep_going=True)
    assert outcome.code == code, outcome.said
    assert world.published() == {}
    world.converge()


def test_a_hub_that_falls_silent_ends_the_run_long_before_every_file_was_tried(make_world):
    content = {f"{number:03}.json": b"[%d]" % number for number in range(400)}
    world = make_world(content=content)
    asked = world.source_faults.plan(answer(503, b""), "hf:resolve", times=None)
    outcome = world.attempt(keep_going=True, jobs=4)
    assert outcome.code == 5, outcome.said
    assert asked.struck < 3 * 64
    assert world.published() == {}


def test_a_full_disk_ends_the_run_also_when_it_was_to_keep_going(world, monkeypatch):
    honest = Upload.send_cached

    async def send_cached(self, file, digest):
        if digest == sha256(world.content[SECOND]):
            raise DiskFullError("full", side="cache", path=file.path)
        await honest(self, file, digest)

    monkeypatch.setattr(Upload, "send_cached", send_cached)
    outcome = world.attempt(keep_going=True)
    assert outcome.code == 7, outcome.said
    assert world.published() == {}


def test_the_hint_says_how_to_publish_the_good_files_all_the_same(broken):
    done = broken.command()
    assert f"hint: hubferry copy {SOURCE} {DESTINATION} --keep-going" in done.err


@pytest.fixture
def refuse(monkeypatch):
    """Let sending one content fail as it does when the cached file has changed since it was verified."""

    def plan(content):
        honest = Upload.send_cached

        async def send_cached(self, file, digest):
            if digest == sha256(content):
                raise IntegrityError("changed", side="cache", path=file.path)
            await honest(self, file, digest)

        monkeypatch.setattr(Upload, "send_cached", send_cached)

    return plan


def test_a_file_that_was_to_reuse_a_blob_of_the_run_is_given_up_with_it(world, refuse):
    refuse(world.content[SECOND])
    outcome = world.attempt(keep_going=True)
    assert outcome.code == 9, outcome.said
    given_up = {SECOND, "twin/model.safetensors"}
    assert {failure.path for failure in outcome.error.failures} == given_up
    assert set(world.published()) == set(world.content) - given_up


def test_files_of_one_content_whose_digest_nobody_listed_are_given_up_together(make_world, refuse):
    content = small_model()
    content["copy/tokenizer.json"] = content["tokenizer.json"]
    world = make_world(content=content)
    refuse(content["tokenizer.json"])
    outcome = world.attempt(keep_going=True)
    assert outcome.code == 9, outcome.said
    given_up = {"tokenizer.json", "copy/tokenizer.json"}
    assert {failure.path for failure in outcome.error.failures} == given_up
    assert set(world.published()) == set(content) - given_up


@pytest.mark.parametrize("cache", [True, False], ids=["cache", "no-cache"])
def test_files_of_one_content_whose_digest_nobody_listed_move_once(make_world, cache):
    content = small_model()
    content["copy/tokenizer.json"] = content["tokenizer.json"]
    world = make_world(content=content)
    assert world.attempt(cache=cache).code == 0
    assert world.published() == world.expected
    once = sum(map(len, set(content.values())))
    assert world.source.requests.bytes_sent < once + len(content["tokenizer.json"]) // 2


def claims(world):
    """Where the cache says that its model is published."""
    (model,) = list_models([world.cache]).models
    return model.published


def test_a_model_counts_as_published_only_when_all_of_it_was_proven(broken):
    assert broken.attempt(keep_going=True).code == 9
    assert claims(broken) == ()
    broken.converge()
    assert claims(broken) == (DESTINATION,)


def test_a_part_of_a_model_does_not_count_as_the_model(world):
    assert world.attempt(include=("*.json",)).code == 0
    assert claims(world) == ()


def test_what_was_found_to_be_there_already_counts_as_published(world):
    assert world.attempt(cache=False).code == 0
    assert world.attempt("fetch").code == 0
    assert claims(world) == ()
    assert world.attempt().code == 0
    assert claims(world) == (DESTINATION,)
    assert world.commits() == 1


def test_another_commit_in_the_cache_is_not_published_yet(world):
    assert world.attempt().code == 0
    world.add_source({"config.json": b"{}"})
    assert world.attempt("fetch").code == 0
    assert claims(world) == ()
