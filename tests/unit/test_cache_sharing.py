"""Many files that are elsewhere on this machine come in together: one wait for the disk, not two each."""

import hashlib
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "fault"))

from acts import digests_of, file_of
from disk_faults import Faults, lacking, never_waiting

from hubferry.cache.disk import disk
from hubferry.cache.store import Cache, ModelDirectory
from hubferry.errors import IntegrityError
from hubferry.model import RepoFile, RepoRef

REF = RepoRef("hf", "org/name")


@pytest.fixture
def model(tmp_path):
    model = Cache(tmp_path / "root", roots=()).open(REF)
    with model.hold(wait=0):
        yield model


def beside(tmp_path, count):
    """Put files into another cache; return what is wanted, and where it is."""
    wanted = []
    for number in range(count):
        content = b"%d" % number
        origin = tmp_path / "blobs" / hashlib.sha256(content).hexdigest()
        origin.parent.mkdir(exist_ok=True)
        origin.write_bytes(content)
        os.utime(origin, ns=(1, 1))
        wanted.append((file_of(f"folder{number % 4}/{number}.bin", content), origin))
    return wanted


@pytest.mark.parametrize("without", [(), ("link", "reflink")], ids=["linked", "copied"])
@pytest.mark.parametrize("count", [20, 200])
def test_ten_times_the_files_take_no_more_waits_than_their_contents_and_directories(
    tmp_path, model, without, count
):
    wanted = beside(tmp_path, count)
    with never_waiting(), lacking(*without), Faults().installed() as counted:
        taken = model.adopt_many(wanted)
    assert set(taken) == {file.path for file, _origin in wanted}
    fresh = ModelDirectory(model.path, REF)
    assert all(fresh.known(file) is not None for file, _origin in wanted)
    assert counted.names.count("fsync") == count + 1  # each content, and the journal
    assert (
        counted.names.count("fsync_directory") == 4 + 3
    )  # four folders, the model, its records, and `partial` in them


def test_one_content_under_many_names_is_read_once_and_waited_for_once(tmp_path, model):
    origin = beside(tmp_path, 8)[7][1]
    files = [file_of(f"{number}.bin", b"7") for number in range(100)]
    with never_waiting(), Faults().installed() as counted:
        taken = model.adopt_many((file, origin) for file in files)
    assert len(taken) == 100
    assert counted.names.count("fsync") == 2
    assert counted.names.count("pread") <= 6


def test_what_is_not_what_was_listed_is_left_out_and_the_others_come_in(tmp_path, model):
    wanted = beside(tmp_path, 6)
    wanted[0][1].write_bytes(b"!")
    wanted[1][1].unlink()
    wanted[2][1].unlink()
    os.mkfifo(wanted[2][1])
    wanted[3][1].write_bytes(b"longer")
    for without in ((), ("link", "reflink")):
        with lacking(*without):
            taken = model.adopt_many(wanted)
        assert set(taken) == {wanted[4][0].path, wanted[5][0].path}
    assert list(model.partial_directory.iterdir()) == []


def test_an_origin_that_is_written_to_while_it_is_linked_is_read_again(tmp_path, model, monkeypatch):
    from hubferry.cache.disk import disk

    [(file, origin)] = beside(tmp_path, 1)
    honest = disk.link

    def link(source, target):
        origin.write_bytes(b"?")
        honest(source, target)

    monkeypatch.setattr(disk, "link", link)
    assert model.adopt_many([(file, origin)]) == {}
    assert not model.target(file.path).exists()


def test_what_is_here_by_link_already_leaves_no_second_name(tmp_path, model):
    wanted = beside(tmp_path, 3)
    for _again in range(2):
        assert len(model.adopt_many(wanted)) == 3
        assert list(model.partial_directory.iterdir()) == []


def test_files_may_change_places_with_one_another(model):
    one, other = file_of("one", b"1"), file_of("other", b"2")
    model.put_many([(one, b"1", digests_of(b"1")), (other, b"2", digests_of(b"2"))])
    swapped = [file_of("one", b"2"), file_of("other", b"1")]
    model.adopt_many(zip(swapped, [model.target("other"), model.target("one")], strict=True))
    assert model.target("one").read_bytes() == b"2"
    assert model.target("other").read_bytes() == b"1"


def test_nothing_comes_in_under_a_name_that_is_not_safe(tmp_path, model):
    [(_file, origin)] = beside(tmp_path, 1)
    hostile = RepoFile("../out", 1, hashlib.sha256(b"0").hexdigest())
    with pytest.raises(IntegrityError):
        model.adopt_many([(hostile, origin)])
    assert not (model.path.parent / "out").exists()
    assert list(model.partial_directory.iterdir()) == []


@pytest.mark.parametrize("step", ["stat", "open", "link"])
@pytest.mark.parametrize("together", [True, False])
def test_an_origin_that_its_owner_takes_away_meanwhile_is_none_and_the_others_come_in(
    tmp_path, model, monkeypatch, step, together
):
    """Another tool prunes its cache while a copy reads there: what it removed is fetched instead."""
    wanted = beside(tmp_path, 3)
    gone, copied = wanted[1][1], []
    honest = getattr(disk, step)

    def taken_away(path, *rest):
        if path == gone:
            gone.unlink(missing_ok=True)
        return honest(path, *rest)

    monkeypatch.setattr(disk, step, taken_away)
    if together:
        taken = model.adopt_many(wanted, on_copy=copied.append)
    else:
        found = ((file.path, model.adopt(file, place, on_copy=copied.append)) for file, place in wanted)
        taken = {path: digests for path, digests in found if digests is not None}
    assert set(taken) == {wanted[0][0].path, wanted[2][0].path}
    assert not list(model.partial_directory.iterdir())
