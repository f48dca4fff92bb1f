"""How long a run goes on asking: by the time without progress, together, and never in a hurry."""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
import re
import sys
from pathlib import Path

import pytest

from hubferry import units
from hubferry.errors import (
    AccessError,
    BusyError,
    CertificateError,
    FileDeniedError,
    FileLackingError,
    NetworkError,
    PolicyError,
    ProxyError,
    TimedOutError,
    WrongFileError,
)
from hubferry.events import Retrying
from hubferry.i18n import set_language
from hubferry.model import Blob, RepoFile, RepoRef, Revision
from hubferry.patience import Account, Policy, account_at
from hubferry.retry import RetryingDestination, RetryingSource, attempt

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode leaves the folder out

from virtual_time import VirtualTime

REF = RepoRef("hf", "org/m")
REVISION = Revision(REF, "1" * 40)


@pytest.fixture(autouse=True)
def english():
    set_language("en")
    random.seed(7)
    yield
    set_language(None)


@pytest.fixture
def time():
    return VirtualTime()


@pytest.fixture
def account(time):
    return Account(Policy(), time.clock)


class Hub:
    """A hub that is there from one moment on, and notes when it was asked."""

    def __init__(self, time, error=lambda: NetworkError("no connection", side="source"), back_at=None):
        self.time = time
        self.error = error
        self.back_at = float("inf") if back_at is None else back_at
        self.asked = []

    async def answer(self):
        self.asked.append(self.time.time)
        if self.time.time < self.back_at:
            raise self.error()
        return "here"


def limited(retry_after=None):
    error = BusyError("429", side="source", retry_after=retry_after)
    error.kind = "limited"
    return error


def gaps(moments):
    return [after - before for before, after in itertools.pairwise(moments)]


# ------------------------------------------------------------------------------- by time, not by tries


@pytest.mark.parametrize("seconds", [30, 60, 280])
async def test_an_outage_within_the_patience_is_outlasted(time, account, seconds):
    hub = Hub(time, back_at=time.time + seconds)
    assert await time.run(attempt(hub.answer, "f", account)) == ["here"]


@pytest.mark.parametrize("kind", ["refused", "silent", "failing", "busy", "limited"])
async def test_a_hub_that_stays_away_is_given_up_at_the_end_of_the_patience(time, account, kind):
    def error():
        failure = NetworkError("gone")
        failure.kind = kind
        return failure

    hub = Hub(time, error)
    (failure,) = await time.run(attempt(hub.answer, "f", account))
    assert isinstance(failure, NetworkError)
    assert 300 <= hub.asked[-1] - hub.asked[0] <= 302
    assert min(gaps(hub.asked)) >= 1


async def test_the_last_try_comes_when_a_window_as_long_as_the_patience_is_over(time, account):
    hub = Hub(time, limited, back_at=time.time + 299.9)
    assert await time.run(attempt(hub.answer, "f", account)) == ["here"]


async def test_progress_of_one_file_renews_the_patience_of_all(time, account):
    hub = Hub(time, back_at=time.time + 1000)

    async def trickle():
        while time.time < hub.back_at:
            await time.sleep(200)
            account.progressed()

    assert (await time.run(attempt(hub.answer, "f", account), trickle()))[0] == "here"


class Files:
    """A source of which some files never come as they are listed."""

    def __init__(self, time, wrong, error):
        self.time = time
        self.wrong = wrong
        self.error = error
        self.asked = {}

    async def whole(self, revision, file):
        self.asked.setdefault(file.path, []).append(self.time.time)
        await self.time.sleep(5)
        if file.path in self.wrong:
            raise self.error("not the file")
        return b"x"


WRONG_FILES = [WrongFileError, FileLackingError, FileDeniedError]


@pytest.mark.parametrize("error", WRONG_FILES)
async def test_a_file_that_never_comes_right_is_given_up_though_others_come(time, account, error):
    hub = Files(time, {"bad"}, error)
    source = RetryingSource(hub, account)

    async def others():
        for number in range(400):
            await source.whole(REVISION, RepoFile(f"good {number}", 1))

    failure, _none = await time.run(source.whole(REVISION, RepoFile("bad", 1)), others())
    assert type(failure) is error
    assert 290 <= hub.asked["bad"][-1] - hub.asked["bad"][0] <= 320
    assert "Come again after" in failure.hint


@pytest.mark.parametrize("error", WRONG_FILES)
async def test_many_files_that_never_come_right_take_one_patience_and_not_one_each(time, account, error):
    hub = Files(time, {f"bad {number}" for number in range(50)}, error)
    source = RetryingSource(hub, account)
    began = time.time

    async def all_of_them():
        for number in range(50):
            with pytest.raises(error):
                await source.whole(REVISION, RepoFile(f"bad {number}", 1))

    await time.run(all_of_them())
    assert len(hub.asked) == 50
    assert time.time - began < 300 + 50 * 60


async def test_what_got_on_before_it_failed_has_not_lost_its_patience(time, account):
    hub = Hub(time, lambda: got_on(NetworkError("broken off")), back_at=time.time + 2000)
    assert await time.run(attempt(hub.answer, "f", account)) == ["here"]


def got_on(error):
    error.got_on = True
    return error


async def test_a_byte_now_and_then_renews_the_patience(time, account):
    class Trickling:
        async def read(self, revision, file, start, stop):
            await time.sleep(200)
            yield b"x"
            raise NetworkError("broken off")

    async def read():
        source = RetryingSource(Trickling(), account)
        return [piece async for piece in source.read(REVISION, RepoFile("f", 9), 0, 9)]

    reading = asyncio.ensure_future(read())
    ticking = asyncio.ensure_future(time.run(reading))
    while time.time < 4000:
        await asyncio.sleep(0)
        assert not reading.done()
    reading.cancel()
    await ticking


async def test_an_upload_that_breaks_after_hours_is_tried_again_for_its_work_is_no_waiting(time, account):
    class Breaking:
        tries = 0

        async def upload(self, ref, blob, body):
            self.tries += 1
            await time.sleep(4000)
            if self.tries < 4:
                raise NetworkError("broken off")

    hub = Breaking()
    assert await time.run(RetryingDestination(hub, account).upload(REF, Blob("0" * 64, 1), None)) == [None]
    assert hub.tries == 4


async def test_who_waits_for_an_upload_hears_of_its_file_and_not_of_a_digest(time, account):
    class Breaking:
        tries = 0

        async def upload(self, ref, blob, body):
            self.tries += 1
            if self.tries < 2:
                raise NetworkError("broken off")

    heard = []
    blob = Blob("0" * 64, 1, "weights/model.safetensors")
    await time.run(RetryingDestination(Breaking(), account, heard.append).upload(REF, blob, None))
    assert [event.what for event in heard] == ["sending weights/model.safetensors"]
    assert blob == Blob("0" * 64, 1)


async def test_an_upload_that_is_never_taken_ends_all_the_same(time, account):
    class Never:
        tries = 0

        async def upload(self, ref, blob, body):
            self.tries += 1
            await time.sleep(4000)
            raise TimedOutError("no answer in time")

    hub = Never()
    work = [RetryingDestination(hub, account).upload(REF, Blob("0" * 64, 1), None) for _number in range(4)]
    assert all(isinstance(ended, TimedOutError) for ended in await time.run(*work))
    assert hub.tries <= 4 * 8


async def test_tries_are_counted_where_a_number_is_asked_for(time):
    hub = Hub(time)
    account = Account(Policy(attempts=3), time.clock)
    (failure,) = await time.run(attempt(hub.answer, "f", account))
    assert isinstance(failure, NetworkError)
    assert len(hub.asked) == 3


async def test_no_patience_tries_once(time):
    hub = Hub(time)
    await time.run(attempt(hub.answer, "f", Account(Policy(patience=0), time.clock)))
    assert len(hub.asked) == 1


async def test_a_refusal_is_not_waited_for(time, account):
    hub = Hub(time, lambda: AccessError("no"))
    (failure,) = await time.run(attempt(hub.answer, "f", account))
    assert isinstance(failure, AccessError)
    assert len(hub.asked) == 1


# ------------------------------------------------------------------------------------ never in a hurry


def unknown_host():
    error = NetworkError("the host's name is not known", side="source", hint="check how it is spelled")
    error.kind, error.doubtful = "refused", True
    return error


async def test_what_may_be_a_mistake_in_what_was_typed_is_waited_for_a_tenth_of_the_patience(time, account):
    hub = Hub(time, unknown_host)
    (failure,) = await time.run(attempt(hub.answer, "f", account))
    assert 30 <= hub.asked[-1] - hub.asked[0] <= 32
    assert failure.hint == "check how it is spelled"  # and not: come again
    assert len(hub.asked) > 3


async def test_a_name_that_a_hub_was_heard_under_is_waited_for_as_long_as_anything(time, account):
    account.progressed()
    hub = Hub(time, unknown_host)
    (failure,) = await time.run(attempt(hub.answer, "f", account))
    assert 300 <= hub.asked[-1] - hub.asked[0] <= 302
    assert "Come again" in failure.hint


@pytest.mark.parametrize("kind", [CertificateError, ProxyError])
async def test_a_certificate_or_a_proxy_that_is_wrong_is_not_waited_for(time, account, kind):
    account.progressed()
    hub = Hub(time, lambda: kind("not accepted", side="source", hint="set a variable"))
    (failure,) = await time.run(attempt(hub.answer, "f", account))
    assert len(hub.asked) == 1
    assert failure.hint == "set a variable"


@pytest.mark.parametrize("retry_after", [None, 0.0, 0.01, 1.0])
async def test_no_pause_that_a_hub_names_is_a_licence_to_hurry(time, account, retry_after):
    hub = Hub(time, lambda: limited(retry_after), back_at=time.time + 100)
    await time.run(attempt(hub.answer, "f", account))
    assert min(gaps(hub.asked)) >= 1


async def test_a_rate_limit_without_a_time_waits_longer_than_a_broken_connection(time):
    first = {}
    for kind in ("refused", "failing", "busy", "limited"):
        here = VirtualTime()

        def error(kind=kind):
            failure = BusyError("x") if kind in ("busy", "limited") else NetworkError("x")
            failure.kind = kind
            return failure

        hub = Hub(here, error, back_at=here.time + 60)
        await here.run(attempt(hub.answer, "f", Account(Policy(), here.clock)))
        first[kind] = gaps(hub.asked)[0]
    assert first["refused"] < 2 > first["failing"]
    assert first["busy"] >= 5
    assert first["limited"] >= 10


async def test_an_explicit_wait_is_the_first_one_and_is_doubled(time):
    hub = Hub(time, back_at=time.time + 0.1)
    await time.run(attempt(hub.answer, "f", Account(Policy(first=0.01), time.clock)))
    waits = gaps(hub.asked)
    assert 0.01 <= waits[0] <= 0.0125
    assert 0.02 <= waits[1] <= 0.025


# --------------------------------------------------------------------------------- together, not each


async def test_many_that_fail_at_one_hub_ask_it_once_a_second_in_all(time, account):
    hub = Hub(time, back_at=time.time + 120)
    await time.run(*(attempt(hub.answer, f"f{number}", account) for number in range(48)))
    early = [moment for moment in hub.asked if moment < hub.back_at]
    assert len(early) <= 120 + 2


async def test_after_an_outage_they_come_back_one_first_then_more_and_more(time, account):
    hub = Hub(time, back_at=time.time + 100)
    await time.run(*(attempt(hub.answer, f"f{number}", account) for number in range(48)))
    late = [moment for moment in hub.asked if moment >= hub.back_at]
    assert late[1] - late[0] >= 0.4
    assert max(sum(1 for other in late if abs(other - moment) < 0.2) for moment in late[:2]) == 1
    assert late[-1] - hub.back_at < 5


async def test_one_file_that_fails_does_not_hold_up_the_others(time, account):
    bad = Hub(time)

    async def good():
        for _number in range(2000):
            await attempt(lambda: time.sleep(0.01), "g", account)
        return time.time

    started = time.time
    bad_task = asyncio.ensure_future(attempt(bad.answer, "f", account))
    ended = asyncio.ensure_future(good())
    ticking = asyncio.ensure_future(time.run(bad_task, ended))
    assert await ended - started < 25
    assert min(gaps(bad.asked)) >= 1
    await ticking


async def test_when_one_is_told_to_wait_all_wait_and_nobody_asks_in_between(time, account):
    told = time.time
    hub = Hub(time, lambda: limited(40.0), back_at=told + 1)

    async def later(number):
        await time.sleep(2 + number)
        return await attempt(hub.answer, f"f{number}", account)

    results = await time.run(attempt(hub.answer, "f", account), *(later(number) for number in range(20)))
    assert results == ["here"] * 21
    assert [moment for moment in hub.asked if moment < told + 40] == [told]
    assert hub.asked[1] <= told + 42
    assert hub.asked[2] - hub.asked[1] >= 0.5


async def test_a_policy_that_names_a_pause_holds_up_every_other_request(time, account):
    class Held:
        async def commit(self, ref, actions, message, parent=None):
            raise PolicyError("held back", retry_after=40.0)

    told = time.time
    with pytest.raises(PolicyError):
        await RetryingDestination(Held(), account).commit(REF, [], "m")
    hub = Hub(time, back_at=0)
    await time.run(attempt(hub.answer, "f", account))
    assert hub.asked[0] >= told + 40


def test_one_hub_has_one_account_in_a_process_for_as_long_as_somebody_holds_it():
    here = account_at("hf", "https://hub.example/", Policy())
    assert account_at("hf", "https://hub.example", Policy()) is here
    assert account_at("ms", "https://hub.example", Policy()) is not here
    here.progressed()
    del here
    gc.collect()
    assert account_at("hf", "https://hub.example", Policy()).heard_at == float("-inf")


# ------------------------------------------------------------------------------- says when to come again


async def test_a_pause_longer_than_the_patience_is_given_up_at_once_with_the_clock_time(time, account):
    hub = Hub(time, lambda: limited(1800.0))
    (failure,) = await time.run(attempt(hub.answer, "f", account))
    assert len(hub.asked) == 1
    assert failure.exit_code == 5
    wall = time.clock.wall()
    said = re.search(r"Come again after (.+?);", failure.hint)[1]
    assert said in {units.clock(wall + 1800 + more, wall) for more in (0, 60)}
    assert said != units.clock(wall + 1740, wall)


async def test_the_others_ask_no_more_when_a_pause_is_too_long_for_them(time, account):
    hub = Hub(time, lambda: limited(1800.0))
    results = await time.run(*(attempt(hub.answer, f"f{number}", account) for number in range(5)))
    late = await time.run(attempt(hub.answer, "late", account))
    assert all(isinstance(one, BusyError) and "Come again after" in one.hint for one in results + late)
    assert len(hub.asked) <= 5
    asked = len(hub.asked)
    await time.run(attempt(hub.answer, "later still", account))
    assert len(hub.asked) == asked


async def test_a_pause_as_long_as_the_patience_is_waited_for_though_the_hub_counts_whole_seconds(
    time, account
):
    back = time.time + 300
    hub = Hub(time, lambda: limited(301.0), back_at=back)
    assert await time.run(attempt(hub.answer, "f", account)) == ["here"]


async def test_a_hub_that_named_no_time_gets_one_from_us_and_the_hint_of_the_error_stays(time, account):
    hub = Hub(time, lambda: NetworkError("gone", hint="Check the network."))
    (failure,) = await time.run(attempt(hub.answer, "f", account))
    assert re.fullmatch(r"Check the network\. Come again after (.+ )?\d\d:\d\d; .+", failure.hint)


async def test_in_chinese_too(time, account):
    set_language("zh")
    hub = Hub(time, lambda: NetworkError("gone", hint="请检查网络。"))
    (failure,) = await time.run(attempt(hub.answer, "f", account))
    assert re.match(r"请检查网络。请在 (.+ )?\d\d:\d\d 之后重试", failure.hint)


def test_a_clock_time_of_another_day_has_its_date():
    noon = 1_700_000_000 // 86400 * 86400 + 43200
    assert len(units.clock(noon + 60, noon)) == 5
    assert len(units.clock(noon + 60, noon, seconds=True)) == 8
    assert len(units.clock(noon + 3 * 86400, noon)) == 16


# ------------------------------------------------------------------------------------ told, and ended


async def test_whoever_listens_hears_what_is_waited_for_why_and_until_when(time, account):
    heard = []
    hub = Hub(time, lambda: limited(40.0), back_at=time.time + 1)
    began = time.clock.wall()
    await time.run(attempt(hub.answer, "the listing", account, heard.append))
    (event,) = heard
    assert isinstance(event, Retrying)
    assert (event.what, event.reason, event.attempt, event.kind) == ("the listing", "429", 1, "limited")
    assert 40 <= event.seconds <= 42
    assert event.until == began + event.seconds


async def test_a_wait_ends_at_once_when_it_is_cancelled():
    account = Account(Policy())
    waiting = asyncio.ensure_future(attempt(_gone, "f", account))
    for _turn in range(10):
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(waiting, 0.5)


async def _gone():
    raise NetworkError("gone")


def test_how_patient_to_be_is_read_from_the_environment_and_nonsense_is_not():
    assert Policy.from_environment({}) == Policy(patience=300.0)
    told = Policy.from_environment(
        {"HUBFERRY_PATIENCE": "0.5", "HUBFERRY_RETRIES": "2", "HUBFERRY_RETRY_WAIT": "0.1"}
    )
    assert told == Policy(patience=30.0, attempts=3, first=0.1)
    assert Policy.from_environment({"HUBFERRY_RETRIES": "0"}).attempts == 1
    for name in ("HUBFERRY_PATIENCE", "HUBFERRY_RETRIES", "HUBFERRY_RETRY_WAIT"):
        for nonsense in ("many", "-1", "inf", "nan", ""):
            assert Policy.from_environment({name: nonsense}) == Policy()
