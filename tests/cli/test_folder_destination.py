"""A folder is a destination however it stands: missing, empty, older, holding other things, or in use."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from desks import KIB, digests

import forked
from hubferry.hubs.folder.staging import Staging

if TYPE_CHECKING:
    from pathlib import Path

WEIGHTS = "model.safetensors"


def content(seed: int, size: int = 200 * KIB) -> bytes:
    return hashlib.shake_128(str(seed).encode()).digest(size)


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


@pytest.fixture
def source(desk):
    desk.home.mkdir(parents=True, exist_ok=True)
    files = {
        WEIGHTS: content(1),
        "sub/twin.safetensors": content(1),
        "config.json": b"{}",
        "README.md": b"# m",
    }
    return write(desk.home / "source", files)


@pytest.fixture
def target(desk):
    return desk.home / "target"


def copy(desk, *words, **options):
    return desk.ferry("copy", "./source", "./target", *words, **options)


def everything(folder: Path) -> list[str]:
    """Every entry below a folder, `.hubferry` too."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def described(folder: Path) -> dict[str, tuple[str, bytes | str]]:
    found = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = ("link", str(path.readlink()))
        else:
            found[name] = ("file", path.read_bytes()) if path.is_file() else ("other", "")
    return found


@pytest.mark.parametrize("state", ["missing", "deeply missing", "empty", "linked"])
def test_a_copy_into_a_folder_holds_exactly_the_source_and_nothing_of_ours(desk, source, target, state):
    if state == "empty":
        target.mkdir()
    elif state == "linked":
        (desk.home / "elsewhere").mkdir()
        target.symlink_to(desk.home / "elsewhere")
    where = "./target/a/b" if state == "deeply missing" else "./target"
    assert desk.ferry("copy", "./source", where).code == 0
    assert described(desk.home / where) == described(source)


def test_a_weight_that_changed_is_replaced_and_a_third_run_finds_nothing_to_do(desk, source, target):
    assert copy(desk).code == 0
    write(source, {WEIGHTS: content(2), "new/more.safetensors": content(3)})
    assert copy(desk).code == 0
    assert described(target) == described(source)
    assert "nothing to do" in copy(desk).out


def test_a_model_of_a_hub_arrives_in_a_folder_that_is_there(desk, model, target):
    write(target, {"config.json": b"older", "mine.txt": b"mine"})
    assert desk.ferry("copy", "hf:org/model", "./target", check_code=0)
    assert digests(target) == digests(model) | {"mine.txt": hashlib.sha256(b"mine").hexdigest()}
    assert desk.ferry("check", "hf:org/model", "./target").code == 6
    assert desk.ferry("copy", "hf:org/model", "./target", "--delete").code == 0
    assert desk.ferry("check", "hf:org/model", "./target").code == 0


def test_what_only_the_folder_has_stays_and_is_counted(desk, source, target):
    write(target, {"mine/notes.txt": b"mine", "old.bin": b"old"})
    (target / "empty").mkdir()
    ended = copy(desk, "--json")
    assert ended.code == 0
    assert ended.json()["only_at_destination"] == ["mine/notes.txt", "old.bin"]
    assert set(everything(target)) == {*everything(source), "mine", "mine/notes.txt", "old.bin", "empty"}


def test_delete_removes_files_and_the_folders_that_this_emptied_and_no_others(desk, source, target):
    outside = write(desk.home / "outside", {"kept.bin": b"kept"})
    write(target, {"old/deep/a.bin": b"a", "old.bin": b"b", "partly/x.bin": b"x"})
    (target / "empty").mkdir()
    (target / "partly" / "inner").mkdir()
    (target / "link.bin").symlink_to(outside / "kept.bin")
    (target / "linked").symlink_to(outside)
    assert copy(desk, "--delete").code == 0
    assert set(everything(target)) == {*everything(source), "empty", "partly", "partly/inner", "linked"}
    assert (outside / "kept.bin").read_bytes() == b"kept"


def test_what_tools_keep_in_the_folder_is_neither_counted_nor_deleted(desk, source, target):
    notes = {".git/config": b"1", ".cache/huggingface/x.metadata": b"2", ".msc": b"3", "sub/.git/HEAD": b"4"}
    write(target, notes)
    assert copy(desk, "--json").json()["only_at_destination"] == []
    assert copy(desk, "--delete").code == 0
    assert {path: (target / path).read_bytes() for path in notes} == notes


def test_a_note_that_the_source_publishes_is_a_file_like_any_other(desk, target):
    desk.source.store.create("org/noted", "model")
    desk.source.store.add("org/noted", {".msc": b"published", WEIGHTS: content(1)})
    assert desk.ferry("copy", "hf:org/noted", "./target").code == 0
    assert (target / ".msc").read_bytes() == b"published"
    assert "nothing to do" in desk.ferry("copy", "hf:org/noted", "./target").out


def test_a_link_to_a_file_counts_as_its_content_and_is_itself_replaced(desk, source, target):
    outside = write(desk.home / "outside", {"same.bin": content(1), "other.json": b"other"})
    (target / "sub").mkdir(parents=True)
    (target / WEIGHTS).symlink_to(outside / "same.bin")
    (target / "config.json").symlink_to(outside / "other.json")
    (target / "README.md").symlink_to(outside / "nowhere")
    assert copy(desk).code == 0
    assert (target / WEIGHTS).is_symlink()
    assert not (target / "config.json").is_symlink()
    assert digests(target) == digests(source)
    assert described(outside) == {"same.bin": ("file", content(1)), "other.json": ("file", b"other")}


def obstructed(target: Path, outside: Path, obstacle: str) -> None:
    """Put something in the way of `sub/twin.safetensors`, or of the whole folder."""
    if obstacle == "a file":
        target.write_bytes(b"mine")
    else:
        target.mkdir()
    if obstacle == "a linked folder":
        (target / "sub").symlink_to(outside)
    elif obstacle == "a file for a folder":
        (target / "sub").write_bytes(b"mine")
    elif obstacle == "a folder for a file":
        write(target, {"sub/twin.safetensors/kept.txt": b"mine"})
    elif obstacle == "a folder linked for a file":
        (target / "sub").mkdir()
        (target / "sub/twin.safetensors").symlink_to(outside)
    elif obstacle == "a pipe":
        (target / "sub").mkdir()
        os.mkfifo(target / "sub/twin.safetensors")
    elif obstacle == "our place linked":
        (target / ".hubferry").symlink_to(outside)


WHOLE = ("a file", "our place linked")
SINGLE = (
    "a linked folder",
    "a file for a folder",
    "a folder for a file",
    "a folder linked for a file",
    "a pipe",
)


@pytest.mark.parametrize("obstacle", [*WHOLE, *SINGLE])
def test_what_is_in_the_way_is_refused_before_anything_moves(desk, source, target, obstacle):
    outside = write(desk.home / "outside", {"kept.bin": b"kept"})
    obstructed(target, outside, obstacle)
    before = described(desk.home / "outside") | described(target)
    for words in ((), ("--dry-run",), ("--keep-going",) if obstacle in WHOLE else ()):
        ended = copy(desk, *words)
        assert ended.code == 2, ended.said
        assert "target" in ended.err if obstacle in WHOLE else "sub" in ended.err
        assert "hint:" in ended.err
    assert described(desk.home / "outside") | described(target) == before


@pytest.mark.parametrize("obstacle", SINGLE)
def test_what_is_in_the_way_of_one_file_keeps_the_others_from_nothing(desk, source, target, obstacle):
    outside = write(desk.home / "outside", {"kept.bin": b"kept"})
    obstructed(target, outside, obstacle)
    ended = copy(desk, "--keep-going")
    assert ended.code == 9, ended.said
    assert {name: (target / name).read_bytes() for name in (WEIGHTS, "config.json", "README.md")} == {
        name: (source / name).read_bytes() for name in (WEIGHTS, "config.json", "README.md")
    }
    assert everything(outside) == ["kept.bin"]
    assert not (target / ".hubferry").exists()


def test_a_file_becomes_a_folder_and_a_folder_a_file_where_deleting_was_asked_for(desk, source, target):
    write(target, {"sub": b"a file", "config.json/deep/x.bin": b"x", "config.json/y.bin": b"y"})
    assert copy(desk).code == 2
    assert copy(desk, "--delete").code == 0
    assert described(target) == described(source)


def test_a_folder_that_deleting_would_not_empty_stays(desk, source, target):
    write(target, {"config.json/x.bin": b"x", "config.json/.git/HEAD": b"mine"})
    assert copy(desk, "--delete").code == 2
    assert (target / "config.json/x.bin").read_bytes() == b"x"


def test_every_name_that_the_disk_holds_is_a_name(desk, source, target):
    names = (
        "CON",
        "sub/aux.txt",
        "nul.bin",
        "trailing.",
        "trailing ",
        " first",
        "x/a:b",
        'q"?*<|>',
        "权重 1.bin",
    )
    write(source, {name: name.encode() for name in (*names, "n" * 255, "-rf", "~", "@x", "A", "a")})
    assert copy(desk).code == 0
    assert described(target) == described(source)


def test_a_new_folder_is_neither_public_nor_licensed(desk, source):
    done = desk.ferry("copy", "./source", "./new", "--dry-run", check_code=0)
    assert "will be created" not in done.out
    assert desk.ferry("copy", "./source", "./new", "--json", check_code=0).json()["created"] is None


@pytest.mark.parametrize(
    ("destination", "word"),
    [("./source", "same"), ("./source/in", "inside"), (".", "inside"), ("./link", "same")],
)
def test_a_folder_is_not_copied_into_itself_nor_around_itself(desk, source, destination, word):
    (desk.home / "link").symlink_to(source)
    before = described(desk.home)
    for words in ((), ("--dry-run",)):
        ended = desk.ferry("copy", "./source", destination, *words)
        assert (ended.code, word in ended.err) == (2, True), ended.said
    assert described(desk.home) == before


def test_files_get_the_mode_of_their_time_and_place(desk, source, target):
    group = 54321 if os.geteuid() == 0 else os.getgid()
    write(target, {"config.json": b"older"})
    (target / "config.json").chmod(0o640)
    (target / "sub").mkdir()
    os.chown(target / "sub", -1, group)
    (target / "sub").chmod(0o2775)
    command = [sys.executable, "-m", "hubferry", "copy", "./source", "./target"]
    done = forked.run(command, cwd=desk.home, env=desk.environment, check=False, umask=0o027)
    assert done.returncode == 0
    modes = {
        name: oct((target / name).stat().st_mode & 0o7777) for name in ("config.json", "README.md", WEIGHTS)
    }
    assert modes == {"config.json": "0o640", "README.md": "0o640", WEIGHTS: "0o640"}
    assert (target / "sub/twin.safetensors").stat().st_gid == group
    (target / "README.md").chmod(0o604)
    (source / "README.md").write_bytes(b"# changed")
    assert copy(desk).code == 0
    assert (target / "README.md").stat().st_mode & 0o7777 == 0o604


def test_no_file_of_the_folder_is_another_name_of_a_file_of_the_source(desk, source, target):
    assert copy(desk).code == 0
    for path in (WEIGHTS, "sub/twin.safetensors", "config.json"):
        (target / path).write_bytes(b"edited")
        assert (source / path).read_bytes() != b"edited"
    assert copy(desk).code == 0
    assert described(target) == described(source)


@pytest.mark.parametrize("word", ["--no-cache", "--jobs=1"])
def test_more_ways_to_copy_come_to_the_same(desk, source, target, word):
    write(target, {WEIGHTS: b"older"})
    assert copy(desk, word).code == 0
    assert described(target) == described(source)


def started(desk, *words, cache="cache"):
    return forked.Popen(
        [sys.executable, "-m", "hubferry", "copy", *words, "--cache-dir", str(desk.home / cache)],
        cwd=desk.home, env=desk.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_two_runs_at_once_into_one_folder_both_end_well(desk, source, target):
    other = write(
        desk.home / "other", {WEIGHTS: content(7, 3 << 20), "config.json": b"[]", "z.bin": content(8)}
    )
    write(source, {WEIGHTS: content(6, 3 << 20)})
    runs = [
        started(desk, f"./{folder}", "./target", cache=folder + ".cache") for folder in ("source", "other")
    ]
    said = [run.communicate(timeout=100)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    held = described(target)
    assert set(held) == {*everything(source), *everything(other)}
    for path, found in held.items():
        assert found in (described(source).get(path), described(other).get(path))


def test_a_run_waits_for_the_one_that_has_the_folder_and_says_so(desk, source, target):
    first = Staging(target)
    assert first.take()
    with first.writing() as (stream, _path):
        stream.write(b"of the first run")
        run = started(desk, "./source", "./target")
        said = ""
        while "waiting" not in said:
            line = run.stderr.readline()
            assert line, said
            said += line
        assert run.poll() is None
        assert len(list(first.place.glob("*.part"))) == 1
    first.leave()
    assert run.wait(60) == 0, run.stderr.read()
    run.stdout.close()
    run.stderr.close()
    assert described(target) == described(source)


def test_a_run_that_was_killed_leaves_its_blobs_to_the_next_one_and_nothing_else(desk, source, target):
    write(source, {f"{number}.bin": content(number, 300 * KIB) for number in range(6)})
    run = started(desk, "./source", "./target", "--no-cache", "--jobs=1", "--bwlimit", "off:400K")
    staged = target / ".hubferry" / "incoming"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not any(len(path.name) == 64 for path in staged.glob("*")):
        time.sleep(0.02)
    os.kill(run.pid, signal.SIGKILL)
    run.communicate()
    assert any(len(path.name) == 64 for path in staged.glob("*"))
    assert {name for name in everything(target) if not name.startswith(".hubferry")} == set()
    ended = copy(desk, "--no-cache", "--json")
    assert ended.code == 0, ended.said
    assert ended.json()["reused"] > 0
    assert described(target) == described(source)
