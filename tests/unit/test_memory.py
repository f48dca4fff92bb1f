"""What the allocator is told, seen by its effect in a process of its own."""

import os
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
from hubferry.cli.memory import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
def work():
    for _ in range(200):
        blocks = [bytes(256 * 1024) for _ in range(8)]
        del blocks
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(
    not (sys.platform == "linux" and "glibc" in (os.confstr("CS_GNU_LIBC_VERSION") or "")), reason="glibc"
)
def test_freed_blocks_are_used_again_without_asking_the_kernel():
    faults = {}
    for mode in ("kept", "as-it-was"):
        done = subprocess.run(
            [sys.executable, "-c", FAULTS, mode], capture_output=True, text=True, check=True
        )
        faults[mode] = int(done.stdout)
    assert faults["kept"] < 1000
    assert faults["kept"] * 10 < faults["as-it-was"] or faults["as-it-was"] < 1000
