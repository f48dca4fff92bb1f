"""Every question to a hub fails in every way: once, and all goes on; for good, and it says so."""

from __future__ import annotations

import pytest
from faults import answer, lose_answer, refuse, spoil, stall, stall_after

PAGE = b"<html><body>Please log in to the hotel's network</body></html>"
PHASES = {
    "resolve": ("source", "hf:info", ""),
    "list": ("source", "hf:tree", ""),
    "look": ("destination", "ms:files", ""),
    "create": ("destination", "ms:create", ""),
    "ask": ("destination", "ms:batch", ""),
    "commit": ("destination", "ms:commit", ""),
    "check": ("destination", "ms:files", "ms:commit"),
}
PASSING = {
    "reset": refuse,
    "reset-in-the-answer": spoil(lambda _r, s, h, body: (s, h, body[: len(body) // 2]), reset=True),
    "early-end": spoil(lambda _r, s, h, body: (s, h, body[: len(body) // 2])),
    "stall": stall,
    "stall-in-the-answer": stall_after(9),
    "answer-lost": lose_answer,
    "too-long-a-length": spoil(lambda _r, s, h, body: (s, h | {"Content-Length": str(len(body) + 9)}, body)),
    "too-short-a-length": spoil(
        lambda _r, s, h, body: (s, h | {"Content-Length": str(len(body) // 2)}, body)
    ),
    "429": answer(429, {"error": "slow down"}),
    "429-names-the-time": answer(429, {"error": "slow down"}, Retry_After="0.02"),
    "503": answer(503, b"overloaded"),
    "503-names-the-time": answer(503, b"overloaded", Retry_After="0"),
    "500": answer(500, b"oops"),
    "502": answer(502, PAGE, Content_Type="text/html"),
    "504": answer(504, b""),
    "html": answer(200, PAGE, Content_Type="text/html"),
    "empty": answer(200, b""),
    "half-json": answer(200, b'{"Code": 200, "Data": {"Files": [{"Path"', Content_Type="application/json"),
    "null": answer(200, b"null", Content_Type="application/json"),
    "denied-in-its-envelope": answer(200, {"Code": 500, "Success": False, "Message": "busy", "Data": None}),
}
QUESTIONS = [(phase, fault) for phase in PHASES for fault in PASSING]
FOR_GOOD = ("reset", "stall", "429", "500", "html", "half-json")


def plan(world, phase, act, **details):
    side, route, after = PHASES[phase]
    faults = world.source_faults if side == "source" else world.destination_faults
    return faults.plan(act, route, after=after, **details)


@pytest.mark.parametrize(("phase", "fault"), QUESTIONS)
def test_a_question_that_fails_once_is_asked_again(world, phase, fault):
    struck = plan(world, phase, PASSING[fault])
    outcome = world.attempt()
    assert struck.struck == 1
    assert outcome.code == 0, outcome.said
    assert world.published() == world.expected
    assert world.commits() == 1
    world.assert_true()


@pytest.mark.parametrize(("phase", "fault"), [(phase, fault) for phase in PHASES for fault in FOR_GOOD])
def test_a_question_that_fails_for_good_ends_the_run_and_the_next_one_converges(world, phase, fault):
    struck = plan(world, phase, PASSING[fault], times=None)
    outcome = world.attempt()
    assert struck.struck > 1
    assert outcome.code == 5, outcome.said
    assert outcome.error.side == PHASES[phase][0]
    world.assert_true()
    world.converge()
    assert world.commits() == 1


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_ends_the_run_at_once_with_a_hint(world, phase, status):
    struck = plan(world, phase, answer(status, {"error": "Invalid credentials"}), times=None)
    outcome = world.attempt()
    assert outcome.code in ({4, 5} if phase == "check" else {4}), outcome.said
    assert outcome.error.side == PHASES[phase][0]
    assert struck.struck <= 2 or phase == "check"
    if outcome.code == 4:
        assert "TOKEN" in outcome.error.hint
    world.assert_true()
    world.converge()


@pytest.mark.parametrize("phase", [phase for phase in PHASES if phase != "list"])
def test_a_repository_that_vanishes_is_named(world, phase):
    plan(world, phase, answer(404, {"error": "Repository not found"}), times=None)
    outcome = world.attempt()
    assert outcome.code != 0, outcome.said
    if phase == "resolve":
        assert outcome.code == 3
        assert "org/model" in outcome.error.message
    world.assert_true()
    world.converge()


@pytest.mark.parametrize("status", [301, 308])
@pytest.mark.parametrize("phase", ["create", "ask", "commit"])
def test_a_hub_that_sends_changes_on_to_another_host_is_left_with_a_hint(world, phase, status):
    plan(world, phase, answer(status, b"", Location="https://other.example/api"), times=None)
    outcome = world.attempt()
    assert outcome.code == 1, outcome.said
    assert "https://other.example" in outcome.error.hint
    world.assert_true()
    world.converge()


@pytest.mark.parametrize("phase", ["resolve", "list", "look", "check"])
def test_redirects_in_a_circle_end(world, phase):
    plan(
        world,
        phase,
        lambda request, handler: answer(302, b"", Location=request.path_qs)(request, handler),
        times=None,
    )
    outcome = world.attempt()
    assert outcome.code == 5, outcome.said
    world.assert_true()
    world.converge()
