"""Deleting: only what was listed, inside its root, never through a link, never what a run holds."""

from __future__ import annotations

import time

import pytest
from tests import models

from hubferry.cache import clean, exchange, locks
from hubferry.cache.disk import disk
from hubferry.cache.listing import DOOMED_SUFFIX, list_models
from hubferry.cache.retention import Policy, Reason
from hubferry.cli.cache.clean import remove
from hubferry.errors import DiskError, LockedError, UsageError


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    for number, name in enumerate(("a", "b")):
        models.transformers_model(root / name, shards=1, shard_size=600, seed=number)
    return root


def listed(root, name):
    (model,) = [one for one in list_models([root]).models if one.name == name]
    return model


def tree(path):
    return sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())


def test_a_model_is_removed_and_its_neighbour_untouched(root):
    before = tree(root / "b")
    clean.remove(listed(root, "a"))
    assert [path.name for path in root.iterdir()] == ["b"]
    assert tree(root / "b") == before


def test_a_link_is_removed_and_never_followed(root, tmp_path):
    outside = models.transformers_model(tmp_path / "outside")
    before = tree(outside)
    (root / "linked").symlink_to(outside)
    clean.remove(listed(root, "linked"))
    assert not (root / "linked").is_symlink()
    assert tree(outside) == before


def test_links_inside_a_model_are_not_followed_either(root, tmp_path):
    outside = models.transformers_model(tmp_path / "outside")
    before = tree(outside)
    (root / "a/down").symlink_to(outside)
    (root / "a/file").symlink_to(outside / "config.json")
    clean.remove(listed(root, "a"))
    assert not (root / "a").exists()
    assert tree(outside) == before


def test_what_a_run_holds_is_refused_and_left_as_it_is(root):
    model = listed(root, "a")
    before = tree(root / "a")
    with locks.hold(root / "a/.hubferry", name="a", wait=0):
        with pytest.raises(LockedError):
            clean.remove(model)
        with pytest.raises(LockedError, match=r"a is in use by process \d+"):
            clean.refuse_held([model])
        assert set(before) <= set(tree(root / "a"))
    clean.refuse_held([model])
    clean.remove(model)


def test_a_directory_that_was_exchanged_since_it_was_listed_is_left_alone(root):
    model = listed(root, "a")
    (root / "a").rename(root / "old")
    models.transformers_model(root / "a", shards=1, shard_size=600)
    with pytest.raises(UsageError, match="not what was listed"):
        clean.remove(model)
    assert (root / "a/config.json").is_file()


def test_a_link_that_took_a_directorys_place_is_left_alone(root, tmp_path):
    model = listed(root, "a")
    (root / "a").rename(tmp_path / "moved")
    (root / "a").symlink_to(tmp_path / "moved")
    with pytest.raises(UsageError, match="not what was listed"):
        clean.remove(model)
    assert (tmp_path / "moved/config.json").is_file()


def test_a_model_that_is_gone_is_an_error_and_does_not_come_back(root):
    model = listed(root, "a")
    (root / "a").rename(root / "elsewhere")
    with pytest.raises(DiskError):
        clean.remove(model)
    assert not (root / "a").exists()


def test_a_cleaning_goes_on_where_another_one_was_faster(root):
    chosen = list_models([root]).models
    clean.remove(chosen[0])
    assert [model.name for model in remove(chosen)] == ["b"]
    assert not list(root.iterdir())


def test_an_interrupted_removal_leaves_no_half_of_a_model(root, monkeypatch):
    def fail(path):
        next(path.glob("*.safetensors")).unlink()
        raise OSError(5, "Input/output error", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(disk, "remove_tree", fail)
        with pytest.raises(DiskError):
            clean.remove(listed(root, "a"))
    listing = list_models([root])
    assert [model.name for model in listing.models] == ["b"]
    assert [model.name.endswith(DOOMED_SUFFIX) for model in listing.doomed] == [True]
    assert clean.sweep(listing) == sum(model.disk for model in listing.doomed)
    assert [path.name for path in root.iterdir()] == ["b"]


def test_a_stray_file_of_an_interrupted_removal_goes_as_well(root):
    models.write_file(root / f".0123{DOOMED_SUFFIX}", b"x")
    clean.sweep(list_models([root]))
    assert sorted(path.name for path in root.iterdir()) == ["a", "b"]


def test_the_hidden_name_cannot_be_guessed(root, monkeypatch):
    seen = []
    monkeypatch.setattr(disk, "remove_tree", seen.append)
    clean.remove(listed(root, "a"))
    clean.remove(listed(root, "b"))
    tokens = [path.name.removeprefix(".").removesuffix(DOOMED_SUFFIX) for path in seen]
    assert all(len(token) == 32 for token in tokens)
    assert len(set(tokens)) == 2
    assert {path.parent for path in seen} == {root}


def test_pruning_leaves_out_links_and_what_a_run_holds(root, tmp_path):
    (root / "linked").symlink_to(models.transformers_model(tmp_path / "outside"))
    with locks.hold(root / "a/.hubferry", name="a", wait=0):
        chosen = clean.plan_prune(list_models([root]), Policy(keep_last=0), now=time.time())
    assert [(model.name, reason) for model, reason in chosen] == [("b", Reason.SURPLUS)]


def test_pruning_without_a_limit_is_refused(root):
    with pytest.raises(UsageError) as caught:
        clean.plan_prune(list_models([root]), Policy(), now=0)
    assert caught.value.hint == "hubferry cache prune --max-size 500G --dry-run"


@pytest.mark.parametrize("way", ["clean", "switch"])
def test_the_new_name_of_what_is_to_be_removed_is_durable_before_the_first_file_goes(root, monkeypatch, way):
    """Or a power cut brings the old name back to half of a tree, whose records are gone."""
    done = []
    for name in ("replace", "fsync_directory", "remove_tree"):
        real = getattr(disk, name)
        monkeypatch.setattr(
            disk, name, lambda *paths, name=name, real=real: (done.append((name, paths[-1])), real(*paths))
        )
    if way == "clean":
        clean.remove(listed(root, "a"))
    else:
        exchange.discard(root / "a")
    doomed = done[-1][1]
    assert doomed.parent == root
    assert done[-3:] == [("replace", doomed), ("fsync_directory", root), ("remove_tree", doomed)]
    assert [path.name for path in root.iterdir()] == ["b"]
