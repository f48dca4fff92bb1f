"""What is counted, what is said about it, and when."""

from __future__ import annotations

import pytest

from hubferry import units
from hubferry.cli import output, progress
from hubferry.cli.tally import Meter, Tally
from hubferry.events import (
    Committed,
    FileDone,
    FileStarted,
    Note,
    Planned,
    Progress,
    Resolved,
    Retrying,
    VolumesPlanned,
    Waiting,
)
from hubferry.i18n import set_language
from hubferry.model import Action, Limits, Plan, RepoFile, RepoRef, Revision, Step

MIB = 1024 * 1024
WAIT = Retrying("commit", "busy", 2, 4.0, "busy", 1_000_000.0)
CLOCK = units.clock(WAIT.until, WAIT.until, seconds=True)
SOURCE = Revision(RepoRef("hf", "org/model"), "1a2b3c4d5e6f7a8b")
DESTINATION = Revision(RepoRef("ms", "mine/model"), "", exists=False)


@pytest.fixture(autouse=True)
def english():
    set_language("en")
    yield
    set_language(None)


def plan_of(*steps):
    return Plan(SOURCE, DESTINATION, tuple(steps), Limits(256, 8 * MIB, 65536))


def step(path, size, action=Action.FETCH_SEND, sha256=None, **fields):
    sha256 = sha256 or f"digest of {path}"
    return Step(action, RepoFile(path, size, sha256), sha256=sha256, **fields)


def moved(tally, direction, path, size):
    tally.take(FileStarted(direction, path, size))
    tally.take(Progress(direction, path, size))
    tally.take(FileDone(direction, path, size))


def test_volumes_are_counted_by_themselves_and_not_with_the_files_that_came_before():
    tally = Tally()
    tally.take(Planned(plan_of(step("a", 10), step("b", 5))))
    for path, size in (("a", 10), ("b", 5)):
        moved(tally, "fetch", path, size)
        moved(tally, "send", path, size)
    assert tally.snapshot(0.0).files_done == 2
    tally.take(VolumesPlanned({"one.tar": 20}, 1))
    assert (tally.snapshot(0.0).files_done, tally.snapshot(0.0).files) == (0, 1)
    moved(tally, "send", "one.tar", 20)
    assert (tally.snapshot(0.0).files_done, tally.snapshot(0.0).files) == (1, 1)


def test_the_whole_is_what_the_plan_moves_each_way():
    tally = Tally()
    tally.take(
        Planned(
            plan_of(step("a", 10), step("b", 5, cached=True, action=Action.SEND), step("c", 7, Action.SAME))
        )
    )
    now = tally.snapshot(0.0)
    assert (now.files, now.fetch.total, now.send.total) == (2, 10, 15)


def test_a_blob_is_done_when_it_was_sent_and_an_inline_file_when_it_was_fetched():
    tally = Tally()
    tally.take(Planned(plan_of(step("blob", 10), step("note", 3, Action.INLINE))))
    moved(tally, "fetch", "blob", 10)
    assert tally.snapshot(0.0).files_done == 0
    moved(tally, "fetch", "note", 3)
    assert tally.snapshot(0.0).files_done == 1
    moved(tally, "send", "blob", 10)
    assert tally.snapshot(0.0).files_done == 2


def test_content_that_occurs_twice_counts_for_both_names():
    tally = Tally()
    tally.take(Planned(plan_of(step("a", 10, sha256="same"), step("b", 10, sha256="same"))))
    moved(tally, "fetch", "a", 10)
    moved(tally, "send", "b", 10)
    now = tally.snapshot(0.0)
    assert (now.files_done, now.files, now.send.total) == (2, 2, 10)


def test_bytes_of_an_earlier_run_are_part_of_their_file_and_of_nothing_that_moves_now():
    tally = Tally()
    tally.take(Planned(plan_of(step("a", 100))))
    tally.take(FileStarted("fetch", "a", 100, done=40))
    tally.take(Progress("fetch", "a", 30))
    tally.take(Progress("fetch", "a", -30))
    now = tally.snapshot(0.0)
    assert (now.fetch.done, now.fetch.rate) == (0, 0.0)
    assert [(direction, path, meter.done) for direction, path, meter in now.flight] == [("fetch", "a", 40)]


def test_a_rate_is_that_of_the_last_seconds_and_gives_the_time_left():
    meter = Meter(total=100)
    for second, done in enumerate((0, 10, 20, 30)):
        meter.done = done
        meter.sample(float(second))
    assert meter.rate == 10.0
    assert meter.seconds_left == 7.0


def test_a_direction_that_stands_still_has_no_time_left_to_name():
    meter = Meter(total=100, done=50)
    meter.sample(0.0)
    meter.sample(5.0)
    assert meter.seconds_left is None
    assert Meter(total=5, done=5).seconds_left == 0.0


def test_the_samples_do_not_grow_with_the_time():
    meter = Meter(total=10)
    for second in range(10_000):
        meter.sample(float(second))
    assert len(meter.samples) <= 12


def test_the_largest_file_in_flight_comes_first():
    tally = Tally()
    for path, size in (("small", 1), ("large", 3), ("middle", 2)):
        tally.take(FileStarted("fetch", path, size))
    assert [path for _direction, path, _meter in tally.snapshot(0.0).flight] == ["large", "middle", "small"]


def test_two_thousand_small_files_are_heard_without_a_word(capsys):
    follower = progress.Follower()
    for number in range(2000):
        path = f"part/{number}.bin"
        for event in (
            FileStarted("fetch", path, 4096), Progress("fetch", path, 4096), FileDone("fetch", path, 4096)
        ):  # fmt: skip
            follower.hear(event)
    assert capsys.readouterr() == ("", "")


def test_a_plain_line_says_files_both_directions_and_the_time_left():
    tally = Tally()
    tally.take(Planned(plan_of(step("a", 10 * MIB), step("b", 10 * MIB))))
    tally.snapshot(0.0)
    moved(tally, "fetch", "a", 10 * MIB)
    tally.take(FileStarted("send", "a", 10 * MIB))
    tally.take(Progress("send", "a", 5 * MIB))
    assert progress.line_of(tally.snapshot(5.0)) == (
        "0 of 2 files, fetched 10.0 MiB of 20.0 MiB (2.0 MiB/s), "
        "sent 5.0 MiB of 20.0 MiB (1.0 MiB/s), 15 s left"
    )


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        (Resolved("source", SOURCE), "source: hf:org/model @ 1a2b3c4d5e6f"),
        (Resolved("destination", DESTINATION), "destination: ms:mine/model (to be created)"),
        (WAIT, f"waiting until {CLOCK} (4.0 s), then retry 2: commit: busy"),
        (Waiting(SOURCE.ref, "process 7"), "waiting: another run holds hf:org/model (process 7)"),
        (Committed("0123456789abcdef", 3, 1, 2), "commit 1 of 2: 0123456789ab (3 files)"),
        (Note("so it is"), "so it is"),
        (Progress("fetch", "a", 1), None),
    ],
)
def test_each_rare_event_has_its_sentence(event, sentence):
    assert progress.sentence_of(event) == sentence


def waits(count, kind="refused", every=1.0):
    for number in range(count):
        yield Retrying(f"file {number}", "no connection", 1, 1.0, kind, 1_000_000.0 + number * every)


def test_many_files_that_wait_for_one_hub_are_few_sentences_in_a_log(capsys):
    follower = progress.Follower()
    for event in waits(61):
        follower.hear(event)
    assert len(capsys.readouterr().err.splitlines()) == 3
    for event in waits(20, "limited", 0.1):
        follower.hear(event)
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_on_a_terminal_a_wait_is_one_line_that_is_drawn_anew(monkeypatch, capsys):
    monkeypatch.setattr(output, "is_terminal", lambda: True)
    follower = progress.Follower()
    for event in waits(61):
        follower.hear(event)
    assert follower._display is not None
    follower.stop()
    assert "file 3" not in capsys.readouterr().err


def test_the_line_of_the_progress_says_what_is_waited_for_until_that_is_over():
    tally = Tally()
    tally.take(WAIT)
    assert f"waiting until {CLOCK}" in progress.line_of(tally.snapshot(0.0, WAIT.until - 1))
    assert "waiting" not in progress.line_of(tally.snapshot(0.0, WAIT.until))


def test_the_source_is_named_first_whichever_hub_answers_first(capsys):
    follower = progress.Follower()
    follower.hear(Resolved("destination", DESTINATION))
    assert capsys.readouterr().err == ""
    follower.hear(Resolved("source", SOURCE))
    follower.hear(Resolved("destination", DESTINATION))
    named = [line.partition(":")[0] for line in capsys.readouterr().err.splitlines()]
    assert named == ["source", "destination", "destination"]


def test_quiet_hears_everything_and_says_nothing(capsys):
    with progress.follow(quiet=True) as listen:
        listen(Resolved("source", SOURCE))
        listen(Planned(plan_of(step("a", 10))))
        listen(WAIT)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1024**2 - 1, "1.0 MiB"),
        (57884139315, "53.9 GiB"),
        (1024**5, "1.0 PiB"),
    ],
)
def test_sizes_are_read_in_steps_of_1024(count, text):
    assert output.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (12.4, "12 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")],
)
def test_times_are_read_in_their_own_units(seconds, text):
    assert output.duration(seconds) == text
