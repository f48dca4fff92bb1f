"""Run a command and measure its whole process tree from outside (Linux).

Time is the wall clock from start to exit. Processor time is what the kernel accounts to the command and
every process it waited for (wait4). Memory is the larger of two: the sum of the resident sets over the tree,
sampled every 20 ms, and the highest resident set any one process ever had (VmHWM). Disk is what the folder of
the client (HOME, caches and temporary files) holds in blocks, each inode once, sampled as often as costs 2 %
of the time.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SAMPLE_SECONDS = 0.020
_DISK_SECONDS = 0.25
_BLOCK = 512  # the unit of st_blocks


@dataclass(frozen=True, slots=True)
class Usage:
    """What a command took.

    Attributes:
        wall: Seconds.
        user: Seconds of processor time in user mode.
        system: Seconds of processor time in the kernel.
        memory: Peak resident bytes of the tree.
        disk: Peak bytes in the client's folder.
        code: Exit status, negative for a signal.
    """

    wall: float
    user: float
    system: float
    memory: int
    disk: int
    code: int

    @property
    def cpu(self) -> float:
        """Seconds of processor time."""
        return self.user + self.system


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    log: Path,
    *,
    kill_after: float | None = None,
) -> Usage:
    """Run `command` with output to `log`; kill its tree after `kill_after` seconds if that is given."""
    disk = _DiskSampler(folder)
    started = time.monotonic()
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            cwd=folder, start_new_session=True,
        )  # fmt: skip
    try:
        memory, stopped = _watch(process.pid, started, kill_after)
    except BaseException:
        _kill(process.pid)
        raise
    finally:
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        peak = disk.stop()
    return Usage(stopped - started, usage.ru_utime, usage.ru_stime, memory, peak, process.returncode)


def _watch(pid: int, started: float, kill_after: float | None) -> tuple[int, float]:
    """Sample until the command exits; return peak memory and the moment of exit."""
    peak = 0
    descriptor = os.pidfd_open(pid)
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    try:
        while not poller.poll(_SAMPLE_SECONDS * 1000):
            peak = max(peak, tree_memory(pid))
            if kill_after is not None and time.monotonic() - started >= kill_after:
                kill_after = None
                _kill(pid)
        return peak, time.monotonic()
    finally:
        os.close(descriptor)


def _kill(session: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(session, signal.SIGKILL)


def tree_memory(pid: int) -> int:
    """Return the resident bytes of a process and its descendants, at least the most one of them ever had."""
    total = highest = 0
    pending = [pid]
    while pending:
        current = pending.pop()
        try:
            status = Path(f"/proc/{current}/status").read_text()
            for task in Path(f"/proc/{current}/task").iterdir():
                pending += map(int, (task / "children").read_text().split())
        except OSError:
            continue  # it ended meanwhile
        total += _kibibytes(status, "VmRSS:")
        highest = max(highest, _kibibytes(status, "VmHWM:"))
    return max(total, highest)


def _kibibytes(status: str, field: str) -> int:
    _, found, rest = status.partition(field)
    return int(rest.split(None, 1)[0]) << 10 if found else 0


class _DiskSampler(threading.Thread):
    """Watch the size of a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self._folder = folder
        self._ended = threading.Event()
        self._peak = 0
        self.start()

    def run(self) -> None:
        pause = _DISK_SECONDS
        while not self._ended.wait(pause):
            started = time.monotonic()
            self._peak = max(self._peak, folder_size(self._folder))
            pause = max(_DISK_SECONDS, 50 * (time.monotonic() - started))

    def stop(self) -> int:
        self._ended.set()
        self.join()
        return max(self._peak, folder_size(self._folder))


def folder_size(folder: Path) -> int:
    """Return the bytes of disk below a folder, counting each inode once."""
    seen: set[int] = set()
    total = 0
    pending = [str(folder)]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    else:
                        stat = entry.stat(follow_symlinks=False)
                        if stat.st_ino not in seen:
                            seen.add(stat.st_ino)
                            total += stat.st_blocks * _BLOCK
        except OSError:
            continue  # it was removed meanwhile
    return total
