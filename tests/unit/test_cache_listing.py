"""What is in the cache, and what it takes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests import models

from hubferry.cache.check import State
from hubferry.cache.listing import DOOMED_SUFFIX, freed, list_models
from hubferry.cache.store import Cache
from hubferry.errors import NotFoundError
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
    from hubferry.cache.disk import disk

    def scandir(path, scan=disk.scandir):
        if Path(path).name == "gpt2":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(disk, "scandir", scandir)
    bad = list_models([root]).models[1]
    assert bad.name == "gpt2"
    assert "Permission denied" in bad.problems[0].what
