"""Whatever happens to a model's directory, in any order: what the cache says about it stays true."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from acts import REF, digests_of, file_of, items_of
from disk_faults import never_waiting
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hubferry.cache import clean, listing
from hubferry.cache.manifest import JOURNAL, MANIFEST
from hubferry.cache.names import RECORDS
from hubferry.cache.store import Cache
from hubferry.cache.verify import Scope, verify
from hubferry.errors import PinnedError
from hubferry.model import Revision

PATHS = ("config.json", "a/b/vocab.txt", "a/empty.txt", "w.safetensors", "a/w.bin")
CONTENTS = (b"", b"one", b"two", b"three" * 9)
paths = st.sampled_from(PATHS)
contents = st.sampled_from(CONTENTS)


class CacheMachine(RuleBasedStateMachine):
    """One model, a process that keeps it open, and everybody else on the machine."""

    def __init__(self):
        super().__init__()
        self.top = Path(tempfile.mkdtemp())
        self.stack = ExitStack()
        self.stack.callback(shutil.rmtree, self.top)
        self.stack.enter_context(never_waiting())
        self.clock = 1_000_000_000
        self.there = {}
        self.finished = None
        self.pinned = False
        self.outside = {}

    @initialize()
    def open(self):
        self.model = Cache(self.top / "root", roots=[]).open(REF)
        self.holding = ExitStack()
        self.holding.enter_context(self.model.hold(wait=0))

    def teardown(self):
        self.holding.close()
        self.stack.close()

    def place(self, path):
        return self.model.path / path

    def stamp(self, path):
        """Give a file a time that none had before, long ago."""
        self.clock += 1
        os.utime(path, ns=(self.clock, self.clock))

    def changed(self, *changed):
        if self.finished is not None and not set(changed).isdisjoint(self.finished[1]):
            self.finished = None

    # what a run does

    @rule(path=paths, content=contents)
    def publish(self, path, content):
        partial = self.model.partial_directory / "x.part"
        partial.write_bytes(content)
        self.stamp(partial)
        self.model.publish(file_of(path, content), partial, digests_of(content))
        self.there[path] = content
        self.changed(path)

    @rule(some=st.dictionaries(paths, contents, min_size=1))
    def put_many(self, some):
        self.model.put_many(items_of(some))
        self.there |= some
        self.changed(*some)

    @rule(path=paths, content=contents, other=contents)
    def adopt(self, path, content, other):
        origin = self.top / f"outside-{len(self.outside)}"
        origin.write_bytes(other)
        self.stamp(origin)
        self.outside[origin] = other
        taken = self.model.adopt(file_of(path, content), origin)
        assert (taken is not None) == (content == other)
        if taken is not None:
            self.there[path] = content
            self.changed(path)

    @precondition(lambda self: self.there)
    @rule(data=st.data(), path=paths)
    def give_a_second_name(self, data, path):
        origin = data.draw(st.sampled_from(sorted(self.there)))
        content = self.there[origin]
        assert self.model.adopt(file_of(path, content), self.place(origin)) is not None
        self.there[path] = content
        self.changed(path)

    @rule(wanted=st.dictionaries(paths, st.tuples(contents, contents), min_size=1))
    def adopt_many(self, wanted):
        asked, right = [], {}
        for path, (content, other) in wanted.items():
            origin = self.top / f"outside-{len(self.outside)}"
            origin.write_bytes(other)
            self.stamp(origin)
            self.outside[origin] = other
            asked.append((file_of(path, content), origin))
            if content == other:
                right[path] = content
        assert self.model.adopt_many(asked).keys() == right.keys()
        self.there |= right
        self.changed(*right)

    @rule(path=paths)
    def remove_file(self, path):
        self.model.remove_file(path)
        if self.there.pop(path, None) is not None:
            self.changed(path)

    @rule(number=st.integers(1, 3))
    def finish(self, number):
        listed = {path: file_of(path, content) for path, content in self.there.items()}
        assert all(self.model.lookup(file) for file in listed.values())
        self.model.finish(Revision(REF, f"c{number}"), list(listed.values()))
        self.finished = (f"c{number}", dict(self.there)) if listed else None

    @rule(pinned=st.booleans())
    def pin(self, pinned):
        self.model.pin(pinned=pinned)
        self.pinned = pinned

    @rule()
    def touch(self):
        self.model.touch()

    # what a person, a bad disk and other programs do

    @precondition(lambda self: self.there)
    @rule(data=st.data(), content=contents, how=st.sampled_from(["in place", "replace", "old time"]))
    def tamper(self, data, content, how):
        path = data.draw(st.sampled_from(sorted(self.there)))
        before = self.place(path).stat()
        other = self.top / "tampered"
        other.write_bytes(content)
        self.stamp(other)
        if how == "in place" and before.st_nlink == 1:
            self.place(path).write_bytes(content)
            self.stamp(self.place(path))
        else:
            if how == "old time":
                os.utime(other, ns=(before.st_mtime_ns, before.st_mtime_ns))
            keep = self.top / f"old-{self.clock}"  # a used inode is not given out again
            os.link(self.place(path), keep)
            other.replace(self.place(path))
        if self.there[path] != content:
            self.changed(path)
        self.there[path] = content

    @precondition(lambda self: any(self.there.values()))
    @rule(data=st.data())
    def truncate(self, data):
        path = data.draw(st.sampled_from(sorted(path for path, content in self.there.items() if content)))
        if self.place(path).stat().st_nlink == 1:
            os.truncate(self.place(path), 1)
            self.there[path] = self.there[path][:1]
            self.stamp(self.place(path))
            self.changed(path)

    @precondition(lambda self: self.there)
    @rule(data=st.data())
    def delete(self, data):
        path = data.draw(st.sampled_from(sorted(self.there)))
        self.place(path).unlink()
        del self.there[path]
        self.changed(path)

    @precondition(lambda self: self.there)
    @rule(data=st.data(), year=st.sampled_from([1990, 2070]))
    def jump_in_time(self, data, year):
        path = data.draw(st.sampled_from(sorted(self.there)))
        os.utime(self.place(path), ((year - 1970) * 31_556_952 + len(self.there),) * 2)

    @rule()
    def die_and_come_back(self):
        """Leave what a killed process leaves, and start anew."""
        (self.model.partial_directory / "0123.tmp").write_bytes(b"half")
        (self.model.path / RECORDS / f"{MANIFEST}.beef").write_bytes(b"{")
        self.reopen()

    @rule(tail=st.sampled_from([b"{", b'{"type":"stored"', b"\0" * 40, b"\n\n"]))
    def tear_the_journal(self, tail):
        with (self.model.path / RECORDS / JOURNAL).open("ab") as journal:
            journal.write(tail)
        self.reopen()

    @rule(damage=st.sampled_from([None, b"", b"{}", b"\xff\xfe"]))
    def lose_the_manifest(self, damage):
        """Become an older cache, which had none."""
        manifest = self.model.path / RECORDS / MANIFEST
        self.holding.close()
        manifest.unlink() if damage is None else manifest.write_bytes(damage)
        self.finished = None
        self.pinned = False
        self.open()

    @rule()
    def clean(self):
        self.holding.close()
        for model in listing.list_models([self.top / "root"]).models:
            if model.pinned:
                with pytest.raises(PinnedError):
                    clean.remove(model)
                assert self.model.path.is_dir()
            clean.remove(model, pinned=model.pinned)
        assert not self.model.path.exists()
        self.there.clear()
        self.finished = None
        self.pinned = False
        self.open()

    @rule()
    def move_aside_and_back(self):
        """Rename the directory as a person may; inodes and times stay."""
        self.holding.close()
        self.model.path.rename(self.top / "aside")
        (self.top / "aside").rename(self.model.path)
        self.open()

    def reopen(self):
        self.holding.close()
        self.open()

    # what is asked

    @rule()
    def look(self):
        for path in PATHS:
            for content in CONTENTS:
                found = self.model.lookup(file_of(path, content))
                assert (found is not None) == (self.there.get(path) == content), path

    @rule()
    def verify_everything(self):
        self.holding.close()
        if self.finished is not None:
            assert verify(self.model.path, scope=Scope(full=True)).broken == ()
        self.open()

    @invariant()
    def what_is_called_known_is_there(self):
        for path in PATHS:
            for content in CONTENTS:
                if self.model.known(file_of(path, content)) is not None:
                    assert self.there[path] == content

    @invariant()
    def the_directory_holds_what_was_put_there_and_nothing_else(self):
        found = {
            path.relative_to(self.model.path).as_posix(): path.read_bytes()
            for path in self.model.path.rglob("*")
            if path.is_file() and RECORDS not in path.parts
        }
        assert found == self.there

    @invariant()
    def another_process_would_be_told_the_same(self):
        other = Cache(self.top / "root", roots=[]).find(REF)
        assert other.manifest.files == self.model.manifest.files
        assert other.complete() == self.model.complete()

    @invariant()
    def a_finished_commit_is_remembered_until_it_changes(self):
        complete = self.model.complete()
        if self.finished is not None:
            assert complete is not None
            assert (complete[0], {file.path for file in complete[1]}) == (
                self.finished[0],
                set(self.finished[1]),
            )

    @invariant()
    def what_is_called_complete_is_there_or_found_missing(self):
        for file in (self.model.complete() or ("", []))[1]:
            known = self.model.known(file)
            assert known is None or known.sha256 == digests_of(self.there[file.path]).sha256

    @invariant()
    def no_litter_is_left(self):
        names = {path.name for path in (self.model.path / RECORDS).rglob("*")}
        assert names <= {"partial", "lock", "lock.holder", JOURNAL, MANIFEST, "verified-up-to"}

    @invariant()
    def other_caches_are_as_they_were(self):
        for path, content in self.outside.items():
            assert path.read_bytes() == content

    @invariant()
    def a_pin_holds(self):
        assert self.model.manifest.pinned == self.pinned


TestCache = CacheMachine.TestCase
TestCache.settings = settings(
    max_examples=60,
    phases=[
        Phase.explicit,
        Phase.reuse,
        Phase.generate,
    ],  # shrinking would take minutes
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
