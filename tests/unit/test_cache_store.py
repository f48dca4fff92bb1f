"""A file under its final name is what the source listed, whatever happens and whoever touches it."""

import hashlib
import os
import stat
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from hubferry.cache import directory, placing, recorded
from hubferry.cache.disk import Disk, disk
from hubferry.cache.manifest import JOURNAL, MANIFEST
from hubferry.cache.store import Cache, ModelDirectory, free_bytes
from hubferry.errors import DiskError, IntegrityError, LockedError, UsageError
from hubferry.model import Digests, RepoFile, RepoRef, Revision

REF = RepoRef("hf", "black-forest-labs/FLUX.1-dev")
COMMIT = Revision(REF, "c1")


def git_sha1_of(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def digests_of(content):
    return Digests(len(content), hashlib.sha256(content).hexdigest(), git_sha1_of(content))


def file_of(path, content):
    return RepoFile(path, len(content), hashlib.sha256(content).hexdigest(), lfs=True)


def git_file_of(path, content):
    return RepoFile(
        path, len(content), git_sha1=hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    )


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "root", roots=[tmp_path / "older"])


@pytest.fixture
def model(cache):
    return cache.open(REF)


@pytest.fixture
def reads(monkeypatch):
    """Count the bytes of content that are read."""
    counted = []
    honest = disk.pread

    def pread(descriptor, count, offset):
        data = honest(descriptor, count, offset)
        if count > 1000:
            counted.append(len(data))
        return data

    monkeypatch.setattr(disk, "pread", pread)
    return counted


def publish(model, path, content):
    partial = model.partial_directory / "x.part"
    partial.write_bytes(content)
    file = file_of(path, content)
    model.publish(file, partial, digests_of(content))
    return file


def again(model):
    """Look at the directory as another process would."""
    return ModelDirectory(model.path, model.ref)


# whose directory it is


def test_a_new_model_gets_a_directory_in_the_root(cache):
    assert cache.find(REF) is None
    assert cache.open(REF).path == cache.root / "black_forest_labs_FLUX_1_dev"
    assert (cache.root / "CACHEDIR.TAG").exists()
    assert cache.find(REF).path == cache.root / "black_forest_labs_FLUX_1_dev"


def test_looking_for_a_model_creates_nothing(cache):
    cache.find(REF)
    assert not cache.root.exists()


@pytest.mark.parametrize("place", ["root", "older"])
@pytest.mark.parametrize("name", ["black_forest_labs_FLUX_1_dev", "black_forest_labs_FLUX.1_dev"])
def test_what_older_scripts_left_is_used_where_it_is_and_under_its_name(cache, tmp_path, place, name):
    left = tmp_path / place / name
    left.mkdir(parents=True)
    (left / "a.json").write_bytes(b"content")
    model = cache.open(REF)
    assert model.path == left
    assert model.lookup(file_of("a.json", b"content")) == digests_of(b"content")
    assert again(model).known(file_of("a.json", b"content")) == digests_of(b"content")


def test_the_second_repository_of_a_name_gets_a_suffix_and_the_first_keeps_it(cache):
    first = cache.open(RepoRef("hf", "a/b-c"))
    second = cache.open(RepoRef("hf", "a-b/c"))
    third = cache.open(RepoRef("ms", "a/b-c"))
    assert first.path.name == "a_b_c"
    assert len({first.path, second.path, third.path}) == 3
    assert cache.find(RepoRef("hf", "a/b-c")).path == first.path
    assert cache.find(RepoRef("hf", "a-b/c")).path == second.path
    assert cache.open(RepoRef("ms", "a/b-c")).path == third.path


def test_the_default_branch_by_any_name_and_endpoint_has_one_directory(cache):
    for name in ("main", "master"):
        ref = RepoRef("hf", "a/b", revision=name, endpoint="http://mirror")
        assert cache.open(ref).path == cache.open(RepoRef("hf", "a/b")).path


def test_a_revision_that_is_asked_for_by_name_has_a_directory_beside_it(cache):
    plain = cache.open(RepoRef("hf", "a/b"))
    tagged = cache.open(RepoRef("hf", "a/b", revision="v1.0"))
    assert (plain.path.name, tagged.path.name) == ("a_b", "a_b@v1.0")
    assert cache.find(RepoRef("hf", "a/b", revision="v1.0")).path == tagged.path
    assert cache.find(RepoRef("hf", "a/b", revision="v2.0")) is None
    assert {one.path for one in cache.all_of(RepoRef("hf", "a/b"))} == {plain.path, tagged.path}


def test_revisions_whose_names_fall_together_when_made_safe_have_two_directories(cache):
    names = ("refs/pr/1", "refs_pr_1", "refs/pr_1", "x" * 90, "x" * 91)
    paths = {cache.open(RepoRef("hf", "a/b", revision=name)).path for name in names}
    assert len(paths) == len(names)
    assert all(len(path.name) < 100 for path in paths)


def test_the_same_revision_of_a_repository_whose_name_is_taken_has_its_own_directory(cache):
    first, second = (cache.open(RepoRef(hub, "a/b", revision="v1")) for hub in ("hf", "ms"))
    assert first.path.name == "a_b@v1"
    assert second.path.name.startswith("a_b-")
    assert second.path.name.endswith("@v1")
    assert cache.open(RepoRef("ms", "a/b", revision="v1")).path == second.path


def test_a_dataset_does_not_take_what_older_scripts_left_for_a_model(cache):
    left = cache.root / "a_b"
    left.mkdir(parents=True)
    (left / "x").touch()
    assert cache.open(RepoRef("hf", "a/b", repo_type="dataset")).path != left
    assert cache.open(RepoRef("hf", "a/b")).path == left


def test_a_directory_may_be_chosen_and_is_kept_for_its_repository(cache, tmp_path):
    place = tmp_path / "flux_model_cache" / "flux-dev"
    assert cache.open(REF, directory=place).path == place
    assert cache.open(REF, directory=place).path == place
    with pytest.raises(UsageError, match="another repository"):
        cache.open(RepoRef("hf", "other/model"), directory=place)


def test_whose_a_new_directory_is_is_learnt_from_the_run_that_holds_it(tmp_path):
    place = tmp_path / "model"
    late = ModelDirectory(place, REF)  # has looked before the other run wrote anything
    with ModelDirectory(place, REF).hold(wait=0):
        ModelDirectory(place, REF)._memory.begin()
        assert late.claim()


def test_a_new_directory_that_stays_held_and_unclaimed_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(recorded, "_CLAIM_SECONDS", 0.0)
    with ModelDirectory(tmp_path / "model", REF).hold(wait=0), pytest.raises(LockedError, match="in use"):
        ModelDirectory(tmp_path / "model", REF).claim()


def test_a_root_that_may_not_be_read_does_not_hide_the_others(cache, tmp_path, monkeypatch):
    left = tmp_path / "older" / "black_forest_labs_FLUX_1_dev"
    left.mkdir(parents=True)
    refused = cache.root / left.name
    refused.mkdir(parents=True)

    def read_record(path, most):
        if refused in Path(path).parents:
            raise PermissionError(13, "Permission denied", str(path))
        return Disk().read_record(path, most)

    monkeypatch.setattr(disk, "read_record", read_record)
    assert cache.find(REF).path == left


# what is known without reading


def test_a_published_file_is_known_without_reading_it(model, reads):
    file = publish(model, "sub/model.safetensors", b"weights" * 1000)
    assert model.target(file.path).read_bytes() == b"weights" * 1000
    assert again(model).known(file) == again(model).lookup(file) == digests_of(b"weights" * 1000)
    assert reads == []


def test_a_changed_byte_of_the_same_size_is_found_and_forgotten(model):
    file = publish(model, "a", b"right")
    model.target("a").write_bytes(b"wrong")
    assert model.known(file) is None
    assert model.lookup(file) is None
    assert again(model).manifest.files == {}


def test_a_file_that_was_only_touched_is_hashed_once_and_known_again(model, reads):
    file = publish(model, "a", b"right")
    os.utime(model.target("a"), ns=(1, 1))
    assert model.known(file) is None
    assert model.lookup(file) == digests_of(b"right")
    assert sum(reads) == 5
    assert again(model).lookup(file) == digests_of(b"right")
    assert sum(reads) == 5


def test_a_file_that_was_replaced_with_its_old_time_is_hashed_again(model):
    file = publish(model, "a", b"right")
    before = model.target("a").stat()
    other = model.path / "other"
    other.write_bytes(b"wrong")
    os.utime(other, ns=(before.st_mtime_ns, before.st_mtime_ns))
    other.replace(model.target("a"))
    assert model.lookup(file) is None


def test_what_is_proven_to_be_another_commits_content_is_not_read(model, reads):
    publish(model, "a", b"first")
    assert model.lookup(file_of("a", b"other")) is None
    assert reads == []
    assert model.known(file_of("a", b"first")) is not None


def test_content_of_another_size_is_not_read(model, reads):
    (model.path / "a").write_bytes(b"x" * 5000)
    assert model.lookup(file_of("a", b"y")) is None
    assert reads == []


def test_a_file_of_git_is_known_by_its_blob_id(model):
    (model.path / "config.json").write_bytes(b"{}")
    file = git_file_of("config.json", b"{}")
    found = model.lookup(file)
    assert found.sha256 == hashlib.sha256(b"{}").hexdigest()
    assert again(model).known(file) == found


def test_a_file_known_by_sha256_alone_is_read_to_learn_its_blob_id(model):
    listed = file_of("config.json", b"{}")
    model.put_many([(listed, b"{}", replace(digests_of(b"{}"), git_sha1=None))])
    file = git_file_of("config.json", b"{}")
    assert model.known(file) is None
    assert model.lookup(file) is not None
    assert again(model).known(file) is not None


def test_a_file_that_names_no_digest_is_never_known(model):
    publish(model, "a", b"right")
    assert model.lookup(RepoFile("a", 5)) is None


@pytest.mark.parametrize(
    ("mtime_ns", "age_ns", "pauses"),
    [
        (1_700_000_000_123_456_789, 1_000_000, [0.019]),
        (1_700_000_000_123_456_789, 30_000_000, []),
        (1_700_000_000_000_000_000, 500_000_000, [1.5]),  # whole seconds: a filesystem with a coarse clock
        (1_700_000_000_000_000_000, 2_000_000_001, []),
        (1_700_000_000_123_456_789, -60_000_000_000, []),  # from the future: no waiting helps
    ],
)
def test_a_file_still_in_its_clock_tick_is_hashed_after_it(model, monkeypatch, mtime_ns, age_ns, pauses):
    """Else it could be written again with the same stamp, and be believed unread."""
    (model.path / "a").write_bytes(b"right")
    os.utime(model.path / "a", ns=(mtime_ns, mtime_ns))
    slept = []
    monkeypatch.setattr(placing.time, "time_ns", lambda: mtime_ns + age_ns)
    monkeypatch.setattr(placing.time, "sleep", slept.append)
    assert model.lookup(file_of("a", b"right")) is not None
    assert slept == pytest.approx(pauses)


def test_a_manifest_that_is_gone_or_broken_costs_a_reading_and_nothing_else(model):
    file = publish(model, "a", b"right")
    model.finish(COMMIT, [file])
    for damage in (b"", b"{", b"\0" * 100):
        (model.path / ".hubferry" / MANIFEST).write_bytes(damage)
        fresh = again(model)
        assert fresh.known(file) is None
        assert fresh.lookup(file) == digests_of(b"right")
        assert again(model).known(file) == digests_of(b"right")


def test_a_directory_that_cannot_be_written_is_still_read(model, monkeypatch):
    (model.path / "a").write_bytes(b"right")

    def refuse(path, flags, mode=0o666):
        if flags & os.O_ACCMODE:
            raise PermissionError(13, "Permission denied", str(path))
        return Disk().open(path, flags, mode)

    monkeypatch.setattr(disk, "open", refuse)
    assert model.lookup(file_of("a", b"right")) == digests_of(b"right")


# what gets a name


def test_content_that_is_not_what_was_listed_gets_no_name(model):
    partial = model.partial_directory / "x.part"
    partial.write_bytes(b"wrong")
    with pytest.raises(IntegrityError):
        model.publish(file_of("a", b"right"), partial, digests_of(b"wrong"))
    assert not model.target("a").exists()
    assert partial.exists()


def test_a_partial_of_another_length_than_its_digests_say_gets_no_name(model):
    partial = model.partial_directory / "x.part"
    partial.write_bytes(b"righ")
    with pytest.raises(IntegrityError):
        model.publish(file_of("a", b"right"), partial, digests_of(b"right"))
    assert not model.target("a").exists()


def test_content_without_a_listed_digest_gets_no_name(model):
    partial = model.partial_directory / "x.part"
    partial.write_bytes(b"right")
    with pytest.raises(IntegrityError):
        model.publish(RepoFile("a", 5), partial, digests_of(b"right"))


def test_a_file_that_cannot_be_recorded_is_an_error_and_is_found_again(model, monkeypatch):
    def append(*_arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(disk, "append", append)
        with pytest.raises(DiskError, match="full"):
            publish(model, "a", b"right")
    assert model.known(file_of("a", b"right")) is None
    assert model.lookup(file_of("a", b"right")) is not None


def test_a_partial_that_is_a_link_gets_no_name(model, tmp_path):
    (tmp_path / "secret").write_bytes(b"right")
    partial = model.partial_directory / "x.part"
    partial.symlink_to(tmp_path / "secret")
    with pytest.raises(DiskError):
        model.publish(file_of("a", b"right"), partial, digests_of(b"right"))
    assert not model.target("a").exists()


def test_one_wrong_file_of_many_stores_none(model):
    items = [(file_of(name, b"right"), b"right", digests_of(b"right")) for name in "abc"]
    for bad in ((b"wrong", digests_of(b"wrong")), (b"righ", digests_of(b"right"))):
        with pytest.raises(IntegrityError):
            model.put_many([*items, (file_of("d", b"right"), *bad)])
    assert [path.name for path in model.path.iterdir()] == [".hubferry"]


def test_many_small_files_are_stored_at_once(model):
    contents = {f"d{number % 5}/e/f{number}": b"%d" % number for number in range(300)} | {"empty": b""}
    model.put_many(
        [(file_of(path, content), content, digests_of(content)) for path, content in contents.items()]
    )
    fresh = again(model)
    for path, content in contents.items():
        assert fresh.known(file_of(path, content)) is not None
        assert fresh.target(path).read_bytes() == content
    assert list(model.partial_directory.iterdir()) == []


def test_nothing_is_stored_through_a_linked_directory(model, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (model.path / "sub").symlink_to(outside)
    file = file_of("sub/a", b"right")
    with pytest.raises(IntegrityError, match="symbolic link"):
        model.put_many([(file, b"right", digests_of(b"right"))])
    with pytest.raises(IntegrityError):
        publish(model, "sub/a", b"right")
    (tmp_path / "blob").write_bytes(b"right")
    with pytest.raises(IntegrityError):
        model.adopt(file, tmp_path / "blob")
    with pytest.raises(IntegrityError):
        model.remove_file("sub/a")
    assert list(outside.iterdir()) == []


def test_a_link_under_the_final_name_is_replaced_not_written_through(model, tmp_path):
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    (model.path / "a").symlink_to(outside)
    publish(model, "a", b"right")
    assert outside.read_bytes() == b"precious"
    assert stat.S_ISREG((model.path / "a").lstat().st_mode)


def test_a_file_shared_with_another_cache_is_replaced_not_written_into(model, tmp_path):
    shared = tmp_path / "shared"
    shared.write_bytes(b"precious")
    os.link(shared, model.path / "a")
    publish(model, "a", b"right")
    assert shared.read_bytes() == b"precious"


def test_records_behind_a_link_are_not_used(cache, model, tmp_path):
    outside = tmp_path / "outside"
    (model.path / ".hubferry").rename(outside)
    (model.path / ".hubferry").symlink_to(outside)
    with pytest.raises(DiskError, match="symbolic link"):
        again(model)
    with pytest.raises(DiskError, match="symbolic link"), model.hold(wait=0):
        pytest.fail("held through a link")


def test_links_in_a_circle_are_nothing(model):
    (model.path / "a").symlink_to("b")
    (model.path / "b").symlink_to("a")
    assert model.lookup(file_of("a", b"right")) is None


def test_a_linked_file_of_an_older_cache_becomes_a_file_of_its_own(model, tmp_path):
    blob = tmp_path / "blob"
    blob.write_bytes(b"right")
    (model.path / "a").symlink_to(blob)
    assert model.lookup(file_of("a", b"right")) == digests_of(b"right")
    assert stat.S_ISREG((model.path / "a").lstat().st_mode)
    assert blob.read_bytes() == b"right"


@pytest.mark.parametrize("path", ["../a", "/a", ".hubferry/manifest.json", "a\0"])
def test_a_hostile_name_has_no_place(model, path):
    with pytest.raises(IntegrityError):
        model.target(path)
    with pytest.raises(IntegrityError):
        model.remove_file(path)


def test_a_commit_may_turn_a_file_into_a_directory_and_back(model):
    publish(model, "data", b"file")
    nested = publish(model, "data/x/y", b"nested")
    assert model.known(nested) is not None
    assert again(model).known(file_of("data", b"file")) is None
    flat = publish(model, "data", b"file")
    assert again(model).known(flat) is not None
    assert again(model).known(nested) is None


def test_a_foreign_file_in_the_way_is_not_removed(model):
    (model.path / "data").write_bytes(b"somebody's")
    with pytest.raises(DiskError):
        publish(model, "data/x", b"right")
    assert (model.path / "data").read_bytes() == b"somebody's"


# adopting


def test_a_file_of_another_cache_is_shared_not_copied(model, tmp_path):
    origin = tmp_path / "blob"
    origin.write_bytes(b"right")
    assert model.adopt(file_of("sub/a", b"right"), origin) == digests_of(b"right")
    assert model.target("sub/a").stat().st_ino == origin.stat().st_ino
    assert again(model).known(file_of("sub/a", b"right")) == digests_of(b"right")
    assert list(model.partial_directory.iterdir()) == []


def test_a_file_behind_links_is_shared_by_what_they_lead_to(model, tmp_path):
    (tmp_path / "shared").write_bytes(b"right")
    (tmp_path / "blob").symlink_to("shared")
    (tmp_path / "snapshot").symlink_to("blob")
    model.adopt(file_of("a", b"right"), tmp_path / "snapshot")
    assert model.target("a").lstat().st_ino == (tmp_path / "shared").stat().st_ino


@pytest.mark.parametrize("content", [b"wrong", b"right and more", None])
def test_a_file_that_is_something_else_is_not_taken(model, tmp_path, content):
    if content is not None:
        (tmp_path / "blob").write_bytes(content)
    assert model.adopt(file_of("a", b"right"), tmp_path / "blob") is None
    assert not model.target("a").exists()
    assert list(model.partial_directory.iterdir()) == []


@pytest.mark.parametrize("number", [18, 1, 31, 95])
def test_where_links_are_impossible_a_file_is_copied_and_it_is_said(model, tmp_path, monkeypatch, number):
    origin = tmp_path / "blob"
    origin.write_bytes(b"right")

    def refuse(*_arguments):
        raise OSError(number, "cannot")

    monkeypatch.setattr(disk, "link", refuse)
    monkeypatch.setattr(disk, "reflink", refuse)
    told = []
    assert model.adopt(file_of("a", b"right"), origin, on_copy=told.append) == digests_of(b"right")
    assert told == [origin]
    assert model.target("a").read_bytes() == b"right"
    assert model.target("a").stat().st_ino != origin.stat().st_ino
    assert again(model).known(file_of("a", b"right")) is not None
    assert list(model.partial_directory.iterdir()) == []


def test_a_copy_that_turns_out_wrong_is_not_kept(model, tmp_path, monkeypatch):
    origin = tmp_path / "blob"
    origin.write_bytes(b"right")

    def refuse(*_arguments):
        origin.write_bytes(b"wrong")  # it changes after it was hashed
        raise OSError(18, "cannot")

    monkeypatch.setattr(disk, "link", refuse)
    assert model.adopt(file_of("a", b"right"), origin) is None
    assert not model.target("a").exists()
    assert list(model.partial_directory.iterdir()) == []


def test_adopting_changes_neither_content_nor_time_of_the_other_cache(model, tmp_path):
    origin = tmp_path / "blob"
    origin.write_bytes(b"right")
    origin.chmod(0o444)
    before = origin.stat()
    model.adopt(file_of("a", b"right"), origin)
    publish(model, "a", b"newer")
    after = origin.stat()
    assert origin.read_bytes() == b"right"
    assert (after.st_ino, after.st_mtime_ns, after.st_mode) == (
        before.st_ino,
        before.st_mtime_ns,
        before.st_mode,
    )


def test_the_same_content_under_a_second_name_is_one_inode_and_not_read_again(model, reads):
    first = publish(model, "a", b"right" * 1000)
    assert model.adopt(file_of("b", b"right" * 1000), model.target(first.path)) is not None
    assert model.target("a").stat().st_ino == model.target("b").stat().st_ino
    assert reads == []


def test_a_large_file_of_another_root_is_shared_without_reading_it_again(cache, model, monkeypatch, reads):
    monkeypatch.setattr(directory, "_WORTH_A_MANIFEST", 5)
    other = cache.open(RepoRef("ms", "other/model"))
    file = publish(other, "sub/a", b"right")
    assert model.adopt(file_of("b", b"right"), other.target(file.path)) is not None
    assert model.adopt(file_of("c", b"wrong"), other.target(file.path)) is None
    assert sum(reads) == 5  # for the wrong one
    os.utime(other.target(file.path), ns=(1, 1))
    assert model.adopt(file_of("d", b"right"), other.target(file.path)) is not None
    assert sum(reads) == 10


def test_a_file_of_another_cache_that_cannot_be_read_is_no_error(model, tmp_path, monkeypatch):
    (tmp_path / "blob").write_bytes(b"right")

    def pread(*_arguments):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(disk, "pread", pread)
    assert model.adopt(file_of("a", b"right"), tmp_path / "blob") is None


def test_a_second_name_that_the_hub_lists_by_its_blob_id_is_proven_by_it(model):
    listed = file_of("a", b"{}")
    model.put_many([(listed, b"{}", replace(digests_of(b"{}"), git_sha1=None))])
    assert model.adopt(git_file_of("b", b"{}"), model.target("a")) == digests_of(b"{}")


def test_adopting_a_file_onto_itself_leaves_it_and_no_litter(model):
    (model.path / "a").write_bytes(b"right")
    assert model.adopt(file_of("a", b"right"), model.path / "a") == digests_of(b"right")
    assert (model.path / "a").read_bytes() == b"right"
    assert list(model.partial_directory.iterdir()) == []


# the commit


def test_a_finished_model_says_which_commit_it_is_and_of_which_files(model):
    files = [publish(model, "b", b"2"), publish(model, "a", b"1")]
    assert model.complete() is None
    model.finish(COMMIT, files)
    commit, listed = again(model).complete()
    assert commit == "c1"
    assert [(file.path, file.sha256) for file in listed] == [
        (file.path, file.sha256) for file in reversed(files)
    ]


def test_a_model_with_a_file_missing_is_not_called_whole(model):
    model.finish(COMMIT, [publish(model, "a", b"1"), file_of("b", b"2")])
    assert again(model).complete() is None


def test_a_selection_of_files_is_not_called_whole(model):
    model.finish(COMMIT, [publish(model, "a", b"1")], whole=False)
    assert again(model).complete() is None
    assert again(model).manifest.commit == "c1"


def test_a_selection_from_a_whole_model_leaves_it_whole(model):
    files = [publish(model, "a", b"1"), publish(model, "b", b"2")]
    model.finish(COMMIT, files)
    model.finish(COMMIT, files[:1], whole=False)
    assert len(again(model).complete()[1]) == 2


def test_a_new_commit_half_brought_in_is_no_longer_the_old_one(model):
    files = [publish(model, "a", b"1"), publish(model, "b", b"2")]
    model.finish(COMMIT, files)
    publish(model, "a", b"new")
    assert again(model).complete() is None


def test_files_that_a_newer_commit_lacks_are_no_part_of_it(model):
    files = [publish(model, "a", b"1"), publish(model, "b", b"2")]
    model.finish(COMMIT, files)
    model.finish(Revision(REF, "c2"), files[:1])
    commit, listed = again(model).complete()
    assert (commit, [file.path for file in listed]) == ("c2", ["a"])


def test_use_publication_and_pin_are_remembered(model):
    before = model.manifest.used
    model.touch()
    model.mark_published(RepoRef("ms", "me/flux", revision="master"), "d1")
    model.pin(pinned=True)
    known = again(model).manifest
    assert known.used > before
    assert [(one.destination, one.commit) for one in known.published] == [("ms:me/flux", "d1")]
    assert known.pinned


def test_a_removed_file_is_gone_with_the_directories_it_leaves_empty(model):
    publish(model, "a/b/c", b"1")
    publish(model, "a/d", b"2")
    model.remove_file("a/b/c")
    model.remove_file("a/b/c")
    assert sorted(path.name for path in (model.path / "a").iterdir()) == ["d"]
    assert set(again(model).manifest.files) == {"a/d"}
    model.remove_file("a/d")
    assert model.path.is_dir()
    assert not (model.path / "a").exists()


# kills and power cuts


def test_a_killed_run_loses_nothing_that_it_had_published(model):
    files = [publish(model, f"f{number}", b"%d" % number) for number in range(20)]
    fresh = again(model)  # the first process never finished
    assert all(fresh.known(file) for file in files)


def test_what_killed_runs_left_unfinished_is_swept_by_the_next(model):
    keep = model.partial_directory / "abc.part"
    for litter in (
        model.partial_directory / "0123.tmp",
        model.path / ".hubferry" / (MANIFEST + ".beef"),
        keep,
    ):
        litter.touch()
    with again(model).hold(wait=0):
        pass
    left = {path.name for path in (model.path / ".hubferry").rglob("*") if path.is_file()}
    assert left - {"lock"} == {MANIFEST, "abc.part"}


class Recorder:
    """Write down every operation that matters when the power goes, in order, by the files' names."""

    def __init__(self, monkeypatch):
        self.done = []
        self._names = {}
        for name in ("open", "close", "pwrite_all", "append", "fsync", "fsync_directory", "replace", "link"):
            monkeypatch.setattr(disk, name, self._recorded(name, getattr(disk, name)))

    def _recorded(self, name, honest):
        def operation(*arguments, **keywords):
            result = honest(*arguments, **keywords)
            if name == "open":
                self._names[result] = str(arguments[0])
            subject = arguments[0]
            subject = self._names[subject] if isinstance(subject, int) else str(subject)
            self.done.append((name, subject, str(arguments[1]) if name in ("replace", "link") else None))
            return result

        return operation

    def index(self, *wanted):
        return max(number for number, one in enumerate(self.done) if one[: len(wanted)] == wanted)

    def check(self, model, path):
        """Hold the recorded order against the law."""
        place = str(model.target(path))
        journal = str(model.path / ".hubferry" / JOURNAL)
        renamed = max(
            number for number, one in enumerate(self.done) if one[0] == "replace" and one[2] == place
        )
        temporary = self.done[renamed][1]
        durable = max(number for number, one in enumerate(self.done) if one[:2] == ("fsync", temporary))
        written = [number for number, one in enumerate(self.done) if one[:2] == ("pwrite_all", temporary)]
        assert all(number < durable for number in written)
        assert durable < renamed
        named = self.index("fsync_directory", str(model.target(path).parent))
        assert renamed < named < self.index("append", journal)
        assert self.index("append", journal) < self.index("fsync", journal)


def test_a_published_file_is_durable_before_its_name_and_its_name_before_its_record(model, monkeypatch):
    partial = model.partial_directory / "x.part"
    partial.write_bytes(b"right")
    recorder = Recorder(monkeypatch)
    model.publish(file_of("new/sub/a", b"right"), partial, digests_of(b"right"))
    recorder.check(model, "new/sub/a")
    for parent in (model.path, model.path / "new"):
        assert recorder.index("fsync_directory", str(parent)) < recorder.index("append")


def test_many_small_files_are_durable_in_the_same_order(model, monkeypatch):
    recorder = Recorder(monkeypatch)
    names = [f"d{number % 3}/f{number}" for number in range(30)]
    model.put_many([(file_of(name, b"right"), b"right", digests_of(b"right")) for name in names])
    for name in names:
        recorder.check(model, name)
    synced = [one[1] for one in recorder.done if one[0] == "fsync_directory" and ".hubferry" not in one[1]]
    assert sorted(synced) == [str(model.path), *(str(model.path / name) for name in ("d0", "d1", "d2"))]
    assert len([one for one in recorder.done if one[0] == "append"]) == 1


@pytest.mark.parametrize("links", [True, False])
def test_an_adopted_file_is_durable_in_the_same_order(model, tmp_path, monkeypatch, links):
    (tmp_path / "blob").write_bytes(b"right")
    if not links:
        monkeypatch.setattr(disk, "link", lambda *_names: (_ for _ in ()).throw(OSError(18, "cannot")))
    recorder = Recorder(monkeypatch)
    model.adopt(file_of("d/a", b"right"), tmp_path / "blob")
    recorder.check(model, "d/a")


def test_the_manifest_is_written_whole_or_not_at_all(model, monkeypatch):
    recorder = Recorder(monkeypatch)
    model.finish(COMMIT, [])
    final = str(model.path / ".hubferry" / MANIFEST)
    renamed = next(
        number for number, one in enumerate(recorder.done) if one[0] == "replace" and one[2] == final
    )
    temporary = recorder.done[renamed][1]
    assert recorder.index("pwrite_all", temporary) < recorder.index("fsync", temporary) < renamed
    assert renamed < recorder.index("fsync_directory", str(model.path / ".hubferry"))


FAULTY = ("open", "pwrite_all", "append", "fsync", "fsync_directory", "replace", "mkdir", "close", "link")


class FailingOnce:
    """Let the n-th operation fail, whichever it is."""

    def __init__(self, turn, number):
        self.reached = 0
        self.turn = turn
        self.number = number

    def install(self, patch):
        for name in FAULTY:
            patch.setattr(disk, name, self._wrapped(getattr(disk, name)))

    def _wrapped(self, honest):
        def operation(*arguments, **keywords):
            self.reached += 1
            if self.reached == self.turn:
                raise OSError(self.number, os.strerror(self.number))
            return honest(*arguments, **keywords)

        return operation


def act(model, action, origin):
    """Do one of the things that write."""
    files = [file_of(name, b"right") for name in ("d/a", "b")]
    if action == "publish":
        model.publish(files[0], model.partial_directory / "x.part", digests_of(b"right"))
    elif action == "put_many":
        model.put_many([(file, b"right", digests_of(b"right")) for file in files])
    elif action == "adopt":
        model.adopt(files[0], origin)
    else:
        model.finish(COMMIT, [])


def assert_only_truth(model):
    files = [file_of(name, b"right") for name in ("d/a", "b")]
    fresh = again(model)
    assert fresh.manifest is not None
    for file in files:
        assert fresh.known(file) in (None, digests_of(b"right"))
        assert not fresh.target(file.path).exists() or fresh.target(file.path).read_bytes() == b"right"
    fresh.put_many([(file, b"right", digests_of(b"right")) for file in files])
    assert all(again(model).known(file) for file in files)


@pytest.mark.parametrize("number", [5, 28, 13])
@pytest.mark.parametrize("action", ["publish", "put_many", "adopt", "finish"])
def test_a_disk_that_fails_at_any_operation_leaves_only_truth_behind(
    cache, tmp_path, monkeypatch, action, number
):
    origin = tmp_path / "blob"
    origin.write_bytes(b"right")
    for turn in range(1, 100):
        model = cache.open(RepoRef("hf", f"a/{turn}"))
        (model.partial_directory / "x.part").write_bytes(b"right")
        fault = FailingOnce(turn, number)
        with monkeypatch.context() as patch:
            fault.install(patch)
            with suppress(DiskError):
                act(model, action, origin)
        assert_only_truth(model)
        assert origin.read_bytes() == b"right"
        if fault.reached < turn:
            break
    assert turn > 3
    assert fault.reached < turn, "every operation had its turn"


def test_free_space_is_told_of_a_place_that_is_not_there_yet(tmp_path):
    assert free_bytes(tmp_path / "a/b/c") > 0
