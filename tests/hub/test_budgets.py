"""Several copies in one process keep to what a file says of a hub, and to what the hub says itself."""

from __future__ import annotations

import asyncio
import random

import pytest
from counting import counted

from hubferry import budget, transfer
from hubferry.budget.commits import StateKeeper
from hubferry.events import BudgetSpent
from hubferry.options import Options

MIB = 1024 * 1024
MODELS = 3


@pytest.fixture
def settle(make_hub, tmp_path, monkeypatch):
    """Give a way to say what the configuration file says of two hubs, each behind a relay that counts."""
    source, destination = make_hub(), make_hub()
    for hub in (source, destination):
        for number in range(MODELS):
            hub.store.add(f"org/m{number}", model(f"{hub.url}/{number}"))
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


def model(seed):
    """Three blobs that are sent while they arrive, and two small files; no other model has them."""
    chance = random.Random(seed)
    weights = {f"weights-{number}.bin": chance.randbytes(3 * MIB) for number in range(3)}
    return weights | {"config.json": b"{}", "which": seed.encode()}


def copies(
    tmp_path, listen=lambda _event: None, numbers=range(MODELS), ways=(("lab:org/m{}", "mine:me/m{}"),)
):
    """Copy so many models each way, all side by side."""

    async def all_at_once():
        options = Options(cache_root=tmp_path / "cache")
        jobs = [
            transfer.copy(source.format(number), target.format(number), options, listen)
            for source, target in ways
            for number in numbers
        ]
        return await asyncio.wait_for(asyncio.gather(*jobs), 60)

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
def test_copies_both_ways_between_two_hubs_do_not_wait_for_each_other_for_ever(settle, tmp_path, most):
    there, here, _hub = settle(f"concurrency = {most}")
    reports = copies(tmp_path, ways=(("lab:org/m{}", "mine:me/m{}"), ("mine:org/m{}", "lab:tester/m{}")))
    assert all(report.verified and report.sent for report in reports)
    assert (there.most, here.most) == (most, most)


def test_commits_of_all_copies_wait_for_their_budget_and_of_the_next_run_too(settle, tmp_path, monkeypatch):
    _there, _here, hub = settle("commits_per_hour = 2")
    clock = Hurried()
    monkeypatch.setattr(budget.HubBudget.__init__, "__defaults__", (clock,))
    heard, commits = [], 0
    for target, wanted in (("mine:me/m{}", range(MODELS)), ("mine:me/again-{}", range(2))):
        kept = StateKeeper(lambda: tmp_path / "state", lambda: clock.time)
        monkeypatch.setattr(budget, "_keeper", kept)
        copies(tmp_path, heard.append, wanted, (("lab:org/m{}", target),))
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
