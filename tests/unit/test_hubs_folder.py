"""A folder as a destination, by the port: its listing, its place for blobs, what it refuses beforehand."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from hubferry import planning
from hubferry.errors import DiskError, DiskFullError, HubferryError, IntegrityError, LockedError
from hubferry.events import Waiting
from hubferry.hubs import open_destination
from hubferry.hubs.folder import contents as directory_contents
from hubferry.hubs.folder import examination as directory_examination
from hubferry.hubs.folder import staging as directory_staging
from hubferry.hubs.folder.contents import Reader
from hubferry.hubs.folder.destination import LIMITS
from hubferry.hubs.folder.names import look_alikes, problem_of, tells_case_apart
from hubferry.hubs.folder.staging import Staging
from hubferry.model import Blob, CommitAction, NewRepository, RepoFile, RepoRef, Revision

CONTENT = bytes(range(256)) * 500
NOBODY = 65534


def sha(content):
    return hashlib.sha256(content).hexdigest()


BLOB = Blob(sha(CONTENT), len(CONTENT))


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


@pytest.fixture
def ref(root):
    return RepoRef("dir", str(root))


@pytest.fixture
def plain_root():
    """A folder that an account without rights can get at, and that account for as long as a test wants."""
    top = Path(tempfile.mkdtemp(prefix="hubferry-test-"))
    top.chmod(0o755)
    (top / "target").mkdir()
    yield top / "target"
    for path in top.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(top)


@contextlib.contextmanager
def unprivileged(top: Path):
    """Be nobody in particular: who may do everything learns nothing about rights."""
    if os.geteuid() != 0:
        yield
        return
    for path in (top, *top.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


async def body():
    for at in range(0, len(CONTENT), 10_000):
        yield CONTENT[at : at + 10_000]


def create(path, content=None):
    if content is None:
        return CommitAction("create", path, BLOB.size, BLOB.sha256)
    return CommitAction("create", path, len(content), sha(content), content)


async def listed(ref):
    destination = open_destination(ref)
    return {file.path: file for file in await destination.files(await destination.resolve(ref))}


async def examined(ref, files, *, delete=False):
    """What the folder says to a plan that brings `files`, by path."""
    destination = open_destination(ref)
    there = await destination.resolve(ref)
    source = Revision(RepoRef("hf", "org/name"), "c" * 40)
    here = planning.Side(source, sorted(files, key=lambda file: file.path))
    plan = planning.make(
        here, planning.Side(there, await destination.files(there)), planning.Knowledge({}), LIMITS,
        planning.Policy(delete=delete),
    )  # fmt: skip
    return [finding.error for finding in await destination.examine(plan)]


def new(path, size=4):
    return RepoFile(path, size, sha256=sha(path.encode()))


async def test_the_listing_has_files_and_links_to_files_and_opens_nothing_else(root, ref, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/blob").write_bytes(b"blob")
    (root / "plain.txt").write_bytes(b"plain")
    (root / "link.bin").symlink_to(tmp_path / "outside/blob")
    (root / "linked").symlink_to(tmp_path / "outside")
    (root / "loop").symlink_to(root)
    (root / "broken").symlink_to(tmp_path / "none")
    os.mkfifo(root / "pipe")
    (root / "to-pipe").symlink_to(root / "pipe")
    for kept in (".git/HEAD", "sub/.git/HEAD", ".hubferry/manifest.json", "sub/.hubferry/x"):
        (root / kept).parent.mkdir(parents=True, exist_ok=True)
        (root / kept).touch()
    (root / f".hubferry-{'0' * 16}.part").write_bytes(b"left over")
    files = await listed(ref)
    assert sorted(files) == ["link.bin", "plain.txt", "sub/.hubferry/x"]
    assert files["link.bin"].sha256 == sha(b"blob")
    assert files["plain.txt"].git_sha1 == hashlib.sha1(b"blob 5\0plain").hexdigest()


async def test_a_tree_of_any_depth_is_listed(root, ref, request):
    # Python's own rmtree, by which pytest tidies up, is a deep recursion
    request.addfinalizer(lambda: subprocess.run(["rm", "-rf", root / "d"], check=True))
    place = root
    for _level in range(1200):
        place = place / "d"
        try:
            place.mkdir()
        except OSError:
            break
    (root / "d/file").write_bytes(b"x")
    assert sorted(await listed(ref)) == ["d/file"]


async def test_content_that_is_provably_the_same_is_read_once(root, monkeypatch):
    (root / "old.bin").write_bytes(CONTENT)
    (root / "young.bin").write_bytes(CONTENT)
    monkeypatch.setattr(directory_contents, "_SETTLED", -(10**18))
    reader, read, honest = Reader(root), [], directory_contents._hash
    monkeypatch.setattr(
        directory_contents, "_hash", lambda path, size: read.append(path.name) or honest(path, size)
    )
    first = await reader.look()
    (root / "young.bin").write_bytes(CONTENT[::-1])
    second = await reader.look()
    assert sorted(read) == ["old.bin", "young.bin", "young.bin"]
    assert [file.sha256 for file in second.files] == [sha(CONTENT), sha(CONTENT[::-1])]
    assert first.commit != second.commit


async def test_content_that_was_written_just_now_is_read_again(root, monkeypatch):
    (root / "young.bin").write_bytes(CONTENT)
    reader, read, honest = Reader(root), [], directory_contents._hash
    monkeypatch.setattr(
        directory_contents, "_hash", lambda path, size: read.append(path.name) or honest(path, size)
    )
    await reader.look()
    await reader.look()
    assert read == ["young.bin", "young.bin"]


async def test_a_file_that_cannot_be_read_stops_only_who_would_replace_it(plain_root):
    ref = RepoRef("dir", str(plain_root))
    (plain_root / "closed").mkdir()
    for name in ("mine.txt", "theirs.txt", "closed/x"):
        (plain_root / name).write_bytes(b"text")
    (plain_root / "theirs.txt").chmod(0)
    (plain_root / "closed").chmod(0)
    with unprivileged(plain_root):
        files = await listed(ref)
        assert sorted(files) == ["mine.txt", "theirs.txt"]
        assert files["theirs.txt"].sha256 is None
        assert await examined(ref, [new("other.txt")]) == []
        assert await examined(ref, [new("other.txt")], delete=True) == []
        (error,) = await examined(ref, [new("theirs.txt"), new("other.txt")])
        assert (error.path, error.exit_code) == ("theirs.txt", 7)
        assert "cannot be read" in error.message
        (error,) = await examined(ref, [new("closed/y")])
        assert (error.path, error.exit_code) == ("closed/y", 2)


async def test_where_nothing_may_be_written_is_refused_beforehand(plain_root):
    ref, fresh = RepoRef("dir", str(plain_root)), RepoRef("dir", str(plain_root / "locked/new"))
    for folder in ("locked", "deep"):
        (plain_root / folder).mkdir()
    (plain_root / "locked/old.txt").write_bytes(b"old")
    (plain_root / "locked").chmod(0o555)
    with unprivileged(plain_root):
        (error,) = await examined(
            ref, [new("locked/a/b.txt"), new("deep/a.txt"), new("locked/old.txt", 3)][:2]
        )
        assert (error.path, error.exit_code) == ("locked/a/b.txt", 7)
        assert await examined(ref, [new("deep/a.txt")]) == []
        assert [one.path for one in await examined(ref, [new("deep/a.txt")], delete=True)] == [
            "locked/old.txt"
        ]
        (error,) = await examined(fresh, [new("a.txt")])
        assert (error.path, error.exit_code) == (None, 7)
        plain_root.chmod(0o555)
        (error,) = await examined(ref, [new("deep/a.txt")])
        assert (error.path, error.exit_code) == (None, 7)
        destination = open_destination(ref)
        with pytest.raises(DiskError):
            await destination.upload(ref, BLOB, body)
        await destination.close()


async def test_a_disk_without_room_is_refused_beforehand_and_what_is_kept_aside_counts(
    root, ref, monkeypatch
):
    monkeypatch.setattr(
        directory_examination.shutil, "disk_usage", lambda _path: SimpleNamespace(free=100_000)
    )
    big = RepoFile("big.bin", BLOB.size, sha256=BLOB.sha256)
    (error,) = await examined(ref, [big])
    assert isinstance(error, DiskFullError)
    assert await examined(ref, [new("small.bin")]) == []
    staging = Staging(root)
    staging.take()
    (staging.place / BLOB.sha256).write_bytes(CONTENT)
    assert await examined(ref, [big]) == []
    staging.leave()


@pytest.mark.parametrize(("apart", "refused"), [(False, ["Readme.md", "sub/b"]), (True, [])])
async def test_names_that_are_one_on_this_disk_are_refused(root, ref, monkeypatch, apart, refused):
    (root / "README.md").write_bytes(b"# there")
    (root / "SUB").mkdir()
    (root / "SUB/a").write_bytes(b"a")
    (root / "X").write_bytes(b"x")
    (root / "x").write_bytes(b"x")
    monkeypatch.setattr(directory_examination, "tells_case_apart", lambda _folder: apart)
    errors = await examined(ref, [new("Readme.md"), new("sub/b"), new("other")])
    assert [error.path for error in errors] == refused


def test_a_folder_tells_whether_it_keeps_case_apart(tmp_path):
    (tmp_path / "Name").touch()
    assert tells_case_apart(tmp_path) == (not (tmp_path / "nAME").exists())
    (tmp_path / "empty").mkdir()
    assert tells_case_apart(tmp_path / "empty") == (not (tmp_path / "nAME").exists())


def test_names_that_differ_in_case_or_composition_look_alike():
    paths = ["a/x", "A/y", "caf\u00e9", "cafe\u0301", "plain", "plain2"]
    assert list(look_alikes(paths)) == [("A/y", "a/x"), ("cafe\u0301", "caf\u00e9")]


@pytest.mark.parametrize(
    "name", ["CON", "x/aux.txt", "com1", "a:b", "a.", "b ", "c?", "lpt¹.bin", "nul.tar.gz"]
)
def test_what_windows_does_not_hold_is_refused_there_and_nowhere_else(tmp_path, name):
    assert problem_of(name, tmp_path, windows=True)
    assert problem_of(name, tmp_path, windows=False) is None


async def test_blobs_of_a_large_copy_last_over_all_its_commits(root, ref):
    destination = open_destination(ref)
    await destination.upload(ref, BLOB, body)
    other = Blob(sha(b"other"), 5)

    async def other_body():
        yield b"other"

    await destination.upload(ref, other, other_body)
    await destination.commit(ref, [create("a.bin"), create("b.bin")], "1/2")
    assert (root / ".hubferry/incoming" / other.sha256).exists()
    last = [CommitAction("create", "c.bin", 5, other.sha256), create("d.bin")]
    await destination.commit(ref, last, "2/2")
    await destination.close()
    assert {path.name: sha(path.read_bytes()) for path in root.iterdir()} == {
        "a.bin": BLOB.sha256, "b.bin": BLOB.sha256, "c.bin": other.sha256, "d.bin": BLOB.sha256
    }  # fmt: skip


async def test_a_copy_of_a_blob_is_not_made_of_a_file_that_somebody_has_edited(root, ref):
    destination = open_destination(ref)
    await destination.upload(ref, BLOB, body)
    await destination.commit(ref, [create("a.bin")], "1/2")
    (root / "a.bin").write_bytes(b"edited")
    with pytest.raises(IntegrityError) as caught:
        await destination.commit(ref, [create("b.bin")], "2/2")
    assert caught.value.path == "b.bin"
    assert not (root / "b.bin").exists()
    await destination.close()


async def test_a_run_that_was_broken_off_leaves_its_blobs_to_the_next(root, ref):
    first = open_destination(ref)
    await first.upload(ref, BLOB, body)
    await first.close()
    second = open_destination(ref)
    assert await second.missing(ref, [BLOB]) == frozenset()

    async def unread():
        raise AssertionError
        yield b""

    await second.upload(ref, BLOB, unread)
    await second.commit(ref, [create("a.bin")], "m")
    await second.close()
    assert [path.name for path in root.iterdir()] == ["a.bin"]


async def test_a_blob_that_has_rotted_since_an_earlier_run_is_not_published(root, ref):
    first = open_destination(ref)
    await first.upload(ref, BLOB, body)
    await first.close()
    (root / ".hubferry/incoming" / BLOB.sha256).write_bytes(CONTENT[::-1])
    second = open_destination(ref)
    assert await second.missing(ref, [BLOB]) == frozenset()
    with pytest.raises(IntegrityError):
        await second.commit(ref, [create("a.bin")], "m")
    await second.close()
    third = open_destination(ref)
    assert await third.missing(ref, [BLOB]) == {BLOB.sha256}
    await third.upload(ref, BLOB, body)
    await third.commit(ref, [create("a.bin")], "m")
    await third.close()
    assert [path.name for path in root.iterdir()] == ["a.bin"]


async def test_blobs_of_another_run_are_neither_believed_nor_removed(root, ref):
    theirs = open_destination(ref)
    await theirs.upload(ref, BLOB, body)
    ours = open_destination(ref, wait=0)
    assert await ours.missing(ref, [BLOB]) == {BLOB.sha256}
    with pytest.raises(LockedError) as caught:
        await ours.upload(ref, BLOB, body)
    assert caught.value.exit_code == 8
    with pytest.raises(LockedError):
        await ours.commit(ref, [create("b.txt", b"b")], "m")
    await ours.close()
    await theirs.commit(ref, [create("a.bin")], "m")
    await theirs.close()
    assert [path.name for path in root.iterdir()] == ["a.bin"]


async def test_a_run_goes_on_when_the_other_has_ended_and_has_said_that_it_waits(root, ref):
    theirs, told = open_destination(ref), []
    await theirs.upload(ref, BLOB, body)
    staging = Staging(root)

    def listen(event):
        told.append(event)
        theirs._staging(ref).committed = True
        theirs._staging(ref).placed(BLOB.sha256, root / "a.bin")
        theirs._staging(ref).leave()

    ours = open_destination(ref, listen=listen)
    await ours.upload(ref, BLOB, body)
    assert [type(event) for event in told] == [Waiting]
    await ours.commit(ref, [create("b.bin")], "m")
    await ours.close()
    assert not staging.place.exists()
    assert [path.name for path in root.iterdir()] == ["b.bin"]


@pytest.mark.parametrize("kind", ["soft", "without"])
async def test_a_disk_without_locks_of_the_kernel_keeps_runs_apart_all_the_same(root, ref, monkeypatch, kind):
    if kind == "soft":
        monkeypatch.setenv("HUBFERRY_LOCK", "soft")
    else:

        def refuse(*_arguments, **_keywords):
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr("fcntl.flock", refuse)
    first, second = Staging(root), Staging(root)
    assert first.take()
    assert not second.take()
    first.leave()
    assert second.take()
    second.leave()
    assert list(root.iterdir()) == []


async def test_a_folder_on_another_disk_inside_gets_whole_files_too(root, ref, monkeypatch):
    honest = Path.replace

    def replace(self, target):
        if "incoming" in self.parts and "mounted" in Path(target).parts:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return honest(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    (root / "mounted").mkdir()
    (root / "mounted/b.txt").write_bytes(b"old")
    (root / "mounted/b.txt").chmod(0o600)
    destination = open_destination(ref)
    await destination.upload(ref, BLOB, body)
    await destination.commit(ref, [create("mounted/a.bin"), create("mounted/b.txt", b"new")], "m")
    await destination.close()
    assert (root / "mounted/a.bin").read_bytes() == CONTENT
    assert (root / "mounted/b.txt").read_bytes() == b"new"
    assert (root / "mounted/b.txt").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in root.rglob("*")) == ["a.bin", "b.txt", "mounted"]


async def test_a_full_disk_says_so_and_leaves_no_half_file(root, ref, monkeypatch):
    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    destination = open_destination(ref)
    monkeypatch.setattr(directory_staging.os, "fsync", full)
    with pytest.raises(DiskFullError):
        await destination.upload(ref, BLOB, body)
    with pytest.raises(DiskFullError) as caught:
        await destination.commit(ref, [create("a.txt", b"a"), create("b.txt", b"b")], "m")
    assert caught.value.hint
    await destination.close()
    assert list(root.iterdir()) == []


async def test_nothing_is_placed_before_everything_of_a_commit_is_on_the_disk(root, ref):
    destination = open_destination(ref)
    actions = [create("a.txt", b"a"), create("inside/b.txt", b"b"), create("z.bin")]
    with pytest.raises(IntegrityError):
        await destination.commit(ref, [create("z.bin"), *actions[:2]], "m")
    assert not (root / "a.txt").exists()
    await destination.close()


async def test_a_link_that_appears_in_the_folder_is_not_written_through(root, ref, tmp_path):
    (tmp_path / "outside").mkdir()
    destination = open_destination(ref)
    await destination.ensure(ref, NewRepository())
    (root / "sub").symlink_to(tmp_path / "outside")
    for action in (create("sub/a.txt", b"a"), CommitAction("delete", "sub/a.txt")):
        with pytest.raises(HubferryError, match="sub"):
            await destination.commit(ref, [action], "m")
    assert list((tmp_path / "outside").iterdir()) == []
    await destination.close()


async def test_the_place_for_blobs_is_never_behind_a_link(root, ref, tmp_path):
    (tmp_path / "outside").mkdir()
    (root / ".hubferry").symlink_to(tmp_path / "outside")
    destination = open_destination(ref)
    with pytest.raises(DiskError):
        await destination.upload(ref, BLOB, body)
    await destination.close()
    assert list((tmp_path / "outside").iterdir()) == []


async def test_what_the_cache_keeps_in_the_folder_stays(root, ref):
    (root / ".hubferry").mkdir()
    (root / ".hubferry/manifest.json").write_bytes(b"{}")
    destination = open_destination(ref)
    await destination.commit(ref, [create("a.txt", b"a")], "m")
    await destination.close()
    assert [path.name for path in (root / ".hubferry").iterdir()] == ["manifest.json"]
