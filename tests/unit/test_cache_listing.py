"""What is in the cache, and what it takes."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from tests import models
from tests.recorded import many

from hubferry.cache import adopt, clean, lookup
from hubferry.cache.check import State, check_model
from hubferry.cache.disk import disk
from hubferry.cache.listing import DOOMED_SUFFIX, freed, list_models
from hubferry.cache.names import PASSING_PREFIX
from hubferry.cache.roots import all_roots
from hubferry.cache.store import Cache
from hubferry.errors import DiskError, NotFoundError
from hubferry.model import Digests, RepoFile, RepoRef, Revision

FLUX = RepoRef("hf", "black-forest-labs/FLUX.1-dev")


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    models.transformers_model(root / "gpt2", shards=1, shard_size=60_000)
    models.diffusers_model(root / "black_forest_labs_FLUX.1_dev", shard_size=6000)
    return root


def du(*paths):
    """Bytes on the disk, by the program that everybody believes."""
    done = subprocess.run(["du", "-scB1", *map(str, paths)], capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1].split()[0])


def names(listing):
    return [model.name for model in listing.models]


def test_every_directory_of_every_root_is_listed(root, tmp_path):
    other = tmp_path / "flux_model_cache"
    models.diffusers_model(other / "flux-dev", shard_size=6000)
    listing = list_models([root, other, tmp_path / "not-there"])
    assert names(listing) == ["black_forest_labs_FLUX.1_dev", "gpt2", "flux-dev"]
    assert {model.state for model in listing.models} == {State.WHOLE}
    assert listing.models[2].root == other


def test_files_and_hidden_directories_of_a_root_are_no_models(root):
    models.write_file(root / "CACHEDIR.TAG", b"x")
    models.write_file(root / ".cache/x", b"x")
    assert names(list_models([root])) == ["black_forest_labs_FLUX.1_dev", "gpt2"]


def test_sizes_are_what_du_says_and_links_count_once(root):
    os.link(root / "gpt2/model.safetensors", root / "gpt2/again.safetensors")
    models.write_safetensors(root / "gpt2/sparse.safetensors", {"a": 10**9}, sparse=True)
    listing = list_models([root])
    for model in listing.models:
        assert model.disk == du(model.path)
        assert model.frees == model.disk
    assert listing.disk == sum(model.disk for model in listing.models) == du(*root.iterdir())


def test_bytes_that_two_models_share_are_freed_by_the_last_of_them(root):
    (root / "copy").mkdir()
    os.link(root / "gpt2/model.safetensors", root / "copy/model.safetensors")
    listing = list_models([root])
    copy, gpt2 = (one for one in listing.models if one.name in ("copy", "gpt2"))
    shared = (root / "copy/model.safetensors").stat().st_blocks * 512
    assert copy.frees == copy.disk - shared
    assert gpt2.frees == gpt2.disk - shared
    assert freed([copy, gpt2]) == copy.disk + gpt2.frees == du(copy.path, gpt2.path)
    assert listing.disk == du(*root.iterdir())
    assert [model.name for model in listing.sharing(copy)] == ["gpt2"]


def test_bytes_that_another_cache_holds_are_not_freed(root, tmp_path):
    os.link(root / "gpt2/model.safetensors", tmp_path / "blob")
    listing = list_models([root])
    gpt2 = listing.models[1]
    assert gpt2.disk - gpt2.frees == (tmp_path / "blob").stat().st_blocks * 512
    assert listing.sharing(gpt2) == ()


def test_a_link_in_a_root_is_listed_and_nothing_of_it_counted(root, tmp_path):
    models.transformers_model(tmp_path / "elsewhere")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (model,) = [one for one in list_models([root]).models if one.name == "linked"]
    assert (model.disk, model.files, model.link_to) == (0, 0, str(tmp_path / "elsewhere"))


def test_a_model_of_ours_says_whose_it_is_and_which_commit(tmp_path):
    model = Cache(tmp_path, roots=()).open(FLUX)
    content = b"# FLUX"
    digests = Digests(6, "11" * 32)
    files = [RepoFile("README.md", 6, digests.sha256)]
    with model.hold(wait=0):
        model.put_many([(files[0], content, digests)])
        model.finish(Revision(FLUX, "c" * 40), files)
        model.pin(pinned=True)
        model.mark_published(RepoRef("ms", "me/FLUX.1-dev"), "d" * 40)
    (listed,) = list_models([tmp_path]).models
    assert (listed.title, listed.commit, listed.state) == (FLUX.repo_id, "c" * 40, State.WHOLE)
    assert (listed.pinned, listed.published, listed.files) == (True, ("ms:me/FLUX.1-dev",), 1)


def test_a_name_means_a_whole_one_before_a_part_of_one(root):
    models.transformers_model(root / "gpt2_large")
    listing = list_models([root])
    assert [model.name for model in listing.matching("gpt2")] == ["gpt2"]
    assert [model.name for model in listing.matching("GPT")] == ["gpt2", "gpt2_large"]
    assert [model.name for model in listing.matching("flux")] == ["black_forest_labs_FLUX.1_dev"]
    assert [model.name for model in listing.matching(str(root / "gpt2"))] == ["gpt2"]


def test_a_name_that_matches_nothing_lists_what_there_is(root):
    with pytest.raises(NotFoundError) as caught:
        list_models([root]).matching("llama")
    assert caught.value.hint == "there is: black_forest_labs_FLUX.1_dev, gpt2"


def test_what_an_interrupted_removal_left_is_no_model(root):
    (root / "gpt2").rename(root / f".0123{DOOMED_SUFFIX}")
    listing = list_models([root])
    assert names(listing) == ["black_forest_labs_FLUX.1_dev"]
    assert [model.disk for model in listing.doomed] == [du(root / f".0123{DOOMED_SUFFIX}")]


def test_one_directory_that_cannot_be_read_hides_no_other(root, monkeypatch):
    def scandir(path, scan=disk.scandir):
        if Path(path).name == "gpt2":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(disk, "scandir", scandir)
    bad = list_models([root]).models[1]
    assert bad.name == "gpt2"
    assert "Permission denied" in bad.problems[0].what


def when_scanned(monkeypatch, place, happens):
    """Let something happen to `place` in the moment before it is looked into."""
    honest = disk.scandir

    def scandir(path):
        if Path(path) == place:
            happens()
        return honest(path)

    monkeypatch.setattr(disk, "scandir", scandir)


def after_scanned(monkeypatch, place, happens):
    """Let something happen when `place` was looked into."""
    honest = disk.scandir

    def scandir(path):
        entries = honest(path)
        if Path(path) == place:
            happens()
        return entries

    monkeypatch.setattr(disk, "scandir", scandir)


@pytest.mark.parametrize("moment", ["before it is described", "while it is described"])
@pytest.mark.parametrize("pattern", [None, "*"])
def test_a_model_that_another_run_removes_meanwhile_is_none_and_hides_no_other(
    root, monkeypatch, moment, pattern
):
    if moment.startswith("before"):
        after_scanned(monkeypatch, root, lambda: shutil.rmtree(root / "gpt2", ignore_errors=True))
    else:
        when_scanned(monkeypatch, root / "gpt2", lambda: shutil.rmtree(root / "gpt2", ignore_errors=True))
    found = list_models([root]) if pattern is None else lookup.filtered(pattern, [root])
    assert names(found) == ["black_forest_labs_FLUX.1_dev"]


@pytest.mark.parametrize("inside", [False, True])
def test_a_removal_that_another_run_finishes_meanwhile_is_none(root, monkeypatch, inside):
    doomed = root / f".0123{DOOMED_SUFFIX}"
    (root / "gpt2").rename(doomed)
    if inside:
        when_scanned(monkeypatch, doomed, lambda: shutil.rmtree(doomed))
    else:
        after_scanned(monkeypatch, root, lambda: shutil.rmtree(doomed))
    listing = list_models([root])
    assert (names(listing), listing.doomed) == (["black_forest_labs_FLUX.1_dev"], ())


def test_two_cleanings_that_finish_the_same_removal_both_end_well(root):
    (root / "gpt2").rename(root / f".0123{DOOMED_SUFFIX}")
    one, other = list_models([root]), list_models([root])
    assert clean.sweep(one) > 0
    assert clean.sweep(other) == 0


def test_a_link_in_a_circle_is_no_model_and_in_nobodys_way(root, tmp_path, monkeypatch):
    (root / "circle").symlink_to("circle")
    assert names(list_models([root])) == names(lookup.filtered("*", [root]))
    assert "circle" not in names(list_models([root]))
    assert Cache(root, roots=[root]).all_of(RepoRef("hf", "org/circle")) == []
    snapshots = tmp_path / "hub/models--org--circle/snapshots"
    models.write_file(snapshots / "a/config.json", b"{}")
    (snapshots / "b").symlink_to("b")
    assert check_model(snapshots.parent).directory == snapshots / "a"
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    wanted = RepoFile("config.json", 2, "0" * 64)
    assert adopt.find([wanted], RepoRef("hf", "org/circle"), [root]) == {
        "config.json": snapshots / "a/config.json"
    }
    monkeypatch.setenv("HUBFERRY_CACHE", str(root / "circle"))
    assert root / "circle" in all_roots()
    with pytest.raises(DiskError):
        Cache(root, roots=[root]).open(RepoRef("hf", "circle"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act for another account")
def test_what_another_account_has_under_way_in_a_shared_root_hides_no_model():
    """Its directory is closed to others: whether its run lives, and what it takes, is not known."""
    root = Path(tempfile.mkdtemp())
    try:
        root.chmod(0o755)
        models.transformers_model(root / "gpt2", shards=1, shard_size=600)
        for name in (f"{PASSING_PREFIX}1", f".0123{DOOMED_SUFFIX}"):
            (root / name / ".hubferry").mkdir(parents=True)
            (root / name).chmod(0o700)
        os.seteuid(65534)
        listing = list_models([root])
        assert names(listing) == ["gpt2"]
        assert [(one.name, one.frees) for one in listing.doomed] == [(f".0123{DOOMED_SUFFIX}", 0)]
    finally:
        os.seteuid(0)
        shutil.rmtree(root)


def test_one_revision_that_cannot_be_read_hides_no_other(root):
    cache = Cache(root, roots=[root])
    with cache.open(RepoRef("hf", "a/b")).hold(wait=0):
        pass
    (root / "a_b@v1").mkdir()
    (root / "a_b@v1/.hubferry").symlink_to(root)
    assert [one.path.name for one in cache.all_of(RepoRef("hf", "a/b"))] == ["a_b"]


def test_a_listing_looks_once_at_each_directory_and_at_nothing_besides(tmp_path, monkeypatch):
    """Two directories a model, its name, its two records, and no more."""
    many(tmp_path, 20)
    counts = Counter()
    for name in ("scandir", "lstat", "stat", "read_record", "open"):
        honest = getattr(disk, name)

        def counting(*words, name=name, honest=honest):
            counts[name] += 1
            return honest(*words)

        monkeypatch.setattr(disk, name, counting)
    assert len(list_models([tmp_path]).models) == 20
    assert counts == {"scandir": 2 * 20 + 1, "lstat": 20, "read_record": 2 * 20}
