import asyncio

import pytest

from hubferry.errors import AccessError, BusyError, IntegrityError, NetworkError
from hubferry.events import Retrying
from hubferry.model import RepoFile, RepoRef, Revision
from hubferry.patience import Account, Policy
from hubferry.rate_limit import RateLimitedSource
from hubferry.retry import RetryingDestination, RetryingSource, attempt

POLICY = Policy(attempts=3, first=0.001)
CONTENT = bytes(range(200))
REVISION = Revision(RepoRef("hf", "org/m"), "1" * 40)


@pytest.fixture
def quick():
    return Account(POLICY)


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


async def test_a_small_file_is_asked_for_again_from_its_start(quick):
    source = BreakingSource([50, 30])
    assert await RetryingSource(source, quick).whole(REVISION, RepoFile("f", 200)) == CONTENT
    assert source.asked == ["whole"] * 3


async def test_a_small_file_that_never_comes_is_given_up(quick):
    source = BreakingSource([1] * 99)
    with pytest.raises(NetworkError):
        await RetryingSource(source, quick).whole(REVISION, RepoFile("f", 200))
    assert len(source.asked) == POLICY.attempts


async def test_a_paced_source_gives_a_small_file_at_the_rate():
    started = asyncio.get_running_loop().time()
    source = RateLimitedSource(BreakingSource([]), 1000)
    for _number in range(3):
        assert await source.whole(REVISION, RepoFile("f", 200)) == CONTENT
    assert asyncio.get_running_loop().time() - started >= 0.3


async def read(source, quick, start=0, stop=200):
    wrapped = RetryingSource(source, quick)
    return b"".join([piece async for piece in wrapped.read(REVISION, RepoFile("f", 200), start, stop)])


async def test_a_broken_connection_is_continued_where_it_broke(quick):
    source = BreakingSource([50, 30])
    assert await read(source, quick) == CONTENT
    assert source.asked == [(0, 200), (50, 200), (80, 200)]


async def test_progress_resets_the_patience(quick):
    source = BreakingSource([10] * 12)
    assert await read(source, quick) == CONTENT


async def test_a_source_that_gives_nothing_is_given_up(quick):
    source = BreakingSource([0] * 10)
    with pytest.raises(NetworkError):
        await read(source, quick)
    assert len(source.asked) == 3


async def test_wrong_bytes_and_refusals_are_not_asked_for_again(quick):
    for error in (IntegrityError, AccessError):
        source = BreakingSource([50], error)
        with pytest.raises(error):
            await read(source, quick)
        assert len(source.asked) == 1


async def test_each_retry_is_told(quick):
    heard = []
    answers = [NetworkError("lost"), NetworkError("lost again"), "here"]

    async def action():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert await attempt(action, "the listing", quick, heard.append) == "here"
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


async def test_a_refused_commit_is_sent_again(quick):
    destination = LosingDestination([BusyError("busy"), BusyError("busy")])
    assert await RetryingDestination(destination, quick).commit(REVISION.ref, [], "m") == "c0ffee"
    assert destination.commits == 3


async def test_a_commit_whose_answer_was_lost_is_never_sent_again_blindly(quick):
    destination = LosingDestination([NetworkError("the answer was lost")])
    with pytest.raises(NetworkError):
        await RetryingDestination(destination, quick).commit(REVISION.ref, [], "m")
    assert destination.commits == 1
