"""Several copies in one process keep to what a file says of a hub, and to what the hub says itself."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from counting import counted

from hubferry import budget, transfer
from hubferry.budget.commits import StateKeeper
from hubferry.events import BudgetSpent
from hubferry.options import Options

sys.path.insert(0, str(Path(__file__).parents[1]))
import models

MIB = 1024 * 1024
MODELS = 3


@pytest.fixture
def settle(make_hub, tmp_path, monkeypatch):
    """Give a way to say what the configuration file says of two hubs, each behind a relay that counts."""
    source, destination = make_hub(), make_hub()
    for number in range(MODELS):
        folder = models.transformers_model(tmp_path / f"model-{number}", shards=3, shard_size=MIB)
        files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
        (folder / "which").write_text(str(number))
        source.store.add(f"org/m{number}", files | {"which": folder / "which"})
    monkeypatch.setattr(budget, "_keeper", StateKeeper(lambda: tmp_path / "state"))
    monkeypatch.setenv("T", source.token)
    with counted(source.url) as there, counted(destination.url) as here:

        def settle(words):
            file = tmp_path / "config.toml"
            file.write_text(
                f'[hubs.lab]\nkind = "hf"\nendpoint = "{there.url}"\ntoken = {{ env = "T" }}\n{words}\n'
                f'[hubs.mine]\nkind = "ms"\nendpoint = "{here.url}"\ntoken = {{ env = "T" }}\n{words}\n'
            )
            file.chmod(0o600)
            monkeypatch.setenv("HUBFERRY_CONFIG", str(file))
            return there, here, destination

        yield settle


def copies(tmp_path, listen=lambda _event: None, numbers=range(MODELS), target="mine:me/m{}"):
    async def all_at_once():
        return await asyncio.gather(
            *(
                transfer.copy(
                    f"lab:org/m{number}",
                    target.format(number),
                    Options(cache_root=tmp_path / "cache"),
                    listen,
                )
                for number in numbers
            )
        )

    return asyncio.run(all_at_once())


@pytest.mark.parametrize("most", [1, 2, 5])
def test_copies_side_by_side_hold_no_more_connections_than_a_hub_may_have(settle, tmp_path, most):
    there, here, _hub = settle(f"concurrency = {most}")
    reports = copies(tmp_path)
    assert all(report.verified for report in reports)
    assert (there.most, here.most) == (most, most)
    assert most < MODELS or there.accepted < 60, "connections are kept while nobody else needs one"


def test_without_a_limit_there_are_as_many_as_it_takes(settle, tmp_path):
    there, _here, _hub = settle("")
    copies(tmp_path)
    assert there.most > 5


@pytest.mark.parametrize("most", [1, 2])
def test_copies_within_one_hub_do_not_wait_for_each_other_for_ever(settle, tmp_path, most):
    there, _here, _hub = settle(f"concurrency = {most}")
    reports = copies(tmp_path, target="lab:tester/copy-{}")
    assert all(report.verified for report in reports)
    assert there.most == most


def test_commits_of_all_copies_wait_for_their_budget_and_of_the_next_run_too(settle, tmp_path, monkeypatch):
    _there, _here, hub = settle("commits_per_hour = 2")
    clock = Hurried()
    monkeypatch.setattr(budget.HubBudget.__init__, "__defaults__", (clock,))
    heard, commits = [], 0
    for target, wanted in (("mine:me/m{}", range(MODELS)), ("mine:me/again-{}", range(2))):
        kept = StateKeeper(lambda: tmp_path / "state", lambda: clock.time)
        monkeypatch.setattr(budget, "_keeper", kept)
        copies(tmp_path, heard.append, wanted, target)
        commits += len(wanted)
        assert hub.requests.commits == commits
    waits = [event for event in heard if isinstance(event, BudgetSpent)]
    assert [(event.hub, event.reason) for event in waits] == [("mine", "2 commits an hour")] * 2
    assert 2 * 3590 < clock.slept <= 2 * 3600.01


class Hurried:
    """A clock that goes on by itself only while somebody sleeps."""

    def __init__(self):
        self.time, self.slept = 1_700_000_000.0, 0.0

    def now(self):
        return self.time

    wall = now

    async def sleep(self, seconds):
        self.time += seconds
        self.slept += seconds
        await asyncio.sleep(0)
