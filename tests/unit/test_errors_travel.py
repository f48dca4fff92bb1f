"""An error is the same in another process: whatever its class takes, and all that was added to it."""

from __future__ import annotations

import copy
import pickle

import pytest

from hubferry import errors
from hubferry.errors import HubferryError
from hubferry.sync.outcome import Outcome
from hubferry.sync.spec import Entry, Job

CLASSES = sorted(
    (one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, HubferryError)),
    key=lambda one: one.__name__,
)
EXTRA = {
    "CardError": {"field": "license"},
    "BusyError": {"retry_after": 30.0},
    "PolicyError": {"retry_after": 2.0},
}


def made(kind):
    if kind is errors.PartialError:
        return kind("2 files failed", (made(errors.BusyError), made(errors.NotFoundError)), hint="again")
    error = kind("it failed", side="source", path="a/b", hint="do this", **EXTRA.get(kind.__name__, {}))
    error.doing, error.got_on, error.held = "fetching a/b", True, 12.5
    error.others = (HubferryError("another"),)
    if isinstance(error, errors.NetworkError):
        error.kind, error.doubtful = "limited", True
    return error


def as_words(error):
    state = {name: value for name, value in vars(error).items() if name not in ("others", "failures")}
    more = [as_words(one) for one in (*error.others, *getattr(error, "failures", ()))]
    return type(error), error.args, str(error), error.sentence, error.exit_code, error.retryable, state, more


@pytest.mark.parametrize("kind", CLASSES, ids=lambda one: one.__name__)
def test_an_error_arrives_whole(kind):
    error = made(kind)
    for travelled in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert as_words(travelled) == as_words(error)


def test_there_are_all_of_them():
    assert len(CLASSES) > 25


def test_what_became_of_a_job_arrives_whole():
    job = Job(Entry("a", "hf:org/a", "ms:me/a"), "hf:org/a", "ms:me/a")
    outcome = Outcome(job, "failed", 1.0, error=made(errors.PartialError))
    travelled = pickle.loads(pickle.dumps(outcome))
    assert travelled.job == job
    assert as_words(travelled.error) == as_words(outcome.error)
