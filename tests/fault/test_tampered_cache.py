"""Somebody wrote into the cache's own records: every command says something sensible, and a run heals."""

from __future__ import annotations

import io
import json
import shutil
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

sys.path.insert(0, str(Path(__file__).parent))

from acts import FIRST, REF, Place, fetch_big, file_of, files_of, items_of
from tests.tampering import UNREADABLE, spoilt

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
