"""A run of a mirror file, through real hubs: each target proven, each failure alone."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from mirrored import by_source, entry, small_model

from hubferry.errors import NotFoundError, UsageError
from hubferry.names.rules import Names
from hubferry.sync import run as running
from hubferry.sync.events import Started
from hubferry.sync.history.values import Memory
from hubferry.sync.jobs import _target_key
from hubferry.sync.run import Asked
from hubferry.sync.spec import Deletion, Job, Selection


def test_each_target_holds_what_its_source_has(world):
    for name in ("a", "b", "c"):
        world.publish(f"org/{name}")
    entries = [entry(f"hf:org/{name}", f"ms:mine/{name}") for name in ("a", "b", "c")]
    summary = world.run(*entries)
    assert by_source(summary) == dict.fromkeys(("hf:org/a", "hf:org/b", "hf:org/c"), "copied")
    for name in ("a", "b", "c"):
        assert world.held(f"mine/{name}") == world.original(f"org/{name}")


def test_a_second_run_finds_everything_the_same_and_makes_no_commit(world):
    world.publish("org/a")
    world.run(entry("hf:org/a", "ms:mine/a"))
    world.target.requests.clear()
    summary = world.run(entry("hf:org/a", "ms:mine/a"))
    assert by_source(summary) == {"hf:org/a": "same"}
    assert world.target.requests.commits == 0


def test_a_repository_that_fails_stops_nobody_else(world):
    world.publish("org/a")
    world.publish("org/c")
    summary = world.run(
        entry("hf:org/a", "ms:mine/a"), entry("hf:org/gone", "ms:mine/b"), entry("hf:org/c", "ms:mine/c")
    )
    assert by_source(summary) == {"hf:org/a": "copied", "hf:org/gone": "failed", "hf:org/c": "copied"}
    assert isinstance(summary.failed[0].error, NotFoundError)


def test_after_a_failure_nothing_more_begins_when_that_was_asked_for(world):
    world.publish("org/z")
    summary = world.run(
        entry("hf:org/gone", "ms:mine/b"),
        entry("hf:org/z", "ms:mine/z"),
        asked=Asked(fail_fast=True),
        jobs=1,
    )
    assert by_source(summary) == {"hf:org/gone": "failed", "hf:org/z": "skipped"}


def test_an_owner_is_mirrored_by_rules(world):
    for name in ("Qwen3-8B", "Qwen3-8B-GGUF", "Qwen2-7B"):
        world.publish(f"Qwen/{name}")
    rules = Selection(allow=("Qwen3-.*",), deny=(".*-GGUF",))
    summary = world.run(entry("hf:Qwen/*", "ms:mirror/{owner}-{name}", repos=rules))
    assert by_source(summary) == {"hf:Qwen/Qwen3-8B": "copied"}
    assert world.held("mirror/Qwen-Qwen3-8B") == world.original("Qwen/Qwen3-8B")


def test_an_owner_who_has_nothing_is_a_failure_and_no_success(world):
    summary = world.run(entry("hf:nobody/*", "ms:mirror/{name}", repos=Selection()))
    assert [one.status for one in summary.outcomes] == ["failed"]


def test_two_sources_with_one_target_are_refused_and_the_named_one_has_it(world):
    world.publish("org/a")
    world.publish("other/a")
    summary = world.run(
        entry("hf:other/*", "ms:mine/{name}", repos=Selection()), entry("hf:org/a", "ms:mine/a")
    )
    assert by_source(summary) == {"hf:other/a": "failed", "hf:org/a": "copied"}
    assert world.held("mine/a") == world.original("org/a")


def test_a_repository_that_two_entries_mean_is_copied_once(world):
    world.publish("org/a")
    summary = world.run(
        entry("hf:org/*", "ms:mine/{name}", repos=Selection()), entry("hf:org/a", "ms:mine/a")
    )
    assert by_source(summary) == {"hf:org/a": "copied"}


def test_only_takes_an_entry_a_repository_of_an_owner_or_a_glob(world):
    for name in ("a", "b"):
        world.publish(f"org/{name}")
    owner = entry("hf:org/*", "ms:mine/{name}", repos=Selection())
    assert by_source(world.run(owner, asked=Asked(only=("hf:org/b",)))) == {"hf:org/b": "copied"}
    assert by_source(world.run(owner, asked=Asked(only=("ms:mine/*",)))) == {
        "hf:org/a": "copied",
        "hf:org/b": "same",
    }


def test_only_that_names_nothing_is_refused_with_the_nearest_name(world):
    world.publish("org/a")
    with pytest.raises(UsageError) as refused:
        world.run(entry("hf:org/a", "ms:mine/a", name="flux"), asked=Asked(only=("fluxx",)))
    assert "flux" in str(refused.value.hint)


def test_nothing_is_deleted_from_an_empty_source(world):
    world.publish("org/a")
    world.run(entry("hf:org/a", "ms:mine/a"))
    before = world.held("mine/a")
    world.source.store.delete("org/a")
    world.source.store.create("org/a")
    summary = world.run(entry("hf:org/a", "ms:mine/a", delete=Deletion(wanted=True, most="100%")))
    assert [one.status for one in summary.outcomes] == ["failed"]
    assert world.held("mine/a") == before


def test_more_deletions_than_allowed_stop_the_copy_and_delete_nothing(world):
    world.publish("org/a", small_model("a") | {f"old-{n}.txt": b"x" for n in range(6)})
    world.run(entry("hf:org/a", "ms:mine/a"))
    world.source.store.delete("org/a")
    world.publish("org/a", small_model("a"))
    before = world.held("mine/a")
    summary = world.run(entry("hf:org/a", "ms:mine/a", delete=Deletion(wanted=True, most="10%")))
    assert [one.status for one in summary.outcomes] == ["failed"]
    assert world.held("mine/a") == before
    summary = world.run(entry("hf:org/a", "ms:mine/a", delete=Deletion(wanted=True, most="100%")))
    assert [one.status for one in summary.outcomes] == ["copied"]
    assert world.held("mine/a") == world.original("org/a")


def test_check_says_what_would_change_and_changes_nothing(world):
    world.publish("org/a")
    world.publish("org/b")
    world.run(entry("hf:org/a", "ms:mine/a"))
    changes = world.check(
        entry("hf:org/a", "ms:mine/a"), entry("hf:org/b", "ms:mine/b"), entry("hf:org/gone", "ms:mine/c")
    )
    assert [None if one.plan is None else one.plan.nothing_to_do for one in changes] == [True, False, None]
    assert {one.record.repo_id for one in world.target.store.repositories()} == {"mine/a"}


def test_every_outcome_is_kept_in_order_also_of_a_run_that_is_broken_off(world):
    for name in ("a", "b", "c"):
        world.publish(f"org/{name}")
    kept = []
    entries = [entry(f"hf:org/{name}", f"ms:mine/{name}") for name in ("a", "b", "c")]

    async def broken_off() -> None:
        file = world.file(*entries, jobs=1)

        def hear(told) -> None:
            if isinstance(told, Started) and told.job.source == "hf:org/b":
                asyncio.get_running_loop().call_soon(task.cancel)

        asked = Asked(keep=lambda outcome: kept.append((outcome.job.source, outcome.status)))
        task = asyncio.ensure_future(running.run(file, file.entries, asked, hear))
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(broken_off())
    assert kept == [("hf:org/a", "copied"), ("hf:org/b", "stopped"), ("hf:org/c", "skipped")]
    assert {one.record.repo_id for one in world.target.store.repositories()} == {"mine/a"}


def test_where_nothing_changed_each_repository_costs_three_requests_a_side_at_most(world):
    names = [f"m{number:02}" for number in range(30)]
    for name in names:
        world.publish(f"org/{name}", small_model(name, 2048))
    owner = entry("hf:org/*", "ms:mine/{name}", repos=Selection())
    world.run(owner)
    for hub in (world.source, world.target):
        hub.requests.clear()
    summary = world.run(owner)
    assert {one.status for one in summary.outcomes} == {"same"}
    listing = 1
    assert len(world.source.requests.records) <= 3 * len(names) + listing
    assert len(world.target.requests.records) <= 3 * len(names)


def test_tags_are_copied_with_their_repository_and_a_second_run_finds_them_the_same(world):
    first = world.publish("org/a")
    world.source.store.find("org/a").add_tag("v1", first)
    world.publish("org/a", {"notes.txt": b"more"})
    tagged = entry("hf:org/a", "ms:mine/a", tags=Names())
    summary = world.run(tagged)
    assert [(one.status, [name.name for name in one.names]) for one in summary.outcomes] == [
        ("copied", ["main", "v1"])
    ]
    assert [change.names for change in world.check(tagged)] == [()]
    assert [one.status for one in world.run(tagged).outcomes] == ["same"]


def test_what_failed_often_and_of_late_is_left_alone_unless_it_is_named(world):
    world.publish("org/a")
    world.publish("org/b")
    entries = [entry("hf:org/a", "ms:mine/a"), entry("hf:org/b", "ms:mine/b")]

    def recall(jobs):
        failed = Memory("hf:org/a", "ms:mine/a", "failed", time.time(), 4, time.time() + 600)
        return {job: failed for job in jobs if job.source == failed.source}

    summary = world.run(*entries, asked=Asked(recall=recall))
    assert by_source(summary) == {"hf:org/a": "skipped", "hf:org/b": "copied"}
    assert summary.failed[0].notes
    named = world.run(*entries, asked=Asked(only=("hf:org/a",), recall=recall))
    assert by_source(named) == {"hf:org/a": "copied"}


def test_branches_of_a_target_are_told_apart_by_case_and_its_name_is_not(world):
    targets = ("ms:Mine/a@V1", "ms:mine/A@v1", "ms:mine/a@V1")
    keys = {_target_key(Job(entry("hf:org/a", target), "hf:org/a", target)) for target in targets}
    assert keys == {"ms:mine/a@V1", "ms:mine/a@v1"}
