"""Where caches are."""

from pathlib import Path

import pytest

from hubferry.cache import roots
from hubferry.cache.disk import disk, disk_errors
from hubferry.cache.letter_case import tells_case_apart
from hubferry.errors import DiskError


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.delenv("HUBFERRY_CACHE", raising=False)
    return tmp_path


def test_models_go_where_the_scripts_put_them(home):
    assert roots.default_root() == home / ".cache/model_transfer"


def test_the_environment_chooses_another_root(home, monkeypatch):
    monkeypatch.setenv("HUBFERRY_CACHE", "~/elsewhere")
    assert roots.default_root() == home / "elsewhere"


def test_a_relative_root_stays_the_same_when_the_directory_is_changed(home, monkeypatch):
    monkeypatch.chdir(home)
    monkeypatch.setenv("HUBFERRY_CACHE", "here")
    assert roots.default_root() == home / "here"


def test_every_place_of_the_older_scripts_that_exists_is_searched(home):
    for name in ("flux_model_cache", ".cache/simple_model_transfer"):
        (home / name).mkdir(parents=True)
    assert roots.all_roots() == (
        home / ".cache/model_transfer",
        home / "flux_model_cache",
        home / ".cache/simple_model_transfer",
    )


def test_a_chosen_root_comes_first_and_the_default_is_still_searched(home):
    (home / ".cache/model_transfer").mkdir(parents=True)
    assert roots.all_roots(home / "mine") == (home / "mine", home / ".cache/model_transfer")


def test_two_names_of_one_directory_count_once(home):
    (home / "flux_model_cache").mkdir()
    (home / ".cache").mkdir()
    (home / ".cache/model_transfer").symlink_to(home / "flux_model_cache")
    assert roots.all_roots() == (home / ".cache/model_transfer",)


def test_a_new_root_is_marked_for_backup_programs(home):
    roots.create_root(home / "a/b")
    tag = (home / "a/b" / roots.TAG_NAME).read_bytes()
    assert tag.startswith(b"Signature: 8a477f597d28d172789f06886806bc55")


def test_a_tag_that_is_there_is_left_alone(home):
    (home / roots.TAG_NAME).write_bytes(b"mine")
    roots.create_root(home)
    assert (home / roots.TAG_NAME).read_bytes() == b"mine"


def test_a_new_directory_is_durable_before_what_is_made_inside_it(home, monkeypatch):
    done = []
    monkeypatch.setattr(disk, "mkdir", lambda path: (done.append(("mkdir", path)), Path.mkdir(path)))
    monkeypatch.setattr(disk, "fsync_directory", lambda path: done.append(("fsync", path)))
    roots.make_directories(home / "a/b")
    assert done == [("mkdir", home / "a"), ("fsync", home), ("mkdir", home / "a/b"), ("fsync", home / "a")]


def test_a_root_that_is_a_file_is_a_disk_error_that_names_it(home):
    (home / "file").touch()
    with pytest.raises(DiskError, match="file"):
        roots.create_root(home / "file/root")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (28, "disk is full"),
        (122, "disk is full"),
        (13, "no permission"),
        (1, "no permission"),
        (30, "read-only"),
        (24, "too many files"),
        (5, "Input/output error"),
    ],
)
def test_each_fault_of_a_disk_is_said_in_words(tmp_path, number, words):
    with pytest.raises(DiskError, match=words) as failure, disk_errors(tmp_path):
        raise OSError(number, "Input/output error", str(tmp_path / "x"))
    assert failure.value.side == "cache"
    assert failure.value.exit_code == 7


def test_a_full_disk_says_how_much_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "free", lambda _path: 1_000_000)
    with pytest.raises(DiskError, match=r"1\.4 MiB more") as failure, disk_errors(tmp_path, needed=2_500_000):
        raise OSError(28, "No space left on device")
    assert "prune" in failure.value.hint


def test_case_is_told_apart_as_the_disk_does_without_writing(tmp_path):
    (tmp_path / "Probe").touch()
    before = sorted(tmp_path.iterdir())
    (tmp_path / "deeper").mkdir()
    truth = not (tmp_path / "pROBE").exists()
    assert tells_case_apart(tmp_path) is truth
    assert tells_case_apart(tmp_path / "deeper") is truth
    (tmp_path / "deeper").rmdir()
    assert sorted(tmp_path.iterdir()) == before


def test_pieces_are_written_in_order_however_many_they_are(tmp_path):
    descriptor = disk.open(tmp_path / "f", 0o102)  # O_RDWR | O_CREAT
    pieces = [bytes([number % 251]) * (number % 7) for number in range(2_000)]
    assert disk.pwrite_all(descriptor, pieces, 3) == len(b"".join(pieces))
    assert disk.pread(descriptor, 100_000, 3) == b"".join(pieces)
    disk.close(descriptor)


def test_a_short_write_is_continued(tmp_path, monkeypatch):
    from hubferry.cache import disk as module

    whole = module._write_at

    def short(descriptor, views, offset):
        return whole(descriptor, [views[0][:3]], offset)

    monkeypatch.setattr(module, "_write_at", short)
    descriptor = disk.open(tmp_path / "f", 0o102)
    assert disk.pwrite_all(descriptor, [b"hello", b"", b" world"], 0) == 11
    disk.close(descriptor)
    assert (tmp_path / "f").read_bytes() == b"hello world"
