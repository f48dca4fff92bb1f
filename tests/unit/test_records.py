"""Notes of ours and of other tools are read to the end or not at all, whatever stands in their place."""

import os
import socket

import pytest

from hubferry import records
from hubferry.cache.adopt import folder_metadata
from hubferry.cache.check import snapshot_of
from hubferry.readings.records import Records


def listening(path):
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(path.name)  # the address of a socket is short, and each test is in its folder


ALIENS = {
    "pipe": os.mkfifo,
    "socket": listening,
    "link to a file": lambda path: (
        path.with_name("real").write_bytes(b"a\nb\nc"),
        path.symlink_to("real"),
    ),
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "directory": os.mkdir,
}


def test_a_file_of_the_largest_size_is_read_and_a_larger_one_is_not(tmp_path):
    path = tmp_path / "note"
    assert records.read(path, 10) is None
    assert records.read(path / "below", 10) is None
    for content, found in ((b"", b""), (b"x" * 10, b"x" * 10), (b"x" * 11, None)):
        path.write_bytes(content)
        assert records.read(path, 10) == found
        assert records.read(path / "below", 10) is None


@pytest.mark.parametrize("kind", ALIENS)
def test_what_is_no_regular_file_is_no_note(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    ALIENS[kind](tmp_path / "note")
    assert records.read(tmp_path / "note", 1 << 20) is None


@pytest.mark.parametrize("kind", ["pipe", "link to a device", "link to itself"])
def test_what_takes_the_place_of_a_note_at_that_moment_is_not_read(tmp_path, monkeypatch, kind):
    path = tmp_path / "note"
    path.write_bytes(b"x")
    honest = os.open

    def late(where, *arguments, **keywords):
        path.unlink()
        ALIENS[kind](path)
        return honest(where, *arguments, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", late)
        assert records.read(path, 1 << 20) is None


@pytest.mark.parametrize("kind", ALIENS)
def test_a_note_of_another_tool_that_is_none_is_left_out(tmp_path, monkeypatch, kind):
    notes = tmp_path / ".cache/huggingface/download"
    notes.mkdir(parents=True)
    monkeypatch.chdir(notes)
    ALIENS[kind](notes / "note")
    (notes / "note").rename(notes / "config.json.metadata")
    (notes / "README.md.metadata").write_text("c1\n" + "a" * 40 + "\n1\n")
    assert set(folder_metadata(tmp_path)) == {"README.md"}


@pytest.mark.parametrize("kind", ALIENS)
def test_a_branch_of_another_tools_cache_that_is_no_file_names_no_commit(tmp_path, monkeypatch, kind):
    (tmp_path / "snapshots/c1").mkdir(parents=True)
    (tmp_path / "refs").mkdir()
    monkeypatch.chdir(tmp_path / "refs")
    ALIENS[kind](tmp_path / "refs/main")
    assert snapshot_of(tmp_path) == tmp_path / "snapshots/c1"


@pytest.mark.parametrize("kind", ALIENS)
def test_what_a_folder_hashed_to_is_forgotten_where_its_record_is_none(tmp_path, monkeypatch, kind):
    place, folder = tmp_path / "r", tmp_path / "folder"
    folder.mkdir()
    place.mkdir()
    monkeypatch.chdir(place)
    name = Records(place, folder)._path
    ALIENS[kind](place / "note")
    (place / "note").rename(name)
    kept = Records(place, folder)
    assert kept._known == {}
    other = tmp_path / "other"
    other.mkdir()
    Records(place, other).keep({"a": None})  # looks at all the others, too
