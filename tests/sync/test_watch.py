"""`watch` by a clock that the test turns: what is due runs, files are read again, stopping loses nothing."""

from __future__ import annotations

import asyncio

import pytest
from mirrored import entry

from hubferry.errors import LockedError, NetworkError, UsageError
from hubferry.events import Note
from hubferry.patience import Clock
from hubferry.sync.events import Happened
from hubferry.sync.outcome import Summary
from hubferry.sync.spec import Schedule, SyncFile
from hubferry.sync.watch import Watch

HOUR = 3600.0


class Hours:
    """A clock whose sleep takes no time; at `until` it stops the watch."""

    def __init__(self, until: float) -> None:
        self.now = 0.0
        self.until = until
        self.watch: Watch | None = None

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.now += seconds
        if self.now >= self.until and self.watch is not None:
            self.watch.stop()

    @property
    def clock(self) -> Clock:
        return Clock(now=lambda: self.now, sleep=self.sleep, wall=lambda: self.now)


class Person:
    """Somebody who has a file, and sees what is run."""

    def __init__(self, tmp_path, hours: Hours, *entries) -> None:
        self.hours = hours
        self.file = SyncFile(tmp_path / "mirrors.yaml", entries)
        self.wrong: UsageError | None = None
        self.ran: list[tuple[float, list[str]]] = []
        self.heard: list[str] = []
        self.fails: list[Exception] = []
        self.watch = Watch(self.read, self.work, self.hear, hours.clock)
        hours.watch = self.watch

    def read(self) -> SyncFile:
        if self.wrong:
            raise self.wrong
        return self.file

    def hear(self, told) -> None:
        if isinstance(told, Happened) and isinstance(told.event, Note):
            self.heard.append(told.event.message)

    async def work(self, _file, entries) -> Summary:
        self.ran.append((self.hours.now, [one.name for one in entries]))
        await asyncio.sleep(0)
        if self.fails:
            raise self.fails.pop(0)
        return Summary(self.hours.now, 0.0, ())


def test_an_entry_is_run_each_time_that_it_is_due(tmp_path):
    person = Person(
        tmp_path, Hours(3.5 * HOUR), entry("hf:a/b", "ms:a/b", name="one", schedule=Schedule(every=HOUR))
    )
    asyncio.run(person.watch.run())
    assert person.ran == [(HOUR, ["one"]), (2 * HOUR, ["one"]), (3 * HOUR, ["one"])]


def test_entries_that_are_due_together_are_one_run(tmp_path):
    every = Schedule(every=HOUR)
    person = Person(
        tmp_path,
        Hours(1.5 * HOUR),
        entry("hf:a/b", "ms:a/b", name="one", schedule=every),
        entry("hf:a/c", "ms:a/c", name="two", schedule=every),
    )
    asyncio.run(person.watch.run())
    assert person.ran == [(HOUR, ["one", "two"])]


def test_a_run_that_fails_as_a_whole_is_said_and_the_next_one_comes(tmp_path):
    person = Person(
        tmp_path, Hours(2.5 * HOUR), entry("hf:a/b", "ms:a/b", name="one", schedule=Schedule(every=HOUR))
    )
    person.fails = [NetworkError("nobody answers")]
    asyncio.run(person.watch.run())
    assert [when for when, _names in person.ran] == [HOUR, 2 * HOUR]
    assert person.heard == ["nobody answers"]


def test_a_file_that_another_run_has_is_tried_again_in_a_minute(tmp_path):
    person = Person(
        tmp_path, Hours(1.5 * HOUR), entry("hf:a/b", "ms:a/b", name="one", schedule=Schedule(every=HOUR))
    )
    person.fails = [LockedError("another run has it")]
    asyncio.run(person.watch.run())
    assert [when for when, _names in person.ran] == [HOUR, HOUR + 60]


def test_a_file_is_read_again_when_asked_and_its_new_schedule_holds(tmp_path):
    hours = Hours(4 * HOUR)
    person = Person(tmp_path, hours, entry("hf:a/b", "ms:a/b", name="one", schedule=Schedule(every=HOUR)))

    async def work(file, entries) -> Summary:
        person.ran.append((hours.now, [one.name for one in entries]))
        later = entry("hf:a/b", "ms:a/b", name="later", schedule=Schedule(every=2 * HOUR))
        person.file = SyncFile(file.path, (later,))
        person.watch.reload()
        return Summary(hours.now, 0.0, ())

    person.watch.work = work
    asyncio.run(person.watch.run())
    assert person.ran == [(HOUR, ["one"]), (3 * HOUR, ["later"])]


def test_a_file_with_a_mistake_is_not_taken_and_the_one_before_is_heeded(tmp_path):
    hours = Hours(3.5 * HOUR)
    person = Person(tmp_path, hours, entry("hf:a/b", "ms:a/b", name="one", schedule=Schedule(every=HOUR)))
    plain = person.work

    async def work(file, entries) -> Summary:
        person.wrong = UsageError("mirrors.yaml:3:5: there is no key sorce")
        person.watch.reload()
        return await plain(file, entries)

    person.watch.work = work
    asyncio.run(person.watch.run())
    assert [when for when, _names in person.ran] == [HOUR, 2 * HOUR, 3 * HOUR]
    assert "mirrors.yaml:3:5" in person.heard[0]
    assert person.watch.standing.mistake is not None


def test_a_file_that_is_wrong_at_the_beginning_is_an_error(tmp_path):
    person = Person(tmp_path, Hours(HOUR))
    person.wrong = UsageError("wrong")
    with pytest.raises(UsageError):
        asyncio.run(person.watch.run())


def test_stopping_breaks_off_what_runs_and_waits_for_its_end(tmp_path):
    person = Person(tmp_path, Hours(9 * HOUR), entry("hf:a/b", "ms:a/b", schedule=Schedule(every=HOUR)))
    ended = []

    async def work(_file, _entries) -> Summary:
        asyncio.get_running_loop().call_soon(person.watch.stop)
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            ended.append("in good order")
        raise AssertionError

    person.watch.work = work
    asyncio.run(person.watch.run())
    assert ended == ["in good order"]
    assert not person.watch.standing.running


def test_a_clock_that_is_set_forward_is_noticed_within_half_a_minute(tmp_path):
    hours = Hours(100 * HOUR)
    person = Person(tmp_path, hours, entry("hf:a/b", "ms:a/b", schedule=Schedule(every=50 * HOUR)))
    slept = []
    plain = hours.sleep

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            hours.now += 60 * HOUR  # the machine was asleep
        await plain(seconds)

    person.watch.clock = Clock(now=lambda: hours.now, sleep=sleep, wall=lambda: hours.now)
    asyncio.run(person.watch.run())
    assert max(slept) <= 30.0
    assert person.ran[0][0] == 60 * HOUR + 90.0
