"""When entries are due: cron, intervals, at the start; summer time and files that are read again."""

from __future__ import annotations

import os
import time
from datetime import datetime

import pytest
from mirrored import entry

from hubferry.sync.spec import Schedule
from hubferry.sync.timetable import Timetable, next_time

NIGHT = Schedule(cron="0 3 * * *")
HOUR = 3600.0


@pytest.fixture
def berlin(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    os.environ.pop("TZ")
    time.tzset()


def at(text: str, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(fold=fold).timestamp()


def test_a_cron_expression_is_due_at_the_next_such_time_of_this_machine(berlin):
    assert next_time(NIGHT, at("2026-11-29T02:59:59")) == at("2026-11-29T03:00:00")
    assert next_time(NIGHT, at("2026-11-29T03:00:00")) == at("2026-11-30T03:00:00")


def test_a_time_that_summer_time_leaves_out_comes_an_hour_later(berlin):
    schedule = Schedule(cron="30 2 * * *")
    assert next_time(schedule, at("2026-03-29T01:00:00")) == at("2026-03-29T03:30:00")


def test_a_time_that_is_repeated_in_autumn_comes_once(berlin):
    schedule = Schedule(cron="30 2 * * *")
    first = next_time(schedule, at("2026-10-25T00:00:00"))
    assert first == at("2026-10-25T02:30:00")
    assert next_time(schedule, first) == at("2026-10-26T02:30:00")


def test_in_the_repeated_hour_nothing_is_due_in_the_past(berlin):
    schedule = Schedule(cron="*/5 * * * *")
    now = at("2026-10-25T02:10:00", fold=1)
    assert now < next_time(schedule, now) <= now + HOUR


def test_an_interval_counts_from_the_end_of_a_run():
    one = entry("hf:a/b", "ms:a/b", schedule=Schedule(every=HOUR))
    table = Timetable([one], 1000.0)
    assert table.due(1000.0) == []
    assert table.due(1000.0 + HOUR) == [one]
    table.ran([one], 9000.0)
    assert table.next_at == 9000.0 + HOUR


def test_at_start_is_due_at_once_and_by_its_schedule_afterwards():
    one = entry("hf:a/b", "ms:a/b", schedule=Schedule(every=HOUR, at_start=True))
    table = Timetable([one], 50.0)
    assert table.due(50.0) == [one]
    table.ran([one], 60.0)
    assert table.due(61.0) == []


def test_at_start_alone_is_due_once():
    one = entry("hf:a/b", "ms:a/b", schedule=Schedule(at_start=True))
    table = Timetable([one], 50.0)
    table.ran([one], 60.0)
    assert table.due(1e12) == []


def test_an_entry_without_a_schedule_is_never_due():
    assert Timetable([entry("hf:a/b", "ms:a/b")], 0.0).next_at is None


def test_what_came_due_several_times_while_others_ran_does_so_once():
    one = entry("hf:a/b", "ms:a/b", schedule=Schedule(cron="* * * * *"))
    table = Timetable([one], 0.0)
    table.ran([one], 600.0)
    assert table.next_at == 660.0


def test_a_file_that_is_read_again_leaves_what_has_not_changed_its_time():
    kept = entry("hf:a/kept", "ms:a/b", schedule=Schedule(every=HOUR))
    moved = entry("hf:a/moved", "ms:a/c", schedule=Schedule(every=HOUR))
    before = Timetable([kept, moved], 0.0)
    changed = entry("hf:a/moved", "ms:a/c", schedule=Schedule(every=2 * HOUR))
    after = Timetable([kept, changed], 1800.0, before)
    assert {name: at for (name, _schedule), at in after.times.items()} == {
        "hf:a/kept": HOUR,
        "hf:a/moved": 1800.0 + 2 * HOUR,
    }


def test_what_runs_at_the_start_alone_is_never_due_again_and_that_is_no_time():
    """Infinity is none that a program could read: /healthz is JSON."""
    one = entry("hf:a/b", "ms:a/b", schedule=Schedule(at_start=True))
    table = Timetable([one], 50.0)
    assert (table.due(50.0), table.next_at) == ([one], 50.0)
    table.ran([one], 60.0)
    assert (table.due(1e12), table.next_at) == ([], None)
