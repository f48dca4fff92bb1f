"""Which of an owner's repositories are mirrored: by name, age, size, labels, task and number."""

from __future__ import annotations

import asyncio
import time

import pytest
from mirrored import by_source, entry, small_model

from hubferry.catalog import Owned, Repository
from hubferry.errors import NetworkError
from hubferry.events import ignore
from hubferry.model import RepoRef
from hubferry.options import Options
from hubferry.sync import jobs
from hubferry.sync.spec import Selection

KIB = 1024


@pytest.fixture
def owner(world):
    """An owner with a large and a small model, one of them old, with cards of their own."""

    def publish(name: str, size: int, task: str, *tags: str) -> None:
        labels = "".join(f"- {tag}\n" for tag in tags)
        card = f"---\nlicense: mit\npipeline_tag: {task}\ntags:\n- all\n{labels}---\n# {name}\n"
        world.publish(f"org/{name}", small_model(name, size) | {"README.md": card.encode()})

    publish("small", 2 * KIB, "text-generation", "chat")
    publish("large", 300 * KIB, "text-to-image")
    return world


def chosen(world, **rules) -> set[str]:
    summary = world.run(entry("hf:org/*", "ms:mine/{name}", repos=Selection(**rules)))
    assert not summary.failed, [one.error for one in summary.failed]
    return {source.partition("/")[2] for source in by_source(summary)}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({}, {"small", "large"}),
        ({"allow": ("sm.*",)}, {"small"}),
        ({"allow": ("small|large",), "deny": ("large",)}, {"small"}),
        ({"allow": ("mall",)}, set()),  # anchored at both ends
        ({"larger_than": 100 * KIB}, {"large"}),
        ({"smaller_than": 100 * KIB}, {"small"}),
        ({"pipeline": "text-generation"}, {"small"}),
        ({"tags": ("all", "chat")}, {"small"}),
        ({"age": 3600.0}, {"small", "large"}),
        ({"newer_than": time.time() + 3600.0}, set()),
        ({"limit": 1}, {"large"}),  # the last changed
    ],
)
def test_rules_choose_repositories(owner, rules, expected):
    assert chosen(owner, **rules) == expected


def test_the_size_that_counts_is_that_of_the_files_that_are_selected(owner):
    small_part = entry(
        "hf:org/*", "ms:mine/{name}", repos=Selection(smaller_than=KIB), include=("config.json",)
    )
    assert set(by_source(owner.run(small_part))) == {"hf:org/large", "hf:org/small"}


def test_a_glob_in_the_source_is_a_part_of_the_name(owner):
    summary = owner.run(entry("hf:org/lar*", "ms:mine/{owner}-{name}", repos=Selection()))
    assert by_source(summary) == {"hf:org/large": "copied"}
    assert owner.held("mine/org-large") == owner.original("org/large")


def test_datasets_of_an_owner_go_to_datasets(world):
    world.publish("org/data", {"README.md": b"# data\n", "train.csv": b"a,b\n1,2\n"}, kind="dataset")
    world.publish("org/model")
    summary = world.run(entry("hf:datasets/org/*", "ms:datasets/mine/{name}", repos=Selection()))
    assert by_source(summary) == {"hf:datasets/org/data": "copied"}
    assert world.held("mine/data", "dataset") == world.original("org/data", "dataset")


def test_rules_that_choose_none_are_said_and_no_failure(owner):
    summary = owner.run(entry("hf:org/*", "ms:mine/{name}", repos=Selection(allow=("none",))))
    assert summary.outcomes == ()
    told = [one.event.message for one in owner.told if hasattr(getattr(one, "event", None), "message")]
    assert any("choose none" in sentence for sentence in told)


async def test_a_repository_that_cannot_be_listed_leaves_nobody_asking_for_the_others(monkeypatch):
    """Else they went on after the run, when its hubs have no names any more."""
    going: set[str] = set()
    slow_is_asked = asyncio.Event()

    async def owned(*_words):
        refs = [RepoRef("hf", f"org/{name}") for name in ("broken", "slow")]
        return Owned(RepoRef("hf", "org"), tuple(Repository(ref) for ref in refs))

    async def listed(name, *_words):
        going.add(name)
        try:
            if name == "hf:org/slow":
                slow_is_asked.set()
                await asyncio.Event().wait()
            await slow_is_asked.wait()
            raise NetworkError("gone")
        finally:
            going.remove(name)

    monkeypatch.setattr(jobs.look, "list_repositories", owned)
    monkeypatch.setattr(jobs.look, "list_files", listed)
    line = entry("hf:org/*", "ms:mine/{name}", repos=Selection(smaller_than=KIB))
    expansion = await jobs.expand([line], Options(), ignore)
    assert [one.error.message for one in expansion.failed] == ["gone"]
    assert going == set()
