"""Trees as deep as anybody can make them, by other tools and by hand: walked, and removed, all the same."""

import os
import resource
from contextlib import contextmanager
from pathlib import Path

import pytest

from hubferry.cache import adopt, exchange, placing, trees
from hubferry.cache.disk import disk, walk

DEEP = 1_500


@pytest.fixture
def deep(tmp_path):
    """Make a tree that is deeper than Python calls itself, with a file at every hundredth level."""
    top = tmp_path / "top"
    top.mkdir()
    here = os.open(top, os.O_RDONLY)
    for level in range(DEEP):
        if level % 100 == 0:
            os.close(os.open(f"file{level}", os.O_CREAT | os.O_WRONLY, dir_fd=here))
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    yield top
    if top.exists():
        trees.remove(top)


@contextmanager
def few_descriptors(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_deep_tree_is_removed_with_a_handful_of_descriptors(deep):
    with few_descriptors(max(int(path.name) for path in Path("/proc/self/fd").iterdir()) + 10):
        disk.remove_tree(deep)
    assert not deep.exists()


def test_a_tree_whose_paths_no_call_would_take_is_removed(tmp_path):
    top = tmp_path / "top"
    top.mkdir()
    here = os.open(top, os.O_RDONLY)
    for _level in range(30):  # some 7,500 bytes
        os.mkdir("x" * 250, dir_fd=here)
        below = os.open("x" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    disk.remove_tree(top)
    assert not top.exists()


def test_links_are_removed_and_what_they_lead_to_stays(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_text("mine")
    top = tmp_path / "top"
    (top / "a/b").mkdir(parents=True)
    for place in (top, top / "a", top / "a/b"):
        (place / "folder").symlink_to(tmp_path / "kept")
        (place / "link").symlink_to(tmp_path / "kept/file")
        os.mkfifo(place / "pipe")
    disk.remove_tree(top)
    assert not top.exists()
    assert (tmp_path / "kept/file").read_text() == "mine"
    (tmp_path / "top").symlink_to(tmp_path / "kept")
    with pytest.raises(OSError, match="top"):
        disk.remove_tree(tmp_path / "top")
    assert (tmp_path / "kept/file").read_text() == "mine"


def test_a_folder_that_a_link_takes_the_place_of_at_that_moment_is_not_followed(tmp_path, monkeypatch):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_text("mine")
    top = tmp_path / "top"
    (top / "folder").mkdir(parents=True)
    honest = trees._clear

    def clear(directory, above):
        names = honest(directory, above)
        if directory == above:
            (top / "folder").rmdir()
            (top / "folder").symlink_to(tmp_path / "kept")
        return names

    monkeypatch.setattr(trees, "_clear", clear)
    with pytest.raises(OSError, match="folder"):
        disk.remove_tree(top)
    assert (tmp_path / "kept/file").read_text() == "mine"


def test_a_deep_tree_is_walked_to_its_end(deep):
    assert sum(1 for _place, _entries in walk(deep)) == DEEP + 1
    assert len(list(exchange.strangers(deep, {}))) == DEEP / 100
    notes = deep / ".cache/huggingface"
    notes.mkdir(parents=True)
    (deep / "d").rename(notes / "download")
    assert adopt.folder_metadata(deep) == {}


def test_deep_empty_folders_that_a_killed_run_left_make_room_for_a_file(tmp_path):
    (tmp_path / "a/b/c").mkdir(parents=True)
    (tmp_path / "a/b2").mkdir()
    placing.remove_empty(tmp_path / "a")
    assert not (tmp_path / "a").exists()
    placing.remove_empty(tmp_path / "a")
