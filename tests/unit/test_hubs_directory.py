"""A plain folder is a hub like any other: read as one, written as one, and never left."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import threading

import pytest

from hubferry.errors import DiskFullError, HubferryError, IntegrityError, NotFoundError
from hubferry.hubs import open_destination, open_source
from hubferry.hubs.folder.staging import Staging
from hubferry.model import Blob, CommitAction, NewRepository, RepoRef

CONTENT = bytes(range(256)) * 5000


def sha(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def ref(tmp_path):
    return RepoRef("dir", str(tmp_path / "model"))


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "model"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "权重 1.bin").write_bytes(CONTENT)
    (root / "README.md").write_bytes(b"# hi")
    (root / "empty").touch()
    return root


def body(content):
    async def pieces():
        for at in range(0, len(content), 100_000):
            yield content[at : at + 100_000]

    return pieces


async def test_a_folder_is_listed_with_sizes_and_digests(folder, ref):
    source = open_source(ref)
    files = await source.files(await source.resolve(ref))
    assert [(file.path, file.size, file.sha256) for file in files] == [
        ("README.md", 4, sha(b"# hi")),
        ("empty", 0, sha(b"")),
        ("sub/权重 1.bin", len(CONTENT), sha(CONTENT)),
    ]


async def test_what_tools_keep_for_themselves_is_no_part_of_the_model(folder, ref):
    for kept in (
        ".git/HEAD",
        ".hubferry/manifest.json",
        ".cache/huggingface/x",
        "._____temp/y",
        "sub/.git/z",
    ):
        (folder / kept).parent.mkdir(parents=True, exist_ok=True)
        (folder / kept).touch()
    (folder / ".gitattributes").touch()
    source = open_source(ref)
    files = await source.files(await source.resolve(ref))
    assert [file.path for file in files] == [".gitattributes", "README.md", "empty", "sub/权重 1.bin"]


async def test_links_to_files_are_read_through_and_links_to_folders_are_not_followed(folder, ref, tmp_path):
    (tmp_path / "blob").write_bytes(b"blob")
    (folder / "link.bin").symlink_to(tmp_path / "blob")
    (folder / "loop").symlink_to(folder)
    (folder / "dangling").symlink_to(tmp_path / "none")
    source = open_source(ref)
    files = {file.path: file for file in await source.files(await source.resolve(ref))}
    assert files["link.bin"].sha256 == sha(b"blob")
    assert not {path for path in files if path.startswith(("loop", "dangling"))}


async def test_the_commit_follows_the_content(folder, ref):
    source = open_source(ref)
    first = await source.resolve(ref)
    assert (await source.resolve(ref)).commit == first.commit
    (folder / "README.md").write_bytes(b"# ho")
    assert (await source.resolve(ref)).commit != first.commit


@pytest.mark.parametrize(("start", "stop"), [(0, None), (0, 10), (7, 300_000), (1_279_999, None), (5, 5)])
async def test_a_range_of_a_file_is_read_exactly(folder, ref, start, stop):
    source = open_source(ref)
    revision = await source.resolve(ref)
    (file,) = [file for file in await source.files(revision) if file.path.endswith(".bin")]
    assert (
        b"".join([piece async for piece in source.read(revision, file, start, stop)]) == CONTENT[start:stop]
    )


async def test_a_file_that_has_become_shorter_is_an_integrity_error(folder, ref):
    source = open_source(ref)
    revision = await source.resolve(ref)
    (file,) = [file for file in await source.files(revision) if file.path.endswith(".bin")]
    os.truncate(folder / file.path, 100)
    with pytest.raises(IntegrityError):
        [piece async for piece in source.read(revision, file, 0, None)]


async def test_a_folder_that_is_not_there_is_not_found_as_a_source_and_new_as_a_destination(ref):
    with pytest.raises(NotFoundError):
        await open_source(ref).resolve(ref)
    revision = await open_destination(ref).resolve(ref)
    assert not revision.exists
    assert await open_destination(ref).files(revision) == []


async def test_a_copy_into_a_folder_leaves_exactly_the_files(ref, tmp_path):
    destination = open_destination(ref)
    assert await destination.ensure(ref, NewRepository())
    assert not await destination.ensure(ref, NewRepository())
    blob = Blob(sha(CONTENT), len(CONTENT))
    assert await destination.missing(ref, [blob]) == {blob.sha256}
    await destination.upload(ref, blob, body(CONTENT))
    assert await destination.missing(ref, [blob]) == frozenset()
    actions = [
        CommitAction("create", "a/b/c.bin", blob.size, blob.sha256),
        CommitAction("create", "twice.bin", blob.size, blob.sha256),
        CommitAction("create", "README.md", 4, None, b"# hi"),
    ]
    assert await destination.commit(ref, actions, "m")
    files = await destination.files(await destination.resolve(ref))
    assert [(file.path, file.sha256) for file in files] == [
        ("README.md", sha(b"# hi")),
        ("a/b/c.bin", blob.sha256),
        ("twice.bin", blob.sha256),
    ]
    await destination.close()
    assert {path.name for path in (tmp_path / "model").iterdir()} == {"a", "twice.bin", "README.md"}
    destination = open_destination(ref)
    changes = [CommitAction("delete", "twice.bin"), CommitAction("update", "README.md", 1, None, b"x")]
    await destination.commit(ref, changes, "m")
    files = await destination.files(await destination.resolve(ref))
    assert [file.path for file in files] == ["README.md", "a/b/c.bin"]
    assert (tmp_path / "model" / "README.md").read_bytes() == b"x"


async def test_two_paths_of_one_content_are_two_files(ref, tmp_path):
    destination = open_destination(ref)
    await destination.ensure(ref, NewRepository())
    blob = Blob(sha(CONTENT), len(CONTENT))
    await destination.upload(ref, blob, body(CONTENT))
    names = ("one.bin", "two.bin")
    await destination.commit(ref, [CommitAction("create", n, blob.size, blob.sha256) for n in names], "m")
    one, two = (tmp_path / "model" / name for name in names)
    one.write_bytes(b"changed")
    assert two.read_bytes() == CONTENT


@pytest.mark.parametrize("wrong", [CONTENT[:-1], CONTENT + b"x", CONTENT[:-1] + b"?"])
async def test_a_blob_of_another_content_is_not_kept(ref, wrong):
    destination = open_destination(ref)
    await destination.ensure(ref, NewRepository())
    blob = Blob(sha(CONTENT), len(CONTENT))
    with pytest.raises(IntegrityError):
        await destination.upload(ref, blob, body(wrong))
    assert await destination.missing(ref, [blob]) == {blob.sha256}


async def test_a_body_that_fails_leaves_nothing(ref, tmp_path):
    async def failing():
        yield b"some"
        raise RuntimeError("the source broke")

    destination = open_destination(ref)
    await destination.ensure(ref, NewRepository())
    with pytest.raises(RuntimeError, match="the source broke"):
        await destination.upload(ref, Blob(sha(CONTENT), len(CONTENT)), failing)
    await destination.close()
    assert not (tmp_path / "model").exists()


async def test_when_one_file_cannot_be_written_no_other_is_still_being_written_afterwards(
    ref, tmp_path, monkeypatch
):
    writing, begun, go_on, running = Staging.writing, threading.Event(), threading.Event(), []
    numbers = itertools.count()

    @contextlib.contextmanager
    def held_up(staging):
        running.append(None)
        try:
            if next(numbers) == 0:
                assert begun.wait(20)
                threading.Timer(0.1, go_on.set).start()
                raise OSError(errno.ENOSPC, "full")
            begun.set()
            assert go_on.wait(20)
            with writing(staging) as place:
                yield place
        finally:
            running.pop()

    destination = open_destination(ref)
    await destination.ensure(ref, NewRepository())
    monkeypatch.setattr(Staging, "writing", held_up)
    actions = [CommitAction("create", f"{number}.json", 1, content=b"1") for number in range(20)]
    with pytest.raises(DiskFullError):
        await destination.commit(ref, actions, "m")
    assert not running
    await destination.close()
    assert not list(tmp_path.rglob("*.part"))


async def test_a_commit_of_a_blob_never_stored_is_refused(ref):
    destination = open_destination(ref)
    await destination.ensure(ref, NewRepository())
    with pytest.raises(IntegrityError):
        await destination.commit(ref, [CommitAction("create", "a.bin", 4, sha(b"none"))], "m")


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "a/../../x",
        "/etc/x",
        "a//b",
        "./a",
        "",
        "a/.",
        "nul\0byte",
        "new\nline",
        "n" * 256,
        "deep/" * 1000 + "x",
        ".hubferry/incoming/x",
        ".HubFerry/x",
        ".git/config",
        "sub/.git/config",
        "inside/x",
    ],
)
async def test_a_path_that_leads_out_of_the_folder_or_cannot_be_is_refused(ref, path, tmp_path):
    destination = open_destination(ref)
    await destination.ensure(ref, NewRepository())
    (tmp_path / "outside").mkdir()
    (tmp_path / "model" / "inside").symlink_to(tmp_path / "outside")
    actions = [CommitAction("create", "good.txt", 1, None, b"x"), CommitAction("create", path, 1, None, b"x")]
    with pytest.raises(HubferryError) as caught:
        await destination.commit(ref, actions, "m")
    assert caught.value.path == path
    assert list((tmp_path / "outside").iterdir()) == []
    assert not (tmp_path / "model" / "good.txt").exists()
