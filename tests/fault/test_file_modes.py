"""Files get the rights that the umask leaves and names that nobody foresees; no link is written through."""

from __future__ import annotations

import os
import re
import stat

import pytest
from faults import meanwhile
from worlds import FIRST, SECOND, sha256

from hubferry.cache.disk import disk

UMASKS = [0o077, 0o022, 0o027, 0o002, 0o000]
SECRET = b"precious"


@pytest.fixture
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.parametrize("umask", UMASKS, ids=oct, indirect=True)
def test_every_file_of_a_copy_has_the_rights_that_the_umask_leaves_and_no_more(world, umask):
    done = world.command()
    assert done.code == 0, done.said
    files = [path for path in world.cache.rglob("*") if path.is_file()]
    folders = [world.cache, *(path for path in world.cache.rglob("*") if path.is_dir())]
    assert len(files) > len(world.content)
    told = {path: oct(stat.S_IMODE(path.stat().st_mode)) for path in files + folders}
    assert {told[path] for path in files} <= {oct(0o666 & ~umask), oct(0o600), oct(0o644 & ~umask)}, told
    assert {told[path] for path in folders} <= {oct(0o777 & ~umask), oct(0o700)}, told
    for path in world.content:
        assert told[world.model / path] == oct(0o666 & ~umask)


@pytest.mark.parametrize("umask", [0o077, 0o022], ids=oct, indirect=True)
def test_every_file_of_the_hub_has_the_rights_that_the_umask_leaves(world, umask):
    world.source.store.add("org/other", {"a.txt": b"x", "w.safetensors": b"y" * 5_000})
    (repository,) = (one for one in world.source.store.repositories() if one.record.repo_id == "org/other")
    made = [*repository.folder.rglob("*.json"), world.source.store.blobs.path(sha256(b"x"))]
    assert len(made) >= 3
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask for path in made)


def test_no_two_runs_give_a_temporary_file_the_same_name(world, monkeypatch):
    """What is made and gets another name afterwards has a name of at least 64 drawn bits."""
    seen = []
    honest = disk.replace

    def replace(origin, target):
        seen.append(origin.name)
        honest(origin, target)

    monkeypatch.setattr(disk, "replace", replace, raising=False)
    runs = []
    for run in range(2):
        seen.clear()
        world.add_source({path: b"%d" % run + content for path, content in world.content.items()})
        assert world.attempt().code == 0
        # what waits for another run, under the model's lock, has a name by which that run finds it
        runs.append({name for name in seen if not name.endswith((".part", "next"))})
    assert all(len(names) > 3 for names in runs)
    assert not runs[0] & runs[1]
    assert all(re.search(r"[0-9a-f]{16}", name) for names in runs for name in names), runs


def test_what_half_arrived_waits_under_the_name_of_its_content_and_is_never_opened_through_a_link(
    world, tmp_path
):
    """That name can be foreseen, so that a later run finds it; a link that was put there is taken away."""
    world.attempt("fetch")
    (world.model / FIRST).unlink()
    outside = tmp_path / "precious"
    outside.write_bytes(SECRET)
    partial = world.model / ".hubferry" / "partial" / f"{sha256(world.content[FIRST])}.part"
    for planted in (partial, partial.with_name(f"{partial.name}.map")):
        if planted != partial:
            partial.write_bytes(bytes(len(world.content[FIRST])))
        planted.symlink_to(outside)
        outcome = world.attempt("fetch")
        assert outcome.code == 0, outcome.said
        assert outside.read_bytes() == SECRET
        assert not planted.is_symlink()
        assert (world.model / FIRST).read_bytes() == world.content[FIRST]
        (world.model / FIRST).unlink()
    world.converge()


@pytest.mark.parametrize(
    "record", ["manifest.json", "journal.jsonl", "lock", "lock.holder", "verified-up-to"]
)
def test_no_record_is_written_through_a_link(world, tmp_path, record):
    world.attempt("fetch")
    (world.model / "config.json").unlink()
    outside = tmp_path / "precious"
    outside.write_bytes(SECRET)
    place = world.model / ".hubferry" / record
    place.unlink(missing_ok=True)
    place.symlink_to(outside)
    outcome = world.attempt("fetch")
    assert outcome.code in {0, 7}, outcome.said
    world.command("cache", "verify", "--sample", "50%")
    assert outside.read_bytes() == SECRET, f"{record} was written through"
    assert outside.stat().st_nlink == 1
    place.unlink(missing_ok=True)
    world.converge()


@pytest.mark.parametrize("path", [FIRST, SECOND, "config.json"])
def test_a_link_that_appears_under_a_final_name_meanwhile_is_replaced_and_its_target_stays(
    world, tmp_path, path
):
    outside = tmp_path / "precious"
    outside.write_bytes(SECRET)

    def plant():
        world.model.mkdir(parents=True, exist_ok=True)
        if not (world.model / path).exists():
            (world.model / path).symlink_to(outside)

    world.source_faults.plan(meanwhile(plant), "hf:resolve")
    outcome = world.attempt()
    assert outcome.code in {0, 6, 7}, outcome.said
    assert outside.read_bytes() == SECRET
    world.converge()
    assert not (world.model / path).is_symlink()


@pytest.mark.parametrize("kind", ["file", "directory", "model"])
def test_cleaning_takes_the_link_and_leaves_what_it_leads_to(world, tmp_path, kind):
    assert world.attempt("fetch").code == 0
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_bytes(SECRET)
    where = {
        "file": world.model / "linked.bin",
        "directory": world.model / "linked",
        "model": world.cache / "linked",
    }
    where[kind].symlink_to(outside / "precious" if kind == "file" else outside)
    done = world.command("cache", "clean", "--force")
    assert done.code == 0, done.said
    assert not world.model.exists()
    assert not where[kind].is_symlink()
    assert (outside / "precious").read_bytes() == SECRET
