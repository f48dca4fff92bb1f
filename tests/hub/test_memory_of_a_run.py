"""A run's memory does not grow with the size of a file, and but little with their number."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import pytest
from servers import running_hub, sdk_environment

MIB = 1024 * 1024
pytestmark = pytest.mark.skipif(not hasattr(os, "wait4"), reason="no system here tells what one process took")


def peak(home, source, destination, *more):
    """Run a whole copy as a process of its own, and return the most memory that it ever had, in bytes."""
    environment = sdk_environment(home, hf=source, ms=destination)
    line = [sys.executable, "-m", "hubferry", "copy", "hf:org/model", "ms:mine/model", "--quiet", *more]
    with subprocess.Popen(line, env=environment, stderr=subprocess.PIPE) as process:
        said = process.stderr.read()
        _pid, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, said
    return used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def peak_of(top, content, *more):
    with running_hub(top / "source") as source, running_hub(top / "destination") as destination:
        source.store.add("org/model", content)
        return peak(top / "home", source, destination, *more)


def large_file(top, size):
    path = top / "large"
    with path.open("wb") as file:
        dice = random.Random(size)
        for _block in range(size // MIB):
            file.write(dice.randbytes(MIB))
    return path


@pytest.mark.parametrize("more", [(), ("--no-cache",)], ids=["cache", "no-cache"])
def test_memory_does_not_grow_with_the_size_of_a_file(tmp_path, more):
    sizes = (64 * MIB, 320 * MIB)
    peaks = []
    for size in sizes:
        top = tmp_path / str(size)
        top.mkdir()
        peaks.append(peak_of(top, {"model.safetensors": large_file(top, size)}, *more))
        (top / "large").unlink()
    assert peaks[1] - peaks[0] < 24 * MIB, [one // MIB for one in peaks]


def test_memory_grows_by_a_few_kilobytes_a_file(tmp_path):
    counts = (200, 2_200)
    peaks = [
        peak_of(
            tmp_path / str(count), {f"{number % 20}/{number}.json": b"%d" % number for number in range(count)}
        )
        for count in counts
    ]
    assert (peaks[1] - peaks[0]) / (counts[1] - counts[0]) < 16 * 1024, [one // MIB for one in peaks]
