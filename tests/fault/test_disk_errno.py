"""Every operation of the cache on the disk fails once, in every way: a clear error, no untruth, it heals."""

from __future__ import annotations

import errno
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from acts import ACTS, FIRST, REF, SECOND, TWINS, WHOLE_RUNS, Place, digests_of, file_of
from disk_faults import ERRNOS, OPERATIONS, Faults, lacking, never_waiting, open_descriptors

from hubferry.cache.names import RECORDS
from hubferry.cache.store import ModelDirectory
from hubferry.errors import DiskError

RIGHT = {}
for contents in (FIRST, SECOND):
    for path, content in contents.items():
        RIGHT.setdefault(path, set()).add(content)
RIGHT |= {path: set(FIRST.values()) for path in TWINS}
FOREIGN = {b"[]"}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Keep away from the caches of the machine."""
    for name in (
        "HF_HUB_CACHE",
        "HUGGINGFACE_HUB_CACHE",
        "XDG_CACHE_HOME",
        "HUBFERRY_CACHE",
        "HUBFERRY_LOCK",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "modelscope"))
    with never_waiting():
        yield


def prepared(act, top, monkeypatch):
    place = Place(top)
    monkeypatch.setenv("HF_HOME", str(top / "hf"))
    act.prepare(place)
    return place


def attempt(act, place, faults):
    """Do it on the failing disk; return the error that came out."""
    with lacking(*act.without), act.begun(place) as do, faults.installed():
        try:
            do()
        except DiskError as error:
            return error
    return None


def assert_only_truth(place):
    """Whatever happened: what has a final name is right or was there before, and what is known is right."""
    for directory in [*place.top.glob("root/*/"), *place.top.glob("older/*/")]:
        fresh = ModelDirectory(directory, REF)
        for found in directory.rglob("*"):
            name = found.relative_to(directory).as_posix()
            if not found.is_file() or name.split("/")[0] == RECORDS:
                continue
            assert found.read_bytes() in RIGHT[name] | FOREIGN, f"{name} holds neither old nor new"
            for content in RIGHT[name]:
                known = fresh.known(file_of(name, content))
                assert known is None or known.sha256 == digests_of(found.read_bytes()).sha256
    for name, content in place.outside.items():
        assert (place.top / name).read_bytes() == content, f"{name} of another cache was altered"


def assert_heals(act, place):
    with lacking(*act.without), act.begun(place) as do:
        do()
    directory = place.top / "root" / "org_model"
    fresh = ModelDirectory(directory, REF)
    for path, content in act.result.items():
        assert (directory / path).read_bytes() == content
        assert fresh.known(file_of(path, content)) is not None, f"{path} is not known"
    litter = [path.name for path in (directory / RECORDS).glob("**/*") if path.suffix in {".tmp", ".map"}]
    assert litter == []


def sweep(act, number, top, monkeypatch, first=1, step=1):
    """Let each operation of an act, or each of some, fail in its turn; return the last turn that came."""
    before = open_descriptors()
    for turn in range(first, 1000, step):
        place = prepared(act, top / str(turn), monkeypatch)
        faults = Faults(turn, number)
        error = attempt(act, place, faults)
        if not faults.struck:
            assert error is None
            return turn - step
        told = f"{faults.names[turn - 1]}, operation {turn}"
        if error is not None:
            assert isinstance(error.__cause__, OSError), told
            assert error.message, told
            assert error.side == "cache", told
            assert (number != errno.ENOSPC) == ("full" not in error.message), told
        assert open_descriptors() == before, f"descriptors left open after {told}"
        assert_only_truth(place)
        assert_heals(act, place)
    raise AssertionError("it never ends")


def first_turn(act, number):
    """Return which operation is the first to fail like this by day: each error has a quarter of them."""
    return 1 + (ERRNOS.index(number) + ACTS.index(act)) % len(ERRNOS)


@pytest.mark.parametrize("number", ERRNOS, ids=errno.errorcode.get)
@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.name)
def test_a_disk_that_fails_at_any_operation_is_a_clear_error_and_the_next_run_heals(
    act, number, tmp_path, monkeypatch
):
    assert sweep(act, number, tmp_path, monkeypatch, first_turn(act, number), len(ERRNOS)) > 8


@pytest.mark.nightly
@pytest.mark.parametrize("number", ERRNOS, ids=errno.errorcode.get)
@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.name)
def test_a_disk_that_fails_at_any_operation_in_any_way_is_a_clear_error_and_the_next_run_heals(
    act, number, tmp_path, monkeypatch
):
    assert sweep(act, number, tmp_path, monkeypatch) > 10


@pytest.mark.nightly
@pytest.mark.parametrize("number", ERRNOS, ids=errno.errorcode.get)
@pytest.mark.parametrize("act", WHOLE_RUNS, ids=lambda act: act.name)
def test_a_disk_that_fails_at_any_operation_of_a_run_is_a_clear_error_and_the_next_run_heals(
    act, number, tmp_path, monkeypatch
):
    assert sweep(act, number, tmp_path, monkeypatch) > 100


def test_by_day_each_operation_fails_once_and_each_kind_in_every_way(tmp_path, monkeypatch):
    names, failing = [], []
    for act in ACTS:
        faults = Faults()
        attempt(act, prepared(act, tmp_path / act.name, monkeypatch), faults)
        names += faults.names
        for number in ERRNOS:
            failing += [(name, number) for name in faults.names[first_turn(act, number) - 1 :: len(ERRNOS)]]
    assert sorted(name for name, _number in failing) == sorted(names)
    assert len(names) * len(ERRNOS) >= 2000
    assert set(failing) >= {(name, number) for name in names if names.count(name) >= 20 for number in ERRNOS}
    assert set(OPERATIONS) - set(names) <= {
        "free",
        "lock",
        "read",
        "read_bytes",
        "pread_into",
    }  # of the stream, the check and bundles
