"""What is already on this machine is found, in every cache that is known, and proven before it is used."""

import hashlib
import os
import shutil
import subprocess

import pytest

from hubferry.cache import adopt
from hubferry.cache.disk import disk
from hubferry.cache.store import Cache
from hubferry.model import Digests, RepoFile, RepoRef

REF = RepoRef("hf", "org/name.v1")
BIG, SMALL = b"weights" * 5000, b'{"a": 1}'
SHA256, XET = hashlib.sha256(BIG).hexdigest(), "ab" * 32
GIT = hashlib.sha1(b"blob %d\0" % len(SMALL) + SMALL).hexdigest()
WEIGHTS = RepoFile("sub/model.safetensors", len(BIG), sha256=SHA256, lfs=True, xet_hash=XET)
CONFIG = RepoFile("config.json", len(SMALL), git_sha1=GIT)
FILES = [WEIGHTS, CONFIG]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "MODELSCOPE_CACHE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def huggingface_cache(hub, repository="models--org--name.v1", *, shared=False):
    """Lay a cache out as huggingface_hub does, with Xet's store shared by all repositories if so wished."""
    blobs = hub / repository / "blobs"
    write(blobs / GIT, SMALL)
    if shared:
        write(hub / "blobs" / XET[:2] / XET, BIG)
        (blobs / SHA256).symlink_to(f"../../blobs/{XET[:2]}/{XET}")
    else:
        write(blobs / SHA256, BIG)
    snapshot = hub / repository / "snapshots" / ("c" * 40)
    (snapshot / "sub").mkdir(parents=True)
    (snapshot / "config.json").symlink_to(f"../../blobs/{GIT}")
    (snapshot / "sub/model.safetensors").symlink_to(f"../../../blobs/{SHA256}")
    return hub


def contents(found):
    return {path: place.read_bytes() for path, place in found.items()}


WHOLE = {"sub/model.safetensors": BIG, "config.json": SMALL}


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(
    ("variable", "hub"),
    [
        (None, ".cache/huggingface/hub"),
        ("HF_HOME", "elsewhere/hub"),
        ("HF_HUB_CACHE", "hub"),
        ("XDG_CACHE_HOME", "xdg/huggingface/hub"),
    ],
)
def test_the_hugging_face_cache_is_searched_by_digest(home, monkeypatch, variable, hub, shared):
    huggingface_cache(home / hub, shared=shared)
    if variable:
        values = {"HF_HOME": "elsewhere", "HF_HUB_CACHE": "hub", "XDG_CACHE_HOME": "xdg"}
        monkeypatch.setenv(variable, str(home / values[variable]))
    assert contents(adopt.find(FILES, REF, [])) == WHOLE


def test_another_repositorys_blobs_do_as_well(home):
    huggingface_cache(home / ".cache/huggingface/hub", "models--some--fork")
    assert contents(adopt.find(FILES, REF, [])) == WHOLE


def test_a_shared_blob_is_found_although_no_repository_links_to_it(home):
    hub = huggingface_cache(home / ".cache/huggingface/hub", "models--some--fork", shared=True)
    shutil.rmtree(hub / "models--some--fork")
    assert contents(adopt.find([WEIGHTS], REF, [])) == {WEIGHTS.path: BIG}


def test_nothing_is_read_while_searching_by_digest(home, monkeypatch):
    huggingface_cache(home / ".cache/huggingface/hub")
    for name in ("open", "read", "pread", "read_bytes", "read_record"):
        monkeypatch.setattr(disk, name, lambda *_arguments: pytest.fail("content was read"))
    assert set(adopt.find(FILES, REF, [])) == set(WHOLE)


def test_a_blob_of_another_size_is_no_candidate(home):
    hub = huggingface_cache(home / ".cache/huggingface/hub")
    (hub / "models--org--name.v1/blobs" / SHA256).write_bytes(BIG[:-1])
    assert set(adopt.find(FILES, REF, [])) == {"config.json"}


def test_a_snapshot_of_plain_files_as_windows_has_it_is_searched_by_path(home):
    snapshot = home / ".cache/huggingface/hub/models--org--name.v1/snapshots/c1"
    for path, content in WHOLE.items():
        write(snapshot / path, content)
    assert contents(adopt.find(FILES, REF, [])) == WHOLE


@pytest.mark.parametrize(
    "folder",
    [
        ".cache/modelscope/hub/models/org/name.v1",
        ".cache/modelscope/hub/models/org/name___v1",
        ".cache/modelscope/hub/org/name___v1",
        ".cache/modelscope/models/org/name.v1",
        ".cache/modelscope/models/org--name.v1/snapshots/master",
        ".cache/modelscope/hub/models--org--name.v1/snapshots/master",
    ],
)
def test_modelscopes_cache_is_searched_by_path_in_every_layout(home, folder):
    for path, content in WHOLE.items():
        write(home / folder / path, content)
    assert contents(adopt.find(FILES, REF, [])) == WHOLE


def test_the_environment_says_where_modelscopes_cache_is(home, monkeypatch):
    monkeypatch.setenv("MODELSCOPE_CACHE", str(home / "ms"))
    write(home / "ms/models/org/name.v1/config.json", SMALL)
    assert contents(adopt.find(FILES, REF, [])) == {"config.json": SMALL}


def test_another_root_of_ours_is_searched_by_its_records(home):
    other = Cache(home / "other", roots=()).open(RepoRef("ms", "quite/different"))
    other.put_many([(RepoFile("x", len(BIG), SHA256), BIG, Digests(len(BIG), SHA256))])
    assert contents(adopt.find([WEIGHTS], REF, [home / "absent", home / "other"])) == {WEIGHTS.path: BIG}
    assert adopt.find([WEIGHTS], REF, [home / "other"], exclude=[other.path]) == {}


def test_a_record_whose_file_has_changed_is_no_candidate(home):
    other = Cache(home / "other", roots=()).open(RepoRef("ms", "quite/different"))
    other.put_many([(RepoFile("x", len(BIG), SHA256), BIG, Digests(len(BIG), SHA256))])
    os.utime(other.path / "x", ns=(1, 1))
    assert adopt.find([WEIGHTS], REF, [home / "other"]) == {}


def test_what_an_older_script_left_in_another_root_is_found_by_name(home):
    write(home / "flux_model_cache/org_name.v1/config.json", SMALL)
    assert contents(adopt.find(FILES, REF, [home / "flux_model_cache"])) == {"config.json": SMALL}


def test_the_notes_of_a_download_into_a_folder_are_read_and_strange_ones_left_out(home):
    folder = home / "folder"
    notes = folder / ".cache/huggingface/download"
    write(notes / "config.json.metadata", f"{'c' * 40}\n{GIT}\n1.5\n".encode())
    write(notes / "strange.metadata", b"\xff")
    assert adopt.folder_metadata(folder) == {"config.json": adopt.FolderMetadata("c" * 40, GIT)}


def test_a_hostile_path_is_not_looked_for_outside(home):
    write(home / ".cache/modelscope/models/org/secret", SMALL)
    (home / ".cache/modelscope/models/org/name.v1").mkdir()
    hostile = [
        RepoFile("../secret", len(SMALL), git_sha1=GIT),
        RepoFile(str(home / "x"), 1),
        RepoFile("a\0", 1),
    ]
    assert adopt.find(hostile, REF, []) == {}


def test_a_machine_without_other_caches_has_nothing(home):
    assert adopt.find(FILES, REF, [home / "absent"]) == {}


def test_a_model_in_the_hugging_face_cache_costs_no_disk_and_leaves_that_cache_as_it_is(home):
    hub = huggingface_cache(home / ".cache/huggingface/hub", shared=True)
    before = {path: path.lstat().st_mtime_ns for path in hub.rglob("*")}
    used = int(subprocess.check_output(["du", "-sk", home]).split()[0])
    model = Cache(home / "root", roots=()).open(REF)
    for path, place in adopt.find(FILES, REF, [home / "root"]).items():
        file = next(file for file in FILES if file.path == path)
        assert model.adopt(file, place) is not None
    assert {path: (model.path / path).read_bytes() for path in WHOLE} == WHOLE
    assert {path: path.lstat().st_mtime_ns for path in hub.rglob("*")} == before
    grown = int(subprocess.check_output(["du", "-sk", home]).split()[0]) - used
    assert grown < len(BIG) // 1024


def test_a_blob_whose_content_belies_its_name_is_found_but_not_taken(home):
    hub = huggingface_cache(home / ".cache/huggingface/hub")
    (hub / "models--org--name.v1/blobs" / SHA256).write_bytes(b"X" + BIG[1:])
    place = adopt.find([WEIGHTS], REF, [])[WEIGHTS.path]
    model = Cache(home / "root", roots=()).open(REF)
    assert model.adopt(WEIGHTS, place) is None
    assert not model.target(WEIGHTS.path).exists()


def counted_looks(monkeypatch):
    looks = []
    for name in ("stat", "lstat"):
        honest = getattr(disk, name)
        monkeypatch.setattr(disk, name, lambda path, honest=honest: looks.append(path) or honest(path))
    return looks


def test_however_many_files_have_one_content_each_of_its_places_is_looked_at_once(home, monkeypatch):
    """A hundred files that are wanted, and a hundred that have what they want: once that was 10,000 looks."""
    model = Cache(home / "other", roots=()).open(RepoRef("hf", "some/fork"))
    digests = Digests(len(SMALL), hashlib.sha256(SMALL).hexdigest(), GIT)
    with model.hold(wait=0):
        model.put_many([(RepoFile(f"{n}", len(SMALL), git_sha1=GIT), SMALL, digests) for n in range(100)])
    wanted = [RepoFile(f"new/{n}", len(SMALL), git_sha1=GIT) for n in range(100)]
    looks = counted_looks(monkeypatch)
    assert set(adopt.find(wanted, REF, [home / "other"])) == {file.path for file in wanted}
    assert len(looks) < 10


def test_a_digest_that_is_listed_with_many_sizes_costs_a_look_a_place(home, monkeypatch):
    huggingface_cache(home / ".cache/huggingface/hub")
    wanted = [RepoFile(f"{size}", size, git_sha1=GIT) for size in range(100)]
    looks = counted_looks(monkeypatch)
    assert set(adopt.find(wanted, REF, [])) == {str(len(SMALL))}
    assert len(looks) < 2 * len(wanted)  # by their digest once, then each by its path
