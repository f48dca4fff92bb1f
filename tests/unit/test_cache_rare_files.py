"""Rare files and rare folders: what they are taken for, and what is done with them."""

import struct
import threading
import zipfile

import pytest
from tests import models

from hubferry.cache import intake, moving, placing, verify
from hubferry.cache.disk import disk
from hubferry.cache.formats import Evidence, FlawError, archive, examine, pytorch
from hubferry.cache.formats.flaw import UnclearError
from hubferry.cache.letter_case import tells_case_apart
from hubferry.cache.store import Cache
from hubferry.events import Progress
from hubferry.model import RepoRef

REF = RepoRef("hf", "org/model")


def look(path):
    return examine(path, path.stat().st_size)


def test_an_archive_that_promises_more_members_than_its_directory_has_room_for_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as writing:
        writing.writestr("a.npy", bytes(300))
    content = bytearray(path.read_bytes())
    end = content.rfind(b"PK\5\6")
    content[end + 8 : end + 12] = struct.pack("<2H", 900, 900)
    path.write_bytes(content)
    with pytest.raises(FlawError, match="damaged archive"):
        look(path)


def test_an_archive_directory_that_is_too_long_for_a_quick_look_is_plausible(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as writing:
        writing.writestr("a.npy", bytes(300))
    monkeypatch.setattr(archive, "LARGEST_READ", 10)
    assert look(path) is Evidence.PLAUSIBLE


def test_extra_fields_of_other_kinds_say_nothing_about_sizes():
    assert archive._large(struct.pack("<2H4s", 0x9999, 4, b"abcd"), 1, 2, 3) == (1, 3)


def test_a_gguf_with_a_table_of_numbers_is_read(tmp_path):
    table = struct.pack("<Q1sIIQ3I", 1, b"a", 9, 4, 3, 7, 8, 9)
    head = struct.pack("<4sIQQ", b"GGUF", 3, 0, 1) + table
    path = models.write_file(tmp_path / "a.gguf", head + bytes(-len(head) % 32))
    assert look(path) in (Evidence.PROVEN, Evidence.PLAUSIBLE)
    with pytest.raises(FlawError):
        look(models.write_file(path, head[:-5]))


def test_a_field_that_ends_beyond_the_message_it_is_in_is_refused(tmp_path):
    graph = b"\x0d\xff\xff"  # four bytes are promised, two are in the message
    message = b"\x08\x08\x3a" + bytes([len(graph)]) + graph + b"\x08\x08\x08\x08"
    with pytest.raises(FlawError, match="cut off"):
        look(models.write_file(tmp_path / "a.onnx", message))


def test_old_pickles_that_are_too_long_for_a_quick_look_are_plausible(tmp_path, monkeypatch):
    path = models.write_legacy_pytorch(tmp_path / "a.bin", [400, 1200]) or tmp_path / "a.bin"
    monkeypatch.setattr(pytorch, "LARGEST_READ", 60)
    assert look(path) is Evidence.PLAUSIBLE


@pytest.mark.parametrize(
    "identity",
    [
        "storage",
        ("storage", "FloatStorage"),
        ("other", "FloatStorage", "k", "cpu", 1, None),
        ("storage", "torch NewStorage", "k", "cpu", 1, None),
        ("storage", "torch FloatStorage", "k", "cpu", "1", None),
        ("storage", "torch FloatStorage", "k", "cpu", -1, None),
    ],
)
def test_a_storage_of_an_unknown_kind_is_not_counted(identity):
    with pytest.raises(UnclearError):
        pytorch._storage(identity)


@pytest.mark.parametrize("content", [b"", b"1234", struct.pack("<Q", 3), struct.pack("<Q", 999) + b"{}"])
def test_a_safetensors_file_without_room_for_its_header_is_cut_off(tmp_path, content):
    with pytest.raises(FlawError):
        look(models.write_file(tmp_path / "a.safetensors", content))


# folders


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "folder"
    models.write_file(folder / "a.txt", b"one")
    models.write_file(folder / "b.txt", b"two")
    return folder


@pytest.mark.parametrize("in_place", [False, True])
def test_a_file_that_changes_while_it_is_taken_in_is_refused(folder, tmp_path, monkeypatch, in_place):
    if in_place:
        (tmp_path / "cache").mkdir()
        folder = folder.rename(tmp_path / "cache" / "org_model")
    honest = placing.hash_path

    def hash_path(path, **keywords):
        return None if path.name == "a.txt" else honest(path, **keywords)

    monkeypatch.setattr(placing, "hash_path", hash_path)
    taken = intake.take_in(folder, REF, Cache(tmp_path / "cache", roots=()))
    assert (taken.files, taken.refused) == (1, ("a.txt",))


def test_a_link_that_is_no_blob_of_a_hub_is_taken_for_what_it_leads_to(folder, tmp_path):
    models.write_file(tmp_path / "elsewhere" / "weights.bin", b"three")
    (folder / "c.bin").symlink_to(tmp_path / "elsewhere" / "weights.bin")
    taken = intake.take_in(folder, REF, Cache(tmp_path / "cache", roots=()))
    assert taken.files == 3
    assert (taken.path / "c.bin").read_bytes() == b"three"


def test_where_no_name_has_letters_nothing_can_tell_about_case(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "scandir", lambda _place: [])
    assert tells_case_apart(tmp_path) is False


def test_a_name_that_lacks_the_other_case_on_some_filesystems_does_not_tell(tmp_path, monkeypatch):
    """Where case is ignored as NTFS ignores it, there is no `STRASSE` beside a `straße` either."""
    (tmp_path / "straße").touch()
    honest = disk.scandir
    monkeypatch.setattr(disk, "scandir", lambda place: honest(place) if place == tmp_path else [])
    assert tells_case_apart(tmp_path) is False
    (tmp_path / "street").touch()
    assert tells_case_apart(tmp_path) is True


def test_a_name_that_goes_away_while_it_is_asked_for_does_not_tell(tmp_path, monkeypatch):
    (tmp_path / "gone").touch()
    honest = disk.scandir

    def scandir(place):
        entries = honest(place) if place == tmp_path else []
        (tmp_path / "gone").unlink(missing_ok=True)
        return entries

    monkeypatch.setattr(disk, "scandir", scandir)
    assert tells_case_apart(tmp_path) is False


def test_a_root_is_renamed_where_that_will_do_and_its_links_go_along(folder, tmp_path):
    root = tmp_path / "old"
    Cache(root, roots=()).open(REF)
    (root / "linked").symlink_to(folder, target_is_directory=True)
    (tmp_path / "new").mkdir()
    moved = moving.move(root, tmp_path / "new")
    assert moved.root == tmp_path / "new"
    assert not root.exists()
    assert (tmp_path / "new" / "linked").resolve() == folder
    assert (tmp_path / "new" / "org_model" / ".hubferry").is_dir()


def test_a_root_with_something_else_in_it_stays_for_that_when_its_models_are_copied(tmp_path):
    root, target = tmp_path / "old", tmp_path / "new"
    Cache(root, roots=()).open(REF)
    (root / ".mine").write_bytes(b"somebody's")
    Cache(target, roots=()).open(RepoRef("hf", "other/model"))
    moving.move(root, target)
    assert [path.name for path in root.iterdir()] == [".mine"]
    assert (target / "org_model").is_dir()
    assert (target / "other_model").is_dir()


def test_a_verification_that_is_stopped_stops_every_reader(tmp_path):
    models.write_file(tmp_path / "a", b"content")
    stop, heard = threading.Event(), []
    verify._read(tmp_path / "a", "a", stop, heard.append, git=False)
    assert [one for one in heard if isinstance(one, Progress)] == [Progress("verify", "a", 7)]
    stop.set()
    with pytest.raises(verify._StoppedError):
        verify._read(tmp_path / "a", "a", stop, heard.append, git=False)
