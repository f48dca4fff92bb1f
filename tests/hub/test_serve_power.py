"""The power goes while the hub's store is written: what was answered is there, and all that is named."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from hubferry.serve import Put, Store
from hubferry.serve.refusal import Refusal

SEEDS = 12
LARGE = random.Random("serve power 1").randbytes(40_000)
FIRST = {"README.md": b"one", "w.safetensors": LARGE}
SECOND = {"README.md": b"two", "w.safetensors": LARGE[::-1], **{f"f{n}": b"%d" % n for n in range(12)}}


class PowerCut(BaseException):
    """Nothing works any more."""


class ForgetfulDisk:
    """A folder of which a power cut leaves what was synced, and of all else a random part.

    The n-th sync, rename or removal is the first that does not happen. What a file or folder held is kept
    when it is synced; a descriptor is kept of each, so that no other gets its inode.
    """

    def __init__(self, top: Path, chance: random.Random, cut_at: int) -> None:
        self.top, self.chance, self.cut_at = top, chance, cut_at
        self.reached = 0
        self.contents: dict[int, bytes] = {}
        self.names: dict[int, dict[str, int]] = {}
        self._kept: list[int] = []
        self._one_at_a_time = threading.Lock()
        self._replace, self._unlink = os.replace, os.unlink
        for folder, _folders, files in os.walk(top):
            for path in (Path(folder), *(Path(folder, name) for name in files)):
                self._note(os.open(path, os.O_RDONLY))

    def install(self, monkeypatch) -> None:
        monkeypatch.setattr(os, "fsync", self._sync)
        monkeypatch.setattr(os, "replace", self._rename)
        monkeypatch.setattr(os, "unlink", self._remove)
        monkeypatch.setattr(Path, "replace", self._renamed_by_path())

    def _renamed_by_path(self):
        def replace(path, target):  # a function, so that it becomes a method of the path
            return self._rename(path, target)

        return replace

    def _step(self) -> None:
        self.reached += 1
        if self.reached >= self.cut_at:
            raise PowerCut

    def _sync(self, descriptor: int) -> None:
        with self._one_at_a_time:
            self._step()
            self._note(os.dup(descriptor))

    def _rename(self, origin, target) -> None:
        with self._one_at_a_time:
            self._step()
            self._replace(origin, target)

    def _remove(self, *arguments, **keywords) -> None:
        with self._one_at_a_time:
            self._step()
            self._unlink(*arguments, **keywords)

    def _note(self, descriptor: int) -> None:
        self._kept.append(descriptor)
        path, inode = Path(f"/proc/self/fd/{descriptor}"), os.fstat(descriptor).st_ino
        if path.is_dir():
            self.names[inode] = {entry.name: entry.stat().st_ino for entry in path.iterdir()}
        else:
            self.contents[inode] = path.read_bytes()

    def cut(self, place: Path, survival: float | None = None) -> None:
        """Make at `place` what is left; some names or contents that were not synced may be."""
        survival = self.chance.choice((0.0, 0.5, 1.0)) if survival is None else survival
        self.survival = survival
        self.by_inode = {path.stat().st_ino: path for path in (self.top, *self.top.rglob("*"))}
        for descriptor in self._kept:
            inode = os.fstat(descriptor).st_ino
            self.by_inode.setdefault(inode, Path(f"/proc/self/fd/{descriptor}"))
        self._restore(self.top.stat().st_ino, place)
        for descriptor in self._kept:
            os.close(descriptor)

    def _restore(self, inode: int, place: Path) -> None:
        origin = self.by_inode.get(inode)
        if origin is None or not (origin.is_dir() or origin.exists()):
            return
        if not origin.is_dir():
            place.write_bytes(self._content(inode, origin))
            return
        place.mkdir()
        durable = self.names.get(inode, {})
        now = {entry.name: entry.stat().st_ino for entry in origin.iterdir()}
        for name in sorted({*durable, *now}):
            found = now.get(name) if self.chance.random() < self.survival else durable.get(name)
            if found is not None:
                self._restore(found, place / name)

    def _content(self, inode: int, origin: Path) -> bytes:
        now = origin.read_bytes()
        whole = self.contents.get(inode)
        if whole is None:
            whole = self.chance.choice((b"", bytes(len(now))))  # no bytes, or a length without its bytes
        return whole


def proposed(store: Store, files: dict[str, bytes]) -> list[Put]:
    """Bring in contents as clients do: small ones in the commit, large ones before it."""
    changes = []
    for path, content in files.items():
        if len(content) > 1_000:
            incoming = store.blobs.receive()
            incoming.write(content)
            changes.append(Put(path, incoming.publish(), lfs=True))
        else:
            changes.append(Put(path, store.blobs.put(content), lfs=False))
    return changes


def served(store: Store, name: str) -> dict[str, bytes] | None:
    """Return what a client gets, with every byte held against its name."""
    try:
        repository = store.find(name)
    except Refusal:
        return None
    files = {}
    for path, file in repository.tree(repository.resolve(None)).files.items():
        content = store.blobs.read(file.sha256)
        assert hashlib.sha256(content).hexdigest() == file.sha256, path
        files[path] = content
    return files


def assert_stored_is_whole(store: Store) -> None:
    """What the hub says that it has is not sent to it again."""
    for path in (store.root / "blobs").glob("??/*"):
        if store.blobs.size(path.name) is not None:
            assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name


def act(store: Store, done: list[str]) -> None:
    """Commit, commit again, make a second repository of what is there, and remove the first."""
    store.create("org/model")
    done.append("made")
    store.find("org/model").commit("main", proposed(store, FIRST), title="first")
    done.append("first")
    store.find("org/model").commit("main", proposed(store, SECOND), title="second")
    done.append("second")
    store.create("org/other").commit("main", proposed(store, FIRST), title="again")
    done.append("other")
    store.delete("org/model")
    done.append("deleted")


STEPS = ["made", "first", "second", "other", "deleted"]
STATES = {
    "": [None],
    "made": [{}],
    "first": [FIRST],
    "second": [SECOND],
    "other": [SECOND],
    "deleted": [None],
}


def steps_of(tmp_path: Path, monkeypatch) -> int:
    with monkeypatch.context() as patch:
        disk = ForgetfulDisk(fresh(tmp_path / "counted"), random.Random(0), 10**9)
        disk.install(patch)
        act(Store(disk.top / "hub"), [])
    disk.cut(tmp_path / "all")
    return disk.reached


def fresh(folder: Path) -> Path:
    folder.mkdir()
    return folder


pytestmark = pytest.mark.skipif(
    not Path("/proc/self/fd").is_dir(), reason="follows descriptors through /proc"
)


def test_after_a_power_cut_the_hub_serves_what_it_answered_for_and_only_whole_files(tmp_path, monkeypatch):
    steps = steps_of(tmp_path, monkeypatch)
    assert steps > 40
    for seed in range(SEEDS):
        chance = random.Random(f"serve power {seed}")
        home = fresh(tmp_path / str(seed))
        done: list[str] = [""]
        with monkeypatch.context() as patch:
            disk = ForgetfulDisk(fresh(home / "before"), chance, cut_at := steps + 1 - seed * steps // SEEDS)
            disk.install(patch)
            with suppress(PowerCut):
                act(Store(disk.top / "hub"), done)
        disk.cut(home / "after")
        with (store := Store(home / "after" / "hub")).hold():
            begun = STEPS[len(done) - 1] if len(done) <= len(STEPS) else done[-1]
            assert served(store, "org/model") in STATES[done[-1]] + STATES[begun], (seed, cut_at, done)
            assert_stored_is_whole(store)
            if "other" in done:
                assert served(store, "org/other") == FIRST
        shutil.rmtree(home)


def test_what_a_killed_hub_left_unsynced_is_synced_before_its_successor_names_it(tmp_path, monkeypatch):
    steps = steps_of(tmp_path, monkeypatch)
    for seed in range(SEEDS):
        home = fresh(tmp_path / str(seed))
        with monkeypatch.context() as patch:
            disk = ForgetfulDisk(fresh(home / "before"), random.Random(seed), 1 + (seed * steps) // SEEDS)
            disk.install(patch)
            with suppress(PowerCut):  # here only the process ends: what it wrote can all be read
                act(Store(disk.top / "hub"), [])
            disk.cut_at = 10**9
            with (store := Store(disk.top / "hub")).hold():
                before = served(store, "org/other")
                with suppress(Refusal):
                    store.create("org/model")
                store.find("org/model").commit("main", proposed(store, SECOND), title="once more")
        disk.cut(home / "after", survival=0.0)
        store = Store(home / "after" / "hub")
        left = served(store, "org/model")
        assert left is not None
        assert left.items() >= SECOND.items(), seed
        assert served(store, "org/other") == before, seed
        shutil.rmtree(home)
