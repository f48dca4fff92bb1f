"""Find and end the processes of a cluster by what they are doing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path


def client_at(port: int) -> int:
    """Return the process that has the connection which begins at a port of this machine."""
    [inode] = [
        words[9]
        for words in (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
        if int(words[1].rpartition(":")[2], 16) == port and words[9] != "0"
    ]
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            links = (
                {str(one.readlink()) for one in (entry / "fd").iterdir()} if entry.name.isdecimal() else ()
            )
            if f"socket:[{inode}]" in links:
                return int(entry.name)
    raise LookupError(port)


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def eventually(condition, seconds: float = 30.0):
    """Return what is true in the end, or fail."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, "it never came to be so"
        time.sleep(0.02)
    return found


async def until(condition, seconds: float = 60.0):
    """Wait until something is true; fail when it takes too long."""
    await asyncio.to_thread(eventually, condition, seconds)


def processes(title: str) -> list[int]:
    """Return Ray's processes that say they are doing this."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            line = (entry / "cmdline").read_text(errors="replace") if entry.name.isdecimal() else ""
            if line.startswith("ray::") and title in line:
                found.append(int(entry.name))
    return found
