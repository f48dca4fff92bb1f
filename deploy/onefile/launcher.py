"""The beginning of the one-file build: unpack what is in the archive, once, and run it.

Native libraries cannot be loaded out of an archive. They are unpacked into a folder of this account's, which
is named after what is in the archive, so it is unpacked once: below XDG_CACHE_HOME, else ~/.cache. Where that
cannot be written, or others could put code there, it is a folder that is gone afterwards.
This file becomes `__main__.py`, and any Python from 3.8 on can say what is wrong.
"""

import atexit
import os
import runpy
import shutil
import stat
import sys
import tempfile
import zipfile

BUILD = "BUILD"
"""In the archive: which interpreter it is for, and a digest of everything in it."""


def main():
    """Unpack and run."""
    with zipfile.ZipFile(os.path.dirname(os.path.abspath(__file__))) as archive:
        tag, platform, digest = archive.read(BUILD).decode("ascii").split()
        here = "cp%d%d" % sys.version_info[:2], _platform()
        if here != (tag, platform):
            sys.exit("hubferry: this file is for %s on %s, and this is %s on %s" % (tag, platform, *here))
        place = _unpacked(archive, digest)
    sys.path[:] = [place, *(entry for entry in sys.path if not entry.endswith(".pyz"))]
    sys.argv[0] = "hubferry"
    paths = [
        place,
        *filter(None, [os.environ.get("PYTHONPATH")]),
    ]  # for `python -m hubferry`, as `demo` runs it
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    runpy.run_module("hubferry", run_name="__main__", alter_sys=False)


def _platform():
    import sysconfig

    return sysconfig.get_platform().replace("-", "_").replace(".", "_")


def _unpacked(archive, digest):
    """Return the folder with everything, which is unpacked unless it is there."""
    for root in _roots():
        place = os.path.join(root, digest)
        try:
            os.makedirs(root, mode=0o700, exist_ok=True)
            if not _is_ours(root):
                continue
            if os.path.isdir(place):
                return place
            passing = tempfile.mkdtemp(prefix=".unpacking-", dir=root)
            try:
                archive.extractall(passing)
                os.rename(passing, place)
            except OSError:
                shutil.rmtree(passing, ignore_errors=True)
                if not os.path.isdir(place):  # else another process was faster
                    raise
        except OSError:
            continue
        return place
    place = tempfile.mkdtemp(prefix="hubferry-")
    atexit.register(shutil.rmtree, place, True)
    archive.extractall(place)
    return place


def _roots():
    """Yield where it may be kept."""
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    if os.path.isabs(caches):
        yield os.path.join(caches, "hubferry-onefile")


def _is_ours(folder):
    """Return whether nobody else may put code there."""
    if not hasattr(os, "geteuid"):
        return True
    status = os.lstat(folder)
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022


if __name__ == "__main__":
    main()
