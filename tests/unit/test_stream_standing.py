"""A folder that is sent from where it stands is looked at again before each file is opened."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os

import pytest

from hubferry import impostors
from hubferry.content import proven
from hubferry.errors import AccessError, DiskError, IntegrityError, NotFoundError
from hubferry.findings import Kind
from hubferry.model import Digests, RepoFile, RepoRef, Revision
from hubferry.options import Options
from hubferry.planning import Side
from hubferry.stream.bodies import changed
from hubferry.stream.standing import StandingFolder

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0f" * 32 + b"\nsize 12345\n"


def listed(path, content):
    return RepoFile(path, len(content), sha256=hashlib.sha256(content).hexdigest())


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "w.bin").write_bytes(b"weights")
    return tmp_path


@pytest.fixture
def standing(folder):
    return StandingFolder(RepoRef("dir", str(folder)), [listed("sub/w.bin", b"weights")])


def test_what_the_survey_hashed_is_known(standing):
    assert standing.known() == {"sub/w.bin": Digests(7, hashlib.sha256(b"weights").hexdigest())}


def test_a_file_that_is_still_there_is_where_it_was(standing, folder):
    assert standing.target("sub/w.bin") == folder / "sub" / "w.bin"


def test_a_file_that_is_gone_is_not_found(standing, folder):
    (folder / "sub" / "w.bin").unlink()
    with pytest.raises(NotFoundError, match="gone") as raised:
        standing.target("sub/w.bin")
    assert (raised.value.side, raised.value.path) == ("source", "sub/w.bin")
    (folder / "sub").rmdir()
    (folder / "sub").touch()
    with pytest.raises(NotFoundError):
        standing.target("sub/w.bin")


def test_a_file_of_another_size_or_kind_has_changed(standing, folder):
    place = folder / "sub" / "w.bin"
    place.write_bytes(b"weights and more")
    with pytest.raises(IntegrityError, match="has changed"):
        standing.target("sub/w.bin")
    place.unlink()
    place.mkdir()
    with pytest.raises(IntegrityError, match="has changed"):
        standing.target("sub/w.bin")


def test_a_file_that_may_no_longer_be_read_is_an_error_of_that_file(standing, monkeypatch):
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    with pytest.raises(DiskError) as raised:
        standing.target("sub/w.bin")
    assert (raised.value.side, raised.value.path) == ("source", "sub/w.bin")


def test_what_the_system_refuses_is_an_error_of_the_source(standing):
    message = f"here cannot be read: {os.strerror(errno.EIO)}"
    with pytest.raises(DiskError, match=message) as raised, standing.disk_errors():
        raise OSError(errno.EIO, os.strerror(errno.EIO), "here")
    assert raised.value.side == "source"


def test_bytes_that_differ_are_said_to_be_the_folders_not_the_caches(standing):
    error = changed(listed("sub/w.bin", b"weights"), standing)
    assert (error.side, error.path) == ("source", "sub/w.bin")
    assert "cache" not in error.message + (error.hint or "")


class Listing:
    """A source that has one content for every file, and counts how often it was asked for one."""

    def __init__(self, content):
        self._content = content
        self.asked = []

    async def whole(self, _revision, file):
        self.asked.append(file.path)
        if self._content is None:
            raise NotFoundError("gone", side="source")
        return self._content


async def guard(content, files, *, refuse=True, allow=()):
    source = Listing(content)
    side = Side(Revision(RepoRef("hf", "org/name"), "c"), files)
    guarded = await impostors.guard(source, side, Options(allow=frozenset(allow)), refuse=refuse)
    return source.asked, [(one.kind, one.code, one.path) for one in guarded.revision.findings]


def small(path, size=135, *, lfs=False):
    return RepoFile(path, size, sha256="a" * 64, lfs=lfs)


async def test_a_hubs_ordinary_listing_is_believed_without_a_question():
    files = [small("w.bin", 5 << 20), small("t.pt", 900, lfs=True), small("config.json"), small("a.md")]
    assert await guard(POINTER, files) == ([], [])


async def test_weights_of_a_hub_that_are_as_short_as_a_pointer_are_looked_at():
    files = [small("a.bin", 900), small("b.bin", lfs=True), small("c.bin", 0)]
    asked, found = await guard(POINTER, files)
    assert asked == ["a.bin", "b.bin"]
    assert found == [
        (Kind.REFUSED, "empty-weights", "c.bin"),
        (Kind.REFUSED, "lfs-pointer", "a.bin"),
        (Kind.REFUSED, "lfs-pointer", "b.bin"),
    ]
    assert [kind for kind, _code, _path in (await guard(POINTER, files, refuse=False))[1]] == [
        Kind.WARNING
    ] * 3
    assert await guard(POINTER, files, allow=("pointers", "empty")) == ([], [])
    assert (await guard(b"\0" * 900, files))[1] == [(Kind.REFUSED, "empty-weights", "c.bin")]
    assert (await guard(None, files[:1]))[1] == []


async def test_the_questions_about_suspicious_weights_are_bounded():
    asked, found = await guard(POINTER, [small(f"{number}.bin") for number in range(500)])
    assert len(asked) == len(found) == 64


async def test_when_one_question_about_weights_is_refused_the_others_are_asked_no_more():
    waiting, ended = asyncio.Event(), []

    class Refusing(Listing):
        async def whole(self, revision, file):
            if file.path == "refused.bin":
                await waiting.wait()
                raise AccessError("not for you", side="source")
            try:
                waiting.set()
                await asyncio.Event().wait()
            finally:
                ended.append(file.path)

    side = Side(Revision(RepoRef("hf", "org/name"), "c"), [small("refused.bin"), small("slow.bin")])
    with pytest.raises(AccessError):
        await impostors.guard(Refusing(b""), side, Options(), refuse=True)
    assert ended == ["slow.bin"]


async def test_a_file_whose_name_has_braces_is_named_when_its_bytes_are_wrong():
    async def pieces():
        yield b"other"

    with pytest.raises(IntegrityError, match=r"^\{a\}\.json is not what the listing says"):
        _ = [piece async for piece in proven(pieces(), listed("{a}.json", b"right"), "source")]
