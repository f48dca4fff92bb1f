"""What is remembered of an upload in parts: by its owner, with the account's token, and as it was written."""

from __future__ import annotations

import os
import stat
from base64 import b64decode

import pytest

from hubferry.hubs.huggingface.sealing import Seal
from hubferry.hubs.huggingface.unfinished import Addresses, StoredPart, Unfinished

KEY = ("https://hub.example", "model", "org/m", "0" * 64, 30)
ADDRESSES = Addresses(
    [f"https://s.example/{n}?sig=s3cret" for n in (1, 2, 3)], 10, "https://hub.example/join"
)
PARTS = [StoredPart(0, '"etag-of-one"', "a" * 64), StoredPart(1, '"etag-of-two"', "b" * 64)]


@pytest.fixture
def place(tmp_path):
    return tmp_path / "state" / "uploads"


@pytest.fixture
def kept(place):
    unfinished = Unfinished(place, "token")
    unfinished.begin(KEY, ADDRESSES)
    for part in PARTS:
        unfinished.stored(KEY, part)
    return unfinished


def record(place):
    (path,) = place.iterdir()
    return path


def found(place, token="token"):
    unfinished = Unfinished(place, token)
    return unfinished.find(KEY) if unfinished.has(KEY) else None


def test_a_later_run_finds_where_the_parts_go_and_which_are_stored(kept, place):
    known = found(place)
    assert known.addresses == ADDRESSES
    assert known.stored == PARTS


def test_what_is_forgotten_is_gone(kept, place):
    kept.forget(KEY)
    kept.forget(KEY)
    assert list(place.iterdir()) == []
    assert found(place) is None


def test_another_token_finds_nothing(kept, place):
    assert found(place, "another") is None


@pytest.mark.parametrize(("where", "token"), [(None, "token"), ("place", None), ("place", "")])
def test_without_a_place_or_a_token_nothing_is_written(place, where, token):
    unfinished = Unfinished(place if where else None, token)
    unfinished.begin(KEY, ADDRESSES)
    unfinished.stored(KEY, PARTS[0])
    unfinished.forget(KEY)
    assert not unfinished.has(KEY)
    assert not place.exists()


def test_no_address_stands_in_the_record_nor_in_what_is_shown(kept, place):
    lines = record(place).read_bytes().splitlines()
    for word in (
        b"sig=s3cret",
        b"s.example/",
        b"etag-of",
        b"hub.example",
    ):  # too long to come about by chance
        assert not any(word in line or word in b64decode(line) for line in lines)
    assert "s3cret" not in repr(ADDRESSES) + repr(found(place))


def test_only_its_owner_may_open_the_record(kept, place):
    assert stat.S_IMODE(record(place).stat().st_mode) == 0o600
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660])
def test_a_record_that_others_may_open_is_not_believed(kept, place, mode):
    record(place).chmod(mode)
    assert found(place) is None


def test_a_record_that_is_a_link_is_not_followed(kept, place, tmp_path):
    path = record(place)
    path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")
    assert found(place) is None


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_a_record_of_somebody_else_is_not_believed(kept, place):
    os.chown(record(place), 65534, 65534)
    assert found(place) is None


def test_each_changed_byte_is_noticed(kept, place):
    path = record(place)
    content = path.read_bytes()
    for at in range(0, len(content), 7):
        changed = bytearray(content)
        changed[at] ^= 1
        path.write_bytes(changed)
        known = found(place)
        assert known is None or (known.addresses, known.stored) == (ADDRESSES, PARTS), at


@pytest.mark.parametrize("length", range(1, 40))
def test_a_line_that_was_being_written_counts_as_not_written(kept, place, length):
    path = record(place)
    content = path.read_bytes()
    path.write_bytes(content[:-length])
    assert found(place).stored == PARTS[:1]


def test_a_record_with_more_parts_than_there_are_is_not_believed(kept, place):
    for number in (2, 3):
        kept.stored(KEY, StoredPart(number, "e", "c" * 64))
    assert found(place) is None


def test_two_runs_that_write_down_the_same_part_are_no_trouble(kept, place):
    kept.stored(KEY, PARTS[1])
    assert found(place).stored == PARTS


def test_parts_behind_a_gap_do_not_count(kept, place):
    kept.begin(KEY, ADDRESSES, PARTS[:1])
    kept.stored(KEY, StoredPart(2, "e", "c" * 64))
    assert found(place).stored == PARTS[:1]


def test_a_record_that_is_too_old_for_any_address_is_removed(kept, place):
    path = record(place)
    os.utime(path, (0, 0))
    assert found(place) is None
    assert not path.exists()


def test_a_directory_that_cannot_be_written_is_no_failure(tmp_path):
    (tmp_path / "file").touch()
    unfinished = Unfinished(tmp_path / "file" / "below", "token")
    unfinished.begin(KEY, ADDRESSES)
    unfinished.stored(KEY, PARTS[0])
    assert not unfinished.has(KEY)


@pytest.mark.parametrize("text", [b"", b"x", bytes(range(256)) * 40])
def test_a_seal_opens_what_it_closed_and_nothing_else(text):
    seal = Seal("token", "test")
    line = seal.close(text)
    assert seal.open(line) == text
    assert seal.close(text) != line
    assert Seal("token", "other").open(line) is None
    assert Seal("token2", "test").open(line) is None
    assert seal.open(b"") is None
    assert seal.open(b"no base64!") is None
