"""Volumes as such: the same bytes each time, of no more than their size, opened by ordinary tools."""

from __future__ import annotations

import ast
import hashlib
import os
import random
import subprocess
import sys
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from tests.pythons.found import interpreter
from volumes import MIB, bytes_of, described, laid_out, worked, written

from hubferry.bundles import closing, examining, layout, media
from hubferry.cache.disk import disk
from hubferry.errors import IntegrityError, LockedError, UsageError
from hubferry.hubs.bundle import archive
from hubferry.hubs.bundle.index import BundledFile, decoded, encoded
from hubferry.hubs.bundle.volumes import find

CHECKER = Path(closing.__file__).with_name("check.py")
FILES = {
    "README.md": b"# a model\n",
    "empty": b"",
    "model-00001.safetensors": bytes_of(1_700_000, 1),
    "model-00002.safetensors": bytes_of(900_000, 2),
    "sub folder/" + "long-" * 30 + "日本.json": b"{}",
}


def checked(*places: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-I", str(CHECKER), *map(str, places)]
    return subprocess.run(words, capture_output=True, text=True, check=False, encoding="utf-8")


@settings(deadline=None, max_examples=25)
@given(
    sizes=some.lists(some.integers(0, 3 * MIB), max_size=12),
    size=some.integers(256 * 1024, 4 * MIB),
)
def test_every_byte_is_in_one_volume_and_no_volume_is_too_large(sizes, size):
    files = [BundledFile(f"file-{number:03}", length, "0" * 64) for number, length in enumerate(sizes)]
    index = laid_out(described({}, listed=tuple(files)), size)
    again = decoded(encoded(index), "test")  # refuses pieces that overlap, leave bytes out, or are outside
    assert again == index
    moved = sum(piece.stop - piece.start for _number, piece in index.pieces())
    assert moved == sum(sizes)
    numbers = layout.numbered(index)
    for number, volume in enumerate(index.volumes, 1):
        sums = closing.length_of_sums(index, number, numbers)
        fixed = closing.length(index.name, closing.sums_of_all(index.models))
        begins, ends = 512 + archive.padded(len(encoded(index))), 512 + archive.padded(sums) + fixed + 1024
        assert begins + volume.length + ends <= size


def test_page_and_checker_fit_into_what_is_reserved_for_them():
    sums = closing.sums_of_all([])
    assert closing.length("org_model", sums) <= closing.reserved(sums) * 3 // 4


def test_a_volume_has_the_size_that_was_said_before(tmp_path):
    work = written(tmp_path / "stick", FILES)
    assert len(work.index.volumes) > 2
    for number in range(1, len(work.index.volumes) + 1):
        assert work.path(number).stat().st_size == work.size(number) <= MIB


def test_the_same_model_becomes_the_same_bytes_wherever_and_whenever(tmp_path):
    one, other = written(tmp_path / "one", FILES), written(tmp_path / "other", dict(reversed(FILES.items())))
    for number in range(1, len(one.index.volumes) + 1):
        assert one.path(number).read_bytes() == other.path(number).read_bytes()


def test_only_some_volumes_are_the_same_bytes_as_in_a_whole_run(tmp_path):
    whole, part = written(tmp_path / "whole", FILES), worked(tmp_path / "part", FILES)
    part.write(2)
    assert [path.name for path in (tmp_path / "part").iterdir()] == [part.path(2).name]
    assert part.path(2).read_bytes() == whole.path(2).read_bytes()


def test_a_volume_that_was_broken_off_is_compared_and_only_the_rest_of_it_is_written(tmp_path, monkeypatch):
    files = {"large": bytes_of(5 * MIB)}
    whole, begun = written(tmp_path / "whole", files, 4 * MIB), worked(tmp_path / "begun", files, 4 * MIB)
    right = whole.path(1).read_bytes()
    partial = begun.path(1).with_name(begun.path(1).name + ".partial")
    partial.write_bytes(right[: len(right) * 3 // 4] + b"torn")
    counted = []
    real = disk.pwrite_all
    monkeypatch.setattr(
        disk, "pwrite_all", lambda at, pieces, offset: counted.append(offset) or real(at, pieces, offset)
    )
    begun.write(1)
    assert begun.path(1).read_bytes() == right
    assert min(counted) >= len(right) // 2
    assert not partial.exists()


def test_a_partial_of_something_else_is_written_over(tmp_path):
    whole, begun = written(tmp_path / "whole", FILES), worked(tmp_path / "begun", FILES)
    partial = begun.path(1).with_name(begun.path(1).name + ".partial")
    partial.write_bytes(random.Random(1).randbytes(2 * MIB))
    begun.write(1)
    assert begun.path(1).read_bytes() == whole.path(1).read_bytes()


def test_a_volume_that_another_run_writes_is_left_to_it_in_clear_words(tmp_path):
    slow, second = worked(tmp_path / "stick", FILES), worked(tmp_path / "stick", FILES)
    refused = []

    def halted():
        """In the middle of the first run the second one comes."""
        if not refused:
            with pytest.raises(
                LockedError, match=r"another run writes .*org_model-0001\.tar\.partial"
            ) as caught:
                second.write(1)
            refused.append(caught.value.hint)

    slow.halted = halted
    slow.write(1)
    assert refused == ["wait until it has ended, then type the same again"]
    assert second.is_there(1)
    assert checked(tmp_path / "stick").stdout.count("volume 0001") == 0


def test_a_volume_that_got_its_name_while_a_run_opened_it_is_no_error_of_the_disk(tmp_path, monkeypatch):
    first, second = worked(tmp_path / "stick", FILES), worked(tmp_path / "stick", FILES)
    honest = disk.lock

    def late(descriptor):
        """What the second run has opened is finished by the first one, before the second one locks it."""
        monkeypatch.setattr(disk, "lock", honest)
        first.write(1)
        monkeypatch.setattr(closing, "checker", lambda: b"print('another version')\n")
        return honest(descriptor)

    monkeypatch.setattr(disk, "lock", late)
    with pytest.raises(LockedError):
        second.write(1)
    monkeypatch.undo()
    assert first.path(1).read_bytes() == written(tmp_path / "alone", FILES).path(1).read_bytes()


@pytest.mark.parametrize("path", ["README.md", "model-00001.safetensors"])
def test_a_file_that_rotted_in_the_cache_comes_into_no_volume(tmp_path, path):
    work = worked(tmp_path / "stick", FILES)
    rotten = work.roots[0] / path
    content = bytearray(rotten.read_bytes())
    content[-1] ^= 1
    rotten.write_bytes(content)
    with pytest.raises(IntegrityError, match=path):
        work.write(1)
    assert not work.path(1).exists()


def test_a_cut_file_that_rotted_in_a_later_volume_keeps_the_first_one_back(tmp_path):
    files = {"large": bytes_of(3 * MIB)}
    work = worked(tmp_path / "stick", files)
    with (work.roots[0] / "large").open("r+b") as stream:
        stream.seek(3 * MIB - 5)
        stream.write(b"rot")
    with pytest.raises(IntegrityError):
        work.write(1)
    assert list(work.directory.glob("*.tar")) == []


def test_another_file_under_the_name_of_a_volume_is_refused_and_stays(tmp_path):
    work = worked(tmp_path / "stick", FILES)
    work.path(1).write_bytes(b"mine")
    with pytest.raises(UsageError, match="is there and is no volume"):
        work.is_there(1)
    assert work.path(1).read_bytes() == b"mine"


def test_a_volume_with_the_end_of_another_version_is_taken_for_what_it_is(tmp_path, monkeypatch):
    older = written(tmp_path / "stick", FILES)
    size = older.size(1)
    monkeypatch.setattr(closing, "checker", lambda: b"print('the next version')\n" * 10)
    newer = worked(tmp_path / "stick", FILES)
    assert newer.index == older.index
    assert newer.size(1) != size
    assert newer.is_there(1)
    newer.write(2)
    assert checked(tmp_path / "stick").returncode == 0


def test_volumes_that_cannot_hold_their_own_index_are_refused():
    files = tuple(BundledFile(f"file-{number:06}", 1, "0" * 64) for number in range(10_000))
    with pytest.raises(UsageError, match="too small"):
        laid_out(described({}, listed=files), MIB)


def test_volumes_that_fat_does_not_take_are_refused_first(tmp_path, monkeypatch):
    device = tmp_path.stat().st_dev
    mounts = tmp_path / "mountinfo"
    line = f"36 35 {os.major(device)}:{os.minor(device)} / /media/stick rw shared:1 - vfat /dev/sdb1 rw\n"
    mounts.write_text("35 1 0:99 / / rw - ext4 /dev/root rw\n" + line)
    monkeypatch.setattr(media, "_MOUNTS", mounts)
    monkeypatch.setattr(disk, "free", lambda _path: 1 << 40)
    assert media.filesystem(tmp_path) == "vfat"
    with pytest.raises(UsageError, match="takes no file of 4 GiB") as caught:
        media.refuse_what_does_not_fit(tmp_path, {1: 4 << 30}, 0, 0)
    assert caught.value.hint == "--fat32"
    media.refuse_what_does_not_fit(tmp_path, {1: layout.FAT32}, 0, 0)


def test_memory_does_not_grow_with_the_file(tmp_path):
    work = worked(tmp_path / "stick", {"large": bytes(48 * MIB)}, size=20 * MIB)
    tracemalloc.start()
    try:
        for number in range(1, len(work.index.volumes) + 1):
            work.write(number)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * MIB


def test_tar_and_sha256sum_alone_bring_the_files_back(tmp_path):
    work = written(tmp_path / "stick", FILES)
    readme = closing.readme("org_model").decode()
    lines = readme.partition("tar archives:\n\n")[2].partition("\n\nvolume-NNNN")[0]
    done = subprocess.run(
        ["bash", "-euc", lines], cwd=tmp_path / "stick", capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("OK") == len(FILES)
    unpacked = tmp_path / "stick" / "org_model" / "files" / "org_model"
    assert {path: (unpacked / path).read_bytes() for path in FILES} == FILES
    assert len(work.index.volumes) > 1


def test_the_volume_with_the_middle_of_a_file_is_known_to_be_missing_without_reading_any(tmp_path):
    work = written(tmp_path / "stick", {"large": bytes_of(3 * MIB), "small": b"1"})
    (model,) = work.index.models
    work.path(2).unlink()
    (bundle,) = find([tmp_path / "stick"])
    assert examining.missing([bundle], model.ref, ["large", "small"]) == [2]
    assert examining.missing([bundle], model.ref, ["small"]) == []
    written(tmp_path / "other", {"large": bytes_of(3 * MIB), "small": b"1"}, size=2 * MIB)
    (second,) = find([tmp_path / "other"])
    assert examining.missing([bundle, second], model.ref, ["large", "small"]) == []


def test_no_member_of_a_volume_is_a_link_or_says_who_made_it(tmp_path):
    work = written(tmp_path / "stick", FILES)
    for number in range(1, len(work.index.volumes) + 1):
        with tarfile.open(work.path(number)) as opened:
            for member in opened:
                assert member.isreg()
                assert member.name.startswith("org_model/")
                assert (member.uid, member.gid, member.uname, member.mtime) == (0, 0, "", 0)


def test_the_checker_says_what_is_whole_missing_and_broken(tmp_path):
    stick = tmp_path / "stick"
    work = written(stick, FILES)
    done = checked(stick)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "everything is here and right" in done.stdout
    damaged = bytearray(work.path(1).read_bytes())
    damaged[len(damaged) // 2] ^= 1
    work.path(1).write_bytes(damaged)
    work.path(2).rename(tmp_path / "elsewhere.tar")
    done = checked(stick)
    assert done.returncode == 1
    assert "volume 0001  broken" in done.stdout
    assert "volume 0002  missing" in done.stdout
    assert "model-00001.safetensors" in done.stdout
    assert "README.md" not in done.stdout
    assert "--only-volumes 1,2" in done.stdout
    assert "volume 0002  missing" not in checked(stick, tmp_path / "elsewhere.tar").stdout
    assert checked(tmp_path / "nowhere").returncode == 2
    (stick / "check.py").write_bytes(closing.checker())
    alone = subprocess.run([sys.executable, "-I", str(stick / "check.py")], capture_output=True, check=False)
    assert (alone.returncode, alone.stdout.decode()) == (1, done.stdout)


def test_the_checker_finds_a_volume_that_was_cut_short_and_one_whose_index_is_damaged(tmp_path):
    stick = tmp_path / "stick"
    work = written(stick, FILES)
    with work.path(3).open("r+b") as stream:
        stream.truncate(work.size(3) // 2)
    with work.path(1).open("r+b") as stream:
        stream.seek(600)
        stream.write(b"xx")
    done = checked(stick)
    assert done.returncode == 1
    assert "volume 0003  broken" in done.stdout
    assert "its index is damaged" in done.stderr


def test_the_checker_runs_on_python_3_6():
    tree = ast.parse(CHECKER.read_text(), feature_version=(3, 6))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert imported <= {"hashlib", "json", "os", "re", "stat", "sys"}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.returns]


@pytest.mark.parametrize("version", ["3.6", "3.8", "3.13"])
def test_the_checker_runs_on_the_pythons_that_are_here(tmp_path, version):
    python = interpreter(version)
    if python is None:
        pytest.skip(f"there is no Python {version} here")
    written(tmp_path / "stick", FILES)
    words = [python, "-I", str(CHECKER), "--verbose", str(tmp_path / "stick")]
    environment = {"PATH": os.environ["PATH"], "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(words, capture_output=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr


def test_sums_of_a_volume_are_those_of_its_members(tmp_path):
    work = written(tmp_path / "stick", FILES)
    with tarfile.open(work.path(1)) as opened:
        stream = opened.extractfile("org_model/volume-0001.sha256")
        assert stream is not None
        for line in stream.read().decode().splitlines():
            sha256, _blanks, name = line.partition("  ")
            member = opened.extractfile(name)
            assert member is not None
            assert hashlib.sha256(member.read()).hexdigest() == sha256
