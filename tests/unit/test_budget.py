"""What a hub may be asked for by all that run together: counted, waited for, told, and no failure."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

import forked
from hubferry import budget
from hubferry.budget import HubBudget
from hubferry.budget.commits import HOUR, StateKeeper, reserve
from hubferry.budget.requests import Left, RequestBudget
from hubferry.budgeted import BudgetedDestination
from hubferry.cli.sentences import sentence_of
from hubferry.errors import ConflictError, NetworkError
from hubferry.events import BudgetSpent
from hubferry.hubs.http.answers import limits_left
from hubferry.patience import Account, Policy, Trial
from hubferry.wire.sharing import SharedConnections

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode leaves the folder out

from virtual_time import VirtualTime

HUB = "https://hub.example.com"


@pytest.fixture
def keeper(tmp_path, monkeypatch):
    """Give a keeper in a directory of its own, by a virtual clock, and that clock's time."""
    time_ = VirtualTime()
    kept = StateKeeper(lambda: tmp_path / "state", time_.clock.wall)
    monkeypatch.setattr(budget, "_keeper", kept)
    return kept, time_


# ------------------------------------------------------------------------------------------- commits


def test_an_hour_is_a_window_that_slides():
    made, waits = [], []
    for now in (0.0, 10.0, 20.0, HOUR - 1, HOUR + 5, HOUR + 10):
        made, seconds = reserve(made, now, 3)
        waits.append(seconds)
    assert waits == [0.0, 0.0, 0.0, 1.0, 0.0, 0.0]
    assert made == [20.0, HOUR + 5, HOUR + 10]


def test_a_clock_that_was_set_back_keeps_nobody_longer_than_an_hour():
    _made, seconds = reserve([9000.0, 9000.0], 100.0, 2)
    assert seconds == HOUR


async def test_commits_of_all_sessions_wait_for_the_budget_and_say_until_when(keeper):
    _kept, time_ = keeper
    hub, heard = HubBudget(HUB, time_.clock), []
    hub.limit("ms", None, 2)
    held = await time_.run(*(hub.commit(heard.append) for _number in range(5)))
    assert sorted(held) == [0.0, 0.0, HOUR, HOUR, 2 * HOUR]
    assert {event.until - event.seconds for event in heard} <= {
        1_700_000_000 + time_.time - x * HOUR for x in range(3)
    }
    assert {(event.hub, event.reason) for event in heard} == {("ms", "2 commits an hour")}


async def test_a_commit_of_another_run_or_process_counts(keeper, tmp_path):
    kept, _time = keeper
    again = StateKeeper(lambda: tmp_path / "state", kept._wall)
    assert [await kept.reserve_commit(HUB, 2), await again.reserve_commit(HUB, 2)] == [0.0, 0.0]
    assert await kept.reserve_commit(HUB, 2) == HOUR
    assert await again.reserve_commit("https://other.example.com", 2) == 0.0


_RESERVE = """
import sys
from pathlib import Path
from hubferry.budget.commits import StateKeeper
keeper = StateKeeper(lambda: Path(sys.argv[1]))
print(sum(keeper.reserve_now("https://hub.example.com", 25) == 0 for _ in range(20)))
"""


def test_several_processes_at_once_never_count_one_commit_twice_or_not_at_all(tmp_path):
    running = [
        forked.Popen([sys.executable, "-c", _RESERVE, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _number in range(3)
    ]
    given = [int(process.communicate()[0]) for process in running]
    assert sum(given) == 25


async def test_what_a_crash_left_of_the_count_is_read_as_far_as_it_goes(keeper, tmp_path):
    kept, _time = keeper
    assert await kept.reserve_commit(HUB, 9) == 0.0
    [path] = tmp_path.glob("state/budgets/*/commits")
    path.write_bytes(path.read_bytes() + b"17000\xff\x00garbage\nnan\n-4\n")
    assert await kept.reserve_commit(HUB, 2) == 0.0
    assert await kept.reserve_commit(HUB, 2) > 0


async def test_without_a_place_to_count_in_the_process_counts_alone(monkeypatch, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for place in (lambda: None, lambda: tmp_path / "file"):
        kept = StateKeeper(place)
        assert [await kept.reserve_commit(HUB, 1) > 0 for _number in range(2)] == [False, True]


async def test_without_a_limit_nothing_is_counted_or_written(keeper, tmp_path):
    _kept, time_ = keeper
    assert await HubBudget(HUB, time_.clock).commit(lambda _event: None) == 0.0
    assert not (tmp_path / "state").exists()


class _Refusing:
    async def commit(self, *_words):
        raise ConflictError("somebody else was faster")


async def test_waiting_for_a_budget_is_no_lack_of_progress(keeper):
    _kept, time_ = keeper
    hub = HubBudget(HUB, time_.clock)
    hub.limit("ms", None, 1)
    destination = BudgetedDestination(_Refusing(), hub, lambda _event: None)
    trial, tries = Trial(Account(Policy(patience=300.0), time_.clock)), 0

    async def commit():
        nonlocal tries
        for _number in range(6):  # an hour apart each, which is twelve times the patience
            await trial.begin()
            try:
                await destination.commit(None, [], "message")
            except NetworkError as error:
                tries += 1
                await trial.failed(error, "committing", lambda _event: None)

    assert await time_.run(commit()) == [None]
    assert tries == 6
    assert time_.time > 1000 + 4 * HOUR


def test_the_wait_is_said_in_a_sentence():
    event = BudgetSpent("ms", "60 commits an hour", 30.0, 1_700_000_000.0)
    assert sentence_of(event).startswith("the budget of ms: 60 commits an hour; goes on at ")


# ------------------------------------------------------------------------------------------ requests


def told(left, seconds, quota=1000):
    return limits_left(
        {
            "RateLimit": f'"api";r={left};t={seconds}',
            "RateLimit-Policy": f'"fixed window";"api";q={quota};w=300',
        }
    )


def test_what_is_left_is_read_from_an_answer_and_nonsense_is_nothing():
    assert told(41, 55) == (Left("api", 41, 55.0, 1000),)
    assert limits_left({"RateLimit": '"a";r=7, "b";r=3;t=9', "RateLimit-Policy": '"a";w=60'}) == (
        Left("a", 7, 60.0), Left("b", 3, 9.0))  # fmt: skip
    for said in ('"api"', '"api";r=x;t=1', '"api";r=1;t=-1', '"api";r=1;t=inf', '"api";r=-1;t=5', ";;;,,,="):
        assert limits_left({"RateLimit": said}) == ()


async def spread(time_, requests, count):
    asked, heard = [], []

    async def ask():
        if requests.scarce:
            await requests.turn(HUB + "/api/models", lambda reason, seconds: heard.append((reason, seconds)))
        asked.append(time_.time - 1000)

    await time_.run(*(ask() for _number in range(count)))
    return asked, heard


async def test_the_rest_of_a_limit_that_several_share_lasts_until_its_window_ends():
    time_ = VirtualTime()
    requests = RequestBudget(time_.clock)
    requests.shared = True
    requests.note(HUB + "/api/models", told(20, 100))
    asked, heard = await spread(time_, requests, 25)
    assert asked[:20] == pytest.approx([number * 5.0 for number in range(20)])
    assert asked[20:] == pytest.approx([100.0] * 5)
    assert heard == [("20 requests are left for all that run", 100.0)]


async def test_with_enough_left_or_alone_nobody_is_held_back():
    time_ = VirtualTime()
    for shared, left in ((True, 51), (False, 3)):
        requests = RequestBudget(time_.clock)
        requests.shared = shared
        requests.note(HUB + "/api/models", told(left, 100))
        assert await spread(time_, requests, 30) == ([0.0] * 30, [])


async def test_requests_of_another_kind_are_not_held_back():
    time_ = VirtualTime()
    requests = RequestBudget(time_.clock)
    requests.shared = True
    requests.note(HUB + "/org/model/resolve/main/a", told(1, 100))
    assert await spread(time_, requests, 30) == ([0.0] * 30, [])


def test_sessions_that_are_open_at_one_time_share_and_one_alone_does_not():
    hub = HubBudget(HUB)
    before = hub.requests("token")
    with hub.joined(print):
        assert not before.shared
        with hub.joined(repr):
            assert before.shared
            assert hub.requests(None).shared
        assert not before.shared


def test_a_token_is_not_kept_with_its_budget():
    hub = HubBudget(HUB)
    hub.requests("hf_canary_token")
    assert "hf_canary_token" not in repr(vars(hub))


# --------------------------------------------------------------------------------------- connections


class _Pool:
    def __init__(self, shared):
        self.shared, self.resting = shared, 0
        shared.join(self)

    async def let_go(self):
        if not self.resting:
            return False
        self.resting -= 1
        await asyncio.sleep(0)
        self.shared.ended()
        return True


async def test_turns_are_given_in_order_and_never_more_than_there_are():
    shared, at_work, most, order = SharedConnections(3), 0, 0, []

    async def ask(number):
        nonlocal at_work, most
        async with shared.turn(asyncio.Semaphore(64), sends=False):
            at_work += 1
            most = max(most, at_work)
            order.append(number)
            await asyncio.sleep(0)
            at_work -= 1

    await asyncio.gather(*(ask(number) for number in range(20)))
    assert most == 3
    assert order == list(range(20))


async def test_bodies_leave_a_turn_to_what_brings_their_bytes():
    shared, arrived, sent = SharedConnections(2), asyncio.Event(), []

    async def send(number):
        async with shared.turn(asyncio.Semaphore(64), sends=True):
            await arrived.wait()
            sent.append(number)

    async def fetch():
        async with shared.turn(asyncio.Semaphore(64), sends=False):
            arrived.set()

    await asyncio.wait_for(asyncio.gather(*(send(number) for number in range(4)), fetch()), 5)
    assert sent == [0, 1, 2, 3]


async def test_a_connection_at_rest_goes_where_another_pool_needs_one():
    shared = SharedConnections(2)
    first, second = _Pool(shared), _Pool(shared)
    for _number in range(2):
        await shared.begin()
    first.resting = 2
    assert shared.open == 2
    await shared.begin()
    assert (shared.open, first.resting, second.resting) == (2, 1, 0)


async def test_who_is_cancelled_while_it_waits_takes_no_turn_with_it():
    shared, places = SharedConnections(1), asyncio.Semaphore(4)

    async def ask():
        async with shared.turn(places, sends=False):
            await asyncio.sleep(0)

    async with shared.turn(places, sends=False):
        waiting = [asyncio.create_task(ask()) for _number in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
    waiting[1].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await asyncio.wait_for(ask(), 5)
    assert places._value == 4


async def test_who_has_a_turn_may_ask_once_more_about_what_it_reads():
    shared, places = SharedConnections(1), asyncio.Semaphore(4)

    async def ask():
        async with shared.turn(places, sends=False), shared.turn(places, sends=False):
            return True

    assert await asyncio.wait_for(ask(), 5)


async def test_fewer_are_allowed_without_breaking_off_what_is_at_work():
    shared, places = SharedConnections(4), asyncio.Semaphore(64)
    turns = [shared.turn(places, sends=False) for _number in range(4)]
    for turn in turns:
        await turn.__aenter__()
    shared.allow(1)
    waiting = asyncio.create_task(shared.turn(places, sends=False).__aenter__())
    for turn in turns[:3]:
        await turn.__aexit__(None, None, None)
        await asyncio.sleep(0)
        assert not waiting.done()
    await turns[3].__aexit__(None, None, None)
    await asyncio.wait_for(waiting, 5)
