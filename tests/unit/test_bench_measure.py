"""The benchmark measures a command's whole process tree from outside, and leaves nothing of it behind."""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

import pytest
from benchmarks.measure import folder_size, run

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="measures by /proc")
GRANDCHILD = """
import sys, time
held = bytearray(b"x") * (64 << 20)
until = time.process_time() + 0.3
while time.process_time() < until: pass
"""


def in_a_shell(words: str) -> list[str]:
    return ["sh", "-c", f"{sys.executable} -c '{words}' & wait"]


def test_memory_and_processor_time_of_grandchildren_count(tmp_path: Path) -> None:
    usage = run(in_a_shell(GRANDCHILD), os.environ, tmp_path, tmp_path / "log")
    assert usage.code == 0
    assert usage.memory > 64 << 20
    assert usage.user + usage.system >= 0.3


def test_the_output_is_kept_and_the_exit_code_told(tmp_path: Path) -> None:
    usage = run(["sh", "-c", "echo said; echo warned >&2; exit 7"], os.environ, tmp_path, tmp_path / "log")
    assert usage.code == 7
    assert (tmp_path / "log").read_text() == "said\nwarned\n"


def test_killing_takes_the_whole_tree(tmp_path: Path) -> None:
    line = ["sh", "-c", "sleep 600 & echo $! > pid; wait"]
    usage = run(line, os.environ, tmp_path, tmp_path / "log", kill_after=1.0)
    assert usage.code == -9
    pid = (tmp_path / "pid").read_text().strip()
    while is_running(pid):  # it ends a moment after its parent, or this test never does
        time.sleep(0.01)


def is_running(pid: str) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_disk_counts_blocks_once_and_no_holes(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    file = tmp_path / "deep/file"
    file.write_bytes(random.Random("bench measure 1").randbytes(1 << 20))
    (tmp_path / "second name").hardlink_to(file)
    (tmp_path / "symlink").symlink_to(file)
    with (tmp_path / "hole").open("wb") as hole:
        hole.truncate(1 << 30)
    assert 1 << 20 <= folder_size(tmp_path) < 2 << 20


def test_a_folder_that_is_gone_has_no_size(tmp_path: Path) -> None:
    assert folder_size(tmp_path / "absent") == 0
