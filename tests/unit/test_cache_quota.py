"""A cache that keeps itself below a limit."""

from __future__ import annotations

import os
import shutil

import pytest
from tests.recorded import recorded_model

from hubferry.cache import clean, locks, quota
from hubferry.cache.directory import ModelDirectory
from hubferry.cache.listing import list_models
from hubferry.cache.quota import Need
from hubferry.errors import DiskError, UsageError
from hubferry.model import RepoRef

WEIGHT = 1 << 20


@pytest.fixture
def root(tmp_path):
    """Four models of a mebibyte each, `a` the longest unused; `c` is published."""
    root = tmp_path / "root"
    for number, name in enumerate("abcd"):
        weights = {"model.safetensors": bytes([number]) * WEIGHT}
        recorded_model(root / f"org_{name}", f"org/{name}", weights, used=number + 1.0, published=name == "c")
    return root


def names(root):
    return sorted(path.name for path in root.iterdir())


def make_room(root, most, *, size=WEIGHT, lacking=0, model="new"):
    return [one.name for one in quota.make_room(root, Need(size, lacking, root / model), most)]


def disk(root):
    return list_models([root]).disk


def test_what_is_published_goes_first_then_the_longest_unused(root):
    told = []
    most = disk(root) - WEIGHT // 2
    gone = quota.make_room(root, Need(WEIGHT, 0, root / "new"), most, told.append)
    assert [one.name for one in gone] == [one.name for one in told] == ["org_c", "org_a"]
    assert names(root) == ["org_b", "org_d"]
    assert disk(root) + WEIGHT <= most


def test_nothing_goes_while_there_is_room(root):
    assert make_room(root, disk(root) + WEIGHT) == []
    assert len(names(root)) == 4


def test_the_model_itself_the_pinned_and_the_held_stay_and_so_does_what_has_no_records(root, tmp_path):
    recorded_model(root / "org_pinned", "org/pinned", {"w.bin": b"p" * WEIGHT}, used=0.1, pinned=True)
    (root / "by_hand").mkdir()
    (root / "by_hand/w.bin").write_bytes(b"h" * WEIGHT)
    outside = recorded_model(tmp_path / "outside", "org/outside", {"w.bin": b"o" * WEIGHT}, used=0.1)
    (root / "linked").symlink_to(outside)
    with locks.hold(root / "org_a/.hubferry", name="a", wait=0):
        gone = make_room(root, disk(root) - WEIGHT // 2, model="org_c")
    assert gone == ["org_b", "org_d"]
    assert (outside / "w.bin").exists()
    assert names(root) == ["by_hand", "linked", "org_a", "org_c", "org_pinned"]


def test_what_cannot_fit_is_refused_and_nothing_goes(root):
    recorded_model(root / "org_pinned", "org/pinned", {"w.bin": b"p" * WEIGHT}, pinned=True)
    with pytest.raises(DiskError) as caught:
        make_room(root, 2 * WEIGHT, size=WEIGHT)
    assert "HUBFERRY_CACHE_LIMIT=2.0 MiB" in caught.value.message
    assert "1 model, of 1.0 MiB, is pinned" in caught.value.message
    assert caught.value.exit_code == 7
    assert len(names(root)) == 5


def test_one_that_is_larger_than_the_limit_itself_is_refused_and_nothing_goes(root):
    with pytest.raises(DiskError) as caught:
        make_room(root, 2 * WEIGHT, size=3 * WEIGHT)
    assert caught.value.message == "3.0 MiB do not fit below HUBFERRY_CACHE_LIMIT=2.0 MiB, whatever goes"
    assert quota.limit({"HUBFERRY_CACHE_LIMIT": caught.value.hint.partition("=")[2]}) == 6 * WEIGHT
    assert len(names(root)) == 4


def test_what_would_fit_but_for_what_a_run_holds_is_refused_before_anything_goes(root):
    with locks.hold(root / "org_d/.hubferry", name="d", wait=0), pytest.raises(DiskError):
        make_room(root, WEIGHT + WEIGHT // 2, size=WEIGHT)
    assert len(names(root)) == 4


def test_a_full_disk_lets_as_much_go_as_it_lacks_and_what_frees_nothing_there_stays(root, tmp_path):
    os.link(root / "org_c/model.safetensors", tmp_path / "another cache has it")
    assert make_room(root, 1 << 40, lacking=WEIGHT + 1) == ["org_a"]


def test_a_full_disk_that_nothing_helps_lets_nothing_go(root):
    assert make_room(root, 1 << 40, lacking=99 * WEIGHT) == []
    assert len(names(root)) == 4


def test_one_that_was_pinned_since_it_was_listed_stays_and_another_goes(root, monkeypatch):
    remove = clean.remove

    def pinned_meanwhile(model, **rest):
        if model.name == "org_c":
            directory = ModelDirectory(model.path, RepoRef("hf", "org/c"))
            with directory.hold(wait=0):
                directory.pin(pinned=True)
        remove(model, **rest)

    monkeypatch.setattr(clean, "remove", pinned_meanwhile)
    assert make_room(root, disk(root) - WEIGHT // 2) == ["org_a", "org_b"]
    assert names(root) == ["org_c", "org_d"]


def test_one_that_another_run_removed_since_it_was_listed_is_counted_out_and_no_more_goes(root, monkeypatch):
    remove = clean.remove

    def removed_meanwhile(model, **rest):
        shutil.rmtree(root / "org_c", ignore_errors=True)
        remove(model, **rest)

    monkeypatch.setattr(clean, "remove", removed_meanwhile)
    assert make_room(root, disk(root) - WEIGHT // 2) == ["org_a"]
    assert names(root) == ["org_b", "org_d"]


def test_what_this_account_may_only_read_stays_and_stops_nothing(root, monkeypatch):
    monkeypatch.setenv("HUBFERRY_CACHE_READONLY", str(root / "org_c"))
    assert make_room(root, disk(root) - WEIGHT // 2) == ["org_a", "org_b"]
    assert names(root) == ["org_c", "org_d"]


@pytest.mark.parametrize(
    ("text", "size"), [("500G", 500 << 30), ("1.5 TiB", 3 << 39), ("1000", 1000), ("", None), ("  ", None)]
)
def test_the_limit_is_a_size_as_people_write_it(text, size):
    assert quota.limit({"HUBFERRY_CACHE_LIMIT": text}) == size
    assert quota.limit({}) is None


@pytest.mark.parametrize("text", ["lots", "-1", "5 apples", "1e9", "nan", "9" * 400])
def test_a_limit_that_is_no_size_is_refused_by_its_name(text):
    with pytest.raises(UsageError, match="HUBFERRY_CACHE_LIMIT"):
        quota.limit({"HUBFERRY_CACHE_LIMIT": text})
