"""The image that ours begins with: the published one, or where that cannot be had one of what is here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.image.running import said
from tests.pythons.found import interpreter

NAME = "docker.io/library/python:3.12-slim"
_LIBRARIES = (
    "ca-certificates,libssl3,libsqlite3-0,libffi8,libbz2-1.0,liblzma5,libreadline8,libncursesw6,"
    "zlib1g,netbase"
)
"""What a Python of pyenv's needs of Debian 12."""


def get(buildah: list[str], folder: Path) -> str | None:
    """Bring the image into the storage; return how it came there, None where it cannot."""
    if (
        subprocess.run(
            [*buildah, "inspect", "--type", "image", NAME], capture_output=True, check=False
        ).returncode
        == 0
    ):
        return "as it was there"
    if subprocess.run([*buildah, "pull", "--quiet", NAME], capture_output=True, check=False).returncode == 0:
        return "as it is published"
    python = interpreter("3.12")
    if python is None or shutil.which("debootstrap") is None:
        return None
    root = folder / "base"
    subprocess.run(
        ["debootstrap", "--variant=minbase", f"--include={_LIBRARIES}", "bookworm", root],
        capture_output=True, check=True,
    )  # fmt: skip
    _put_python(Path(python).resolve().parents[1], root)
    container = said(*buildah, "from", "scratch")
    said(*buildah, "copy", "--quiet", container, str(root), "/")
    said(*buildah, "config", "--env", "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", container)
    said(*buildah, "commit", "--quiet", container, NAME)
    said(*buildah, "rm", container)
    shutil.rmtree(root)
    return f"a stand-in: Debian 12 with {python}, since {NAME} cannot be had here"


def _put_python(origin: Path, root: Path) -> None:
    left_out = shutil.ignore_patterns("test", "__pycache__", "idlelib", "_sandbox*")
    shutil.copytree(origin, root / "usr/local", symlinks=True, dirs_exist_ok=True, ignore=left_out)
    (root / "usr/local/bin/python").unlink(missing_ok=True)
    (root / "usr/local/bin/python").symlink_to("python3.12")
    said("chroot", str(root), "/sbin/ldconfig")
