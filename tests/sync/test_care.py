"""Care across runs: one run of a file at a time, and pauses that grow."""

from __future__ import annotations

import sys

import pytest

import forked
from hubferry.errors import LockedError
from hubferry.sync.care import only_run_of, pause_after


@pytest.fixture(autouse=True)
def _state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_a_second_run_of_a_file_is_refused_while_the_first_goes_on(tmp_path):
    file = tmp_path / "mirrors.yaml"
    with only_run_of(file), pytest.raises(LockedError), only_run_of(file):
        pass


def test_a_file_is_free_again_after_its_run_and_others_were_never_held(tmp_path):
    with only_run_of(tmp_path / "one.yaml"), only_run_of(tmp_path / "two.yaml"):
        pass
    with only_run_of(tmp_path / "one.yaml"):
        pass


def test_a_file_by_another_name_is_the_same_file(tmp_path):
    (tmp_path / "mirrors.yaml").write_text("version: 1\n")
    (tmp_path / "link.yaml").symlink_to(tmp_path / "mirrors.yaml")
    with (
        only_run_of(tmp_path / "mirrors.yaml"),
        pytest.raises(LockedError),
        only_run_of(tmp_path / "link.yaml"),
    ):
        pass


def test_a_run_that_was_killed_holds_nothing(tmp_path):
    program = (
        "import os, pathlib; from hubferry.sync.care import only_run_of\n"
        f"with only_run_of(pathlib.Path({str(tmp_path / 'mirrors.yaml')!r})): os.kill(os.getpid(), 9)"
    )
    assert forked.run([sys.executable, "-c", program], check=False).returncode == -9
    with only_run_of(tmp_path / "mirrors.yaml"):
        pass


def test_pauses_grow_with_failures_in_a_row_and_stay_under_a_day():
    pauses = [pause_after(number) for number in range(40)]
    assert pauses[:4] == [0.0, 0.0, 600.0, 1200.0]
    assert pauses == sorted(pauses)
    assert pauses[-1] < 24 * 3600
