"""Whatever happens upstream, whatever is run or killed: a directory is one commit, or says what it lacks."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

sys.path.insert(0, str(Path(__file__).parents[1] / "hub"))
sys.path.insert(0, str(Path(__file__).parent))

from disk_faults import OPERATIONS, Faults, never_waiting
from servers import running_hub, sdk_environment

from hubferry import api
from hubferry.cache import manifest
from hubferry.cache.check import State, check_model
from hubferry.cache.disk import disk
from hubferry.cache.names import RECORDS
from hubferry.cache.store import Cache
from hubferry.errors import HubferryError
from hubferry.model import RepoRef
from hubferry.options import Access, Options
from hubferry.planning import select
from hubferry.serve.records import Delete, Put

PATHS = ("config.json", "a/vocab.txt", "a/b/c.json", "w.safetensors", "w-1.safetensors", "x")
CONTENTS = (b"", b"one", b"two", b"three" * 9, b"weights" * 90)
MINE = ("mine.txt", "a/mine.txt", "own/deep/mine.txt")
PATTERNS = ("*.json", "a/*", "*.safetensors", "*")
SETTLED = (State.WHOLE, State.PART)
HUBS = ExitStack()
"""Two hubs for all examples, each of which has repositories of its own there."""
SERVED = []

turns = st.none() | st.integers(1, 160)


def hubs():
    if not SERVED:
        top = Path(tempfile.mkdtemp())
        HUBS.callback(shutil.rmtree, top, ignore_errors=True)
        SERVED.extend(HUBS.enter_context(running_hub(top / name)) for name in ("source", "destination"))
    return SERVED


@pytest.fixture(scope="module", autouse=True)
def world(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in sdk_environment(home).items():
            patch.setenv(name, value)
        for name in ("HUBFERRY_CACHE", "HUBFERRY_LOCK", "HF_HUB_OFFLINE"):
            patch.delenv(name, raising=False)
        yield
    HUBS.close()
    SERVED.clear()


class Upstream(RuleBasedStateMachine):
    """One repository that changes, one cache, one destination, a person, and a power switch."""

    count = 0

    @initialize(files=st.dictionaries(st.sampled_from(PATHS), st.sampled_from(CONTENTS), min_size=1))
    def begin(self, files):
        self.stack = ExitStack()
        self.top = Path(tempfile.mkdtemp())
        self.stack.callback(shutil.rmtree, self.top)
        self.stack.enter_context(never_waiting())
        self.source, self.destination = hubs()
        Upstream.count += 1
        self.name = f"org/m{Upstream.count}"
        self.ref = RepoRef("hf", self.name)
        self.source.store.add(self.name, files)
        self.repository = self.source.store.find(self.name)
        self.tags = {}
        self.mine = {}
        self.commits = {}
        self.note()

    def teardown(self):
        self.stack.close()

    # upstream

    def note(self):
        """Remember what the head lists."""
        self.head = self.repository.resolve(None)
        files = self.repository.tree(self.head).files
        self.commits[self.head] = {path: file.sha256 for path, file in files.items()}

    def commit(self, *gone, **new):
        puts = [
            Put(path, self.source.store.blobs.put(content), lfs=path.endswith("tensors"))
            for path, content in new.items()
        ]
        self.repository.commit("main", [*map(Delete, gone), *puts], title="change")
        self.note()

    def listed(self):
        return sorted(self.commits[self.head])

    @rule(path=st.sampled_from(PATHS), content=st.sampled_from(CONTENTS))
    def add_or_change(self, path, content):
        self.commit(**{path: content})

    @rule(data=st.data(), to=st.sampled_from(PATHS))
    def rename(self, data, to):
        path = data.draw(st.sampled_from(self.listed()))
        if path != to:
            content = self.source.store.blobs.read(self.commits[self.head][path])
            self.commit(path, **{to: content})

    @rule(data=st.data())
    def delete(self, data):
        if len(self.listed()) > 1:
            self.commit(data.draw(st.sampled_from(self.listed())))

    @rule(content=st.sampled_from(CONTENTS))
    def shard(self, content):
        """Let shards take the place of what weights there are."""
        old = [path for path in self.listed() if path.endswith(".safetensors")]
        self.commit(*old, **{f"s-{number}.safetensors": content + b"%d" % number for number in (1, 2)})

    @rule(tag=st.sampled_from(["v1", "v2"]))
    def tag(self, tag):
        if tag in self.tags:
            self.repository.remove_tag(tag)
        self.repository.add_tag(tag, self.head)
        self.tags[tag] = self.head

    # here

    def options(self, **more):
        access = [Access(hub.token, hub.url) for hub in (self.source, self.destination)]
        return Options(
            allow=frozenset({"empty"}),
            source=access[0],
            destination=access[1],
            cache_root=self.top / "cache",
            **more,
        )

    def directory(self, revision=None):
        found = Cache(self.top / "cache", roots=[]).find(RepoRef("hf", self.name, revision))
        return None if found is None else found.path

    def attempt(self, turn, work, revision=None):
        """Run it, to its end or until the disk works no more; return whether it got to its end."""
        before = self.settled_as(revision)
        faults = Faults(turn or 0, errno.EIO, after=OPERATIONS)
        with faults.installed():
            try:
                work()
            except HubferryError:
                assert faults.struck
        if faults.struck and before is not None and before != self.goal(revision):
            assert self.settled_as(revision) in (before, self.goal(revision))
        return not faults.struck

    def goal(self, revision):
        return self.tags.get(revision, self.head)

    def settled_as(self, revision):
        """Return the commit that the directory holds as it was asked to, None where it does not."""
        directory = self.directory(revision)
        if directory is None or check_model(directory).verdict not in SETTLED:
            return None
        return manifest.load(directory / RECORDS).commit

    @rule(turn=turns)
    def fetch(self, turn):
        if self.attempt(turn, lambda: api.fetch(str(self.ref), self.options())):
            self.assert_holds(self.head, self.listed(), State.WHOLE)

    @rule(data=st.data(), turn=turns)
    def fetch_tag(self, data, turn):
        if self.tags:
            tag = data.draw(st.sampled_from(sorted(self.tags)))
            if self.attempt(turn, lambda: api.fetch(f"{self.ref}@{tag}", self.options()), tag):
                commit = self.tags[tag]
                self.assert_holds(commit, sorted(self.commits[commit]), State.WHOLE, tag)

    @rule(pattern=st.sampled_from(PATTERNS), turn=turns)
    def fetch_part(self, pattern, turn):
        files = self.repository.tree(self.head).files
        wanted = [file.path for file in select(_files(files), [pattern], [])]
        if wanted and self.attempt(turn, lambda: api.fetch(str(self.ref), self.options(include=(pattern,)))):
            self.assert_holds(self.head, wanted)

    @rule(turn=turns)
    def copy(self, turn):
        self.attempt(turn, lambda: api.copy(str(self.ref), f"ms:mine/{self.name[4:]}", self.options()))

    @rule(path=st.sampled_from(MINE))
    def put_something_there(self, path):
        directory = self.directory()
        if directory is not None and path not in self.mine:
            place = directory / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.encode())
            self.mine[path] = path.encode()

    # what is promised

    def assert_holds(self, commit, paths, *verdicts_and_revision):
        verdicts = [one for one in verdicts_and_revision if isinstance(one, State)] or SETTLED
        revision = next(
            (one for one in verdicts_and_revision if isinstance(one, str) and one in self.tags), None
        )
        directory = self.directory(revision)
        assert manifest.load(directory / RECORDS).commit == commit
        assert check_model(directory).verdict in verdicts
        held = self.held(directory)
        assert {path: held[path] for path in paths} == {path: self.commits[commit][path] for path in paths}

    def held(self, directory):
        """Return what is there besides a person's files: path to sha256."""
        return {
            path: hashlib.sha256((directory / path).read_bytes()).hexdigest()
            for path in _below(directory)
            if path not in self.mine
        }

    @invariant()
    def every_directory_is_one_commit_or_says_what_it_lacks(self):
        root = self.top / "cache"
        for directory in sorted(root.glob("org*")) if root.is_dir() else []:
            known = manifest.load(directory / RECORDS)
            state, held = check_model(directory), self.held(directory)
            if known is None or known.commit is None:
                assert state.verdict not in SETTLED
                continue
            listing = self.commits[known.commit]
            wrong = {path for path, digest in held.items() if listing.get(path) != digest}
            wanted = {path for path, entry in known.files.items() if entry.listed and entry.wanted}
            missing = wanted - held.keys()
            if state.verdict is State.WHOLE:
                assert held == listing
            elif state.verdict is State.PART:
                assert (wrong, missing) == (set(), set())
                assert wanted < listing.keys()
            else:
                assert wrong <= set(state.stale)
                assert missing <= set(state.to_fetch)
                assert state.to_fetch or state.stale

    @invariant()
    def what_a_person_put_there_stays(self):
        for path, content in self.mine.items():
            assert (self.directory() / path).read_bytes() == content

    @invariant()
    def no_name_is_left_open(self):
        """A crash test that leaks descriptors would end by itself."""
        with contextlib.suppress(OSError):
            assert len(os.listdir("/proc/self/fd")) < 400  # noqa: PTH208


def _files(files):
    from hubferry.model import RepoFile

    return [RepoFile(path, file.size, file.sha256) for path, file in files.items()]


def _below(directory):
    return [
        path.relative_to(directory).as_posix()
        for path in directory.rglob("*")
        if path.is_file() and RECORDS not in path.relative_to(directory).parts
    ]


def test_the_disk_is_whole_again():
    """Faults replace the one instance of the disk, and put it back."""
    assert not vars(disk)


TestUpstream = Upstream.TestCase
TestUpstream.settings = settings(
    max_examples=25,
    phases=[Phase.explicit, Phase.generate],
    stateful_step_count=14,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
