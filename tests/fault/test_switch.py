"""The step from one commit to the next: at any moment the directory is the one or the other, whole."""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

import forked

sys.path.insert(0, str(Path(__file__).parent))

from acts import BIG, REF, digests_of, files_of, items_of
from disk_faults import never_waiting, open_descriptors, replaced
from volatile import PowerCut, VolatileDisk

from hubferry.cache import update
from hubferry.cache.check import State, check_model
from hubferry.cache.directory import ModelDirectory
from hubferry.cache.disk import disk
from hubferry.cache.names import RECORDS
from hubferry.cache.store import Cache
from hubferry.model import Revision

OLD = {
    "config.json": b"{}",
    "a/model.safetensors": BIG,
    "a/vocab.txt": b"one",
    "gone/x": b"x",
    "swap": b"file",
}
NEW = {"config.json": b"[]", "a/model.safetensors": BIG, "b/vocab.txt": b"one", "swap/y": b"a folder"}
MINE = {"notes/mine.txt": b"mine", "a/mine.txt": b"mine as well"}
COMMITS = {"c1": OLD, "c2": NEW}


def goal(name):
    contents = COMMITS[name]
    return update.Goal(Revision(REF, name), files_of(contents), set(contents))


def bring(model, name):
    """Bring a commit in up to the moment of the switch."""
    work = update.begin(model, goal(name))
    contents = COMMITS[name]
    lacking = [file.path for file in files_of(contents) if work.lookup(file) is None]
    work.put_many(items_of({path: contents[path] for path in lacking}))
    return work


def opened(root):
    return Cache(root, roots=[]).open(REF)


def held(directory):
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and RECORDS not in path.parts
    }


def whole(root, name):
    model = opened(root)
    with model.hold(wait=0):
        update.settle(model, bring(model, name), goal(name))
    return model.path


@pytest.fixture(autouse=True)
def no_waiting():
    with never_waiting():
        yield


def prepared(root):
    """The old commit whole with a person's files beside, the new one ready to take its place."""
    directory = whole(root, "c1")
    for path, content in MINE.items():
        (directory / path).parent.mkdir(exist_ok=True)
        (directory / path).write_bytes(content)
    model = opened(root)
    with model.hold(wait=0):
        bring(model, "c2")
    assert held(directory) == OLD | MINE
    return directory


def assert_one_commit(directory):
    """Return which commit is here, whole, by the files and by the records."""
    found = held(directory)
    known = ModelDirectory(directory, REF)
    commit, files = known.complete()
    assert found == COMMITS[commit] | MINE
    assert {file.path for file in files} == set(COMMITS[commit])
    assert check_model(directory).verdict is State.WHOLE
    assert all(known.known(file) for file in files_of(COMMITS[commit]))
    return commit


def fetched_again(root):
    """Return what the next run would fetch."""
    model = opened(root)
    with model.hold(wait=0):
        work = update.begin(model, goal("c2"))
        return [file.path for file in files_of(NEW) if work.lookup(file) is None]


def assert_converges(root, directory):
    whole(root, "c2")
    assert assert_one_commit(directory) == "c2"
    names = {path.name for path in root.iterdir()}
    assert names <= {directory.name, "CACHEDIR.TAG"}
    assert {path.name for path in (directory / RECORDS).iterdir()} <= {
        "manifest.json", "journal.jsonl", "lock", "lock.holder", "partial",
    }  # fmt: skip


def switch(top, attic, cut_at, seed, *, power):
    """Let the run end at one operation of the switch; return whether it got that far."""
    root = top / "root"
    directory = prepared(root)
    model, before = opened(root), open_descriptors()
    volatile = VolatileDisk(top, attic, random.Random(seed), cut_at)
    done = False
    with suppress(PowerCut), model.hold(wait=0):
        work = bring(model, "c2")
        with volatile.installed():
            update.settle(model, work, goal("c2"))
            done = True
    if power:
        volatile.cut()
    else:
        volatile.let_go()
    assert open_descriptors() == before
    return directory, done


@pytest.mark.parametrize("power", [True, False], ids=["power cut", "kill"])
def test_whatever_ends_a_switch_leaves_one_commit_whole_and_the_next_run_ends_it(tmp_path, power):
    seen = set()
    for cut_at in range(1, 500):
        for seed in range(2 if power else 1):
            top = tmp_path / f"{cut_at}-{seed}"
            top.mkdir()
            directory, done = switch(top, tmp_path / f"{cut_at}-{seed}-attic", cut_at, seed, power=power)
            seen.add(assert_one_commit(directory))
            assert power or fetched_again(top / "root") == []
            assert_converges(top / "root", directory)
        if done:
            break
    assert done
    assert cut_at > 50
    assert seen == {"c1", "c2"}


READER = """
import json, os, sys
place, commits = sys.argv[1], eval(open(sys.argv[2]).read())
def read(folder, prefix, found):
    with os.scandir(folder) as entries:
        names = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in names:
        if prefix + name == ".hubferry":
            continue
        descriptor = os.open(name, os.O_RDONLY, dir_fd=folder)
        if is_folder:
            read(descriptor, prefix + name + "/", found)
        else:
            found[prefix + name] = os.read(descriptor, 1 << 20)
        os.close(descriptor)
seen = {}
print("reading", flush=True)
while os.path.exists(sys.argv[3]):
    top = os.open(place, os.O_RDONLY)
    found = {}
    try:
        read(top, "", found)
    except FileNotFoundError:
        found = None  # it was replaced, and its old files go
    if found is not None and os.path.samestat(os.fstat(top), os.stat(place)):
        which = [name for name, files in commits.items() if files == found]
        assert which, sorted(found)
        seen[which[0]] = seen.get(which[0], 0) + 1
    os.close(top)
print(json.dumps(seen))
"""


def test_a_reader_finds_one_commit_whole_however_often_the_directory_changes(tmp_path):
    directory = whole(tmp_path / "root", "c1")
    going = tmp_path / "going"
    going.touch()
    listed = tmp_path / "commits"
    listed.write_text(repr(COMMITS))
    line = [sys.executable, "-c", READER, str(directory), str(listed), str(going)]
    with forked.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as reader:
        assert reader.stdout.readline() == "reading\n"
        for turn in range(40):
            whole(tmp_path / "root", ("c2", "c1")[turn % 2])
        going.unlink()
        said, failed = reader.communicate(timeout=60)
    assert reader.returncode == 0, failed
    assert set(json.loads(said)) == {"c1", "c2"}


@pytest.mark.parametrize("lacks", ["exchange", "link", "neighbours"])
def test_where_nothing_can_be_exchanged_the_directory_changes_where_it_is(tmp_path, lacks):
    directory = prepared(tmp_path / "root")
    inode = directory.stat().st_ino

    def wrap(name, honest):
        def operation(*arguments, **keywords):
            beside = lacks == "neighbours" and name == "replace" and arguments[1].parent == directory.parent
            if name == lacks or beside:
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
            return honest(*arguments, **keywords)

        return operation

    with replaced(wrap):
        whole(tmp_path / "root", "c2")
    assert directory.stat().st_ino == inode
    assert assert_one_commit(directory) == "c2"
    assert_converges(tmp_path / "root", directory)


def test_a_change_in_place_that_is_killed_says_what_it_lacks_and_the_next_run_mends_it(tmp_path):
    """Without an exchange the old commit cannot stay; but nothing is ever called what it is not."""
    for cut_at in range(1, 500):
        top = tmp_path / str(cut_at)
        top.mkdir()
        honest = disk.exchange
        disk.exchange = lambda _one, _other: (_ for _ in ()).throw(OSError(errno.EINVAL, "no exchange"))
        try:
            directory, done = switch(top, tmp_path / f"{cut_at}-attic", cut_at, cut_at, power=False)
        finally:
            disk.exchange = honest
        state = check_model(directory)
        commit = ModelDirectory(directory, REF).manifest.commit
        wrong = {
            path for path, content in held(directory).items() if (COMMITS[commit] | MINE).get(path) != content
        }
        assert wrong <= set(state.stale), cut_at
        missing = set(COMMITS[commit]) - set(held(directory))
        assert missing <= set(state.to_fetch), cut_at
        if state.verdict is State.WHOLE:
            assert not wrong, cut_at
            assert not missing, cut_at
        else:
            assert state.to_fetch or state.stale, cut_at
        assert_converges(top / "root", directory)
        if done:
            break
    assert done


def test_a_model_whose_directory_is_a_link_is_exchanged_where_it_really_is(tmp_path):
    directory = prepared(tmp_path / "root")
    elsewhere = tmp_path / "elsewhere"
    directory.rename(elsewhere)
    directory.symlink_to(elsewhere)
    whole(tmp_path / "root", "c2")
    assert directory.is_symlink()
    assert held(elsewhere) == NEW | MINE


IS_HELD = """
import sys
from pathlib import Path
from hubferry.cache import locks
sys.exit(locks.is_held(Path(sys.argv[1])))
"""


def test_the_lock_stays_held_through_a_switch(tmp_path):
    directory = whole(tmp_path / "root", "c1")
    model = opened(tmp_path / "root")
    with model.hold(wait=0):
        update.settle(model, bring(model, "c2"), goal("c2"))
        assert (directory / RECORDS / "lock.holder").exists()
        line = [sys.executable, "-c", IS_HELD, str(directory / RECORDS)]
        assert forked.run(line, check=False).returncode == 1
    assert held(directory) == NEW


def test_what_was_put_there_while_the_new_commit_came_in_stays(tmp_path):
    directory = prepared(tmp_path / "root")
    model = opened(tmp_path / "root")
    with model.hold(wait=0):
        work = bring(model, "c2")
        honest = disk.exchange

        def exchange(one, other):
            (directory / "a/late.txt").write_bytes(b"late")  # after all was taken over
            honest(one, other)

        disk.exchange = exchange
        try:
            update.settle(model, work, goal("c2"))
        finally:
            del disk.exchange
    assert held(directory) == NEW | MINE | {"a/late.txt": b"late"}


def test_what_was_changed_or_copied_here_and_there_is_read_before_it_is_taken_for_a_persons(tmp_path):
    directory = whole(tmp_path / "root", "c1")
    for path in ("gone/x", "a/vocab.txt"):
        content = (directory / path).read_bytes()
        (directory / path).unlink()
        (directory / path).write_bytes(content)
    (directory / "swap").write_bytes(b"mine")
    (directory / "a/vocab.txt").write_bytes(b"changed")
    with pytest.raises(Exception, match="swap"):
        whole(tmp_path / "root", "c2")
    (directory / "swap").unlink()
    whole(tmp_path / "root", "c2")
    assert held(directory) == NEW | {"a/vocab.txt": b"changed"}
    assert digests_of(BIG).fit(files_of(NEW)[1])
