"""Finding models by name costs what the name means, not what the cache has."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.recorded import many, recorded_model

from hubferry.cache import clean, inventory, listing, lookup, manifest
from hubferry.cache.disk import disk
from hubferry.errors import NotFoundError


@pytest.fixture
def counted(monkeypatch):
    """Count the records that are read, and the directories that are looked through."""
    counts = Counter()

    def counting(module, name, key):
        original = getattr(module, name)

        def count(*arguments, **rest):
            counts[key] += 1
            return original(*arguments, **rest)

        monkeypatch.setattr(module, name, count)

    counting(disk, "read_bytes", "read")
    counting(manifest, "load", "manifests")
    counting(inventory, "take", "walked")
    return counts


def titles(found):
    return [model.title for model in found.models]


def test_a_whole_name_reads_no_other_models_records(tmp_path, counted):
    many(tmp_path, 300)
    for name in (
        "org/model-7",
        "hf:org/model-7",
        "org_model_7",
        str(tmp_path / "org_model_7"),
        "Org/Model-7",
    ):
        counted.clear()
        found = lookup.look_up(name, [tmp_path])
        assert (titles(found), found.full) == (["org/model-7"], True)
        assert counted["manifests"] == counted["walked"] == 1
        assert counted["read"] <= 4


def test_a_part_of_a_name_describes_only_what_it_fits(tmp_path, counted):
    many(tmp_path, 300)
    found = lookup.look_up("model-29", [tmp_path])
    assert (titles(found), found.full) == (["org/model-29"], False)
    assert counted["manifests"] == counted["walked"] == 1
    counted.clear()
    assert len(lookup.filtered("*-29?", [tmp_path]).models) == 10
    assert counted["manifests"] == counted["walked"] == 10


def test_a_whole_name_is_found_in_a_directory_that_is_not_named_after_it(tmp_path):
    recorded_model(tmp_path / "one/flux-dev", "org/FLUX.1-dev")
    recorded_model(tmp_path / "two/org_FLUX_1_dev", "org/FLUX.1-dev")
    recorded_model(tmp_path / "two/org_FLUX_1_dev_2", "org/FLUX.1-dev-2")
    roots = [tmp_path / "one", tmp_path / "two"]
    found = lookup.look_up("org/FLUX.1-dev", roots)
    assert [model.name for model in found.models] == ["flux-dev", "org_FLUX_1_dev"]
    (tmp_path / "two/org_FLUX_1_dev").rename(tmp_path / "two/renamed")
    (tmp_path / "one/flux-dev").rename(tmp_path / "one/fluxdev")
    found = lookup.look_up("org/FLUX.1-dev", roots)
    assert [model.name for model in found.models] == ["fluxdev", "renamed"]
    assert found.full


def test_records_that_are_not_relied_upon_give_no_name(tmp_path):
    """Whoever may write a manifest must not make another model answer to a name."""
    recorded_model(tmp_path / "org_real", "org/real")
    bad = recorded_model(tmp_path / "org_real-00000000", "org/real")
    text = (bad / ".hubferry/manifest.json").read_bytes()
    (bad / ".hubferry/manifest.json").write_bytes(text.replace(b'"config.json":', b'"../x.json":'))
    found = lookup.look_up("org/real", [tmp_path])
    assert [model.name for model in found.models] == ["org_real"]


def test_revisions_are_named_together_and_apart_from_the_branch(tmp_path):
    branch = recorded_model(tmp_path / "org_model", "org/model", {"w.bin": b"w" * 4096})
    commits = [letter * 40 for letter in "ab"]
    for commit in commits:
        shared = {"w.bin": branch / "w.bin"}
        recorded_model(
            tmp_path / f"org_model@{commit}", "org/model", {"a": b"b"}, shared=shared, revision=commit
        )
    named = [f"org/model@{commit}" for commit in commits]
    assert titles(lookup.look_up("org/model", [tmp_path])) == ["org/model"]
    assert titles(lookup.look_up("org/model@", [tmp_path])) == named
    assert titles(lookup.look_up(f"org/model@{commits[1][:12]}", [tmp_path])) == named[1:]
    found = lookup.look_up("org/model@", [tmp_path]).models
    weights = (branch / "w.bin").stat().st_blocks * 512
    assert listing.freed(found) == sum(model.disk - weights for model in found)  # the branch has them still
    for model in found:
        clean.remove(model)
    assert (branch / "w.bin").read_bytes() == b"w" * 4096


def test_a_name_that_means_nothing_counts_what_there_is(tmp_path):
    many(tmp_path, 30)
    with pytest.raises(NotFoundError) as caught:
        lookup.look_up("llama", [tmp_path])
    assert caught.value.hint == "hubferry cache list   # 30 models"
    with pytest.raises(NotFoundError) as caught:
        lookup.look_up("org/modle-29", [tmp_path])
    assert caught.value.hint.startswith("did you mean: org/model-29, ")
    assert len(caught.value.hint) < 80


def test_who_shares_a_file_is_found_without_records_and_no_longer_than_needed(tmp_path, counted):
    many(tmp_path, 40)
    pair = {"big.bin": b"x" * 9000}
    one = recorded_model(tmp_path / "aaa_one", "aaa/one", pair)
    recorded_model(tmp_path / "aab_two", "aab/two", shared={"other.bin": one / "big.bin"})
    (model,) = lookup.look_up("aaa/one", [tmp_path]).models
    counted.clear()
    assert [place.name for place in lookup.sharing(model, [tmp_path])] == ["aab_two"]
    assert (counted["walked"], counted["read"]) == (2, 0)
    (last,) = lookup.look_up("org/model-39", [tmp_path]).models
    counted.clear()
    assert len(lookup.sharing(last, [tmp_path])) == 39
    assert (counted["walked"], counted["read"]) == (1, 0)


def test_sharing_of_all_models_grows_with_their_links_and_no_faster(tmp_path, monkeypatch):
    touched = {}
    for count in (50, 200):
        root = tmp_path / str(count)
        many(root, count)
        there = listing.list_models([root])
        assert len(there.models) == count
        holders = there._holders
        steps = 0

        class Steps(list):
            def __iter__(self):
                nonlocal steps
                for one in super().__iter__():
                    steps += 1
                    yield one

        there.__dict__["_holders"] = {inode: Steps(models) for inode, models in holders.items()}
        for model in there.models:
            assert len(there.sharing(model, 11)) == 11
        touched[count] = steps
    assert touched[200] <= touched[50] * 4.5


def test_a_link_is_described_by_its_records_and_followed_on_demand(tmp_path):
    outside = recorded_model(tmp_path / "elsewhere/m", "org/m", {"w.bin": b"x" * 5000}, pinned=True)
    (tmp_path / "root").mkdir()
    (tmp_path / "root/org_m").symlink_to(outside)
    (link,) = listing.list_models([tmp_path / "root"]).models
    assert (link.title, link.pinned, link.disk, link.files, link.frees) == ("org/m", True, 0, 0, 0)
    there = listing.followed(link)
    assert (there.path, there.files, there.state.value) == (link.path, 1, "whole")
    assert there.disk > 5000
    assert there.frees == 0
