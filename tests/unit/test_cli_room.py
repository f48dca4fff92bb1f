"""What to type when a disk is full depends on what was typed."""

from __future__ import annotations

import pytest

from hubferry.cli import room
from hubferry.errors import DiskFullError

FULL = DiskFullError("full", side="cache", path="/cache/model")


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        (
            ["hubferry", "copy", "a/b", "c/d"],
            (
                "hubferry cache prune --older-than 30d --dry-run   "
                "# or another disk: HUBFERRY_CACHE=/another/disk"
            ),
        ),
        (
            ["hubferry", "fetch", "a/b", "--cache-dir", "/big disk"],
            (
                "hubferry cache prune --older-than 30d --cache-dir '/big disk' --dry-run   "
                "# or another disk: --cache-dir /another/disk"
            ),
        ),
        (
            ["hubferry", "fetch", "--cache-dir=/big", "a/b"],
            (
                "hubferry cache prune --older-than 30d --cache-dir /big --dry-run   "
                "# or another disk: --cache-dir /another/disk"
            ),
        ),
    ],
)
def test_a_command_is_told_to_prune_the_cache_that_it_writes_to(command, hint):
    assert room.hint(FULL, command) == hint


@pytest.mark.parametrize("script", ["transfer_flux_dev.py", "scripts/simple_hf_to_ms.py"])
def test_a_script_is_told_of_the_script_that_cleans_what_it_keeps(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/clean_model_cache.py").touch()
    hint = room.hint(FULL, ["python", script, "x"])
    assert hint == (
        "python scripts/clean_model_cache.py list   # then: python scripts/clean_model_cache.py clean NAME"
    )
    assert "HUBFERRY_CACHE" not in hint


def test_a_full_destination_keeps_its_own_hint():
    error = DiskFullError("full", side="destination", hint="make room, or name another folder")
    assert room.hint(error, ["hubferry", "copy", "a/b", "./folder"]) == "make room, or name another folder"
