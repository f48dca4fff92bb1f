"""Let a volume take long: each flush to the disk waits until somebody ends the process."""

import os
import time
from pathlib import Path

_real = os.fsync


def fsync(descriptor):
    """Wait where a volume is about to get its name."""
    if Path(f"/proc/self/fd/{descriptor}").readlink().name.endswith(".tar.partial"):
        time.sleep(1)
    _real(descriptor)


os.fsync = fsync
