import asyncio

import pytest

from hubferry.errors import AccessError, BusyError, IntegrityError, NetworkError
from hubferry.events import Retrying
from hubferry.model import RepoFile, RepoRef, Revision
from hubferry.pace import PacedSource
from hubferry.retry import Policy, RetryingDestination, RetryingSource, attempt

QUICK = Policy(attempts=3, first=0.001, longest=0.002)
CONTENT = bytes(range(200))
REVISION = Revision(RepoRef("hf", "org/m"), "1" * 40)


class BreakingSource:
    """Yields a few bytes a request, then breaks off."""

    def __init__(self, lengths, error=NetworkError):
        self.lengths = list(lengths)
        self.asked = []
        self.error = error

    async def read(self, revision, file, start, stop):
        self.asked.append((start, stop))
        length = self.lengths.pop(0) if self.lengths else len(CONTENT)
        yield CONTENT[start : min(stop, start + length)]
        if start + length < stop:
            raise self.error("broken off")

    async def whole(self, revision, file):
        self.asked.append("whole")
        if self.lengths and self.lengths.pop(0) < len(CONTENT):
            raise self.error("broken off")
        return CONTENT


async def test_a_small_file_is_asked_for_again_from_its_start():
    source = BreakingSource([50, 30])
    assert await RetryingSource(source, QUICK).whole(REVISION, RepoFile("f", 200)) == CONTENT
    assert source.asked == ["whole"] * 3


async def test_a_small_file_that_never_comes_is_given_up():
    source = BreakingSource([1] * 99)
    with pytest.raises(NetworkError):
        await RetryingSource(source, QUICK).whole(REVISION, RepoFile("f", 200))
    assert len(source.asked) == QUICK.attempts


async def test_a_paced_source_gives_a_small_file_at_the_rate():
    started = asyncio.get_running_loop().time()
    source = PacedSource(BreakingSource([]), 1000)
    for _number in range(3):
        assert await source.whole(REVISION, RepoFile("f", 200)) == CONTENT
    assert asyncio.get_running_loop().time() - started >= 0.3


async def read(source, start=0, stop=200):
    wrapped = RetryingSource(source, QUICK)
    return b"".join([piece async for piece in wrapped.read(REVISION, RepoFile("f", 200), start, stop)])


async def test_a_broken_connection_is_continued_where_it_broke():
    source = BreakingSource([50, 30])
    assert await read(source) == CONTENT
    assert source.asked == [(0, 200), (50, 200), (80, 200)]


async def test_progress_resets_the_patience():
    source = BreakingSource([10] * 12)
    assert await read(source) == CONTENT


async def test_a_source_that_gives_nothing_is_given_up():
    source = BreakingSource([0] * 10)
    with pytest.raises(NetworkError):
        await read(source)
    assert len(source.asked) == 3


async def test_wrong_bytes_and_refusals_are_not_asked_for_again():
    for error in (IntegrityError, AccessError):
        source = BreakingSource([50], error)
        with pytest.raises(error):
            await read(source)
        assert len(source.asked) == 1


def test_a_wait_that_the_hub_names_is_kept_up_to_a_limit():
    policy = Policy(patience=10)
    assert policy.wait(1, BusyError("busy", retry_after=7)) == 7
    assert policy.wait(1, BusyError("busy", retry_after=11)) is None


def test_waits_grow_and_stay_below_their_ceiling():
    policy = Policy(attempts=20, first=1, longest=8)
    for failures, ceiling in ((1, 1), (2, 2), (3, 4), (4, 8), (9, 8)):
        seconds = policy.wait(failures, NetworkError("lost"))
        assert ceiling / 2 <= seconds <= ceiling


async def test_each_retry_is_told():
    heard = []
    answers = [NetworkError("lost"), NetworkError("lost again"), "here"]

    async def action():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert await attempt(action, "the listing", QUICK, heard.append) == "here"
    assert [(one.what, one.reason, one.attempt) for one in heard if isinstance(one, Retrying)] == [
        ("the listing", "lost", 1),
        ("the listing", "lost again", 2),
    ]


class LosingDestination:
    def __init__(self, errors):
        self.errors = list(errors)
        self.commits = 0

    async def commit(self, ref, actions, message, parent=None):
        self.commits += 1
        if self.errors:
            raise self.errors.pop(0)
        return "c0ffee"


async def test_a_refused_commit_is_sent_again():
    destination = LosingDestination([BusyError("busy"), BusyError("busy")])
    assert await RetryingDestination(destination, QUICK).commit(REVISION.ref, [], "m") == "c0ffee"
    assert destination.commits == 3


async def test_a_commit_whose_answer_was_lost_is_never_sent_again_blindly():
    destination = LosingDestination([NetworkError("the answer was lost")])
    with pytest.raises(NetworkError):
        await RetryingDestination(destination, QUICK).commit(REVISION.ref, [], "m")
    assert destination.commits == 1


def test_how_stubborn_to_be_is_read_from_the_environment_and_nonsense_is_not():
    assert Policy.from_environment({}) == Policy()
    told = Policy.from_environment({"HUBFERRY_RETRIES": "2", "HUBFERRY_RETRY_WAIT": "0.1"})
    assert (told.attempts, told.first) == (3, 0.1)
    assert Policy.from_environment({"HUBFERRY_RETRIES": "0"}).attempts == 1
    for nonsense in ("many", "-1", "inf", "nan", ""):
        assert Policy.from_environment({"HUBFERRY_RETRIES": nonsense}) == Policy()
