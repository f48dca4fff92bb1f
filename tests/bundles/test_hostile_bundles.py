"""Bundles that somebody made to do harm: they are refused, and nothing of theirs is written outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from volumes import MIB, bytes_of, forged, renamed, worked, written

import hubferry
from hubferry.bundles import opening
from hubferry.errors import DiskError, DiskFullError, HubferryError, IntegrityError, NotFoundError, UsageError
from hubferry.events import ignore
from hubferry.hubs.bundle import archive
from hubferry.hubs.bundle import volumes as volumes_here
from hubferry.hubs.bundle.index import LARGEST, BundledFile, Piece, VolumePlan, decoded, encoded, seal
from hubferry.hubs.bundle.volumes import find
from hubferry.options import Options
from hubferry.running import run

FILES = {"README.md": b"# a model\n", "model.safetensors": bytes_of(1_500_000)}


@pytest.fixture
def stick(tmp_path) -> Path:
    return tmp_path / "stick"


@pytest.fixture
def work(stick):
    return written(stick, FILES)


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """An empty home; whatever is outside of the cache and of the target is counted."""
    place = tmp_path / "home"
    place.mkdir()
    monkeypatch.setenv("HOME", str(place))
    for name in ("HUBFERRY_CACHE", "XDG_CACHE_HOME", "XDG_STATE_HOME", "HF_HOME", "MODELSCOPE_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    return place


def taken_out(tmp_path, *places: Path, target: str | None = None):
    options = Options(cache_root=tmp_path / "cache", wait=0)
    return run(lambda told: opening.unbundle(places, target, options, told), ignore)


def everything(place: Path) -> set[str]:
    return {path.relative_to(place).as_posix() for path in place.rglob("*") if "/cache/" not in f"{path}/"}


@pytest.mark.parametrize(
    "path",
    ["../outside", "/tmp/outside", "a/../../outside", ".hubferry/manifest.json", "C:\\outside", "a\0b"],
)  # fmt: skip
@pytest.mark.parametrize("folder", [False, True])
def test_a_path_that_leaves_its_place_is_refused(work, stick, home, tmp_path, path, folder):
    forged(stick, work, models=renamed(work, path))
    before = everything(tmp_path)
    with pytest.raises(HubferryError):
        taken_out(tmp_path, stick, target=str(tmp_path / "target") if folder else None)
    assert everything(tmp_path) - before <= {"cache", "target"}
    assert not (tmp_path / "outside").exists()
    assert not Path("/tmp/outside").exists()


def test_a_link_or_a_device_in_a_volume_becomes_nothing(work, stick, home, tmp_path):
    """Members besides those that the index knows are never looked at, whatever they are."""
    import io
    import tarfile

    for kind in (tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.LNKTYPE):
        info = tarfile.TarInfo("../../evil")
        info.type, info.linkname, info.devmajor = kind, "/etc/passwd", 1
        with work.path(1).open("ab") as stream:
            stream.write(io.BytesIO(info.tobuf()).getvalue())
    (done,) = taken_out(tmp_path, stick)
    here = {path.name for path in done.fetched.path.iterdir() if path.name != ".hubferry"}
    assert here == set(FILES)


def test_files_that_do_not_hash_to_what_is_listed_are_refused_and_their_volume_is_named(
    work, stick, home, tmp_path
):
    with work.path(1).open("r+b") as stream:
        stream.seek(600_000)
        stream.write(b"other bytes")
    with pytest.raises(IntegrityError, match="volume 1 of org_model is damaged") as caught:
        taken_out(tmp_path, stick)
    assert "--only-volumes 1 " in (caught.value.hint or "")
    assert not (tmp_path / "cache" / "org_model" / "model.safetensors").exists()


def test_an_index_that_promises_more_than_there_is_fails_before_it_fills_the_disk(
    work, stick, home, tmp_path
):
    (model,) = work.index.models
    huge = BundledFile("model.safetensors", 1 << 55, "0" * 64)
    volume = VolumePlan(1 << 56, (Piece(0, 0, 0, 1 << 55, 512),))
    forged(stick, work, models=(msgspec.structs.replace(model, files=(huge,)),), volumes=(volume,))
    with pytest.raises(DiskFullError):
        taken_out(tmp_path, stick)
    assert sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*") if path.is_file()) < MIB


@pytest.mark.parametrize(
    "pieces",
    [
        [Piece(0, 7, 0, 10, 512)],  # of no file
        [Piece(3, 0, 0, 10, 512)],  # of no repository
        [Piece(0, 0, 0, 9, 512)],  # less than the file
        [Piece(0, 0, 0, 10, 1 << 40)],  # outside of the volume
        [Piece(0, 0, 0, 10, 512), Piece(0, 0, 0, 10, 512)],  # the same bytes twice
        [Piece(0, 0, 5, 10, 512)],  # the beginning is lacking
    ],
)
def test_an_index_whose_pieces_cannot_be_is_refused(work, pieces):
    volumes = (VolumePlan(4096, tuple(pieces)),)
    content = encoded(msgspec.structs.replace(work.index, volumes=volumes))
    with pytest.raises(IntegrityError):
        decoded(content, "test")


def test_an_index_that_was_changed_by_hand_is_refused(work):
    said = json.loads(encoded(work.index))
    said["models"][0]["private"] = True
    with pytest.raises(IntegrityError, match="not as it was written"):
        decoded(json.dumps(said).encode(), "test")
    said.pop("seal")
    assert decoded(json.dumps({**said, "seal": seal(said)}).encode(), "test").models[0].private


@pytest.mark.parametrize(
    "content",
    [
        b"{" * 100_000,
        b"[" * 2_000_000,
        b"",
        b"null",
        b'{"kind": "hubferry-bundle", "schema": 1}',
        b'{"kind": "hubferry-bundle", "schema": 99}',
        b"\xff\xfe",
        b" " * (LARGEST + 1),
    ],
)
def test_anything_else_in_the_place_of_an_index_is_refused(content):
    with pytest.raises((IntegrityError, UsageError)):
        decoded(content, "test")


@pytest.mark.parametrize("content", [b" " * (LARGEST + 1), b'{"a": [' + b"[1]," * 1_100_000 + b"[1]]}"])
def test_an_index_that_would_fill_the_memory_is_refused_before_it_is_taken_apart(content):
    with pytest.raises(IntegrityError, match="larger than any index"):
        decoded(content, "test")


def test_a_header_that_names_a_huge_index_is_not_read(stick, monkeypatch):
    stick.mkdir()
    place = stick / "org_model-0001.tar"
    with place.open("wb") as stream:
        stream.write(archive.header("org_model/volume-0001.json", LARGEST + 1))
        stream.truncate(4 * LARGEST)
    asked = []
    monkeypatch.setattr(volumes_here, "_exactly", lambda _descriptor, count: asked.append(count) or b"")
    with pytest.raises(NotFoundError):
        find([stick])
    assert asked == []


@pytest.mark.skipif(os.name == "nt", reason="no pipes there")
def test_a_pipe_and_a_link_to_a_device_among_the_volumes_are_not_waited_for(work, stick, home, tmp_path):
    os.mkfifo(stick / "a-0001.tar")
    (stick / "b-0001.tar").symlink_to("/dev/zero")
    (stick / "c-0001.tar").symlink_to("/etc/passwd")
    (stick / "d-0001.tar").symlink_to(stick / "gone")
    words = [sys.executable, "-m", "hubferry", "unbundle", str(stick), "--cache-dir", str(tmp_path / "cache")]
    assert subprocess.run(words, capture_output=True, timeout=30, check=False).returncode == 0
    words = [sys.executable, "-I", str(Path(hubferry.__file__).parent / "bundles" / "check.py"), str(stick)]
    done = subprocess.run(words, capture_output=True, timeout=30, check=False, text=True)
    assert (done.returncode, "model.safetensors" in done.stdout) == (1, False), done.stdout


def test_a_volume_that_cannot_be_opened_keeps_nobody_from_the_others(work, stick, home, tmp_path):
    work.path(2).unlink()
    work.path(2).symlink_to(stick / "gone")
    with pytest.raises(NotFoundError, match="volume 2 of org_model is missing"):
        taken_out(tmp_path, stick)
    assert (tmp_path / "cache" / "org_model" / "README.md").read_bytes() == FILES["README.md"]
    work.path(1).unlink()
    with pytest.raises(DiskError, match=r"org_model-0002\.tar cannot be read"):
        taken_out(tmp_path, stick)


def test_the_hub_that_a_bundle_names_is_not_asked_and_gets_no_token(work, stick, home, tmp_path, monkeypatch):
    import socket

    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.01)
    where = f"http://127.0.0.1:{listener.getsockname()[1]}"
    for name, value in {
        "HF_TOKEN": "hf_secret_of_mine",
        "HUBFERRY_RETRIES": "0",
        "HUBFERRY_TIMEOUT": "1",
    }.items():
        monkeypatch.setenv(name, value)
    (model,) = work.index.models
    evil = msgspec.structs.replace(model, endpoint=where, named="lab")
    forged(stick, work, models=(evil,))
    taken_out(tmp_path, stick)
    with pytest.raises(TimeoutError):
        listener.accept()
    listener.close()


def test_two_bundles_with_other_commits_of_one_model_are_not_mixed(work, stick, home, tmp_path):
    other = written(tmp_path / "other", FILES, commit="d" * 40)
    assert other.index != work.index
    with pytest.raises(UsageError, match="several commits"):
        taken_out(tmp_path, stick, tmp_path / "other")
    assert not list((tmp_path / "cache").glob("*"))
    with pytest.raises(UsageError, match="several commits"):
        hubferry.fetch("hf:org/model", cache_root=tmp_path / "new", volumes=[stick, tmp_path / "other"])


def test_what_one_bundle_lacks_of_a_commit_another_one_of_the_same_may_have(work, stick, home, tmp_path):
    other = written(tmp_path / "other", FILES, size=2 * MIB)
    assert len(other.index.volumes) != len(work.index.volumes)
    work.path(1).unlink()
    (done,) = taken_out(tmp_path, stick, tmp_path / "other")
    assert {path.name for path in done.fetched.path.iterdir()} == {*FILES, ".hubferry"}


def test_a_bundle_of_nothing_but_a_begun_volume_is_none(stick, tmp_path):
    work = worked(stick, FILES)
    (stick / f"{work.path(1).name}.partial").write_bytes(b"x")
    with pytest.raises(NotFoundError):
        find([stick])
