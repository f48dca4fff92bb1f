"""What a model's directory claims costs what it is, not what it claims: in time, memory and words."""

from __future__ import annotations

import errno
import json
import os
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from tests import models

from hubferry.cache import clean, indexes, structure
from hubferry.cache.check import Kind, State, check_model
from hubferry.cache.disk import disk
from hubferry.cache.formats import cursor
from hubferry.cache.listing import list_models
from hubferry.cache.problem import MOST_PROBLEMS
from hubferry.cache.store import Cache
from hubferry.model import RepoFile, RepoRef, Revision

MIB = 1 << 20
DEPTH = 1500


def checked(directory, *, most):
    """Check a directory in no more than `most` bytes of memory."""
    check_model(directory)  # what is imported on the way is not counted
    tracemalloc.start()
    try:
        state = check_model(directory)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < most
    assert len(state.problems) <= MOST_PROBLEMS + 1
    return state


@pytest.fixture
def directory(tmp_path):
    return models.transformers_model(tmp_path / "root/model", shards=1, shard_size=6000)


@pytest.mark.parametrize("count", ["99999", "9" * 200])
def test_counts_of_shards_that_lie_are_not_believed_in_memory(directory, count):
    for number in range(300):
        models.write_file(directory / f"s{number}-00001-of-{count}.bin", b"\xff" * 99)
    state = checked(directory, most=2 * MIB)
    assert state.verdict is State.PARTIAL
    assert state.problems[0].path == f"s0-00002-of-{count}.bin"
    last = state.problems[-1]
    assert (last.path, last.kind) == ("./", Kind.MISSING)
    assert last.what == f"has more problems than the {MOST_PROBLEMS} that are listed"


def test_the_shards_of_one_set_that_are_missing_are_counted_and_not_all_named(directory):
    models.write_file(directory / "s-00001-of-99999.bin", b"\xff" * 99)
    problems = checked(directory, most=MIB).problems
    assert problems[-1].what == f"has more problems than the {MOST_PROBLEMS} that are listed"
    models.write_file(directory / "config.json", b"{")
    assert check_model(directory).verdict is State.BROKEN


def test_what_is_broken_beyond_the_problems_that_are_listed_still_counts(directory):
    for number in range(MOST_PROBLEMS):
        (directory / f"a{number}.safetensors").symlink_to("nowhere")
    models.write_file(directory / "z.safetensors", b"\xff" * 99)
    state = check_model(directory)
    assert (state.verdict, state.problems[-1].kind) == (State.BROKEN, Kind.BROKEN)


def test_an_index_of_ten_thousand_shards_is_held_against_what_is_there(directory):
    (directory / "model.safetensors").unlink()
    entries = {f"layer.{number}": f"model-{number:05}-of-10000.safetensors" for number in range(10_000)}
    models.write_json(directory / "model.safetensors.index.json", {"weight_map": entries})
    state = checked(directory, most=8 * MIB)
    assert state.verdict is State.PARTIAL
    assert "model-00000-of-10000.safetensors" in state.to_fetch


def test_very_many_tensors_in_two_shards_cost_no_more_than_their_text(directory):
    text = ",".join(f'"{number}":"{number % 2}.safetensors"' for number in range(100_000))
    path = models.write_file(directory / "x.safetensors.index.json", '{"weight_map":{' + text + "}}")
    for name in ("0.safetensors", "1.safetensors"):
        models.write_safetensors(directory / name, {"a": 8})
    assert checked(directory, most=3 * path.stat().st_size).verdict is State.WHOLE


def test_an_index_that_names_more_shards_than_any_model_has_is_broken(directory, monkeypatch):
    monkeypatch.setattr(indexes, "_MOST_SHARDS", 1000)
    text = ",".join(f'"{number}":"{number}"' for number in range(1002))
    models.write_file(directory / "x.safetensors.index.json", '{"weight_map":{' + text + "}}")
    (problem,) = checked(directory, most=MIB).problems
    assert (problem.path, problem.kind) == ("x.safetensors.index.json", Kind.BROKEN)
    assert problem.what == "names more files than any model has"


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "model.safetensors.index.json"])
def test_json_without_end_is_an_error_of_that_file(directory, name):
    models.write_file(directory / name, b'{"a": ')
    os.truncate(directory / name, 2**40)
    state = checked(directory, most=MIB)
    assert [(one.path, one.kind) for one in state.problems] == [(name, Kind.BROKEN)]


def test_json_of_a_million_brackets_is_not_built(directory):
    models.write_file(directory / "model_index.json", b'{"a": [' + b"[]," * 2_000_000 + b"[]]}")
    assert checked(directory, most=20 * MIB).verdict is State.WHOLE


def test_many_files_of_json_are_read_up_to_a_limit_altogether(directory, monkeypatch):
    read = []
    monkeypatch.setattr(disk, "read_bytes", lambda path, read=read: read.append(path.stat().st_size) or b"")
    for number in range(30):
        models.write_file(directory / f"{number}/config.json", b"{")
        os.truncate(directory / f"{number}/config.json", 60 * MIB)
    check_model(directory)
    assert sum(read) <= 512 * MIB


def test_the_location_of_weights_outside_an_onnx_model_is_looked_up_and_not_opened(directory, tmp_path):
    models.write_onnx(directory / "model.onnx", 400, external="weights.data")
    content = (directory / "model.onnx").read_bytes()
    models.write_file(tmp_path / "root/data", bytes(400))
    models.write_file(directory / "model.onnx", content.replace(b"weights.data", b"../data/../x"))
    problems = {one.path: one.kind for one in check_model(directory).problems}
    assert problems == {"../x": Kind.MISSING}


@pytest.fixture
def deep():
    """A model in a place of its own: pytest cannot remove it, should the test be killed."""
    place = Path(tempfile.mkdtemp(prefix="hubferry-deep-"))
    directory = models.transformers_model(place / "model", shards=1, shard_size=6000)
    before = os.open(".", os.O_RDONLY)
    try:
        os.chdir(directory)
        for _level in range(DEPTH):
            Path("a").mkdir()
            os.chdir("a")
        Path("deep.safetensors").write_bytes(b"\xff" * 99)
    finally:
        os.fchdir(before)
        os.close(before)
    yield directory
    disk.remove_tree(place)


def test_folders_in_folders_as_deep_as_a_path_can_be_are_gone_through(deep):
    state = check_model(deep)
    assert state.verdict is State.BROKEN
    (problem,) = state.problems
    assert problem.path == "a/" * DEPTH + "deep.safetensors"
    (model,) = list_models([deep.parent]).models
    assert model.judged.verdict is State.BROKEN


def test_folders_in_folders_as_deep_as_a_path_can_be_are_removed(deep):
    (model,) = list_models([deep.parent]).models
    clean.remove(model)
    assert not list(deep.parent.iterdir())


def test_folders_that_are_too_deep_to_be_named_are_an_error_of_that_model(directory, monkeypatch):
    (directory / "a").mkdir()

    def scandir(path, scan=disk.scandir):
        if Path(path).name == "a":
            raise OSError(errno.ENAMETOOLONG, "File name too long", str(path))
        return scan(path)

    monkeypatch.setattr(disk, "scandir", scandir)
    state = check_model(directory)
    assert (state.verdict, [one.path for one in state.problems]) == (State.PARTIAL, ["a/"])


NAMES = [
    "config.json",
    "model_index.json",
    "model.safetensors.index.json",
    "tokenizer_config.json",
    "modules.json",
    "adapter_config.json",
    "llm_config.json",
    "model.onnx",
    "openvino_model.xml",
    "X.mlpackage/Manifest.json",
]


@pytest.fixture
def opened(monkeypatch):
    """Refuse, instead of waiting for ever, what is no regular file."""

    def guarded(call):
        def demand(path, *others):
            assert path.is_file() or not path.exists(), f"{path} is no file, and was opened"
            return call(path, *others)

        return demand

    monkeypatch.setattr(disk, "open", guarded(disk.open))
    monkeypatch.setattr(disk, "read_bytes", guarded(disk.read_bytes))


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize("name", NAMES)
def test_a_pipe_under_a_name_that_is_read_is_never_opened(directory, name):
    path = directory / name
    path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    os.mkfifo(path)
    state = check_model(directory)
    assert (state.verdict, state.problems[0].path) == (State.PARTIAL, name)


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize("name", NAMES)
def test_a_device_under_a_name_that_is_read_is_never_opened(directory, name):
    path = directory / name
    path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    path.symlink_to("/dev/zero")
    state = check_model(directory)
    assert (state.verdict, state.problems[0].path) == (State.PARTIAL, name)
    path.unlink()
    try:
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("nodes of devices are made by root")
    assert check_model(directory).problems[0].path == name


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_a_hubs_note_of_its_commit_is_only_read_where_it_is_a_file(directory, make):
    snapshots = directory / "snapshots"
    snapshots.mkdir()
    (directory / "refs").mkdir()
    make(directory / "refs/main")
    models.transformers_model(snapshots / "abc", shards=1, shard_size=600)
    assert check_model(directory).directory == snapshots / "abc"


def test_the_problems_of_a_commit_of_many_files_are_listed_up_to_a_limit(tmp_path):
    ref = RepoRef("hf", "org/model")
    files = [RepoFile(f"{number}.bin", 4, f"{number:064x}") for number in range(1000)]
    directory = Cache(tmp_path / "cache", roots=()).open(ref)
    with directory.hold(wait=0):
        directory.expect(Revision(ref, "c" * 40), files, {file.path for file in files})
    models.write_file(directory.path / "README.md", b"#")
    state = check_model(directory.path)
    assert (state.verdict, len(state.problems)) == (State.PARTIAL, MOST_PROBLEMS + 1)
    assert json.dumps([one.what for one in state.problems]).count("is missing") == MOST_PROBLEMS


def test_the_headers_of_one_model_are_walked_for_so_long_and_no_longer(directory, monkeypatch):
    walked = []
    grant = cursor.Steps._grant

    def counted(self, count):
        granted = grant(self, count)
        if self._shared is not None:
            walked.append(granted)
        return granted

    monkeypatch.setattr(cursor.Steps, "_grant", counted)
    monkeypatch.setattr(structure, "_MOST_STEPS", 10_000)
    for number in range(5):
        models.write_file(directory / f"{number}.msgpack", b"\xdc\x10\0" + b"\xc0" * 4096)
        models.write_file(directory / f"{number}.bin", b"\x80\2" + b"N0" * 4096 + b"N.")
    state = check_model(directory)
    assert (state.verdict, [(one.path, one.kind) for one in state.problems]) == (
        State.UNKNOWN,
        [("./", Kind.NOTE)],
    )
    assert sum(walked) == 10_000
