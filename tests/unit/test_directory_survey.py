"""What is in a folder: every entry a file or a finding, told by its name, its kind and its first bytes."""

from __future__ import annotations

import os
import socket
import subprocess

import pytest
from click.testing import CliRunner

from hubferry import entries
from hubferry.cli.copy import copy
from hubferry.entries import Trait
from hubferry.errors import DiskError, UsageError
from hubferry.events import Note
from hubferry.hubs.folder import reading as directory_reading
from hubferry.hubs.folder import survey as directory_survey
from hubferry.hubs.folder.source import DirectorySource
from hubferry.model import RepoRef
from hubferry.readings import reader
from hubferry.readings.records import Records, Signature

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0f" * 32 + b"\nsize 12345\n"
TOKEN = b"hf_" + b"aBcDeFgHiJkLmNoPqRsTuVwXyZ01234567"
NOTHING = frozenset()


def write(root, path, content=b"x"):
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return place


@pytest.fixture
def root(tmp_path):
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


def survey(root, *allow):
    found = directory_survey.survey(root, frozenset(allow))
    return [entry.path for entry in found.entries], {one.path: one.code for one in found.findings}


async def look(root, *allow, records=None, listen=lambda _event: None):
    source = DirectorySource(frozenset(allow), records, listen)
    ref = RepoRef("dir", str(root))
    revision = await source.resolve(ref)
    files = [file.path for file in await source.files(revision)]
    return files, {one.path: one.code for one in revision.findings}, source.hashed


@pytest.mark.parametrize(
    "name",
    [
        "x.part1.rar", "model.part-00001", "x.part.001", "data.partial.json", "incomplete",
        "a.incomplete.txt", ".part", "parts.bin", "download", "x.partaa", "aria2.txt",
    ],
)  # fmt: skip
def test_names_that_only_resemble_an_unfinished_download_are_files(root, name):
    write(root, name)
    assert survey(root) == ([name], {})


@pytest.mark.parametrize("name", ["w.incomplete", "w.bin.part", "W.PART", "w.partial", "w.crdownload"])
def test_an_unfinished_download_is_refused_by_its_name(root, name):
    write(root, name)
    assert survey(root) == ([], {name: "unfinished"})
    assert survey(root, "unfinished") == ([name], {})


def test_what_aria2_has_not_finished_is_refused_and_its_control_file_never_copied(root):
    write(root, "w.bin")
    write(root, "w.bin.aria2")
    write(root, "lone.bin.aria2")
    assert survey(root) == (
        [],
        {"w.bin": "unfinished", "w.bin.aria2": "tool-notes", "lone.bin.aria2": "unfinished"},
    )
    notes = {"w.bin.aria2": "tool-notes", "lone.bin.aria2": "tool-notes"}
    assert survey(root, "unfinished") == (["w.bin"], notes)


def test_an_empty_folder_that_a_client_left_behind_is_no_unfinished_download(root):
    (root / "._____temp").mkdir()
    write(root, ".cache/huggingface/download/w.metadata")
    assert survey(root) == ([], {"._____temp/": "tool-notes", ".cache/huggingface/": "tool-notes"})
    write(root, ".hubferry/partial/ab.part")
    assert survey(root)[1][".hubferry/"] == "unfinished"


@pytest.mark.parametrize(
    ("path", "secret"),
    [
        (".env", True), (".env.production", True), (".env.example", False), ("a/.netrc", True),
        ("id_ed25519", True), ("id_ed25519.pub", False), (".aws/config", True), ("environment.yaml", False),
        (".huggingface/token", True), ("token", False), ("tokenizer.json", False), ("kaggle.json", True),
    ],
)  # fmt: skip
def test_secrets_are_told_by_their_names(path, secret):
    assert entries.is_secret(path) is secret


def test_a_link_does_not_bring_a_secret_along_under_another_name(root, tmp_path):
    write(tmp_path, ".ssh/id_rsa")
    (root / "notes.txt").symlink_to(tmp_path / ".ssh" / "id_rsa")
    assert survey(root) == ([], {"notes.txt": "secret"})


def test_a_link_to_a_folder_does_not_bring_a_tools_notes_along(root):
    write(root, ".git/hooks/a")
    (root / "hooks").symlink_to(".git/hooks")
    assert survey(root) == ([], {".git/": "tool-notes", "hooks/": "tool-notes"})


def test_a_link_to_a_file_is_followed_even_into_a_tools_folder(root):
    write(root, ".git/annex/objects/w", b"weights")
    (root / "w.bin").symlink_to(".git/annex/objects/w")
    assert survey(root) == (["w.bin"], {".git/": "tool-notes"})


def test_a_cache_inside_the_folder_is_left_out_as_a_whole(root):
    write(root, "w.bin")
    write(root, "cache/CACHEDIR.TAG")
    write(root, "cache/.folders/a.json")
    assert survey(root) == (["w.bin"], {"cache/": "tool-notes"})


def test_links_in_a_circle_of_folders_end(root):
    write(root, "a/x")
    write(root, "b/y")
    (root / "a" / "to-b").symlink_to("../b")
    (root / "b" / "to-a").symlink_to("../a")
    (root / "self").symlink_to(".")
    files, found = survey(root)
    assert files == ["a/to-b/y", "a/x", "b/to-a/x", "b/y"]
    assert found == dict.fromkeys(["a/to-b/to-a/", "b/to-a/to-b/", "self/"], "link-cycle")


def test_links_that_make_a_thousand_ways_out_of_few_folders_are_bounded(root, monkeypatch):
    monkeypatch.setattr(directory_survey, "_MOST_BEHIND_LINKS", 200)
    for level in range(12):
        (root / f"l{level}").mkdir()
        for way in "ab":
            (root / f"l{level}" / way).symlink_to(f"../l{level + 1}")
    write(root, "l12/x")
    files, found = survey(root)
    assert len(files) < 400
    assert "link-cycle" in found.values()


def test_a_deep_folder_is_no_deep_recursion(root, request):
    # Python's own rmtree, by which pytest tidies up, is a deep recursion
    request.addfinalizer(lambda: subprocess.run(["rm", "-rf", root / "d"], check=True))
    path, place = "", root
    for _level in range(1200):
        place = place / "d"
        place.mkdir()
        path += "d/"
    (place / "x").touch()
    assert survey(root) == ([path + "x"], {})


def test_what_is_neither_file_nor_folder_is_never_opened(root):
    os.mkfifo(root / "pipe")
    listener = socket.socket(socket.AF_UNIX)
    here = os.open(".", os.O_RDONLY)
    os.chdir(root)
    listener.bind("socket")
    os.fchdir(here)
    os.close(here)
    listener.close()
    (root / "null").symlink_to("/dev/null")
    assert survey(root) == ([], dict.fromkeys(["pipe", "socket", "null"], "special-entry"))


def test_names_that_no_hub_can_hold_are_refused_and_shown_safely(root):
    name = os.fsdecode(b"caf\xe9.txt")
    write(root, name)
    (root / "back\\slash").mkdir()
    found = directory_survey.survey(root, NOTHING)
    assert [(one.path, one.code) for one in found.findings] == [("back\\slash/", "name"), (name, "name")]
    for one in found.findings:
        assert one.message.isprintable()
        assert one.error.hint.isprintable()


@pytest.mark.parametrize("path", ["plain.bin", "a b/it's [1].bin", "bell\x07*?.txt"])
def test_the_pattern_of_a_hint_leaves_out_just_that_entry(path):
    import shlex

    from hubferry import planning
    from hubferry.findings import left_out

    (typed,) = shlex.split(entries.pattern(path))
    assert typed.isprintable()
    assert planning.concerned([left_out("x", "x", path)], (), (typed,)) == ()
    assert len(planning.concerned([left_out("x", "x", path + "2")], (), (typed,))) == 1


def test_what_stands_below_a_folder_is_meant_by_any_selection_of_files():
    from hubferry import planning
    from hubferry.findings import left_out

    found = [left_out("x", "x", path) for path in ("sub/", "a.bin", "a.json")]
    kept = planning.concerned(found, ("*.json",), ())
    assert [one.path for one in kept] == ["sub/", "a.json"]
    assert planning.concerned(found, (), ("sub/", "*.bin", "*.json")) == ()


def test_an_ignore_file_is_read_as_git_reads_one(root):
    write(root, ".hubferryignore", b"# said by me\n*.log\n!keep.log\n/top.txt\nbuild/\n")
    for path in ("a.log", "keep.log", "top.txt", "sub/top.txt", "build/x", "sub/build/y", "sub/b.log"):
        write(root, path)
    write(root, "sub/.hubferryignore", b"!b.log\n")
    files, found = survey(root)
    assert files == ["keep.log", "sub/b.log", "sub/top.txt"]
    ignored = {path for path, code in found.items() if code == "ignored"}
    assert ignored == {"a.log", "top.txt", "build/", "sub/build/"}


def test_an_ignore_file_that_means_nothing_stops_the_run(root):
    write(root, ".hubferryignore", b"!\n")
    with pytest.raises(UsageError, match="hubferryignore"):
        survey(root)


@pytest.mark.parametrize(
    ("content", "trait"),
    [
        (POINTER, Trait.POINTER),
        (POINTER.replace(b"\n", b"\r\n"), Trait.POINTER),
        (POINTER.replace(b"oid", b"ext-0-foo sha256:" + b"1" * 64 + b"\noid"), Trait.POINTER),
        (b"A pointer looks so:\n" + POINTER, Trait.NONE),
        (POINTER + b"and more\n", Trait.NONE),
        (b"version https://git-lfs.github.com/spec/v1\n", Trait.NONE),
        (b"key = '" + TOKEN + b"'", Trait.TOKEN),
        (b"x" + TOKEN, Trait.NONE),
        (b"hf_" + b"x" * 34, Trait.NONE),
        (b"AKIAIOSFODNN7EXAMPLE", Trait.NONE),
        (b"AKIAIOSFODNN7QRSTUVW", Trait.TOKEN),
        (b"ms-0123abcd-4567-89ef-0123-456789abcdef", Trait.TOKEN),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\n", Trait.TOKEN),
        (b"-----BEGIN CERTIFICATE-----\n", Trait.NONE),
    ],
)
def test_content_tells_pointers_and_tokens(content, trait):
    assert entries.trait("notes.txt", content) is trait


def test_weights_without_bytes_are_refused_and_other_files_may_be_empty(root):
    for name in ("w.safetensors", "w.gguf", "__init__.py", ".gitkeep", "notes.txt"):
        write(root, name, b"")
    assert survey(root) == (
        [".gitkeep", "__init__.py", "notes.txt"],
        {"w.gguf": "empty-weights", "w.safetensors": "empty-weights"},
    )


async def test_a_second_look_reads_nothing_and_finds_the_same(root, tmp_path):
    write(root, "w.bin", b"w" * 100_000)
    write(root, "p.bin", POINTER)
    write(root, "train.py", TOKEN)
    first = await look(root, records=tmp_path / "records")
    assert first[2] == 100_000 + len(POINTER) + len(TOKEN)
    assert first[1] == {"p.bin": "lfs-pointer", "train.py": "token-inside"}
    assert await look(root, records=tmp_path / "records") == (*first[:2], 0)
    again = await look(root, "pointers", records=tmp_path / "records")
    assert again == (["p.bin", "train.py", "w.bin"], {"train.py": "token-inside"}, 0)


async def test_a_file_that_was_written_again_is_read_again_whatever_its_size_and_time_say(root, tmp_path):
    place = write(root, "w.bin", b"one")
    stamp = place.stat()
    source = DirectorySource(records=tmp_path / "records")
    before = await source.resolve(RepoRef("dir", str(root)))
    place.write_bytes(b"two")
    os.utime(place, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert place.stat().st_mtime_ns == stamp.st_mtime_ns
    after = await DirectorySource(records=tmp_path / "records").resolve(RepoRef("dir", str(root)))
    assert after.commit != before.commit


@pytest.mark.parametrize(
    "content", [b"", b"{", b"{}\n{}", b'{"schema":1,"folder":"/other"}\n{}', b"\xff\n\xff"]
)
async def test_a_record_that_is_broken_or_anothers_is_none(root, tmp_path, content):
    write(root, "w.bin", b"w")
    await look(root, records=tmp_path / "records")
    (record,) = (tmp_path / "records").iterdir()
    record.write_bytes(content)
    assert (await look(root, records=tmp_path / "records"))[2] == 1


async def test_records_of_folders_that_are_gone_are_swept(root, tmp_path):
    gone = tmp_path / "gone"
    for folder in (root, gone):
        write(folder, "w.bin")
        await look(folder, records=tmp_path / "records")
    assert len(list((tmp_path / "records").iterdir())) == 2
    (gone / "w.bin").unlink()
    gone.rmdir()
    write(root, "v.bin")
    await look(root, records=tmp_path / "records")
    assert len(list((tmp_path / "records").iterdir())) == 1


async def test_stamps_from_the_future_are_not_believed(root, tmp_path):
    place = write(root, "w.bin")
    os.utime(place, (4_000_000_000, 4_000_000_000))
    found = directory_survey.survey(root, NOTHING)
    ((outcome,), _bytes) = await reader.read(found.entries, lambda _done, _total: None)
    assert outcome.reading is not None
    assert not outcome.lasts


async def test_a_file_that_changes_while_it_is_read_is_an_error_of_that_file(root, monkeypatch):
    write(root, "good.bin", b"good")
    write(root, "grows.bin", b"one")
    gone = write(root, "goes.bin", b"x")
    real = reader.settled

    def meanwhile(status):
        if status.st_size == 3:
            write(root, "grows.bin", b"longer")
        return real(status)

    surveyed = directory_survey.survey(root, NOTHING).entries
    monkeypatch.setattr(reader, "settled", meanwhile)
    gone.unlink()
    found = await directory_reading.look(surveyed, NOTHING, Records(None, root), lambda _event: None)
    assert [file.path for file in found.files] == ["good.bin"]
    assert {one.path: one.code for one in found.findings} == {"grows.bin": "changed", "goes.bin": "changed"}


async def test_a_file_that_has_become_a_pipe_does_not_make_the_run_wait(root):
    place = write(root, "w.bin")
    surveyed = directory_survey.survey(root, NOTHING).entries
    place.unlink()
    os.mkfifo(place)
    found = await directory_reading.look(surveyed, NOTHING, Records(None, root), lambda _event: None)
    assert [one.code for one in found.findings] == ["changed"]


async def test_an_entry_that_the_system_refuses_is_named_with_the_reason(root, monkeypatch):
    """Root reads everything, so the system's refusal is played; the real one is in tests/cli."""
    write(root, "good.bin")
    write(root, "bad.bin")
    write(root, "closed/w.bin")
    real_open, real_scan = os.open, os.scandir

    def refuse(real, name):
        def call(path, *words):
            if os.fspath(path).endswith(name):
                raise PermissionError(13, "Permission denied", os.fspath(path))
            return real(path, *words)

        return call

    monkeypatch.setattr(os, "open", refuse(real_open, "bad.bin"))
    monkeypatch.setattr(os, "scandir", refuse(real_scan, "closed"))
    source = DirectorySource()
    revision = await source.resolve(RepoRef("dir", str(root)))
    assert [file.path for file in await source.files(revision)] == ["good.bin"]
    assert [(one.path, one.code) for one in revision.findings] == [
        ("bad.bin", "unreadable"),
        ("closed/", "unreadable"),
    ]
    assert all(isinstance(one.error, DiskError) for one in revision.findings)
    assert "Permission denied" in revision.findings[0].message


async def test_a_long_reading_is_told(root, monkeypatch):
    monkeypatch.setattr(reader, "_SILENT_SECONDS", 0.0)
    write(root, "w.bin", b"w" * 1000)
    heard = []
    await look(root, listen=heard.append)
    assert [type(event) for event in heard] == [Note]
    assert "1000 B of 1000 B" in heard[0].message


def test_a_long_reading_is_told_of_a_dry_run_too(root, tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "_SILENT_SECONDS", 0.0)
    monkeypatch.setenv("HUBFERRY_CACHE", str(tmp_path / "cache"))
    write(root, "w.bin", b"w" * 1000)
    words = [str(root), str(tmp_path / "out"), "--dry-run"]
    assert "1000 B of 1000 B" in CliRunner().invoke(copy, words).stderr
    again = CliRunner().invoke(copy, words)
    assert (again.exit_code, again.stderr) == (0, "")


def test_whoever_cancels_does_not_wait_for_the_rest_to_be_read(root):
    write(root, "w.bin", b"w" * 1000)
    running = reader._Reader(directory_survey.survey(root, NOTHING).entries, lambda _done, _total: None)
    running.cancelled.set()
    (outcome,) = running.read_all()
    assert (outcome.reading, running.done) == (None, 0)


def test_a_signature_knows_every_stamp_of_a_file(root):
    place = write(root, "w.bin")
    before = Signature.of(place.stat())
    place.chmod(0o600)
    assert Signature.of(place.stat()) != before
