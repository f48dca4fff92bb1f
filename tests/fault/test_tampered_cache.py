"""Somebody wrote into the cache's own records: every command says something sensible, and a run heals."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import stat
import sys
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

sys.path.insert(0, str(Path(__file__).parent))

from acts import FIRST, REF, Place, fetch_big, file_of, files_of, items_of
from tests.tampering import UNREADABLE, spoilt

from hubferry.cache import manifest
from hubferry.cache.locks import holder
from hubferry.cache.partial import CHUNK, PartialFile, missing_ranges, partial_path
from hubferry.cache.store import ModelDirectory
from hubferry.cli.main import command_line
from hubferry.errors import HubferryError
from hubferry.model import Revision

CALM = settings(deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
COMMANDS = (
    ("cache", "list"),
    ("cache", "list", "--json"),
    ("cache", "check"),
    ("cache", "check", "--json"),
    ("cache", "show", "org_model"),
    ("cache", "verify", "--full"),
    ("cache", "prune", "--older-than", "1d", "--dry-run"),
)


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    """A whole model whose records are in all their files: a manifest, a journal, marks of a part."""
    top = tmp_path_factory.mktemp("template")
    model = Place(top).held()
    with model.hold(wait=0):
        model.touch()
        model.mark_published(REF, "d1")
        model.pin(pinned=True)
    half = PartialFile(partial_path(model.partial_directory, file_of("x.bin", b"x" * CHUNK * 3)), CHUNK * 3)
    half.write(0, [b"x" * CHUNK])
    half.close()
    return top


@pytest.fixture(scope="module")
def place(template, tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("spoilt") / "place"


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch):
    away = tmp_path_factory.mktemp("home")
    for name in ("HOME", "HF_HOME", "MODELSCOPE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(away / name))
    monkeypatch.setenv("HUBFERRY_LANG", "en")


def renew(template: Path, place: Path) -> Path:
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(template, place)
    return place / "root" / "org_model" / ".hubferry"


def assert_sensible(place: Path) -> None:
    """Every command that looks at the cache ends with an answer, or an error that is ours."""
    for words in COMMANDS:
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            try:
                code = command_line().main(
                    [*words, "--cache-dir", str(place / "root")], prog_name="hubferry", standalone_mode=False
                )
            except HubferryError as error:
                code = error.exit_code
        assert code in {None, 0, 3, 6, 7, 9}, (words, code, err.getvalue())
        assert "\x1b[2J" not in out.getvalue() + err.getvalue()


def assert_heals(place: Path) -> None:
    """A run as after any accident brings everything in; nothing is known that is not so."""
    model = Place(place).model()
    with model.hold(wait=0):
        lacking = {file.path for file in files_of(FIRST) if model.lookup(file) is None}
        model.put_many([item for item in items_of(FIRST) if item[0].path in lacking and not item[0].lfs])
        fetch_big(model)
        model.finish(Revision(REF, "c1"), files_of(FIRST))
    fresh = ModelDirectory(model.path, REF)
    for path, content in FIRST.items():
        assert (model.path / path).read_bytes() == content
        assert fresh.known(file_of(path, content)) is not None


@settings(CALM, max_examples=120)
@given(data=some.data())
def test_a_manifest_with_an_odd_value_anywhere_stops_no_command(template, place, data):
    records = renew(template, place)
    content = (records / "manifest.json").read_bytes()
    (records / "manifest.json").write_bytes(data.draw(spoilt(content)))
    assert_sensible(place)
    assert_heals(place)


@settings(CALM, max_examples=80)
@given(data=some.data())
def test_a_journal_with_an_odd_value_anywhere_stops_no_command(template, place, data):
    records = renew(template, place)
    lines = (records / "journal.jsonl").read_bytes().splitlines()
    assert len(lines) > 3
    number = data.draw(some.integers(0, len(lines) - 1))
    lines[number] = data.draw(spoilt(lines[number]))
    (records / "journal.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    assert_sensible(place)
    assert_heals(place)


@pytest.mark.parametrize("name", ["manifest.json", "journal.jsonl", "lock.holder"])
@pytest.mark.parametrize("content", UNREADABLE, ids=lambda content: repr(content[:8]))
def test_records_that_are_no_records_stop_no_command(template, place, name, content):
    records = renew(template, place)
    (records / name).write_bytes(
        content if name != "journal.jsonl" else (records / name).read_bytes() + content
    )
    assert_sensible(place)
    assert_heals(place)


@settings(CALM, max_examples=40)
@given(data=some.data())
def test_other_files_among_the_records_may_hold_anything(template, place, data):
    records = renew(template, place)
    there = sorted(
        path for path in records.rglob("*") if path.is_file() and path.suffix not in {".json", ".jsonl"}
    )
    path = data.draw(some.sampled_from([*there, records / "verified-up-to", records / "lock.holder"]))
    path.write_bytes(data.draw(some.binary(max_size=200) | some.just(b"\1" * 5_000)))
    assert_sensible(place)
    assert_heals(place)


@settings(CALM, max_examples=60)
@given(marks=some.binary(max_size=12), size=some.integers(0, 12 * CHUNK))
def test_a_map_may_promise_anything_and_only_whole_ranges_of_the_file_are_asked_for(place, marks, size):
    place.mkdir(exist_ok=True)
    path = place / "a.part"
    with path.open("wb") as file:
        file.truncate(size)
    path.with_name("a.part.map").write_bytes(marks)
    planned = missing_ranges(path, size)
    partial = PartialFile(path, size)
    try:
        assert partial.missing() == planned
        count = -(-size // CHUNK)
        believed = marks if len(marks) == count else bytes(count)
        inside = {number for start, stop in planned for number in range(start // CHUNK, -(-stop // CHUNK))}
        assert inside == {number for number, mark in enumerate(believed) if not mark}
        assert all(0 <= start < stop <= size for start, stop in planned)
    finally:
        partial.close()


@pytest.mark.parametrize("moment", [-1.0, 2.0**63, 1e300])
def test_times_beyond_every_calendar_are_shown_as_its_end(template, place, moment):
    records = renew(template, place)
    known = json.loads((records / "manifest.json").read_bytes())
    there = {"destination": "ms:a/b", "commit": "c", "at": moment}
    tampered = known | {"created": moment, "used": moment, "published": [there]}
    (records / "manifest.json").write_text(json.dumps(tampered))
    (records / "lock.holder").write_text(json.dumps({"pid": 1, "host": "h", "since": moment}))
    assert str(holder(records)).startswith("process 1 on h")
    assert_sensible(place)
    assert_heals(place)


RECORD_NAMES = (
    "manifest.json",
    "journal.jsonl",
    "lock.holder",
    "verified-up-to",
    "staged",
    "partial/{part}",
    "partial/{part}.map",
)


def zeros(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
        with path.open("rb") as device:
            device.read(1)
    except OSError:
        path.unlink(missing_ok=True)
        pytest.skip("no device can be made here")


def listening(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the address of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(path.name)
    finally:
        os.chdir(here)


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2 * 1024**3)


def never_ending(path: Path) -> None:
    """Let a journal that belongs to its manifest go on for hundreds of megabytes, or anything else do so."""
    head = b'{"type":"journal","continues":3}\n'
    with path.open("wb") as file:
        file.write(head)
        file.seek(300 * 1024**2)
        file.write(b"\n")


ALIENS = {
    "pipe": os.mkfifo,
    "device": zeros,
    "socket": listening,
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
    "link to a pipe": lambda path: (os.mkfifo(path.with_name("pipe")), path.symlink_to("pipe")),
    "link to itself": lambda path: path.symlink_to(path.name),
    "directory": Path.mkdir,
    "huge": huge,
    "never ending": never_ending,
}


@pytest.mark.parametrize("kind", ALIENS)
@pytest.mark.parametrize("name", RECORD_NAMES)
def test_whatever_stands_in_the_place_of_a_record_ends_no_command_and_hides_no_other_model(
    template, place, name, kind
):
    records = renew(template, place)
    shutil.copytree(records.parent, place / "root" / "other_model")
    part = next(path.name for path in (records / "partial").iterdir() if path.suffix == ".part")
    path = records / name.format(part=part)
    path.unlink(missing_ok=True)
    ALIENS[kind](path)
    assert_sensible(place)
    with redirect_stdout(io.StringIO()) as out, suppress(HubferryError):
        command_line().main(
            ["cache", "list", "--json", "--cache-dir", str(place / "root")], standalone_mode=False
        )
    listed = {Path(one["path"]).name for one in json.loads(out.getvalue())["models"]}
    assert listed == {"org_model", "other_model"}
    if path.is_dir():
        with suppress(HubferryError):  # it may hold something: a person has to look
            assert_heals(place)
        assert path.is_dir()
    else:
        assert_heals(place)


def test_a_journal_of_lines_that_are_none_is_left_after_some(template, place):
    records = renew(template, place)
    known = json.loads((records / "manifest.json").read_bytes())
    with (records / "journal.jsonl").open("wb") as journal:
        journal.write(b'{"type":"journal","continues":%d}\n' % known["number"])
        journal.write(b'{"type":"used","at":1e12}\n' + b"x\n" * 5_000 + b'{"type":"used","at":2e12}\n')
    assert manifest.load(records).used == 1e12
    assert_heals(place)


def test_a_journal_that_grew_long_is_folded_before_the_run_ends(template, place, monkeypatch):
    records = renew(template, place)
    monkeypatch.setattr(manifest, "WORTH_FOLDING", 2_000)
    model = Place(place).model()
    with model.hold(wait=0):
        for _turn in range(200):
            model.touch()
    journal = records / "journal.jsonl"
    assert not journal.exists() or journal.stat().st_size < 4_000
    assert ModelDirectory(model.path, REF).manifest == model.manifest
