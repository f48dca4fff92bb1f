"""Tell the C library's allocator what this process is: one that moves large blocks through a few threads.

glibc gives a freed block of 256 KiB back to the kernel and asks for it again a millisecond later, with a
fault for each page, and keeps a heap for each thread. Measured on a copy of 1 GiB over loopback: a quarter of
the system time and some of the memory. A library must not do this to its host, so only the command line does.
"""

from __future__ import annotations

import os

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""M_TRIM_THRESHOLD, M_MMAP_THRESHOLD and M_ARENA_MAX of malloc.h."""
_KEPT = 128 * 1024 * 1024
_LARGEST_BLOCK = 32 * 1024 * 1024


def keep_freed_memory() -> None:
    """Let freed blocks stay with the process, in one heap; elsewhere than on glibc nothing is done."""
    try:
        if not (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc"):
            return
    except (AttributeError, ValueError, OSError):  # Windows, or a libc that does not know the question
        return
    import ctypes

    mallopt = ctypes.CDLL(None).mallopt
    for parameter, value in ((_ARENA_MAX, 1), (_TRIM_THRESHOLD, _KEPT), (_MMAP_THRESHOLD, _LARGEST_BLOCK)):
        mallopt(parameter, value)
