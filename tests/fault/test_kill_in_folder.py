"""A copy into a folder is ended in a step there: every file is whole, and the next run converges."""

from __future__ import annotations

import os
import random
import signal
import sys
from typing import TYPE_CHECKING

import pytest

import forked

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

PLANT = """
import os, signal, sys
folder, number, strike = os.fsencode(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
turn = 0
def hook(event, arguments):
    global turn
    if event in ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "os.chown"):
        if isinstance(arguments[0], (str, bytes)) and os.fsencode(arguments[0]).startswith(folder):
            turn += 1
            if turn == strike:
                os.kill(os.getpid(), number)
sys.addaudithook(hook)
sys.argv[1:] = sys.argv[4:]
from hubferry.__main__ import main
sys.exit(main())
"""
KIB = 1024
OLD = {
    "model.safetensors": b"old",
    "config.json": b"{}",
    "gone/deep/x.bin": b"x",
    "sub": b"a file for a folder",
}
NEW = {
    "model.safetensors": random.Random(1).randbytes(90 * KIB),
    "twin.safetensors": random.Random(1).randbytes(90 * KIB),
    "config.json": b'{"new": true}',
    "sub/more.json": b"[]",
}


def write(folder: Path, files: dict[str, bytes]) -> None:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


def held(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def run(home: Path, number: int, strike: int) -> subprocess.CompletedProcess[str]:
    words = ("copy", "./source", "./target", "--delete", "--cache-dir", str(home / "cache"))
    line = [sys.executable, "-c", PLANT, str(home / "target"), str(number), str(strike), *words]
    environment = os.environ | {"HOME": str(home), "HUBFERRY_RETRY_WAIT": "0.01"}
    return forked.run(
        line, cwd=home, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.slow
@pytest.mark.parametrize(("name", "stride"), [("SIGKILL", 2), ("SIGINT", 5)])
def test_a_folder_never_holds_half_a_file_and_the_next_run_makes_it_right(tmp_path, name, stride):
    write(tmp_path / "source", NEW)
    strike, codes = 1, set()
    while 0 not in codes:
        home = tmp_path / str(strike)
        home.mkdir()
        (home / "source").symlink_to(tmp_path / "source")
        write(home / "target", OLD)
        ended = run(home, getattr(signal, name), strike)
        codes.add(ended.returncode)
        assert ended.returncode in (0, -signal.SIGINT, -signal.SIGKILL), ended.stderr
        for path, data in held(home / "target").items():
            if not path.startswith(".hubferry/"):
                assert data in (OLD.get(path), NEW.get(path)), f"{path} after {strike} steps"
        if ended.returncode == -signal.SIGINT:
            assert not list((home / "target").rglob("*.part"))
        again = run(home, 0, 0)
        assert again.returncode == 0, again.stderr
        assert held(home / "target") == NEW
        assert not (home / "target" / ".hubferry").exists()
        strike += stride
    assert codes == {0, -getattr(signal, name)}
    assert strike > 25
