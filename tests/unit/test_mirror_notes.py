"""What a mirror writes down: whole, or as it was before, and nothing besides."""

from __future__ import annotations

import errno

import pytest

from hubferry.cache.disk import disk
from hubferry.mirror import memory
from hubferry.mirror.notes import FOLDER, Notes
from hubferry.mirror.snapshots import Snapshot
from hubferry.model import RepoRef

MOST = 1 << 20


def files(root) -> list[str]:
    folder = root / FOLDER
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_note_is_read_as_it_was_written(tmp_path):
    notes = Notes(tmp_path / "root")
    assert notes.read("a/b.json", dict[str, int], MOST) is None
    notes.write("a/b.json", b'{"one": 1}')
    notes.write("a/b.json", b'{"two": 2}', durable=True)
    assert notes.read("a/b.json", dict[str, int], MOST) == {"two": 2}
    assert files(tmp_path / "root") == ["a/b.json"]


@pytest.mark.parametrize("content", [b"[1", b'{"one": "1"}', b"\xff", b" " * (MOST + 1)])
def test_what_is_no_note_is_none(tmp_path, content):
    notes = Notes(tmp_path)
    notes.write("a.json", content)
    assert notes.read("a.json", dict[str, int], MOST) is None


async def test_a_commit_is_forgotten_with_the_last_name_that_meant_it(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_MOST_NAMES", 4)
    remembered = memory.Memory(Notes(tmp_path))
    ref = RepoRef("hf", "org/model")
    for number in range(6):
        commit = f"{number:040}"
        await remembered.keep(Snapshot("hf", "model", "org/model", commit, None, ()))
        remembered.note(ref, public=True, now=1.0, commit=commit)
    kept = {path.rpartition("/")[2].removesuffix(".json") for path in files(tmp_path)}
    named = {one.commit for one in memory.Memory(Notes(tmp_path)).known(ref).names.values()}
    assert kept == {"repository", *named}
    assert f"{5:040}" in named
    assert len(named) == 3


@pytest.mark.parametrize("step", ["pwrite_all", "fsync", "replace"])
def test_on_a_full_disk_the_note_before_stays_and_nothing_is_left_beside_it(tmp_path, monkeypatch, step):
    notes = Notes(tmp_path)
    notes.write("a.json", b'{"one": 1}')

    def full(*_words):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(disk, step, full)
    notes.write("a.json", b'{"two": 2}', durable=True)
    assert notes.read("a.json", dict[str, int], MOST) == {"one": 1}
    assert files(tmp_path) == ["a.json"]
